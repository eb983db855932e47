r"""Radially averaged power spectra of two-dimensional fields: how much variance each scale has.

    P(k) = mean of |û(q)|²/N² over the ring k − ½ ≤ |q| < k + ½,      E(k) = the sum instead

with û the discrete Fourier transform of N pixels and q in waves along the longer side. The sums of all rings
are the mean of u² (Parseval), and the ring 0 is the square of the mean. A forecast that blurs loses power at
large k.

Reference: S. Pulkkinen et al., pysteps, Geosci. Model Dev. 12 (2019) 4185, doi:10.5194/gmd-12-4185-2019.
"""

import numpy as np
from jaxtyping import Float, Inexact

from .._numeric import AnyArray, namespace, numeric
from ._checks import squared


@numeric("field", complex_too=True)
def radial_spectrum(
    field: Inexact[AnyArray, "*leading height width"], *, total: bool = False
) -> Float[AnyArray, "..."]:
    """Power by wavenumber of each field; edges are taken as periodic.

    Args:
        field: square pixels.
        total: sums over rings, E(k), whose sum is the mean square; else their means, P(k).

    Returns:
        Array of shape (*leading, rings); its index is the wavenumber, the last ring holds the corners.

    Raises:
        ValueError: a field of fewer than two axes, or an empty one.
    """
    if field.ndim < 2 or 0 in field.shape[-2:]:
        raise ValueError(
            f"radial_spectrum expected fields of shape (..., height, width), got {field.shape}; put "
            "the space axes last."
        )
    height, width = field.shape[-2:]
    longer = max(height, width)
    waves = np.hypot(longer * np.fft.fftfreq(height)[:, None], longer * np.fft.fftfreq(width))
    ring = np.floor(waves + 0.5).astype(int).ravel()
    members = np.bincount(ring)
    xp = namespace(field)
    power = squared(xp.fft.fft2(field)) / float(height * width) ** 2
    power = power.reshape(*field.shape[:-2], -1)
    sums = xp.zeros((*power.shape[:-1], members.size), power.dtype)
    if xp is np:
        np.add.at(sums.T, ring, power.T)
    else:
        sums = sums.at[..., ring].add(power)
    return sums if total else sums / xp.asarray(np.maximum(members, 1), dtype=power.dtype)
