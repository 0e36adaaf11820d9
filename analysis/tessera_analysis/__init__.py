"""Reading, drawing and comparing the cubes that Tessera writes.

    from tessera_analysis import Cubes
    with Cubes("cubes.hdf5") as cubes:
        galaxy = cubes[3]
        spectrum = galaxy.flux[50, 50]            # one spaxel, read from disk when asked for
        velocity = galaxy.maps["velocity_light"]  # [ny][nx] in km/s
"""

from .cube import CubeFileError, Cubes, Galaxy

__all__ = ["CubeFileError", "Cubes", "Galaxy"]
__version__ = "0.1.0"
