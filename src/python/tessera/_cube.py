"""Cubes, as forward() makes them and as cube files hold them."""

import json
import os
from collections.abc import Mapping

import numpy as np

from . import _core
from ._checks import integer


class Cube:
    """One galaxy in one view.

    flux [ny][nx][nLambda] float32, NaN outside the aperture; variance alike, or None; unit of flux; wavelength [nLambda]
    Angstrom; maps {name: [ny][nx]} and map_units; report: geometry and numbers of the observation, as the attributes of a
    cube file (docs/formats.md). ``numpy.asarray(cube)`` is the flux. The arrays are Tessera's memory, not copies.
    """

    def __init__(self, data):
        self.flux = data["flux"]
        self.variance = data.get("variance")
        self.wavelength = data["wavelength"]
        self.unit = data["unit"]
        self.maps = data["maps"]
        self.map_units = data["map_units"]
        self.report = data["report"]
        self.config = json.loads(data["config"]) if data.get("config") else None

    shape = property(lambda self: self.flux.shape)

    def __array__(self, dtype=None, copy=None):
        return np.array(self.flux, dtype=dtype, copy=True) if copy else np.asarray(self.flux, dtype=dtype)

    def __getitem__(self, index):
        return self.flux[index]

    def __repr__(self):
        return f"tessera.Cube(subhalo {self.report['subhalo']}, {self.shape}, {self.unit})"


class Cubes(Mapping):
    """The galaxies of a cube file: ``cubes[subhalo]`` or ``cubes[subhalo, view]``, read when asked for."""

    def __init__(self, path):
        self.path = os.fspath(path)
        if not os.path.exists(self.path):
            raise FileNotFoundError(f"{self.path}: there is no such file")
        self._ids = _core.galaxies_in_file(self.path)

    @property
    def config(self):
        """The configuration of the run, defaults included."""
        return json.loads(_core.config_in_file(self.path) or "{}")

    def __getitem__(self, key):
        subhalo, view = key if isinstance(key, tuple) else (key, 0)
        subhalo, view = integer("subhalo", subhalo), integer("view", view)
        if subhalo not in self._ids:
            raise KeyError(f"{self.path}: no galaxy {subhalo}; there are {', '.join(map(str, self._ids[:20]))}")
        return Cube(_core.read_cube(self.path, subhalo, view))

    def __iter__(self):
        return iter(self._ids)

    def __len__(self):
        return len(self._ids)


def open_cubes(path):
    """A cube file that ``tessera run`` wrote."""
    return Cubes(path)
