"""The model as a function of two dictionaries of arrays, {stars} and {parameters}: what JAX and PyTorch wrap."""

import numpy as np

from ._checks import instance
from ._model import Model
from ._parameters import STARS
from ._stars import Galaxy, Stars

STAR_NAMES = ("mass", "age", "log_age", "metallicity", "coords", "velocity", "smoothing")
_LN10 = 2.302585092994046


class PureModel:
    """forward, vjp and jvp with arrays in and arrays out; 0 where the cube is NaN."""

    def __init__(self, model, galaxy=None, view=0):
        self.model = instance("model", model, Model)
        self.galaxy = None if galaxy is None else instance("galaxy", galaxy, Galaxy)
        self.view = view
        self.known = model.parameters(view)
        blank = ~(model.mask[:, :, None] & model.covered)
        self._blank = blank if blank.any() else None

    def check(self, stars, parameters, shape_of, is_real):
        """ValueError for dictionaries that forward() could not take, from shapes and types alone."""
        if not hasattr(stars, "items"):
            raise ValueError(f"stars: expected a dictionary, found {type(stars).__name__}")
        for name in stars:
            if name not in STAR_NAMES:
                raise ValueError(f"stars: unknown name {name!r}; there are {', '.join(STAR_NAMES)}")
        for name in ("mass", "metallicity", "coords", "velocity"):
            if name not in stars:
                raise ValueError(f"stars: {name!r} is missing")
        if ("age" in stars) == ("log_age" in stars):
            raise ValueError("stars: expected exactly one of 'age' and 'log_age'")
        if not hasattr(parameters, "items"):
            raise ValueError(f"parameters: expected a dictionary, found {type(parameters).__name__}")
        for name in parameters:
            if name not in self.known:
                raise ValueError(f"parameters: unknown parameter {name!r}; there are {', '.join(self.known)}")
        shape = shape_of(stars["mass"])
        if len(shape) != 1 or shape[0] == 0:
            raise ValueError(f"stars['mass']: expected an array of shape (n,), found shape {tuple(shape)}")
        expected = {n: (shape[0], 3) if n in ("coords", "velocity") else (shape[0],) for n in stars}
        for what, values, shapes in (("stars", stars, expected), ("parameters", parameters, self.known)):
            for name, value in values.items():
                if tuple(shape_of(value)) != shapes[name]:
                    raise ValueError(f"{what}[{name!r}]: expected shape {shapes[name]}, found {tuple(shape_of(value))}")
                if not is_real(value):
                    raise ValueError(f"{what}[{name!r}]: expected real floating-point numbers")

    def _stars(self, stars):
        return Stars(**{name: np.asarray(value) for name, value in stars.items()}, galaxy=self.galaxy)

    @staticmethod
    def _values(parameters):
        return {name: np.asarray(value, dtype=np.float64) for name, value in parameters.items()}

    def forward(self, stars, parameters):
        flux = self.model.forward(self._stars(stars), view=self.view, parameters=self._values(parameters)).flux
        if self._blank is not None:
            flux[self._blank] = 0
        return flux

    def vjp(self, stars, parameters, bar):
        """Cotangents of both dictionaries, of the dtypes of their values."""
        instrument = any(name.startswith(("psf_", "lsf_")) for name in parameters)
        g = self.model.vjp(self._stars(stars), np.asarray(bar), view=self.view, parameters=self._values(parameters),
                           instrument=instrument, templates="templates" in parameters)

        def of_star(name, value):
            if name == "age":  # d log10(age) = d age / (age ln 10)
                age = np.asarray(value, dtype=np.float64)
                return np.divide(g["log_age"], age * _LN10, out=np.zeros_like(age), where=age > 0)
            return g.get(name, np.zeros(np.shape(value)))
        return ({n: np.asarray(of_star(n, v), dtype=v.dtype) for n, v in stars.items()},
                {n: np.asarray(g[n], dtype=v.dtype) for n, v in parameters.items()})

    def jvp(self, stars, parameters, stars_dot, parameters_dot):
        v = {name: np.asarray(value) for name, value in stars_dot.items() if name in STARS and np.any(value)}
        if "age" in stars_dot:
            age = np.asarray(stars["age"], dtype=np.float64)
            v["log_age"] = np.divide(stars_dot["age"], age * _LN10, out=np.zeros_like(age), where=age > 0)
        v.update({name: np.asarray(value, dtype=np.float64) for name, value in parameters_dot.items() if np.any(value)})
        return self.model.jvp(self._stars(stars), v, view=self.view, parameters=self._values(parameters))
