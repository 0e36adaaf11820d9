"""Stars and the galaxy that they are of."""

import numpy as np

from . import _core
from ._checks import array, instance, integer, number


class Galaxy:
    """What defines a galaxy beyond its stars.

    centre [3] kpc: where the field of view is centred, in the stars' coordinates. velocity [3] km/s: zero point of velocities
    where ``view.systemic_velocity`` is "subhalo", the default; None: the mass-weighted mean of the stars, which derivatives
    hold fixed (docs/adjoints.md). half_mass_radius kpc: of the stars, for face-on and edge-on views; None: from the stars.
    box_size kpc: of a periodic box; 0: none. id: of the subhalo; noise is drawn with it.
    """

    def __init__(self, centre=(0.0, 0.0, 0.0), velocity=(0.0, 0.0, 0.0), half_mass_radius=None, box_size=0.0, id=0):
        self.centre = _centre("centre", centre)
        self.velocity = None if velocity is None else _velocity("velocity", velocity)
        self.half_mass_radius = None if half_mass_radius is None else number("half_mass_radius", half_mass_radius, "kpc")
        self.box_size = number("box_size", box_size, "kpc")
        if self.box_size < 0:
            raise ValueError(f"box_size: {self.box_size}; expected 0 (none) or a length in kpc")
        self.id = integer("id", id)
        self._core = self._made(self.centre, self.velocity)

    def _made(self, centre, velocity):
        return _core.Galaxy(centre.tolist(), None if velocity is None else velocity.tolist(),
                            self.half_mass_radius, self.box_size, self.id)

    @classmethod
    def _of(cls, core):
        return cls(core.centre, core.velocity, core.half_mass_radius, core.box_size, core.id)

    def __repr__(self):
        return f"tessera.Galaxy(id={self.id}, centre={self.centre.tolist()} kpc)"


def _centre(name, value):
    return array(name, value, (3,), np.float64, "kpc")


def _velocity(name, value):
    v = array(name, value, (3,), np.float64, "km/s")
    if not np.all(np.abs(v) <= 5e4):
        raise ValueError(f"{name}: {v.tolist()}; expected values between -50000 and 50000 (km/s)")
    return v


class Stars:
    """Star particles.

    mass [n] Msun: *initial* mass. age [n] Gyr, or log_age [n] log10(age/yr). metallicity [n]: mass fraction. coords [n][3]
    kpc, velocity [n][3] km/s: of one frame, any origin (see Galaxy). smoothing [n] kpc: smoothing lengths, where there are.
    galaxy: what forward() and the others take where they are given none.

    No array is copied that has the layout asked for: C-contiguous, float32, coords float64. ``log_age`` makes an array of ages.
    Arrays are checked here and, as they may be changed later, for finite values whenever they are used.
    """

    def __init__(self, mass, age=None, metallicity=None, coords=None, velocity=None, smoothing=None, *, log_age=None,
                 galaxy=None):
        for name, value in (("metallicity", metallicity), ("coords", coords), ("velocity", velocity)):
            if value is None:
                raise ValueError(f"{name}: missing")
        if (age is None) == (log_age is None):
            raise ValueError("age, log_age: expected exactly one of them")
        mass = array("mass", mass, (None,), np.float32, "Msun", least=0)
        n = mass.shape[0]
        if n == 0:
            raise ValueError("mass: expected one star at least, found shape (0,)")
        if age is None:
            logarithm = array("log_age", log_age, (n,), np.float64, "log10(age/yr)")
            with np.errstate(over="ignore"):
                age = array("10**log_age", 10.0 ** (logarithm - 9), (n,), np.float32, "Gyr", least=0)
        else:
            age = array("age", age, (n,), np.float32, "Gyr", least=0)
        metallicity = array("metallicity", metallicity, (n,), np.float32, "mass fraction", least=0)
        coords = array("coords", coords, (n, 3), np.float64, "kpc")
        velocity = array("velocity", velocity, (n, 3), np.float32, "km/s")
        if smoothing is not None:
            smoothing = array("smoothing", smoothing, (n,), np.float32, "kpc", least=0)
        self._core = _core.Stars(mass, age, metallicity, coords, velocity, smoothing)
        self._core.check()
        self._columns = dict(mass=mass, age=age, metallicity=metallicity, coords=coords, velocity=velocity)
        if smoothing is not None:
            self._columns["smoothing"] = smoothing
        self.galaxy = None if galaxy is None else instance("galaxy", galaxy, Galaxy)

    @classmethod
    def _of(cls, core, galaxy):
        self = cls.__new__(cls)
        self._core = core
        self._columns = core.columns
        self.galaxy = galaxy
        return self

    def __len__(self):
        return len(self._core)

    def __repr__(self):
        return f"tessera.Stars({len(self)} stars)"

    mass = property(lambda self: self._columns["mass"], doc="[n] Msun, initial")
    age = property(lambda self: self._columns["age"], doc="[n] Gyr")
    metallicity = property(lambda self: self._columns["metallicity"], doc="[n] mass fraction")
    coords = property(lambda self: self._columns["coords"], doc="[n][3] kpc")
    velocity = property(lambda self: self._columns["velocity"], doc="[n][3] km/s")
    smoothing = property(lambda self: self._columns.get("smoothing"), doc="[n] kpc, or None")

    @property
    def log_age(self):
        """[n] log10(age/yr), made anew."""
        with np.errstate(divide="ignore"):
            return np.log10(self.age.astype(np.float64)) + 9

    @property
    def wind_rows(self):
        """Rows of the subhalo in the snapshot that were wind-phase cells and were left out."""
        return self._core.wind_rows


def mock_galaxy(stars=10000, seed=1, stellar_mass=5e10):
    """Stars of a disc galaxy with a bulge, face-on about the z axis, to try things on (include/tessera/mock.hpp)."""
    mass = number("stellar_mass", stellar_mass, "Msun")
    if not mass > 0:
        raise ValueError(f"stellar_mass: {mass}; expected a mass > 0 (Msun)")
    return Stars._of(_core.mock_galaxy(integer("stars", stars, 1, 10**9), integer("seed", seed), mass), Galaxy())
