"""What the fits of geometry.py, posterior.py and evidence.py share: a small galaxy, the model as a JAX function of a few
numbers, Gaussian noise of known variance, descents, curvature J^T W J, and mocks in several processes.

The noise is independent in every voxel with one known standard deviation. The stars are the same in truth and model: what is
recovered is what the noise of the cube leaves uncertain, not what the sampling of the galaxy by stars does.
"""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import support
from support import say

jax, np, optimize, tessera, _ = support.modules("jax", "numpy", "scipy.optimize", "tessera", "tessera.jax")
jnp = jax.numpy
jax.config.update("jax_enable_x64", True)


def stars(n, seed=1, stellar_mass=3e10):
    """Disc and bulge about the z axis (tessera.mock_galaxy) as arrays."""
    galaxy = tessera.mock_galaxy(n, seed=seed, stellar_mass=stellar_mass)
    return {k: np.asarray(getattr(galaxy, k), np.float64) for k in ("mass", "log_age", "metallicity", "coords", "velocity")}


def config(library, wavelength, fov=12.0, spaxel=1.2, smoothing=2.0, **changes):
    """A square field of 10 x 10 spaxels at redshift 0.05 (1 arcsec is 1 kpc), seeing of 2 arcsec, a line spread of two pixels,
    stars as wide as smoothing [kpc] says: the cube is a smooth function of where they stand."""
    return {"view": {"redshift": 0.05, "orientation": "none", "systemic_velocity": "none"},
            "telescope": {"fov": fov, "spaxel": spaxel, "aperture": "square", "wavelength": list(wavelength)},
            "projection": {"footprint": "sph", "smoothing": smoothing}, "ssp": {"library": str(library)},
            "psf": {"kind": "gaussian", "fwhm": 2.0}, "lsf": {"fwhm": 2.0 * wavelength[2]}} | changes


class Problem:
    """cube(theta) of a few numbers, its derivatives, and chi^2 against a cube with noise of one known sigma.

    inputs(theta) -> (stars, parameters): a JAX function that says what theta changes.
    """

    def __init__(self, model, inputs, prior=None):
        self.model = model
        backward, forward = tessera.jax.make_forward(model), tessera.jax.make_forward(model, mode="forward")
        minus_log_prior = prior or (lambda theta: 0.0)

        def loss(theta, data, sigma):
            return 0.5 * jnp.sum(((data - backward(*inputs(theta))) / sigma) ** 2) + minus_log_prior(theta)
        self.loss = loss
        self.cube = jax.jit(lambda theta: backward(*inputs(theta)).astype(jnp.float64))
        self.value = jax.jit(loss)
        self.slope = jax.jit(jax.value_and_grad(loss))
        self.jacobian = jax.jit(jax.jacfwd(lambda theta: forward(*inputs(theta)).ravel().astype(jnp.float64)))
        self.prior_curvature = jax.jit(jax.hessian(minus_log_prior)) if prior else None

    def curvature(self, theta, sigma):
        """J^T W J with W = 1/sigma^2, and the prior's."""
        j = np.asarray(self.jacobian(jnp.asarray(theta)))
        return j.T @ j / sigma**2 + (0 if self.prior_curvature is None else np.asarray(self.prior_curvature(jnp.asarray(theta))))

    def minimise(self, start, scale, data, sigma, bounds=None, path=None, steps=200):
        """Descent along the gradient with L-BFGS-B (scipy) in theta/scale from start: theta, loss, evaluations.

        path: a list that gets each iteration's theta."""
        scale, start = np.asarray(scale, float), np.asarray(start, float)
        if path is not None:
            path.append(start.copy())

        def function(x):
            value, slope = self.slope(jnp.asarray(x * scale), data, sigma)
            return float(value), np.asarray(slope) * scale

        def note(x):
            if path is not None:
                path.append(x * scale)
        if bounds is not None:
            bounds = [(None if a is None else a / s, None if b is None else b / s) for (a, b), s in zip(bounds, scale)]
        found = optimize.minimize(function, start / scale, jac=True, method="L-BFGS-B", bounds=bounds, callback=note,
                                  options={"maxiter": steps, "ftol": 1e-9, "gtol": 1e-5, "maxls": 30})
        return found.x * scale, found.fun, found.nfev

    def gauss_newton(self, start, data, sigma, bounds, normal_prior):
        """Least squares with the Jacobian (scipy's least_squares: Gauss-Newton in a region of trust) from start, under a standard normal
        prior or none: theta, loss, evaluations."""
        d, data = len(start), np.asarray(data)
        deviation = np.eye(d) if normal_prior else np.zeros((0, d))

        def residual(x):
            return np.concatenate([((np.asarray(self.cube(jnp.asarray(x))) - data) / sigma).ravel(), deviation @ x])

        def slopes(x):
            return np.concatenate([np.asarray(self.jacobian(jnp.asarray(x))) / sigma, deviation])
        found = optimize.least_squares(residual, start, slopes, bounds, x_scale="jac", ftol=1e-9, xtol=1e-9, max_nfev=60)
        return found.x, found.cost, found.nfev


def in_processes(function, items, workers, setup=None, arguments_of_setup=(), every=20, what="mocks"):
    """[function(i) for i in items] in processes that are started, not forked, after setup(*arguments_of_setup) in each; in this
    one where one worker is asked for, which was set up before."""
    results = []

    def gather(iterator):
        for result in iterator:
            results.append(result)
            if len(results) % every == 0:
                say(f"{len(results)} of {len(items)} {what}")
    if workers == 1:
        gather(map(function, items))
    else:
        with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), setup, arguments_of_setup) as pool:
            gather(pool.map(function, items))
    return results
