"""Posterior of five parameters of a galaxy by Hamiltonian Monte Carlo (numpyro), and whether it is calibrated.

1. One mock: NUTS, against the Gaussian of Laplace's approximation.
2. 200 mocks with parameters drawn from the prior (simulation-based calibration; Talts et al. 2018, arXiv:1804.06788): the
   rank of the truth among independent draws of its posterior is uniform if model, gradient and sampler are right. HMC with
   trajectories of a quarter of a turn, thinned until draws are independent.
Both in coordinates in which the Gaussian at the mode, of covariance (J^T W J + 1)^-1, is the unit one: its mass matrix. The mode is
found by Gauss-Newton steps (scipy's least_squares) from several starts.

What is inferred changes all stars: a factor of their masses (prior: sigma 0.2 dex), shifts of log10 age (0.1 dex) and log10
metallicity (0.15 dex), a factor of velocities (sigma 0.3 of its logarithm), all Gaussian; and the inclination, cos i uniform in
0.25 to 0.9. Sampled are five numbers that are standard normal in the prior.

    python analysis/fits/posterior.py         # some minutes on 2 cores
"""

import sys
import tempfile

import matplotlib
import numpy as np
import scene
import support
from scene import jax, jnp, tessera
from support import FIT, INK, TRUTH, say

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

diagnostics, infer, hmc, stats = support.modules("numpyro.diagnostics", "numpyro.infer", "numpyro.infer.hmc", "scipy.stats")

NAMES = ("log_mass", "log_age", "log_metallicity", "log_velocity", "inclination")
LABELS = ("mass [dex]", "age [dex]", "metallicity [dex]", "ln velocity", "inclination [deg]")
SIGNAL_TO_NOISE = 5.0  # a voxel of median flux
WAVELENGTH = (5050.0, 5550.0, 5.0)
SAMPLE = 3.6  # Angstrom, of the library, which is averaged to that: gradients cost a third and widths are the same


def physical(u):
    """Five standard normal numbers as the parameters in NAMES. (A sampler that looks for its step may try absurd ones.)"""
    u = jnp.clip(u, -8, 8)
    cos = 0.25 + 0.65 * jax.scipy.stats.norm.cdf(u[..., 4])
    return jnp.stack([0.2 * u[..., 0], 0.1 * u[..., 1], 0.15 * u[..., 2], 0.3 * u[..., 3], jnp.degrees(jnp.arccos(cos))], axis=-1)


def problem(library, n_stars):
    whole = tessera.Model(scene.config(library, WAVELENGTH)).library
    step = np.median(np.diff(whole["wavelength"][(whole["wavelength"] > 4500) & (whole["wavelength"] < 5700)]))
    with tempfile.TemporaryDirectory() as folder:
        coarse = support.thinned_library(whole, None, None, (4500.0, 5700.0), folder + "/ssp.hdf5", max(1, int(SAMPLE / step)))
        model = tessera.Model(scene.config(coarse, WAVELENGTH), threads=1)
    stars = {k: jnp.asarray(v) for k, v in scene.stars(n_stars).items()}

    def inputs(u):
        theta = physical(u)
        changed = {"mass": stars["mass"] * 10 ** theta[0], "log_age": stars["log_age"] + theta[1],
                   "metallicity": stars["metallicity"] * 10 ** theta[2], "velocity": stars["velocity"] * jnp.exp(theta[3])}
        return stars | changed, {"inclination": theta[4]}
    return scene.Problem(model, inputs, prior=lambda u: 0.5 * jnp.sum(u**2))


def potential(z, data, mode, scale):
    """Minus the log posterior in coordinates in which Laplace's Gaussian is the unit one."""
    return P.loss(mode + scale @ z, data, SIGMA)


def setup(draws, thin, warmup, *arguments):
    global P, SIGMA, SAMPLER
    P = problem(*arguments)
    cube = np.asarray(P.cube(jnp.zeros(5)))
    image = cube.mean(axis=2)
    SIGMA = float(np.median(cube[image > 0.01 * image.max()]) / SIGNAL_TO_NOISE)
    start, step = hmc.hmc(potential_fn_gen=lambda *data: lambda z: potential(z, *data), algo="HMC")

    def chain(key, z, *data):
        state = start(z, num_warmup=0, step_size=0.5, trajectory_length=1.5, adapt_step_size=False, adapt_mass_matrix=False,
                      model_args=data, rng_key=key)

        def onward(state, _):
            state = step(state, model_args=data)
            return state, (state.z, state.accept_prob)
        _, (z, accept) = jax.lax.scan(onward, state, None, length=warmup + draws * thin)
        return z[warmup::thin], accept[warmup:].mean()
    SAMPLER = jax.jit(chain)  # one program for all mocks


def mock(seed):
    random = np.random.default_rng(seed)
    truth = random.normal(size=5)
    cube = np.asarray(P.cube(jnp.asarray(truth)))
    return truth, jnp.asarray(cube + SIGMA * random.normal(size=cube.shape)), random


def laplace(data, random):
    """The mode, a square root of the covariance there, and the number of starts: the prior's middle and draws from it, until the
    best of them was found twice, since a shift of all ages may leave young stars in a minimum of their own."""
    found = []
    while len(found) < 2 or (found[1][1] > found[0][1] + 0.1 and len(found) < 8):
        start = random.normal(size=5) if found else np.zeros(5)
        found = sorted([*found, P.gauss_newton(start, data, SIGMA, (-6, 6), normal_prior=True)], key=lambda f: f[1])
    mode = found[0][0]
    return mode, np.linalg.cholesky(np.linalg.inv(P.curvature(mode, SIGMA))), len(found)


def one_mock(seed):
    truth, data, random = mock(seed)
    mode, scale, starts = laplace(data, random)
    z, accept = SAMPLER(jax.random.PRNGKey(seed), jnp.asarray(random.normal(size=5)), data, jnp.asarray(mode), jnp.asarray(scale))
    u = mode + np.asarray(z) @ scale.T
    return {"rank": (u < truth).sum(axis=0), "z": np.asarray(z), "accept": float(accept), "starts": starts,
            "from_mode": float(P.value(jnp.asarray(truth), data, SIGMA) - P.value(jnp.asarray(mode), data, SIGMA))}


def nuts(data, mode, scale, draws, seed):
    kernel = infer.NUTS(potential_fn=lambda z: potential(z, data, mode, scale), step_size=0.5, adapt_step_size=False,
                        adapt_mass_matrix=False)
    sampler = infer.MCMC(kernel, num_warmup=50, num_samples=draws, num_chains=2, chain_method="sequential", progress_bar=False)
    start = np.random.default_rng(seed).normal(size=(2, 5))
    sampler.run(jax.random.PRNGKey(seed), init_params=jnp.asarray(start), extra_fields=("num_steps", "diverging"))
    return mode + np.asarray(sampler.get_samples(group_by_chain=True)) @ scale.T, sampler.get_extra_fields()


def draw_figure(truth, samples, gauss, ranks, n_ranks, bins):
    theta, t, g = (np.asarray(physical(jnp.asarray(x))) for x in (samples, truth, gauss))
    with plt.rc_context(support.STYLE):
        figure = plt.figure(figsize=(13.5, 7.6), layout="constrained")
        left, right = figure.subfigures(1, 2, width_ratios=(1.75, 1))
        axes = left.subplots(5, 5, sharex="col")
        for i in range(5):
            for j in range(5):
                ax = axes[i, j]
                if j > i:
                    ax.set_axis_off()
                    continue
                if i == j:
                    edges = np.histogram_bin_edges(theta[:, i], 30)
                    ax.hist(theta[:, i], edges, color=FIT, alpha=0.7, density=True)
                    ax.hist(g[:, i], edges, color=INK, histtype="step", lw=0.8, density=True)
                    ax.axvline(t[i], color=TRUTH)
                    ax.set_yticks([])
                else:
                    ax.plot(theta[:, j], theta[:, i], ".", ms=1.2, color=FIT, alpha=0.35, rasterized=True)
                    ax.plot(t[j], t[i], "+", ms=11, mew=1.6, color=TRUTH)
                    if j:
                        ax.tick_params(labelleft=False)
                if i == 4:
                    ax.set_xlabel(LABELS[j])
                if j == 0 and i:
                    ax.set_ylabel(LABELS[i])
                ax.locator_params(nbins=3)
        left.suptitle("One mock: NUTS (blue), Laplace (line), truth (red)")
        mocks = len(ranks)
        low, high = stats.binom.interval(0.99, mocks, 1 / bins)
        for k, ax in enumerate(right.subplots(5, 1, sharex=True)):
            counts = np.bincount(ranks[:, k] * bins // n_ranks, minlength=bins)
            ax.axhspan(low, high, color="#dddddd", zorder=0)
            ax.axhline(mocks / bins, color="#888888", lw=0.8, zorder=1)
            ax.bar((np.arange(bins) + 0.5) / bins, counts, 0.9 / bins, color=FIT)
            ax.set_title(f"{LABELS[k].split(' [')[0]}: p = {stats.chisquare(counts).pvalue:.2f}", fontsize=9)
            ax.set_ylim(0, 1.25 * max(high, counts.max()))
        ax.set_xlabel("rank of the truth / number of ranks")
        right.suptitle(f"Ranks in {mocks} mocks, 99 % band")
    return figure


def main():
    options = support.arguments(__doc__, seed=4, library="emiles", stars=(250, "of the mock"), mocks=(200, "of the calibration"), workers=(2, "processes, each of one thread"))
    draws, thin, warmup, mocks, bins, long = (9, 1, 5, 4, 2, 40) if options.quick else (29, 2, 10, options.mocks, 10, 200)
    common = (draws, thin, warmup, options.library, options.stars)

    setup(*common)
    truth, data, random = mock(options.seed)
    mode, scale, _ = laplace(data, random)
    say("mode and curvature of one mock")
    chains, extra = nuts(data, mode, scale, long, options.seed)
    samples = chains.reshape(-1, 5)
    gauss = mode + random.normal(size=(20000, 5)) @ scale.T
    theta, t = np.asarray(physical(jnp.asarray(samples))), np.asarray(physical(jnp.asarray(truth)))
    for k, n in enumerate(NAMES):
        say(f"{n}: {theta[:, k].mean():.4f} +- {theta[:, k].std():.4f}, truth {t[k]:.4f}")
    rhat, effective = diagnostics.split_gelman_rubin(chains), diagnostics.effective_sample_size(chains)
    say(f"NUTS: {len(samples)} draws, {np.mean(extra['num_steps']):.1f} gradients a draw, {int(np.sum(extra['diverging']))} divergent, "
        f"R-hat <= {rhat.max():.3f}, effective draws >= {effective.min():.0f}")

    first = 1000 * options.seed
    results = scene.in_processes(one_mock, range(first, first + mocks), options.workers, setup, common)
    ranks = np.array([r["rank"] for r in results])
    p = {n: float(stats.chisquare(np.bincount(ranks[:, k] * bins // (draws + 1), minlength=bins)).pvalue)
         for k, n in enumerate(NAMES)}
    say("chi^2 of ranks: " + ", ".join(f"{n} p = {v:.3f}" for n, v in p.items()))
    flat = min(p.values()) > 0.01 / len(p)
    z = np.array([r["z"] for r in results])
    z = z - z.mean(axis=1, keepdims=True)
    correlation = (z[:, 1:] * z[:, :-1]).mean(axis=(0, 1)) / (z**2).mean(axis=(0, 1))
    accept, starts, off = (np.array([r[k] for r in results]) for k in ("accept", "starts", "from_mode"))
    say(f"acceptance {accept.mean():.2f}, least {accept.min():.2f}; correlation of successive draws {np.round(correlation, 3)}; "
        f"{starts.mean():.2f} starts a mock; ln posterior of mode above truth: {off.min():.2f} to {off.max():.2f}")
    support.finish(options.output, "posterior", {
        "seed": options.seed, "stars": options.stars, "shape": P.model.shape, "signal_to_noise": SIGNAL_TO_NOISE,
        "truth": dict(zip(NAMES, t)), "mean": dict(zip(NAMES, theta.mean(axis=0))), "sigma": dict(zip(NAMES, theta.std(axis=0))),
        "nuts": {"draws": len(samples), "gradients_per_draw": float(np.mean(extra["num_steps"])),
                 "divergent": int(np.sum(extra["diverging"])), "rhat": float(rhat.max()), "effective": float(effective.min())},
        "mocks": mocks, "draws_per_mock": draws, "thinning": thin,
        "accept": float(accept.mean()), "least_accept": float(accept.min()), "correlation_of_draws": dict(zip(NAMES, correlation)),
        "starts_per_mock": float(starts.mean()), "mode_below_truth": int((off < -0.1).sum()), "bins": bins, "p_values": p,
        "flat": bool(flat),
    }, draw_figure(truth, samples, gauss, ranks, draws + 1, bins))
    return 0 if flat else 1


if __name__ == "__main__":
    sys.exit(main())
