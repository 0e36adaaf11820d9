#!/usr/bin/env python3
"""Compares `tessera plan` with what runs take: time, CPU seconds, memory, bytes moved. Not a test: it measures.

    plan_check.py [--build build] [--work DIR] [--runs 3] [--only NAME,...]

Three mocks: 24 small galaxies in MaNGA cubes with noise, one galaxy of 6e6 stars in a MUSE cube, 200 galaxies one of which has
half of 4e6 stars on 1 and 2 ranks. Times are the shortest of the runs, memory the largest; "busy" is CPU seconds over
cores x time: well below 1 says that others were at work (or the disk), and that the time tells little.
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import tempfile
import time

COMMON = {"psf": {"kind": "gaussian", "fwhm": 1.0}, "lsf": {"fwhm": 2.5}, "ssp": {"library": "bc03lr"}}
CASES = {  # name: mock's galaxies and stars, configuration, numbers of ranks
    "small": (24, 60_000, {"galaxies": {"min_stars": 100}, "view": {"redshift": 0.03}, "noise": {"signal_to_noise": 30},
                           "telescope": {"name": "MaNGA_32_log", "fov": 37}}, (1,)),
    "giant": (1, 6_100_000, {"galaxies": {"subhalos": [0]}, "view": {"redshift": 0.1},
                             "telescope": {"name": "MUSE", "fov": 20}}, (1,)),
    "mixed": (200, 4_000_000, {"galaxies": {"min_stars": 100}, "view": {"redshift": 0.05},
                               "telescope": {"name": "MUSE", "fov": 5}}, (1, 2)),
}
ENVIRONMENT = {**os.environ, "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
UNITS = {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9}


def peak_of_ranks(command, cwd):
    """Seconds, CPU seconds, the largest peak of a process [byte], standard output."""
    before = os.times()
    start = time.monotonic()
    child = subprocess.Popen(command, cwd=cwd, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True)
    out = child.stdout.read()
    if child.wait() != 0:
        raise SystemExit(f"{command} failed")
    seconds = time.monotonic() - start
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    peaks = [int(line) * 1024 for line in re.findall(r"VmHWM (\d+)", (cwd / "peaks").read_text())]
    (cwd / "peaks").unlink()
    return seconds, cpu, max(peaks), out


def measure(args, name, ranks, work):
    tessera = str(pathlib.Path(args.build).resolve() / "tessera")
    galaxies, stars, config, _ = CASES[name]
    cwd = work / name
    if not cwd.exists():
        cwd.mkdir()
        subprocess.run([tessera, "mock", "--output", str(cwd / "mock"), "--galaxies", str(galaxies), "--stars", str(stars),
                        "--gas", "0", "--chunks", "3"], check=True, stdout=subprocess.DEVNULL)
    (cwd / "config.json").write_text(json.dumps({**COMMON, **config, "snapshot": {"path": "mock/output"},
                                                 "output": {"path": "cubes.hdf5"}}))
    planned = subprocess.run([tessera, "plan", "config.json", "--ranks", str(ranks), "--json"], cwd=cwd, env=ENVIRONMENT,
                             check=True, capture_output=True, text=True).stdout
    plan = json.loads(planned)["plans"][0]
    # The peak of each process as the kernel counts it, which is there as long as the process is waited for.
    wrapper = cwd / "peak.py"
    wrapper.write_text("import os, resource, subprocess, sys\n"
                       "code = subprocess.call(sys.argv[1:])\n"
                       "peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss\n"
                       "with open('peaks', 'a') as f: f.write(f'VmHWM {peak}\\n')\n"
                       "sys.exit(code)\n")
    run = ["python3", str(wrapper), tessera, "run", "config.json", "--overwrite"]
    if ranks > 1:
        run = ["mpirun", "-np", str(ranks), *run]
    seconds, cpu, memory, moved = [], [], 0, 0.0
    for _ in range(args.runs):
        (cwd / "cubes.hdf5").unlink(missing_ok=True)
        wall, used, peak, out = peak_of_ranks(run, cwd)
        seconds.append(wall)
        cpu.append(used)
        memory = max(memory, peak)
        found = re.search(r"moved between ranks: ([\d.e+]+) (\w+)", out)
        moved = float(found.group(1)) * UNITS[found.group(2)] if found else 0.0
    size = (cwd / "cubes.hdf5").stat().st_size
    (cwd / "cubes.hdf5").unlink()
    best = min(seconds)
    print(f"| {name}, {ranks} {'rank' if ranks == 1 else 'ranks'} | {plan['seconds']:.2f} | {best:.2f} | "
          f"{plan['seconds'] / best - 1:+.0%} | {min(cpu):.2f} | {min(cpu) / best / os.cpu_count():.2f} | "
          f"{plan['memory_bytes'] / 1e6:.0f} | {memory / 1e6:.0f} | {plan['memory_bytes'] / memory - 1:+.0%} | "
          f"{plan['stored_bytes'] / 1e6:.0f} | {size / 1e6:.0f} | {plan['moved_bytes'] / 1e6:.1f} | {moved / 1e6:.1f} |",
          flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--work", default="")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", default=",".join(CASES))
    args = parser.parse_args()
    print("| run | time planned [s] | measured | | CPU [s] | busy | memory planned [MB] | measured | | file planned [MB] | "
          "measured | moved planned [MB] | measured |\n|" + "---|" * 13)
    with tempfile.TemporaryDirectory(prefix="tessera-plan.", dir=args.work or None) as work:
        for name in args.only.split(","):
            for ranks in CASES[name][3]:
                measure(args, name, ranks, pathlib.Path(work))


if __name__ == "__main__":
    main()
