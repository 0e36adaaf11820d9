"""tessera.torch against PyTorch's own gradcheck. About steps and tolerances see test_python_jax.py."""

import os
import sys
import tempfile
import unittest
from unittest import mock

import python_scene as scene

ARGUMENTS = scene.arguments()

# Debian's PyTorch is for its own Python; PyPI's brings CUDA.
DEBIAN = "/usr/lib/python3/dist-packages"
if os.path.isdir(os.path.join(DEBIAN, "torch")):
    sys.path.append(DEBIAN)
try:
    import torch
except ImportError as error:
    scene.skip(f"no PyTorch ({error})")

import numpy as np  # noqa: E402

import tessera  # noqa: E402
import tessera.torch  # noqa: E402
from tessera._pure import PureModel  # noqa: E402

FOLDER = tempfile.TemporaryDirectory()
LIBRARY = FOLDER.name + "/lines.hdf5"
scene.write_library(LIBRARY)
TELESCOPE = {"fov": 1.0, "spaxel": 0.25, "aperture": "square", "wavelength": [4800.0, 4820.0, 1.25]}
MODEL = tessera.Model(scene.config(LIBRARY, telescope=TELESCOPE))
BASE = {k: torch.from_dlpack(v) for k, v in scene.star_arrays(n=5).items()}
STEPS = {"mass": 3e5, "log_age": 0.1, "metallicity": 0.002, "velocity": 30.0}
PARAMETERS = {"inclination": (40.0, 5.0), "twist": (0.0, 5.0), "psf_fwhm": (0.5, 0.03), "psf_beta": (2.5, 0.2), "lsf_fwhm": (3.0, 0.3),
              "redshift": (0.05, 1e-4), "systemic_velocity": ([0.0, 0.0, 0.0], 30.0)}
FORWARD = tessera.torch.make_forward(MODEL)
SCALE = float(FORWARD(BASE).max())


def scaled(*values):
    """Of numbers of order one, a cube of order one."""
    stars, names = dict(BASE), list(STEPS) + list(PARAMETERS)
    parameters = {}
    for name, value in zip(names, values):
        if name in STEPS:
            stars[name] = BASE[name] + STEPS[name] * value
        else:
            start, step = PARAMETERS[name]
            parameters[name] = torch.tensor(start, dtype=torch.float64) + step * value
    return FORWARD(stars, parameters).double() / SCALE


def zeros():
    return [torch.zeros(BASE[k].shape, dtype=torch.float64, requires_grad=True) for k in STEPS] + [
        torch.zeros(np.shape(v), dtype=torch.float64, requires_grad=True) for v, _ in PARAMETERS.values()]


class TestTorch(unittest.TestCase):
    def test_gradcheck(self):
        self.assertTrue(torch.autograd.gradcheck(scaled, zeros(), eps=1e-2, atol=2e-3, rtol=5e-3))

    def test_gradcheck_sees_what_is_wrong(self):
        """A cotangent of the velocities that is 5 % too large."""
        right = PureModel.vjp

        def wrong(*args):
            stars, parameters = right(*args)
            return stars | {"velocity": stars["velocity"] * 1.05}, parameters
        with mock.patch.object(PureModel, "vjp", wrong):
            self.assertFalse(torch.autograd.gradcheck(lambda v: scaled(*zeros()[:3], v), zeros()[3], eps=1e-2, atol=2e-3, rtol=5e-3,
                                                      raise_exception=False))

    def test_gradcheck_forward_mode(self):
        self.assertTrue(torch.autograd.gradcheck(scaled, zeros(), eps=1e-2, atol=2e-3, rtol=5e-3, check_forward_ad=True,
                                                 check_backward_ad=False))

    def test_the_same_as_the_model(self):
        stars = tessera.Stars(**{k: np.from_dlpack(v) for k, v in BASE.items()})
        bar = np.random.default_rng(2).normal(size=MODEL.shape).astype(np.float32)
        expected = MODEL.vjp(stars, bar)
        leaves = {k: v.clone().requires_grad_() for k, v in BASE.items()}
        angle = torch.tensor(40.0, requires_grad=True)
        cube = FORWARD(leaves, {"inclination": angle})
        self.assertEqual(cube.dtype, torch.float32)
        np.testing.assert_array_equal(np.from_dlpack(cube.detach()), MODEL.forward(stars).flux)
        cube.backward(torch.from_dlpack(bar))
        for name in ("mass", "log_age", "metallicity", "velocity"):
            np.testing.assert_array_equal(np.from_dlpack(leaves[name].grad), expected[name])
        self.assertEqual(angle.grad.dtype, torch.float32)
        self.assertAlmostEqual(float(angle.grad), float(expected["inclination"]), delta=1e-6 * abs(expected["inclination"]))

    def test_no_second_derivatives(self):
        mass = BASE["mass"].clone().requires_grad_()
        (g,) = torch.autograd.grad((FORWARD(BASE | {"mass": mass}) ** 2).sum(), mass, create_graph=True)
        with self.assertRaisesRegex(RuntimeError, "once_differentiable|differentiate twice"):
            g.sum().backward()

    def test_optimiser(self):
        """A few steps of Adam find the inclination of a noiseless cube."""
        target = FORWARD(BASE, {"inclination": 43.0})
        angle = torch.tensor(40.0, dtype=torch.float64, requires_grad=True)
        optimiser = torch.optim.Adam([angle], lr=0.3)
        for _ in range(60):
            optimiser.zero_grad()
            loss = ((FORWARD(BASE, {"inclination": angle}) - target) ** 2).sum() / (target ** 2).sum()
            loss.backward()
            optimiser.step()
        self.assertAlmostEqual(float(angle), 43.0, delta=0.2)

    def test_errors(self):
        for text, stars, parameters in [
                (r"stars: 'mass' is missing", {k: v for k, v in BASE.items() if k != "mass"}, {}),
                (r"stars: expected a dictionary", 3, {}),
                (r"stars\['velocity'\]: expected shape \(5, 3\), found \(5,\)", BASE | {"velocity": torch.ones(5)}, {}),
                (r"stars\['mass'\]: expected real", BASE | {"mass": torch.ones(5, dtype=torch.int32)}, {}),
                (r"stars\['mass'\]: expected a tensor", BASE | {"mass": "heavy"}, {}),
                (r"mass\[0\] is nan", BASE | {"mass": torch.full((5,), float("nan"))}, {}),
                (r"parameters: unknown parameter 'tilt'", BASE, {"tilt": 1.0}),
                (r"psf.fwhm: -1", BASE, {"psf_fwhm": -1.0})]:
            with self.assertRaisesRegex(ValueError, text):
                FORWARD(stars, parameters)


if __name__ == "__main__":
    unittest.main()
