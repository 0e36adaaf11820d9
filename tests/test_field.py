"""galaxies.particles "field": every star of the snapshot in the field and depth, as a search of them all finds it."""

import os
import shutil
import sys
import tempfile

import h5py
import numpy as np
from small_run import SmallRun, contents, differences, program
from snapshot_tools import catalogue, move, particles

failed = 0
os.environ.update({"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
                   "OMPI_MCA_hwloc_base_binding_policy": "none", "OMPI_MCA_rmaps_base_oversubscribe": "1"})


def check(holds, what):
    global failed
    if not holds:
        failed += 1
        print(f"FAILED: {what}")


def observe(small, ranks, *options):
    launcher = ("mpirun", "-np", str(ranks)) if ranks > 1 else ()
    small.run("run", "config.json", "--overwrite", *options, launcher=launcher)
    found = contents(small.path("cubes.hdf5"))
    for key in ("@ranks", "@config"):
        found.pop(key)
    return found


def brute(stars, group, n, depth):
    """Stars and mass of every spaxel, from all stars of the snapshot."""
    box, scale = stars["box"], float(group.attrs["kpc_per_arcsec"]) * float(group.attrs["spaxel_arcsec"])
    x = stars["position"] - group.attrs["centre"]
    x -= box * np.round(x / box)
    x = x @ group.attrs["rotation"].T
    at = np.floor(x[:, :2] / scale + n / 2).astype(int)
    inside = np.all((at >= 0) & (at < n), axis=1) & (np.abs(x[:, 2]) <= depth / 2)
    count, mass = np.zeros((n, n)), np.zeros((n, n))
    np.add.at(count, (at[inside, 1], at[inside, 0]), 1)
    np.add.at(mass, (at[inside, 1], at[inside, 0]), stars["mass"][inside])
    return count, mass, inside


def compare(small, what, galaxies, n, depth):
    """Cubes of the field against the search, and against those of the galaxies' own stars."""
    asked = small.config["galaxies"]
    small.config["galaxies"] = {key: value for key, value in asked.items() if key not in ("particles", "depth")}
    small.write()
    own = observe(small, 1)
    small.config["galaxies"] = asked
    small.write()
    own = {g: {k: own[f"/galaxies/{g}@{k}"] for k in ("rotation", "centre", "systemic_velocity", "n_stars", "n_wind")}
           for g in galaxies}
    found = observe(small, 1)
    stars = particles(small.path("mock"))
    others = 0
    with h5py.File(small.path("cubes.hdf5")) as file:
        for g in galaxies:
            group = file[f"galaxies/{g}"]
            for key, value in own[g].items():
                check(found[f"/galaxies/{g}@{key}"] == value, f"{what}, subhalo {g}: {key} is not that of its own stars")
            count, mass, inside = brute(stars, group, n, depth)
            seen = group["maps/stars"][:]
            check(np.array_equal(np.nan_to_num(seen), count), f"{what}, subhalo {g}: {np.nansum(np.abs(seen - count))} stars "
                  f"of {count.sum()} are elsewhere")
            check(np.allclose(np.nan_to_num(group["maps/mass"][:]), mass, rtol=1e-5), f"{what}, subhalo {g}: mass")
            check(group.attrs["n_stars_in_field"] == count.sum(), f"{what}, subhalo {g}: n_stars_in_field")
            first, number = stars["ranges"][g]
            others += int(inside.sum() - inside[stars["row"].searchsorted(first):stars["row"].searchsorted(first + number)].sum())
            check(np.isfinite(group["flux"][:]).all() and group["flux"][:].sum() > 0, f"{what}, subhalo {g}: flux")
    check(others > 100, f"{what}: only {others} stars of others: nothing was tested")
    for ranks in (2, 4) if shutil.which("mpirun") else ():
        differ = differences(found, observe(small, ranks))
        check(not differ, f"{what}, {ranks} ranks: {differ} differ")


with tempfile.TemporaryDirectory() as folder:
    small = SmallRun(program(), folder, galaxies=12, stars=60000, wavelengths=30, chunks=3)
    position = catalogue(small.path("mock"), "SubhaloPos").astype("f8")
    # Face-on, so that the rotation is not known before the stars are read; a PSF, whose margin must be filled too.
    small.config["galaxies"] = {"subhalos": [0, 1, 3], "min_stars": 1, "particles": "field", "depth": 3000}
    small.config["view"] = {"redshift": 0.05}
    small.config["telescope"].update(fov=600, spaxel=20)
    small.config["psf"] = {"kind": "gaussian", "fwhm": 60}
    small.config["resources"] = {"threads": 2, "split_from": 8192}
    small.write()
    compare(small, "in the box", (0, 1, 3), 30, 3000)
    # Across the corner of the periodic box; two views, one depth.
    move(small.path("mock"), 1, (0.5, 0.25, 34999.5))
    small.config["view"] = {"redshift": 0.05, "orientation": {"line_of_sight": [1, 2, -0.5]}}
    small.config["galaxies"]["depth"] = 500
    small.write()
    compare(small, "at the corner", (0, 1, 3), 30, 500)

    said = small.run("run", "config.json", "--overwrite")
    with h5py.File(small.path("cubes.hdf5")) as file:
        own, inside = (int(file[f"catalog/{name}"][:].sum()) for name in ("n_stars", "n_stars_in_field"))
    check(f"{own} of the galaxies, {inside} in their fields" in said, f"summary: {said}")
    said = small.run("plan", "config.json", "--ranks", "2")
    check("warning:" in said and "positions for it" in said, f"plan: {said}")

    for change, code, words in (({"depth": 1e6}, 2, ("galaxies.depth", "periodic box")),
                                ({"particles": "subhalo", "depth": 100}, 2, ("galaxies.depth", "field"))):
        said = small.run("run", "config.json", "--overwrite", *(w for k, v in change.items() for w in ("--set", f"galaxies.{k}={v}")),
                         code=code)
        check(all(word in said for word in words), f"{change}: {said}")
    with h5py.File(small.path("mock/output/snapdir_099/snap_099.1.hdf5"), "r+") as file:
        file["PartType4/Coordinates"][7, 1] = np.nan
    said = small.run("run", "config.json", "--overwrite", code=1)
    check("snap_099.1.hdf5" in said and "Coordinates" in said and "row 7" in said, f"a bad position: {said}")

sys.exit(failed > 0)
