"""Snapshots of simulations."""

import os

from . import _core
from ._checks import choice, integer
from ._stars import Galaxy, Stars


class Snapshot:
    """A snapshot, or a file of one galaxy (docs/formats.md). info: its header; catalogue: columns, one row a galaxy."""

    def __init__(self, path, format="auto", number=-1):
        path = os.fspath(path)
        if not os.path.exists(path):
            raise FileNotFoundError(f"{path}: there is no such file or directory")
        choice("format", format, ("auto", "tng", "tng-cutout", "rubix"))
        self._core = _core.Snapshot(path, format, integer("number", number, -1, 99999))

    @property
    def info(self):
        """Path, format, redshift, h, box_size [kpc], numbers of particles, notes on what was assumed."""
        return self._core.info

    @property
    def subhalos(self):
        """Ids of all galaxies."""
        return self._core.subhalos

    @property
    def catalogue(self):
        """{subhalo, n_stars, position [n][3] kpc, velocity [n][3] km/s, half_mass_radius kpc, stellar_mass Msun,
        star_formation_rate Msun/yr}: arrays, NaN where the file does not say."""
        return self._core.catalogue()

    def stars(self, subhalo, particles="subhalo"):
        """The stars of a subhalo, or of its whole "group". ``.galaxy`` is the galaxy about the catalogue's centre, else about
        their densest point."""
        subhalo = integer("subhalo", subhalo)
        if subhalo not in self.subhalos:
            raise ValueError(f"subhalo: {subhalo}; the snapshot has {len(self.subhalos)}, from {self.subhalos.min()} to "
                             f"{self.subhalos.max()}")
        core, galaxy = self._core.read(subhalo, choice("particles", particles, ("subhalo", "group")) == "group")
        return Stars._of(core, Galaxy._of(galaxy))


def open_snapshot(path, format="auto", number=-1):
    """A snapshot: base directory of a TNG tree, TNG cutout, or rubix_galaxy.h5. number: of a TNG tree; -1: the highest."""
    return Snapshot(path, format, number)
