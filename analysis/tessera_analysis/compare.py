"""Compares two cube files, galaxy by galaxy and view by view.

A voxel's difference is |a - b| divided by the mean of |a| over its spaxel's wavelengths, so that a faint pixel of a
bright spectrum does not count as a large error. Where the spaxel of a is all zero, any difference is infinite. NaN
(outside the aperture) must be at the same places in both.

    tessera-compare a.hdf5 b.hdf5 --tolerance 1e-4        # exit code 0: within; 1: not; 2: cannot be compared
"""

import argparse
import sys
from dataclasses import dataclass, field

import numpy as np

from .cube import CubeFileError, Cubes


@dataclass
class Difference:
    """Of one quantity ('flux', 'variance') of one galaxy in one view."""
    subhalo: int
    view: int
    quantity: str
    worst: float = 0.0          # largest relative difference of a voxel
    rms: float = 0.0            # root mean square of the relative differences
    at: tuple = (0, 0, 0)       # (iy, ix, j) of the worst voxel
    nan_mismatch: int = 0       # voxels that are NaN in one file only
    worst_of_spaxel: np.ndarray = field(default=None, repr=False)  # [ny][nx]

    def within(self, tolerance):
        return self.nan_mismatch == 0 and self.worst <= tolerance


def relative_difference(a, b):
    """|a - b| / mean_lambda |a| of spectra [...][nLambda]; NaN where both are NaN, infinite where only one is."""
    a, b = np.asarray(a, float), np.asarray(b, float)
    finite = np.isfinite(a)
    count = finite.sum(axis=-1, keepdims=True)
    scale = np.where(finite, np.abs(a), 0).sum(axis=-1, keepdims=True) / np.maximum(count, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.abs(a - b) / scale
    relative[(a == b) & (scale == 0)] = 0
    relative[np.isnan(a) != np.isnan(b)] = np.inf
    return relative


def compare_arrays(a, b, subhalo, view, quantity):
    """Difference of two cubes (arrays or HDF5 datasets), read one row of spaxels at a time."""
    result = Difference(subhalo, view, quantity, worst_of_spaxel=np.full(a.shape[:2], np.nan))
    squares, count, worst = 0.0, 0, -1.0
    for iy in range(a.shape[0]):
        row_a, row_b = a[iy], b[iy]
        result.nan_mismatch += int(np.count_nonzero(np.isnan(row_a) != np.isnan(row_b)))
        relative = relative_difference(row_a, row_b)
        known = ~np.isnan(relative)
        squares += np.sum(relative[known] ** 2)
        count += int(known.sum())
        filled = np.where(known, relative, -1.0)
        result.worst_of_spaxel[iy] = np.where(known.any(axis=1), filled.max(axis=1), np.nan)
        if filled.size and filled.max() > worst:
            worst = float(filled.max())
            ix, j = np.unravel_index(np.argmax(filled), filled.shape)
            result.at = (iy, int(ix), int(j))
    result.worst, result.rms = max(worst, 0.0), float(np.sqrt(squares / max(count, 1)))
    return result


def compare(path_a, path_b, galaxies=None):
    """The Differences of all cubes; CubeFileError where the files do not hold the same galaxies, views and shapes."""
    with Cubes(path_a) as a, Cubes(path_b) as b:
        pairs = [(int(g), v) for g in galaxies for v in a.views(g)] if galaxies else a.all_views()
        others = [(int(g), v) for g in galaxies for v in b.views(g)] if galaxies else b.all_views()
        if pairs != others:
            raise CubeFileError(f"the files hold different galaxies and views (subhalo, view): {pairs} in {path_a}, "
                                f"{others} in {path_b}")
        if not pairs:
            raise CubeFileError(f"{path_a}: no galaxy to compare")
        if a.wavelength.shape != b.wavelength.shape or not np.allclose(a.wavelength, b.wavelength, rtol=1e-12, atol=0):
            raise CubeFileError(f"the wavelengths of {path_a} and {path_b} differ")
        differences = []
        for subhalo, view in pairs:
            one, other = a.galaxy(subhalo, view), b.galaxy(subhalo, view)
            if one.shape != other.shape:
                raise CubeFileError(f"galaxy {subhalo} view {view} has shape {one.shape} in {path_a}, {other.shape} in "
                                    f"{path_b}")
            if one.unit != other.unit:
                raise CubeFileError(f"galaxy {subhalo} view {view} is in '{one.unit}' in {path_a}, '{other.unit}' in "
                                    f"{path_b}")
            differences.append(compare_arrays(one.flux, other.flux, subhalo, view, "flux"))
            if (one.variance is None) != (other.variance is None):
                raise CubeFileError(f"galaxy {subhalo} view {view} has a variance in one file only")
            if one.variance is not None:
                differences.append(compare_arrays(one.variance, other.variance, subhalo, view, "variance"))
        return differences


def draw(path_a, path_b, difference, target):
    """A figure of the worst galaxy: its map of the worst difference of each spaxel, and the worst spaxel's spectra."""
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    with Cubes(path_a) as a, Cubes(path_b) as b:
        one, other = (c.galaxy(difference.subhalo, difference.view) for c in (a, b))
        iy, ix, j = difference.at
        spectra = [getattr(g, difference.quantity)[iy, ix].astype(float) for g in (one, other)]
        fig = plt.figure(figsize=(11, 4.6), layout="constrained")
        grid = fig.add_gridspec(2, 2, width_ratios=(1, 1.6), height_ratios=(1.6, 1))
        image = fig.add_subplot(grid[:, 0])
        shown = np.log10(np.where(difference.worst_of_spaxel > 0, difference.worst_of_spaxel, np.nan))
        picture = image.imshow(np.where(np.isfinite(shown), shown, np.nan), origin="lower", extent=one.extent, cmap="magma")
        fig.colorbar(picture, ax=image, label="log10 of the spaxel's worst relative difference", shrink=0.85)
        image.set(xlabel="x [arcsec]", ylabel="y [arcsec]",
                  title=f"subhalo {difference.subhalo}, view {difference.view}: {difference.quantity}")
        top = fig.add_subplot(grid[0, 1])
        top.plot(a.wavelength, spectra[0], lw=1.4, color="#2e86ab", label=str(path_a))
        top.plot(a.wavelength, spectra[1], lw=0.8, color="#e4572e", label=str(path_b))
        top.axvline(a.wavelength[j], color="#999999", lw=0.7, ls=":")
        top.set(title=f"worst spaxel: iy = {iy}, ix = {ix}", ylabel=one.unit)
        top.tick_params(labelbottom=False)
        top.legend(fontsize=7, frameon=False)
        bottom = fig.add_subplot(grid[1, 1], sharex=top)
        bottom.plot(a.wavelength, relative_difference(*spectra), lw=0.8, color="#444444")
        bottom.set(xlabel="observed wavelength [Å]", ylabel="relative difference")
        fig.savefig(target, dpi=110)
        plt.close(fig)


def main(arguments=None):
    parser = argparse.ArgumentParser(
        prog="tessera-compare", description="Compares the cubes of two files.",
        epilog="Exit code 0: all within the tolerance; 1: some are not; 2: the files cannot be compared.")
    parser.add_argument("a")
    parser.add_argument("b")
    parser.add_argument("--tolerance", type=float, default=1e-4,
                        help="allowed difference relative to the spaxel's mean (default: 1e-4)")
    parser.add_argument("--galaxy", type=int, action="append", help="subhalo id; may be repeated (default: all)")
    parser.add_argument("--figure", help="PNG file: draws the galaxy that differs most")
    options = parser.parse_args(arguments)
    try:
        differences = compare(options.a, options.b, options.galaxy)
        worst = max(differences, key=lambda d: (d.nan_mismatch > 0, d.worst))
        if options.figure:
            draw(options.a, options.b, worst, options.figure)
    except (CubeFileError, OSError) as error:
        print(f"tessera-compare: {error}", file=sys.stderr)
        return 2
    print(f"{'subhalo':>9} {'view':>4} {'quantity':>9} {'max':>10} {'rms':>10}   worst at [iy][ix][j]")
    for d in differences:
        verdict = "" if d.within(options.tolerance) else "   differs"
        nans = f"   {d.nan_mismatch} voxels NaN in one file only" if d.nan_mismatch else ""
        print(f"{d.subhalo:9d} {d.view:4d} {d.quantity:>9} {d.worst:10.3e} {d.rms:10.3e}   {list(d.at)}{nans}{verdict}")
    failed = sum(not d.within(options.tolerance) for d in differences)
    print(f"{len(differences) - failed} of {len(differences)} within {options.tolerance:g} of the spaxel mean")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
