#!/usr/bin/env python3
"""Makes camels_extract.hdf5 and the TNG-layout tree camels/ from two files of CAMELS-IllustrisTNG (CV_0, snapshot 86:
the stars and gas of ten subhalos, and their SubhaloLenType and SubhaloPos):

    make_camels_tree.py SNAP.hdf5 SUBHALO.hdf5 OUTPUT_DIRECTORY [--chunks 5] [--all]

The extract: at most 96 stars and 25 gas cells a subhalo, spread evenly over its own, in the order of the source, so that
running sums of SubhaloLenType give each subhalo's rows; with --all, all of them. Made up here, since the source has none:
  - velocities: peculiar (100 + 10 s, -50, 20) km/s of subhalo s plus a rotation about z of 5 km/s per ckpc/h, over sqrt(a);
  - a subhalo without particles in front of subhalos 2 and 6, and one at the end;
  - groups: subhalos 0-4, 5, none, 6-12; unbound stars behind the first and last group, and of no group at the end: stars
    of the source that were not kept;
  - two wind particles: the formation times of the second and last star of subhalo 1 turned negative;
  - SubhaloVel, SubhaloHalfmassRadType and SubhaloMassType (of the stars kept), SubhaloFlag (0 for the last but one).
The tree cuts it into chunk files without regard to subhalos; of at least four chunks one is empty and one has no stars.
"""
import argparse
import os

import h5py
import numpy as np

STAR_FIELDS = ("Coordinates", "GFM_InitialMass", "GFM_Metallicity", "GFM_StellarFormationTime", "Masses", "SubfindHsml")
GAS_FIELDS = ("Coordinates", "GFM_Metallicity", "Masses", "StarFormationRate", "SubfindHsml")
EMPTY = -1  # a made-up subhalo
SUBHALOS = [0, 1, EMPTY, 2, 3, 4, 5, EMPTY, 6, 7, 8, 9, EMPTY]
GROUPS = [5, 1, 0, 7]  # subhalos of each
NUMBER = 86


def pick(n, most):
    return np.arange(n) if n <= most else np.linspace(0, n - 1, most).astype(int)


def velocities(x, centre, s, a):
    d = (x - centre).astype("f8")
    d -= 25000 * np.round(d / 25000)
    v = np.array([100 + 10 * s, -50, 20]) + 5 * np.stack([-d[:, 1], d[:, 0], 0 * d[:, 0]], axis=1)
    return (v / np.sqrt(a)).astype("f4")


def extract(snap, subhalo, path, everything):
    length, position = subhalo["Subhalo/SubhaloLenType"][:], subhalo["Subhalo/SubhaloPos"][:]
    a = snap["Header"].attrs["Time"]
    rows, speeds, lengths, positions, spare = {0: [], 4: []}, {0: [], 4: []}, [], [], []
    first = {t: np.concatenate([[0], np.cumsum(length[:, t])]) for t in (0, 4)}
    x = {t: snap[f"PartType{t}/Coordinates"][:] for t in (0, 4)}
    group_lengths, done = [], 0
    for g, number in enumerate(GROUPS):
        start = {t: sum(map(len, rows[t])) for t in (0, 4)}
        for s in SUBHALOS[done:done + number]:
            lengths.append(np.zeros(6, "i4"))
            positions.append(position[s] if s != EMPTY else np.float32([12000, 12000, 12000]))
            if s == EMPTY:
                continue
            for t, most in ((0, 25), (4, 96)):
                kept = pick(length[s, t], length[s, t] if everything else most)
                rows[t].append(first[t][s] + kept)
                speeds[t].append(velocities(x[t][rows[t][-1]], position[s], len(lengths) - 1, a))
                lengths[-1][t] = len(kept)
                if t == 4 and length[s, t] > len(kept):
                    spare += list(first[t][s] + np.setdiff1d(np.arange(length[s, t]), kept)[:4])
        done += number
        if g in (0, 3):  # unbound
            rows[4].append(np.array(spare[:7], int))
            speeds[4].append(np.zeros((len(spare[:7]), 3), "f4"))
            spare = spare[7:]
        group_lengths.append([sum(map(len, rows[t])) - start[t] if t in start else 0 for t in range(6)])
    rows[4].append(np.array(spare[:5], int))  # of no group
    speeds[4].append(np.zeros((len(spare[:5]), 3), "f4"))

    with h5py.File(path, "w") as out:
        head = out.create_group("Header")
        head.attrs.update({"Time": a, "Redshift": 1 / a - 1, "HubbleParam": snap["Header"].attrs["HubbleParam"],
                           "Omega0": snap["Header"].attrs["Omega0"], "OmegaLambda": 1 - snap["Header"].attrs["Omega0"],
                           "BoxSize": 25000.0})
        for t, fields in ((0, GAS_FIELDS), (4, STAR_FIELDS)):
            order = np.concatenate(rows[t])
            for name in fields:
                values = snap[f"PartType{t}/{name}"][:][order]
                if name == "GFM_StellarFormationTime":
                    begin = lengths[0][4]
                    for row in (begin + 1, begin + lengths[1][4] - 1):
                        values[row] *= -1
                out[f"PartType{t}/{name}"] = values
            out[f"PartType{t}/Velocities"] = np.concatenate(speeds[t])
        lengths, positions = np.array(lengths), np.array(positions)
        catalogue(out, lengths, positions, np.array(group_lengths, "i4"))


def star_starts(lengths, group_lengths):
    """First row of every subhalo, by type."""
    starts, group_start, s = np.zeros(lengths.shape, "i8"), np.zeros(6, "i8"), 0
    for g, number in enumerate(GROUPS):
        at = group_start.copy()
        for _ in range(number):
            starts[s] = at
            at += lengths[s]
            s += 1
        group_start += group_lengths[g]
    return starts


def catalogue(out, lengths, positions, group_lengths):
    starts = star_starts(lengths, group_lengths)
    n = len(lengths)
    radius, mass = np.zeros((n, 6), "f4"), np.zeros((n, 6), "f4")
    for s in range(n):
        own = slice(starts[s, 4], starts[s, 4] + lengths[s, 4])
        if lengths[s, 4] == 0:
            continue
        d = out["PartType4/Coordinates"][own].astype("f8") - positions[s]
        d -= 25000 * np.round(d / 25000)
        assert np.all(np.abs(np.median(d, axis=0)) < 1), (s, np.median(d, axis=0))  # a real galaxy lies there
        radius[s, 4] = np.median(np.linalg.norm(d, axis=1))
        mass[s, 4] = out["PartType4/Masses"][own].sum(dtype="f8")
    flag = np.ones(n, "i4")
    flag[-2] = 0
    speed = np.array([[100 + 10 * s, -50, 20] for s in range(n)], "f4")
    for name, values in (("LenType", lengths), ("Pos", positions), ("Vel", speed), ("HalfmassRadType", radius),
                         ("MassType", mass), ("Flag", flag)):
        out[f"Subhalo/Subhalo{name}"] = values
    numbers = np.array(GROUPS, "i4")
    first = np.concatenate([[0], np.cumsum(numbers)])[:-1]
    out["Group/GroupLenType"] = group_lengths
    out["Group/GroupNsubs"] = numbers
    out["Group/GroupFirstSub"] = np.where(numbers > 0, first, -1).astype("i4")


def cuts(n, chunks, skipped):
    """Ends of chunks of unequal size; those in `skipped` get nothing."""
    weights = np.array([0 if c in skipped else 1 + (c * 7) % 3 for c in range(chunks)], float)
    return np.round(np.cumsum(weights) / weights.sum() * n).astype(int)


def tree(path, base, chunks):
    snapdir, groups = f"{base}/output/snapdir_{NUMBER:03d}", f"{base}/output/groups_{NUMBER:03d}"
    offsets = f"{base}/postprocessing/offsets"
    for d in (snapdir, groups, offsets):
        os.makedirs(d, exist_ok=True)
    with h5py.File(path) as f:
        total = [f[f"PartType{t}/Coordinates"].shape[0] if f"PartType{t}" in f else 0 for t in range(6)]
        ends = {0: cuts(total[0], chunks, {1} if chunks > 3 else ()),
                4: cuts(total[4], chunks, {1, 2} if chunks > 3 else ())}
        file_offsets = np.zeros((chunks, 6), "i8")
        for c in range(chunks):
            with h5py.File(f"{snapdir}/snap_{NUMBER:03d}.{c}.hdf5", "w") as out:
                here = np.zeros(6, "i4")
                for t in (0, 4):
                    begin, end = (ends[t][c - 1] if c else 0), ends[t][c]
                    file_offsets[c, t] = begin
                    here[t] = end - begin
                    if end > begin:
                        for name, data in f[f"PartType{t}"].items():
                            out[f"PartType{t}/{name}"] = data[begin:end]
                head = out.create_group("Header").attrs
                head.update(f["Header"].attrs)
                head["NumPart_ThisFile"] = here
                head["NumPart_Total"] = np.array(total, "u4")
                head["NumPart_Total_HighWord"] = np.zeros(6, "u4")
                head["NumFilesPerSnapshot"] = chunks
        group_chunks = max(1, chunks - 1)
        ends = {"Subhalo": cuts(len(SUBHALOS), group_chunks, {1} if chunks > 3 else ()),
                "Group": cuts(len(GROUPS), group_chunks, {1} if chunks > 3 else ())}
        for c in range(group_chunks):
            with h5py.File(f"{groups}/fof_subhalo_tab_{NUMBER:03d}.{c}.hdf5", "w") as out:
                head = out.create_group("Header").attrs
                for kind, name, n in (("Subhalo", "subgroups", len(SUBHALOS)), ("Group", "groups", len(GROUPS))):
                    begin, end = (ends[kind][c - 1] if c else 0), ends[kind][c]
                    head[f"N{name}_ThisFile"], head[f"N{name}_Total"] = np.int32(end - begin), np.int32(n)
                    out.create_group(kind)
                    if end > begin:
                        for field, data in f[kind].items():
                            out[f"{kind}/{field}"] = data[begin:end]
                head["NumFiles"] = np.int32(group_chunks)
        with h5py.File(f"{offsets}/offsets_{NUMBER:03d}.hdf5", "w") as out:
            out["FileOffsets/SnapByType"] = file_offsets
            out["FileOffsets/Subhalo"] = np.concatenate([[0], ends["Subhalo"][:-1]]).astype("i8")
            out["FileOffsets/Group"] = np.concatenate([[0], ends["Group"][:-1]]).astype("i8")
            out["Subhalo/SnapByType"] = star_starts(f["Subhalo/SubhaloLenType"][:], f["Group/GroupLenType"][:])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("snap")
    parser.add_argument("subhalo")
    parser.add_argument("output")
    parser.add_argument("--chunks", type=int, default=5)
    parser.add_argument("--all", action="store_true", help="all particles of the source")
    args = parser.parse_args()
    path = f"{args.output}/camels_extract.hdf5"
    with h5py.File(args.snap) as snap, h5py.File(args.subhalo) as subhalo:
        extract(snap, subhalo, path, args.all)
    tree(path, f"{args.output}/camels", args.chunks)


if __name__ == "__main__":
    main()
