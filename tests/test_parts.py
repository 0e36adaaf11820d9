"""Runs that are killed at any moment, resumed, refused, out of disk, with bad galaxies: seen from outside."""

import argparse
import glob
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import h5py
import numpy as np
from small_run import SmallRun, contents, differences, end, go_on, ranks_of, stop

failed = 0
os.environ.update({"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
                   "OMPI_MCA_hwloc_base_binding_policy": "none", "OMPI_MCA_rmaps_base_oversubscribe": "1"})


def check(holds, what):
    global failed
    if not holds:
        failed += 1
        print(f"FAILED: {what}")


def mpirun(ranks):
    return [] if ranks == 1 else ["mpirun", "-np", str(ranks)]


def most_ranks():
    return 3 if shutil.which("mpirun") else 1


def clean(small):
    for path in glob.glob(small.path("cubes*")):
        shutil.rmtree(path) if os.path.isdir(path) else os.remove(path)


def finished_parts(small):
    return [name for name in glob.glob(small.path("cubes.hdf5.parts/*")) if name.endswith(".hdf5")]


def all_contents(path):
    """Less what may differ: the number of ranks, and where the output goes and how."""
    found = contents(path)
    found.pop("@ranks")
    found.pop("@config")
    return found


def undisturbed(small):
    begin = time.monotonic()
    small.run("run", "config.json")
    seconds = time.monotonic() - begin
    whole = all_contents(small.path("cubes.hdf5"))
    clean(small)
    return whole, seconds


def same(small, whole, what):
    differ = differences(whole, all_contents(small.path("cubes.hdf5")))
    check(not differ, f"{what}: {differ} are others than in an undisturbed run")


def interrupted(small, *options, launcher=(), parts=1):
    """A run that is stopped (until go_on() or end()) with so many parts finished, and not done. Where the machine is busy it may
    be through before this program has its turn: then it is started anew."""
    for _ in range(20):
        clean(small)
        process = small.start("run", "config.json", "--set", "output.checkpoint=0", *options, launcher=launcher)
        while process.poll() is None and len(finished_parts(small)) < parts:
            time.sleep(0.002)
        stop(process)
        if process.poll() is None and len(finished_parts(small)) >= parts and not os.path.exists(small.path("cubes.hdf5")):
            return process
        end(process)
    sys.exit(f"20 runs were through before they could be stopped: {options}")


def killed_at_any_moment(small, whole, seconds, times, seed):
    """SIGKILL again and again, each time with another number of ranks, until the run gets through."""
    moments = random.Random(seed)
    layouts = ("single", "parts", "galaxies")
    kills = taken_over = runs = 0
    while kills < times:
        layout = layouts[runs % 3]
        runs += 1
        clean(small)
        options = ["run", "config.json", "--quiet", "--resume", "--set", "output.checkpoint=0", "--set",
                   f"output.layout={layout}"]
        here = 0
        while kills < times and here < 4:
            ranks = moments.randint(1, most_ranks())
            process = small.start(*options, launcher=mpirun(ranks))
            delay = 0.1 + moments.random() * seconds * (1.5 if ranks > 1 else 1)
            if here == 0:  # once a run something is there to be taken over, however slow the machine
                while process.poll() is None and not finished_parts(small):
                    time.sleep(0.002)
                delay *= 0.3
            time.sleep(delay)
            if process.poll() is not None:
                said = process.communicate()[1]
                check(process.returncode == 0, f"killed {here} times, {layout}, then on {ranks} ranks: {said}")
                break
            end(process)
            kills += 1
            here += 1
            if os.path.exists(small.path("cubes.hdf5")):  # it was at its last breath
                same(small, whole, f"killed after the end, {layout}")
            for name in finished_parts(small):
                with h5py.File(name) as file:
                    check(len(file["catalog/status"]) > 0, f"{name}: a part without a journal")
        taken_over += len(finished_parts(small)) > 0
        if process.returncode != 0:
            small.run(*options, launcher=mpirun(moments.randint(1, most_ranks())))
        same(small, whole, f"killed {here} times, {layout}")
        left = glob.glob(small.path("cubes*")) + glob.glob(small.path("cubes.hdf5.parts/*"))
        check(not [name for name in left if ".tmp." in name or name.endswith("/lock")], f"left: {left}")
        if layout == "single":
            check(left == [small.path("cubes.hdf5")], f"left: {left}")
    check(taken_over > 0, "no run left anything to take over: nothing was tested")
    clean(small)
    print(f"killed {kills} times in {runs} runs")


def one_rank_killed(small, whole):
    """The job ends, and resumes."""
    process = interrupted(small, launcher=mpirun(2))
    os.kill(sorted(ranks_of(process.pid))[1], signal.SIGKILL)
    go_on(process)
    try:
        process.communicate(timeout=240)
    except subprocess.TimeoutExpired:
        check(False, "one rank was killed and the job goes on")
        end(process)
    check(process.returncode != 0, "one rank was killed and the job succeeded")
    check(not os.path.exists(small.path("cubes.hdf5")), "one rank was killed and there is a file")
    small.run("run", "config.json", "--resume", launcher=mpirun(2))
    same(small, whole, "one rank killed")
    clean(small)


def leave_parts(small):
    """A run that ends early, with some galaxies finished."""
    end(interrupted(small))
    check(finished_parts(small), "nothing finished")


def refused(small, whole):
    """What is there of another run stays until it is thrown away by name."""
    leave_parts(small)
    before = {name: os.stat(name).st_mtime_ns for name in finished_parts(small)}
    said = small.run("run", "config.json", code=1)
    check(all(word in said for word in ("finished", "--resume", "--overwrite")), f"without --resume: {said}")
    said = small.run("run", "config.json", "--resume", "--set", "view.redshift=0.06", code=1)
    check("another configuration (view.0.redshift" in said, f"another configuration: {said}")
    shutil.copy(small.path("library.hdf5"), small.path("saved"))
    with h5py.File(small.path("library.hdf5"), "r+") as file:
        file["flux"][0, 0, 0] *= 1.5
    said = small.run("run", "config.json", "--resume", code=1)
    check("another SSP library" in said, f"another library: {said}")
    os.replace(small.path("saved"), small.path("library.hdf5"))
    catalogue = small.path("mock/output/groups_099/fof_subhalo_tab_099.0.hdf5")
    shutil.copy(catalogue, small.path("saved"))
    with h5py.File(catalogue, "r+") as file:
        file["Subhalo/SubhaloPos"][0, 0] += 1
    said = small.run("run", "config.json", "--resume", code=1)
    check("snapshot" in said, f"another snapshot: {said}")
    os.replace(small.path("saved"), catalogue)
    small.run("run", "config.json", "--resume", "--overwrite", code=2)
    check(before == {name: os.stat(name).st_mtime_ns for name in finished_parts(small)}, "parts were touched")
    # Where the output goes and what it looks like does not matter; a damaged part is seen.
    with open(sorted(finished_parts(small))[0], "r+b") as file:
        file.truncate(3000)
    said = small.run("run", "config.json", "--resume", "--set", "output.compression=5")
    check("damaged" in said, f"no word of the damaged part: {said}")
    leave_parts(small)
    said = small.run("run", "config.json", "--overwrite")
    check("taken over" not in said, f"--overwrite took over: {said}")
    same(small, whole, "--overwrite")
    said = small.run("run", "config.json", "--resume")
    check("complete already" in said, f"--resume of a complete run: {said}")
    clean(small)


def two_at_once(small, whole):
    """The second one goes."""
    process = interrupted(small, launcher=mpirun(2))
    for options in ((), ("--resume",), ("--overwrite",)):
        said = small.run("run", "config.json", *options, code=1)
        check("another run is writing it (process " in said, f"a second run: {said}")
    go_on(process)
    said = process.communicate()[1]
    check(process.returncode == 0, f"the first run failed: {said}")
    clean(small)


def shards(small, whole):
    """Of every layout, killed and resumed, merged by links and by copies."""
    for shard, layout in enumerate(("single", "parts", "galaxies")):
        options = ["run", "config.json", "--shard", f"{shard}/3", "--set", "output.checkpoint=0", "--set",
                   f"output.layout={layout}"]
        process = small.start(*options)
        while process.poll() is None and not glob.glob(small.path(f"cubes.shard{shard}.hdf5.parts/*Z*.hdf5")):
            time.sleep(0.002)
        process.kill()
        process.communicate()
        small.run(*options, "--resume")
        for more in ((), ("--resume",)):
            check("complete already" in small.run(*options, *more), f"shard {shard} is not seen to be complete")
    small.run("merge", "--output", "cubes.hdf5")
    same(small, whole, "shards, linked")
    os.mkdir(small.path("moved"))
    for name in glob.glob(small.path("cubes*")):
        shutil.move(name, small.path("moved"))
    small.run("merge", "--output", "cubes.hdf5", *sorted(glob.glob(small.path("moved/cubes.shard?.hdf5"))), "--copy")
    shutil.rmtree(small.path("moved"))
    same(small, whole, "shards, copied")
    clean(small)


class SmallDisk:
    """A file system of so many bytes at folder/disk; None where nothing can be mounted."""

    def __init__(self, small, size):
        self.folder, self.size = small.path("disk"), size

    def __enter__(self):
        os.makedirs(self.folder, exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={self.size}", "tmpfs", self.folder]
        self.mounted = subprocess.run(command, capture_output=True).returncode == 0
        return self if self.mounted else None

    def __exit__(self, *_):
        if self.mounted:
            subprocess.run(["umount", self.folder], check=True)


def disk_full(small, whole):
    """Exit code 1 and no file; what was finished goes on elsewhere, or there with links instead of copies."""
    options = ("run", "config.json", "--output", "disk/cubes.hdf5", "--set", "output.checkpoint=0", "--set",
               "output.compression=0")

    def fails(ranks, word):
        result = subprocess.run([*mpirun(ranks), small.tessera, *options], cwd=small.folder, capture_output=True, text=True)
        said = result.stderr
        check(result.returncode == 1 and all(w in said for w in ("disk/cubes.hdf5", "No space left", "--resume", word)),
              f"disk full, {ranks} ranks: {result.returncode} {said}")
        check(not os.path.exists(small.path("disk/cubes.hdf5")), "disk full, and there is a file")

    small.run("run", "config.json", "--output", "size.hdf5", *options[4:])
    size = os.path.getsize(small.path("size.hdf5"))
    for ranks in (1, 2) if most_ranks() > 1 else (1,):
        with SmallDisk(small, size // 2) as disk:
            if not disk:
                print("disk full: left out, nothing can be mounted here")
                return
            fails(ranks, "what is finished is kept")
            clean(small)
            shutil.copytree(small.path("disk/cubes.hdf5.parts"), small.path("cubes.hdf5.parts"))
        said = small.run("run", "config.json", "--resume", *options[4:])
        check("taken over" in said, f"after a full disk: {said}")
        found = all_contents(small.path("cubes.hdf5"))
        check(not differences(found, all_contents(small.path("size.hdf5"))), "after a full disk: another file")
    # Full when the parts, which are all there, are copied.
    with SmallDisk(small, size * 3 // 2):
        fails(1, "all galaxies are finished")
        said = small.run(*options, "--resume", "--set", "output.layout=parts")
        check(f"{len(small.config['galaxies']['subhalos'])} galaxies taken over" in said, f"after a full disk: {said}")
        check(not differences(found, all_contents(small.path("disk/cubes.hdf5"))), "linked after a full disk: another file")
    clean(small)


def bad_galaxy(small, whole):
    """NaN among good ones: a row, the rest as it would be; --resume tries again what failed."""
    chunk = small.path("mock/output/snapdir_099/snap_099.0.hdf5")
    shutil.copy(chunk, small.path("saved"))
    with h5py.File(chunk, "r+") as file:
        file["PartType4/Coordinates"][5] = np.nan
    said = small.run("run", "config.json", "--output", "bad.hdf5")
    check("1 of" in said and "failed: subhalo 0: " in said, f"the summary: {said}")
    bad = contents(small.path("bad.hdf5"))
    with h5py.File(small.path("bad.hdf5")) as file:
        states = [text.decode() for text in file["catalog/status"]]
        check(states[0].startswith("failed: ") and "Coordinates" in states[0], f"status: {states[0]}")
        check("0" not in file["galaxies"] and "1" in file["galaxies"], "galaxies of a run with a bad one")
    good = {name: value for name, value in whole.items() if name.startswith("/galaxies/") and
            not name.startswith("/galaxies/0/") and name.split("@")[0] != "/galaxies/0"}
    check(len(good) > 50 and all(bad.get(name) == value for name, value in good.items()), "good galaxies differ")
    said = small.run("run", "config.json", "--strict", code=1)
    check("subhalo 0: " in said and not glob.glob(small.path("cubes*")), f"--strict: {said}")
    # Killed with the bad galaxy noted; healed; resumed.
    end(interrupted(small, parts=2))
    os.replace(small.path("saved"), chunk)
    said = small.run("run", "config.json", "--resume")
    check("taken over" in said, f"nothing taken over: {said}")
    same(small, whole, "healed")
    clean(small)


def retried(small, whole):
    """A complete file with a galaxy that failed: --resume leaves it, --retry-failed observes that galaxy alone."""
    chunk = small.path("mock/output/snapdir_099/snap_099.0.hdf5")
    number = len(small.config["galaxies"]["subhalos"])

    def taken(said):  # some are skipped, which a file that links to parts has no part of
        found = re.search(r"(\d+) galaxies taken over", said)
        return found and number - 4 < int(found.group(1)) < number

    for before, after, ranks in (("single", "single", 1), ("parts", "parts", 2), ("single", "galaxies", 1)):
        launcher = mpirun(min(ranks, most_ranks()))
        shutil.copy(chunk, small.path("saved"))
        with h5py.File(chunk, "r+") as file:
            file["PartType4/Coordinates"][5] = np.nan
        small.run("run", "config.json", "--set", f"output.layout={before}", launcher=launcher)
        said = small.run("run", "config.json", "--resume", "--set", f"output.layout={after}", launcher=launcher)
        check("complete already; 1 galaxy failed" in said and "--retry-failed" in said, f"--resume: {said}")
        said = small.run("run", "config.json", "--retry-failed", "--set", f"output.layout={after}")
        check(taken(said) and "failed: subhalo 0" in said, f"it fails again: {said}")
        os.replace(small.path("saved"), chunk)
        said = small.run("run", "config.json", "--retry-failed", "--set", f"output.layout={after}", launcher=launcher)
        check(taken(said) and "failed" not in said, f"--retry-failed: {said}")
        same(small, whole, f"{before}, retried as {after}")
        said = small.run("run", "config.json", "--retry-failed", "--set", f"output.layout={after}")
        check("complete already (" in said, f"nothing to retry: {said}")
        if after == "single":
            check(glob.glob(small.path("cubes*")) == [small.path("cubes.hdf5")], f"left: {glob.glob(small.path('cubes*'))}")
        clean(small)
    small.run("run", "config.json", "--retry-failed", "--overwrite", code=2)


def fits_fails(small, whole):
    """A galaxy whose FITS file cannot be written is not taken for finished."""
    os.mkdir(small.path("cubes_2.fits"))
    options = ("run", "config.json", "--set", "output.fits=true", "--set", "output.checkpoint=0")
    said = small.run(*options, code=1)
    check("cubes_2.fits" in said and "--resume" in said, f"FITS: {said}")
    noted = set()
    for name in finished_parts(small):
        with h5py.File(name) as file:
            noted |= set(file["catalog/subhalo"])
    check(noted == {0, 1}, f"finished: {noted}")
    os.rmdir(small.path("cubes_2.fits"))
    with open(small.path("cubes_3.fits.tmp.12345"), "w") as file:
        file.write("left behind")
    small.run(*options, "--resume")
    same(small, whole, "FITS")
    check(os.path.isfile(small.path("cubes_0.fits")) and os.path.isfile(small.path("cubes_2.fits")), "no FITS files")
    check(not glob.glob(small.path("*.tmp.*")), f"left: {glob.glob(small.path('*.tmp.*'))}")
    clean(small)


parser = argparse.ArgumentParser()
parser.add_argument("--tessera", required=True)
parser.add_argument("--kills", type=int, default=6)
parser.add_argument("--galaxies", type=int, default=24)
parser.add_argument("--seed", type=int, default=20261123)
parsed = parser.parse_args()
with tempfile.TemporaryDirectory() as top:
    small = SmallRun(os.path.abspath(parsed.tessera), top, galaxies=parsed.galaxies, stars=20000, views=4)
    whole, seconds = undisturbed(small)
    begin = time.monotonic()
    killed_at_any_moment(small, whole, seconds, parsed.kills, parsed.seed)
    print(f"{time.monotonic() - begin:.1f} s")
    for test in (refused, shards, disk_full, bad_galaxy, retried, fits_fails, *((one_rank_killed, two_at_once) if most_ranks() > 1 else ())):
        begin = time.monotonic()
        test(small, whole)
        print(f"{test.__name__}: {time.monotonic() - begin:.1f} s")
print("parts:", "failed" if failed else "clean")
sys.exit(1 if failed else 0)
