"""A giant galaxy shared by the simulated devices of several ranks: bitwise the cube of one, and the CPU's to 1e-5; and what is
said where a rank has no device, or shares one."""

import os
import re
import subprocess
import sys
import tempfile

import h5py
import numpy as np
from small_run import Checks, SmallRun, contents, differences, needs_mpirun, program, ranks

needs_mpirun()
check = Checks()


def observe(small, n, *settings, code=0):
    options = [o for s in settings for o in ("--set", s)]
    return small.run("run", "config.json", "-v", "--overwrite", *options, launcher=ranks(n), code=code)


def written(small):
    """What the run wrote, and the cubes' fluxes."""
    found = contents(small.path("cubes.hdf5"))
    for key in ("@ranks", "@config", "@backend"):
        found.pop(key)
    with h5py.File(small.path("cubes.hdf5")) as file:
        return found, {g: file[f"galaxies/{g}/flux"][:] for g in file["galaxies"]}


def difference(a, b):
    """Largest difference of a voxel relative to its spaxel's mean."""
    worst = 0.0
    for galaxy, cube in b.items():
        mean = np.nanmean(np.abs(cube), axis=-1, keepdims=True)
        check(mean.max() > 0, f"galaxy {galaxy}: an empty cube")
        change = np.abs(a[galaxy] - cube)
        worst = max(worst, float(np.nanmax(change / np.where(mean > 0, mean, 1e-30))))
    return worst


def alike(run, cpu, first, name):
    """What the run wrote: cubes as the CPU's, and bitwise as the first such run's."""
    found, fluxes = written(run)
    worst = difference(fluxes, cpu)
    print(f"{name}: {worst:.1e} of a spaxel's mean from the CPU's")
    check(worst < 1e-5, f"{name}: {worst:.1e} from the CPU's cubes")
    first = first or found
    check(not differences(first, found), f"{name}: {differences(first, found)} differ")
    return first


with tempfile.TemporaryDirectory() as folder:
    small = SmallRun(program(), folder, galaxies=3, stars=45000, spaxels=6)
    small.config["galaxies"] = {"subhalos": [0]}
    small.config["telescope"]["wavelength"] = [4000, 4600, 3]
    small.config["view"] = {"redshift": 0.05, "orientation": "face-on", "systemic_velocity": "mean"}
    small.config["noise"] = None
    small.config["psf"] = {"kind": "gaussian", "fwhm": 3}
    small.config["lsf"] = {"fwhm": 7}
    small.config["resources"] = {"threads": 1, "split_from": 4096}
    small.write()
    if "is not in this build" in small.run("run", "config.json", "--dry-run", "--set", "resources.backend=simt",
                                           code=None):
        print("SKIP: a build without TESSERA_SIMT")
        sys.exit(77)

    observe(small, 1, "resources.backend=cpu")
    _, cpu = written(small)
    alone = None
    for n, way in ((1, "auto"), (2, "nccl"), (2, "mpi"), (4, "auto")):
        said = observe(small, n, "resources.backend=simt", f"resources.exchange={way}")
        shares = {int(s): int(r) for s, r in re.findall(r"subhalo (\d+), view \d+: .*? (\d+) ranks,", said)}
        check(shares.get(0) == n, f"{n} ranks: the galaxies were shared by {shares} ranks")
        check(("moved between ranks" in said) == (n > 1), f"{n} ranks: what moved?")
        alone = alike(small, cpu, alone, f"{n} ranks, {way}")

    # Three ranks, no device; two on one.
    os.environ["TESSERA_SIMT_DEVICES"] = "0"
    said = observe(small, 3, "resources.backend=simt", code=1)
    check(re.search(r"resources\.backend simt: no device was found .*; on ranks 0 \(.*\), 1 \(.*\), 2 \(.*\) of 3", said),
          f"without a device: {said}")
    check(said.count("error:") == 1, f"not one message: {said}")
    os.environ["TESSERA_SIMT_DEVICES"] = "1"
    said = observe(small, 2, "resources.backend=simt", "resources.exchange=nccl", code=1)
    check("ranks 0 and 1 of those that share a galaxy have the same device" in said, f"one device for two: {said}")
    observe(small, 2, "resources.backend=simt")
    check(not differences(alone, written(small)[0]), "two ranks on one device make another cube")

    # The job script, but for Slurm, on the simulated devices; and one GPU of two a rank.
    del os.environ["TESSERA_SIMT_DEVICES"]
    jobs = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "jobs")
    os.remove(small.path("cubes.hdf5"))
    environment = {**os.environ, "TESSERA": program(), "LAUNCH": "mpirun -np 2 --oversubscribe", "BIND": f"{jobs}/bind-gpu.sh",
                   "CUDA_VISIBLE_DEVICES": "4,GPU-7"}
    result = subprocess.run(["bash", f"{jobs}/slurm-gpu.sh", "config.json", "--set", "resources.backend=simt"],
                            cwd=folder, env=environment, capture_output=True, text=True)
    check(result.returncode == 0, f"slurm-gpu.sh: {result.returncode}: {result.stdout}{result.stderr}")
    check(not differences(alone, written(small)[0]), "slurm-gpu.sh makes another cube")
    result = subprocess.run([*ranks(3), f"{jobs}/bind-gpu.sh", "sh", "-c", 'echo "$OMPI_COMM_WORLD_RANK:$CUDA_VISIBLE_DEVICES"'],
                            env=environment, capture_output=True, text=True)
    check(sorted(result.stdout.split()) == ["0:4", "1:GPU-7", "2:4"], f"bind-gpu.sh: {result.stdout}{result.stderr}")

with tempfile.TemporaryDirectory() as folder:
    # Galaxies of few stars are observed together: the cubes that they have one by one (a rank with a bound of its memory), on any
    # number of ranks; those without stars in the field are in the catalogue as on the CPU.
    survey = SmallRun(program(), folder, galaxies=12, stars=9000, views=2, seed=5)
    survey.config["galaxies"]["min_stars"] = 1
    survey.config["noise"] = None
    survey.write()
    observe(survey, 1, "resources.backend=cpu")
    catalogue, cpu = written(survey)
    together = None
    for n, memory in ((1, 0), (1, 4000000000), (3, 0)):
        observe(survey, n, "resources.backend=simt", f"resources.memory_per_rank={memory}")
        together = alike(survey, cpu, together, f"survey on {n} ranks, memory {memory}")
        found, _ = written(survey)
        for name in ("/catalog/subhalo", "/catalog/status", "/catalog/n_stars"):
            check(name in found and found[name] == catalogue[name], f"survey: {name} is not the CPU's")

sys.exit(check.failed > 0)
