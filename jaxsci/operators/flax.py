"""A Flax module, NNX or Linen, as an operator: one field `(channels, *space)` in, one out.

The parameters become leaves of an equinox module, so that training, constraints and checkpoints treat it
like any other operator. Flax's convention puts a batch in front and the channels last; the adapter moves
them, or leaves them where they are on request.
"""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import flax.linen as linen
import jax.numpy as jnp
from flax import nnx
from flax.errors import FlaxError
from jaxtyping import Array, Float, PyTree

from .._arrays import as_jax
from .._module import Module


class NNXOperator(Module):
    """A Flax NNX module split in its static graph and its array leaves."""

    graph: Any = eqx.field(static=True)
    state: PyTree
    channels_last: bool = eqx.field(static=True)

    def __call__(
        self, x: Float[Array, "in_channels *space"]
    ) -> Float[Array, "out_channels *space"]:
        """Map one sample; changes that the module makes to its own state are not kept."""
        module = nnx.merge(self.graph, self.state)
        return _called(module, x, channels_last=self.channels_last)


class LinenOperator(Module):
    """A Flax Linen module with its variables."""

    module: linen.Module = eqx.field(static=True)
    variables: PyTree
    channels_last: bool = eqx.field(static=True)

    def __call__(
        self, x: Float[Array, "in_channels *space"]
    ) -> Float[Array, "out_channels *space"]:
        """Map one sample with the stored variables."""
        return _called(
            lambda y: self.module.apply(self.variables, y), x, channels_last=self.channels_last
        )


def from_flax(
    module: Any,
    variables: Mapping[str, Any] | None = None,
    *,
    channels_last: bool = True,
) -> NNXOperator | LinenOperator:
    """Make an operator of a Flax module.

    Args:
        module: an `nnx.Module` instance, or a `linen.Module` together with its variables. It maps a batch
            `(batch, *space, channels)`. Put it in evaluation mode first (`module.eval()`): dropout and
            batch statistics are used as the module has them.
        variables: what `module.init` returned; Linen only.
        channels_last: whether the module wants channels last, as Flax layers do. With False it maps
            `(batch, channels, *space)`.

    Returns:
        An equinox module whose leaves are the Flax parameters, mapping one sample
        `(channels, *space)`.

    Raises:
        TypeError: not a Flax module instance.
        ValueError: variables missing for Linen, or given for NNX.
    """
    if isinstance(module, nnx.Module):
        if variables is not None:
            raise ValueError(
                "from_flax expected no variables with an nnx.Module, which holds its own, "
                f"got {type(variables).__name__}; drop the argument."
            )
        graph, state = nnx.split(module)
        return NNXOperator(graph=graph, state=state, channels_last=channels_last)
    if isinstance(module, linen.Module):
        if variables is None:
            raise ValueError(
                "from_flax expected the variables of a linen.Module, got None; "
                "pass what module.init(key, x) returned."
            )
        return LinenOperator(module=module, variables=variables, channels_last=channels_last)
    raise TypeError(
        f"from_flax expected an nnx.Module or linen.Module instance, got {type(module).__name__}; "
        "any other callable (channels, *space) -> (channels, *space) is an operator already."
    )


def _called(function, x: Array, *, channels_last: bool) -> Array:
    x = as_jax("from_flax's operator", "x", x)
    y = jnp.moveaxis(x, 0, -1) if channels_last and x.ndim else x
    try:
        y = function(y[None])[0]
    except (TypeError, ValueError, FlaxError) as error:
        raise ValueError(
            f"from_flax's operator expected one sample (channels, *space) that its module takes, got "
            f"{x.shape}, which the module was given as {(1, *y.shape)} and answered with "
            f"{type(error).__name__}; use jax.vmap for batches, and check the channels."
        ) from error
    return jnp.moveaxis(y, -1, 0) if channels_last else y
