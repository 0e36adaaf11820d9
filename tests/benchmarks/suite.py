#!/usr/bin/env python3
"""Times Tessera, alone and beside astro-rubix, and collects the figures in one JSON file.

    tests/benchmarks/suite.py [--build build] [--output benchmarks.json] [--only PART,...] [--peer rubix]

Parts, each on its own with --only:
  machine   memory bandwidth and FMA rate of this machine: the roofline's limits
  kernels   each stage alone (Google Benchmark)
  forward   in memory: N = 1e3 ... 6e7 (--large: 1e8) x libraries x MUSE 20", MUSE 60", MaNGA 37"
  growth    6e6 and 6e7 stars in turns           threads   1, 2, ... threads in turns
  small     galaxies of 1,000 stars, MaNGA 74 x 74 x 4563, in memory
  command   tessera run: HDF5 snapshot of 6e6 stars -> HDF5 cube, beside raw reading and writing
  survey    tessera run of many galaxies with 1,000 stars each      ranks   1 and 2 ranks with mpirun
  output    writing and reading cubes by compression
  gradient  VJPs beside the forward model; with --peer rubix RUBIX's reverse mode too
  rubix     astro-rubix 0.0.5 on the same stars; only where asked for (--peer rubix)
A results file that exists keeps the cases that are not measured anew; every case carries its own commit and date.
"""

import argparse
import datetime
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import suite_parts

HERE = pathlib.Path(__file__).resolve().parent


def cpu_model():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as f:
            return next(line.split(":", 1)[1].strip() for line in f if line.startswith("model name"))
    except (OSError, StopIteration):
        return "unknown"


def memory_available():
    """[byte]"""
    with open("/proc/meminfo", encoding="utf-8") as f:
        return next(int(line.split()[1]) * 1024 for line in f if line.startswith("MemAvailable"))


class Bench:
    """Runs programs, and puts what they measured into the results."""

    def __init__(self, args):
        self.args = args
        self.build = pathlib.Path(args.build).resolve()
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="tessera-bench.", dir=args.scratch))
        self.results = {"format": "tessera-benchmarks 1", "machine": {}, "parts": {}}
        self.path = pathlib.Path(args.output)
        if self.path.exists():
            self.results = json.loads(self.path.read_text())
        self.stamp = {}

    def program(self, name):
        path = self.build / (name if name == "tessera" else f"tests/benchmarks/{name}")
        if not path.exists():
            sys.exit(f"suite.py: there is no program '{path}': build it (jobs/build.sh host), or name the folder with "
                     "--build")
        return str(path)

    def describe(self):
        """Machine and build, measured or not."""
        limits = self.measure("bench_machine", "--runs", self.args.runs, *(["--megabytes", 8] if self.args.tiny else []))
        self.results["machine"] = {"cpu": cpu_model(), "cores": limits["cores"], "simd": limits["simd"],
                                   "compiler": limits["compiler"], "build": limits["build"],
                                   "memory_gigabytes": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
                                                             / 2**30, 1)}
        self.stamp = {"commit": limits["commit"],
                      "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d")}
        for case in limits["cases"]:
            self.add("machine", f"{case['threads']} threads", case)

    def measure(self, name, *options, **more):
        """The JSON of one of the benchmark programs."""
        out = self.work / "figures.json"
        out.unlink(missing_ok=True)
        self.call([self.program(name), *map(str, options), "--json", str(out)], **more)
        return json.loads(out.read_text())

    def call(self, command, quiet=True, **more):
        done = subprocess.run(command, stdout=subprocess.PIPE if quiet else None, stderr=subprocess.STDOUT, text=True,
                              check=False, **more)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout or ''}")
        return done.stdout

    def add(self, part, key, case):
        """One case; it replaces the one of the same key."""
        cases = self.results["parts"].setdefault(part, {})
        cases[key] = {**case, **self.stamp}
        self.save()
        seconds = case.get("median_seconds")
        print(f"{part:<8} {key:<58}" + (f" {seconds:9.4g} s" if seconds is not None else ""), flush=True)

    def skip(self, part, key, why):
        print(f"{part:<8} {key:<58} skipped: {why}", flush=True)

    def fits(self, part, key, wanted):
        """Whether so many bytes are free."""
        free = memory_available()
        if wanted <= 0.9 * free:
            return True
        self.skip(part, key, f"needs about {wanted / 1e9:.1f} GB of memory, {free / 1e9:.1f} GB are free")
        return False

    def save(self):
        text = json.dumps(self.results, indent=1)
        temporary = self.path.with_name(self.path.name + ".tmp")
        temporary.write_text(text + "\n")
        temporary.rename(self.path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=str(HERE.parent.parent / "build"), help="build folder")
    parser.add_argument("--output", default="benchmarks.json", help="results; merged into where it exists")
    parser.add_argument("--only", default="", help="parts, separated by commas")
    parser.add_argument("--runs", type=int, default=5, help="counted runs of everything (median)")
    parser.add_argument("--large", action="store_true", help="1e8 stars too")
    parser.add_argument("--most", type=float, default=1e8, help="no case of more stars")
    parser.add_argument("--libraries", default="bc03lr,emiles", help="SSP libraries; those not installed are left out")
    parser.add_argument("--peer", choices=["rubix"], help="time astro-rubix 0.0.5 on the same stars in the same run")
    parser.add_argument("--peer-stars", type=int, default=100000)
    parser.add_argument("--peer-venv", default="", help="environment of the peer; made below the build folder if absent")
    parser.add_argument("--scratch", default=None, help="folder for snapshots and cubes (default: for temporary files)")
    parser.add_argument("--tiny", action="store_true", help="the smallest case of everything: does it run at all?")
    args = parser.parse_args()
    names = [n for n in args.only.split(",") if n] or [n for n in suite_parts.PARTS if n != "rubix"]
    if args.peer and args.peer not in names:
        names.append(args.peer)
    unknown = [n for n in names if n not in ("machine", *suite_parts.PARTS)]
    if unknown:
        sys.exit(f"suite.py: unknown part '{unknown[0]}'; parts: machine, {', '.join(suite_parts.PARTS)}")

    bench = Bench(args)
    try:
        bench.describe()
        installed = []
        for library in args.libraries.split(","):
            try:
                bench.call([bench.program("tessera"), "ssp", "info", library])
                installed.append(library)
            except RuntimeError:
                print(f"without {library}: it is not installed (jobs/fetch-ssp.sh)")
        args.libraries = installed
        for name in names:
            if name != "machine":  # that was first
                suite_parts.PARTS[name](bench)
    except RuntimeError as error:
        sys.exit(f"suite.py: {error}")
    finally:
        shutil.rmtree(bench.work, ignore_errors=True)
    print(f"figures in {bench.path}; draw them with tessera-benchmarks")


if __name__ == "__main__":
    main()
