"""Which library of stellar spectra a galaxy's noisy cube speaks for: Bayesian evidence, by nested sampling (dynesty) and by Laplace's approximation with the gradient's mode and J^T W J.

The mock: E-MILES spectra. The hypotheses: E-MILES, and Bruzual & Charlot (2003). Each has free the galaxy's mass, age, metallicity (changes of all stars), systemic velocity and the FWHM
of the PSF, with the same uniform priors. Libraries differ in their mass-to-light ratio, which the mass takes up, and in their
spectra's shape and lines, which nothing does.

    python analysis/fits/evidence.py          # a few minutes on 2 cores
"""

import sys

import matplotlib
import numpy as np
import scene
import support
from scene import jnp, tessera
from support import FIT, INK, TRUTH, say

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

(dynesty,) = support.modules("dynesty")

# Name, uniform prior, scale of the fit.
PRIOR = {"log_mass": (-0.4, 0.4, 0.05), "log_age": (-0.3, 0.3, 0.05), "log_metallicity": (-0.4, 0.4, 0.05),
         "systemic_velocity": (-150.0, 150.0, 10.0), "psf_fwhm": (1.5, 2.5, 0.1)}
TRUTH_OF = {"log_mass": 0.0, "log_age": 0.0, "log_metallicity": 0.0, "systemic_velocity": 20.0, "psf_fwhm": 2.0}
INCLINATION = 50.0
SIGNAL_TO_NOISE = 4.0  # a voxel of median flux


def problem(library, n_stars):
    view = {"redshift": 0.05, "orientation": "none", "systemic_velocity": "none", "inclination": INCLINATION}
    model = tessera.Model(scene.config(library, (4850.0, 5350.0, 10.0), view=view), threads=1)
    stars = {k: jnp.asarray(v) for k, v in scene.stars(n_stars).items()}
    i = np.radians(INCLINATION)
    sight = jnp.array([0.0, np.sin(i), np.cos(i)])

    def inputs(theta):
        changed = {"mass": stars["mass"] * 10 ** theta[0], "log_age": stars["log_age"] + theta[1],
                   "metallicity": stars["metallicity"] * 10 ** theta[2]}
        return stars | changed, {"systemic_velocity": -theta[3] * sight, "psf_fwhm": theta[4]}
    return scene.Problem(model, inputs)


def mock(library, seed, n_stars):
    p = problem(library, n_stars)
    cube = np.asarray(p.cube(jnp.array(list(TRUTH_OF.values()))))
    image = cube.mean(axis=2)
    sigma = float(np.median(cube[image > 0.01 * image.max()]) / SIGNAL_TO_NOISE)
    return cube + sigma * np.random.default_rng(seed).normal(size=cube.shape), sigma, cube, p.model.wavelength


def evidence(job):
    """Both evidences of one hypothesis. ln Z is relative to the likelihood's constant, the same for all."""
    label, library, data, sigma, n_stars, live, seed = job
    p, data = problem(library, n_stars), jnp.asarray(data)
    low, high, scale = np.array(list(PRIOR.values())).T
    d = len(low)

    start = np.array(list(TRUTH_OF.values())) + scale
    mode, loss, _ = p.minimise(start, scale, data, sigma, list(zip(low, high)))
    curvature = p.curvature(mode, sigma)
    volume = np.log(high - low).sum()
    laplace = -loss - volume + 0.5 * d * np.log(2 * np.pi) - 0.5 * np.linalg.slogdet(curvature)[1]
    width = np.sqrt(np.diag(np.linalg.inv(curvature)))

    sampler = dynesty.NestedSampler(lambda x: -float(p.value(jnp.asarray(x), data, sigma)), lambda u: low + u * (high - low), d,
                                    nlive=live, bootstrap=0, sample="unif", rstate=np.random.default_rng(seed))
    sampler.run_nested(dlogz=0.1, print_progress=False)
    r = sampler.results
    samples = r.samples_equal(rstate=np.random.default_rng(seed))
    return {"label": label, "nested": float(r.logz[-1]), "nested_error": float(r.logzerr[-1]),
            "laplace": float(laplace), "loss": float(loss), "mode": mode, "width": width, "samples": samples,
            "edge": float(np.min(np.minimum(mode - low, high - mode) / width)), "evaluations": int(np.sum(r.ncall)),
            "cube": np.asarray(p.cube(jnp.asarray(mode)))}


def draw_figure(results, data, sigma, clean, wavelength):
    colours = {r["label"]: c for r, c in zip(results, (FIT, "#e07a00"))}
    best = max(r["nested"] for r in results)
    with plt.rc_context(support.STYLE):
        figure, axes = plt.subplots(1, 3, figsize=(13.5, 4.2), layout="constrained", width_ratios=(1.3, 1, 1))
        image = clean.mean(axis=2)
        weight = image * (image > 0.05 * image.max())  # the galaxy's spectrum: spaxels weighted with their light
        n = np.sqrt((weight**2).sum()) * sigma

        def spectrum(cube):
            return (cube * weight[:, :, None]).sum(axis=(0, 1)) / n
        for r in results:
            axes[0].plot(wavelength, spectrum(data - r["cube"]), color=colours[r["label"]], lw=1.2, label=r["label"])
        axes[0].axhspan(-1, 1, color="#eeeeee", zorder=0)
        axes[0].set(xlabel="wavelength [Angstrom]", ylabel="residual of the whole galaxy / sigma", title="Data less best fit")
        axes[0].legend(frameon=False, fontsize=8)
        for k, r in enumerate(results):
            axes[1].errorbar(k - 0.1, r["nested"] - best, 3 * r["nested_error"], fmt="o", color=colours[r["label"]], capsize=3)
            axes[1].plot(k + 0.1, r["laplace"] - best, "D", color=INK, mfc="none")
        axes[1].set_xticks(range(len(results)), [r["label"] for r in results], fontsize=8)
        axes[1].set(ylabel="ln Z - best", title="Evidence: nested (dots, 3 sigma), Laplace (diamonds)")
        for r in results:
            axes[2].plot(r["samples"][:, 1], r["samples"][:, 2], ".", ms=1.5, alpha=0.4, color=colours[r["label"]], rasterized=True)
        axes[2].plot(TRUTH_OF["log_age"], TRUTH_OF["log_metallicity"], "+", color=TRUTH, ms=14, mew=2)
        axes[2].set(xlabel="age [dex]", ylabel="metallicity [dex]", title="Posterior, truth (+)")
    return figure


def main():
    options = support.arguments(__doc__, seed=4, stars=(250, "of the mock"), truth=("emiles", "library that made the mock"),
                                workers=(2, "processes, each of one thread"))
    live = 50 if options.quick else 100
    data, sigma, clean, wavelength = mock(options.truth, options.seed, options.stars)
    jobs = [(label, library, data, sigma, options.stars, live, options.seed)
            for label, library in (("library of the mock", options.truth), ("the other", options.library))]
    results = scene.in_processes(evidence, jobs, options.workers, every=1, what="hypotheses")
    for r in results:
        r["agree"] = bool(abs(r["nested"] - r["laplace"]) <= 3 * r["nested_error"])
        say(f"{r['label']}: ln Z {r['nested']:.2f} +- {r['nested_error']:.2f} (nested, {r['evaluations']} cubes), "
            f"{r['laplace']:.2f} (Laplace); chi^2 {2 * r['loss'] / data.size:.4f} a voxel; {r['edge']:.0f} sigma from the prior's edge")
    best = max(results, key=lambda r: r["nested"])
    say(f"the cube speaks for {best['label']}")
    keys = ("label", "nested", "nested_error", "laplace", "evaluations", "mode", "width", "agree")
    support.finish(options.output, "evidence", {
        "seed": options.seed, "stars": options.stars, "shape": data.shape, "signal_to_noise": SIGNAL_TO_NOISE, "live_points": live,
        "hypotheses": [{k: r[k] for k in keys} for r in results], "best": best["label"],
    }, draw_figure(results, data, sigma, clean, wavelength))
    return 0 if options.quick or (all(r["agree"] for r in results) and best["label"] == jobs[0][0]) else 1


if __name__ == "__main__":
    sys.exit(main())
