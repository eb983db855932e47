"""Pairs of fields on a fine grid, of which coarser ones keep every s-th point."""

import equinox as eqx
from jaxtyping import Array, Float


class Samples(eqx.Module):
    """Inputs and solutions of a set of functions, in single precision.

    Attributes:
        x: input fields, shape (samples, 1, *space).
        y: solutions, same shape.
    """

    x: Float[Array, "samples 1 *space"]
    y: Float[Array, "samples 1 *space"]


def check_strides(name: str, points: int, strides: tuple[int, ...], training: int) -> None:
    """Refuse strides that do not divide the points, or a training stride that is none of them."""
    if (
        not strides
        or min(strides) < 1
        or any(points % s for s in strides)
        or training not in strides
    ):
        raise ValueError(
            f"{name} expected strides that divide its {points} points, with training_stride among them, "
            f"got strides={strides} and training_stride={training}; change them."
        )
