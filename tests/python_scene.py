"""What the tests of the Python package share: where it is, a library of spectra, a model and stars."""

import argparse
import os
import sys

EXIT_SKIPPED = 77


def skip(reason):
    print("SKIP:", reason)
    sys.exit(EXIT_SKIPPED)


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tessera", required=True, help="the program")
    parser.add_argument("--module", required=True, help="folder that has the package tessera")
    arguments, rest = parser.parse_known_args()
    sys.argv[1:] = rest
    if not os.path.isdir(os.path.join(arguments.module, "tessera")):
        skip("this build has no Python module (nanobind and Python's headers were not found)")
    arguments.tessera, arguments.module = os.path.abspath(arguments.tessera), os.path.abspath(arguments.module)
    sys.path.insert(0, arguments.module)
    return arguments


def write_library(path):
    """Three ages, three metallicities, spectra with lines every 60 Angstrom."""
    import h5py
    import numpy as np
    log_age, metallicity, wavelength = np.array([8.0, 9.0, 10.1]), np.array([0.004, 0.02, 0.05]), np.arange(4300.0, 5300.0, 8.0)
    with h5py.File(path, "w") as file:
        file.attrs.update(tessera_ssp_version=1, name="lines", source="a test", medium="air", flux_unit="Lsun/Angstrom/Msun")
        file["log_age"], file["metallicity"], file["wavelength"] = log_age, metallicity, wavelength
        continuum = 1e-3 * (10.0 ** (9 - log_age))[None, :, None] * (wavelength / 4800) ** -1.5
        depth = 0.3 * (metallicity / 0.02)[:, None, None] ** 0.3 * (1 + 0.2 * (log_age - 9))[None, :, None]
        file["flux"] = continuum * (1 - depth * np.exp(-0.5 * (((wavelength - 4310) % 60 - 30) / 9) ** 2))


def config(library, **changes):
    """6 x 6 spaxels of 0.25 kpc, 80 wavelengths, PSF and LSF; accurate beyond the default, for differences of cubes."""
    return {
        "view": {"redshift": 0.05, "orientation": "none", "inclination": 40.0, "position_angle": 20.0,
                 "systemic_velocity": "subhalo"},
        "telescope": {"fov": 1.5, "spaxel": 0.25, "aperture": "square", "wavelength": [4800.0, 4900.0, 1.25]},
        "ssp": {"library": str(library)},
        "spectra": {"accuracy": 1e-6},
        "psf": {"kind": "moffat", "fwhm": 0.5, "beta": 2.5},
        "lsf": {"fwhm": 3.0},
    } | changes


def star_arrays(n=12, seed=5):
    """Stars in the middle of their spaxels as seen in config()'s view, so that small turns leave them there; ages and
    metallicities inside the library's cells."""
    import numpy as np
    random = np.random.default_rng(seed)
    kpc = 0.25 * 1.0098  # of a spaxel at redshift 0.05
    sky = np.zeros((n, 3))
    sky[:, :2] = kpc * (random.integers(-3, 3, (n, 2)) + 0.5)
    i, pa = np.radians(40.0), np.radians(20.0)
    tilt = np.array([[1, 0, 0], [0, np.cos(i), -np.sin(i)], [0, np.sin(i), np.cos(i)]])
    turn = np.array([[np.cos(pa), -np.sin(pa), 0], [np.sin(pa), np.cos(pa), 0], [0, 0, 1]])
    return dict(mass=random.uniform(1e6, 3e6, n), log_age=random.uniform(9.2, 9.9, n), metallicity=random.uniform(0.006, 0.015, n),
                coords=sky @ (turn @ tilt), velocity=random.normal(0, 120, (n, 3)))
