#!/usr/bin/env python3
"""Times astro-rubix on stars that bench_forward wrote in RUBIX's layout (bench_forward --write-stars FILE).

    bench_rubix.py STARS.h5 [--fov 20] [--runs 2] [--gradient] [--json FILE]

The pipeline is RUBIX's own calc_ifu: rotation, field filter, spaxels, particle spectra, PSF, LSF, noise; method linear.
Its BC03 age axis holds log10(age/yr) read as Gyr, so that is what it is given. The compiled function is timed after a
first call that compiles it. --gradient: its reverse mode instead, for a given cotangent of the cube, in all stars' masses, ages,
metallicities and velocities.
"""

import argparse
import json
import os
import resource
import statistics
import sys
import time

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=true")
import h5py
import jax
import jax.numpy as jnp
import numpy as np


def configuration(redshift):
    return {
        "pipeline": {"name": "calc_ifu"},
        "logger": {"log_level": "ERROR", "log_file_path": None, "format": "%(message)s"},
        "simulation": {"name": "NIHAO", "args": {"path": "unused"}},
        "data": {"name": "unused", "args": {"particle_type": ["stars"]}, "subset": {"use_subset": False}},
        "output_path": "unused",
        "telescope": {"name": "MUSE", "psf": {"name": "gaussian", "size": 9, "sigma": 1.7}, "lsf": {"sigma": 1.06},
                      "noise": {"signal_to_noise": 100, "noise_distribution": "normal"}},
        "cosmology": {"name": "PLANCK15"},
        "galaxy": {"dist_z": redshift, "rotation": {"alpha": 40.0, "beta": 0.0, "gamma": 30.0}},
        "ssp": {"template": {"name": "BruzualCharlot2003"}, "method": "linear",
                "dust": {"extinction_model": "Cardelli89", "Rv": 3.1}},
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("stars")
    parser.add_argument("--fov", type=float, default=20.0)
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--gradient", action="store_true")
    parser.add_argument("--json", default="")
    args = parser.parse_args()

    import rubix.telescope.factory as factory
    from rubix.core.data import Galaxy, GasData, RubixData, StarsData
    from rubix.core.pipeline import RubixPipeline
    from rubix.pipeline import linear_pipeline

    read = factory.read_yaml

    def wider(path):  # the field of view is not a setting of RUBIX
        table = read(path)
        if "MUSE" in table:
            table["MUSE"]["fov"] = args.fov
        return table

    factory.read_yaml = wider
    with h5py.File(args.stars) as f:
        s = f["particles/stars"]
        stars = StarsData(
            coords=jnp.asarray(s["coords"][:], jnp.float32), velocity=jnp.asarray(s["velocity"][:], jnp.float32),
            mass=jnp.asarray(s["mass"][:], jnp.float32), metallicity=jnp.asarray(s["metallicity"][:], jnp.float32),
            age=jnp.asarray(np.log10(s["age"][:].astype("f8")) + 9, jnp.float32))
        redshift = float(f["galaxy/redshift"][()])
    count = stars.mass.shape[0]
    galaxy = Galaxy(redshift=jnp.asarray(redshift), center=jnp.zeros(3), halfmassrad_stars=jnp.asarray(4.0))
    pipe = RubixPipeline(configuration(redshift))
    functions = pipe._get_pipeline_functions()
    line = linear_pipeline.LinearTransformerPipeline(pipe.pipeline_config, functions)
    line.assemble()
    compiled = jax.jit(lambda data: line.compile_expression()(data).stars.datacube)
    data = RubixData(galaxy=galaxy, stars=stars, gas=GasData())

    if args.gradient:
        forward = line.compile_expression()
        shape = jax.eval_shape(lambda d: forward(d).stars.datacube, data)
        cotangent = jax.random.uniform(jax.random.PRNGKey(1), shape.shape) - 0.5

        def loss(leaves):
            mine = StarsData(coords=stars.coords, **leaves)
            return (forward(RubixData(galaxy=galaxy, stars=mine, gas=GasData())).stars.datacube * cotangent).sum()

        compiled = jax.jit(jax.grad(loss))
        data = {name: getattr(stars, name) for name in ("velocity", "mass", "metallicity", "age")}

    begin = time.perf_counter()
    out = jax.block_until_ready(compiled(data))
    first = time.perf_counter() - begin
    seconds = []
    for _ in range(args.runs):
        begin = time.perf_counter()
        jax.block_until_ready(compiled(data))
        seconds.append(time.perf_counter() - begin)
    median = statistics.median(seconds)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    what = "gradient" if args.gradient else f"{out.shape}, flux {float(out.sum()):.3e}"
    print(f"RUBIX 0.0.5: {count} stars -> {what}: first call {first:.1f} s, then {median:.2f} s, "
          f"{median / count * 1e6:.1f} us a star, peak {peak:.0f} MB")
    if args.json:
        with open(args.json, "w") as f:
            json.dump({"peer": "astro-rubix 0.0.5", "stars": count, "first_seconds": first, "seconds": seconds,
                       "peak_megabytes": peak, "microseconds_per_star": median / count * 1e6}, f, indent=2)


if __name__ == "__main__":
    sys.exit(main())
