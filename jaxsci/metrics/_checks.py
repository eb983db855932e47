"""The one check that all metrics share."""

from jaxtyping import Array


def check_shapes(metric: str, prediction: Array, target: Array) -> None:
    """Refuse a pair that would broadcast: the mean over the outer product looks plausible."""
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
