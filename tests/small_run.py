"""A small snapshot, a small library and a configuration that works, for tests of the program from outside."""

import argparse
import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import h5py
import numpy as np


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tessera", required=True)
    return parser.parse_args()


def program():
    """The path of the program under test, which --tessera names."""
    return os.path.abspath(arguments().tessera)


def needs_mpirun():
    """Ends a test that is skipped where there is none."""
    os.environ.update({"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
                       "OMPI_MCA_hwloc_base_binding_policy": "none"})
    if not shutil.which("mpirun"):
        print("SKIP: no mpirun")
        sys.exit(77)


def ranks(n):
    """Starts that many of the program."""
    return ("mpirun", "-np", str(n), "--oversubscribe")


class Checks:
    """Says what does not hold; failed: how often."""

    def __init__(self):
        self.failed = 0

    def __call__(self, holds, what):
        if not holds:
            self.failed += 1
            print(f"FAILED: {what}")


class SmallRun:
    """folder/: mock/, library.hdf5, config.json (8 galaxies, noise, output cubes.hdf5)."""

    def __init__(self, tessera, folder, galaxies=8, stars=20000, views=1, spaxels=6, wavelengths=200, chunks=2,
                 seed=1):
        self.tessera, self.folder = tessera, folder
        self.run("mock", "--output", "mock", "--galaxies", galaxies, "--stars", stars, "--gas", 100, "--chunks", chunks,
                 "--seed", seed)
        self._library()
        self.config = {
            "snapshot": {"path": "mock/output", "number": 99},
            "galaxies": {"subhalos": list(range(galaxies)), "min_stars": 10},
            "view": [{"redshift": 0.05, "inclination": i % 90} for i in range(views)],
            "telescope": {"fov": 2 * spaxels, "spaxel": 2, "aperture": "square",
                          "wavelength": [4000, 4000 + 10 * wavelengths, 10]},
            "ssp": {"library": "library.hdf5"},
            "noise": {"signal_to_noise": 30, "seed": 3},
            "output": {"path": "cubes.hdf5"},
            "resources": {"threads": 1},
        }
        self.write()

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self):
        with open(self.path("config.json"), "w") as file:
            json.dump(self.config, file)

    def run(self, *options, code=0, launcher=()):
        """Runs the program to its end; stops the test where the exit code is another (None: any will do)."""
        result = subprocess.run([*launcher, self.tessera, *map(str, options)], cwd=self.folder, capture_output=True, text=True)
        if code is not None and result.returncode != code:
            sys.exit(f"tessera {' '.join(map(str, options))}: exit code {result.returncode}, not {code}\n"
                     f"{result.stdout}{result.stderr}")
        return result.stdout + result.stderr

    def start(self, *options, launcher=()):
        return subprocess.Popen([*launcher, self.tessera, *map(str, options)], cwd=self.folder, stdout=subprocess.DEVNULL,
                                stderr=subprocess.PIPE, text=True)

    def _library(self):
        with h5py.File(self.path("library.hdf5"), "w") as file:
            file.attrs.update({"tessera_ssp_version": 1, "name": "small", "source": "a test", "medium": "unstated",
                               "flux_unit": "Lsun/Angstrom/Msun"})
            age, metallicity = np.array([7, 8.5, 10.2]), np.array([0.0004, 0.05])
            wavelength = np.arange(3000.0, 12000.0, 20.0)
            file["log_age"], file["metallicity"], file["wavelength"] = age, metallicity, wavelength
            file["flux"] = (1e-4 * 10 ** (8 - age[None, :, None]) *
                            (1 + 0.3 * np.sin(wavelength / 50 + 40 * metallicity[:, None, None])))


def _stat(pid):
    """(name, state, parent) of a process; None where there is none."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            name, rest = file.read().rsplit(")", 1)
    except OSError:
        return None
    state, parent = rest.split()[:2]
    return name.split("(", 1)[1], state, int(parent)


def _children(launcher):
    found = {}
    for folder in glob.glob("/proc/[0-9]*"):
        pid = int(folder.split("/")[2])
        stat = _stat(pid)
        if stat and stat[2] == launcher:
            found[pid] = stat[0]
    return found


def ranks_of(launcher):
    """Process ids of the program's ranks that mpirun, whose process id is given, started."""
    return [pid for pid, name in _children(launcher).items() if name == "tessera"]


def _send(pid, what):
    try:
        os.kill(pid, what)
    except ProcessLookupError:
        pass


def stop(process):
    """Stops the program, or mpirun and then what it has started, until go_on() or end()."""
    def wait(pid):  # a signal takes effect when the process runs next
        _send(pid, signal.SIGSTOP)
        while (stat := _stat(pid)) and stat[1] not in "TtZX":
            time.sleep(0.001)
    wait(process.pid)  # it starts nothing more
    for pid in _children(process.pid):
        wait(pid)


def go_on(process):
    for pid in [*_children(process.pid), process.pid]:
        _send(pid, signal.SIGCONT)


def end(process):
    """Kills the program, or mpirun and all it has started, and waits until they are gone: their locks go with them."""
    stop(process)
    pids = list(_children(process.pid))
    for pid in [*pids, process.pid]:
        _send(pid, signal.SIGKILL)
    process.communicate()
    for pid in pids:
        while (stat := _stat(pid)) and stat[1] not in "ZX":
            time.sleep(0.001)


def contents(path):
    """Every dataset and attribute of an HDF5 file by its path, external links followed; less what is of the moment."""
    found = {}

    def visit(name, item):
        for key, value in item.attrs.items():
            if (name, key) != ("", "created"):
                value = np.asarray(value)
                found[f"{name}@{key}"] = (value.dtype.kind, value.shape, value.tobytes() if value.dtype != object else str(value))
        if isinstance(item, h5py.Dataset):
            if name != "/catalog/seconds":
                found[name] = (item.dtype, item.shape, item.chunks, item.compression, item[...].tobytes())
        else:
            found[name] = "group"
            for key in item:
                visit(f"{name}/{key}", item[key])

    with h5py.File(path) as file:
        visit("", file)
    return found


def differences(a, b):
    """Names of what two files' contents() do not share, at most ten."""
    return [name for name in sorted(a.keys() | b.keys()) if a.get(name) != b.get(name)][:10]
