"""Inclination, position angle, systemic velocity and PSF width of a galaxy from its noisy cube.

1. One mock, 20 starts drawn from the whole prior, each a descent along the gradient (scipy's L-BFGS-B on tessera's adjoint).
2. 100 mocks with other parameters and noise: parameters within 3 sigma of the truth, sigma from (J^T W J)^-1 at the best fit.

Prior: cos(inclination) uniform between 25 and 75 degrees, position angle uniform in the circle, systemic velocity uniform within
150 km/s, FWHM of the PSF between 1.4 and 3.0 arcsec. Half a turn in position angle leaves the image of a disc nearly as it is and
turns its velocities round, which is another minimum: in 2, starts are drawn until chi^2 a voxel is that of noise, at most 12.

    python analysis/fits/geometry.py          # some minutes on 2 cores
"""

import sys

import matplotlib
import numpy as np
import scene
import support
from scene import jnp, tessera
from support import FIT, TRUTH, say

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

NAMES = ("inclination", "position_angle", "systemic_velocity", "psf_fwhm")
LABELS = ("inclination [deg]", "position angle [deg]", "systemic velocity [km/s]", "FWHM of the PSF [arcsec]")
SCALE = np.array([10.0, 10.0, 30.0, 0.2])
BOUNDS = [(5.0, 85.0), (None, None), (-400.0, 400.0), (0.8, 5.0)]
SIGNAL_TO_NOISE = 10.0  # a voxel of median flux


def draw(random):
    cos = np.cos(np.radians([75.0, 25.0]))
    return np.array([np.degrees(np.arccos(random.uniform(*cos))), random.uniform(0, 360), random.uniform(-150, 150),
                     random.uniform(1.4, 3.0)])


def problem(library, n_stars):
    model = tessera.Model(scene.config(library, (4850.0, 5350.0, 5.0)), threads=1)
    stars = {k: jnp.asarray(v) for k, v in scene.stars(n_stars).items()}

    def inputs(theta):
        # The zero point of velocities is a vector in the galaxy's frame: the line of sight there, turned by the inclination.
        i = jnp.radians(theta[0])
        zero = -theta[2] * jnp.array([0.0, jnp.sin(i), jnp.cos(i)])
        return stars, {"inclination": theta[0], "position_angle": jnp.mod(theta[1], 360.0), "systemic_velocity": zero, "psf_fwhm": theta[3]}
    return scene.Problem(model, inputs)


def noise_of(p):
    """Standard deviation of a voxel: the median flux at the middle of the prior over SIGNAL_TO_NOISE."""
    cube = np.asarray(p.cube(jnp.array([50.0, 0.0, 0.0, 2.0])))
    image = cube.mean(axis=2)
    return float(np.median(cube[image > 0.01 * image.max()]) / SIGNAL_TO_NOISE)


def mock(p, sigma, seed):
    random = np.random.default_rng(seed)
    truth = draw(random)
    cube = np.asarray(p.cube(jnp.asarray(truth)))
    return truth, jnp.asarray(cube + sigma * random.normal(size=cube.shape)), random


def wrapped(difference):
    difference = difference.copy()
    difference[..., 1] = (difference[..., 1] + 180) % 360 - 180
    return difference


def setup(*arguments):
    global P, SIGMA
    P = problem(*arguments)
    SIGMA = noise_of(P)


def one_mock(seed):
    truth, data, random = mock(P, SIGMA, seed)
    fits = []
    while len(fits) < 12 and (not fits or 2 * min(f[1] for f in fits) > data.size + 5 * np.sqrt(2 * data.size)):
        fits.append(P.minimise(draw(random), SCALE, data, SIGMA, BOUNDS))
    theta, loss, _ = min(fits, key=lambda f: f[1])
    covariance = np.linalg.inv(P.curvature(theta, SIGMA))
    off = wrapped(theta - truth)
    return {"truth": truth, "fit": theta, "sigma": np.sqrt(np.diag(covariance)), "pull": off / np.sqrt(np.diag(covariance)),
            "mahalanobis": float(off @ np.linalg.solve(covariance, off)), "reduced": 2 * loss / data.size,
            "starts": len(fits), "evaluations": sum(f[2] for f in fits)}


def one_start(arguments):
    mock_seed, start = arguments
    _, data, _ = mock(P, SIGMA, mock_seed)
    path = []
    theta, loss, evaluations = P.minimise(start, SCALE, data, SIGMA, BOUNDS, path)
    return {"path": np.array(path), "fit": theta, "loss": loss, "evaluations": evaluations}


def draw_figure(truth, sigma, starts, mocks):
    with plt.rc_context(support.STYLE):
        figure, axes = plt.subplots(3, 4, figsize=(12, 8.2), layout="constrained")
        best = min(s["loss"] for s in starts)
        for k, label in enumerate(LABELS):
            top, pull, scatter = axes[:, k]
            for s in starts:
                good = s["loss"] < best + 10
                off = np.abs(wrapped(s["path"] - truth)[:, k]) / sigma[k]
                top.semilogy(np.arange(len(off)), np.maximum(off, 1e-3), color=FIT if good else "#bbbbbb", lw=0.9, zorder=2 + good)
            top.axhline(3, color=TRUTH, lw=1, ls="--")
            top.set(xlabel="iteration", title=label)
            pulls = np.array([m["pull"][k] for m in mocks])
            pull.hist(np.clip(pulls, -5, 5), np.arange(-5, 5.01, 0.5), color=FIT, alpha=0.8)
            x = np.linspace(-5, 5, 201)
            pull.plot(x, len(pulls) * 0.5 * np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi), color=TRUTH)
            pull.set(xlabel="(fit - truth) / sigma", title=f"mean {pulls.mean():+.2f}, rms {np.sqrt((pulls**2).mean()):.2f}")
            true = np.array([m["truth"][k] for m in mocks])
            off = np.array([wrapped(m["fit"] - m["truth"])[k] for m in mocks])
            scatter.errorbar(true, off, [m["sigma"][k] for m in mocks], fmt="o", ms=2.5, lw=0.7, color=FIT)
            scatter.axhline(0, color=TRUTH, lw=1)
            scatter.set(xlabel="true " + label, ylabel="fit - truth" if k == 0 else None)
        axes[0, 0].set_ylabel("|distance from truth| / sigma")
        axes[1, 0].set_ylabel("mocks")
    return figure


def main():
    options = support.arguments(__doc__, seed=2, stars=(250, "of the mock"), workers=(2, "processes, each of one thread"))
    n_starts, n_mocks = (2, 3) if options.quick else (20, 100)
    common = (options.library, options.stars)

    setup(*common)
    truth, _, random = mock(P, SIGMA, options.seed)
    say(f"truth: {', '.join(f'{n} {t:.3f}' for n, t in zip(NAMES, truth))}")
    jobs = [(options.seed, draw(random)) for _ in range(n_starts)]
    pool = scene.in_processes(one_start, jobs, options.workers, setup, common, every=10, what="starts")
    best = min(pool, key=lambda s: s["loss"])
    best["fit"][1] %= 360
    sigma = np.sqrt(np.diag(np.linalg.inv(P.curvature(best["fit"], SIGMA))))
    reached = [s for s in pool if s["loss"] < best["loss"] + 10]
    turned = [s for s in pool if s["loss"] >= best["loss"] + 10
              and abs(abs(wrapped(s["fit"] - best["fit"])[1]) - 180) < 30]
    pull = wrapped(best["fit"] - truth) / sigma
    for n, t, f, s in zip(NAMES, truth, best["fit"], sigma):
        say(f"{n}: {f:.4f} +- {s:.4f}, truth {t:.4f}")
    say(f"{len(reached)} of {n_starts} starts end in the best minimum, {len(turned)} in the one turned by half a circle, "
        f"{n_starts - len(reached) - len(turned)} elsewhere")

    mocks = scene.in_processes(one_mock, range(1000 + options.seed * 1000, 1000 + options.seed * 1000 + n_mocks), options.workers,
                               setup, common)
    pulls = np.array([m["pull"] for m in mocks])
    within = np.abs(pulls) <= 3
    say("within 3 sigma:", ", ".join(f"{n} {w}" for n, w in zip(NAMES, within.sum(axis=0))),
        f"; all four in {within.all(axis=1).sum()} of {n_mocks} mocks")
    support.finish(options.output, "geometry", {
        "seed": options.seed, "stars": options.stars, "shape": P.model.shape, "signal_to_noise": SIGNAL_TO_NOISE,
        "truth": dict(zip(NAMES, truth)), "fit": dict(zip(NAMES, best["fit"])), "sigma": dict(zip(NAMES, sigma)),
        "starts": n_starts, "starts_in_best_minimum": len(reached), "starts_turned": len(turned),
        "evaluations_per_start": float(np.mean([s["evaluations"] for s in pool])),
        "mocks": n_mocks, "within_3_sigma": dict(zip(NAMES, within.sum(axis=0))), "all_within_3_sigma": int(within.all(axis=1).sum()),
        "pull_rms": dict(zip(NAMES, np.sqrt((pulls**2).mean(axis=0)))),
        "starts_per_mock": float(np.mean([m["starts"] for m in mocks])),
        "mean_mahalanobis": float(np.mean([m["mahalanobis"] for m in mocks])),
        "mean_reduced_chi2": float(np.mean([m["reduced"] for m in mocks])),
    }, draw_figure(truth, sigma, pool, mocks))
    return 0 if np.all(np.abs(pull) <= 3) and within.all(axis=1).mean() >= 0.95 else 1


if __name__ == "__main__":
    sys.exit(main())
