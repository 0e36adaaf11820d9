"""Tessera's cube file as Python objects; the schema is in include/tessera/io/cube_file.hpp and docs/formats.md.

Nothing of a cube is read before it is indexed: ``galaxy.flux`` is the HDF5 dataset itself, ``galaxy.flux[iy, ix]`` one
spectrum, ``galaxy.flux[...]`` the whole cube as an array [ny][nx][nLambda].
"""

import json
import re
from collections.abc import Mapping

import h5py
import numpy as np


class CubeFileError(Exception):
    """A file that is not a cube file, or lacks what was asked for."""


def _value(attribute):
    """An HDF5 attribute as Python knows it: text as str, scalars as int or float, the rest as arrays."""
    if isinstance(attribute, bytes):
        return attribute.decode()
    if isinstance(attribute, np.ndarray) and attribute.size == 1:
        attribute = attribute.reshape(())[()]
        return _value(attribute) if isinstance(attribute, (bytes, str)) else attribute.item()
    if isinstance(attribute, np.generic):
        return attribute.item()
    return attribute


class Maps(Mapping):
    """The maps of a galaxy by name, each an array [ny][nx]; ``unit(name)`` gives its unit."""

    def __init__(self, group):
        self._group = group

    def __getitem__(self, name):
        if self._group is None or name not in self._group:
            raise KeyError(f"no map '{name}'; there are: {', '.join(self) or 'none'}")
        return self._group[name][...]

    def __iter__(self):
        return iter(() if self._group is None else self._group)

    def __len__(self):
        return 0 if self._group is None else len(self._group)

    def unit(self, name):
        self[name]
        return _value(self._group[name].attrs.get("unit", ""))


class Galaxy:
    """One galaxy in one view."""

    def __init__(self, file, group, subhalo, view):
        self._group = group
        self.file = file
        self.subhalo = subhalo
        self.view_number = view
        self.attrs = {name: _value(value) for name, value in group.attrs.items()}
        if "flux" not in group:
            raise CubeFileError(f"{file.path}: {group.name} has no dataset 'flux'")
        own = group.get("wavelength")
        self._wavelength = file.wavelength if own is None else own[...].astype(float)
        if self._wavelength is None:
            raise CubeFileError(f"{file.path}: neither the file nor {group.name} has a dataset 'wavelength'")
        if group["flux"].ndim != 3 or group["flux"].shape[2] != self._wavelength.size:
            raise CubeFileError(f"{file.path}: {group.name}/flux has shape {group['flux'].shape}, expected "
                                f"(ny, nx, {self._wavelength.size})")
        self.maps = Maps(group.get("maps"))

    @property
    def flux(self):
        """HDF5 dataset [ny][nx][nLambda]; NaN outside the aperture."""
        return self._group["flux"]

    @property
    def variance(self):
        """HDF5 dataset like flux in its unit squared, or None where noise was off."""
        return self._group.get("variance")

    @property
    def wavelength(self):
        """Pixel centres [Angstrom], observed frame: the file's, or of this cube alone where cubes differ."""
        return self._wavelength

    @property
    def config(self):
        """The configuration as it was used for this cube, defaults included."""
        return json.loads(self.attrs["config"]) if "config" in self.attrs else self.file.config

    @property
    def shape(self):
        return self.flux.shape

    @property
    def unit(self):
        return _value(self.flux.attrs.get("unit", ""))

    @property
    def views(self):
        """Numbers of the views of this galaxy: 0 is the galaxy's own group, k the group view_k inside it."""
        return self.file.views(self.subhalo)

    def view(self, number):
        return self.file.galaxy(self.subhalo, number)

    @property
    def extent(self):
        """(left, right, bottom, top) of the field [arcsec] about its centre, for matplotlib's imshow."""
        half_x, half_y = (n * self.attrs["spaxel_arcsec"] / 2 for n in (self.shape[1], self.shape[0]))
        return (-half_x, half_x, -half_y, half_y)

    def white_light(self):
        """Mean flux density over the wavelengths [ny][nx], read a row of spaxels at a time; NaN where all is NaN."""
        image = np.full(self.shape[:2], np.nan)
        for iy in range(self.shape[0]):
            row = self.flux[iy].astype(float)
            finite = np.isfinite(row)
            count = finite.sum(axis=1)
            np.divide(np.where(finite, row, 0).sum(axis=1), count, out=image[iy], where=count > 0)
        return image

    def __repr__(self):
        return f"<Galaxy {self.subhalo} view {self.view_number} of {self.file.path}: {self.shape}>"


class Cubes:
    """A cube file. ``cubes[id]`` is a galaxy's first view; iterate for all galaxies."""

    def __init__(self, path):
        self.path = str(path)
        try:
            self._h5 = h5py.File(self.path, "r")
        except OSError as error:
            raise CubeFileError(f"{self.path}: not a readable HDF5 file ({error})") from None
        if "galaxies" not in self._h5:
            self._h5.close()
            raise CubeFileError(f"{self.path}: no '/galaxies': not a Tessera cube file")
        self.attrs = {name: _value(value) for name, value in self._h5.attrs.items()}
        # Pixel centres [Angstrom] of all cubes; None where each has its own (Galaxy.wavelength).
        self.wavelength = self._h5["wavelength"][...].astype(float) if "wavelength" in self._h5 else None

    @property
    def config(self):
        """The configuration as it was used, defaults included."""
        return json.loads(self.attrs.get("config") or "{}")

    @property
    def galaxies(self):
        """Ids of all galaxies that have a cube, ascending."""
        return sorted(int(name) for name in self._h5["galaxies"] if name.lstrip("-").isdigit())

    @property
    def catalog(self):
        """Column name -> array, one row per galaxy and view, galaxies without a cube included (see 'status')."""
        columns = self._h5.get("catalog")
        if columns is None:
            return {}
        if isinstance(columns, h5py.Dataset):
            return {name: self._text(columns[name]) for name in columns.dtype.names}
        return {name: self._text(columns[name][...]) for name in columns}

    @staticmethod
    def _text(column):
        if column.dtype.kind in "SO":
            return np.array([v.decode() if isinstance(v, bytes) else v for v in column.ravel()], dtype=str)
        return column

    def views(self, subhalo):
        group = self._group(subhalo)
        numbers = [int(m.group(1)) for m in (re.fullmatch(r"view_(\d+)", name) for name in group) if m]
        return ([0] if "flux" in group else []) + sorted(numbers)

    def galaxy(self, subhalo, view=0):
        group = self._group(subhalo)
        if view != 0:
            if f"view_{view}" not in group:
                raise CubeFileError(f"{self.path}: galaxy {subhalo} has no view {view}; it has {self.views(subhalo)}")
            group = group[f"view_{view}"]
        return Galaxy(self, group, int(subhalo), view)

    def _group(self, subhalo):
        name = str(int(subhalo))
        if name not in self._h5["galaxies"]:
            raise CubeFileError(f"{self.path}: no galaxy {subhalo}; there are: "
                                + (", ".join(map(str, self.galaxies)) or "none"))
        try:
            return self._h5["galaxies"][name]
        except KeyError:
            link = self._h5["galaxies"].get(name, getlink=True)
            where = f" in {link.filename} (seen from there), which is" if isinstance(link, h5py.ExternalLink) else ""
            raise CubeFileError(f"{self.path}: galaxy {subhalo} is{where} missing or damaged") from None

    def __getitem__(self, subhalo):
        return self.galaxy(subhalo)

    def __contains__(self, subhalo):
        return int(subhalo) in self.galaxies

    def __iter__(self):
        return (self[subhalo] for subhalo in self.galaxies)

    def __len__(self):
        return len(self.galaxies)

    def all_views(self):
        """(subhalo, view number) of every cube in the file."""
        return [(subhalo, view) for subhalo in self.galaxies for view in self.views(subhalo)]

    def close(self):
        self._h5.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
