"""Whole runs whose input or surroundings are at fault: message, exit code, end in time, nothing lost.

Each entry of the tables in faults.py and faults_around.py is run, put right, and run again with --resume, which must give
the file of an undisturbed run. --markdown FILE writes what was said as docs/faults.md.
"""

import argparse
import concurrent.futures
import contextlib
import glob
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import h5py

import faults
import faults_around
from small_run import SmallRun, contents, differences

LIMIT = 10  # [s] by which every job that meets a fault has ended
os.environ.update({"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "NO_COLOR": "1",
                   "MALLOC_ARENA_MAX": "1",  # else the address space of a run is a matter of chance
                   "OMPI_MCA_hwloc_base_binding_policy": "none", "OMPI_MCA_rmaps_base_oversubscribe": "1"})
GROUPS = {
    "Snapshot and catalogue": faults.SNAPSHOT,
    "Galaxies": faults.GALAXIES,
    "What is asked for": faults_around.ASKED,
    "Output": faults_around.OUTPUTS,
    "Memory and processes": faults_around.PROCESSES,
    "Earlier runs": faults_around.EARLIER,
}


class Base:
    """What all entries begin with, and what undisturbed runs give."""

    def __init__(self, tessera, top):
        self.tessera, self.top = tessera, top
        self.lock, self.whole = threading.Lock(), {}
        for name, seed in (("base", 1), ("other", 2)):
            os.mkdir(os.path.join(top, name))
            small = SmallRun(tessera, os.path.join(top, name), stars=100000, spaxels=4, wavelengths=60, chunks=4, seed=seed)
            if name == "base":
                small.config["galaxies"]["subhalos"] = faults.SUBHALOS
                small.config["output"]["checkpoint"] = 0
                small.config["resources"]["split_from"] = 8192
                self.small = small
        with h5py.File(small.path("../base/" + faults.OFFSETS)) as file:
            self.first = [int(n) for n in file["Subhalo/SnapByType"][:, 4]]
            self.rows = int(file["FileOffsets/SnapByType"][1, 4])
        self.count = []
        for name in sorted(glob.glob(small.path("../base/mock/output/groups_099/*"))):
            with h5py.File(name) as file:
                if "SubhaloLenType" in file["Subhalo"]:
                    self.count += [int(n) for n in file["Subhalo/SubhaloLenType"][:, 4]]


class Place:
    """The folder of one entry: files are shared with the others until they are spoiled."""

    def __init__(self, base, fault, number):
        self.base, self.fault = base, fault
        self.folder = os.path.join(base.top, str(number))
        self.config = {**base.small.config}
        self.first, self.count, self.rows = base.first, base.count, base.rows
        self.faults, self.at_end, self.open_files = [], [], {}
        self.wrap = fault.wrap
        os.makedirs(self.path("tmp"))  # of MPI: runs that share one now and then find it removed by each other
        self.fill()

    def fill(self):
        for name in ("mock", "library.hdf5"):
            path = self.path(name)
            if os.path.islink(path) or os.path.isfile(path):
                os.remove(path)
            shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(self.base.small.path("mock"), self.path("mock"), copy_function=os.link)
        os.link(self.base.small.path("library.hdf5"), self.path("library.hdf5"))

    def path(self, name):
        return os.path.join(self.folder, name)

    def own(self, name):
        """The path of a file, which is no longer that of other entries."""
        path = self.path(name)
        if os.path.exists(path) and os.stat(path).st_nlink > 1:
            shutil.copy(path, path + "~")
            os.replace(path + "~", path)
        return path

    def open_chunk(self, c):
        """Open for spoilers that change several values; closed before the run."""
        if c not in self.open_files:
            self.open_files[c] = h5py.File(self.own(faults.chunk(c)), "r+")
        return self.open_files[c]

    def holders(self, c):
        return {g for g in faults.SUBHALOS if self.first[g] < (c + 1) * self.rows and self.first[g] + self.count[g] > c * self.rows}

    def write(self):
        SmallRun.write(self)

    def output(self):
        options = self.fault.options
        return self.path(options[options.index("--output") + 1] if "--output" in options else "cubes.hdf5")

    def parts(self):
        return [name for name in glob.glob(self.output() + ".parts/*") if name.endswith(".hdf5")]

    def check(self, holds, what):
        if not holds:
            self.faults.append(what)

    def start(self, arguments, ranks=1, wrap=()):
        launcher = ["mpirun", "-np", str(ranks)] if ranks > 1 else []
        return subprocess.Popen([*launcher, *wrap, self.base.tessera, *arguments], cwd=self.folder, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True,
                                env={**os.environ, "TMPDIR": self.path("tmp")})

    def run(self, arguments, code=0, ranks=1, wrap=(), act=None, limit=60):
        """What it said; a fault where it lasts too long or ends with another exit code."""
        begin = time.monotonic()
        process = self.start(arguments, ranks, wrap)
        if act:
            act(self, process)
        try:
            said = process.communicate(timeout=limit)[0]
        except subprocess.TimeoutExpired:
            for pid in [*faults_around.ranks_of(process.pid), process.pid]:
                os.kill(pid, signal.SIGKILL)
            said = process.communicate()[0]
            self.check(False, f"{arguments}: not at its end after {limit} s\n{said}")
            return said
        self.check(time.monotonic() - begin < limit, f"{arguments}: lasted {time.monotonic() - begin:.1f} s")
        self.check(process.returncode == code, f"{arguments}: exit code {process.returncode}, not {code}\n{said}")
        return said

    def close(self):
        for command in self.at_end:
            subprocess.run(command, capture_output=True)
        shutil.rmtree(self.folder)


def all_contents(path):
    """Less what may differ: the number of ranks, and where the output goes and how."""
    found = contents(path)
    return {name: what for name, what in found.items() if name not in ("@ranks", "@config")}


def undisturbed(place, options):
    """Contents of the file of a run with this configuration and these options; made once."""
    base, key = place.base, (str(place.config), str([o for o in options if "hdf5" not in o]))
    with base.lock:
        if key not in base.whole:
            fault = faults.Fault("undisturbed", [])
            clean = Place(base, fault, "undisturbed")
            clean.config = place.config
            clean.write()
            clean.run(["run", "config.json", *[o for o in options if o != "--output" and "cubes.hdf5" not in o]])
            if clean.faults:
                sys.exit(f"an undisturbed run failed: {clean.faults}")
            base.whole[key] = all_contents(clean.path("cubes.hdf5"))
            clean.close()
        return base.whole[key]


def others_are_right(place, whole, bad):
    """The complete file of a run some of whose galaxies failed."""
    if not os.path.exists(place.output()):
        place.check(False, "no file")
        return []
    with h5py.File(place.output()) as file:
        states = dict(zip(file["catalog/subhalo"], (text.decode() for text in file["catalog/status"]), strict=True))
        there = {int(name) for name in file["galaxies"]}
    place.check(list(states) == faults.SUBHALOS, f"rows: {list(states)}")
    failed = {g for g, state in states.items() if state.startswith("failed: ")}
    place.check(failed == bad, f"failed: {failed}, not {bad}: {states}")
    place.check(there == set(faults.SUBHALOS) - bad, f"galaxies in the file: {there}")

    def good(found):
        names = re.compile("/(wavelength|galaxies/(" + "|".join(str(g) for g in set(faults.SUBHALOS) - bad) + "))([/@]|$)")
        return {name: what for name, what in found.items() if names.match(name)}

    differ = differences(good(whole), good(all_contents(place.output())))
    place.check(not differ, f"others than in an undisturbed run: {differ}")
    return [states[g] for g in sorted(bad)]


def go_through(base, fault, number):
    """Faults of the program that were found, and what it said."""
    place = Place(base, fault, number)
    with contextlib.ExitStack() as stack:
        stack.callback(place.close)
        place.write()
        fault.spoil(place)
        for file in place.open_files.values():
            file.close()
        place.write()
        whole = undisturbed(place, fault.options)
        bad = fault.bad(place) if callable(fault.bad) else fault.bad
        arguments = ["run", "config.json", *fault.options]
        before = sorted((name, os.stat(name).st_mtime_ns) for name in place.parts())
        said = place.run(arguments + fault.wrong, 0 if bad is not None else fault.code, fault.ranks, place.wrap, fault.act,
                         LIMIT)
        if bad is None:
            states = []
            place.check(not os.path.exists(place.output()), "a file under the final name")
            place.check(fault.kept in (None, bool(place.parts())), f"parts: {place.parts()}")
            place.check(set(before) <= {(name, os.stat(name).st_mtime_ns) for name in place.parts()}, "parts are lost")
            if fault.ranks == 1 and not fault.kept:
                left = [name for name in glob.glob(place.output() + "*") if name != place.path("cubes.hdf5.parts")]
                place.check(not left, f"left behind: {left}")
        else:
            states = others_are_right(place, whole, bad)
            left = glob.glob(place.output() + "?*")
            place.check(not left, f"left behind: {left}")
            if bad and fault.ranks == 1:
                again = place.run([*arguments, "--resume"])
                place.check("complete already" in again and f"{len(bad)} galax" in again, f"no word of failures: {again}")
        for pattern in fault.says:
            found = re.search(pattern, said)
            place.check(found or any(re.search(pattern, state) for state in states), f"no {pattern} in: {said}{states}")
        place.check("HDF5-DIAG" not in said and "terminate called" not in said, f"noise: {said}")
        if fault.ranks > 1 and bad is None and not fault.left:
            place.check(re.search(r"\[rank \d\] tessera: error: ", said), f"no rank in: {said}")
        # Put right, it goes on.
        place.fill()
        fault.mend(place)
        place.run([*arguments, "--overwrite" if bad else "--resume"])
        if not place.faults:
            differ = differences(whole, all_contents(place.output()))
            place.check(not differ, f"put right and resumed, others than in an undisturbed run: {differ}")
            left = glob.glob(place.output() + "?*")
            place.check(not left, f"left behind at the end: {left}")
        return place.faults, states or [said]


def attempt(base, fault, number):
    begin = time.monotonic()
    try:
        found, said = go_through(base, fault, number)
        return fault, found, said, time.monotonic() - begin, ""
    except faults.Unavailable as e:
        return fault, [], [], 0, str(e)


def example(fault, said):
    """The line of what it said that the first pattern is in, without what is of the moment or of the machine."""
    for line in "\n".join(said).splitlines():
        if re.search(fault.says[0], line):
            line = re.sub(r"/\S*?/\d+/(?=mock/|cubes|library)", "", line)
            line = re.sub(r"\d{8}T\d{6}Z(\.\d)+", "TIME.RANK.N", line)
            line = re.sub(r"process \d+ on \w+", "process PID on HOST", line)
            line = re.sub(r" on node \S+", " on node HOST", re.sub(r"PID \d+", "PID ...", line))
            return line.strip()
    return ""


def meaning(fault):
    """What comes of it, in words."""
    if fault.bad is not None:
        return "0; the galaxies that it touches fail, all others are right" if fault.bad else "0; observed again"
    code = str(fault.code)
    if fault.kept or fault.kept is None:
        return code + "; no file, what is finished is kept"
    return code + "; no file"


def markdown(outcome):
    lines = ["# Faults", "",
             "What `tessera run` says and does when something is wrong. Made by `tests/test_faults.py --markdown`: each entry is",
             "run, put right and run again with `--resume` (`--overwrite` where the file was complete), which gives the file of an",
             "undisturbed run; every job ends within 10 s. With several ranks the message begins with that of the rank, and MPI adds",
             "words of its own. Exit codes: 0 done, 1 failed, 2 wrong command line or configuration, 137 killed.", "",
             "A galaxy that cannot be read or observed is a row `failed: reason` of the catalogue (`--strict`: an error). All else",
             "that is wrong ends the run: nothing is ever under the final name but a complete file, and galaxies that were finished",
             "before stay in `OUTPUT.parts/`.", ""]
    for title, group in GROUPS.items():
        lines += [f"## {title}", "", "| fault | ranks | exit code and what comes of it | message |", "|---|---|---|---|"]
        for fault in group:
            said = example(fault, outcome.get(fault.name, [])).replace("|", "\\|")
            lines.append(f"| {fault.name} | {fault.ranks} | {meaning(fault)} | `{said}` |")
        lines.append("")
    lines += ["## Not caught", "",
              "- Less address space than OpenBLAS wants to begin with (`ulimit -v` below some 300 MB): it asks for it again and again",
              "  before the program begins. Somewhat more, and MPI ends the job with messages of its own.",
              "- Particles that are exchanged for others, of the same number in each chunk and subhalo, between a run and its",
              "  `--resume`: what the header and the catalogue say of the chosen galaxies is compared, not the particles.",
              "- Bytes of cubes that a disk has lost in a part that can be opened: they are copied as they are stored."]
    return "\n".join(lines) + "\n"


def is_documented():
    """docs/faults.md knows every fault of the table and no other."""
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../docs/faults.md")) as file:
        rows = [line.split("|")[1].strip() for line in file if line.startswith("| ") and not line.startswith("| fault |")]
    names = [fault.name for group in GROUPS.values() for fault in group]
    if rows != names:
        print(f"FAILED: docs/faults.md: {set(rows) ^ set(names)}; make it anew with --markdown docs/faults.md")
    return rows == names


parser = argparse.ArgumentParser()
parser.add_argument("--tessera", required=True)
parser.add_argument("--only", default="", help="entries whose name has this in it")
parser.add_argument("--markdown", help="file for the table of faults")
parser.add_argument("--verbose", action="store_true")
parsed = parser.parse_args()
failed, skipped, outcome = 0, 0, {}
with tempfile.TemporaryDirectory() as top:
    base = Base(os.path.abspath(parsed.tessera), top)
    entries = [fault for group in GROUPS.values() for fault in group if parsed.only in fault.name]
    if not shutil.which("mpirun"):
        print("left out, for want of mpirun:", *(fault.name for fault in entries if fault.ranks > 1), sep="\n  ")
        entries = [fault for fault in entries if fault.ranks == 1]
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        for fault, found, said, seconds, why in pool.map(lambda i: attempt(base, entries[i], i), range(len(entries))):
            outcome[fault.name] = said
            skipped += bool(why)
            failed += bool(found)
            if why:
                print(f"left out: {fault.name}: {why}")
            for what in found:
                print(f"FAILED: {fault.name} ({fault.ranks} ranks): {what}")
            if parsed.verbose:
                print(f"{seconds:.1f} s  {fault.name}:", *(text.strip() for text in said), sep="\n    ")
if parsed.markdown:
    with open(parsed.markdown, "w") as file:
        file.write(markdown(outcome))
failed += not is_documented()
print(f"{len(entries)} faults, {skipped} left out:", f"{failed} failed" if failed else "clean")
sys.exit(1 if failed else 0)
