"""The end of tessera run before its time: signals and --max-time, alone and with two ranks."""

import glob
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from small_run import SmallRun, contents, differences, program, ranks_of

failed = 0


def check(holds, what):
    global failed
    if not holds:
        failed += 1
        print(f"FAILED: {what}")


def wait_for_writing(small, process, ranks):
    """Until all ranks have begun to write, which shows that the signals are caught."""
    for _ in range(6000):
        if len(glob.glob(small.path("cubes.hdf5.parts/*.tmp.*"))) >= ranks or process.poll() is not None:
            return
        time.sleep(0.01)


def ends_early(small, process, what, reason):
    try:
        said = process.communicate(timeout=120)[1]
    except subprocess.TimeoutExpired:
        process.kill()
        said = "it went on"
    check(process.returncode == 75, f"{what}: exit code {process.returncode}, not 75\n{said}")
    check(f"stopped early ({reason})" in said, f"{what}: no word of it: {said}")
    check(not glob.glob(small.path("cubes*")), f"{what}: left {glob.glob(small.path('cubes*'))}")  # not one galaxy is done


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
            wait_for_writing(small, process, ranks)
            # mpirun passes SIGUSR1 on, and only that.
            for target in [process.pid] if not launcher or number == signal.SIGUSR1 else ranks_of(process.pid):
                os.kill(target, number)
            ends_early(small, process, f"{number.name}, {ranks} ranks", number.name)

        process = small.start("run", "config.json", "--max-time", "00:00:01", launcher=launcher)
        ends_early(small, process, f"--max-time, {ranks} ranks", "--max-time")

    # What is finished is kept, and --resume goes on from it, with another number of ranks too; a reason of one rank is
    # enough.
    small.config = dict(full, view=small.config["view"][:24], telescope=dict(full["telescope"], fov=60))
    small.write()
    small.run("run", "config.json")
    os.rename(small.path("cubes.hdf5"), small.path("whole.hdf5"))
    whole = contents(small.path("whole.hdf5"))
    for launcher, other in zip(mpirun, reversed(mpirun), strict=True):
        process = small.start("run", "config.json", "--set", "output.checkpoint=0", launcher=launcher)
        while process.poll() is None and not glob.glob(small.path("cubes.hdf5.parts/*.hdf5")):
            time.sleep(0.002)
        pids = ranks_of(process.pid) if launcher else [process.pid]
        os.kill(pids[0], signal.SIGTERM)
        said = process.communicate(timeout=120)[1]
        kept = glob.glob(small.path("cubes.hdf5.parts/*"))
        check(process.returncode == 75 and "--resume" in said, f"exit code {process.returncode}: {said}")
        check(not os.path.exists(small.path("cubes.hdf5")), "a file though not all is done")
        check(kept and all(name.endswith(".hdf5") for name in kept), f"kept: {kept}")
        said = small.run("run", "config.json", "--resume", launcher=other)
        check("taken over" in said, f"nothing was taken over: {said}")
        differ = differences(whole, contents(small.path("cubes.hdf5")))
        check(differ in ([], ["@ranks"]), f"resumed, it is another: {differ}")
        check(glob.glob(small.path("cubes*")) == [small.path("cubes.hdf5")], f"left {glob.glob(small.path('cubes*'))}")
        os.remove(small.path("cubes.hdf5"))

    # What was there before stays, and a run that is fast enough knows no limit.
    with open(small.path("cubes.hdf5"), "w") as file:
        file.write("precious")
    small.config = dict(full, view=[{"redshift": 0.05, "inclination": i % 90} for i in range(5000)],
                        telescope=dict(full["telescope"], fov=60, wavelength=[4000, 8000, 2]))
    small.write()
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
