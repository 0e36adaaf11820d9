"""Cubes through the eyes of others: a cube file written by h5py alone, exported, opened in mpdaf, spectral-cube, astropy
and fitsverify. Every warning is an error.

usage: test_fits_readers.py --tessera BINARY
"""

import argparse
import json
import logging
import shutil
import subprocess
import tempfile
import warnings
from pathlib import Path

import astropy.units as u
import h5py
import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from mpdaf.obj import Cube, Image
from spectral_cube import SpectralCube
from specutils import Spectrum

NY, NX, SPAXEL = 7, 9, 0.2
FLUX_UNIT = "1e-20 erg s-1 cm-2 Angstrom-1"


def write_cube_file(path, wavelength, unit=FLUX_UNIT, medium="air", noise=True):
    """The cube file's schema as documented, without Tessera: value = 1 + y + 100 x + 1000 j, NaN in one corner."""
    j, y, x = np.arange(len(wavelength)), np.arange(NY)[:, None, None], np.arange(NX)[None, :, None]
    flux = (1 + y + 100 * x + 1000 * j).astype("f4")
    flux[0, 0] = np.nan
    with h5py.File(path, "w") as f:
        f.attrs["tessera_version"] = "0"
        f.attrs["config"] = json.dumps({"telescope": {"name": "MUSE", "medium": medium, "spaxel": SPAXEL},
                                        "psf": {"fwhm": 0.8}, "lsf": {"fwhm": 2.5}})
        f["wavelength"] = wavelength
        g = f.create_group("galaxies/12")
        g["flux"] = flux
        g["flux"].attrs["unit"] = unit
        if noise:
            g["variance"] = np.where(np.isnan(flux), np.nan, 4 + j).astype("f4")
        maps = {"stars": "", "mass": "Msun", "age_mass": "Gyr", "metallicity_mass": "", "velocity_mass": "km/s",
                "flux": "1e-20 erg s-1 cm-2"}
        for name, map_unit in maps.items():
            g["maps/" + name] = np.arange(NY * NX, dtype="f4").reshape(NY, NX)
            g["maps/" + name].attrs["unit"] = map_unit
        g.attrs.update({"subhalo": 12, "redshift": 0.1, "D_L_Mpc": 475.5, "D_A_Mpc": 393.0, "kpc_per_arcsec": 1.9,
                        "spaxel_arcsec": SPAXEL})
    return flux


def export(tessera, cubes, output, *more):
    subprocess.run([tessera, "export", cubes, "--galaxy", "12", "--output", output, *more], check=True)
    return output


def fitsverify(path):
    program = shutil.which("fitsverify")
    assert program, "fitsverify is not installed"
    text = subprocess.run([program, path], capture_output=True, text=True).stdout
    assert "0 warning(s) and 0 error(s)" in text, text


def check_sky(header):
    """Centre where it should be, east to the left, pixels of the right size."""
    wcs = WCS(header).celestial
    centre = wcs.pixel_to_world((NX - 1) / 2, (NY - 1) / 2)
    assert abs(centre.ra.deg - 180) < 1e-12 and abs(centre.dec.deg) < 1e-12
    west = wcs.pixel_to_world((NX - 1) / 2 + 1, (NY - 1) / 2)
    north = wcs.pixel_to_world((NX - 1) / 2, (NY - 1) / 2 + 1)
    assert abs((centre.ra - west.ra).to_value("arcsec") - SPAXEL) < 1e-6, "x grows to the west"
    assert abs((north.dec - centre.dec).to_value("arcsec") - SPAXEL) < 1e-6, "y grows to the north"
    assert abs(west.dec.deg) < 1e-12 and abs(north.ra.deg - 180) < 1e-12


def check_muse(path, flux, wavelength, medium="air", noise=True, unit="1e-20 erg / (s cm2 Angstrom)"):
    fitsverify(path)
    header = fits.getheader(path)
    check_sky(header)
    assert header["CTYPE3"].startswith("AWAV" if medium == "air" else "WAVE")

    cube = Cube(str(path))
    assert cube.unit.is_equivalent(u.Unit(unit)) and abs(cube.unit.to(u.Unit(unit)) - 1) < 1e-12
    assert np.allclose(cube.wave.coord(np.arange(len(wavelength)), unit=u.angstrom), wavelength, rtol=1e-12)
    good = ~np.isnan(flux)
    assert (cube.data.mask == ~np.moveaxis(good, 2, 0)).all()
    assert (cube.data.filled(-1) == np.moveaxis(np.where(good, flux, -1), 2, 0)).all()
    if noise:
        assert (cube.var[:, 3, 4] == 4 + np.arange(len(wavelength))).all()
    else:
        assert cube.var is None
    assert np.allclose(cube.get_step(unit_wcs=u.arcsec)[1:], SPAXEL)

    other = SpectralCube.read(str(path))
    assert np.allclose(other.spectral_axis.to_value("Angstrom"), wavelength, rtol=1e-12)
    assert other.unit.is_equivalent(u.Unit(unit))
    values = other.filled_data[:].value
    assert np.array_equal(values, np.moveaxis(flux, 2, 0), equal_nan=True)

    with fits.open(path) as hdus:
        names = [h.name for h in hdus]
        assert names[:3] == (["DATA", "STAT", "DQ"] if noise else ["DATA", "DQ", "AGE_MASS"]), names
        assert hdus["DQ"].data.dtype.kind == "i"
        assert ((hdus["DQ"].data != 0) == np.isnan(np.moveaxis(flux, 2, 0))).all()
        if noise:
            assert u.Unit(hdus["STAT"].header["BUNIT"]).is_equivalent(u.Unit(unit) ** 2)
        for name, map_unit in {"MASS": "Msun", "AGE_MASS": "Gyr", "VELOCITY_MASS": "km/s"}.items():
            assert u.Unit(hdus[name].header["BUNIT"]) == u.Unit(map_unit)
            assert (hdus[name].data.ravel() == np.arange(NY * NX)).all()
            image = Image(str(path), ext=name)
            assert image.shape == (NY, NX) and image.unit == u.Unit(map_unit)
    assert header["SUBHALO"] == 12 and header["REDSHIFT"] == 0.1 and header["INSTRUME"] == "MUSE"
    assert header["PSFFWHM"] == 0.8 and header["LSFFWHM"] == 2.5


def check_manga(path, flux, wavelength, axis):
    fitsverify(path)
    with fits.open(path) as hdus:
        header = hdus["FLUX"].header
        check_sky(header)
        assert header["CTYPE3"] == axis and header["INSTRUME"] == "MaNGA"
        spectral = WCS(header).spectral
        seen = spectral.pixel_to_world(np.arange(len(wavelength))).to_value("Angstrom")
        assert np.allclose(seen, wavelength, rtol=1e-12)
        assert np.allclose(hdus["WAVE"].data, wavelength, rtol=1e-14)
        good = np.moveaxis(~np.isnan(flux), 2, 0)
        assert np.allclose(hdus["FLUX"].data[good], np.moveaxis(flux, 2, 0)[good] * 1e-3, rtol=1e-6)
        assert np.allclose(hdus["IVAR"].data[:, 3, 4], 1e6 / (4 + np.arange(len(wavelength))), rtol=1e-6)
        assert (hdus["IVAR"].data[~good] == 0).all() and ((hdus["MASK"].data != 0) == ~good).all()
        assert hdus["LSFPRE"].data.shape == hdus["FLUX"].data.shape
        assert np.allclose(hdus["LSFPRE"].data, 2.5 / np.sqrt(8 * np.log(2)))
        # The resolution that a reader derives from the line width of a pixel is the one in SPECRES.
        resolution = wavelength / np.sqrt(8 * np.log(2)) / hdus["LSFPOST"].data[:, 3, 4]
        assert np.allclose(resolution, hdus["SPECRES"].data, rtol=1e-6)
        assert np.allclose(wavelength / 2.5, hdus["PRESPECRES"].data, rtol=1e-9)


    spectrum = Spectrum.read(path)  # knows the format by itself
    assert np.array_equal(spectrum.mask, ~good)
    assert str(spectrum.flux.unit) == "1e-17 erg / (Angstrom s spaxel cm2)"
    assert np.array_equal(spectrum.flux.value, np.where(spectrum.mask, 0, fits.getdata(path, "FLUX")))
    assert np.array_equal(spectrum.uncertainty.array, fits.getdata(path, "IVAR"))
    assert np.allclose(spectrum.spectral_axis.to_value("Angstrom"), wavelength, rtol=1e-12)


class Strict(logging.Handler):
    """Some libraries log their warnings."""

    def emit(self, record):
        raise RuntimeError(f"{record.name} warns: {record.getMessage()}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tessera", required=True)
    tessera = parser.parse_args().tessera
    warnings.simplefilter("error")
    logging.getLogger().addHandler(Strict(logging.WARNING))
    logging.getLogger("mpdaf").addHandler(Strict(logging.WARNING))
    linear = 4750 + 1.25 * np.arange(20)
    log = 3621.596 * 10 ** (1e-4 * np.arange(20))
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        cubes = folder / "cubes.hdf5"
        flux = write_cube_file(cubes, linear)
        check_muse(export(tessera, cubes, folder / "linear.fits"), flux, linear)
        write_cube_file(cubes, log, medium="vacuum", noise=False)
        check_muse(export(tessera, cubes, folder / "log.fits"), flux, log, "vacuum", noise=False)
        write_cube_file(cubes, linear, unit="Lsun Angstrom-1")
        check_muse(export(tessera, cubes, folder / "lum.fits"), flux, linear, unit="Lsun / Angstrom")
        write_cube_file(cubes, log, medium="vacuum")
        path = folder / "manga-12-0-LOGCUBE.fits"
        check_manga(export(tessera, cubes, path, "--format", "manga"), flux, log, "WAVE-LOG")
        write_cube_file(cubes, linear, medium="vacuum")
        path = folder / "manga-12-0-LINCUBE.fits"
        check_manga(export(tessera, cubes, path, "--format", "manga"), flux, linear, "WAVE")
    print("mpdaf, spectral-cube, astropy and fitsverify accept the files")


if __name__ == "__main__":
    main()
