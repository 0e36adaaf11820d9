"""The model: a configuration with its libraries in memory. Stars in, cubes and derivatives out."""

import json
import os
from collections import OrderedDict

import numpy as np

from . import _core
from ._checks import array, instance, integer
from ._cube import Cube
from ._parameters import INSTRUMENT, STARS, applied, checked, parameters_of, to_json
from ._stars import Galaxy, Stars


class Gradients(dict):
    """Derivatives by name, each in 1/(unit of the input).

    mass, log_age (of log10(age/yr)), metallicity [n], velocity [n][3], coords [n][3], smoothing [n]; systemic_velocity [3],
    centre [3] and projection_smoothing, where there is a footprint and ``projection.smoothing`` is a number; redshift (its parts: redshift_shift, of the redshift that shifts the spectra, and redshift_distance), inclination,
    position_angle, twist [1/deg], euler_deg [3], rotation [3][3]; psf_fwhm, psf_beta, psf_sigma_spaxels,
    lsf_<as configured> where the model has them; templates [nZ][nAge][nLambda] where asked for.
    """

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"no gradient {name!r}; there are {', '.join(self)}") from None


class Linearisation:
    """A model at one galaxy: its derivatives, with what they share prepared once. Made by ``Model.linearise``."""

    def __init__(self, model, stars, galaxy, view):
        self.model = model
        self.stars = stars
        self._known = model.parameters(view)
        self._core = _core.Linearisation(model._core, stars._core, galaxy, view)

    @property
    def report(self):
        """What of the view it says: distances, rotation, centre, systemic velocity."""
        return self._core.report

    def vjp(self, cube_bar, instrument=True, templates=False):
        """J^T cube_bar for cube_bar = dL/d(cube): Gradients.

        cube_bar [ny][nx][nLambda]: not looked at where the cube is NaN. instrument: PSF and LSF too, which takes the forward
        spectra once more. templates: the library's spectra too.
        """
        bar = array("cube_bar", cube_bar, self.model.shape, np.float32, finite=False)
        self._check_finite("cube_bar", bar)
        return self._gradients(self._core.vjp(bar, bool(instrument), bool(templates)), instrument)

    def jvp(self, tangents):
        """J v for tangents {name: v}, named as Gradients: array [ny][nx][nLambda], 0 where the cube is NaN."""
        return self._core.jvp(self._tangents(tangents))

    def gauss_newton(self, tangents, weight=None, instrument=True, templates=False):
        """J^T W J v: Gradients. weight [ny][nx][nLambda]: the diagonal of W, as 1/variance; None: 1."""
        if weight is not None:
            weight = array("weight", weight, self.model.shape, np.float32, finite=False)
            self._check_finite("weight", weight)
        return self._gradients(self._core.gauss_newton(self._tangents(tangents), weight, bool(instrument), bool(templates)),
                               instrument)

    def _check_finite(self, name, values):
        bad = ~np.isfinite(values)
        if bad.any():
            bad &= self.model.mask[:, :, None] & self.model.covered
        if bad.any():
            at = [int(i) for i in np.argwhere(bad)[0]]
            raise ValueError(f"{name}{at} is {values[tuple(at)]}; expected finite values where the cube has some")

    def _gradients(self, core, instrument):
        g = Gradients()
        for name in STARS:
            if name in core:
                g[name] = core[name]
        if "coords" not in g:  # of the nearest spaxel: docs/adjoints.md (5)
            g["coords"] = np.zeros((len(self.stars), 3), np.float32)
        g["systemic_velocity"] = core["systemic_velocity"]
        for name in ("centre", "projection_smoothing"):
            if name in self._known:
                g[name] = core[name]
        g["redshift"] = core["redshift_shift"] + core["redshift_distance"]
        for name in ("redshift_shift", "redshift_distance", "inclination", "position_angle", "twist", "rotation"):
            g[name] = core[name]
        if "euler_deg" in self._known:
            g["euler_deg"] = core["euler_deg"]
        if instrument:
            for name in INSTRUMENT:
                if name in self._known:
                    g[name] = core[name] if name.startswith("psf_") else (core["lsf"] if self._known[name] else float(core["lsf"][0]))
        if "templates" in core:
            g["templates"] = core["templates"].reshape(self._known["templates"])
        return g

    def _tangents(self, tangents):
        n = len(self.stars)
        shapes = {"mass": (n,), "log_age": (n,), "metallicity": (n,), "velocity": (n, 3), "coords": (n, 3), "smoothing": (n,)}
        known = {**shapes, **self._known, "redshift_shift": (), "redshift_distance": (), "rotation": (3, 3)}
        if not hasattr(tangents, "items"):
            raise ValueError(f"tangents: expected a dictionary, found {type(tangents).__name__}")
        out = {}
        for name, value in tangents.items():
            if name not in known:
                raise ValueError(f"tangents: unknown name {name!r}; there are {', '.join(known)}")
            value = array(f"tangents[{name!r}]", value, known[name], np.float32 if name in shapes else np.float64)
            if name == "redshift":
                out["redshift_shift"] = out.get("redshift_shift", 0.0) + float(value)
                out["redshift_distance"] = out.get("redshift_distance", 0.0) + float(value)
            elif name.startswith("lsf_"):
                out["lsf"] = value.reshape(-1)
            elif name == "templates":
                out[name] = value.reshape(-1)
            else:
                out[name] = float(value) + out.get(name, 0.0) if known[name] == () else value
        return out


class Model:
    """A configuration with all it needs in memory.

    config: a dictionary, or the path of a JSON file (docs/config.md). What it says of snapshot, galaxies and output is not
    used, and may be left out. threads: overrides ``resources.threads``. ValueError names the key that is wrong.

    Calls leave the interpreter's lock and take turns among each other: each uses all threads.
    """

    def __init__(self, config, *, threads=None):
        if isinstance(config, (str, os.PathLike)):
            path = os.fspath(config)
            with open(path, encoding="utf-8") as file:
                text = file.read()
            self._core = _core.Model(text, path)
        elif hasattr(config, "items"):
            self._core = _core.Model(to_json(dict(config)), "config")
        else:
            raise ValueError(f"config: expected a dictionary or the path of a JSON file, found {type(config).__name__}")
        self._read_config()
        if threads is not None:
            self.config["resources"]["threads"] = integer("threads", threads, most=4096)
            self._core = self._core.with_config(to_json(self.config))
            self._read_config()
        self._velocity = self._centre = None  # of the galaxy, where they are parameters
        self._variants = OrderedDict()

    def _read_config(self):
        self.config = json.loads(self._core.config())
        n = self._core.spaxels()
        self.wavelength = self._core.wavelength()
        self.shape = (n, n, self.wavelength.size)
        self._known = {}
        self._library = None

    @property
    def mask(self):
        """[ny][nx] spaxels that the aperture keeps; the others are NaN."""
        return self._core.mask(0).astype(bool)

    @property
    def covered(self):
        """[nLambda] pixels that the library covers; the others are NaN."""
        return self._core.covered(0).astype(bool)

    @property
    def library(self):
        """The SSP library: name, log_age [nAge] log10(yr), metallicity [nZ], wavelength [nLambda], flux [nZ][nAge][nLambda]
        Lsun/Angstrom/Msun. A copy."""
        return self._core.library()

    def _library_shape(self):
        if self._library is None:
            self._library = self._core.library()["flux"].shape
        return self._library

    def parameters(self, view=0):
        """{name: shape} of what with_parameters() can change and derivatives are given in, besides the stars."""
        view = self._view(view)
        if view not in self._known:
            self._known[view] = parameters_of(self.config, view, self._library_shape())
        return dict(self._known[view])

    def _view(self, view):
        view = integer("view", view, least=-2**31, most=2**31 - 1)
        self._core.check_view(view)  # IndexError
        return view

    def with_parameters(self, parameters=None, view=0, **named):
        """The same model with other values of view and instrument; libraries and tables are shared, nothing is read.

        redshift, inclination, position_angle, twist, euler_deg [deg], systemic_velocity [3] km/s, centre [3] kpc and
        projection_smoothing kpc (``projection.footprint`` other than "nearest"), psf_fwhm [arcsec], psf_beta,
        psf_sigma_spaxels, lsf_fwhm, lsf_sigma [Angstrom], lsf_resolution, lsf_fwhm_polynomial, templates: those that the
        configuration has (``parameters()``). Out of its range a value is a ValueError that names the key.
        """
        values = checked(self.parameters(view), {**(parameters or {}), **named}, "parameters")
        model = Model.__new__(Model)
        core = self._core
        if "templates" in values:
            core = core.with_templates(np.ascontiguousarray(values["templates"].reshape(-1)))
        model._core = core.with_config(to_json(applied(self.config, view, values)))
        model._read_config()
        model._library, model._known = self._library, dict(self._known)
        model._velocity = values.get("systemic_velocity", self._velocity)
        model._centre = values.get("centre", self._centre)
        model._variants = OrderedDict()
        return model

    def _with(self, parameters, view):
        """with_parameters(), the last few of which are kept: a value and its derivative come in two calls."""
        if not parameters:
            return self
        most = 4
        values = checked(self.parameters(view), parameters, "parameters")
        key = (view, *((n, np.asarray(v).tobytes()) for n, v in sorted(values.items())))
        if key not in self._variants:
            while len(self._variants) >= most:
                self._variants.popitem(last=False)
            self._variants[key] = self.with_parameters(values, view)
        self._variants.move_to_end(key)
        return self._variants[key]

    def _galaxy(self, stars, galaxy):
        instance("stars", stars, Stars)
        galaxy = galaxy if galaxy is not None else stars.galaxy if stars.galaxy is not None else Galaxy()
        instance("galaxy", galaxy, Galaxy)
        if self._velocity is None and self._centre is None:
            return galaxy._core
        return galaxy._made(galaxy.centre if self._centre is None else self._centre,
                            galaxy.velocity if self._velocity is None else self._velocity)

    def _seed(self, noise):
        if noise is False or noise is None:
            return None
        seed = self._core.default_seed()
        if seed is None:
            raise ValueError("noise: the configuration has no section noise")
        if noise is True:
            return seed
        return integer("noise (True, False or a seed)", noise, most=2**64 - 1)

    def forward(self, stars, galaxy=None, view=0, noise=False, parameters=None):
        """The cube of stars: Cube.

        galaxy: a Galaxy; None: the stars' own, else one about the origin. view: which of the configuration's. noise: True
        draws the configuration's noise, an integer is its seed. parameters: as with_parameters().
        """
        model = self._with(parameters, view)
        return Cube(model._core.forward(instance("stars", stars, Stars)._core, model._galaxy(stars, galaxy), self._view(view),
                                        model._seed(noise)))

    def linearise(self, stars, galaxy=None, view=0, parameters=None):
        """The derivatives of forward() without noise at these stars and parameters: Linearisation."""
        model = self._with(parameters, view)
        return Linearisation(model, instance("stars", stars, Stars), model._galaxy(stars, galaxy), self._view(view))

    def vjp(self, stars, cube_bar, galaxy=None, view=0, noise=False, parameters=None, instrument=True, templates=False):
        """J^T cube_bar: Gradients. noise: cube_bar is that of the cube with this noise, its realisation held fixed.

        The others as in forward() and Linearisation.vjp().
        """
        model = self._with(parameters, view)
        at = model.linearise(stars, galaxy, view)
        seed = model._seed(noise)
        if seed is not None:
            bar = array("cube_bar", cube_bar, model.shape, np.float32, finite=False)
            at._check_finite("cube_bar", bar)
            cube_bar = model._core.noise_adjoint(stars._core, model._galaxy(stars, galaxy), self._view(view), seed, bar)
        return at.vjp(cube_bar, instrument, templates)

    def jvp(self, stars, tangents, galaxy=None, view=0, parameters=None):
        """J v: array [ny][nx][nLambda], see Linearisation.jvp()."""
        return self.linearise(stars, galaxy, view, parameters).jvp(tangents)

    def gauss_newton(self, stars, tangents, weight=None, galaxy=None, view=0, parameters=None, instrument=True,
                     templates=False):
        """J^T W J v: Gradients, see Linearisation.gauss_newton()."""
        return self.linearise(stars, galaxy, view, parameters).gauss_newton(tangents, weight, instrument, templates)

    def __repr__(self):
        return f"tessera.Model({self.config['telescope'].get('name')}, {self.config['ssp']['library']}, {self.shape})"
