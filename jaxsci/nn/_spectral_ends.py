r"""A spectral kernel seen from the two end planes of one axis, where it decouples per transverse frequency q.

Re Σ_k over the kept modes is the convolution with the symbol S(k) = ½ [w_k W_k + (w_{−k} W_{−k})*], where
modes that are not kept count as zero. In a frequency q of the other axes it maps end plane j to i by

    K_ij(q) = 1/n Σ_{k along the axis} S(q, k) exp(2πi k (x_i − x_j)/n),

one C × C complex matrix, written as a 2C × 2C real one. With no other axis it is real. Frequencies that are
not kept are neither read nor written by the kernel.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ._dft import conjugate_pairs, conjugate_weights, dft_matrices


def plane_modes(
    planes: Float[Array, "2 channels *plane"], modes: tuple[int, ...], axis: int
) -> Float[Array, "2 modes size"]:
    """The kept transverse frequencies of two planes, real and imaginary parts of all channels."""
    if len(modes) == 1:
        return planes[:, None, :]
    z = jnp.stack([planes, jnp.zeros_like(planes)])
    transverse = [a for a in range(len(modes)) if a != axis]
    for position, a in enumerate(transverse, start=3):
        n = z.shape[position]
        cos, sin = dft_matrices(n, modes[a], a < len(modes) - 1)
        z = _turn(z, -1, cos, sin, position)
    space = (*planes.shape[2 : 2 + axis], 1, *planes.shape[2 + axis :])
    return _flatten(z, _solved(modes, space, axis)[0])


def mode_blocks(
    real: Float[Array, "*kept o i"],
    imag: Float[Array, "*kept o i"],
    modes: tuple[int, ...],
    space: tuple[int, ...],
    axis: int,
) -> Float[Array, "2 2 modes size size"]:
    """K_ij(q); translation invariance leaves the three offsets 0, 1 and −1 around the circle."""
    n, last = space[axis], len(modes) - 1
    cos, sin = dft_matrices(n, modes[axis], axis < last)
    offsets = np.array([0, 1, n - 1])
    # (2, o, i, *kept), so that the modes come last as in a field.
    z = jnp.moveaxis(jnp.stack([real, imag]), (-2, -1), (1, 2))
    z = _weigh(z, modes, space)
    z = _turn(z, 1, cos[offsets].T / n, sin[offsets].T / n, 3 + axis)
    z = _hermitian(jnp.moveaxis(z, 3 + axis, 1), modes, space, axis, first=4)
    z = z.reshape(*z.shape[:4], -1)[..., _solved(modes, space, axis)[0]]
    # (part, offset, o, i, q) to (offset, q, part, o, i).
    z = jnp.transpose(z, (1, 4, 0, 2, 3))
    if len(modes) == 1:
        blocks = z[:, :, 0]
    else:
        re, im = z[:, :, 0], z[:, :, 1]
        blocks = jnp.concatenate(
            [jnp.concatenate([re, -im], axis=-1), jnp.concatenate([im, re], axis=-1)], axis=-2
        )
    same, following, preceding = blocks
    return jnp.stack([jnp.stack([same, following]), jnp.stack([preceding, same])])


def plane_outputs(
    z: Float[Array, "2 channels *kept"], modes: tuple[int, ...], space: tuple[int, ...], axis: int
) -> Float[Array, "2 modes size"]:
    """The transverse frequencies of the synthesised field's two end planes."""
    n = space[axis]
    cos, sin = _end_rows(modes, space, axis)
    z = _turn(_weigh(z, modes, space), 1, cos.T / n, sin.T / n, 2 + axis)
    z = jnp.moveaxis(z, 2 + axis, 1)
    z = _hermitian(z, modes, space, axis, first=3)
    return _flatten(z, _solved(modes, space, axis)[0])


def plane_inputs(
    ends: Float[Array, "2 modes size"], modes: tuple[int, ...], space: tuple[int, ...], axis: int
) -> Float[Array, "2 channels *kept"]:
    """The transform of a field that is zero but in its end planes."""
    last = len(modes) - 1
    kept = [m if a == last else 2 * m for a, m in enumerate(modes) if a != axis]
    if last == 0:
        z = jnp.stack([ends, jnp.zeros_like(ends)]).reshape(2, 2, -1)
    else:
        _, source, sign = _solved(modes, space, axis)
        z = jnp.moveaxis(ends[:, source].reshape(2, len(source), 2, -1), (2, 3), (0, 2))
        z = jnp.stack([z[0], z[1] * jnp.asarray(sign, z.dtype)]).reshape(*z.shape[:3], *kept)
    cos, sin = _end_rows(modes, space, axis)
    return _turn(jnp.moveaxis(z, 1, 2 + axis), -1, cos, sin, 2 + axis)


def _end_rows(modes, space, axis) -> tuple[np.ndarray, np.ndarray]:
    """Cosine and sine of 2πk x_e/n at the two end nodes, shape (end, kept)."""
    ends = np.array([0, space[axis] - 1])
    cos, sin = dft_matrices(space[axis], modes[axis], axis < len(modes) - 1)
    return cos[ends], sin[ends]


def _turn(z: Array, sign: int, cos: np.ndarray, sin: np.ndarray, axis: int) -> Array:
    """Contract one axis of z[0] + i z[1] with cos ± i sin, in real products."""
    c, s = jnp.asarray(cos, z.dtype), jnp.asarray(sign * sin, z.dtype)
    re, im = (jnp.moveaxis(part, axis - 1, -1) for part in z)
    turned = jnp.stack([re @ c - im @ s, re @ s + im @ c])
    return jnp.moveaxis(turned, -1, axis)


def _weigh(z: Array, modes: tuple[int, ...], space: tuple[int, ...]) -> Array:
    """Count the conjugate half of the last axis."""
    return z * jnp.asarray(conjugate_weights(space[-1], modes[-1]), z.dtype)


def _hermitian(z: Array, modes, space, axis: int, *, first: int) -> Array:
    """½ [V(q) + V(−q)*], the transform of Re of what has the coefficients V; modes from axis `first`."""
    if len(modes) == 1:
        return z[:1]
    opposite = z
    transverse = [a for a in range(len(modes)) if a != axis]
    for position, a in enumerate(transverse, start=first):
        pairs = conjugate_pairs(space[a], modes[a], a < len(modes) - 1)
        opposite = jnp.moveaxis(opposite, position, -1) @ jnp.asarray(pairs, z.dtype)
        opposite = jnp.moveaxis(opposite, -1, position)
    return jnp.stack([z[0] + opposite[0], z[1] - opposite[1]]) / 2


def _flatten(
    z: Float[Array, "parts 2 channels *modes"], solved: np.ndarray
) -> Float[Array, "2 modes size"]:
    """The solved modes in front, and behind them real and imaginary parts of all channels."""
    z = z.reshape(*z.shape[:3], -1)[..., solved]
    return jnp.transpose(z, (1, 3, 0, 2)).reshape(2, z.shape[3], -1)


def _solved(modes, space, axis: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One transverse frequency of each conjugate pair q, −q that is kept; the other follows from it.

    Returns them, and for every kept one the position of its representative and the sign of its imaginary part.
    """
    pairs = np.ones((1, 1))
    for a in range(len(modes)):
        if a != axis:
            pairs = np.kron(pairs, conjugate_pairs(space[a], modes[a], a < len(modes) - 1))
    own = np.arange(len(pairs))
    first = np.minimum(own, np.where(pairs.any(axis=1), pairs.argmax(axis=1), own))
    solved, source = np.unique(first, return_inverse=True)
    return solved, source, np.where(first == own, 1.0, -1.0)
