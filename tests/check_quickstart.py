#!/usr/bin/env python3
"""Looks at what jobs/quickstart.sh made: at least four galaxies, each with a cube, a FITS file and a picture.

    build/venv/bin/python tests/check_quickstart.py quickstart

The last line counts: "quickstart: N passed, N failed".
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from astropy.io import fits

from tessera_analysis import Cubes

PC_CM = 3.0856775814913673e18
LSUN_ERG_S = 3.828e33


def checks(folder):
    """Yields (what is checked, whether it holds)."""
    with Cubes(folder / "cubes.hdf5") as cubes:
        yield f"{len(cubes)} galaxies, at least 4", len(cubes) >= 4
        yield "configuration, version and checksum are in the file", bool(
            cubes.config.get("telescope") and cubes.attrs.get("tessera_version") and cubes.attrs.get("ssp_sha256"))
        yield "the catalogue calls every galaxy ok", list(cubes.catalog["status"]) == ["ok"] * len(cubes)
        for galaxy in cubes:
            name = f"galaxy {galaxy.subhalo}"
            flux, variance = galaxy.flux[...].astype(float), galaxy.variance[...].astype(float)
            yield f"{name}: flux finite, variance present", bool(np.isfinite(flux).all() and (variance >= 0).all() and (variance > 0).any())
            # The flux adds up to the light of its stars, less what the PSF takes over the border.
            area = 4 * np.pi * (galaxy.attrs["D_L_Mpc"] * 1e6 * PC_CM) ** 2
            step = np.gradient(galaxy.wavelength)
            light = (flux.sum(axis=(0, 1)) * step).sum() * 1e-20 * area / LSUN_ERG_S
            ratio = light / galaxy.attrs["luminosity_in_band"]
            yield f"{name}: its light is {ratio:.3f} of its stars' in the field", 0.85 < ratio < 1.05
            velocity = galaxy.maps["velocity_light"]
            yield f"{name}: rotates", np.nanpercentile(velocity, 95) > 30 and np.nanpercentile(velocity, 5) < -30
            yield from check_fits(folder / f"cubes_{galaxy.subhalo}.fits", name, galaxy, flux)
            picture = folder / f"cubes_{galaxy.subhalo}.png"
            yield f"{name}: a picture", picture.is_file() and picture.stat().st_size > 30000


def check_fits(path, name, galaxy, flux):
    if not path.is_file():
        yield f"{name}: {path.name} is there", False
        return
    with fits.open(path) as hdus:
        same = hdus["DATA"].data.shape == flux.shape[::-1][:1] + flux.shape[:2]
        yield f"{name}: FITS holds the same cube", same and np.array_equal(np.moveaxis(hdus["DATA"].data, 0, 2), flux)
        yield f"{name}: FITS holds the variance and the maps", "STAT" in hdus and len(hdus) > 3
    if shutil.which("fitsverify"):
        said = subprocess.run(["fitsverify", str(path)], capture_output=True, text=True).stdout
        yield f"{name}: fitsverify finds nothing", bool(re.search(r"found 0 warning\(s\) and 0 error\(s\)", said))


def main():
    results = []
    try:
        for text, holds in checks(Path(sys.argv[1])):
            results.append(bool(holds))
            print(f"  {'ok    ' if holds else 'FAILED'} {text}")
    except Exception as error:  # counted as a failure, whatever it is
        results.append(False)
        print(f"  FAILED {type(error).__name__}: {error}")
    print(f"quickstart: {sum(results)} passed, {len(results) - sum(results)} failed")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
