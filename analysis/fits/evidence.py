"""Which library of stellar spectra a galaxy's noisy cube speaks for: Bayesian evidence, by nested sampling (dynesty) and by
Laplace's approximation with the gradient's mode and J^T W J.

Two mocks, one of each library, and for each both libraries as hypotheses. A hypothesis has free the galaxy's mass, age, metallicity
(changes of all stars), systemic velocity and the FWHM of the PSF, with the same normal priors. Libraries differ in their
mass-to-light ratio, which the mass takes up, and in their spectra's shape and lines, which nothing does.

    python analysis/fits/evidence.py          # a few minutes on 2 cores
"""

import sys
from pathlib import Path

import matplotlib
import numpy as np
import scene
import support
from scene import jnp, tessera
from support import FIT, TRUTH, say

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

dynesty, special = support.modules("dynesty", "scipy.special")

# Name, mean and standard deviation of the normal prior, truth. Sampled are their deviations from the mean in standard deviations.
PRIOR = {"log_mass": (0.0, 0.3, 0.0), "log_age": (0.0, 0.15, 0.0), "log_metallicity": (0.0, 0.2, 0.0),
         "systemic_velocity": (0.0, 50.0, 20.0), "psf_fwhm": (2.0, 0.2, 2.0)}
MEAN, SPREAD, TRUE = np.array(list(PRIOR.values())).T
INCLINATION = 50.0
SIGNAL_TO_NOISE = 1.5  # a voxel of median flux
DECISIVE = 5.0  # difference of ln Z: odds of 150


def problem(library, n_stars):
    view = {"redshift": 0.05, "orientation": "none", "systemic_velocity": "none", "inclination": INCLINATION}
    model = tessera.Model(scene.config(library, (4850.0, 5350.0, 5.0), view=view), threads=1)
    stars = {k: jnp.asarray(v) for k, v in scene.stars(n_stars).items()}
    i = np.radians(INCLINATION)
    sight = jnp.array([0.0, np.sin(i), np.cos(i)])

    def inputs(u):
        theta = MEAN + SPREAD * u
        changed = {"mass": stars["mass"] * 10 ** theta[0], "log_age": stars["log_age"] + theta[1],
                   "metallicity": stars["metallicity"] * 10 ** theta[2]}
        return stars | changed, {"systemic_velocity": -theta[3] * sight, "psf_fwhm": theta[4]}
    return scene.Problem(model, inputs, prior=lambda u: 0.5 * jnp.sum(u**2))


def mock(library, seed, n_stars):
    p = problem(library, n_stars)
    cube = np.asarray(p.cube(jnp.asarray((TRUE - MEAN) / SPREAD)))
    image = cube.mean(axis=2)
    sigma = float(np.median(cube[image > 0.01 * image.max()]) / SIGNAL_TO_NOISE)
    return {"library": library, "data": cube + sigma * np.random.default_rng(seed).normal(size=cube.shape), "sigma": sigma,
            "clean": cube, "wavelength": p.model.wavelength}


def evidence(job):
    """Both evidences of one hypothesis. ln Z is relative to the likelihood's constant, the same for all."""
    mocked, library, n_stars, live, walks, n_starts, seed = job
    p, data, sigma, d = problem(library, n_stars), jnp.asarray(mocked["data"]), mocked["sigma"], len(PRIOR)
    random = np.random.default_rng(seed)
    starts = [np.zeros(d), *random.normal(size=(n_starts - 1, d))]
    mode, loss, _ = min((p.gauss_newton(s, data, sigma, (-6, 6), normal_prior=True) for s in starts), key=lambda f: f[1])
    curvature = p.curvature(mode, sigma)  # of the prior, normalised, and the likelihood
    laplace = -loss - 0.5 * np.linalg.slogdet(curvature)[1]

    def log_likelihood(u):
        return 0.5 * float(u @ u) - float(p.value(jnp.asarray(u), data, sigma))
    sampler = dynesty.NestedSampler(log_likelihood, special.ndtri, d, nlive=live, sample="rwalk", walks=walks,
                                    rstate=random)
    sampler.run_nested(dlogz=0.1, print_progress=False)
    r = sampler.results
    cube = np.asarray(p.cube(jnp.asarray(mode)))
    return {"mock": mocked["library"], "library": library, "nested": float(r.logz[-1]), "nested_error": float(r.logzerr[-1]),
            "laplace": float(laplace), "chi2_per_voxel": float(np.mean((mocked["data"] - cube) ** 2)) / sigma**2,
            "mode": MEAN + SPREAD * mode, "sigma": SPREAD * np.sqrt(np.diag(np.linalg.inv(curvature))), "cubes": int(np.sum(r.ncall)),
            "samples": MEAN + SPREAD * r.samples_equal(rstate=random), "cube": cube}


def draw_figure(mocks, results):
    names = [Path(m["library"]).stem for m in mocks]
    colours = dict(zip((r["library"] for r in results), (FIT, "#e07a00")))
    with plt.rc_context(support.STYLE):
        figure, axes = plt.subplots(len(mocks), 3, figsize=(13, 3.5 * len(mocks)), squeeze=False, layout="constrained",
                                    width_ratios=(1.5, 0.8, 1))
        for row, m, name in zip(axes, mocks, names):
            image = m["clean"].mean(axis=2)
            weight = image * (image > 0.05 * image.max())  # the galaxy's spectrum: spaxels weighted with their light
            n = np.sqrt((weight**2).sum()) * m["sigma"]
            both = [r for r in results if r["mock"] == m["library"]]
            best = max(r["nested"] for r in both)
            row[0].axhspan(-1, 1, color="#eeeeee", zorder=0)
            for k, r in enumerate(both):
                label, colour = Path(r["library"]).stem, colours[r["library"]]
                residual = ((m["data"] - r["cube"]) * weight[:, :, None]).sum(axis=(0, 1)) / n
                row[0].plot(m["wavelength"], residual, color=colour, lw=1.2, label=f"{label}: χ² a voxel {r['chi2_per_voxel']:.3f}")
                row[1].errorbar(k, r["nested"] - r["laplace"], 3 * r["nested_error"], fmt="o", color=colour, capsize=3)
                if r["library"] == m["library"]:
                    row[2].plot(r["samples"][:, 1], r["samples"][:, 2], ".", ms=2, alpha=0.4, color=colour, rasterized=True)
            row[0].set(xlabel="wavelength [Å]", ylabel="residual / σ, galaxy's light", title=f"Mock of {name}: data less best fit")
            row[0].legend(frameon=False, fontsize=8)
            row[1].axhline(0, color="#888888", lw=0.8)
            row[1].set_xticks(range(len(both)), [f"{Path(r['library']).stem}\nln Z − best:\n{r['nested'] - best:.1f}" for r in both])
            row[1].set(xlim=(-0.6, 1.6), ylabel="nested − Laplace", title="ln Z, 3σ of nested sampling")
            row[2].plot(TRUE[1], TRUE[2], "+", color=TRUTH, ms=14, mew=2)
            row[2].set(xlabel="age [dex]", ylabel="metallicity [dex]", title=f"Posterior with {name}, truth (+)")
    return figure


def main():
    options = support.arguments(__doc__, seed=4, stars=(250, "of the mock"), other=("emiles", "the other SSP library"),
                                workers=(2, "processes, each of one thread"))
    live, walks, n_starts = (25, 8, 2) if options.quick else (100, 25, 8)
    libraries = (options.other, options.library)
    mocks = [mock(library, options.seed, options.stars) for library in libraries[:1 if options.quick else 2]]
    jobs = [(m, library, options.stars, live, walks, n_starts, options.seed) for m in mocks for library in libraries]
    results = scene.in_processes(evidence, jobs, options.workers, every=1, what="hypotheses")
    for r in results:
        r["agree"] = bool(abs(r["nested"] - r["laplace"]) <= 3 * r["nested_error"])
        say(f"mock {r['mock']}, hypothesis {r['library']}: ln Z {r['nested']:.2f} +- {r['nested_error']:.2f} (nested, {r['cubes']} cubes), "
            f"{r['laplace']:.2f} (Laplace); chi^2 {r['chi2_per_voxel']:.4f} a voxel")
    odds = {}
    for m in mocks:
        of = {r["library"] == m["library"]: r for r in results if r["mock"] == m["library"]}
        odds[m["library"]] = {kind: of[True][kind] - of[False][kind] for kind in ("nested", "laplace")}
        say(f"mock of {m['library']}: ln of the odds for it {odds[m['library']]['nested']:.2f} (nested), "
            f"{odds[m['library']]['laplace']:.2f} (Laplace)")
    keys = ("mock", "library", "nested", "nested_error", "laplace", "agree", "chi2_per_voxel", "mode", "sigma", "cubes")
    support.finish(options.output, "evidence", {
        "seed": options.seed, "stars": options.stars, "shape": mocks[0]["data"].shape, "signal_to_noise": SIGNAL_TO_NOISE,
        "live_points": live, "parameters": list(PRIOR), "hypotheses": [{k: r[k] for k in keys} for r in results], "ln_odds": odds,
    }, draw_figure(mocks, results))
    right = all(o > DECISIVE for of in odds.values() for o in of.values())
    return 0 if right and (options.quick or all(r["agree"] for r in results)) else 1


if __name__ == "__main__":
    sys.exit(main())
