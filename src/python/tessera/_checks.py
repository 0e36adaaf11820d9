"""Arguments in the layout that the C++ side takes; ValueError says which one is wrong and what is expected."""

import numpy as np


def _shape_text(shape):
    return "(" + ", ".join("n" if s is None else str(s) for s in shape) + ("," if len(shape) == 1 else "") + ")"


def array(name, value, shape, dtype, unit="", least=None, finite=True):
    """``value`` as a C-contiguous array; no copy where it is one. None in ``shape``: any length."""
    expected = f"expected an array of shape {_shape_text(shape)}" + (f" in {unit}" if unit else "")
    try:
        given = np.asarray(value)
    except Exception as error:
        raise ValueError(f"{name}: {expected}, found {type(value).__name__} ({error})") from None
    if given.dtype.kind not in "fiu":
        raise ValueError(f"{name}: {expected} of real numbers, found dtype {given.dtype}")
    if given.ndim != len(shape) or any(s is not None and s != g for s, g in zip(shape, given.shape)):
        raise ValueError(f"{name}: {expected}, found shape {given.shape}")
    with np.errstate(over="ignore", invalid="ignore"):
        out = np.asarray(given, dtype=dtype, order="C")
        bad = ~np.isfinite(out) if finite else np.zeros(0, dtype=bool)
        if least is not None:
            bad = bad | ~(out >= least)
    if bad.any():
        at = tuple(int(i) for i in np.argwhere(bad)[0])
        allowed = "finite values" if finite else "values"
        if least is not None:
            allowed += f" >= {least:g}"
        raise ValueError(f"{name}{list(at) if at else ''} is {given[at]}; expected {allowed}" + (f" ({unit})" if unit else ""))
    return out


def number(name, value, unit=""):
    """``value`` as a finite float."""
    return float(array(name, value, (), np.float64, unit))


def choice(name, value, allowed):
    if value not in allowed:
        raise ValueError(f"{name}: {value!r}; expected one of {', '.join(map(str, allowed))}")
    return value


def instance(name, value, kind):
    if not isinstance(value, kind):
        raise ValueError(f"{name}: expected a tessera.{kind.__name__}, found {type(value).__name__}")
    return value


def integer(name, value, least=0, most=2**63 - 1):
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not least <= value <= most:
        raise ValueError(f"{name}: {value!r}; expected an integer between {least} and {most}")
    return int(value)
