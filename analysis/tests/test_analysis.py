"""The analysis package against cube files of known content (synthetic.py)."""

import contextlib
import io
import struct
import sys
import tempfile
import unittest
import warnings
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent.parent), str(Path(__file__).resolve().parent)]
import h5py  # noqa: E402
import numpy as np  # noqa: E402
import synthetic  # noqa: E402

from tessera_analysis import CubeFileError, Cubes, compare, quicklook  # noqa: E402


class WithFiles(unittest.TestCase):
    def setUp(self):
        self._folder = tempfile.TemporaryDirectory()
        self.addCleanup(self._folder.cleanup)
        self.folder = Path(self._folder.name)
        self.disc = synthetic.rotating_disc()
        self.path = self.folder / "cubes.hdf5"
        synthetic.write_cubes(self.path, {12: [self.disc], 3: [self.disc, synthetic.rotating_disc(n=24, seed=5)]})

    def run_main(self, main, *arguments):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main([str(a) for a in arguments])
        return code, out.getvalue(), err.getvalue()


class TestCube(WithFiles):
    def test_reads_back_exactly(self):
        with Cubes(self.path) as cubes:
            self.assertEqual(cubes.galaxies, [3, 12])
            self.assertEqual(cubes.all_views(), [(3, 0), (3, 1), (12, 0)])
            self.assertEqual(cubes[3].views, [0, 1])
            galaxy = cubes[12]
            np.testing.assert_array_equal(galaxy.wavelength, self.disc["wavelength"])
            np.testing.assert_array_equal(galaxy.flux[...], self.disc["flux"])
            np.testing.assert_array_equal(galaxy.variance[3, 4], self.disc["variance"][3, 4])
            np.testing.assert_array_equal(galaxy.maps["stars"], self.disc["maps"]["stars"].astype("f4"))
            self.assertEqual(sorted(galaxy.maps), ["dispersion_light", "stars", "velocity_light"])
            self.assertEqual(galaxy.maps.unit("velocity_light"), "km/s")
            self.assertEqual(cubes[3].view(1).shape[:2], (24, 24))
            self.assertEqual(galaxy.unit, "1e-20 erg s-1 cm-2 Angstrom-1")
            self.assertEqual((galaxy.attrs["n_stars_in_field"], galaxy.attrs["redshift"]), (4321, 0.05))
            self.assertEqual(galaxy.extent, (-10.0, 10.0, -10.0, 10.0))
            self.assertEqual(cubes.config["telescope"]["name"], "MUSE")
            self.assertEqual(list(cubes.catalog["status"]), ["ok"] * 3)
            self.assertEqual(sorted(cubes.catalog["subhalo"]), [3, 3, 12])

    def test_one_element_attributes_and_missing_variance(self):
        with h5py.File(self.path, "a") as file:
            del file["galaxies/12/variance"]
            file["galaxies/12"].attrs["redshift"] = np.array([0.07])
            file.attrs.create("snapshot", np.bytes_("mock"))
        with Cubes(self.path) as cubes:
            self.assertIsNone(cubes[12].variance)
            self.assertEqual(cubes[12].attrs["redshift"], 0.07)
            self.assertEqual(cubes.attrs["snapshot"], "mock")

    def test_white_light_ignores_nan(self):
        with Cubes(self.path) as cubes:
            image = cubes[12].white_light()
        outside = np.isnan(self.disc["flux"]).all(axis=2)
        np.testing.assert_array_equal(np.isnan(image), outside)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            np.testing.assert_allclose(image, np.nanmean(self.disc["flux"].astype(float), axis=2), rtol=1e-12)
        self.assertEqual(image[~outside & self.disc["empty"]].max(), 0)

    def test_errors_name_what_is_wrong(self):
        text = self.folder / "text.hdf5"
        text.write_text("not HDF5")
        with self.assertRaisesRegex(CubeFileError, "text.hdf5"):
            Cubes(text)
        with self.assertRaisesRegex(CubeFileError, "absent.hdf5"):
            Cubes(self.folder / "absent.hdf5")
        with h5py.File(self.folder / "other.hdf5", "w") as file:
            file["x"] = 1
        with self.assertRaisesRegex(CubeFileError, "galaxies"):
            Cubes(self.folder / "other.hdf5")
        with Cubes(self.path) as cubes:
            with self.assertRaisesRegex(CubeFileError, "no galaxy 99; there are: 3, 12"):
                cubes[99]
            with self.assertRaisesRegex(CubeFileError, "no view 4"):
                cubes.galaxy(3, 4)
            with self.assertRaisesRegex(KeyError, "velocity_light"):
                cubes[3].maps["velocity"]
        with h5py.File(self.path, "a") as file:
            del file["galaxies/12/flux"]
            file["galaxies/12/flux"] = np.zeros((4, 4, 7), "f4")
        with Cubes(self.path) as cubes, self.assertRaisesRegex(CubeFileError, r"\(4, 4, 7\)"):
            cubes[12]


class TestCompare(WithFiles):
    def changed(self, change):
        disc = {key: (value.copy() if isinstance(value, np.ndarray) else value) for key, value in self.disc.items()}
        change(disc)
        path = self.folder / "other.hdf5"
        synthetic.write_cubes(path, {12: [disc], 3: [self.disc, synthetic.rotating_disc(n=24, seed=5)]})
        return path

    def test_equal_files(self):
        code, out, _ = self.run_main(compare.main, self.path, self.path)
        self.assertEqual(code, 0)
        self.assertIn("6 of 6 within", out)
        self.assertTrue(all(d.worst == 0 and d.rms == 0 for d in compare.compare(self.path, self.path)))

    def test_finds_a_change_of_1e_minus_3(self):
        mean = np.abs(self.disc["flux"][20, 18].astype(float)).mean()

        def change(disc):
            disc["flux"][20, 18, 100] += np.float32(1e-3 * mean)
        path = self.changed(change)
        flux = [d for d in compare.compare(self.path, path) if d.subhalo == 12 and d.quantity == "flux"][0]
        self.assertAlmostEqual(flux.worst, 1e-3, delta=2e-6)
        self.assertEqual(flux.at, (20, 18, 100))
        known = np.isfinite(self.disc["flux"]).sum()
        self.assertAlmostEqual(flux.rms, flux.worst / np.sqrt(known), delta=1e-9)
        code, out, _ = self.run_main(compare.main, self.path, path, "--figure", self.folder / "difference.png")
        self.assertEqual(code, 1)
        self.assertIn("5 of 6 within", out)
        self.assertGreater((self.folder / "difference.png").stat().st_size, 5000)
        self.assertEqual(self.run_main(compare.main, self.path, path, "--tolerance", 2e-3)[0], 0)
        self.assertEqual(self.run_main(compare.main, self.path, path, "--galaxy", 3)[0], 0)

    def test_nan_and_empty_spaxels(self):
        def lose(disc):
            disc["flux"][20, 20, 5] = np.nan
        path = self.changed(lose)
        code, out, _ = self.run_main(compare.main, self.path, path, "--tolerance", 1e9)
        self.assertEqual(code, 1)
        self.assertIn("1 voxels NaN in one file only", out)
        iy, ix = np.argwhere(self.disc["flux"].any(axis=2) == 0)[0]

        def light_up(disc):
            disc["flux"][iy, ix, 5] = 1e-9
        worst = max(d.worst for d in compare.compare(self.path, self.changed(light_up)))
        self.assertTrue(np.isinf(worst))

    def test_what_cannot_be_compared(self):
        other = self.folder / "fewer.hdf5"
        synthetic.write_cubes(other, {12: [self.disc]})
        code, _, err = self.run_main(compare.main, self.path, other)
        self.assertEqual((code, "different galaxies" in err), (2, True))
        synthetic.write_cubes(other, {12: [self.disc], 3: [self.disc, synthetic.rotating_disc(n=25)]})
        code, _, err = self.run_main(compare.main, self.path, other)
        self.assertEqual((code, "(25, 25" in err), (2, True))
        synthetic.write_cubes(other, {12: [self.disc]}, unit="Lsun/Angstrom")
        self.assertEqual(self.run_main(compare.main, self.path, other, "--galaxy", 12)[0], 2)


class TestQuicklook(WithFiles):
    def test_panels_hold_the_data(self):
        with Cubes(self.path) as cubes:
            galaxy = cubes[12]
            fig = quicklook.figure(galaxy)
            images, spectra = fig.axes[:3], fig.axes[3:6]
            white, velocity, dispersion = (axes.images[0] for axes in images)
            lit = np.isfinite(galaxy.white_light()) & (galaxy.white_light() != 0)
            for picture in (white, velocity, dispersion):  # empty and outside: masked
                np.testing.assert_array_equal(~np.ma.getmaskarray(picture.get_array()), lit)
            np.testing.assert_allclose(velocity.get_array()[lit], self.disc["maps"]["velocity_light"][lit], rtol=1e-6)
            np.testing.assert_allclose(dispersion.get_array()[lit], self.disc["maps"]["dispersion_light"][lit], rtol=1e-6)
            low, high = velocity.get_clim()
            self.assertEqual(low, -high)
            self.assertTrue(100 < high <= 180)
            self.assertEqual(dispersion.get_clim()[0], 0)
            self.assertEqual(tuple(white.get_extent()), galaxy.extent)
            chosen = quicklook.choose_spaxels(galaxy.white_light())
            radius = [np.hypot(iy - chosen[0][0], ix - chosen[0][1]) for iy, ix in chosen]
            self.assertEqual(len(chosen), 3)
            self.assertTrue(radius[0] == 0 < radius[1] < radius[2])
            for axes, (iy, ix) in zip(spectra, chosen):
                np.testing.assert_array_equal(axes.lines[0].get_ydata(), galaxy.flux[iy, ix])
            iy, ix = chosen[1]  # its marker lies in its spaxel, on each image
            for axes in images:
                x, y = (float(v[0]) for v in [line for line in axes.lines if line.get_marker() == "o"][2].get_data())
                self.assertEqual((int((y + 10) // 0.5), int((x + 10) // 0.5)), (iy, ix))
            texts = " ".join(text.get_text() for text in fig.texts)
            for fact in ("Subhalo 12", "z = 0.05", "MUSE", "face-on"):
                self.assertIn(fact, texts)
            self.assertIn("5 kpc", [text.get_text() for text in images[0].texts])
            quicklook.plt.close(fig)

    def test_writes_a_picture_of_every_view(self):
        code, out, _ = self.run_main(quicklook.main, self.path, "--output", self.folder / "pictures", "--dpi", 60)
        self.assertEqual(code, 0)
        names = sorted(p.name for p in (self.folder / "pictures").iterdir())
        self.assertEqual(names, ["cubes_12.png", "cubes_3.png", "cubes_3_view1.png"])
        for path in (self.folder / "pictures").iterdir():
            content = path.read_bytes()
            self.assertEqual(content[:8], b"\x89PNG\r\n\x1a\n")
            self.assertEqual(struct.unpack(">2I", content[16:24]), (720, 492))
            self.assertGreater(len(content), 20000)

    def test_draws_what_is_empty_or_nearly_so(self):
        shape = (6, 6, self.disc["wavelength"].size)
        dark = {"wavelength": self.disc["wavelength"], "flux": np.zeros(shape, "f4"), "redshift": 0.05, "maps": {}}
        nan = dict(dark, flux=np.full(shape, np.nan, "f4"))
        single = dict(dark, flux=dark["flux"].copy(), variance=np.zeros(shape, "f4"))
        single["flux"][2, 3] = 5
        path = self.folder / "odd.hdf5"
        synthetic.write_cubes(path, {1: [dark], 2: [nan], 4: [single]})
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            self.assertEqual(len(quicklook.quicklook(path, self.folder / "odd", dpi=40)), 3)

    def test_errors(self):
        code, _, err = self.run_main(quicklook.main, self.path, "--galaxy", 5)
        self.assertEqual((code, "no galaxy 5" in err), (1, True))
        code, _, err = self.run_main(quicklook.main, self.path, "--view", 5)
        self.assertEqual((code, "view 5" in err), (1, True))

    def test_round_lengths(self):
        for value, expected in ((9.9, 5), (10, 10), (0.3, 0.2), (1.99, 1), (2, 2), (730, 500)):
            self.assertAlmostEqual(quicklook.nice_length(value), expected)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
