"""The model as a differentiable function of PyTorch tensors on the CPU.

    forward = tessera.torch.make_forward(model)
    cube = forward({"mass": ..., "age": ..., "metallicity": ..., "coords": ..., "velocity": ...}, {"inclination": angle})

The cube is float32, as it is computed; gradients have the dtypes of their inputs. There are no second derivatives.
"""

import numpy as np
import torch
from torch.autograd.function import once_differentiable

from ._pure import PureModel


def _to_numpy(tensor):
    # DLPack, as a PyTorch may have been built for another version of numpy.
    return np.from_dlpack(tensor.detach().contiguous())


def _to_torch(array):
    return torch.from_dlpack(np.array(array))


class _Forward(torch.autograd.Function):
    @staticmethod
    def forward(ctx, call, *leaves):
        ctx.call = call
        ctx.save_for_backward(*leaves)
        ctx.save_for_forward(*leaves)
        return _to_torch(call.pure.forward(*call.dictionaries(map(_to_numpy, leaves))))

    @staticmethod
    @once_differentiable
    def backward(ctx, bar):
        stars, parameters = ctx.call.dictionaries(map(_to_numpy, ctx.saved_tensors))
        of_stars, of_parameters = ctx.call.pure.vjp(stars, parameters, _to_numpy(bar))
        return (None, *map(_to_torch, of_stars.values()), *map(_to_torch, of_parameters.values()))

    @staticmethod
    def jvp(ctx, _, *tangents):
        leaves = [_to_numpy(x) for x in ctx.saved_tensors]
        moved = [np.zeros_like(x) if t is None else _to_numpy(t) for x, t in zip(leaves, tangents)]
        return _to_torch(ctx.call.pure.jvp(*ctx.call.dictionaries(leaves), *ctx.call.dictionaries(moved)))


class _Call:
    """A model and the names of its inputs."""

    def __init__(self, pure, stars, parameters):
        self.pure = pure
        self.stars, self.parameters = tuple(stars), tuple(parameters)

    def dictionaries(self, leaves):
        leaves = list(leaves)
        return dict(zip(self.stars, leaves)), dict(zip(self.parameters, leaves[len(self.stars):]))


def make_forward(model, galaxy=None, view=0):
    """forward(stars, parameters={}) -> cube [ny][nx][nLambda], a float32 tensor; 0 where the cube is NaN.

    stars: dictionary of mass, age or log_age, metallicity, coords, velocity, and smoothing where there is: as tessera.Stars.
    parameters: dictionary, as Model.with_parameters(). galaxy, view: as Model.forward(); galaxy None: about the origin.
    Values are tensors on the CPU or what torch.as_tensor() takes. backward() goes through it once; differentiating
    twice is a RuntimeError.
    """
    pure = PureModel(model, galaxy, view)

    def tensor(what, name, value):
        try:
            t = torch.as_tensor(value)
        except Exception as error:
            raise ValueError(f"{what}[{name!r}]: expected a tensor, found {type(value).__name__} ({error})") from None
        if t.device.type != "cpu":
            raise ValueError(f"{what}[{name!r}]: expected a tensor on the CPU, found one on {t.device}")
        return t

    def forward(stars, parameters=None):
        parameters = {} if parameters is None else parameters
        for what, values in (("stars", stars), ("parameters", parameters)):
            if not hasattr(values, "items"):
                raise ValueError(f"{what}: expected a dictionary, found {type(values).__name__}")
        stars = {n: tensor("stars", n, x) for n, x in stars.items()}
        parameters = {n: tensor("parameters", n, x) for n, x in parameters.items()}
        pure.check(stars, parameters, lambda t: t.shape, lambda t: t.dtype in (torch.float32, torch.float64))
        return _Forward.apply(_Call(pure, stars, parameters), *stars.values(), *parameters.values())

    return forward
