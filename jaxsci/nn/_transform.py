"""Which transform a spectral convolution uses: the one place where that is decided.

A truncated transform written as a matrix product costs O(n m) a line instead of O(n log n), but runs on
threaded matrix units, needs no padding and exports without complex numbers. On a CPU it wins clearly
(1.4 to 3 times, value and gradient) while few modes are kept, ties at about 64 and loses beyond;
`python -m experiments.speed.spectral` measures it again.
"""

from typing import Literal

import jax

from .._checks import wholes

Transform = Literal["auto", "fft", "dft"]

MOST_MODES_FOR_DFT = {"cpu": 32}
"""Largest mode count on any axis for which the matrix product was measured to be faster, by platform."""


def choose_transform(
    space: tuple[int, ...], modes: tuple[int, ...], *, platform: str | None = None
) -> Transform:
    """The faster of `"fft"` and `"dft"` for a field of this size on this kind of device.

    The number of points decides less than the number of modes: both transforms read every point once.

    Args:
        space: number of points on each axis.
        modes: number of kept modes on each axis.
        platform: `"cpu"`, `"gpu"` or `"tpu"`; the default backend's where not given. A platform without
            a measurement takes the FFT.
    """
    if len(space) != len(modes):
        raise ValueError(
            f"choose_transform expected as many space axes as mode counts, got space={space} and "
            f"modes={modes}; pass one entry for each axis in both."
        )
    wholes("choose_transform", "space", space, "space=(64, 64)")
    wholes("choose_transform", "modes", modes, "modes=(12, 12)")
    platform = jax.default_backend() if platform is None else platform
    return "dft" if max(modes) <= MOST_MODES_FOR_DFT.get(platform, 0) else "fft"
