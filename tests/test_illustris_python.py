"""illustris_python, the reader astronomers use for TNG, finds the particles of every subhalo and group of a mock tree.

Compared with the chunk files joined by h5py and cut by the lengths in the catalogue (Nelson et al. 2019, figure 4: groups
back to back, in each its subhalos back to back, then the rest), without the offsets file.
"""
import argparse
import glob
import os
import re
import subprocess
import tempfile

import h5py
import illustris_python as il
import numpy as np

SNAPSHOT = 99


def make_mock(tessera, root, *options):
    subprocess.run([tessera, "mock", "--output", root, *options], check=True)
    return os.path.join(root, "output")


def chunk_files(pattern):
    return sorted(glob.glob(pattern), key=lambda name: int(re.search(r"\.(\d+)\.hdf5$", name).group(1)))


def joined(files, group):
    """All datasets of a group, joined over the chunk files that have it."""
    parts = {}
    for name in files:
        with h5py.File(name, "r") as f:
            for field, dataset in f.get(group, {}).items():
                parts.setdefault(field, []).append(dataset[()])
    return {field: np.concatenate(pieces) for field, pieces in parts.items()}


def assert_same(got, expected, what):
    assert got["count"] == len(next(iter(expected.values()))), what
    if got["count"] == 0:
        return
    for field, values in expected.items():
        assert got[field].dtype == values.dtype, (what, field)
        assert np.array_equal(got[field], values), (what, field)


def check_catalogue(base):
    files = chunk_files(f"{base}/groups_{SNAPSHOT:03d}/fof_subhalo_tab_*.hdf5")
    groups, subhalos = joined(files, "Group"), joined(files, "Subhalo")
    for name, load, table in (("groups", il.groupcat.loadHalos, groups), ("subhalos", il.groupcat.loadSubhalos, subhalos)):
        # fields=None fails inside illustris_python 1.1.1 where the catalogue is a single file.
        assert_same(load(base, SNAPSHOT, fields=sorted(table) if len(files) == 1 else None), table, name)
        some = load(base, SNAPSHOT, fields=[sorted(table)[0]])
        assert np.array_equal(some, table[sorted(table)[0]])
    for i in range(len(subhalos["SubhaloLen"])):
        single = il.groupcat.loadSingle(base, SNAPSHOT, subhaloID=i)
        assert all(np.array_equal(single[field], values[i]) for field, values in subhalos.items()), i
    return groups, subhalos


def check_particles(base, groups, subhalos):
    compared = 0
    files = chunk_files(f"{base}/snapdir_{SNAPSHOT:03d}/snap_*.hdf5")
    for kind in (0, 4):
        everything = joined(files, f"PartType{kind}")
        whole = il.snapshot.loadSubset(base, SNAPSHOT, kind)
        assert_same(whole, everything, f"all of type {kind}")
        start = 0
        for g, lengths in enumerate(groups["GroupLenType"]):
            stop = start + lengths[kind]
            expected = {field: values[start:stop] for field, values in everything.items()}
            assert_same(il.snapshot.loadHalo(base, SNAPSHOT, g, kind), expected, f"group {g} type {kind}")
            inside = start
            for s in range(groups["GroupFirstSub"][g], groups["GroupFirstSub"][g] + groups["GroupNsubs"][g]):
                after = inside + subhalos["SubhaloLenType"][s, kind]
                expected = {field: values[inside:after] for field, values in everything.items()}
                assert_same(il.snapshot.loadSubhalo(base, SNAPSHOT, s, kind), expected, f"subhalo {s} type {kind}")
                offsets = il.snapshot.getSnapOffsets(base, SNAPSHOT, s, "Subhalo")
                assert offsets["offsetType"][kind] == inside
                assert offsets["lenType"][kind] == after - inside
                assert offsets["snapOffsets"].shape == (6, len(files))
                compared += after - inside
                inside = after
            start = stop
    return compared


def check_physics(base, subhalos):
    """The large galaxy as an analysis script would see it: centred on SubhaloPos, turning about SubhaloSpin."""
    header = il.groupcat.loadHeader(base, SNAPSHOT)
    stars = il.snapshot.loadSubhalo(base, SNAPSHOT, 0, "stars")
    real = stars["GFM_StellarFormationTime"] > 0
    x = (stars["Coordinates"] - subhalos["SubhaloPos"][0])[real]
    x -= header["BoxSize"] * np.round(x / header["BoxSize"])
    x *= header["Time"] / header["HubbleParam"]
    v = stars["Velocities"][real] * np.sqrt(header["Time"]) - subhalos["SubhaloVel"][0]
    axis = subhalos["SubhaloSpin"][0] / np.linalg.norm(subhalos["SubhaloSpin"][0])
    height = x @ axis
    radius = np.linalg.norm(x - height[:, None] * axis, axis=1)
    turning = np.einsum("ij,j->i", np.cross(x, v), axis) / radius
    disc = (radius > 4) & (radius < 12) & (np.abs(height) < 1)
    assert np.median(np.abs(height[radius < 12])) < 0.2 * np.median(radius), "not flat"
    assert 120 < np.mean(turning[disc]) < 260, np.mean(turning[disc])
    assert abs(np.mean(v[disc] @ axis)) < 5
    r = np.linalg.norm(x, axis=1)
    half = subhalos["SubhaloHalfmassRadType"][0, 4] * header["Time"] / header["HubbleParam"]
    inside = stars["Masses"][real][r < half].sum() / stars["Masses"][real].sum()
    assert abs(inside - 0.5) < 0.005, inside


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tessera", required=True)
    tessera = parser.parse_args().tessera
    with tempfile.TemporaryDirectory() as directory:
        for name, options in {
            "several": ("--stars", "20000", "--gas", "10000", "--chunks", "5"),
            "one": ("--stars", "3000", "--gas", "1000", "--chunks", "1", "--galaxies", "3"),
            "sparse": ("--stars", "500", "--gas", "300", "--chunks", "40", "--galaxies", "20"),
        }.items():
            base = make_mock(tessera, os.path.join(directory, name), *options)
            groups, subhalos = check_catalogue(base)
            compared = check_particles(base, groups, subhalos)
            assert compared > 700
            if name == "several":
                check_physics(base, subhalos)
            print(f"{name}: {len(subhalos['SubhaloLen'])} subhalos, {compared} particles in them as expected")


if __name__ == "__main__":
    main()
