"""Cube files with known content, written with h5py alone to the schema of docs/formats.md."""

import json

import h5py
import numpy as np

C_KM_S = 299792.458


def rotating_disc(n=40, wavelength=None, redshift=0.05, v_max=180.0, sigma0=90.0, aperture="circle", seed=1):
    """An exponential disc with an arctan rotation curve about the y axis; spectra with absorption lines that shift with
    the local velocity. Returns a dict of arrays; spaxels outside the aperture are NaN, one corner inside it is empty."""
    wavelength = np.arange(4750.0, 9300.0, 5.0) if wavelength is None else wavelength
    y, x = (np.indices((n, n)) - (n - 1) / 2) / (n / 2)
    r = np.hypot(x, y / 0.7)
    light = 400 * np.exp(-r / 0.22) + 2
    velocity = v_max * 2 / np.pi * np.arctan(r / 0.15) * np.divide(x, r, out=np.zeros_like(x), where=r > 0)
    dispersion = sigma0 * np.exp(-r / 0.5) + 20
    rest = wavelength[None, None, :] / (1 + redshift) / np.exp(velocity / C_KM_S)[:, :, None]
    spectrum = (rest / 5500) ** -0.6
    for line, depth, width in ((4861.3, 0.4, 14), (5175.0, 0.3, 22), (5892.9, 0.3, 11), (6562.8, 0.35, 14),
                               (8542.1, 0.3, 14)):
        spectrum = spectrum * (1 - depth * np.exp(-0.5 * ((rest - line) / width) ** 2))
    flux = (light[:, :, None] * spectrum).astype(np.float32)
    stars = np.maximum(light, 1)
    empty = (x > 0.45) & (y > 0.45)
    flux[empty] = 0
    stars[empty] = 0
    for values in (velocity, dispersion):
        values[empty] = np.nan
    variance = np.full_like(flux, (0.03 * 40) ** 2)
    if aperture == "circle":
        outside = np.hypot(x, y) > 1
        for values in (flux, velocity, dispersion, stars, variance):
            values[outside] = np.nan
    noise = np.random.default_rng(seed).normal(size=flux.shape) * np.sqrt(variance)
    return {"wavelength": wavelength, "flux": (flux + np.where(flux != 0, noise, 0)).astype(np.float32),
            "variance": variance,
            "maps": {"stars": stars, "velocity_light": velocity, "dispersion_light": dispersion}, "redshift": redshift,
            "empty": empty}


def write_cubes(path, galaxies, config=None, unit="1e-20 erg s-1 cm-2 Angstrom-1"):
    """galaxies: {subhalo: [first view, second view, ...]}, each as rotating_disc returns it."""
    with h5py.File(path, "w") as file:
        first = next(iter(galaxies.values()))[0]
        file["wavelength"] = np.asarray(first["wavelength"], "f8")
        file.attrs["tessera_version"] = "0.1.0"
        file.attrs["config"] = json.dumps(config or {"telescope": {"name": "MUSE"}, "view": {"orientation": "face-on"}})
        file.attrs["ranks"] = np.int32(1)
        for subhalo, views in galaxies.items():
            for number, data in enumerate(views):
                group = file.require_group(f"galaxies/{subhalo}" + (f"/view_{number}" if number else ""))
                group["flux"] = data["flux"]
                group["flux"].attrs["unit"] = unit
                if data.get("variance") is not None:
                    group["variance"] = data["variance"]
                for name, values in data["maps"].items():
                    group[f"maps/{name}"] = np.asarray(values, "f4")
                    group[f"maps/{name}"].attrs["unit"] = "km/s" if "_light" in name else "1"
                group.attrs.update({"subhalo": subhalo, "redshift": data["redshift"], "D_L_Mpc": 230.0, "D_A_Mpc": 208.0,
                                    "kpc_per_arcsec": 1.0, "spaxel_arcsec": 0.5, "n_stars": 5000,
                                    "n_stars_in_field": 4321, "mass_in_field": 3.2e10, "rotation": np.eye(3)})
        catalog = file.create_group("catalog")
        rows = [(subhalo, k) for subhalo, views in galaxies.items() for k in range(len(views))]
        catalog["subhalo"] = np.array([r[0] for r in rows], "i8")
        catalog["view"] = np.array([r[1] for r in rows], "i4")
        catalog["status"] = np.array(["ok"] * len(rows), "S8")
