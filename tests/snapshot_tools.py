"""Reading and changing snapshot trees of the layout tng, for tests."""

import glob

import h5py
import numpy as np


def chunks(tree, kind, number):
    """Paths of the chunk files below output/KIND_NUMBER in their order."""
    return sorted(glob.glob(f"{tree}/output/{kind}_{number:03}/*.hdf5"), key=lambda p: int(p.split(".")[-2]))


def catalogue(tree, name, number=99):
    """A column of the subhalos of a snapshot tree."""
    columns = []
    for path in chunks(tree, "groups", number):
        with h5py.File(path) as file:
            if name in file.get("Subhalo", {}):
                columns.append(file["Subhalo"][name][:])
    return np.concatenate(columns)


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


def particles(tree, number=99):
    """All stars but wind: position and box [kpc], mass [Msun], row; ranges: first row and number of rows of every subhalo."""
    position, mass, birth = [], [], []
    for path in chunks(tree, "snapdir", number):
        with h5py.File(path) as file:
            header = file["Header"].attrs
            if "PartType4" in file:
                position.append(file["PartType4/Coordinates"][:].astype("f8"))
                mass.append(file["PartType4/GFM_InitialMass"][:].astype("f8"))
                birth.append(file["PartType4/GFM_StellarFormationTime"][:])
            a, h, box = float(header["Time"]), float(header["HubbleParam"]), float(header["BoxSize"])
    with h5py.File(f"{tree}/postprocessing/offsets/offsets_{number:03}.hdf5") as file:
        first = file["Subhalo/SnapByType"][:, 4]
    stars = np.concatenate(birth) > 0
    return {"position": np.concatenate(position)[stars] * a / h, "mass": np.concatenate(mass)[stars] * 1e10 / h,
            "row": np.flatnonzero(stars), "box": box * a / h,
            "ranges": list(zip(first.tolist(), catalogue(tree, "SubhaloLenType", number)[:, 4].tolist()))}
