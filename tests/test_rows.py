"""Catalogue mode with tables that others wrote: the same rows as CSV, ECSV and HDF5 give the same cubes."""

import csv
import os
import sys
import tempfile
from pathlib import Path

import h5py
import numpy as np
from small_run import SmallRun, contents, differences, program

try:
    from astropy.io import fits
    from astropy.table import MaskedColumn, Table
except ImportError:
    print("SKIP: no astropy")
    sys.exit(77)

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "analysis"))
from tessera_analysis import CubeFileError, Cubes  # noqa: E402

failed = 0
os.environ.update({"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"})


def check(holds, what):
    global failed
    if not holds:
        failed += 1
        print(f"FAILED: {what}")


# None: no value, that of the configuration.
rows = {
    "subhalo": [2, 0, 2, 1],
    "_remark": ["a, b", 'the "disc"', "", "x y"],
    "redshift": [0.05, 0.1 / 3, None, 0.07],
    "telescope": ["SAMI", "CALIFA", None, "SAMI"],
    "telescope.fov": [8.0, 10.0, None, 6.0],
    "seeing": [1.5, None, None, 2.0],
    "seed": [2**63 + 1, None, 5, 6],
    "psf.kind": [None, None, None, "gaussian"],
}


def masked(values):
    kind = str if any(isinstance(v, str) for v in values) else np.uint64 if any(isinstance(v, int) for v in values) else float
    mask = [v is None for v in values]
    return MaskedColumn(np.array([v if v is not None else ("" if kind is str else 0) for v in values], dtype=kind), mask=mask) \
        if any(mask) else np.array(values, dtype=kind)


with tempfile.TemporaryDirectory() as folder:
    small = SmallRun(program(), folder)
    table = Table({name: masked(values) for name, values in rows.items()})
    with open(small.path("rows.csv"), "w", newline="") as file:
        writer = csv.writer(file)  # RFC 4180, \r\n
        writer.writerow(rows)
        writer.writerows([["" if v is None else repr(v) if isinstance(v, float) else v for v in row] for row in zip(*rows.values())])
    table.write(small.path("astropy.csv"), format="ascii.csv")
    table.write(small.path("spaces.ecsv"), format="ascii.ecsv")
    table.write(small.path("commas.ecsv"), format="ascii.ecsv", delimiter=",")
    # HDF5 knows no missing values of its own; astropy writes masks beside the columns.
    text = table.copy()
    for name in text.colnames:
        if text[name].dtype.kind == "U":
            text[name] = MaskedColumn(np.char.encode(np.asarray(text[name].filled("") if hasattr(text[name], "filled") else text[name])))
    text.write(small.path("compound.hdf5"), path="rows", serialize_meta=True)
    with h5py.File(small.path("columns.h5"), "w") as file:
        for name, values in rows.items():
            missing = "" if any(isinstance(v, str) for v in values) else None
            if None not in values or missing == "":
                file[name] = ["" if v is None else v for v in values] if missing == "" else values
            else:  # numbers as text, empty where there is none
                file[name] = ["" if v is None else repr(v) for v in values]

    whole = None
    for name in ("rows.csv", "astropy.csv", "spaces.ecsv", "commas.ecsv", "compound.hdf5", "columns.h5"):
        output = f"{name}.cubes.hdf5"
        small.run("run", "config.json", "--rows", name, "--output", output, "--quiet")
        now = contents(small.path(output))
        now = {k: v for k, v in now.items() if not k.endswith("@config")}  # which name the table and the output
        whole = whole or now
        check(not differences(whole, now), f"{name}: {differences(whole, now)} differ from those of rows.csv")

    with Cubes(small.path("rows.csv.cubes.hdf5")) as cubes:
        check(cubes.wavelength is None, "one row of wavelengths for several telescopes")
        check(list(cubes.catalog["row"]) == [0, 1, 2, 3], "other rows")
        check(list(cubes.catalog["subhalo"]) == rows["subhalo"], "another order")
        check(cubes.all_views() == [(0, 0), (1, 0), (2, 0), (2, 1)], f"{cubes.all_views()}")
        check(cubes[1].wavelength.size == cubes[1].shape[2] and cubes[1].wavelength[0] > 3000, "SAMI's wavelengths")
        check(cubes[0].config["telescope"]["name"] == "CALIFA", "another telescope")
        check(cubes[0].config["view"]["redshift"] == 0.1 / 3, "the redshift lost digits")
        check(cubes[2].config["noise"]["seed"] == 2**63 + 1, "another seed")
        check(cubes.galaxy(2, 1).config["psf"] is None and cubes[2].config["psf"]["fwhm"] == 1.5, "another PSF")
        check(len({cubes.galaxy(*view).shape for view in cubes.all_views()}) > 2, "cubes of one shape")
    with h5py.File(small.path("rows.csv.cubes.hdf5"), "r+") as file:
        del file["galaxies/0/wavelength"]
    with Cubes(small.path("rows.csv.cubes.hdf5")) as cubes:
        try:
            cubes[0]
            check(False, "a cube without wavelengths is read")
        except CubeFileError as error:
            check("wavelength" in str(error), str(error))

    # FITS files, of the run and exported, tell each row's own telescope.
    small.config["output"]["fits"] = True
    small.write()
    small.run("run", "config.json", "--rows", "rows.csv", "--output", "f.hdf5", "--quiet")
    small.run("export", "f.hdf5", "--galaxy", 0, "--output", "exported.fits")
    for name, telescope in (("f_0.fits", "CALIFA"), ("f_1.fits", "SAMI"), ("f_2.fits", "SAMI"), ("exported.fits", "CALIFA")):
        with fits.open(small.path(name)) as hdus:
            check(telescope in str(hdus[0].header.get("TELESCOP", "")) + str(hdus[0].header.get("INSTRUME", "")), name)
    check(os.path.exists(small.path("f_2_view1.fits")), "no FITS file of the second view")

    # Ranks: galaxies of one and of two rows in one round.
    two = ("mpirun", "-np", "2", "--oversubscribe")
    small.run("run", "config.json", "--rows", "rows.csv", "--output", "f.hdf5", "--quiet", "--set", "output.fits=false", launcher=two)
    os.rename(small.path("f.hdf5"), small.path("two.hdf5"))
    small.run("run", "config.json", "--rows", "rows.csv", "--output", "f.hdf5", "--quiet", "--set", "output.fits=false")
    different = differences(contents(small.path("f.hdf5")), contents(small.path("two.hdf5")))
    check(different == ["@ranks"], f"two ranks: {different} differ")

    # Tables that are none.
    for name, make, word in (
            ("strange.hdf5", lambda f: f.create_group("a") and f.create_group("b"), "no table"),
            ("uneven.hdf5", lambda f: (f.create_dataset("subhalo", data=[1, 2]), f.create_dataset("seed", data=[1])), "rows"),
            ("square.hdf5", lambda f: f.create_dataset("subhalo", data=[[1, 2]]), "one value a row"),
            ("nan.hdf5", lambda f: (f.create_dataset("subhalo", data=[0]), f.create_dataset("redshift", data=[np.nan])), "nan"),
            ("float.hdf5", lambda f: f.create_dataset("subhalo", data=[0.5]), "0.5")):
        with h5py.File(small.path(name), "w") as file:
            make(file)
        said = small.run("run", "config.json", "--rows", name, code=2 if name == "nan.hdf5" else 1)
        check(name in said and word in said, f"{name}: {said}")

print("rows:", "failed" if failed else "every format gives the same cubes")
sys.exit(1 if failed else 0)
