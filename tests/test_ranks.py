"""tessera run on any number of ranks and threads: every byte of the cubes is that of one rank, every star is read once."""

import glob
import os
import re
import shutil
import sys
import tempfile

import h5py
import numpy as np
from small_run import SmallRun, contents, differences, program

failed = 0
os.environ.update({"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
                   "OMPI_MCA_hwloc_base_binding_policy": "none"})
if not shutil.which("mpirun"):
    print("SKIP: no mpirun")
    sys.exit(77)


def check(holds, what):
    global failed
    if not holds:
        failed += 1
        print(f"FAILED: {what}")


def ranks(n):
    return ("mpirun", "-np", str(n), "--oversubscribe")


def catalogue(tree, name, number=99):
    """A column of the subhalos of a snapshot tree."""
    files = glob.glob(f"{tree}/output/groups_{number:03}/*.hdf5")
    columns = []
    for path in sorted(files, key=lambda p: int(p.split(".")[-2])):
        with h5py.File(path) as file:
            if name in file.get("Subhalo", {}):
                columns.append(file["Subhalo"][name][:])
    return np.concatenate(columns)


def observe(small, n, threads, *options):
    """What the run said, and what it wrote."""
    said = small.run("run", "config.json", "--set", f"resources.threads={threads}", "-v", "--overwrite", *options,
                     launcher=ranks(n))
    found = contents(small.path("cubes.hdf5"))
    for key in ("@ranks", "@config"):  # the number of threads is in the configuration
        found.pop(key)
    return said, found


def read(said):
    return int(re.search(r"read: +(\d+) star particles", said).group(1))


def sharers(said):
    """Ranks that had a part of each galaxy."""
    return {int(s): int(n) for s, n in re.findall(r"subhalo (\d+), view \d+: .*? (\d+) ranks,", said)}


def move(tree, subhalo, position):
    """All particles and subhalos by the same way, so that this subhalo lies at the position [file's units], wrapped."""
    old = catalogue(tree, "SubhaloPos")[subhalo].astype("f8")
    for path in glob.glob(f"{tree}/output/*/*.hdf5"):
        with h5py.File(path, "r+") as file:
            box = float(file["Header"].attrs["BoxSize"])
            for name in ("PartType4/Coordinates", "Subhalo/SubhaloPos"):
                if name in file:
                    x = file[name][:].astype("f8") + np.array(position) - old
                    file[name][...] = x - box * np.floor(x / box)


with tempfile.TemporaryDirectory() as folder:
    small = SmallRun(program(), folder, galaxies=200, stars=300000, spaxels=6, wavelengths=60)
    stars = catalogue(small.path("mock"), "SubhaloLenType")[:, 4].astype(int)
    small.config["psf"] = {"kind": "gaussian", "fwhm": 3}
    small.config["lsf"] = {"fwhm": 25}
    small.config["resources"] = {"split_from": 8192}

    # Everything: one rank has most of the small galaxies, or some of the giant.
    small.config["galaxies"] = {"min_stars": 1}
    small.write()
    said, alone = observe(small, 1, 2)
    chosen = [int(re.fullmatch(r"/galaxies/(\d+)", name).group(1)) for name in alone if re.fullmatch(r"/galaxies/\d+", name)]
    check(len(chosen) > 150 and stars.max() > 0.35 * stars.sum(), "too few galaxies, or no giant among them")
    flag = catalogue(small.path("mock"), "SubhaloFlag")
    expected = int(stars[(stars > 0) & (flag != 0)].sum())
    check(read(said) == expected, f"{read(said)} stars read by one rank, not {expected}")
    for n, threads in ((2, 1), (3, 2), (4, 1), (8, 1)):
        said, many = observe(small, n, threads)
        check(read(said) == expected, f"{n} ranks read {read(said)} stars, not {expected}")
        check(not differences(alone, many), f"{n} ranks: {differences(alone, many)} differ")

    # A few: one without stars, and one with the fewest there are.
    none, fewest = int(np.flatnonzero(stars == 0)[0]), int(np.argmin(np.where(stars > 0, stars, 10**9)))
    small.config["galaxies"] = {"subhalos": [0, 1, none, fewest], "min_stars": 0}
    small.config["view"] = [{"redshift": 0.05, "orientation": "edge-on", "systemic_velocity": "median"},
                            {"redshift": 0.03, "orientation": "none", "systemic_velocity": "mean"}]
    small.write()
    said, alone = observe(small, 1, 1)
    with h5py.File(small.path("cubes.hdf5")) as file:
        status = [s.decode().split(":")[0] for s in file["catalog/status"][:]]
        number = file["catalog/n_stars"][:]
    check(status[:6] == ["ok"] * 4 + ["failed"] * 2, f"status {status}")
    check(0 < number[6] <= stars[fewest], f"the smallest galaxy has {number[6]} stars")
    expected = int(stars[[0, 1, none, fewest]].sum())
    for n, threads in ((2, 2), (5, 1)):
        said, many = observe(small, n, threads)
        check(read(said) == expected, f"{n} ranks read {read(said)} stars, not {expected}")
        check(not differences(alone, many), f"{n} ranks, few galaxies: {differences(alone, many)} differ")

    # The giant alone: every rank has a part of it.
    small.config["galaxies"] = {"subhalos": [0]}
    small.write()
    said, alone = observe(small, 1, 2)
    check("moved between ranks" not in said, "one rank moved something")
    for n, threads in ((2, 1), (3, 2), (4, 1), (8, 1)):
        said, many = observe(small, n, threads)
        check(read(said) == stars[0], f"{n} ranks read {read(said)} stars of the giant, not {stars[0]}")
        check(sharers(said) == {0: n}, f"the giant has parts on {sharers(said)} of {n} ranks")
        check("moved between ranks" in said, f"{n} ranks: nothing moved")
        check(not differences(alone, many), f"{n} ranks share the giant: {differences(alone, many)} differ")

    # Across the corner of the periodic box, and in the middle of it.
    small.config["galaxies"] = {"subhalos": [0]}
    small.write()
    fluxes = []
    for position in ((17500.0, 17500.0, 17500.0), (0.5, 0.25, 34999.5)):
        move(small.path("mock"), 0, position)
        with h5py.File(sorted(glob.glob(small.path("mock/output/snapdir_099/*.0.hdf5")))[0]) as file:
            x = file["PartType4/Coordinates"][:1000, 0]
        spans = x.max() - x.min() > 30000
        check(spans == (position[0] < 1), "the galaxy does not lie where it should")
        observe(small, 4, 1)
        with h5py.File(small.path("cubes.hdf5")) as file:
            fluxes.append(file["galaxies/0/flux"][:])
    check(fluxes[0].mean() > 0, "an empty cube")
    difference = np.abs(fluxes[0] - fluxes[1]).max() / np.abs(fluxes[0]).mean()
    check(difference < 1e-4, f"across the border the cube differs by {difference:.1e}")

    # Ten subhalos of CAMELS, cut into chunk files.
    tree = os.path.join(os.path.dirname(os.path.abspath(__file__)), "reference/camels")
    stars = catalogue(tree, "SubhaloLenType", 86)[:, 4].astype(int)
    small.config.update({"snapshot": {"path": f"{tree}/output", "number": 86}, "galaxies": {"min_stars": 5},
                         "view": {"redshift": 0.05, "orientation": "none"}})
    small.write()
    said, alone = observe(small, 1, 1)
    with h5py.File(small.path("cubes.hdf5")) as file:
        rows = {int(s): (int(n), int(w)) for s, n, w in zip(file["catalog/subhalo"], file["catalog/n_stars"],
                                                            file["catalog/n_wind"])}
    check(len(rows) >= 8, f"only {len(rows)} galaxies of CAMELS")
    for subhalo, (n, wind) in rows.items():
        check(n + wind == stars[subhalo], f"subhalo {subhalo}: {n} stars and {wind} wind particles, not {stars[subhalo]}")
    for n in (2, 3, 5):
        said, many = observe(small, n, 1)
        check(not differences(alone, many), f"CAMELS on {n} ranks: {differences(alone, many)} differ")
        check(read(said) == sum(map(sum, rows.values())), f"CAMELS: {read(said)} stars read")

sys.exit(failed > 0)
