"""The parts of suite.py: what is run, and which figures are kept of it."""

import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
SETUPS = {  # name: telescope, fov [arcsec], spaxels a side, pixels
    "MUSE 20": ("MUSE", 20, 100, 3721),
    "MUSE 60": ("MUSE", 60, 300, 3721),
    "MaNGA 37": ("MaNGA_32_log", 37, 74, 4563),
}


def memory_needed(stars, side, pixels):
    """[byte] Stars and their ordered records, cube, one block of the padded field, libraries."""
    return 120 * stars + 4.0 * side * side * pixels + 500e6


def best_threads():
    return os.cpu_count() or 1


def keep(figures, case):
    return {**{k: figures[k] for k in ("library", "telescope", "fov", "shape", "cube_megabytes", "input_megabytes",
                                       "peak_megabytes")}, **case}


def kernels(b):
    out = b.work / "kernels.json"
    tiny = ["--stars=2000", "--fov=2", "--benchmark_min_time=0.001"] if b.args.tiny else []
    b.call([b.program("bench_kernels"), f"--libraries={','.join(b.args.libraries)}", f"--benchmark_out={out}",
            "--benchmark_out_format=json", f"--benchmark_repetitions={b.args.runs}", *tiny])
    found = {}
    for row in json.loads(out.read_text())["benchmarks"]:
        if row["run_type"] == "iteration":
            found.setdefault(row["run_name"], []).append(row)
    for name, rows in found.items():
        stage, library, threads_of = name.split("/")[:3]
        count = int(threads_of.split(":")[1])
        unit = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1}[rows[0]["time_unit"]]
        seconds = [row["real_time"] * unit for row in rows]
        b.add("kernels", f"{stage} {library} {count} threads",
              {"stage": stage, "library": library, "threads": count, "seconds": seconds,
               "median_seconds": statistics.median(seconds), "bytes": rows[0]["bytes"], "fma": rows[0]["FMA"],
               "items_per_second": statistics.median(row["items_per_second"] for row in rows)})


def forward(b):
    counts = [1e3, 1e4, 1e5, 1e6, 6e6, 6e7] + ([1e8] if b.args.large else [])
    if b.args.tiny:
        counts = [1e3]
    for setup, (telescope, fov, side, pixels) in SETUPS.items():
        fov = 2 if b.args.tiny else fov
        for library in b.args.libraries:
            for stars in (int(n) for n in counts if n <= b.args.most):
                key = f"{setup} {library} {stars:.0e}"
                if not b.fits("forward", key, memory_needed(stars, side, pixels)):
                    continue
                figures = b.measure("bench_forward", "--stars", stars, "--telescope", telescope, "--fov", fov,
                                    "--library", library, "--runs", b.args.runs, "--threads", best_threads())
                b.add("forward", key, {**keep(figures, figures["cases"][0]), "setup": setup})


def growth(b):
    for library in b.args.libraries:
        few, many = (1000, 2000) if b.args.tiny else (6000000, 60000000)
        if many > b.args.most:
            b.skip("growth", library, "more stars than --most")
            continue
        if not b.fits("growth", library, memory_needed(few + many, 100, 3721)):
            continue
        figures = b.measure("bench_forward", "--stars", few, many, "--library", library, "--runs", b.args.runs,
                            "--threads", best_threads())
        first, second = figures["cases"]
        b.add("growth", library, {**keep(figures, second), "few": first,
                                  "ratio": second["median_seconds"] / first["median_seconds"]})


def threads(b):
    counts = [1]
    while counts[-1] * 2 <= best_threads():
        counts.append(counts[-1] * 2)
    stars = min(1000 if b.args.tiny else 6000000, int(b.args.most))
    # As jobs/slurm-mpi.sh has it: else a thread is moved from core to core, away from what its cache holds.
    bound = {"OMP_PLACES": "cores", "OMP_PROC_BIND": "true", **os.environ}
    for library in b.args.libraries:
        figures = b.measure("bench_forward", "--stars", stars, "--library", library, "--runs", b.args.runs, "--threads",
                            *counts, env=bound)
        one = figures["cases"][0]
        for case in figures["cases"]:
            rates = case["machine_giga_fma_per_second"], one["machine_giga_fma_per_second"]
            b.add("threads", f"{library} {case['threads']} threads",
                  {**keep(figures, case), "speedup": one["median_seconds"] / case["median_seconds"],
                   "machine_speedup": rates[0] / rates[1]})


def small(b):
    telescope, fov, _, _ = SETUPS["MaNGA 37"]
    figures = b.measure("bench_forward", "--galaxies", 2 if b.args.tiny else 200, "--stars", 1000, "--telescope",
                        telescope, "--fov", 5 if b.args.tiny else fov, "--runs", b.args.runs, "--threads",
                        best_threads())
    b.add("small", "1000 stars, MaNGA 37", keep(figures, figures["cases"][0]))


def timed(command, cwd):
    """(wall time [s], peak memory of the largest process [MB]) of a program that must succeed."""
    environment = {**os.environ, "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
                   "OMPI_MCA_hwloc_base_binding_policy": "none"}
    with open(cwd / "log.txt", "w", encoding="utf-8") as log:
        begin = time.perf_counter()
        child = subprocess.Popen(command, cwd=cwd, stdout=log, stderr=log, env=environment)
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - begin
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: exit code {child.returncode}\n" + (cwd / "log.txt").read_text())
    return seconds, usage.ru_maxrss / 1024


def read_plain(files):
    """[s] to read the files once, in pieces of 8 MB into the same memory."""
    buffer = bytearray(8 << 20)
    begin = time.perf_counter()
    for name in files:
        with open(name, "rb", buffering=0) as f:
            while f.readinto(buffer):
                pass
    return time.perf_counter() - begin


def write_plain(path, size):
    """[s] to write a new file of so many bytes."""
    block = os.urandom(1 << 20) * 8
    path.unlink(missing_ok=True)
    begin = time.perf_counter()
    with open(path, "wb", buffering=0) as f:
        left = size
        while left > 0:
            left -= f.write(block[:min(left, len(block))])
    seconds = time.perf_counter() - begin
    path.unlink()
    return seconds


def configure(b, name, snapshot, galaxies, telescope, fov, library, compression):
    config = {"snapshot": {"path": f"{snapshot}/output", "number": 99}, "galaxies": {**galaxies, "min_stars": 0},
              "view": {"redshift": 0.1, "orientation": "face-on", "inclination": 40.0},
              "telescope": {"name": telescope, "fov": fov}, "ssp": {"library": library},
              "psf": {"kind": "gaussian", "fwhm": 0.8}, "lsf": {"fwhm": 2.5},
              "output": {"path": f"{name}.hdf5", "compression": compression}}
    (b.work / f"{name}.json").write_text(json.dumps(config))
    return b.work / f"{name}.json"


def make_mock(b, name, stars, galaxies, chunks):
    b.call([b.program("tessera"), "mock", "--output", str(b.work / name), "--galaxies", str(galaxies), "--stars",
            str(stars), "--gas", "1000", "--chunks", str(chunks), "--force"])
    return sorted((b.work / name / "output/snapdir_099").glob("*.hdf5"))


def command(b):
    """The command and what it is held against take turns, so that a machine that slows down slows both; the first turn is
    to warm up."""
    stars = min(20000 if b.args.tiny else 6250000, int(b.args.most * 1.04))  # subhalo 0 has 96 % of them
    files = make_mock(b, "one", stars, 1, 1)
    fov = 2 if b.args.tiny else 20
    for library in b.args.libraries:
        configs = {c: configure(b, f"command-{library}-{c}", "one", {"subhalos": [0]}, "MUSE", fov, library, c)
                   for c in (0, 1, 4)}
        memory, memory_reads, found = [], [], {compression: [] for compression in configs}
        for _ in range(b.args.runs + 1):
            figures = b.measure("bench_forward", "--snapshot", b.work / "one/output", "--library", library, "--fov", fov,
                                "--runs", 1, "--threads", best_threads())
            memory.append(figures["cases"][0]["median_seconds"])
            memory_reads.append(figures["median_read_seconds"])
            for compression, config in configs.items():
                output = config.with_suffix(".hdf5")
                output.unlink(missing_ok=True)  # as before plain writing: giving a file's memory back takes time too
                wall, peak = timed([b.program("tessera"), "run", str(config), "-q"], b.work)
                size = output.stat().st_size
                found[compression].append((wall, read_plain(files), write_plain(b.work / "raw", size), peak, size))
        in_memory = statistics.median(memory[1:])
        for compression, turns in found.items():
            walls, reads, writes, peaks, sizes = zip(*turns[1:])
            b.add("command", f"{library} compression {compression}",
                  {"library": library, "compression": compression, "stars": figures["cases"][0]["stars"], "seconds": walls,
                   "median_seconds": statistics.median(walls), "memory_seconds": in_memory,
                   "read_seconds": statistics.median(memory_reads[1:]), "raw_read_seconds": statistics.median(reads),
                   "raw_write_seconds": statistics.median(writes),
                   "bound_seconds": 2 * in_memory + statistics.median(reads) + statistics.median(writes),
                   "snapshot_bytes": sum(f.stat().st_size for f in files), "output_bytes": sizes[-1],
                   "peak_megabytes": max(peaks), "threads": best_threads()})
            configs[compression].with_suffix(".hdf5").unlink()


def survey(b):
    telescope, fov, _, _ = SETUPS["MaNGA 37"]
    count = 4 if b.args.tiny else 24
    make_mock(b, "many", 2100 * (count + 1), 2 * count, 1)  # the first galaxy has half of the stars
    chosen = {"subhalos": list(range(1, count + 1))}
    for compression in (0, 4):
        name = f"survey-{compression}"
        config = configure(b, name, "many", chosen, telescope, 5 if b.args.tiny else fov, b.args.libraries[0],
                           compression)
        output = b.work / f"{name}.hdf5"
        walls, writes = [], []
        for run in range(b.args.runs + 1):
            output.unlink(missing_ok=True)
            wall, peak = timed([b.program("tessera"), "run", str(config), "-q"], b.work)
            raw = write_plain(b.work / "raw", output.stat().st_size)
            if run > 0:
                walls.append(wall)
                writes.append(raw)
        b.add("survey", f"{count} galaxies compression {compression}",
              {"galaxies": count, "compression": compression, "seconds": walls,
               "median_seconds": statistics.median(walls), "raw_write_seconds": statistics.median(writes),
               "galaxies_per_second": count / statistics.median(walls), "output_bytes": output.stat().st_size,
               "peak_megabytes": peak})
        output.unlink()


def ranks(b):
    """Galaxies on two ranks of one core each, against one rank with all of them (strong scaling) and with each half of them
    (weak scaling); and one galaxy that both ranks share."""
    count = 4 if b.args.tiny else 80  # enough that slices of whole galaxies can be equal
    make_mock(b, "ranks", 20000 if b.args.tiny else 4000000, 2 * count, 2)
    giant = {"subhalos": [0]}
    first, second = list(range(1, count // 2 + 1)), list(range(count // 2 + 1, count + 1))
    cases = [("first half", {"subhalos": first}, 1), ("second half", {"subhalos": second}, 1),
             ("all", {"subhalos": first + second}, 1), ("all", {"subhalos": first + second}, 2),
             ("giant", giant, 1), ("giant", giant, 2)]
    for layout in ("parts", "single"):
        walls = {}
        for run in range(b.args.runs + 1):
            for what, galaxies, np in cases:
                config = configure(b, "ranks-run", "ranks", galaxies, "MUSE", 2 if b.args.tiny else 10, b.args.libraries[0], 4)
                for old in b.work.glob("ranks-run.hdf5*"):  # deleting gigabytes and writing them back is not this run's work
                    shutil.rmtree(old) if old.is_dir() else old.unlink()
                os.sync()
                wall, peak = timed(["mpirun", "-np", str(np), "--oversubscribe", "--bind-to", "core", b.program("tessera"),
                                    "run", str(config), "-q", "--set", "resources.threads=1", "--set", f"output.layout={layout}",
                                    "--set", "resources.split_from=10000"], b.work)
                if run > 0:
                    walls.setdefault((what, np), []).append((wall, peak))
        median = {case: statistics.median(wall for wall, _ in runs) for case, runs in walls.items()}
        half = (median["first half", 1] + median["second half", 1]) / 2
        efficiency = {("all", 1): 1, ("giant", 1): 1, ("all", 2): half / median["all", 2],
                      ("giant", 2): median["giant", 1] / median["giant", 2] / 2}
        for (what, np), runs in walls.items():
            figures = {"what": what, "layout": layout, "ranks": np, "median_seconds": median[what, np],
                       "seconds": [wall for wall, _ in runs], "peak_megabytes": max(peak for _, peak in runs)}
            if (what, np) in efficiency:
                figures["efficiency"] = efficiency[what, np]
            if (what, np) == ("all", 2):
                figures["strong_efficiency"] = median["all", 1] / median["all", 2] / 2
            b.add("ranks", f"{what}, {np} rank{'s' if np > 1 else ''}, {layout}", figures)


def output(b):
    figures = b.measure("bench_output", "--spaxels", 8 if b.args.tiny else 100, "--runs", b.args.runs, "--folder", b.work)
    written = ""
    for case in figures["cases"]:
        what = case["what"].strip()
        b.add("output", f"read {written}" if what == "read" else what,
              {**case, "megabytes": figures["megabytes"], "median_seconds": case["seconds"]})
        written = what


def rubix_python(b):
    """The peer's Python, in an environment that is made where there is none."""
    venv = pathlib.Path(b.args.peer_venv or b.build / "venv-rubix")
    python = venv / "bin/python"
    if not python.exists() or subprocess.run([python, "-c", "import rubix"], capture_output=True).returncode != 0:
        b.call([sys.executable, "-m", "venv", str(venv)])
        b.call([str(python), "-m", "pip", "install", "-q", "astro-rubix==0.0.5", "h5py"])
    return python


def gradient(b):
    """VJPs beside the forward model, and with --peer rubix beside RUBIX's reverse mode on 30,000 stars."""
    stars, fov = (1000, 2) if b.args.tiny else (min(6000000, int(b.args.most)), 20)
    options = ("--fov", fov, "--threads", best_threads(), "--runs", b.args.runs, "--stars")
    for library in b.args.libraries:
        for name, more in (("", ()), (" instrument", ("--instrument",)), (" cic", ("--footprint", "cic"))):
            figures = b.measure("bench_gradient", "--library", library, *options, stars, *more)
            alone = b.measure("bench_gradient", "--library", library, *options, stars, *more, "--peak")
            middle = {k: statistics.median(figures[f"{k}_seconds"]) for k in ("gradient", "forward")}
            allowed = 2 * figures["cube_megabytes"] + 150e-6 * stars / 1.048576 + 300 / 1.048576
            case = {**figures, "median_seconds": middle["gradient"], "ratio": middle["gradient"] / middle["forward"],
                    "least_ratio": min(figures["gradient_seconds"]) / min(figures["forward_seconds"]),
                    "peak_megabytes": alone["peak_megabytes"], "allowed_megabytes": allowed}
            b.add("gradient", f"MUSE {fov} {library} {stars} stars{name}", case)
            print(f"         {case['ratio']:.2f} x forward, peak {case['peak_megabytes']:.0f} of {allowed:.0f} MB")
    if b.args.peer != "rubix":
        return
    count = 500 if b.args.tiny else 30000
    python, file, out = rubix_python(b), b.work / "stars.h5", b.work / "rubix.json"
    b.call([b.program("bench_forward"), "--stars", str(count), "--write-stars", str(file)])
    b.call([str(python), str(HERE / "bench_rubix.py"), str(file), "--gradient", "--fov", str(fov), "--runs",
            str(b.args.runs), "--json", str(out)])
    peer = json.loads(out.read_text())
    same = b.measure("bench_gradient", "--library", "bc03lr", *options, count)
    ours = statistics.median(same["gradient_seconds"]) / count * 1e6
    case = {"peer": peer["peer"], "stars": count, "peer_seconds": peer["seconds"],
            "peer_peak_megabytes": peer["peak_megabytes"], "peer_microseconds_per_star": peer["microseconds_per_star"],
            "median_seconds": statistics.median(same["gradient_seconds"]), "microseconds_per_star": ours,
            "peak_megabytes": same["peak_megabytes"], "ratio": peer["microseconds_per_star"] / ours}
    b.add("gradient", f"MUSE {fov} bc03lr {count} stars beside RUBIX", case)
    print(f"         RUBIX {case['peer_microseconds_per_star']:.0f} us a star and {case['peer_peak_megabytes']:.0f} MB, "
          f"Tessera {ours:.2f} us and {case['peak_megabytes']:.0f} MB")


def rubix(b):
    python = rubix_python(b)
    stars, many = (500, 1000) if b.args.tiny else (b.args.peer_stars, min(6000000, int(b.args.most)))
    fov = 2 if b.args.tiny else 20
    file, out = b.work / "stars.h5", b.work / "rubix.json"
    b.call([b.program("bench_forward"), "--stars", str(stars), "--write-stars", str(file)])

    def tessera():
        return b.measure("bench_forward", "--stars", stars, many, "--fov", fov, "--runs", b.args.runs, "--threads",
                         best_threads())["cases"]

    before = tessera()
    b.call([str(python), str(HERE / "bench_rubix.py"), str(file), "--fov", str(fov), "--runs", str(b.args.runs), "--json",
            str(out)])
    peer = json.loads(out.read_text())
    after = tessera()
    case = {"peer": peer["peer"], "peer_stars": stars, "peer_seconds": peer["seconds"],
            "peer_median_seconds": statistics.median(peer["seconds"]),
            "peer_microseconds_per_star": peer["microseconds_per_star"]}
    for name, one, two in (("same", before[0], after[0]), ("many", before[1], after[1])):
        seconds = one["seconds"] + two["seconds"]
        per_star = statistics.median(seconds) / one["stars"] * 1e6
        case[name] = {"stars": one["stars"], "seconds": seconds, "median_seconds": statistics.median(seconds),
                      "microseconds_per_star": per_star, "ratio": peer["microseconds_per_star"] / per_star}
    case["median_seconds"] = case["many"]["median_seconds"]
    b.add("rubix", "MUSE 20 bc03lr", case)
    print(f"RUBIX {case['peer_microseconds_per_star']:.1f} us a star; ratio {case['same']['ratio']:.0f} at {stars} stars "
          f"each, {case['many']['ratio']:.0f} with Tessera at {many}")


PARTS = {part.__name__: part
         for part in (kernels, forward, growth, threads, small, command, survey, ranks, output, gradient, rubix)}
