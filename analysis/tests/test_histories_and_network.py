"""star_formation_history.py and hybrid_network.py run from their command lines and find what they look for; --quick, with a made-up
library of spectra. What they prove needs the long runs: docs/fits.md."""

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


def lacks(*names):
    return [n for n in names if importlib.util.find_spec(n) is None]


def write_library(path):
    """Five ages, three metallicities, spectra with lines every 60 Angstrom; redder with age."""
    import h5py
    import numpy as np
    log_age, metallicity = np.array([6.0, 7.5, 8.6, 9.6, 10.2]), np.array([0.0004, 0.008, 0.05])
    wavelength = np.arange(3300.0, 7300.0, 12.0)
    with h5py.File(path, "w") as file:
        file.attrs.update(tessera_ssp_version=1, name="lines", source="a test", medium="air", flux_unit="Lsun/Angstrom/Msun")
        file["log_age"], file["metallicity"], file["wavelength"] = log_age, metallicity, wavelength
        age, z = log_age[None, :, None] - 9, metallicity[:, None, None] / 0.02
        continuum = 1e-3 * 10.0 ** (-0.8 * age) * (wavelength / 5000) ** (-1.5 + 0.8 * age) * z**-0.1
        depth = 0.3 * z**0.3 * (1 + 0.2 * age)
        file["flux"] = continuum * (1 - depth * np.exp(-0.5 * (((wavelength - 3310) % 60 - 30) / 9) ** 2))


class TestFits(unittest.TestCase):
    module = None

    def run_script(self, name):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        library = Path(folder.name) / "lines.hdf5"
        write_library(library)
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [self.module, os.environ.get("PYTHONPATH")])),
                                    "JAX_PLATFORMS": "cpu"}
        done = subprocess.run([sys.executable, FITS / f"{name}.py", "--quick", "--library", library, "--output", folder.name],
                              capture_output=True, text=True, env=environment)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertGreater((Path(folder.name) / f"{name}.png").stat().st_size, 20000)
        return json.loads((Path(folder.name) / f"{name}.json").read_text())

    @unittest.skipIf(lacks("scipy", "matplotlib"), "no scipy or matplotlib")
    def test_star_formation_history(self):
        found = self.run_script("star_formation_history")
        self.assertLess(found["chi2_per_voxel"], 1.5)
        mass = found["maps"]["log_mass"]
        self.assertLess(mass["scatter"], 0.7 * mass["spread_of_truth"])
        for name in ("log_mass", "log_age_mass", "log_age_light"):
            self.assertGreater(found["maps"][name]["within_3_sigma"], 0.7, name)
            self.assertGreater(found["maps"][name]["median_sigma"], 0, name)

    @unittest.skipIf(lacks("jax", "equinox", "optax", "matplotlib"), "no JAX, equinox, optax or matplotlib")
    def test_hybrid_network(self):
        found = self.run_script("hybrid_network")
        self.assertLess(found["loss_last_quarter"], found["loss_first_quarter"] - 0.1)
        self.assertLess(found["median_chi2"], found["median_chi2_of_prior_middle"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--tessera")
    parser.add_argument("--module", help="folder that has the package tessera; not given: it is installed")
    options, rest = parser.parse_known_args()
    if lacks("scipy", "matplotlib", "h5py"):
        print("SKIP: no", ", ".join(lacks("scipy", "matplotlib", "h5py")), "(pip install './analysis[fits]')")
        sys.exit(EXIT_SKIPPED)
    if lacks("tessera") if options.module is None else not os.path.isdir(os.path.join(options.module, "tessera")):
        print("SKIP: no package tessera (no nanobind or Python's headers were found by the build, or it is not installed)")
        sys.exit(EXIT_SKIPPED)
    TestFits.module = options.module and os.path.abspath(options.module)
    unittest.main(argv=[sys.argv[0], *rest])
