"""Tessera: mock integral-field spectroscopy of cosmological simulations, and its derivatives.

    model = tessera.Model({"telescope": {"name": "MUSE", "fov": 6.0}, "ssp": {"library": "bc03lr"}})
    cube = model.forward(tessera.mock_galaxy(10000))

docs/python.md has examples; ``tessera.jax`` and ``tessera.torch`` (imported when first used) make the model a function of JAX
and of PyTorch.
"""

import importlib

from . import _core
from ._core import EmptyField
from ._cube import Cube, Cubes, open_cubes
from ._model import Gradients, Linearisation, Model
from ._snapshot import Snapshot, open_snapshot
from ._stars import Galaxy, Stars, mock_galaxy

__version__ = _core.version
__all__ = ["Cube", "Cubes", "EmptyField", "Galaxy", "Gradients", "Linearisation", "Model", "Snapshot", "Stars", "mock_galaxy",
           "open_cubes", "open_snapshot"]


def __getattr__(name):
    if name in ("jax", "torch"):
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
