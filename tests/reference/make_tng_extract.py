#!/usr/bin/env python3
"""Makes tng_cutout_extract.hdf5 and tng_cutout_expected.hdf5 from SimSpin's TNG example
(SimSpin_example_IllustrisTNG.hdf5 of the R package SimSpin, inst/extdata; snapshot 78 of TNG100-1):

    make_tng_extract.py SimSpin_example_IllustrisTNG.hdf5 OUTPUT_DIRECTORY

The extract keeps 400 stars with all wind particles among them and 20 gas cells, every dtype, chunk, filter and
attribute of the source (float64 throughout, header attributes of one element, NumPart_ThisFile that contradicts the
datasets). The expected values are computed here, with numpy alone: units as documented for TNG, ages by integrating
da / (a H) numerically.
"""
import sys

import h5py
import numpy as np

KPC_KM, GYR_S = 3.0856775814913673e16, 3.15576e16


def rows_to_keep(births, number):
    wind = np.flatnonzero(births <= 0)
    others = np.flatnonzero(births > 0)
    others = others[np.linspace(0, len(others) - 1, number - len(wind)).astype(int)]
    return np.sort(np.concatenate([wind, others]))


def copy(source, target, keep):
    for name, value in source["Header"].attrs.items():
        target.require_group("Header").attrs.create(name, value, dtype=source["Header"].attrs.get_id(name).dtype)
    for group, rows in keep.items():
        for name, data in source[group].items():
            values = data[:][rows]
            chunks = tuple(min(c, n) for c, n in zip(data.chunks, values.shape))
            out = target.create_dataset(f"{group}/{name}", data=values, dtype=data.dtype, chunks=chunks,
                                        compression="gzip", compression_opts=9)
            for key, value in data.attrs.items():
                out.attrs.create(key, value)


def cosmic_time(a, h, omega_m, omega_l):
    """t(a) [Gyr]: trapezoid in a^1.5 (smooth integrand), 20000 points."""
    x = np.linspace(0, a ** 1.5, 20001)
    integrand = np.full_like(x, 1 / np.sqrt(omega_m))
    s = x[1:] ** (2 / 3)
    integrand[1:] = 1 / (x[1:] * np.sqrt(omega_m / s**3 + (1 - omega_m - omega_l) / s**2 + omega_l))
    hubble_time = KPC_KM * 1e3 / (100 * h) / GYR_S
    return hubble_time * 2 / 3 * np.sum((integrand[1:] + integrand[:-1]) / 2) * (x[1] - x[0])


def main():
    source_path, output = sys.argv[1:]
    with h5py.File(source_path) as source:
        births = source["PartType4/GFM_StellarFormationTime"][:]
        gas_rows = np.arange(0, 100, 5)
        star_rows = rows_to_keep(births, 400)
        with h5py.File(f"{output}/tng_cutout_extract.hdf5", "w") as target:
            copy(source, target, {"PartType0": gas_rows, "PartType4": star_rows})
    with h5py.File(f"{output}/tng_cutout_extract.hdf5") as f, \
            h5py.File(f"{output}/tng_cutout_expected.hdf5", "w") as out:
        head = {k: f["Header"].attrs[k][0] for k in ("Time", "HubbleParam", "Omega0", "OmegaLambda", "BoxSize")}
        a, h = head["Time"], head["HubbleParam"]
        stars, gas = f["PartType4"], f["PartType0"]
        births = stars["GFM_StellarFormationTime"][:]
        real = births > 0
        now = cosmic_time(a, h, head["Omega0"], head["OmegaLambda"])
        expected = {
            "stars/position": stars["Coordinates"][:][real] * a / h,
            "stars/velocity": stars["Velocities"][:][real] * np.sqrt(a),
            "stars/mass": stars["GFM_InitialMass"][:][real] * 1e10 / h,
            "stars/metallicity": stars["GFM_Metallicity"][:][real],
            "stars/age": [now - cosmic_time(b, h, head["Omega0"], head["OmegaLambda"]) for b in births[real]],
            "stars/wind": np.flatnonzero(~real),
            "gas/position": gas["Coordinates"][:] * a / h,
            "gas/velocity": gas["Velocities"][:] * np.sqrt(a),
            "gas/mass": gas["Masses"][:] * 1e10 / h,
            "gas/density": gas["Density"][:] * 1e10 / h / (a / h) ** 3,
            "gas/internal_energy": gas["InternalEnergy"][:],
            "gas/electron_abundance": gas["ElectronAbundance"][:],
            "gas/star_formation_rate": gas["StarFormationRate"][:],
            "gas/metallicity": gas["GFM_Metallicity"][:],
            "gas/hydrogen": gas["GFM_Metals"][:, 0],
            "gas/oxygen": gas["GFM_Metals"][:, 4],
        }
        for name, values in expected.items():
            out.create_dataset(name, data=values, compression="gzip", compression_opts=9)
        print(real.sum(), "stars,", (~real).sum(), "wind particles, age now", now)


if __name__ == "__main__":
    main()
