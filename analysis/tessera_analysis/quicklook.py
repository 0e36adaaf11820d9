"""One figure of a galaxy's cube: flux image, velocity and dispersion maps, spectra of three spaxels.

    tessera-quicklook cubes.hdf5                     # every galaxy and view: <output>/<stem>_<subhalo>.png
    tessera-quicklook cubes.hdf5 --galaxy 3 --output pictures
"""

import argparse
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402
from matplotlib.colors import LogNorm, Normalize  # noqa: E402
from matplotlib.patheffects import withStroke  # noqa: E402
from mpl_toolkits.axes_grid1 import make_axes_locatable  # noqa: E402

from .cube import CubeFileError, Cubes  # noqa: E402

SPAXEL_COLOURS = ("#e4572e", "#e0a100", "#2e86ab")
EMPTY = "#ececec"
INK = "#222222"
# Rest wavelengths in air [Angstrom] of what a stellar spectrum shows.
FEATURES = {"Ca H+K": 3951.0, "H$\\delta$": 4101.7, "H$\\gamma$": 4340.5, "H$\\beta$": 4861.3, "Mg b": 5175.0, "Na D": 5892.9,
            "H$\\alpha$": 6562.8, "Ca T": 8542.1}
STYLE = {"font.size": 9, "axes.edgecolor": "#555555", "axes.linewidth": 0.7, "text.color": INK,
         "axes.labelcolor": INK, "xtick.color": "#444444", "ytick.color": "#444444", "xtick.direction": "out",
         "ytick.direction": "out", "font.family": "DejaVu Sans", "figure.dpi": 110}


def nice_length(value):
    """The largest of 1, 2, 5 times a power of ten that is not above value."""
    power = 10.0 ** np.floor(np.log10(value))
    return max(step * power for step in (1, 2, 5) if step * power <= value * (1 + 1e-12))


def choose_spaxels(image):
    """Three lit spaxels [(iy, ix), ...]: the brightest one, and the brightest in rings at one and at two half-light radii,
    or closer where the rings would leave the field. Fewer where fewer spaxels are lit; none in an empty field."""
    light = np.where(np.isfinite(image) & (image > 0), image, 0.0)
    if not light.any():
        return []
    centre = np.unravel_index(np.argmax(light), light.shape)
    rows, columns = np.indices(light.shape)
    radius = np.hypot(rows - centre[0], columns - centre[1])
    order = np.argsort(radius, axis=None)
    growth = np.cumsum(light.ravel()[order])
    half = radius.ravel()[order][np.searchsorted(growth, growth[-1] / 2)]
    border = min(centre[0], centre[1], light.shape[0] - 1 - centre[0], light.shape[1] - 1 - centre[1])
    half = max(min(half, 0.4 * border), 1.0)
    chosen = [centre]
    for target in (half, 2 * half):
        ring = np.where((np.abs(radius - target) <= 0.75) & (light > 0), light, 0.0)
        for previous in chosen:
            ring[previous] = 0
        if ring.any():
            chosen.append(np.unravel_index(np.argmax(ring), ring.shape))
    return [(int(iy), int(ix)) for iy, ix in chosen]


def velocity_limit(velocity, image):
    """Half-range of the symmetric velocity scale [km/s]: the 98th percentile of |v| where there is light to speak of."""
    return robust_limit(np.abs(velocity), image, 98)


def robust_limit(values, image, percentile):
    bright = np.isfinite(values) & np.isfinite(image)
    if bright.any():
        bright &= image >= 1e-3 * np.max(image[bright])
    limit = np.percentile(values[bright], percentile) if bright.any() else 0.0
    return float(limit) if limit > 0 else 1.0


def unit_label(unit):
    """The cube's unit as text for an axis."""
    if unit.replace("**", "^").startswith(("1e-20", "10^-20")) and "erg" in unit:
        return "$10^{-20}$ erg s$^{-1}$ cm$^{-2}$ Å$^{-1}$"
    if "sun" in unit.lower() and "ngstrom" in unit:
        return "$L_\\odot$ Å$^{-1}$"
    return unit


def title_lines(galaxy):
    attrs, config = galaxy.attrs, galaxy.file.config
    telescope = config.get("telescope", {})
    name = telescope.get("name", "") if isinstance(telescope, dict) else str(telescope)
    views = config.get("view", {})
    if isinstance(views, list):
        views = views[galaxy.view_number] if galaxy.view_number < len(views) else {}
    facts = [f"z = {attrs['redshift']:.4g}"] + ([name] if name else [])
    orientation = views.get("orientation")
    if isinstance(orientation, str) and orientation != "none":
        tilt = views.get("inclination", 0)
        facts.append(orientation + (f", inclined {tilt:g}°" if tilt else ""))
    elif isinstance(orientation, dict):
        facts.append("seen along a given direction")
    if "n_stars_in_field" in attrs:
        facts.append(f"{int(attrs['n_stars_in_field']):,} stars in the field".replace(",", "\u2009"))
    if attrs.get("mass_in_field", 0) > 0:
        power = int(np.floor(np.log10(attrs["mass_in_field"])))
        facts.append(f"${attrs['mass_in_field'] / 10.0**power:.1f}\\times10^{{{power}}}\\,M_\\odot$ formed")
    title = f"Subhalo {galaxy.subhalo}" + (f", view {galaxy.view_number}" if len(galaxy.views) > 1 else "")
    return title, "   ·   ".join(facts)


def draw_image(axes, galaxy, values, norm, cmap, title, label):
    colours = matplotlib.colormaps[cmap].with_extremes(bad=EMPTY)
    picture = axes.imshow(np.ma.masked_invalid(values), origin="lower", extent=galaxy.extent, norm=norm, cmap=colours,
                          interpolation="nearest")
    axes.set_title(title, fontsize=10, loc="left", pad=4)
    axes.set_xlabel("x [arcsec]")
    bar = axes.figure.colorbar(picture, cax=make_axes_locatable(axes).append_axes("right", size="4.5%", pad=0.06))
    bar.set_label(label, fontsize=8)
    bar.ax.tick_params(labelsize=7.5)
    bar.outline.set_linewidth(0.6)
    return picture


def draw_scale_bar(axes, galaxy):
    """A bar of a round number of kpc, at most a quarter of the field long. Returns its length [kpc]."""
    left, right, bottom, top = galaxy.extent
    scale = galaxy.attrs.get("kpc_per_arcsec", 0)
    if not scale > 0:
        return None
    length = nice_length(0.3 * (right - left) * scale)
    x0, y0 = left + 0.06 * (right - left), bottom + 0.07 * (top - bottom)
    style = {"color": INK, "path_effects": [withStroke(linewidth=2.6, foreground="white")]}
    axes.plot([x0, x0 + length / scale], [y0, y0], lw=2.2, solid_capstyle="butt",
              color=INK, path_effects=[withStroke(linewidth=4.6, foreground="white")])
    axes.text(x0 + length / scale / 2, y0 + 0.025 * (top - bottom), f"{length:g} kpc", ha="center", va="bottom",
              fontsize=9, **style)
    return length


def draw_spectra(axes_list, galaxy, spaxels):
    wavelength, redshift = galaxy.wavelength, galaxy.attrs["redshift"]
    scale = galaxy.attrs.get("kpc_per_arcsec", 0) * galaxy.attrs["spaxel_arcsec"]
    for axes, (iy, ix), colour in zip(axes_list, spaxels, SPAXEL_COLOURS):
        spectrum = galaxy.flux[iy, ix].astype(float)
        axes.plot(wavelength, spectrum, color=colour, lw=0.8, drawstyle="steps-mid")
        radius = np.hypot(iy - spaxels[0][0], ix - spaxels[0][1])
        text = f"r = {radius * scale:.1f} kpc" if scale > 0 else f"r = {radius * galaxy.attrs['spaxel_arcsec']:.1f}″"
        if galaxy.variance is not None:
            sigma = np.sqrt(galaxy.variance[iy, ix].astype(float))
            axes.fill_between(wavelength, spectrum - sigma, spectrum + sigma, color=colour, alpha=0.22, lw=0, step="mid")
            ratio = spectrum[sigma > 0] / sigma[sigma > 0]
            if ratio.size:
                text += f"   ·   S/N {np.nanmedian(ratio):.0f} per pixel"
        axes.text(0.995, 0.93, text, transform=axes.transAxes, ha="right", va="top", fontsize=8.5,
                  color=colour, fontweight="bold", bbox={"fc": "white", "ec": "none", "alpha": 0.75, "pad": 1.5})
        finite = spectrum[np.isfinite(spectrum)]
        if finite.size:
            low, high = np.percentile(finite, (0.2, 99.8))
            margin = 0.18 * (high - low or abs(high) or 1.0)
            axes.set_ylim(low - margin, high + 1.6 * margin)
        for rest in FEATURES.values():
            axes.axvline(rest * (1 + redshift), color="#999999", lw=0.6, ls=(0, (2, 3)), zorder=0)
        axes.set_xlim(wavelength[0], wavelength[-1])
        axes.grid(axis="y", color="#eeeeee", lw=0.6)
        axes.set_axisbelow(True)
        axes.locator_params(axis="y", nbins=4)
        axes.tick_params(labelbottom=axes is axes_list[-1], labelsize=8)
    for axes in axes_list[len(spaxels):]:
        axes.text(0.5, 0.5, "no further lit spaxel", transform=axes.transAxes, ha="center", va="center", color="#888888")
        axes.set(yticks=[], xlim=(wavelength[0], wavelength[-1]))
        axes.tick_params(labelbottom=axes is axes_list[-1])
    for name, rest in FEATURES.items():
        if wavelength[0] < rest * (1 + redshift) < wavelength[-1]:
            axes_list[0].annotate(name, (rest * (1 + redshift), 1), (0, 2), xycoords=("data", "axes fraction"),
                                  textcoords="offset points", ha="center", fontsize=7.5, color="#666666")
    axes_list[1].set_ylabel(f"flux density [{unit_label(galaxy.unit)}]", fontsize=8.5)
    axes_list[-1].set_xlabel("observed wavelength [Å]")


def figure(galaxy):
    """The quicklook figure of a Galaxy; its panels are figure.axes[0:3] (images) and [3:6] (spectra)."""
    with matplotlib.rc_context(STYLE):
        return _figure(galaxy)


def _figure(galaxy):
    fig = plt.figure(figsize=(12, 8.2))
    grid = fig.add_gridspec(2, 1, height_ratios=(1.28, 1), left=0.06, right=0.955, top=0.905, bottom=0.062, hspace=0.22)
    images = [fig.add_subplot(cell) for cell in grid[0].subgridspec(1, 3, wspace=0.22)]
    stack = grid[1].subgridspec(3, 1, hspace=0.07)
    spectra = [fig.add_subplot(stack[0])]
    spectra += [fig.add_subplot(stack[i], sharex=spectra[0]) for i in (1, 2)]

    white = galaxy.white_light()
    lit = np.isfinite(white) & (white != 0)
    peak = np.max(white[lit], initial=0.0)
    positive = white[lit & (white > 0)]
    floor = max(peak / 3000, np.percentile(positive, 2)) if positive.size else 1.0
    norm = LogNorm(floor, peak) if 0 < floor < peak else Normalize(0, peak or 1.0)
    draw_image(images[0], galaxy, np.where(lit, np.maximum(white, norm.vmin), np.nan), norm, "magma", "Mean flux density",
               unit_label(galaxy.unit))
    images[0].set_ylabel("y [arcsec]", labelpad=1)
    draw_scale_bar(images[0], galaxy)

    empty = np.full(white.shape, np.nan)
    maps = galaxy.maps
    stars = maps["stars"] if "stars" in maps else np.where(lit, 1, 0)
    velocity = np.where(stars > 0, maps["velocity_light"], np.nan) if "velocity_light" in maps else empty
    limit = velocity_limit(velocity, white)
    draw_image(images[1], galaxy, velocity, Normalize(-limit, limit), "RdBu_r", "Velocity of the starlight", "km s$^{-1}$")
    # One star alone has no dispersion to show.
    dispersion = np.where(stars > 1, maps["dispersion_light"], np.nan) if "dispersion_light" in maps else empty
    draw_image(images[2], galaxy, dispersion, Normalize(0, robust_limit(dispersion, white, 98)), "viridis",
               "Velocity dispersion", "km s$^{-1}$")

    for axes in images[1:]:
        axes.tick_params(labelleft=False)
    spaxels = choose_spaxels(white)
    left, right, bottom, top = galaxy.extent
    for (iy, ix), colour in zip(spaxels, SPAXEL_COLOURS):
        x = left + (ix + 0.5) * (right - left) / galaxy.shape[1]
        y = bottom + (iy + 0.5) * (top - bottom) / galaxy.shape[0]
        for axes in images:
            axes.plot(x, y, "o", mfc="none", mec="white", mew=3.2, ms=9)
            axes.plot(x, y, "o", mfc="none", mec=colour, mew=1.9, ms=9)
    draw_spectra(spectra, galaxy, spaxels)

    title, facts = title_lines(galaxy)
    fig.text(0.06, 0.955, title, fontsize=16, fontweight="bold", ha="left", va="center")
    fig.text(0.965, 0.955, facts, fontsize=10, ha="right", va="center", color="#444444")
    return fig


def quicklook(path, output=None, galaxies=None, view=None, dpi=110):
    """Draws the cubes of a file (all, or those asked for) and returns the paths of the PNG files."""
    path = Path(path)
    folder = Path(output) if output else path.parent
    made = []
    with Cubes(path) as cubes:
        wanted = [(int(g), v) for g in (galaxies or cubes.galaxies) for v in cubes.views(g) if view in (None, v)]
        if not wanted:
            raise CubeFileError(f"{path}: no galaxy to draw" + (f" with a view {view}" if view is not None else ""))
        folder.mkdir(parents=True, exist_ok=True)
        for subhalo, number in wanted:
            target = folder / f"{path.stem}_{subhalo}{f'_view{number}' if number else ''}.png"
            fig = figure(cubes.galaxy(subhalo, number))
            fig.savefig(target, dpi=dpi)
            plt.close(fig)
            made.append(target)
    return made


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="tessera-quicklook", description="Draws a PNG of every galaxy in a cube file.")
    parser.add_argument("cubes", help="cube file written by 'tessera run'")
    parser.add_argument("--galaxy", type=int, action="append", help="subhalo id; may be repeated (default: all)")
    parser.add_argument("--view", type=int, help="number of the view (default: all)")
    parser.add_argument("--output", help="folder for the pictures (default: beside the cubes)")
    parser.add_argument("--dpi", type=int, default=110)
    options = parser.parse_args(arguments)
    try:
        for target in quicklook(options.cubes, options.output, options.galaxy, options.view, options.dpi):
            print(target)
    except (CubeFileError, OSError) as error:
        print(f"tessera-quicklook: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
