r"""Errors of sequences of frames, as the video-prediction literature sums them.

    MSE = (1/T) Σ_t Σ_{c,y,x} (u − v)²,      MAE = (1/T) Σ_t Σ_{c,y,x} |u − v|

Sums over a frame, means over frames: a number that grows with the number of pixels. Brightness in [0, 1].

Reference: Y. Wang et al., PredRNN, IEEE Trans. Pattern Anal. Mach. Intell. 45 (2023) 2208,
arXiv:2103.09504, whose tables Earthformer continues.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from ._checks import checked_pair


def frame_mse(
    prediction: Float[Array, "time channels height width"], target: Float[Array, "..."]
) -> Float[Array, ""]:
    """Squared error of one sequence, summed over each frame.

    Raises:
        ValueError: shapes that differ.
    """
    prediction, target = checked_pair("frame_mse", prediction, target)
    return jnp.sum((prediction - target) ** 2) / prediction.shape[0]


def frame_mae(
    prediction: Float[Array, "time channels height width"], target: Float[Array, "..."]
) -> Float[Array, ""]:
    """Absolute error of one sequence, summed over each frame.

    Raises:
        ValueError: shapes that differ.
    """
    prediction, target = checked_pair("frame_mae", prediction, target)
    return jnp.sum(jnp.abs(prediction - target)) / prediction.shape[0]
