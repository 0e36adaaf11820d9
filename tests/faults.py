"""What can be wrong with the input of a run or around it: the table that test_faults.py goes through.

The undisturbed run has galaxies 4, 0, 1, 2, 3, 6 in this order; with 3 ranks, galaxy 0 is shared by ranks 0 and 1 and
galaxies 3 and 6 are of rank 2; with 2 ranks galaxies 2, 3, 6 are of rank 1. Chunk 1 has stars of galaxy 0 alone.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field

import h5py
import numpy as np

SUBHALOS = [4, 0, 1, 2, 3, 6]
STARS = "PartType4/"


@dataclass
class Fault:
    """One thing that is wrong, and what must come of it."""

    name: str
    says: list                                # patterns of standard error or of the catalogue's status
    spoil: Callable = lambda place: None      # makes it wrong
    ranks: int = 1
    code: int = 1
    options: list = field(default_factory=list)  # of this run and the one after
    wrong: list = field(default_factory=list)    # options of this run alone
    bad: Callable | set | None = None         # the galaxies that fail: all others are as ever, exit code 0
    kept: bool | None = False                 # whether something was finished, and is kept for --resume; None: as it comes
    left: bool = False                        # what the run leaves behind, as processes that are killed do
    wrap: list = field(default_factory=list)  # command before the program
    act: Callable | None = None               # done while it runs
    mend: Callable = lambda place: None       # beside the input files, which are put right anyway


class Unavailable(Exception):
    """This system does not let a fault be made."""


# Files of the snapshot ------------------------------------------------------------------------------------------

def removed(*names):
    return lambda p: [os.remove(p.path(name)) for name in names]


def chunk(i):
    return f"mock/output/snapdir_099/snap_099.{i}.hdf5"


def groups(i):
    return f"mock/output/groups_099/fof_subhalo_tab_099.{i}.hdf5"


OFFSETS = "mock/postprocessing/offsets/offsets_099.hdf5"


def truncated(name):
    return lambda p: os.truncate(p.own(name), os.path.getsize(p.path(name)) // 2)


def text(name, content=b"not what it should be\n"):
    def spoil(p):
        with open(p.own(name), "wb") as file:
            file.write(content)
    return spoil


def edited(name, change):
    """change(file) on the open HDF5 file."""
    def spoil(p):
        with h5py.File(p.own(name), "r+") as file:
            change(file)
    return spoil


def both(*spoils):
    return lambda p: [spoil(p) for spoil in spoils]


def without(dataset):
    def change(file):
        del file[dataset]
    return change


def shorter(dataset):
    def change(file):
        values = file[dataset][:-7]
        del file[dataset]
        file[dataset] = values
    return change


def of_text(dataset):
    def change(file):
        rows = len(file[dataset])
        del file[dataset]
        file[dataset] = np.full(rows, b"many")
    return change


def value(dataset, place, number):
    def change(file):
        file[dataset][place] = number
    return change


def attribute(name, number, where="Header"):
    def change(file):
        old = file[where].attrs[name]
        if number is None:
            del file[where].attrs[name]
        else:
            file[where].attrs[name] = number(old) if callable(number) else number
    return change


def of_stars(change):
    """change of the entry of the stars in an attribute of six particle types."""
    def new(values):
        values = np.array(values)
        values[4] = change(values[4])
        return values
    return new


def broken_deflate(p):
    """Bytes of a compressed dataset are lost."""
    name, dataset = chunk(1), STARS + "Velocities"
    with h5py.File(p.own(name), "r+") as file:
        values = file[dataset][...]
        del file[dataset]
        made = file.create_dataset(dataset, data=values, chunks=(5000, 3), compression="gzip")
        piece = made.id.get_chunk_info(2)
    with open(p.path(name), "r+b") as file:
        file.seek(piece.byte_offset + 100)
        file.write(bytes(piece.size - 100))


def star(galaxy, dataset, number, at=0.0):
    """A value of one star of the galaxy, at so great a fraction of its rows."""
    def spoil(p):
        row = p.first[galaxy] + int(at * (p.count[galaxy] - 1))
        value(STARS + dataset, row % p.rows, number)(p.open_chunk(row // p.rows))
    return spoil


def all_wind(galaxy):
    def spoil(p):
        for c in range(4):
            first, end = (max(0, min(p.rows, r - c * p.rows)) for r in (p.first[galaxy], p.first[galaxy] + p.count[galaxy]))
            if end > first:
                value(STARS + "GFM_StellarFormationTime", slice(first, end), -1)(p.open_chunk(c))
    return spoil


def holders(c):
    return lambda p: p.holders(c)


SNAPSHOT = [
    Fault("a chunk is missing", [r"snap_099\.3\.hdf5: cannot open \(No such file"], removed(chunk(3)), bad=holders(3)),
    Fault("a chunk is missing, of a galaxy that two ranks share", [r"snap_099\.1\.hdf5: cannot open \(No such file"], removed(chunk(1)),
          ranks=3, bad={0}),
    Fault("the first chunk is missing", [r"mock/output: no snapshot file; looked for snapdir_099/snap_099\.0\.hdf5"],
          removed(chunk(0)), ranks=2),
    Fault("a chunk is cut off", [r"snap_099\.3\.hdf5"], truncated(chunk(3)), ranks=2, bad=holders(3)),
    Fault("a chunk is cut off, of a galaxy that two ranks share", [r"snap_099\.1\.hdf5"], truncated(chunk(1)), ranks=3,
          bad={0}),
    Fault("a chunk has no bytes", [r"snap_099\.3\.hdf5"], text(chunk(3), b""), ranks=3, bad=holders(3)),
    Fault("a chunk is not HDF5", [r"snap_099\.2\.hdf5: .*not .*HDF5"], text(chunk(2)), bad=holders(2)),
    Fault("a chunk is a directory", [r"snap_099\.3\.hdf5"],
          lambda p: (os.remove(p.path(chunk(3))), os.mkdir(p.path(chunk(3)))), bad=holders(3)),
    Fault("a chunk lacks a dataset", [r"snap_099\.1\.hdf5:/PartType4/Velocities: no such dataset"],
          edited(chunk(1), without(STARS + "Velocities")), ranks=3, bad={0}),
    Fault("a dataset of a chunk is shorter than the others",
          [r"snap_099\.3\.hdf5:/PartType4/GFM_Metallicity: has shape \[24993\], expected \[25000\]"],
          edited(chunk(3), shorter(STARS + "GFM_Metallicity")), ranks=2, bad=holders(3)),
    Fault("a dataset of a chunk is text", [r"snap_099\.3\.hdf5:/PartType4/GFM_InitialMass: .*text|string"],
          edited(chunk(3), of_text(STARS + "GFM_InitialMass")), bad=holders(3)),
    Fault("compressed data are damaged", [r"snap_099\.1\.hdf5:/PartType4/Velocities: cannot read"], broken_deflate, ranks=3,
          bad={0}),
    Fault("the header counts too many files", [r"offsets_099\.hdf5:/FileOffsets/SnapByType: has shape \[4, 6\], expected \[5"],
          edited(chunk(0), attribute("NumFilesPerSnapshot", 5)), ranks=2),
    Fault("the header counts too many stars", [r"snap_099\.3\.hdf5:/PartType4/\w+: has shape \[25000.*\], expected \[25007"],
          edited(chunk(0), attribute("NumPart_Total", of_stars(lambda n: n + 7))), ranks=2, bad=holders(3)),
    Fault("the header counts too few stars", [r"starts at row 75000, after 50000 of 60000 rows"],
          edited(chunk(0), attribute("NumPart_Total", of_stars(lambda n: 60000)))),
    Fault("the header counts too many stars, and no offsets file", [r"NumPart_Total promises .* 100007 stars, .*hold .* 100000"],
          both(edited(chunk(0), attribute("NumPart_Total", of_stars(lambda n: n + 7))), removed(OFFSETS)), ranks=2),
    Fault("the header lacks the Hubble constant", [r"snap_099\.0\.hdf5:/Header: has no attribute HubbleParam"],
          edited(chunk(0), attribute("HubbleParam", None)), ranks=2),
    Fault("the catalogue goes on beyond the snapshot", [r"subhalo 6 claims 70000 particles of type 4 from row \d+ on; the "
                                                        r"snapshot has 100000"],
          edited(groups(3), value("Subhalo/SubhaloLenType", (1, 4), 70000))),
    Fault("a subhalo has a negative number of stars", [r"tab_099\.1\.hdf5:/Subhalo/SubhaloLenType: row 0 column 4 is -5"],
          edited(groups(1), value("Subhalo/SubhaloLenType", (0, 4), -5)), ranks=2),
    Fault("a subhalo reaches into the next", [r"tab_099\.1\.hdf5:/Subhalo: subhalos 2 and 3 both have the star in row \d+ .*offsets_099"],
          edited(groups(1), lambda f: value("Subhalo/SubhaloLenType", (0, 4), f["Subhalo/SubhaloLenType"][0, 4] + 1000)(f)),
          ranks=2),
    Fault("offsets lead beyond the end", [r"subhalo 3 claims \d+ particles of type 4 from row 99999 on; .* has 100000"],
          edited(OFFSETS, value("Subhalo/SnapByType", (3, 4), 99999)), ranks=2),
    Fault("an offset is negative", [r"subhalo 3 claims \d+ particles of type 4 from row -1 on"],
          edited(OFFSETS, value("Subhalo/SnapByType", (3, 4), -1))),
    Fault("offsets of subhalos are not ascending", [r"tab_099\.1\.hdf5:/Subhalo: subhalos 2 and 3 both have the star in row \d+ "
                                                    r".*offsets_099"],
          edited(OFFSETS, lambda f: value("Subhalo/SnapByType", (3, 4), f["Subhalo/SnapByType"][2, 4] + 5)(f))),
    Fault("offsets of chunks are not ascending", [r"offsets_099\.hdf5:/FileOffsets/SnapByType: chunk 2 starts at row 20, after"],
          edited(OFFSETS, value("FileOffsets/SnapByType", (2, 4), 20)), ranks=3),
    Fault("the offsets file is of another catalogue", [r"offsets_099\.hdf5:/Subhalo/SnapByType: has shape \[1, 6\], expected "
                                                       r"\[8, 6\]"],
          edited(OFFSETS, shorter("Subhalo/SnapByType"))),
    Fault("the offsets file is cut off", [r"offsets_099\.hdf5"], truncated(OFFSETS), ranks=2),
    Fault("a file of the catalogue is missing", [r"fof_subhalo_tab_099\.1\.hdf5: cannot open \(No such file"], removed(groups(1)), ranks=2),
    Fault("NaN in the catalogue", [r"tab_099\.1\.hdf5:/Subhalo/SubhaloPos: row 1 column 2 is nan"],
          edited(groups(1), value("Subhalo/SubhaloPos", (1, 2), np.nan))),
]

GALAXIES = [
    Fault("NaN positions", [r"snap_099\.3\.hdf5:/PartType4/Coordinates: row \d+ column 0 is nan"],
          star(3, "Coordinates", np.nan), bad={3}),
    Fault("NaN positions in the part of the second rank", [r"snap_099\.[12]\.hdf5:/PartType4/Coordinates: row \d+ column 0 "
                                                           r"is nan"],
          star(0, "Coordinates", np.nan, 0.95), ranks=3, bad={0}),
    Fault("two ranks find a fault each in a galaxy they share", [r"snap_099\.0\.hdf5:/PartType4/GFM_InitialMass: row \d+ is nan"],
          both(star(0, "GFM_InitialMass", np.nan, 0.01), star(0, "Coordinates", np.nan, 0.95)), ranks=3, bad={0}),
    Fault("a position far outside the box", [r"Coordinates: row \d+ column 0 is 1e\+09; allowed"],
          star(3, "Coordinates", 1e9), ranks=2, bad={3}),
    Fault("an infinite velocity", [r"/PartType4/Velocities: row \d+ column 0 is inf"], star(2, "Velocities", np.inf, 0.5),
          ranks=2, bad={2}),
    Fault("a NaN mass", [r"/PartType4/GFM_InitialMass: row \d+ is nan"], star(6, "GFM_InitialMass", np.nan, 1.0), bad={6}),
    Fault("a negative mass", [r"/PartType4/GFM_InitialMass: row \d+ is -1; allowed: .*not negative"],
          star(0, "GFM_InitialMass", -1, 0.4), ranks=3, bad={0}),
    Fault("a negative metallicity", [r"/PartType4/GFM_Metallicity: row \d+ is -0.5; allowed"],
          star(0, "GFM_Metallicity", -0.5, 0.8), ranks=3, bad={0}),
    Fault("a star formed in the future", [r"/PartType4/GFM_StellarFormationTime: row \d+ is 1.5; allowed"],
          star(2, "GFM_StellarFormationTime", 1.5, 0.9), ranks=2, bad={2}),
    Fault("a galaxy all of wind", [r"has no stars|0 stars, fewer than 10"], all_wind(3), options=["--set", "galaxies.min_stars=0"],
          bad={3}),
    Fault("a galaxy all of wind that two ranks share", [r"has no stars"], all_wind(0), ranks=3,
          options=["--set", "galaxies.min_stars=0"], bad={0}),
    Fault("all stars of a galaxy have no mass", [r"subhalo 3: orientation: .*no (mass|angular momentum)|mass|momentum"],
          lambda p: value(STARS + "GFM_InitialMass", slice(p.first[3] % p.rows, p.first[3] % p.rows + p.count[3]), 0)(
              p.open_chunk(3)), bad={3}),
    Fault("every galaxy is bad", [r"no cube was made, and no file written: 6 of 6 galaxies failed: subhalo 4: "],
          both(*(star(g, "Coordinates", np.nan) for g in SUBHALOS)), ranks=2),
    Fault("a bad galaxy and --strict", [r"\[rank 1\] tessera: error: subhalo 2: .*Coordinates: row \d+ column 0 is nan"],
          star(2, "Coordinates", np.nan), ranks=2, wrong=["--strict"], kept=None),
    Fault("a bad galaxy that two ranks share and --strict", [r"\[rank 1\] tessera: error: subhalo 0: .*Velocities: row"],
          star(0, "Velocities", np.nan, 0.95), ranks=3, wrong=["--strict"], kept=None),
]
