"""The cells of a stencil as shifted arrays, in a form whose transpose compiles to plain loops.

The transpose of a slice pads its cotangent with zeros, and XLA merges pads and what they pad into loops
that ask at each cell where they are. Taken together from the pieces of a split, the shifted arrays are
the same slices, and their transpose sums the inner cells, which all of them have, as slices. So the
values are slices, and their derivatives come from the pieces.
"""

from functools import partial

import jax
from jax import lax
from jaxtyping import Array

from .ghosts import cut


@partial(jax.custom_jvp, nondiff_argnums=(1, 2))
def shifts(x: Array, axis: int, count: int) -> list[Array]:
    """The arrays x[j : j + n], j < count, along a space axis, with n such that the last one ends with x.

    Args:
        x: array of shape ``(channels, *space)``.
        axis: space axis.
        count: number of arrays.
    """
    size = x.shape[axis + 1] - (count - 1)
    return [cut(x, axis, j, j + size) for j in range(count)]


@shifts.defjvp
def _(
    axis: int, count: int, primals: tuple[Array], tangents: tuple[Array]
) -> tuple[list[Array], list[Array]]:
    (x,), (change,) = primals, tangents
    ends = count - 1
    inner = x.shape[axis + 1] - 2 * ends
    if inner < 1:
        return shifts(x, axis, count), shifts.fun(change, axis, count)
    pieces = lax.split(change, [1] * ends + [inner] + [1] * ends, axis + 1)
    changes = [lax.concatenate(pieces[j : j + ends + 1], axis + 1) for j in range(count)]
    return shifts(x, axis, count), changes
