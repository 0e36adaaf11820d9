"""geometry.py, posterior.py and evidence.py run from their command lines and find what they look for; --quick, with made-up libraries of
spectra. What they prove needs the long runs: docs/fits.md."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from test_histories_and_network import EXIT_SKIPPED, FITS, lacks, write_library  # noqa: E402


class TestFits(unittest.TestCase):
    module = None

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.library = self.folder / "lines.hdf5"
        write_library(self.library)

    def run_script(self, name, *arguments):
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [self.module, os.environ.get("PYTHONPATH")])),
                                    "JAX_PLATFORMS": "cpu"}
        done = subprocess.run([sys.executable, FITS / f"{name}.py", "--quick", "--workers", "1", "--stars", "100", "--library",
                               self.library, "--output", self.folder, *arguments], capture_output=True, text=True, env=environment)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertGreater((self.folder / f"{name}.png").stat().st_size, 20000)
        return json.loads((self.folder / f"{name}.json").read_text())

    def test_geometry(self):
        found = self.run_script("geometry")
        self.assertLess(abs(found["mean_reduced_chi2"] - 1), 0.05)
        self.assertEqual(found["all_within_3_sigma"], found["mocks"])

    @unittest.skipIf(lacks("numpyro"), "no numpyro")
    def test_posterior(self):
        found = self.run_script("posterior")
        self.assertEqual(found["nuts"]["divergent"], 0)
        self.assertGreater(found["accept"], 0.8)
        self.assertEqual(found["mode_below_truth"], 0)
        for name, mean in found["mean"].items():
            self.assertLess(abs(mean - found["truth"][name]), 5 * found["sigma"][name], name)

    @unittest.skipIf(lacks("dynesty"), "no dynesty")
    def test_evidence(self):
        import h5py
        other = self.folder / "other.hdf5"
        write_library(other)
        with h5py.File(other, "r+") as file:
            file["flux"][...] *= 1 + 0.3 * ((file["wavelength"][...] / 5000) % 0.1 > 0.05)
        found = self.run_script("evidence", "--other", str(other))
        self.assertGreater(found["ln_odds"][str(other)]["nested"], 5)
        self.assertGreater(found["ln_odds"][str(other)]["laplace"], 5)
        for hypothesis in found["hypotheses"]:
            if hypothesis["mock"] == hypothesis["library"]:
                self.assertLess(abs(hypothesis["nested"] - hypothesis["laplace"]), 4 * hypothesis["nested_error"] + 0.5)
                for found_at, sigma, truth in zip(hypothesis["mode"], hypothesis["sigma"], (0, 0, 0, 20, 2)):
                    self.assertLess(abs(found_at - truth), 5 * sigma)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--tessera")
    parser.add_argument("--module", help="folder that has the package tessera; not given: it is installed")
    options, rest = parser.parse_known_args()
    if missing := lacks("jax", "scipy", "matplotlib", "h5py"):
        print("SKIP: no", ", ".join(missing), "(pip install './analysis[fits]')")
        sys.exit(EXIT_SKIPPED)
    if options.module and not os.path.isdir(os.path.join(options.module, "tessera")):
        print("SKIP: this build has no Python module (nanobind and Python's headers were not found)")
        sys.exit(EXIT_SKIPPED)
    TestFits.module = options.module and os.path.abspath(options.module)
    unittest.main(argv=[sys.argv[0], *rest])
