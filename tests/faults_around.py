"""What can be wrong around a run: lists of galaxies, libraries, outputs, disks, memory, other processes, earlier runs."""

import glob
import os
import shutil
import signal
import subprocess
import time

import numpy as np

from faults import Fault, Unavailable, edited, text, truncated

LIBRARY = "library.hdf5"
FITS = ["--set", "output.fits=true"]
BIG = ["--set", "telescope.spaxel=0.5", "--set", "telescope.wavelength=[4000,4600,1]", "--set", "output.compression=0"]
CUBE = 16 * 16 * 600 * 4 * 2  # [byte] of such a one, with its variance


def setting(assignment):
    return ["--set", assignment]


def table(lines, name="rows.csv"):
    return text(name, "\n".join(lines).encode() + b"\n")


def image(side):
    def spoil(p):
        from astropy.io import fits
        y, x = np.mgrid[:side, :side] - (side - 1) / 2
        fits.PrimaryHDU(np.exp(-(x * x + y * y) / 4)).writeto(p.path("psf.fits"))
    return spoil


ASKED = [
    Fault("an id twice in galaxies.subhalos", [r"\[rank 0\] tessera: error: .*galaxies\.subhalos.* 3 .*(twice|already|once)"],
          ranks=2, code=2, wrong=setting("galaxies.subhalos=[4,3,0,3]")),
    Fault("an id beyond the catalogue", [r"no subhalo 400; the catalogue has 8"], ranks=2,
          wrong=setting("galaxies.subhalos=[4,400]")),
    Fault("an id twice in a file of ids", [r"ids\.txt line 3: 4 is there already \(line 1\)"], text("ids.txt", b"4\n0\n4\n"), wrong=setting("galaxies.subhalos=null") + setting("galaxies.file=ids.txt")),
    Fault("a word in a file of ids", [r'ids\.txt line 2: "zero" is not the id of a subhalo'], text("ids.txt", b"4\nzero\n"),
          ranks=2, wrong=setting("galaxies.subhalos=null") + setting("galaxies.file=ids.txt")),
    Fault("no file of ids", [r"nowhere\.txt"], wrong=setting("galaxies.subhalos=null") + setting("galaxies.file=nowhere.txt")),
    Fault("a row of a table beyond the catalogue", [r"rows\.csv line 3.*400"], table(["subhalo,view.redshift", "4,0.05", "400,0.05"]),
          ranks=2, wrong=["--rows", "rows.csv"]),
    Fault("a row of a table with a wrong value", [r"rows\.csv line 3 .*view.*redshift: .near. is not a number"], code=2,
          spoil=table(["subhalo,view.redshift", "4,0.05", "0,near"]), wrong=["--rows", "rows.csv"]),
    Fault("a table without galaxies", [r"rows\.csv: has no column subhalo"], table(["redshift", "0.05"]), ranks=2,
          wrong=["--rows", "rows.csv"]),
    Fault("the SSP library is missing", [r"library\.hdf5"], lambda p: os.remove(p.path(LIBRARY)), ranks=2),
    Fault("the SSP library is cut off", [r"library\.hdf5"], truncated(LIBRARY), ranks=2),
    Fault("NaN in the SSP library", [r"library\.hdf5:flux: element \[1\]\[2\]\[30\] is nan"],
          edited(LIBRARY, lambda f: f["flux"].__setitem__((1, 2, 30), np.nan)), ranks=3),
    Fault("an unknown key", [r"telescope\.apertur.*aperture"], ranks=2, code=2, wrong=setting("telescope.apertur=square")),
    Fault("no table of line widths", [r"lsf\.table.*nowhere\.txt|nowhere\.txt.*"], ranks=2, wrong=setting("lsf.table=nowhere.txt")),
    Fault("a PSF image of even size", [r"psf\.fits.*(odd|even)"], image(6),
          wrong=setting('psf={"kind":"fits","path":"psf.fits"}')),
]


# Outputs ----------------------------------------------------------------------------------------------------------

def disk(size, *mount_options):
    """A file system of its own at disk/."""
    def spoil(p):
        os.makedirs(p.path("disk"), exist_ok=True)
        options = ",".join([f"size={size}", *mount_options])
        if subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", p.path("disk")], capture_output=True).returncode != 0:
            raise Unavailable("nothing can be mounted here")
        p.at_end.append(["umount", p.path("disk")])
    return spoil


def remount(options):
    return lambda p: subprocess.run(["mount", "-o", f"remount,{options}", p.path("disk")], check=True)


def immutable(p):
    os.mkdir(p.path("fixed"))
    if subprocess.run(["chattr", "+i", p.path("fixed")], capture_output=True).returncode != 0:
        raise Unavailable("the file system has no immutable directories")
    p.at_end.append(["chattr", "-i", p.path("fixed")])


ON_DISK = ["--output", "disk/cubes.hdf5"]
FULL = [r"disk/cubes\.hdf5.*No space left on device", r"what is finished is kept in disk/cubes\.hdf5\.parts for --resume"]


def limited(option, size, rank=None):
    """ulimit for all ranks or one of them."""
    which = "" if rank is None else f'[ "$OMPI_COMM_WORLD_RANK" != {rank} ] || '
    return ["bash", "-c", f'{which}ulimit {option} {size}; exec "$@"', "bash"]


OUTPUTS = [
    Fault("no directory for the output", [r"output\.path nowhere/cubes\.hdf5: there is no directory nowhere"], ranks=2,
          wrong=["--output", "nowhere/cubes.hdf5"]),
    Fault("the output is a directory", [r"output\.path mock: is a directory"], wrong=["--output", "mock"]),
    Fault("the directory of parts is a file", [r"cubes\.hdf5: .*cubes\.hdf5\.parts"], text("cubes.hdf5.parts"), ranks=2,
          mend=lambda p: os.remove(p.path("cubes.hdf5.parts"))),
    Fault("a read-only file system", [r"output\.path disk/cubes\.hdf5: cannot write into directory disk: Read-only"],
          disk("8m", "ro"), ranks=2, options=ON_DISK, mend=remount("rw")),
    Fault("an immutable directory", [r"output\.path fixed/cubes\.hdf5: cannot .* directory fixed.*: Operation not permitted|"
                                     r"Permission denied"], immutable, options=["--output", "fixed/cubes.hdf5"],
          mend=lambda p: subprocess.run(["chattr", "-i", p.path("fixed")], check=True)),
    Fault("disk full before the first cube", [r"disk/cubes\.hdf5.*No space left on device"], disk("100k"),
          options=[*ON_DISK, *BIG], mend=remount("size=64m")),
    Fault("disk full while cubes are written", FULL, disk(3 * CUBE), options=[*ON_DISK, *BIG], kept=True,
          mend=remount("size=64m")),
    Fault("disk full while ranks write cubes", FULL, disk(4 * CUBE), ranks=2, options=[*ON_DISK, *BIG], kept=True,
          mend=remount("size=64m")),
    Fault("disk full while the file is put together",
          [r"No space left on device.*; all galaxies are finished and kept in disk/cubes\.hdf5\.parts: --resume"], disk(9 * CUBE),
          ranks=2, options=[*ON_DISK, *BIG], kept=True, mend=remount("size=64m")),
    Fault("a limit of file sizes, smaller than a cube", [r"cubes\.hdf5.*File too large"], wrap=limited("-f", CUBE // 2048),
          options=BIG),
    Fault("a limit of file sizes, smaller than the output",
          [r"cubes\.hdf5.*File too large.*; all galaxies are finished and kept"], wrap=limited("-f", 3 * CUBE // 1024),
          options=BIG, kept=True),
]


# Other processes --------------------------------------------------------------------------------------------------

def ranks_of(launcher):
    """Process ids of the program's ranks, in their order; of one rank, itself."""
    found = {}
    for stat in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(stat) as file:
                fields = file.read().rsplit(")", 1)
            if int(fields[1].split()[1]) != launcher or not fields[0].endswith("(tessera"):
                continue
            with open(stat.replace("stat", "environ"), "rb") as file:
                rank = file.read().split(b"OMPI_COMM_WORLD_RANK=")[1].split(b"\0")[0]
            found[int(rank)] = int(stat.split("/")[2])
        except (OSError, IndexError):
            continue
    return [found[rank] for rank in sorted(found)] or [launcher]


def wait_for_part(p, process):
    while process.poll() is None and not p.parts():
        time.sleep(0.002)


def many_views(p):
    """A run that lasts long enough to meet it at work."""
    p.config["view"] = [{"redshift": 0.05, "inclination": i % 90} for i in range(20)]


def kill_rank(number):
    def act(p, process):
        wait_for_part(p, process)
        ranks = ranks_of(process.pid)
        os.kill(ranks[min(number, len(ranks) - 1)], signal.SIGKILL)
    return act


def second_run(p):
    """Another run of the same output, at work."""
    many_views(p)
    p.write()
    other = p.start(["run", "config.json"], ranks=2)
    wait_for_part(p, other)
    pids = [*ranks_of(other.pid), other.pid]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    p.other = other, pids


def let_it_end(p):
    other, pids = p.other
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    other.communicate(timeout=20)
    p.check(other.returncode == 0, "the first of two runs failed")


def peak_of_rank(p, number, ranks):
    """[kB] Address space that a rank with small cubes has needed at most."""
    views = p.config["view"]
    many_views(p)
    p.write()
    process = p.start(["run", "config.json", *setting("noise=null")], ranks=ranks)
    wait_for_part(p, process)
    with open(f"/proc/{ranks_of(process.pid)[number]}/status") as file:
        peak = next(int(line.split()[1]) for line in file if line.startswith("VmPeak"))
    for pid in [*ranks_of(process.pid), process.pid]:
        os.kill(pid, signal.SIGKILL)
    process.communicate()
    for name in p.parts():
        os.remove(name)
    p.config["view"] = views
    return peak


def little_memory(number):
    """A rank whose address space has room for what it does at first, and not for the cube of a galaxy."""
    def spoil(p):
        p.wrap = limited("-v", peak_of_rank(p, number, p.fault.ranks) + 10000, number)
    return spoil


LARGE = [*setting("noise=null"), *setting("telescope.spaxel=0.125"), *setting("telescope.wavelength=[4000,4600,0.25]"),
         *setting("output.compression=1"), *setting("output.checkpoint=60")]  # 39 MB a cube

PROCESSES = [
    Fault("one rank without memory for its cubes", [r"out of memory"], little_memory(1), ranks=2, options=LARGE, bad={2, 3, 6}),
    Fault("one rank without memory for a galaxy that it shares", [r"\[rank 0\] tessera: error: out of memory"],
          little_memory(0), ranks=3, options=LARGE, kept=None),
    Fault("one rank is killed", [r"signal 9 \(Killed\)"], many_views, ranks=2, code=137, act=kill_rank(1), kept=True, left=True),
    Fault("the first rank is killed, of three", [r"signal 9 \(Killed\)"], many_views, ranks=3, code=137, act=kill_rank(0),
          kept=True, left=True),
    Fault("another run writes the same output", [r"output\.path cubes\.hdf5: another run is writing it \(process \d+ on"],
          second_run, ranks=2, kept=True, left=True, mend=let_it_end),
]


# Earlier runs -----------------------------------------------------------------------------------------------------

def leave_parts(p):
    """Galaxies 4, 0, 1 are finished; the run ended at the FITS file of galaxy 2."""
    os.mkdir(p.path("cubes_2.fits"))
    p.run(["run", "config.json", *FITS], code=1)
    os.rmdir(p.path("cubes_2.fits"))
    p.check(len(p.parts()) == 3, f"parts: {p.parts()}")


def damage(change):
    def spoil(p):
        leave_parts(p)
        change(sorted(p.parts())[1])
    return spoil


def zeros(name):
    with open(name, "r+b") as file:
        size = os.path.getsize(name)
        file.seek(size // 2)
        file.write(bytes(size - size // 2))


def other_snapshot(p):
    leave_parts(p)
    shutil.rmtree(p.path("mock"))
    os.symlink(p.path("../other/mock"), p.path("mock"))


EARLIER = [
    Fault("finished galaxies and no word of them", [r"an earlier run ended before its time, .*has 3 finished galaxies .*--resume.*--overwrite"],
          leave_parts, ranks=2, options=FITS, kept=True),
    Fault("a part is cut off", [r"hdf5\.parts/\w+Z\.0\.1\.hdf5: damaged; its galaxies are observed again"],
          damage(lambda name: os.truncate(name, 3000)), options=FITS, wrong=["--resume"], bad=set()),
    Fault("a part has no bytes", [r"hdf5\.parts/\w+Z\.0\.1\.hdf5: damaged; its galaxies are observed again"],
          damage(lambda name: os.truncate(name, 0)), ranks=2, options=FITS, wrong=["--resume"], bad=set()),
    Fault("a part whose second half is lost", [r"hdf5\.parts/\w+Z\.0\.1\.hdf5"], damage(zeros), ranks=2, options=FITS,
          wrong=["--resume"], bad=set()),
    Fault("parts of another configuration", [r"cannot resume: .*hdf5\.parts/.* another configuration \(noise\.seed\)"],
          leave_parts, ranks=2, options=FITS, wrong=["--resume", *setting("noise.seed=5")], kept=True),
    Fault("parts of another library", [r"cannot resume: .* another SSP library"],
          lambda p: (leave_parts(p), edited(LIBRARY, lambda f: f["flux"].__setitem__((0, 0, 0), 1))(p)), options=FITS,
          wrong=["--resume"], kept=True),
    Fault("parts of another snapshot", [r"cannot resume: .*hdf5\.parts/.*snapshot"], other_snapshot, ranks=2, options=FITS,
          wrong=["--resume"], kept=True),
]
