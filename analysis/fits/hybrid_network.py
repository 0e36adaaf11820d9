"""A hybrid network: an encoder reads a noisy cube, Tessera draws the galaxy that it believes to see.

    python analysis/fits/hybrid_network.py [--quick] [--output docs/figures]

Encoder (equinox): the cube's principal components -> a small network -> five numbers about a disc galaxy. Decoder: Tessera,
through tessera.jax: those numbers -> cube. Trained end to end (optax's Adam) on what comes back, chi^2 between the decoder's cube
and the observed one: the encoder is never told a parameter, all it learns it learns through Tessera's gradient. Then it
reads mocks that it has not seen, and is compared with what knows nothing: the middle of the prior for the parameters, and the cube
there for chi^2.
"""

import tempfile

import numpy as np

import support

SPAXELS, SPAXEL = 10, 1.0  # arcsec
WAVELENGTH = [4080.0, 4260.0, 3.0]  # calcium's H and K at the galaxy's redshift
NOISE = 0.01  # of the brightest voxel of the prior's middle
# name, lowest, highest, unit: uniform prior
PRIOR = (("systemic_velocity", -150.0, 150.0, "km/s"), ("rotation", 50.0, 350.0, "km/s"), ("psf_fwhm", 1.4, 2.8, "arcsec"),
         ("log_age", 9.2, 9.8, "log10(yr)"), ("age_gradient", -0.25, 0.05, "dex/kpc"))
COMPONENTS = 32  # of the cubes, that the network sees beside the light of the whole
LOW, HIGH = (np.array([p[k] for p in PRIOR]) for k in (1, 2))


def configuration(library):
    return {"view": {"redshift": 0.05, "orientation": "none", "inclination": 50.0, "position_angle": 30.0,
                     "systemic_velocity": "none"},
            "telescope": {"fov": SPAXELS * SPAXEL, "spaxel": SPAXEL, "aperture": "square", "wavelength": WAVELENGTH},
            "ssp": {"library": library}, "spectra": {"accuracy": 1e-3},
            "psf": {"kind": "gaussian", "fwhm": 2.0}, "lsf": {"fwhm": 6.0}}


def disc(n, seed):
    """A thin exponential disc about the z axis, 2e10 Msun: its stars' mass, metallicity, coords; velocity of 25 km/s at random;
    how they turn for each km/s of rotation; radius [kpc]."""
    random = np.random.default_rng(seed)
    radius = np.minimum(random.gamma(2.0, 1.5, n), 8.0)
    phi = 2 * np.pi * random.random(n)
    cos, sin, zero = np.cos(phi), np.sin(phi), np.zeros(n)
    turn = np.tanh(radius / 0.8)[:, None] * np.stack([-sin, cos, zero], axis=1)
    stars = {"mass": np.full(n, 2e10 / n), "metallicity": np.full(n, 0.015),
             "coords": np.stack([radius * cos, radius * sin, 0.15 * random.normal(size=n)], axis=1),
             "velocity": 25 * random.normal(size=(n, 3))}
    return stars, turn, radius


def decoder(tessera, jax, library, n_stars, seed):
    """cube(fraction [5]) in units of the noise [ny][nx][nLambda], and the noise [flux]; fraction 0 to 1: where in the prior."""
    import tessera.jax as tessera_jax
    jnp = jax.numpy
    model = tessera.Model(configuration(library))
    forward = tessera_jax.make_forward(model)
    stars, turn, radius = jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), disc(n_stars, seed))
    i = np.radians(model.config["view"]["inclination"])
    sight = np.array([0.0, np.sin(i), np.cos(i)], np.float32)  # the line of sight in the disc's frame

    def flux(fraction):
        systemic, rotation, fwhm, log_age, gradient = jnp.asarray(LOW) + fraction * jnp.asarray(HIGH - LOW)
        return forward(stars | {"velocity": stars["velocity"] + rotation * turn + systemic * sight,
                                "log_age": jnp.clip(log_age + gradient * (radius - 3.0), 8.1, 10.1)}, {"psf_fwhm": fwhm})

    noise = NOISE * float(jax.jit(flux)(np.full(len(PRIOR), 0.5, np.float32)).max())
    return jax.jit(lambda fraction: flux(fraction) / noise), model


def make_encoder(equinox, jax, cubes, key):
    """A module cube -> fractions of the prior. cubes: some without noise, of which it has the principal components."""
    def features(cube, xp):
        """The cube in units of its own mean, and the logarithm of that."""
        mean = cube.mean(axis=(-3, -2, -1), keepdims=True)
        return (cube / mean).reshape(*cube.shape[:-3], -1), xp.log(xp.maximum(mean[..., 0, 0], 0.1))

    shapes, light = features(cubes, np)
    mean, middle, spread = shapes.mean(axis=0), light.mean(), light.std()
    kept = min(COMPONENTS, len(cubes) // 4)
    # The principal components of what differs between the cubes, in order of signal to noise, since noise has all directions alike.
    axes = np.linalg.svd(shapes - mean, full_matrices=False)[2][:kept]
    noise = 1 / np.exp(middle)
    axes = axes / np.sqrt(noise**2 + np.var((shapes - mean) @ axes.T, axis=0))[:, None]  # about unit variance, noise included

    class Encoder(equinox.Module):
        network: equinox.nn.MLP

        def __call__(self, cube):
            shape, light = features(cube, jax.numpy)
            seen = jax.numpy.concatenate([axes @ (shape - mean), (light - middle) / spread])
            return jax.nn.sigmoid(self.network(seen))

    network = equinox.filter_jit(equinox.nn.MLP)(kept + 1, len(PRIOR), 64, 2, jax.nn.gelu, key=key)
    return Encoder(network)


def with_noise(cubes, random):
    return cubes + random.standard_normal(cubes.shape, dtype=np.float32)


def train(jax, equinox, optax, decode, encoder, clean, steps, batch, random):
    """The encoder after it, and the loss of each step: mean ln(chi^2 a voxel) of the decoder's cube against the noisy one."""
    jnp = jax.numpy
    optimiser = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(optax.cosine_decay_schedule(4e-3, steps, 0.02)))
    state = equinox.filter_jit(optimiser.init)(equinox.filter(encoder, equinox.is_array))

    def loss(encoder, noisy):
        drawn = jax.vmap(decode)(jax.vmap(encoder)(noisy))
        return jnp.mean(jnp.log(jnp.mean((drawn - noisy) ** 2, axis=(1, 2, 3))))

    @equinox.filter_jit
    def step(encoder, state, noisy):
        value, slope = equinox.filter_value_and_grad(loss)(encoder, noisy)
        change, state = optimiser.update(slope, state)
        return equinox.apply_updates(encoder, change), state, value

    losses = []
    for number in range(steps):
        encoder, state, value = step(encoder, state, with_noise(clean[random.choice(len(clean), batch, replace=False)], random))
        losses.append(float(value))
        if (number + 1) % max(steps // 16, 1) == 0:
            support.say(f"step {number + 1} of {steps}: ln(chi^2 a voxel) {np.mean(losses[-25:]):.3f}")
    return encoder, losses


def flanks(cube, wavelength):
    """A map of the velocities: what calcium's K line leaves in its blue flank less in its red one, over the mean; NaN without light."""
    off = wavelength - 3933.7 * 1.05
    blue, red = (cube[:, :, (side * off > 0) & (side * off < 12)].mean(axis=2) for side in (-1, 1))
    mean = cube.mean(axis=2)
    return np.where(mean > 10, (blue - red) / np.maximum(mean, 1), np.nan)


def draw(plt, losses, truth, found, chi2, chi2_of_middle, images):
    import matplotlib as mpl
    with mpl.rc_context(support.STYLE):
        fig = plt.figure(figsize=(11.5, 5.6))
        grid = fig.add_gridspec(1, 4, width_ratios=(1, 1, 1.35, 1.35), wspace=0.25, left=0.06, right=0.98, top=0.95, bottom=0.6)
        lower = fig.add_gridspec(1, len(PRIOR), wspace=0.36, left=0.06, right=0.98, top=0.44, bottom=0.1).subplots()
        ax = fig.add_subplot(grid[0, 0])
        smooth = np.convolve(losses, np.ones(9) / 9, mode="valid")
        ax.plot(np.exp(losses), color=support.FIT, alpha=0.25, lw=0.7)
        ax.plot(np.arange(len(smooth)) + 4, np.exp(smooth), color=support.FIT, lw=1.5)
        ax.axhline(1, color="#888888", lw=0.8, ls="--")
        ax.set(yscale="log", xlabel="step", ylabel="χ² a voxel", title="training")
        ax = fig.add_subplot(grid[0, 1])
        bins = np.logspace(np.log10(min(chi2.min(), 0.9)), np.log10(chi2_of_middle.max()), 40)
        ax.hist(chi2_of_middle, bins, color="#bbbbbb", label="prior's middle")
        ax.hist(chi2, bins, color=support.FIT, label="network")
        ax.set(xscale="log", xlabel="χ² a voxel", ylabel="mocks", title="mocks not seen before")
        ax.legend(frameon=False, fontsize=8)
        for place, (title, seen, drawn) in enumerate(images):
            ax = fig.add_subplot(grid[0, 2 + place])
            both = np.concatenate([seen, np.full((len(seen), 1), np.nan), drawn], axis=1)
            most = np.nanmax(abs(drawn))
            ax.imshow(both, origin="lower", cmap="magma" if place == 0 else "RdBu_r", vmin=0 if place == 0 else -most, vmax=most)
            ax.set(xticks=[], yticks=[], title=title, facecolor="#dddddd")
            ax.set_xlabel("observed        drawn")
        for k, (name, low, high, unit) in enumerate(PRIOR):
            ax = fig.add_subplot(lower[k])
            ax.plot([low, high], [low, high], color="#888888", lw=0.8)
            ax.axhline((low + high) / 2, color="#bbbbbb", lw=0.8, ls="--")
            ax.plot(truth[:, k], found[:, k], ".", color=support.FIT, ms=4)
            ax.set(xlabel="truth", ylabel="" if k else "network", title=f"{name.replace('_', ' ').replace('psf', 'PSF')} [{unit}]")
        return fig


def main():
    options = support.arguments(__doc__, seed=1, library="emiles")
    tessera, jax, equinox, optax, matplotlib = support.modules("tessera", "jax", "equinox", "optax", "matplotlib")
    matplotlib.use("Agg")
    plt, = support.modules("matplotlib.pyplot")
    n_stars, mocks, unseen, steps, batch = (100, 64, 16, 60, 6) if options.quick else (200, 1500, 200, 2500, 16)

    with tempfile.TemporaryDirectory() as folder:
        whole = tessera.Model(configuration(options.library)).library
        library = support.thinned_library(whole, np.arange(8.0, 10.2, 0.15), (0.008, 0.02), (3500.0, 4600.0), folder + "/ssp.hdf5")
        decode, model = decoder(tessera, jax, library, n_stars, options.seed)
    random = np.random.default_rng(options.seed)
    fractions, unseen_fractions = (random.random((n, len(PRIOR)), dtype=np.float32) for n in (mocks, unseen))

    def many(fractions):
        return np.stack([np.asarray(decode(f)) for f in fractions])

    clean, unseen_clean = many(fractions), many(unseen_fractions)
    support.say(f"{mocks} mocks to train on, {unseen} for later: {model.shape} voxels, {n_stars} stars")

    encoder = make_encoder(equinox, jax, clean[:400], jax.random.key(options.seed))
    encoder, losses = train(jax, equinox, optax, decode, encoder, clean, steps, batch, random)

    noisy = with_noise(unseen_clean, random)
    guess = np.asarray(equinox.filter_jit(lambda encoder, cubes: jax.vmap(encoder)(cubes))(encoder, noisy))
    drawn, middle = many(guess), many(np.full((1, len(PRIOR)), 0.5, np.float32))
    chi2, chi2_of_middle = (np.mean((c - noisy) ** 2, axis=(1, 2, 3)) for c in (drawn, middle))
    truth, found = (LOW + f.astype(float) * (HIGH - LOW) for f in (unseen_fractions, guess))
    results = {"library": options.library, "seed": options.seed, "quick": options.quick, "cube": list(model.shape), "stars": n_stars,
               "training_mocks": mocks, "unseen_mocks": unseen, "steps": steps, "batch": batch,
               "loss_first_quarter": round(float(np.mean(losses[:steps // 4])), 3),
               "loss_last_quarter": round(float(np.mean(losses[-(steps // 4):])), 3),
               "median_chi2": round(float(np.median(chi2)), 3), "median_chi2_of_prior_middle": round(float(np.median(chi2_of_middle)), 1),
               "parameters": {}}
    for k, (name, *_, unit) in enumerate(PRIOR):
        off, trivial = found[:, k] - truth[:, k], (LOW + HIGH)[k] / 2 - truth[:, k]
        results["parameters"][name] = {"unit": unit, "rms_error": round(float(np.sqrt(np.mean(off ** 2))), 4),
                                       "median_error": round(float(np.median(abs(off))), 4),
                                       "rms_error_of_prior_middle": round(float(np.sqrt(np.mean(trivial ** 2))), 4),
                                       "correlation": round(float(np.corrcoef(found[:, k], truth[:, k])[0, 1]), 4)}
        support.say(f"{name:18s}", results["parameters"][name])
    support.say(f"median chi^2 a voxel of mocks not seen before: {np.median(chi2):.3f}, of the prior's middle {np.median(chi2_of_middle):.1f}")
    show = int(np.argsort(chi2)[len(chi2) // 2])
    pair = [np.asarray(c[show]) for c in (noisy, drawn)]
    fields = [flanks(c, model.wavelength) for c in pair]
    images = [("mean flux", *(np.arcsinh(c.mean(axis=2)) for c in pair)), ("calcium K: blue flank − red flank", *fields)]
    support.finish(options.output, "hybrid_network", results, draw(plt, losses, truth, found, chi2, chi2_of_middle, images))


if __name__ == "__main__":
    main()
