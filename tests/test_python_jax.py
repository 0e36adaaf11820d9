"""tessera.jax against JAX's own check_grads, and through jit, vmap, both precisions.

The cube is computed in single precision and to `spectra.accuracy` (here 1e-6 of a spaxel's mean), so that a central difference
of two cubes over a step h has an error of about 1e-7/h of a voxel, some 1e-5 here, and its product with a random cotangent of
2880 voxels one of 5e-4. Inputs are therefore functions of numbers of order one that change the cube by some per cents each; steps
are 1e-2 and more. That transposes and derivatives agree with the double-precision oracle is shown by tests/test_adjoint.cpp.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

import python_scene as scene

ARGUMENTS = scene.arguments()

try:
    import jax
except ImportError:
    scene.skip("no JAX")

import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
from jax.test_util import check_grads  # noqa: E402

import tessera  # noqa: E402
import tessera.jax  # noqa: E402
from tessera._pure import PureModel  # noqa: E402

FOLDER = tempfile.TemporaryDirectory()
LIBRARY = FOLDER.name + "/lines.hdf5"
scene.write_library(LIBRARY)
MODEL = tessera.Model(scene.config(LIBRARY))
BASE = scene.star_arrays()
SCALE = float(MODEL.forward(tessera.Stars(**BASE)).flux.mean())
STARS_STEPS = {"mass": 0.1 * BASE["mass"], "log_age": 0.1, "metallicity": 0.002, "velocity": 30.0}
PARAMETERS = {"inclination": (40.0, 5.0), "twist": (0.0, 5.0), "psf_fwhm": (0.5, 0.03), "psf_beta": (2.5, 0.2), "lsf_fwhm": (3.0, 0.3),
              "redshift": (0.05, 1e-4), "systemic_velocity": (np.zeros(3), 30.0)}


@contextlib.contextmanager
def double(on):
    """For all threads, those that call back too."""
    jax.config.update("jax_enable_x64", on)
    try:
        yield
    finally:
        jax.config.update("jax_enable_x64", False)


def scaled(forward, dtype):
    """Of numbers of order one, a cube of order one."""
    def function(stars, parameters):
        s = {k: jnp.asarray(v, dtype) for k, v in BASE.items()}
        s |= {k: s[k] + jnp.asarray(STARS_STEPS[k], dtype) * stars[k] for k in stars}
        p = {k: jnp.asarray(PARAMETERS[k][0], dtype) + PARAMETERS[k][1] * v for k, v in parameters.items()}
        return forward(s, p).astype(dtype) / SCALE
    return function


def zeros(dtype, parameters=PARAMETERS):
    return ({k: jnp.zeros(BASE[k].shape, dtype) for k in STARS_STEPS},
            {k: jnp.zeros(np.shape(PARAMETERS[k][0]), dtype) for k in parameters})


class TestJax(unittest.TestCase):
    def check(self, mode, check, dtype, eps, one_by_one=True):
        function = scaled(tessera.jax.make_forward(MODEL, mode=mode), dtype)
        stars, parameters = zeros(dtype)
        # Reverse: of a product over the whole cube, 0.01 to 5. Forward: of each voxel, where the largest are 0.1 to 1.
        options = dict(order=1, modes=[check], eps=eps, atol=2e-3 if check == "rev" else 5e-4, rtol=5e-3)
        for name in stars if one_by_one else ():
            check_grads(lambda x: function({name: x}, {}), (stars[name],), **options)
        for name in parameters if one_by_one else ():
            check_grads(lambda x: function({}, {name: x}), (parameters[name],), **options)
        check_grads(function, (stars, parameters), **options)

    def test_check_grads_in_double(self):
        with double(True):
            self.check("reverse", "rev", jnp.float64, 1e-2)
            self.check("forward", "fwd", jnp.float64, 1e-2, one_by_one=False)

    def test_check_grads_sees_what_is_wrong(self):
        """A cotangent that is too large: the masses' by 5 %, the velocities', which matter less, by 20 %."""
        right = PureModel.vjp
        for name, factor in (("mass", 1.05), ("velocity", 1.2)):
            def wrong(*args):
                stars, parameters = right(*args)
                return stars | {name: stars[name] * np.float32(factor)}, parameters
            function = scaled(tessera.jax.make_forward(MODEL), jnp.float32)
            with mock.patch.object(PureModel, "vjp", wrong), self.assertRaises(AssertionError):
                check_grads(lambda x: function({name: x}, {}), (zeros(jnp.float32)[0][name],), order=1, modes=["rev"], eps=2e-2,
                            atol=2e-3, rtol=5e-3)

    def test_check_grads_in_single(self):
        """Inputs of single precision round a velocity by 1e-5 km/s and a redshift by 1e-3 of its step."""
        self.check("reverse", "rev", jnp.float32, 2e-2, one_by_one=False)

    def test_the_same_as_the_model(self):
        bar = np.random.default_rng(2).normal(size=MODEL.shape).astype(np.float32)
        expected = MODEL.vjp(tessera.Stars(**BASE), bar)
        with double(True):
            forward = jax.jit(tessera.jax.make_forward(MODEL))
            s, p = {k: jnp.asarray(v) for k, v in BASE.items()}, {"inclination": jnp.asarray(40.0), "lsf_fwhm": 3.0}
            np.testing.assert_array_equal(forward(s, p), MODEL.forward(tessera.Stars(**BASE)).flux)
            of_stars, of_parameters = jax.jit(jax.grad(lambda s, p: jnp.vdot(forward(s, p), bar), argnums=(0, 1)))(s, p)
            for name in ("mass", "log_age", "metallicity", "velocity"):
                self.assertEqual(of_stars[name].dtype, np.float64)
                np.testing.assert_array_equal(of_stars[name], expected[name])
            for name in p:
                np.testing.assert_allclose(of_parameters[name], expected[name], rtol=1e-12)

    def test_single_and_double(self):
        forward = tessera.jax.make_forward(MODEL)
        gradient = {}
        for x64 in (False, True):
            with double(x64):
                s = {k: jnp.asarray(v) for k, v in BASE.items()}
                g = jax.grad(lambda s: (forward(s) ** 2).sum())(s)
                self.assertEqual({v.dtype for v in g.values()}, {np.dtype(np.float64 if x64 else np.float32)})
                gradient[x64] = g
        for name in ("mass", "velocity"):
            np.testing.assert_allclose(gradient[True][name], gradient[False][name],
                                       atol=1e-3 * float(np.abs(gradient[True][name]).max()))

    def test_age(self):
        forward = tessera.jax.make_forward(MODEL)
        s = {k: jnp.asarray(v) for k, v in BASE.items()}
        by_log = jax.grad(lambda s: forward(s).sum())(s)["log_age"]
        s["age"] = 10.0 ** (s.pop("log_age") - 9)
        by_age = jax.grad(lambda s: forward(s).sum())(s)["age"]
        np.testing.assert_allclose(by_age * s["age"] * np.log(10), by_log, rtol=2e-3)

    def test_vmap(self):
        forward = tessera.jax.make_forward(MODEL)
        many = {k: jnp.stack([jnp.asarray(scene.star_arrays(seed=i)[k]) for i in range(3)]) for k in BASE}
        angles = jnp.array([38.0, 40.0, 42.0])

        def loss(s, angle):
            return (forward(s, {"inclination": angle}) ** 2).sum()
        one_by_one = [jax.grad(loss, argnums=(0, 1))({k: v[i] for k, v in many.items()}, angles[i]) for i in range(3)]
        together = jax.jit(jax.vmap(jax.grad(loss, argnums=(0, 1))))(many, angles)
        for i, (stars, angle) in enumerate(one_by_one):
            np.testing.assert_array_equal(together[1][i], angle)
            for name, value in stars.items():
                np.testing.assert_array_equal(together[0][name][i], value)
        same_stars = jax.vmap(lambda a: forward(BASE, {"inclination": a}))(angles)
        np.testing.assert_array_equal(same_stars[1], forward(BASE, {"inclination": 40.0}))
        tangents = jax.vmap(lambda a: jax.jvp(lambda x: tessera.jax.make_forward(MODEL, mode="forward")(BASE, {"inclination": x}),
                                              (a,), (jnp.ones_like(a),))[1])(angles)
        self.assertGreater(float(jnp.abs(tangents).max()), 0)

    def test_many_stars(self):
        """Arrays of megabytes reach the callback under jit, again and again."""
        stars = tessera.mock_galaxy(100000)
        forward = jax.jit(tessera.jax.make_forward(MODEL))
        s = {k: jnp.asarray(getattr(stars, k)) for k in ("mass", "age", "metallicity", "coords", "velocity")}
        for _ in range(5):
            cube = forward({k: v * 1 for k, v in s.items()})
        self.assertGreater(float(cube.max()), 0)

    def test_blank_is_zero(self):
        telescope = scene.config(LIBRARY)["telescope"] | {"aperture": "hexagon"}
        hexagon = tessera.Model(scene.config(LIBRARY, telescope=telescope))
        self.assertTrue(np.isnan(hexagon.forward(tessera.Stars(**BASE)).flux).any())
        forward = tessera.jax.make_forward(hexagon)
        s = {k: jnp.asarray(v) for k, v in BASE.items()}
        self.assertTrue(np.isfinite(forward(s)).all())
        self.assertTrue(np.isfinite(jax.grad(lambda s: (forward(s) ** 2).sum())(s)["mass"]).all())

    def test_errors(self):
        forward = jax.jit(tessera.jax.make_forward(MODEL))
        good = {k: jnp.asarray(v) for k, v in BASE.items()}
        for text, stars, parameters in [
                (r"stars: 'mass' is missing", {k: v for k, v in good.items() if k != "mass"}, {}),
                (r"stars: unknown name 'colour'", good | {"colour": jnp.ones(12)}, {}),
                (r"stars: expected exactly one of 'age' and 'log_age'", good | {"age": jnp.ones(12)}, {}),
                (r"stars\['velocity'\]: expected shape \(12, 3\), found \(12,\)", good | {"velocity": jnp.ones(12)}, {}),
                (r"stars\['mass'\]: expected real", good | {"mass": jnp.ones(12, int)}, {}),
                (r"parameters: unknown parameter 'tilt'", good, {"tilt": 1.0}),
                (r"parameters\['inclination'\]: expected shape \(\)", good, {"inclination": jnp.ones(2)})]:
            with self.assertRaisesRegex(ValueError, text):
                forward(stars, parameters)
        with self.assertRaisesRegex(Exception, r"mass\[0\] is nan"):
            forward(good | {"mass": good["mass"].at[0].set(jnp.nan)}, {}).block_until_ready()
        with self.assertRaisesRegex(ValueError, "mode: 'sideways'"):
            tessera.jax.make_forward(MODEL, mode="sideways")


class TestExit(unittest.TestCase):
    def test_nothing_left(self):
        """JAX lets go of models, stars and functions when Python ends: nanobind names at exit what is still held."""
        code = f"""
import sys
sys.path[:0] = {[ARGUMENTS.module, os.path.dirname(os.path.abspath(__file__))]!r}
import jax, python_scene, tessera, tessera.jax
model = tessera.Model(python_scene.config({LIBRARY!r}))
forward = tessera.jax.make_forward(model)
stars = python_scene.star_arrays()
loss = jax.jit(lambda angle: (forward(stars, {{"inclination": angle}}) ** 2).sum())
slope = jax.jit(jax.grad(loss))(40.0)
last = jax.lax.fori_loop(0, 2, lambda i, x: x + 0 * jax.grad(loss)(x), 40.0)
at = model.linearise(tessera.Stars(**stars))
print("done")
"""
        result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        self.assertEqual((result.returncode, result.stdout), (0, "done\n"), result.stderr)
        self.assertNotIn("nanobind", result.stderr)


if __name__ == "__main__":
    unittest.main()
