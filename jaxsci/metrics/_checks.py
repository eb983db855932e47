"""The one check that all metrics share."""

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike


def checked_pair(metric: str, prediction: ArrayLike, target: ArrayLike) -> tuple[Array, Array]:
    """Both as arrays, which may not broadcast: the mean over the outer product looks plausible."""
    prediction, target = jnp.asarray(prediction), jnp.asarray(target)
    if prediction.shape != target.shape:
        raise ValueError(
            f"{metric} expected a target of shape {prediction.shape}, that of the prediction, got "
            f"{target.shape}; use jax.vmap for batches."
        )
    if prediction.size == 0:
        raise ValueError(
            f"{metric} expected at least one value, got shape {prediction.shape}; "
            "an empty mean has no value."
        )
    return prediction, target
