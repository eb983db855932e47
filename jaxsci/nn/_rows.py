r"""Convolutions as sums of matrix products, for CPUs.

    y(i, j) = Σ_u [x(i + u, j), x(i + u, j + 1), ..., x(i + u, j + k − 1)] W(u)

XLA on a CPU runs a convolution, or its gradient, 13 to 45 times slower inside a loop than outside of one
(github.com/jax-ml/jax/issues/12868). Recurrent networks and training loops are loops, and a layer cannot know
whether it is in one. These products take the same time everywhere: in loops a 12th to a 27th of the
convolution's, outside up to twice as much (`python -m experiments.speed.convolution`). Neighbours along the
last axis are gathered, those along the others are summed over, so that copies take k times the memory of x and
not k² times; they are formed again for the gradient.
"""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .precision import at_least_single


def in_rows() -> bool:
    """Whether convolutions are written so: on CPUs."""
    return jax.default_backend() == "cpu"


def convolve_rows(
    x: Float[Array, "*space in_channels"],
    weight: Float[Array, "*kernel in_channels out_channels"],
    pad: list[tuple[int, int]],
    *,
    stride: int = 1,
) -> Float[Array, "*space_out out_channels"]:
    """Correlate one sample, padded with zeros, with a kernel.

    Args:
        x: the field.
        weight: the kernel.
        pad: zeros before and after each axis; negative numbers cut.
        stride: every how many points the output is wanted.
    """

    def products(x, weight):
        kernel = weight.shape[:-2]
        x = jax.lax.pad(x, jnp.zeros((), x.dtype), [(*ends, 0) for ends in (*pad, (0, 0))])
        size = [max(0, (n - k) // stride + 1) for n, k in zip(x.shape, kernel, strict=False)]

        def along(axis: int, start: int) -> slice:
            return slice(start, start + max(0, (size[axis] - 1) * stride + 1), stride)

        last = len(kernel) - 1
        rows = jnp.concatenate([x[..., along(last, j), :] for j in range(kernel[-1])], axis=-1)
        weight = weight.reshape(*kernel[:-1], rows.shape[-1], weight.shape[-1])
        # Half precision is summed in single precision, as convolutions are.
        wide = _wide(x.dtype)
        terms = [
            jnp.matmul(
                rows[tuple(along(axis, i) for axis, i in enumerate(u))],
                weight[u],
                preferred_element_type=wide,
            )
            for u in itertools.product(*map(range, kernel[:-1]))
        ]
        return sum(terms[1:], terms[0]).astype(x.dtype)

    return jax.checkpoint(products, prevent_cse=False)(x, weight)


def upsample_rows(
    x: Float[Array, "*space in_channels"],
    weight: Float[Array, "*kernel in_channels out_channels"],
    factor: int,
) -> Float[Array, "*space_out out_channels"]:
    """The transposed convolution: as if zeros were put between points, without multiplying them.

    Each of the factor^d phases of the output meets only its own points of the kernel.

    Args:
        x: the field.
        weight: the kernel, of at least `factor` points along each axis.
        factor: points of the output to one of the input.
    """
    kernel, phases = weight.shape[:-2], []
    for phase in itertools.product(range(factor), repeat=len(kernel)):
        taps, pad = [], []
        for r, k in zip(phase, kernel, strict=True):
            back = (k - 1) // 2
            first = (back - r) % factor
            ahead = (r + first - back) // factor
            count = math.ceil((k - first) / factor)
            taps.append(slice(first, None, factor))
            pad.append((-ahead, ahead + count - 1))
        phases.append(convolve_rows(x, weight[tuple(taps)], pad))
    return _interleaved(phases, (factor,) * len(kernel))


def repeat_rows(
    x: Float[Array, "*space in_channels"],
    weight: Float[Array, "*kernel in_channels out_channels"],
    factors: tuple[int, ...],
) -> Float[Array, "*space_out out_channels"]:
    """The convolution of a field of which every point is repeated, without repeating them.

    Neighbours in the output that are copies of one point share the sum of their weights: of a 3 x 3 kernel and
    points repeated 2 x 2 times, 2 x 2 products are left for each phase of the output.

    Args:
        x: the field.
        weight: the kernel.
        factors: how often points are repeated along each axis.
    """
    kernel, phases = weight.shape[:-2], []
    # Sums of weights have no less than single precision until they are used.
    weight = weight.astype(_wide(x.dtype))
    for phase in itertools.product(*map(range, factors)):
        shared, pad = weight, []
        for axis, (r, k, factor) in enumerate(zip(phase, kernel, factors, strict=True)):
            points = (r - (k - 1) // 2 + np.arange(k)) // factor
            first, last = int(points[0]), int(points[-1])
            share = np.arange(first, last + 1)[:, None] == points
            shared = jnp.tensordot(share.astype(weight.dtype), shared, (1, axis))
            shared = jnp.moveaxis(shared, 0, axis)
            pad.append((-first, last))
        phases.append(convolve_rows(x, shared.astype(x.dtype), pad))
    return _interleaved(phases, factors)


def _wide(dtype: jnp.dtype) -> jnp.dtype:
    return at_least_single(dtype) if jnp.issubdtype(dtype, jnp.floating) else dtype


def _interleaved(phases: list[Array], factors: tuple[int, ...]) -> Array:
    """One field of the phases of each axis, the last axis fastest."""
    *space, channels = phases[0].shape
    y = jnp.stack(phases).reshape(*factors, *space, channels)
    axes = [axis for a in range(len(space)) for axis in (len(space) + a, a)]
    y = y.transpose(*axes, y.ndim - 1)
    return y.reshape(*(f * n for f, n in zip(factors, space, strict=True)), channels)
