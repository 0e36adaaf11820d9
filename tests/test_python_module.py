"""The Python package `tessera` against the program `tessera`, against itself, and with arguments that are wrong."""

import gc
import os
import signal
import sys
import tempfile
import threading
import unittest

import python_scene as scene

ARGUMENTS = scene.arguments()

import h5py  # noqa: E402
import numpy as np  # noqa: E402
from small_run import SmallRun  # noqa: E402

import tessera  # noqa: E402

FOLDER = tempfile.TemporaryDirectory()
LIBRARY = os.path.join(FOLDER.name, "lines.hdf5")
scene.write_library(LIBRARY)


def model(**changes):
    return tessera.Model(scene.config(LIBRARY, **changes))


def stars(**changes):
    return tessera.Stars(**(scene.star_arrays() | changes))


def dot(a, b):
    return float(np.sum(np.asarray(a, dtype=np.float64) * np.asarray(b, dtype=np.float64)))


class TestAgainstTheProgram(unittest.TestCase):
    """Snapshot in, cube and gradient out: bitwise what `tessera run` and `tessera gradient` write."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.small = run = SmallRun(ARGUMENTS.tessera, cls.folder.name, galaxies=3, stars=6000, views=2, wavelengths=60)
        run.config["psf"], run.config["lsf"] = {"fwhm": 3.0}, {"fwhm_polynomial": [20.0, 1e-3]}
        run.config["ssp"] = {"library": run.path("library.hdf5")}
        run.write()
        run.run("run", "config.json", "--quiet")
        cls.cubes = tessera.open_cubes(run.path("cubes.hdf5"))
        cls.snapshot = tessera.open_snapshot(run.path("mock/output"))
        cls.model = tessera.Model(run.path("config.json"))

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def test_cubes(self):
        for subhalo in (0, 1):
            for view in (0, 1):
                written = self.cubes[subhalo, view]
                made = self.model.forward(self.snapshot.stars(subhalo), view=view, noise=True)
                np.testing.assert_array_equal(made.flux, written.flux)
                np.testing.assert_array_equal(made.variance, written.variance)
                np.testing.assert_array_equal(made.wavelength, written.wavelength)
                self.assertEqual(made.unit, written.unit)
                for name, image in written.maps.items():
                    np.testing.assert_array_equal(made.maps[name], image)
                for name, value in written.report.items():
                    if name not in ("seconds", "view"):
                        np.testing.assert_array_equal(made.report[name], value, name)
        self.assertGreater(np.nanmax(made.flux), 0)

    def test_gradients(self):
        random = np.random.default_rng(1)
        bar = random.normal(size=self.model.shape).astype(np.float32)
        with h5py.File(self.small.path("bar.hdf5"), "w") as file:
            file["galaxies/0/flux"] = bar
        self.small.config["view"] = self.small.config["view"][0]
        self.small.write()
        self.small.run("gradient", "config.json", "--set", "galaxies.subhalos=[0]", "--cotangent", "bar.hdf5", "--output",
                       "gradient.hdf5", "--quiet")
        stars = self.snapshot.stars(0)
        made = self.model.vjp(stars, bar, noise=True)
        with h5py.File(self.small.path("gradient.hdf5")) as file:
            group = file["galaxies/0/gradient"]
            rows = np.setdiff1d(np.arange(len(stars) + stars.wind_rows.size), stars.wind_rows)
            for name in ("mass", "log_age", "metallicity", "velocity"):
                np.testing.assert_array_equal(made[name], group[name][...][rows], name)
            for name in ("redshift", "inclination", "position_angle", "twist", "systemic_velocity", "psf_fwhm"):
                np.testing.assert_array_equal(made[name], group.attrs[name], name)
            np.testing.assert_array_equal(made["lsf_fwhm_polynomial"],
                                          [group.attrs[f"lsf_fwhm_polynomial_{k}"] for k in range(2)])

    def test_catalogue(self):
        catalogue = self.snapshot.catalogue
        self.assertEqual(list(catalogue["subhalo"]), list(self.snapshot.subhalos))
        stars = self.snapshot.stars(1)
        self.assertEqual(len(stars) + stars.wind_rows.size, catalogue["n_stars"][1])
        np.testing.assert_array_equal(stars.galaxy.centre, catalogue["position"][1])
        self.assertGreaterEqual(len(self.snapshot.stars(1, particles="group")), len(stars))
        self.assertEqual(self.snapshot.info["number"], 99)
        self.assertEqual(list(self.cubes), [0, 1, 2])
        self.assertEqual(self.cubes.config["telescope"]["spaxel"], 2)


class TestDerivatives(unittest.TestCase):
    def setUp(self):
        self.model, self.stars = model(), stars()
        self.random = np.random.default_rng(7)

    def tangent(self, name, shape):
        scale = {"mass": 1e5, "log_age": 0.1, "metallicity": 1e-3, "velocity": 10.0, "systemic_velocity": 10.0}.get(name, 0.1)
        return self.random.normal(0, scale, shape)

    def test_transposes(self):
        bar = self.random.normal(size=self.model.shape).astype(np.float32)
        g = self.model.vjp(self.stars, bar, templates=True)
        n = len(self.stars)
        shapes = {"mass": n, "log_age": n, "metallicity": n, "velocity": (n, 3), **self.model.parameters()}
        at = self.model.linearise(self.stars)
        for name, shape in shapes.items():
            v = self.tangent(name, shape)
            moved = at.jvp({name: v})
            left, right = dot(moved, bar), dot(v, g[name])
            self.assertAlmostEqual(left, right, delta=2e-4 * np.sqrt(dot(moved, moved) * dot(bar, bar)), msg=name)
            if name not in ("position_angle",):
                self.assertGreater(np.abs(moved).max(), 0, name)

    def test_differences(self):
        """Central differences of forward() in every parameter: tests/test_adjoint.cpp has those of stars."""
        steps = {"redshift": 2e-6, "inclination": 0.3, "twist": 0.3, "systemic_velocity": 3.0, "psf_fwhm": 5e-3, "psf_beta": 4e-3,
                 "lsf_fwhm": 0.05}
        galaxy = tessera.Galaxy(velocity=(10, 20, -30))
        base = {"systemic_velocity": np.array([10.0, 20, -30])}
        view = self.model.config["view"]
        base |= {k: view[k] for k in ("redshift", "inclination", "twist")}
        base |= {"psf_fwhm": 0.5, "psf_beta": 2.5, "lsf_fwhm": 3.0}
        at = self.model.linearise(self.stars, galaxy=galaxy)
        for name, step in steps.items():
            d = np.ones(np.shape(base[name]))
            high, low = (self.model.forward(self.stars, galaxy=galaxy, parameters={name: base[name] + sign * step * d}).flux.astype(float)
                         for sign in (1, -1))
            slope = at.jvp({name: d})
            rms = np.sqrt(np.mean(slope.astype(float) ** 2))
            self.assertLess(np.sqrt(np.mean((slope - (high - low) / (2 * step)) ** 2)), 5e-3 * rms, name)

    def test_gauss_newton(self):
        v = {"mass": self.tangent("mass", len(self.stars)), "inclination": 1.0, "lsf_fwhm": 0.1}
        weight = self.random.uniform(0.5, 2, self.model.shape).astype(np.float32)
        product = self.model.gauss_newton(self.stars, v, weight)
        by_hand = self.model.vjp(self.stars, self.model.jvp(self.stars, v) * weight)
        for name, value in by_hand.items():
            np.testing.assert_array_equal(product[name], value, name)
        self.assertEqual(product.psf_fwhm, product["psf_fwhm"])

    def test_compat(self):
        other = model(compat="rubix", psf={"sigma_spaxels": 0.6, "size": 5}, lsf={"sigma": 1.2})
        self.assertIn("psf_sigma_spaxels", other.vjp(self.stars, np.ones(other.shape)))
        self.assertTrue(np.isfinite(other.jvp(self.stars, {"inclination": 1.0})).all())
        with self.assertRaisesRegex(RuntimeError, "rubix"):
            other.vjp(self.stars, np.ones(other.shape), templates=True)

    def test_positions(self):
        """With a footprint a cube is differentiable in positions: transposes of each other."""
        self.assertEqual(np.abs(self.model.vjp(self.stars, np.ones(self.model.shape))["coords"]).max(), 0)
        other = model(projection={"footprint": "cic"})
        bar, v = self.random.normal(size=other.shape).astype(np.float32), self.random.normal(0, 0.01, (len(self.stars), 3))
        moved, g = other.jvp(self.stars, {"coords": v}), other.vjp(self.stars, bar)["coords"]
        self.assertGreater(np.abs(g).max(), 0)
        self.assertAlmostEqual(dot(moved, bar), dot(v, g), delta=2e-4 * np.sqrt(dot(moved, moved) * dot(bar, bar)))

    def test_centre_and_smoothing(self):
        """Where a footprint makes cubes differentiable in them: transposes, and central differences of forward()."""
        self.assertNotIn("centre", self.model.parameters())
        self.assertNotIn("centre", self.model.vjp(self.stars, np.ones(self.model.shape)))
        of = {"cic": model(projection={"footprint": "cic"}),
              "sph": model(projection={"footprint": "sph", "smoothing": 0.4})}
        self.assertNotIn("projection_smoothing", of["cic"].parameters())
        own = model(projection={"footprint": "sph"})
        self.assertNotIn("projection_smoothing", own.parameters())
        galaxy = tessera.Galaxy(centre=(0.013, -0.008, 0.02))
        for other, name, value, d, step in [(of["cic"], "centre", galaxy.centre, [0.5, 1.0, -0.7], 1e-3),
                                            (of["sph"], "centre", galaxy.centre, [0.5, 1.0, -0.7], 3e-3),
                                            (of["sph"], "projection_smoothing", 0.4, 1.0, 3e-3)]:
            d = np.asarray(d)
            at = other.linearise(self.stars, galaxy=galaxy)
            slope = at.jvp({name: d}).astype(float)
            high, low = (other.forward(self.stars, galaxy=galaxy, parameters={name: value + sign * step * d}).flux.astype(float)
                         for sign in (1, -1))
            rms = np.sqrt(np.mean(slope ** 2))
            self.assertGreater(rms, 0)
            self.assertLess(np.sqrt(np.mean((slope - (high - low) / (2 * step)) ** 2)), 5e-3 * rms, name)
            bar = self.random.normal(size=other.shape).astype(np.float32)
            g = other.vjp(self.stars, bar, galaxy=galaxy)
            self.assertAlmostEqual(dot(slope, bar), dot(d, g[name]), delta=2e-4 * np.sqrt(dot(slope, slope) * dot(bar, bar)))
            moved = other.forward(self.stars, galaxy=galaxy, parameters={"systemic_velocity": [5, 6, 7], name: value + step * d})
            if name == "centre":
                there = tessera.Galaxy(centre=value + step * d, velocity=(5, 6, 7))
                np.testing.assert_array_equal(moved.flux, other.forward(self.stars, galaxy=there).flux)
        with self.assertRaisesRegex(ValueError, r"centre: .*shape \(3,\)"):
            of["cic"].forward(self.stars, parameters={"centre": [1.0]})
        with self.assertRaisesRegex(ValueError, "projection.smoothing: -1"):
            of["sph"].forward(self.stars, parameters={"projection_smoothing": -1.0})
        with self.assertRaisesRegex(ValueError, "unknown parameter 'centre'"):
            self.model.forward(self.stars, parameters={"centre": [0.0, 0.0, 0.0]})

    def test_noise_is_held_fixed(self):
        noisy = model(noise={"signal_to_noise": 20, "seed": 4})
        a, b, c = (noisy.forward(self.stars, noise=n) for n in (True, 4, 5))
        np.testing.assert_array_equal(a.flux, b.flux)
        self.assertGreater(np.abs(a.flux - c.flux).max(), 0)
        bar = self.random.normal(size=noisy.shape)
        g, clean = noisy.vjp(self.stars, bar, noise=True), noisy.vjp(self.stars, bar)
        v = np.ones(len(self.stars))
        by = 1e-2 * self.stars.mass
        change = noisy.forward(stars(mass=self.stars.mass + by), noise=True).flux.astype(float)
        change -= noisy.forward(stars(mass=self.stars.mass - by), noise=True).flux
        self.assertAlmostEqual(dot(change, bar) / 2, dot(g["mass"], by * v), delta=5e-3 * abs(dot(g["mass"], by)))
        self.assertGreater(np.abs(g["mass"] - clean["mass"]).max(), 0)


class TestParameters(unittest.TestCase):
    def test_as_configured(self):
        """with_parameters() gives what a model with that configuration gives, whatever was asked for in between."""
        base, s = model(), stars()
        changes = {"inclination": 41.0, "twist": 3.0, "redshift": 0.0501, "psf_fwhm": 0.52, "psf_beta": 3.0, "lsf_fwhm": 3.3}
        c = scene.config(LIBRARY)
        c["view"] |= {k: changes[k] for k in ("inclination", "twist", "redshift")}
        c["psf"] |= {"fwhm": 0.52, "beta": 3.0}
        c["lsf"] = {"fwhm": 3.3}
        expected, before = tessera.Model(c).forward(s), base.forward(s)
        for _ in range(2):
            np.testing.assert_array_equal(base.forward(s, parameters=changes).flux, expected.flux)
            np.testing.assert_array_equal(base.forward(s).flux, before.flux)
        changed = base.with_parameters(**changes)
        np.testing.assert_array_equal(changed.forward(s).flux, expected.flux)
        for name, image in changed.forward(s).maps.items():
            np.testing.assert_array_equal(image, expected.maps[name])
        bar = np.ones(base.shape)
        gradient = tessera.Model(c).vjp(s, bar)
        for i in range(6):
            base.vjp(s, bar, parameters={"inclination": 40.0 + i})
        for name, value in base.vjp(s, bar, parameters=changes).items():
            np.testing.assert_array_equal(value, gradient[name], name)
        self.assertGreater(np.abs(expected.flux - before.flux).max(), 0)

    def test_systemic_velocity(self):
        m, s = model(), stars()
        v = (30.0, -20.0, 50.0)
        np.testing.assert_array_equal(m.forward(s, parameters={"systemic_velocity": v}).flux,
                                      m.forward(s, galaxy=tessera.Galaxy(velocity=v)).flux)

    def test_templates(self):
        m, s = model(), stars()
        flux = m.library["flux"]
        np.testing.assert_allclose(m.forward(s, parameters={"templates": 2 * flux}).flux, 2 * m.forward(s).flux, rtol=1e-5)
        self.assertEqual(m.parameters()["templates"], flux.shape)

    def test_those_there_are(self):
        names = set(model(psf=None, lsf={"resolution": 2000}).parameters())
        self.assertEqual(names, {"redshift", "inclination", "position_angle", "twist", "systemic_velocity", "templates", "lsf_resolution"})
        view = scene.config(LIBRARY)["view"] | {"orientation": {"euler_deg": [10, 20, 30]}}
        self.assertIn("euler_deg", model(view=view).parameters())

    def test_threads(self):
        one, two = tessera.Model(scene.config(LIBRARY), threads=1), tessera.Model(scene.config(LIBRARY), threads=2)
        self.assertEqual((one.config["resources"]["threads"], two.config["resources"]["threads"]), (1, 2))
        np.testing.assert_array_equal(one.forward(stars()).flux, two.forward(stars()).flux)


class TestMemory(unittest.TestCase):
    def test_no_copies(self):
        n = 20
        arrays = dict(mass=np.ones(n, np.float32), age=np.ones(n, np.float32), metallicity=np.full(n, 0.01, np.float32),
                      coords=np.zeros((n, 3)), velocity=np.zeros((n, 3), np.float32), smoothing=np.ones(n, np.float32))
        s = tessera.Stars(**arrays)
        for name, given in arrays.items():
            self.assertTrue(np.shares_memory(given, getattr(s, name)), name)
        m = model()
        before = m.forward(s).flux.copy()
        arrays["mass"] *= 2
        np.testing.assert_allclose(m.forward(s).flux, 2 * before, rtol=1e-6)
        arrays["mass"][3] = np.nan
        with self.assertRaisesRegex(ValueError, r"mass\[3\] is nan"):
            m.forward(s)
        arrays["mass"][3] = 1
        arrays["velocity"][5, 1] = 3e5
        with self.assertRaisesRegex(ValueError, r"velocity\[5, 1\] is 300000"):
            m.linearise(s)

    def test_results_outlive_all(self):
        m = model()
        cube, g, at = m.forward(stars()), m.vjp(stars(), np.ones(m.shape)), m.linearise(stars())
        flux, stellar, mass, expected = cube.flux, cube.maps["mass"], g["mass"], cube.flux.copy()
        del cube, g, m
        gc.collect()
        np.testing.assert_array_equal(flux, expected)
        self.assertTrue(np.isfinite(stellar).all() and np.isfinite(mass).all())
        self.assertTrue(np.isfinite(at.jvp({"inclination": 1.0})).all())

    def test_other_layouts(self):
        a = scene.star_arrays()
        wide = {k: np.asfortranarray(np.repeat(v, 2, axis=0))[::2] for k, v in a.items()}
        np.testing.assert_array_equal(model().forward(tessera.Stars(**wide)).flux, model().forward(tessera.Stars(**a)).flux)
        lists = {k: v.tolist() for k, v in a.items()}
        self.assertEqual(len(tessera.Stars(**lists)), len(a["mass"]))

    def test_python_threads(self):
        """Calls of several threads do not disturb each other, and Python goes on meanwhile."""
        m = model()
        galaxies = [stars(velocity=np.random.default_rng(k).normal(0, 100, (12, 3))) for k in range(4)]
        expected = [m.forward(s).flux for s in galaxies]
        wrong = []

        def work(k):
            for i in range(10):
                flux = m.forward(galaxies[k], parameters={"inclination": 40.0} if i % 2 else None).flux
                if not np.array_equal(flux, expected[k]):
                    wrong.append(k)
        threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(wrong, [])

    def test_interrupt(self):
        """Ctrl-C ends a loop of calls."""
        m, s = model(), tessera.mock_galaxy(20000)
        timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        with self.assertRaises(KeyboardInterrupt):
            for _ in range(100000):
                m.forward(s)
        timer.join()


class TestErrors(unittest.TestCase):
    """What is wrong is a ValueError that names it."""

    def wrong(self, text, call, kind=ValueError):
        with self.assertRaisesRegex(kind, text) as caught:
            call()
        self.assertNotIn("nanobind", str(caught.exception))

    def test_stars(self):
        good = scene.star_arrays()
        n = len(good["mass"])
        for text, changes in [
                (r"mass: .*shape \(n,\).*found shape \(2, 2\)", {"mass": np.ones((2, 2))}),
                (r"mass: .*real numbers, found dtype complex", {"mass": np.ones(n, complex)}),
                (r"mass: .*found dtype", {"mass": ["a"] * n}),
                (r"mass: .*found dtype object", {"mass": [None] * n}),
                (r"mass\[3\] is -1", {"mass": np.where(np.arange(n) == 3, -1, 1)}),
                (r"mass: expected one star", {"mass": []}),
                (r"mass\[0\] is 1e\+300", {"mass": np.full(n, 1e300)}),
                (r"age, log_age: expected exactly one", {"age": np.ones(n)}),
                (r"log_age: .*shape \(12,\).*found shape \(11,\)", {"log_age": np.ones(n - 1)}),
                (r"log_age\[2\] is nan", {"log_age": np.where(np.arange(n) == 2, np.nan, 9)}),
                (r"10\*\*log_age\[0\] is inf", {"log_age": np.full(n, 400.0)}),
                (r"metallicity: missing", {"metallicity": None}),
                (r"metallicity\[0\] is -0.1", {"metallicity": np.full(n, -0.1)}),
                (r"coords: .*\(12, 3\).*found shape \(12, 2\)", {"coords": np.ones((n, 2))}),
                (r"coords\[1, 2\] is inf", {"coords": np.where(np.arange(3 * n).reshape(n, 3) == 5, np.inf, 0)}),
                (r"velocity\[0, 0\] is 400000", {"velocity": np.full((n, 3), 4e5)}),
                (r"smoothing\[0\] is -1", {"smoothing": -np.ones(n)}),
                (r"galaxy: expected a tessera.Galaxy, found str", {"galaxy": "milky way"})]:
            self.wrong(text, lambda: stars(**changes))

    def test_galaxy(self):
        self.wrong(r"centre: .*\(3,\)", lambda: tessera.Galaxy(centre=(1, 2)))
        self.wrong(r"velocity: .*between", lambda: tessera.Galaxy(velocity=(1e6, 0, 0)))
        self.wrong(r"velocity\[1\] is nan", lambda: tessera.Galaxy(velocity=(0, float("nan"), 0)))
        self.wrong(r"id: 1.5", lambda: tessera.Galaxy(id=1.5))
        self.wrong(r"box_size: -1", lambda: tessera.Galaxy(box_size=-1))

    def test_config(self):
        c = scene.config(LIBRARY)
        self.wrong(r"psf.fwhm: -1", lambda: tessera.Model(c | {"psf": {"fwhm": -1}}))
        self.wrong(r"psf.fwmh.*psf.fwhm|fwmh", lambda: tessera.Model(c | {"psf": {"fwmh": 1}}))
        self.wrong(r"telescop", lambda: tessera.Model({"telescop": "MUSE"}))
        self.wrong(r"config: expected a dictionary", lambda: tessera.Model(7))
        self.wrong(r"config: .*has no place", lambda: tessera.Model(c | {"psf": object()}))
        self.wrong(r"threads: -1", lambda: tessera.Model(c, threads=-1))
        self.wrong(r"view.redshift|covers", lambda: tessera.Model(c | {"view": {"redshift": 3.0}}), (ValueError, RuntimeError))
        self.wrong(r"snapshot.path", lambda: tessera.Model(c | {"cosmology": "snapshot"}))
        self.wrong(r"nowhere", lambda: tessera.Model(c | {"ssp": {"library": "nowhere.hdf5"}}), RuntimeError)
        self.wrong(r"No such file", lambda: tessera.Model("nowhere.json"), FileNotFoundError)

    def test_parameters(self):
        m, s = model(), stars()
        self.wrong(r"unknown parameter 'tilt'; there are .*inclination", lambda: m.with_parameters(tilt=3))
        self.wrong(r"unknown parameter 'lsf_sigma'", lambda: m.forward(s, parameters={"lsf_sigma": 1}))
        self.wrong(r"psf.fwhm: 0", lambda: m.with_parameters(psf_fwhm=0))
        self.wrong(r"inclination: .*shape \(\)", lambda: m.with_parameters(inclination=[1, 2]))
        self.wrong(r"inclination is nan", lambda: m.with_parameters(inclination=float("nan")))
        self.wrong(r"templates: .*shape \(3, 3, 125\)", lambda: m.with_parameters(templates=np.ones(4)))
        self.wrong(r"parameters: expected a dictionary", lambda: m.forward(s, parameters=[1]))

    def test_calls(self):
        m, s = model(), stars()
        self.wrong(r"stars: expected a tessera.Stars, found dict", lambda: m.forward({}))
        self.wrong(r"galaxy: expected a tessera.Galaxy", lambda: m.forward(s, galaxy=3))
        self.wrong(r"view: 1; the configuration has 1", lambda: m.forward(s, view=1), IndexError)
        self.wrong(r"view: -1", lambda: m.linearise(s, view=-1), IndexError)
        self.wrong(r"noise: the configuration has no section", lambda: m.forward(s, noise=True))
        self.wrong(r"cube_bar: .*\(6, 6, 80\)", lambda: m.vjp(s, np.ones((6, 6))))
        bad = np.ones(m.shape)
        bad[1, 2, 3] = np.nan
        self.wrong(r"cube_bar\[1, 2, 3\] is nan", lambda: m.vjp(s, bad))
        self.wrong(r"weight\[1, 2, 3\] is nan", lambda: m.gauss_newton(s, {"twist": 1.0}, weight=bad))
        self.wrong(r"tangents: unknown name 'colour'", lambda: m.jvp(s, {"colour": 1}))
        self.wrong(r"tangents\['mass'\]: .*\(12,\)", lambda: m.jvp(s, {"mass": np.ones(3)}))
        self.wrong(r"none of its 12 stars", lambda: m.forward(s, galaxy=tessera.Galaxy(centre=(1e3, 0, 0))), tessera.EmptyField)
        self.wrong(r"stars: 0", lambda: tessera.mock_galaxy(0))

    def test_files(self):
        path = os.path.join(FOLDER.name, "not.hdf5")
        with open(path, "w") as file:
            file.write("not HDF5")
        self.wrong(r"nowhere", lambda: tessera.open_snapshot("nowhere"), FileNotFoundError)
        self.wrong(r"nowhere", lambda: tessera.open_cubes("nowhere"), FileNotFoundError)
        self.wrong(r"not.hdf5", lambda: tessera.open_cubes(path), RuntimeError)
        self.wrong(r"not.hdf5", lambda: tessera.open_snapshot(path), RuntimeError)
        self.wrong(r"format: 'gadget'", lambda: tessera.open_snapshot(path, format="gadget"))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
