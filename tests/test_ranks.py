"""tessera run on any number of ranks and threads: every byte of the cubes is that of one rank, every star is read once."""

import argparse
import glob
import os
import re
import sys
import tempfile

import h5py
import numpy as np
from small_run import Checks, SmallRun, contents, differences, needs_mpirun, ranks
from snapshot_tools import catalogue, move, particles

needs_mpirun()
check = Checks()


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


def camels(small, tree, counts):
    """Ten subhalos of CAMELS, cut into chunk files: the stars of the catalogue, the cubes of one rank."""
    lengths = catalogue(tree, "SubhaloLenType", 86)[:, 4].astype(int)
    small.config.update({"snapshot": {"path": f"{tree}/output", "number": 86},
                         "galaxies": {"subhalos": np.flatnonzero(lengths).tolist(), "min_stars": 1}, "view": {"redshift": 0.05, "orientation": "none"}})
    small.config["telescope"].update(fov=2000, spaxel=100)  # all of every galaxy lies in the field
    small.write()
    said, alone = observe(small, 1, 1)
    stars = particles(tree, 86)
    with h5py.File(small.path("cubes.hdf5")) as file:
        rows = {int(s): values for s, *values in zip(*(file[f"catalog/{name}"] for name in
                                                       ("subhalo", "n_stars", "n_wind", "n_stars_in_field", "mass_in_field")))}
    check(len(rows) == 10, f"{len(rows)} galaxies of CAMELS")
    for subhalo, (n, wind, inside, mass) in rows.items():
        check(n + wind == lengths[subhalo], f"subhalo {subhalo}: {n} stars and {wind} wind particles, not {lengths[subhalo]}")
        first, number = stars["ranges"][subhalo]
        own = stars["mass"][stars["row"].searchsorted(first):stars["row"].searchsorted(first + number)]
        check(inside == n == len(own), f"subhalo {subhalo}: {inside} of {n} stars in the field, {len(own)} in the file")
        check(abs(mass / own.sum() - 1) < 1e-6, f"subhalo {subhalo}: {mass} Msun, not {own.sum()}")
    for n in counts:
        said, many = observe(small, n, 1)
        check(not differences(alone, many), f"CAMELS on {n} ranks: {differences(alone, many)} differ")
        check(read(said) == sum(n + w for n, w, *_ in rows.values()), f"CAMELS: {read(said)} stars read")
    print(f"CAMELS: {len(rows)} galaxies of {min(lengths[s] for s in rows)} to {max(lengths[s] for s in rows)} stars, "
          f"{len(glob.glob(tree + '/output/snapdir_086/*'))} chunks, the same on 1 and {counts} ranks")


parser = argparse.ArgumentParser()
parser.add_argument("--tessera", required=True)
parser.add_argument("--camels", help="a tree of reference/make_camels_tree.py, all that is tested then")
parsed = parser.parse_args()
with tempfile.TemporaryDirectory() as folder:
    small = SmallRun(os.path.abspath(parsed.tessera), folder, galaxies=200, stars=300000, spaxels=6, wavelengths=60)
    if parsed.camels:
        camels(small, os.path.abspath(parsed.camels), (2, 4))
        sys.exit(check.failed > 0)
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

    reference = os.path.join(os.path.dirname(os.path.abspath(__file__)), "reference/camels")
    camels(small, parsed.camels or reference, (2, 3, 5))

sys.exit(check.failed > 0)
