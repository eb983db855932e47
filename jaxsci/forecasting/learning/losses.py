"""What networks are trained on: the loss of all forecasts of a batch."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from ..network import MQNetwork


def forking_loss(
    network: MQNetwork, batch: Any, key: PRNGKeyArray | None = None
) -> tuple[Float[Array, ""], dict[str, Array]]:
    """Mean loss of all targets of a batch of `ForkSource`, for `jaxsci.training.fit`."""
    series, targets, observed = batch
    losses = jax.vmap(network.loss)(series, targets, observed)
    return mean_loss(losses, observed), {}


def mean_loss(losses: Float[Array, "*cells"], observed: Bool[Array, "*cells"]) -> Float[Array, ""]:
    """The mean of losses, which are zero where nothing was observed, over what was."""
    return losses.sum() / jnp.maximum(observed.sum(), 1).astype(losses.dtype)
