"""The fits of geometry.py, posterior.py and evidence.py run from their command lines and say what they found; --quick, with made-up
libraries of spectra. What they prove needs the long runs: docs/fits.md."""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

FITS = Path(__file__).resolve().parent.parent / "fits"
EXIT_SKIPPED = 77


def write_library(path, slope):
    """Three ages, three metallicities, spectra with lines every 60 Angstrom; redder with age by the given slope."""
    import h5py
    import numpy as np
    log_age, metallicity, wavelength = np.array([7.0, 9.0, 10.2]), np.array([0.0004, 0.008, 0.05]), np.arange(3800.0, 7000.0, 8.0)
    with h5py.File(path, "w") as file:
        file.attrs.update(tessera_ssp_version=1, name="lines", source="a test", medium="air", flux_unit="Lsun/Angstrom/Msun")
        file["log_age"], file["metallicity"], file["wavelength"] = log_age, metallicity, wavelength
        age, z = log_age[None, :, None] - 9, metallicity[:, None, None] / 0.02
        continuum = 1e-3 * 10.0 ** (-0.8 * age) * (wavelength / 5000) ** (-1.5 + slope * age) * z**-0.1
        depth = 0.3 * z**0.3 * (1 + 0.2 * age)
        file["flux"] = continuum * (1 - depth * np.exp(-0.5 * (((wavelength - 4310) % 60 - 30) / 9) ** 2))


class TestFits(unittest.TestCase):
    module = None

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        for name, slope in (("one", 0.8), ("two", 0.6)):
            write_library(self.folder / f"{name}.hdf5", slope)

    def run_script(self, name, *arguments):
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [self.module, os.environ.get("PYTHONPATH")])),
                                    "JAX_PLATFORMS": "cpu"}
        done = subprocess.run([sys.executable, FITS / name, "--quick", "--workers", "1", "--output", self.folder, *arguments],
                              capture_output=True, text=True, env=environment)
        self.assertIn(done.returncode, (0, 1), done.stdout + done.stderr)
        (figure,) = self.folder.glob("*.png")
        self.assertGreater(figure.stat().st_size, 20000)
        return json.loads(figure.with_suffix(".json").read_text())

    def test_geometry(self):
        found = self.run_script("geometry.py", "--library", self.folder / "one.hdf5", "--stars", "300")
        for name in ("inclination", "position_angle", "systemic_velocity", "psf_fwhm"):
            self.assertGreaterEqual(found["within_3_sigma"][name], 3, found)
            self.assertGreater(found["sigma"][name], 0)
        self.assertLess(abs(found["mean_reduced_chi2"] - 1), 0.05)

    def test_posterior(self):
        found = self.run_script("posterior.py", "--library", self.folder / "one.hdf5", "--stars", "200")
        self.assertEqual(found["nuts"]["divergent"], 0)
        self.assertGreater(found["accept"], 0.6)
        for name, mean in found["mean"].items():
            self.assertLess(abs(mean - found["truth"][name]), 6 * found["sigma"][name], found)

    def test_evidence(self):
        found = self.run_script("evidence.py", "--library", self.folder / "one.hdf5", "--other", self.folder / "two.hdf5", "--stars", "200")
        one, two = found["hypotheses"]
        self.assertGreater(one["nested"], two["nested"])
        self.assertLess(abs(one["nested"] - one["laplace"]), 6 * one["nested_error"] + 1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--tessera")
    parser.add_argument("--module", help="folder that has the package tessera; not given: it is installed")
    options, rest = parser.parse_known_args()
    missing = [n for n in ("jax", "numpyro", "dynesty", "scipy", "matplotlib", "h5py") if importlib.util.find_spec(n) is None]
    if missing:
        print("SKIP: no", ", ".join(missing), "(pip install 'analysis[fits]')")
        sys.exit(EXIT_SKIPPED)
    if options.module and not os.path.isdir(os.path.join(options.module, "tessera")):
        print("SKIP: this build has no Python module (nanobind and Python's headers were not found)")
        sys.exit(EXIT_SKIPPED)
    TestFits.module = options.module and os.path.abspath(options.module)
    unittest.main(argv=[sys.argv[0], *rest])
