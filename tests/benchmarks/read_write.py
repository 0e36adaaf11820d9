#!/usr/bin/env python3
"""Rates of reading stars and of writing cubes, beside h5py and dd, in one run. Not a test: it measures.

    read_write.py [--build build] [--stars 20000000] [--spaxels 100] [--runs 5] [--scratch DIR] [--output FILE.json]

Reading: the reader of `tessera run` (columns in slices, converted and checked), h5py (the same columns into arrays as they
are stored) and dd (the whole files), on the same files of a mock, all in the page cache, in turns. Writing: parts of every
rank, one file of them by copying and by all ranks together, on 1 and 2 ranks, and h5py writing the same cubes with shuffle
and gzip. Every figure is the shortest of the runs; "busy" is the load of the machine at the start.
"""

import argparse
import glob
import json
import os
import pathlib
import subprocess
import tempfile
import time

import h5py
import numpy as np

COLUMNS = ("Coordinates", "Velocities", "GFM_InitialMass", "GFM_StellarFormationTime", "GFM_Metallicity")
SMOOTHING = ("StellarHsml", "SubfindHsml")  # the first that is there
ENVIRONMENT = {**os.environ, "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
               "OMPI_MCA_rmaps_base_oversubscribe": "1", "OMPI_MCA_hwloc_base_binding_policy": "none"}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build")
    parser.add_argument("--stars", type=int, default=20_000_000)
    parser.add_argument("--rows", type=int, default=262144, help="of stars that are read at once, as small galaxies are")
    parser.add_argument("--spaxels", type=int, default=100)
    parser.add_argument("--cubes", type=int, default=4)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--ranks", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--scratch", default=None)
    parser.add_argument("--output", default="")
    return parser.parse_args()


def seconds(function):
    begin = time.perf_counter()
    function()
    return time.perf_counter() - begin


def program(args, name, *options, ranks=1):
    """What a benchmark program wrote to its JSON file."""
    path = pathlib.Path(args.build) / "tests/benchmarks" / name
    with tempfile.NamedTemporaryFile(suffix=".json", dir=args.scratch) as out:
        launcher = ["mpirun", "-np", str(ranks)] if ranks > 1 else []
        threads = str(max(1, (os.cpu_count() or 1) // ranks))  # of each rank
        subprocess.run([*launcher, str(path), *map(str, options), "--json", out.name], check=True,
                       env={**ENVIRONMENT, "OMP_NUM_THREADS": threads}, stdout=subprocess.DEVNULL)
        return json.loads(pathlib.Path(out.name).read_text())


def h5py_read(files):
    """Bytes of the columns that the reader takes; those of a file are held together, as a reader that uses them would."""
    total = 0
    for path in files:
        with h5py.File(path) as file:
            stars = file["PartType4"]
            smoothing = next((name for name in SMOOTHING if name in stars), None)
            columns = {name: stars[name][:] for name in (*COLUMNS, smoothing) if name in stars}
            total += sum(column.nbytes for column in columns.values())
    return total


def reading(args, work):
    tessera = pathlib.Path(args.build) / "tessera"
    subprocess.run([tessera, "mock", "--output", f"{work}/mock", "--galaxies", "20", "--stars", str(args.stars), "--gas", "0",
                    "--chunks", "4"], check=True, stdout=subprocess.DEVNULL)
    files = sorted(glob.glob(f"{work}/mock/output/snapdir_*/*.hdf5"))
    megabytes = h5py_read(files) / 1e6
    whole = sum(map(os.path.getsize, files)) / 1e6
    best = {}

    def keep(name, value):
        best[name] = min(best.get(name, 1e300), value)

    for _ in range(args.runs):
        for _ in range(3):
            keep("h5py", seconds(lambda: h5py_read(files)) / megabytes)
        keep("dd", seconds(lambda: [subprocess.run(["dd", f"if={f}", "of=/dev/null", "bs=4M"], check=True,
                                                   stderr=subprocess.DEVNULL) for f in files]) / whole)
        for threads in args.threads:
            found = program(args, "bench_read", "--snapshot", f"{work}/mock/output", "--runs", 3, "--threads", threads,
                            "--rows", args.rows)
            keep(f"tessera, {threads} threads", found["seconds"] / megabytes)
    rates = {name: 1 / value for name, value in best.items()}
    return {"megabytes": megabytes, "stars": args.stars, "megabytes_per_second": rates,
            "fraction_of_h5py": {name: rate / rates["h5py"] for name, rate in rates.items()}}


def h5py_write(path, cubes, compression):
    filters = {"shuffle": True, "compression": "gzip", "compression_opts": compression} if compression else {}
    with h5py.File(path, "w") as file:
        for k, cube in enumerate(cubes):
            file.create_dataset(f"galaxies/{k}/flux", data=cube, chunks=(10, 10, 466), **filters)
    os.remove(path)


def writing(args, work):
    n, random = args.spaxels, np.random.default_rng(1)
    s, j = np.arange(n * n)[:, None], np.arange(3721)[None, :]
    cube = (1e3 / (1 + s % n) * (1 + 0.3 * np.sin(j / 30 + s / 50)) *
            random.normal(1, 0.01, (n * n, 3721))).astype("f4").reshape(n, n, 3721)
    megabytes = args.cubes * cube.nbytes / 1e6
    cases = []
    for compression in (0, 4):
        least = min(seconds(lambda: h5py_write(f"{work}/h5py.hdf5", [cube] * args.cubes, compression))
                    for _ in range(args.runs if compression == 0 else 1))
        cases.append({"what": "h5py", "compression": compression, "seconds": least, "megabytes": megabytes})
        for ranks in args.ranks:
            found = program(args, "bench_write", "--spaxels", n, "--galaxies", args.cubes, "--compression", compression,
                            "--runs", args.runs, "--folder", work, ranks=ranks)
            for what in ("parts", "copy", "collective"):
                if f"{what}_seconds" in found:
                    cases.append({"what": what, "ranks": ranks, "compression": compression, "megabytes": found["megabytes"],
                                  "megabytes_on_disk": found["megabytes_on_disk"], "seconds": found[f"{what}_seconds"]})
    for case in cases:
        case["megabytes_per_second"] = case["megabytes"] / case["seconds"]
    return cases


def main():
    args = arguments()
    with tempfile.TemporaryDirectory(prefix="tessera-io.", dir=args.scratch) as work:
        figures = {"format": "tessera-read-write 1", "busy": os.getloadavg()[0], "cores": os.cpu_count(),
                   "reading": reading(args, work)}
        for name, rate in figures["reading"]["megabytes_per_second"].items():
            print(f"read   {name:<22}{rate:8.0f} MB/s  {figures['reading']['fraction_of_h5py'][name]:6.2f} of h5py")
        figures["writing"] = writing(args, work)
        for case in figures["writing"]:
            print(f"write  {case['what']:<12}{case.get('ranks', ''):>2} ranks  compression {case['compression']}"
                  f"{case['megabytes_per_second']:8.0f} MB/s  {case['seconds']:7.3f} s")
    if args.output:
        pathlib.Path(args.output).write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
