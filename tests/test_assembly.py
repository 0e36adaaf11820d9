"""One file written by all ranks together is the file that one rank copies: every dataset, attribute and filter."""

import glob
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import h5py
from small_run import SmallRun, contents, differences, program, ranks_of

failed = 0
os.environ.update({"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
                   "OMPI_MCA_hwloc_base_binding_policy": "none", "OMPI_MCA_rmaps_base_oversubscribe": "1"})
if not shutil.which("mpirun"):
    print("SKIP: no mpirun")
    sys.exit(77)
COLLECTIVE = ("--set", "output.assembly=collective")


def check(holds, what):
    global failed
    if not holds:
        failed += 1
        print(f"FAILED: {what}")


def ranks(n):
    return ("mpirun", "-np", str(n)) if n > 1 else ()


def written(small):
    found = {name: value for name, value in contents(small.path("cubes.hdf5")).items()
             if name != "@ranks" and not name.endswith("@config")}  # which say how it was put together
    check(sorted(os.path.basename(p) for p in glob.glob(small.path("cubes.hdf5*"))) == ["cubes.hdf5"],
          f"left beside the file: {glob.glob(small.path('cubes.hdf5*'))}")
    return found


def compare(small, what, counts, options=()):
    small.write()
    small.run("run", "config.json", "--overwrite", "--set", "output.assembly=copy", *options, launcher=ranks(2))
    copied = written(small)
    for n in counts:
        said = small.run("run", "config.json", "--overwrite", *COLLECTIVE, *options, launcher=ranks(n))
        differ = differences(copied, written(small))
        check(not differ, f"{what}, {n} ranks: {differ} differ")
        check("HDF5-DIAG" not in said and "collective" not in said, f"{what}, {n} ranks: {said}")
    return copied


def serial(small):
    """A library that is not parallel says so; --dry-run too."""
    said = small.run("run", "config.json", "--dry-run", *COLLECTIVE, code=2)
    check("output.assembly" in said and "serial" in said and "copy" in said, f"serial HDF5: {said}")


def killed(small, copied):
    """One rank is killed while all write: the job ends, nothing has the final name, and --resume writes the file."""
    os.remove(small.path("cubes.hdf5"))
    process = small.start("run", "config.json", *COLLECTIVE, launcher=ranks(2))
    while process.poll() is None and not glob.glob(small.path("cubes.hdf5.tmp.*")):
        time.sleep(0.001)
    check(process.poll() is None, "the run was over too soon")
    try:
        os.kill(ranks_of(process.pid)[1], signal.SIGKILL)
    except (IndexError, ProcessLookupError):
        pass
    begin = time.monotonic()
    process.communicate(timeout=60)
    check(time.monotonic() - begin < 10, f"it took {time.monotonic() - begin:.0f} s to end")
    check(process.returncode != 0 and not os.path.exists(small.path("cubes.hdf5")), "killed, and there is a file")
    said = small.run("run", "config.json", "--resume", *COLLECTIVE, launcher=ranks(3))
    check(f"{len(small.config['galaxies']['subhalos'])} galaxies taken over" in said, f"resumed: {said}")
    check(not differences(copied, written(small)), "killed and resumed: another file")


def disk_full(small):
    """A rank that cannot write takes the others down with its message; what is finished stays."""
    disk = small.path("disk")
    os.makedirs(disk)
    size = os.path.getsize(small.path("cubes.hdf5"))
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size * 3 // 2}", "tmpfs", disk], capture_output=True).returncode:
        print("disk full: left out, nothing can be mounted here")
        return
    try:
        begin = time.monotonic()
        result = subprocess.run([*ranks(2), small.tessera, "run", "config.json", "--output", "disk/cubes.hdf5", *COLLECTIVE],
                                cwd=small.folder, capture_output=True, text=True, timeout=120)
        took = time.monotonic() - begin
        said = result.stderr
        check(result.returncode == 1 and "tessera: error: " in said and "disk/cubes.hdf5" in said and "--resume" in said,
              f"disk full: {result.returncode} {said}")
        check(took < 30, f"disk full: {took:.0f} s")
        check(not os.path.exists(f"{disk}/cubes.hdf5"), "disk full, and there is a file")
        said = small.run("run", "config.json", "--output", "disk/cubes.hdf5", "--resume", "--set", "output.layout=parts")
        check("galaxies taken over" in said, f"after a full disk: {said}")
    finally:
        subprocess.run(["umount", disk], check=True)


with tempfile.TemporaryDirectory() as folder:
    # Cubes of one chunk: all ranks but one have nothing of a dataset. No filter, and with them.
    small = SmallRun(program(), folder, galaxies=6, stars=6000, views=2, wavelengths=60)
    small.write()
    if "serial" in small.run("--version", "--verbose"):
        serial(small)
        sys.exit(failed > 0)
    for compression, counts in ((0, (2,)), (4, (1, 2, 4))):
        small.config["output"]["compression"] = compression
        compare(small, f"one chunk, compression {compression}", counts)
    # Cubes of 3 x 3 x 3 chunks that do not end with the cube, an aperture of NaN, no noise; then one of more wavelengths.
    small.config["telescope"] = {"fov": 50, "spaxel": 2, "aperture": "circle", "wavelength": [4000, 9500, 5]}
    small.config["noise"] = None
    compare(small, "27 chunks", (3,))
    # Rows of two telescopes: wavelengths and configuration of every cube, a galaxy that failed.
    with open(small.path("rows.csv"), "w") as file:
        file.write("subhalo,telescope.fov,telescope.spaxel,telescope.wavelength\n"
                   '0,20,2,"[4000, 5000, 10]"\n1,12,1,"[5000, 8000, 5]"\n0,20,2,"[4500, 5000, 10]"\n3,12,3,"[5000, 8000, 5]"\n')
    small.config["galaxies"] = {"min_stars": 10}
    small.config["view"] = {"redshift": 0.05}
    compare(small, "rows", (2,), ("--rows", "rows.csv"))

with tempfile.TemporaryDirectory() as folder:
    small = SmallRun(program(), folder, galaxies=6, stars=6000, views=4, spaxels=30, wavelengths=500)
    copied = compare(small, "larger cubes", (2,))
    killed(small, copied)
    disk_full(small)

sys.exit(failed > 0)
