"""Parameters that can be changed, and differentiated in, without reading anything again."""

import json

import numpy as np

from ._checks import array, number
from ._stars import _centre, _velocity

STARS = {"mass": "Msun", "log_age": "log10(age/yr)", "metallicity": "mass fraction", "velocity": "km/s", "coords": "kpc",
         "smoothing": "kpc"}
_ANGLES = ("inclination", "position_angle", "twist")
_LSF = ("fwhm", "sigma", "resolution", "fwhm_polynomial")
INSTRUMENT = ("psf_fwhm", "psf_beta", "psf_sigma_spaxels", *("lsf_" + k for k in _LSF))


def parameters_of(config, view, library_shape):
    """{name: shape} of the parameters that a configuration (as a dictionary, defaults included) has in one view."""
    v = view_of(config, view)
    names = {"redshift": (), "inclination": (), "position_angle": (), "twist": (), "systemic_velocity": (3,),
             "templates": library_shape}
    if isinstance(v.get("orientation"), dict) and "euler_deg" in v["orientation"]:
        names["euler_deg"] = (3,)
    projection = config.get("projection") or {}
    if projection.get("footprint", "nearest") != "nearest":
        names["centre"] = (3,)
        if isinstance(projection.get("smoothing"), (int, float)):
            names["projection_smoothing"] = ()
    psf = config.get("psf") or {}
    if psf.get("sigma_spaxels"):
        names["psf_sigma_spaxels"] = ()
    elif psf and psf.get("kind") != "fits":
        names["psf_fwhm"] = ()
        if psf.get("kind") == "moffat":
            names["psf_beta"] = ()
    lsf = config.get("lsf") or {}
    for key in _LSF:
        if lsf.get(key):
            names["lsf_" + key] = (len(lsf[key]),) if key == "fwhm_polynomial" else ()
    return names


def view_of(config, view):
    views = config["view"]
    return views[view] if isinstance(views, list) else views


def checked(known, values, what):
    """Values of parameters as floats and arrays; ``known``: their shapes."""
    if not hasattr(values, "items"):
        raise ValueError(f"{what}: expected a dictionary, found {type(values).__name__}")
    out = {}
    for name, value in values.items():
        if name not in known:
            raise ValueError(f"{what}: unknown parameter {name!r}; there are {', '.join(known)}")
        if name == "systemic_velocity":
            out[name] = _velocity(name, value)
        elif name == "centre":
            out[name] = _centre(name, value)
        else:
            shape = known[name]
            out[name] = array(name, value, shape, np.float64) if shape else number(name, value)
    return out


def applied(config, view, values):
    """The configuration with other values; those of galaxy and library are not among its keys."""
    config = dict(config)
    v = dict(view_of(config, view))
    if isinstance(config["view"], list):
        config["view"] = list(config["view"])
        config["view"][view] = v
    else:
        config["view"] = v
    for name, value in values.items():
        value = value.tolist() if isinstance(value, np.ndarray) else value
        if name == "redshift" or name in _ANGLES:
            v[name] = value
        elif name == "euler_deg":
            v["orientation"] = {"euler_deg": value}
        elif name == "systemic_velocity":
            v["systemic_velocity"] = "subhalo"
        elif name.startswith(("psf_", "lsf_", "projection_")):
            section, key = name.split("_", 1)
            config[section] = config[section] | {key: value}
    return config


def to_json(config):
    def plain(value):
        if isinstance(value, (np.ndarray, np.generic)):
            return value.tolist()
        raise ValueError(f"config: {value!r} of type {type(value).__name__} has no place in a configuration")
    return json.dumps(config, default=plain)
