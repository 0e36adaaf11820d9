"""The model as a function of JAX: jit, grad, vmap, jvp.

    forward = tessera.jax.make_forward(model)
    cube = forward({"mass": ..., "age": ..., "metallicity": ..., "coords": ..., "velocity": ...}, {"inclination": 40.0})

The cube is float32, as it is computed; cotangents and tangents have the dtypes of their inputs.
"""

import jax
import jax.numpy as jnp
import numpy as np

from ._checks import choice
from ._pure import PureModel


def make_forward(model, galaxy=None, view=0, mode="reverse"):
    """forward(stars, parameters={}) -> cube [ny][nx][nLambda] float32, a JAX function; 0 where the cube is NaN.

    stars: dictionary of mass, age or log_age, metallicity, coords, velocity, and smoothing where there is: as tessera.Stars.
    parameters: dictionary, as Model.with_parameters(). galaxy, view: as Model.forward(); galaxy None: about the origin.
    mode: "reverse": grad, vjp (jax.custom_vjp); "forward": jvp, jacfwd (jax.custom_jvp). Both go through jit and vmap, which
    takes one galaxy after the other. Wrong names, shapes and types are ValueErrors when the function is traced; values that
    are not allowed are errors of the run, with the same text.
    """
    choice("mode", mode, ("reverse", "forward"))
    pure = PureModel(model, galaxy, view)
    cube = jax.ShapeDtypeStruct(model.shape, np.float32)

    def call(function, result, *args):
        # The thread that calls back may not know of this one's jax.enable_x64.
        def host(*values):
            return jax.tree_util.tree_map(lambda r, v: np.asarray(v, dtype=r.dtype), result, function(*values))
        return jax.pure_callback(host, result, *args, vmap_method="sequential")

    def like(tree):
        return jax.tree_util.tree_map(lambda x: jax.ShapeDtypeStruct(jnp.shape(x), jnp.result_type(x)), tree)

    if mode == "reverse":
        @jax.custom_vjp
        def inner(stars, parameters):
            return call(pure.forward, cube, stars, parameters)

        def onward(stars, parameters):
            return inner(stars, parameters), (stars, parameters)

        def back(saved, bar):
            return call(pure.vjp, like(saved), *saved, bar)

        inner.defvjp(onward, back)
    else:
        @jax.custom_jvp
        def inner(stars, parameters):
            return call(pure.forward, cube, stars, parameters)

        @inner.defjvp
        def tangent(primals, tangents):
            return inner(*primals), call(pure.jvp, cube, *primals, *tangents)

    def forward(stars, parameters=None):
        parameters = {} if parameters is None else parameters
        pure.check(stars, parameters, jnp.shape, lambda x: jnp.issubdtype(jnp.result_type(x), jnp.floating))
        return inner({n: jnp.asarray(x) for n, x in stars.items()}, {n: jnp.asarray(x) for n, x in parameters.items()})

    return forward
