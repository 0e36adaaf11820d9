"""The end of tessera run before its time: signals and --max-time, alone and with two ranks."""

import glob
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from small_run import SmallRun, program

failed = 0


def check(holds, what):
    global failed
    if not holds:
        failed += 1
        print(f"FAILED: {what}")


def temporary_file(small, process, name):
    """Its path as soon as the run has begun to write, which shows that the signals are caught."""
    for _ in range(6000):
        found = glob.glob(small.path(name + ".tmp.*"))
        if found or process.poll() is not None:
            return found[0] if found else ""
        time.sleep(0.01)
    return ""


def ranks_of(launcher):
    """Process ids of the program's ranks that mpirun started."""
    found = []
    for stat in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(stat) as file:
                fields = file.read().rsplit(")", 1)
        except OSError:
            continue
        if int(fields[1].split()[1]) == launcher and fields[0].endswith("(tessera"):
            found.append(int(stat.split("/")[2]))
    return found


def ends_early(small, process, what, reason):
    try:
        said = process.communicate(timeout=120)[1]
    except subprocess.TimeoutExpired:
        process.kill()
        said = "it went on"
    check(process.returncode == 75, f"{what}: exit code {process.returncode}, not 75\n{said}")
    check(f"stopped early ({reason})" in said, f"{what}: no word of it: {said}")
    check(not glob.glob(small.path("cubes*")), f"{what}: left {glob.glob(small.path('cubes*'))}")


with tempfile.TemporaryDirectory() as folder:
    # Hours of work, if nobody asked for less.
    small = SmallRun(program(), folder, galaxies=4, views=1)
    full = dict(small.config)
    small.config = dict(full, view=[{"redshift": 0.05, "inclination": i % 90} for i in range(5000)],
                        telescope=dict(full["telescope"], fov=60, wavelength=[4000, 8000, 2]))
    small.write()
    environment = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
                   "OMPI_MCA_hwloc_base_binding_policy": "none", "OMPI_MCA_rmaps_base_oversubscribe": "1"}
    os.environ.update(environment)
    mpirun = [[]] + ([["mpirun", "-np", "2"]] if shutil.which("mpirun") else [])

    for launcher in mpirun:
        ranks = len(launcher) // 3 + 1
        for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT):
            process = small.start("run", "config.json", launcher=launcher)
            temporary = temporary_file(small, process, "cubes.hdf5")
            target = process.pid
            if launcher and number != signal.SIGUSR1:  # which mpirun passes on; here rank 1 alone is asked
                target = next(pid for pid in ranks_of(process.pid) if not temporary.endswith(f".{pid}"))
            os.kill(target, number)
            ends_early(small, process, f"{number.name}, {ranks} ranks", number.name)

        process = small.start("run", "config.json", "--max-time", "00:00:01", launcher=launcher)
        ends_early(small, process, f"--max-time, {ranks} ranks", "--max-time")

    # What was there before stays, and a run that is fast enough knows no limit.
    with open(small.path("cubes.hdf5"), "w") as file:
        file.write("precious")
    said = small.run("run", "config.json", "--max-time", "0.5s", code=75)
    check("0 of 4 galaxies" in said, f"what was done: {said}")
    with open(small.path("cubes.hdf5")) as file:
        check(file.read() == "precious", "the file of before is another")
    small.config = full
    small.write()
    small.run("run", "config.json", "--max-time", "1-00:00")
    for text in ("0", "00:00", "1", "-1s", "1:60", "12x", "", "1e3s"):
        check("--max-time" in small.run("run", "config.json", f"--max-time={text}", code=2), f"'{text}' was taken")

print("ends before the time:", "failed" if failed else "clean")
sys.exit(1 if failed else 0)
