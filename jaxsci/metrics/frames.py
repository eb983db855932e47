r"""Errors of sequences of frames, as the video-prediction literature sums them.

    MSE = (1/T) Σ_t Σ_{c,y,x} (u − v)²,      MAE = (1/T) Σ_t Σ_{c,y,x} |u − v|

Sums over a frame, means over frames: a number that grows with the number of pixels. Brightness in [0, 1].

Reference: Y. Wang et al., PredRNN, IEEE Trans. Pattern Anal. Mach. Intell. 45 (2023) 2208,
arXiv:2103.09504, whose tables Earthformer continues.
"""

from typing import Any

from jaxtyping import Float, Inexact

from .._numeric import AnyArray, numeric
from ._checks import checked_pair, squared


@numeric("prediction", "target", complex_too=True)
def frame_mse(
    prediction: Inexact[AnyArray, "time channels height width"], target: Inexact[AnyArray, "..."]
) -> Float[AnyArray, ""]:
    """Squared error of one sequence, summed over each frame.

    Raises:
        ValueError: shapes that differ, or are not those of frames.
    """
    error = _error("frame_mse", prediction, target)
    return squared(error).sum() / error.shape[0]


@numeric("prediction", "target", complex_too=True)
def frame_mae(
    prediction: Inexact[AnyArray, "time channels height width"], target: Inexact[AnyArray, "..."]
) -> Float[AnyArray, ""]:
    """Absolute error of one sequence, summed over each frame.

    Raises:
        ValueError: shapes that differ, or are not those of frames.
    """
    error = _error("frame_mae", prediction, target)
    return abs(error).sum() / error.shape[0]


def _error(who: str, prediction: Any, target: Any) -> Any:
    prediction, target = checked_pair(who, prediction, target)
    if prediction.ndim != 4:
        raise ValueError(
            f"{who} expected frames of shape (time, channels, height, width), got {prediction.shape}; use "
            "jax.vmap for batches, and an axis of length 1 for a single frame or channel."
        )
    return prediction - target
