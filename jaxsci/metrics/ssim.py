r"""Structural similarity of pictures.

    SSIM = (2 μ_u μ_v + C₁)(2 σ_uv + C₂) / ((μ_u² + μ_v² + C₁)(σ_u² + σ_v² + C₂)),   C_i = (K_i L)²

with means, variances and the covariance in a Gaussian window of 11 × 11 pixels and σ = 1.5, K₁ = 0.01,
K₂ = 0.03 and the range L, averaged over the windows that lie inside the picture. Larger is better, 1 is
equality.

Reference: Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli, IEEE Trans. Image Process. 13 (2004) 600,
doi:10.1109/TIP.2003.819861. Tables made with scikit-image's default have a uniform window of 7 × 7 and
sample covariances instead, and differ in the third digit.
"""

from typing import Any

import numpy as np
from jaxtyping import Float

from .._checks import number
from .._numeric import AnyArray, namespace, numeric
from ._checks import checked_pair

_WINDOW, _SIGMA, _K1, _K2 = 11, 1.5, 0.01, 0.03


@numeric("prediction", "target")
def ssim(
    prediction: Float[AnyArray, "*leading height width"],
    target: Float[AnyArray, "..."],
    *,
    value_range: float = 1.0,
) -> Float[AnyArray, ""]:
    """Mean structural similarity over the pictures (times, channels) of one sample.

    Args:
        prediction: pictures of at least 11 by 11 pixels.
        target: the truth, of the same shape.
        value_range: L, the largest possible value minus the smallest.

    Raises:
        ValueError: shapes that differ, pictures that are too small, or a range that is not positive.
    """
    prediction, target = checked_pair("ssim", prediction, target)
    value_range = number("ssim", "value_range", value_range)
    if prediction.ndim < 2 or min(prediction.shape[-2:]) < _WINDOW or not value_range > 0:
        raise ValueError(
            f"ssim expected pictures of at least {_WINDOW} by {_WINDOW} pixels and a positive range, got "
            f"{prediction.shape} and {value_range}; put height and width last."
        )
    c1, c2 = (_K1 * value_range) ** 2, (_K2 * value_range) ** 2
    mu_u, mu_v = _smooth(prediction), _smooth(target)
    # Not E[u²] − μ², which cancels for bright pictures in single precision, but about a common value.
    centre = 0.5 * (prediction.mean() + target.mean())
    u, v, m_u, m_v = prediction - centre, target - centre, mu_u - centre, mu_v - centre
    var_u, var_v = _smooth(u**2) - m_u**2, _smooth(v**2) - m_v**2
    covariance = _smooth(u * v) - m_u * m_v
    similarity = (2.0 * mu_u * mu_v + c1) * (2.0 * covariance + c2)
    return (similarity / ((mu_u**2 + mu_v**2 + c1) * (var_u + var_v + c2))).mean()


def _smooth(x: Any) -> Any:
    """Gaussian means of the windows that lie inside, one axis after the other."""
    offsets = np.arange(_WINDOW) - _WINDOW // 2
    weights = np.exp(-0.5 * (offsets / _SIGMA) ** 2)
    weights = [float(w) for w in weights / weights.sum()]
    xp = namespace(x)
    for axis in (-2, -1):
        length = x.shape[axis] - _WINDOW + 1
        x = xp.moveaxis(x, axis, -1)
        x = sum((w * x[..., k : k + length] for k, w in enumerate(weights)), xp.zeros((), x.dtype))
        x = xp.moveaxis(x, -1, axis)
    return x
