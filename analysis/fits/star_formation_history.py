"""Star-formation history and metallicity of a galaxy, spaxel by spaxel, from its noisy cube.

    python analysis/fits/star_formation_history.py [--quick] [--output docs/figures]

A mock disc galaxy is observed with PSF, LSF and noise. The fit is given the instrument and the line-of-sight velocities (mean and
dispersion of each spaxel); unknown is the mass formed in each (spaxel, metallicity, age). A star is placed at each spaxel's centre
for each node of a grid of metallicities and ages, at three velocities, and the cube is linear in their masses: J, Tessera's
`Linearisation.jvp` and `.vjp`.

Masses are m = m0 exp(K^1/2 x): m0 those of a constant star-formation rate, of the spaxel's light; K the prior's covariance of
ln m. scipy's L-BFGS-B minimises |(J m - cube)/sigma|^2 + |x|^2. Uncertainties: x is normally distributed with the inverse
covariance I + A^T A, A = J diag(m) K^1/2 / sigma; samples of it are x + (I + A^T A)^-1 (a + A^T b) with a, b standard normal
(scipy's `cg`). Both are preconditioned with that matrix's blocks of one place each, the PSF's effect on neighbours left out.
"""

import tempfile

import numpy as np
import scipy.linalg
import scipy.ndimage
import scipy.optimize
from scipy.sparse.linalg import LinearOperator, cg

import support

LOG_AGE = (6.0, 6.5, 6.8, 7.1, 7.4, 7.7, 8.0, 8.3, 8.6, 8.9, 9.15, 9.4, 9.6, 9.8, 9.95, 10.1)
METALLICITY = (0.0004, 0.004, 0.008, 0.0126, 0.02, 0.0316, 0.05)
UNIVERSE = 10.13  # log10(age/yr): the oldest stars there may be
SPREAD, AGE_LENGTH, METALLICITY_LENGTH = 1.5, 0.5, 0.3  # prior of ln m: standard deviation; correlation lengths in dex


def configuration(spaxels, library):
    """Spaxels of 0.6 kpc and pixels of 12 Angstrom, as fine as the library's samples."""
    return {"view": {"redshift": 0.02, "orientation": "none", "inclination": 50.0, "position_angle": 30.0,
                     "systemic_velocity": "none"},
            "telescope": {"fov": 1.5 * spaxels, "spaxel": 1.5, "aperture": "square", "wavelength": [3700.0, 7000.0, 12.0]},
            "ssp": {"library": library},
            "psf": {"kind": "gaussian", "fwhm": 1.2}, "lsf": {"fwhm": 12.0},
            "noise": {"signal_to_noise": 50, "seed": 1}}


class Populations:
    """Unknowns [place][metallicity][age]; places are the spaxels and a ring around the field, whose light the PSF brings in."""

    ring = 1

    def __init__(self, tessera, model, velocity, dispersion, kpc):
        self.model = model.with_parameters(inclination=0.0, position_angle=0.0)
        self.log_age, self.log_z = model.library["log_age"], np.log10(METALLICITY)
        self.side = model.shape[0] + 2 * self.ring
        self.shape = (self.side ** 2, self.log_z.size, self.log_age.size)
        self.size = int(np.prod(self.shape))
        at = (np.arange(self.side) - (self.side - 1) / 2) * kpc
        y, x = (a.ravel() for a in np.meshgrid(at, at, indexing="ij"))
        # Three velocities with weights 1/6, 2/3, 1/6 have a normal distribution's moments up to the fifth.
        self.share = np.array([1, 4, 1]) / 6
        v = self.padded(velocity)[:, None] + self.padded(dispersion)[:, None] * np.sqrt(3) * np.array([-1, 0, 1])

        def column(values, *axes):
            return np.broadcast_to(np.expand_dims(values, axes), (*self.shape, 3)).reshape(-1)

        zero = np.zeros(3 * self.size)
        stars = tessera.Stars(mass=zero + 1, log_age=column(self.log_age, 0, 1, 3), metallicity=column(10 ** self.log_z, 0, 2, 3),
                              coords=np.stack([column(x, 1, 2, 3), column(y, 1, 2, 3), zero], axis=1),
                              velocity=np.stack([zero, zero, column(v, 1, 2)], axis=1))
        self.stars, self.at = stars, self.model.linearise(stars)
        self.products = 0

    def padded(self, image):
        return np.pad(image, self.ring, mode="edge").ravel()

    def field(self, values):
        """[ny][nx] of one value a place."""
        r = self.ring
        return np.reshape(values, (self.side, self.side))[r:-r, r:-r]

    def alone(self, bare_model):
        """What precondition() needs: spectra [place][node][nLambda] of 1 Msun without PSF, and the PSF's image of one place.

        bare_model: of the field and its ring, without PSF."""
        nodes = self.shape[1] * self.shape[2]
        at = bare_model.linearise(self.stars)
        spectra = np.empty((self.shape[0], nodes, self.model.shape[2]), np.float32)
        for k in range(nodes):
            mass = np.zeros((self.shape[0], nodes, 3))
            mass[:, k] = self.share
            spectra[:, k] = at.jvp({"mass": mass.ravel()}).reshape(self.shape[0], -1)
        middle = self.side // 2
        mass = np.zeros((self.side, self.side, nodes))
        mass[middle, middle, 0] = 1
        image = self.cube(mass.ravel()).sum(axis=2) / spectra[middle * self.side + middle, 0].sum()
        reach = self.model.shape[0] - 1 - (middle - self.ring)
        centre = middle - self.ring
        return spectra, image[centre - reach:centre + reach + 1, centre - reach:centre + reach + 1]

    def cube(self, mass):
        """J mass."""
        self.products += 1
        return self.at.jvp({"mass": (np.reshape(mass, (-1, 1)) * self.share).ravel()})

    def transposed(self, bar):
        """J^T bar."""
        self.products += 1
        g = self.at.vjp(bar, instrument=False).mass.astype(float)
        return g.reshape(-1, 3) @ self.share

    def light(self):
        """[metallicity][age] flux summed over the cube of 1 Msun in the middle of the field."""
        ones = np.ones(self.model.shape, np.float32)
        return self.transposed(ones).reshape(self.side, self.side, *self.shape[1:])[self.side // 2, self.side // 2]


class Posterior:
    """Of x [size] in ln m = ln m0 + K^1/2 x, given the cube and its sigma."""

    def __init__(self, populations, alone, flux, sigma):
        self.populations, self.alone, self.flux, self.sigma = populations, alone, flux, sigma
        self.heat(1)
        edges = 10 ** np.concatenate([(populations.log_age[1:] + populations.log_age[:-1]) / 2, [UNIVERSE]])
        shares = np.diff(edges, prepend=0) / edges[-1]  # of a constant star-formation rate
        one = np.broadcast_to(shares / len(METALLICITY), populations.shape[1:])
        image = np.maximum(flux.sum(axis=2), 0.02 * flux.sum(axis=2).max())
        total = populations.padded(image) / (one * populations.light()).sum()
        self.log_m0 = np.log(total[:, None, None] * one).ravel()
        distance = (np.abs(np.subtract.outer(populations.log_z, populations.log_z))[:, None, :, None] / METALLICITY_LENGTH
                    + np.abs(np.subtract.outer(populations.log_age, populations.log_age))[None, :, None, :] / AGE_LENGTH)
        nodes = populations.log_z.size * populations.log_age.size
        self.root = SPREAD * scipy.linalg.cholesky(np.exp(-distance.reshape(nodes, nodes)), lower=True)  # K^1/2 of a place

    def heat(self, factor):
        """Sigma is a factor larger from now on."""
        self.weight = 1 / (factor * self.sigma)
        self.data = (self.flux * self.weight).ravel()

    def log_mass(self, x):
        return self.log_m0 + (x.reshape(-1, len(self.root)) @ self.root.T).ravel()

    def residual(self, x):
        return self.populations.cube(np.exp(self.log_mass(x))).ravel() * self.weight.ravel() - self.data

    def slope(self, x):
        """A: of residual()."""
        mass = np.exp(self.log_mass(x))

        def forward(v):
            return self.populations.cube(mass * (v.reshape(-1, len(self.root)) @ self.root.T).ravel()).ravel() * self.weight.ravel()

        def back(r):
            g = mass * self.populations.transposed(r.reshape(self.weight.shape) * self.weight)
            return (g.reshape(-1, len(self.root)) @ self.root).ravel()

        return LinearOperator((self.data.size, x.size), matvec=forward, rmatvec=back, dtype=float)

    def precondition(self, x):
        """[place][node][node] P with P^T (I + A^T A) P = 1 in each place."""
        spectra, image = self.alone
        side, r = self.populations.side, self.populations.ring
        weight = np.pad(self.weight ** 2, ((r, r), (r, r), (0, 0)))
        weight = scipy.ndimage.convolve(weight, image[:, :, None] ** 2, mode="constant").reshape(side * side, 1, -1)
        mass = np.exp(self.log_mass(x)).reshape(side * side, -1, 1)
        b = self.root.T @ (spectra * mass)
        block = np.eye(len(self.root)) + (b * weight) @ b.transpose(0, 2, 1)
        return np.linalg.inv(np.linalg.cholesky(block)).transpose(0, 2, 1)

    def maximum(self, log, heats, iterations):
        """The most probable x. Each round has the preconditioner of where it begins; the first ones have larger errors."""
        x = np.zeros(self.log_m0.size)
        for factor in heats:
            self.heat(factor)
            P = self.precondition(x)
            forth, back = apply(P), apply(P.transpose(0, 2, 1))
            start = x

            def value_and_slope(y):
                there = start + forth(y)
                misfit, A = self.residual(there), self.slope(there)
                return 0.5 * (misfit @ misfit + there @ there), back(there + A.rmatvec(misfit))

            found = scipy.optimize.minimize(value_and_slope, np.zeros(x.size), jac=True, method="L-BFGS-B",
                                            options={"maxiter": iterations, "maxcor": 30, "ftol": 1e-7})
            x = start + forth(found.x)
            misfit = self.residual(x)
            log(f"errors x {factor}, {found.nit} iterations: chi^2 {misfit @ misfit:.0f} of {misfit.size} voxels, |x|^2 {x @ x:.0f}, "
                f"slope {np.linalg.norm(found.jac):.2f}, {self.populations.products} products with J")
        return x

    def samples(self, x, count, seed, log):
        """count samples [count][size] of ln m about x."""
        random = np.random.default_rng(seed)
        A, P = self.slope(x), self.precondition(x)
        square = (x.size, x.size)
        curvature = LinearOperator(square, matvec=lambda v: v + A.rmatvec(A.matvec(v)), dtype=float)
        inverse = LinearOperator(square, matvec=lambda v: apply(P)(apply(P.transpose(0, 2, 1))(v)), dtype=float)
        out = np.empty((count, x.size))
        for k in range(count):
            right = random.standard_normal(x.size) + A.rmatvec(random.standard_normal(self.data.size))
            dx, failed = cg(curvature, right, rtol=1e-2, maxiter=1000, M=inverse)
            if failed:
                raise RuntimeError(f"cg: residual above 1 % after {failed} iterations")
            out[k] = self.log_mass(x + dx)
            if (k + 1) % 8 == 0:
                log(f"{k + 1} of {count} samples, {self.populations.products} products with J")
        return out


def apply(blocks):
    """The product with a matrix [place][node][node]."""
    return lambda v: (blocks @ v.reshape(len(blocks), -1, 1)).ravel()


def moments(populations, log_mass):
    """Of each place: {mass, log_age_mass, log_z_mass, age_mass, z_mass, and the same _light}, each [..., place]."""
    m = np.exp(log_mass).reshape(-1, *populations.shape)
    one = populations.light()
    out = {"log_mass": np.log10(m.sum(axis=(2, 3)))}
    for kind, w in (("mass", m), ("light", m * one)):
        total = w.sum(axis=(2, 3))
        over_age, over_z = w.sum(axis=2), w.sum(axis=3)
        out["log_age_" + kind] = over_age @ populations.log_age / total
        out["log_z_" + kind] = over_z @ populations.log_z / total
        out["age_" + kind] = over_age @ 10 ** (populations.log_age - 9) / total
        out["z_" + kind] = over_z @ 10 ** populations.log_z / total
    return out


def true_moments(model, stars, cube):
    """The same of the stars, [ny][nx]: the cube's own maps, and means of logarithms, which the cube does not have.

    The light of a star is the sum of its spectrum: masses' gradient of the cube's sum, of a model without instrument.
    """
    n, report = model.shape[0], cube.report
    sky = stars.coords @ np.asarray(report["rotation"]).T
    spaxel = report["kpc_per_arcsec"] * model.config["telescope"]["spaxel"]
    ix, iy = (np.floor(sky[:, k] / spaxel + n / 2).astype(int) for k in (0, 1))
    inside = (ix >= 0) & (ix < n) & (iy >= 0) & (iy < n)
    place = (iy * n + ix)[inside]
    light = stars.mass * model.vjp(stars, np.ones(model.shape, np.float32), instrument=False).mass

    def mean(weight, values):
        total = np.bincount(place, weight[inside], n * n)
        with np.errstate(invalid="ignore"):
            return (np.bincount(place, (weight * values)[inside], n * n) / total).reshape(n, n)

    age, z = np.clip(stars.log_age, LOG_AGE[0], LOG_AGE[-1]), np.log10(np.clip(stars.metallicity, METALLICITY[0], METALLICITY[-1]))
    maps = cube.maps
    with np.errstate(divide="ignore"):
        out = {"log_mass": np.log10(maps["mass"]), "stars": maps["stars"]}
    for kind, w in (("mass", stars.mass), ("light", light)):
        out |= {"log_age_" + kind: mean(w, age), "log_z_" + kind: mean(w, z), "age_" + kind: maps["age_" + kind],
                "z_" + kind: maps["metallicity_" + kind]}
    return out, inside


MAPS = (("log_mass", "mass formed", "log10(M/Msun)"), ("log_age_light", "age, light-weighted", "mean log10(age/yr)"),
        ("log_age_mass", "age, mass-weighted", "mean log10(age/yr)"), ("log_z_mass", "metallicity, mass-weighted", "mean log10 Z"))
OTHERS = ("log_z_light", "age_mass", "age_light", "z_mass", "z_light")


def compared(truth, best, sigma, lit):
    """How the maps lie about the truth, over the spaxels lit."""
    off = (best - truth)[lit]
    pull = off / sigma[lit]
    return {"bias": round(float(off.mean()), 4), "scatter": round(float(off.std()), 4), "spread_of_truth": round(float(truth[lit].std()), 4),
            "median_sigma": round(float(np.median(sigma[lit])), 4), "mean_pull": round(float(pull.mean()), 2),
            "rms_pull": round(float(np.sqrt(np.mean(pull ** 2))), 2), "within_1_sigma": round(float(np.mean(abs(pull) < 1)), 3),
            "within_2_sigma": round(float(np.mean(abs(pull) < 2)), 3), "within_3_sigma": round(float(np.mean(abs(pull) < 3)), 3)}


def draw(plt, populations, truth, best, sigma, lit, histories):
    import matplotlib as mpl
    with mpl.rc_context(support.STYLE):
        fig = plt.figure(figsize=(11.5, 11.6))
        grid = fig.add_gridspec(4, 4, height_ratios=(1, 1, 1, 1.15), hspace=0.16, wspace=0.3, left=0.06, right=0.97, top=0.95,
                                bottom=0.05)
        for column, (name, title, unit) in enumerate(MAPS):
            show = [np.where(lit, a, np.nan) for a in (truth[name], best[name], (best[name] - truth[name]) / sigma[name])]
            low, high = np.nanpercentile(np.concatenate([show[0][lit], show[1][lit]]), (1, 99))
            for row, image in enumerate(show):
                ax = fig.add_subplot(grid[row, column])
                style = dict(cmap="viridis", vmin=low, vmax=high) if row < 2 else dict(cmap="RdBu_r", vmin=-3, vmax=3)
                bar = fig.colorbar(ax.imshow(image, origin="lower", **style), ax=ax, fraction=0.046, pad=0.03)
                bar.set_label(unit if row < 2 else "(fit − truth) / σ", fontsize=7)
                bar.ax.tick_params(labelsize=7)
                ax.set(xticks=[], yticks=[])
                if row == 0:
                    ax.set_title(title, fontsize=10)
                if column == 0:
                    ax.set_ylabel(("truth", "fit", "difference")[row], fontsize=10)
        age = (populations.log_age[1:] + populations.log_age[:-1]) / 2  # between nodes
        for column, (title, true_log_age, band) in enumerate(histories):
            ax = fig.add_subplot(grid[3, column])
            low, middle, high = np.percentile(band, (16, 50, 84), axis=0)
            ax.fill_between(age, low, high, color=support.FIT, alpha=0.3, lw=0, label="fit, 68 %")
            ax.plot(age, middle, color=support.FIT, lw=1.4, label="fit, median")
            ordered, mass = true_log_age
            ax.plot(ordered, mass, color=support.TRUTH, lw=1.4, label="truth")
            ax.set(xlim=(7, 10.2), ylim=(0, 1.02), xlabel="log10(age/yr)", title=title)
            ax.title.set_fontsize(9)
            if column == 0:
                ax.set_ylabel("share of the mass that is older")
                ax.legend(frameon=False, fontsize=8, loc="lower left")
        return fig


def older(log_age, mass):
    """Ages, and the share of the mass that is older than each."""
    order = np.argsort(log_age)
    m = mass[order]
    return log_age[order], 1 - np.cumsum(m) / m.sum()


def main():
    options = support.arguments(__doc__, seed=1)
    tessera, matplotlib = support.modules("tessera", "matplotlib")
    matplotlib.use("Agg")
    plt, = support.modules("matplotlib.pyplot")
    spaxels, n_stars, draws = (4, 3000, 6) if options.quick else (10, 30000, 24)

    model = tessera.Model(configuration(spaxels, options.library))
    stars = tessera.mock_galaxy(n_stars, seed=options.seed)
    cube = model.forward(stars, noise=options.seed)
    truth, inside = true_moments(model, stars, cube)
    lit = truth["stars"] >= 20
    sigma = np.sqrt(np.maximum(cube.variance, np.percentile(cube.variance[cube.variance > 0], 5)))
    kpc = cube.report["kpc_per_arcsec"] * model.config["telescope"]["spaxel"]
    known = [np.where(np.isfinite(cube.maps[k]), cube.maps[k], 0) for k in ("velocity_light", "dispersion_light")]
    with tempfile.TemporaryDirectory() as folder:
        nodes = support.thinned_library(model.library, LOG_AGE, METALLICITY, (3500.0, 7200.0), folder + "/nodes.hdf5")
        populations = Populations(tessera, tessera.Model(configuration(spaxels, nodes)), *known, kpc)
        bare = tessera.Model(configuration(populations.side, nodes) | {"psf": None})
    alone = populations.alone(bare.with_parameters(inclination=0.0, position_angle=0.0))
    posterior = Posterior(populations, alone, cube.flux, sigma)
    support.say(f"{cube.shape} voxels, {n_stars} stars; {populations.size} unknowns, {len(populations.at.stars)} stars for them")

    best_x = posterior.maximum(support.say, (10, 3, 1) if options.quick else (10, 3, 1, 1), 40 if options.quick else 150)
    residual = posterior.residual(best_x)
    samples = posterior.samples(best_x, draws, options.seed, support.say)
    best = {k: populations.field(v[0]) for k, v in moments(populations, posterior.log_mass(best_x)[None]).items()}
    spread = {k: populations.field(v.std(axis=0, ddof=1)) for k, v in moments(populations, samples).items()}

    names = [name for name, *_ in MAPS] + list(OTHERS)
    results = {"library": options.library, "seed": options.seed, "quick": options.quick, "cube": list(cube.shape), "stars": n_stars,
               "unknowns": populations.size, "products_with_J": populations.products,
               "chi2_per_voxel": round(float(residual @ residual / residual.size), 4), "spaxels_compared": int(lit.sum()),
               "samples": draws, "maps": {k: compared(truth[k], best[k], spread[k], lit) for k in names}}
    for name in names:
        support.say(f"{name:14s}", results["maps"][name])

    everywhere = np.zeros((populations.side,) * 2, bool)
    r = populations.ring
    everywhere[r:-r, r:-r] = True
    order = np.argsort(np.where(lit, truth["log_mass"], -np.inf), axis=None)[::-1]
    histories = []
    sky = stars.coords @ np.asarray(cube.report["rotation"]).T
    ix, iy = (np.floor(sky[:, k] / kpc + spaxels / 2).astype(int) for k in (0, 1))
    for title, rank in (("the field", None), ("brightest spaxel", 0), ("a middling one", int(lit.sum()) // 2), ("a faint one", int(lit.sum()) - 1)):
        if rank is None:
            chosen, of = everywhere, inside
        else:
            at = np.unravel_index(order[rank], lit.shape)
            chosen, of = np.zeros_like(everywhere), (iy == at[0]) & (ix == at[1])
            chosen[at[0] + r, at[1] + r] = True
            title += f" ({int(of.sum())} stars)"
        part = samples.reshape(draws, len(everywhere) ** 2, -1)[:, chosen.ravel()]
        by_age = np.exp(part).reshape(draws, -1, populations.shape[2]).sum(axis=1)
        band = 1 - np.cumsum(by_age, axis=1)[:, :-1] / by_age.sum(axis=1, keepdims=True)
        histories.append((title, older(stars.log_age[of], stars.mass[of]), band))
    support.finish(options.output, "star_formation_history", results,
                   draw(plt, populations, truth, best, spread, lit, histories))


if __name__ == "__main__":
    main()
