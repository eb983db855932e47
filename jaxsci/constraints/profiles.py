r"""Profiles of blocks: the nearest one with given rows, and the multiplier at which it has its total.

    argmin_u ½ Σ_i (u_i − μ_i)²/σ_i²,      u in a convex set C,      Σ_i w_i u_i = U

For C the monotone profiles, or those of limited variation, u(λ) = argmin over C of the distance to
μ − λ w σ² is found exactly: blocks of equal cells, and rows on them. The total of u(λ) decreases with λ and
is linear where these stay; Newton's method between bounds ends at the exact λ after finitely many steps. Where
the blocks stay, u is affine in μ and the values, and derivatives are those of the affine projection.

Reference: D. P. Bertsekas, Nonlinear Programming (1999), section 6.1, for the dual function of one row;
K. C. Kiwiel, Math. Program. 112 (2008) 473, doi:10.1007/s10107-006-0050-z, for its finite root finding.
"""

from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import Tracer
from jaxtyping import Array, Bool, Float

from .affine import AffineConstraint

_STEPS = 100


class Pieces(NamedTuple):
    """Which neighbours are equal, and a row over the cells that holds beside (zero: none)."""

    joined: Bool[Array, " faces"]
    row: Float[Array, " n"]


class OnBlocks(NamedTuple):
    """The nearest profile of given pieces: its cells, their variances, λ and the row's multiplier τ."""

    profile: Float[Array, " n"]
    variance: Float[Array, " n"]
    shift: Float[Array, ""]
    tension: Float[Array, ""]


def check_total(who: str, total: AffineConstraint) -> None:
    """Refuse a total that is not one exact row of positive weights."""
    if not isinstance(total, AffineConstraint):
        raise TypeError(
            f"{who} expected an AffineConstraint, got {type(total).__name__}; build one, as in "
            "conservation(grid, total)."
        )
    if total.rows.shape[0] != 1 or total.rows.shape[1] < 2 or total.noise is not None:
        raise ValueError(
            f"{who} expected one exact row over two or more cells, got rows of shape {total.rows.shape} and "
            f"noise {total.noise}; use the total of the whole domain without noise."
        )
    if not isinstance(total.rows, Tracer) and not (np.asarray(total.rows) > 0).all():
        raise ValueError(
            f"{who} expected positive weights, got {np.asarray(total.rows).min()}; use those of "
            "conservation."
        )


def block_numbers(joined: Bool[Array, " faces"]) -> Array:
    """The number of each cell's block."""
    return jnp.pad(jnp.cumsum(~joined), (1, 0))


def block_sums(x: Float[Array, "*k n"], number: Array) -> Float[Array, "*k n"]:
    """Sums over blocks, one entry a block; zeros behind the last."""
    return jax.ops.segment_sum(x.T, number, x.shape[-1], indices_are_sorted=True).T


def on_blocks(
    pieces: Pieces,
    mean: Float[Array, " n"],
    scale: Float[Array, " n"],
    weights: Float[Array, " n"],
    values: Float[Array, " two"],
) -> OnBlocks:
    """The nearest profile with these pieces and the values (U, v) of w and of the further row."""
    number = block_numbers(pieces.joined)
    rows = block_sums(jnp.stack([weights, pieces.row]), number)
    precision = block_sums(scale**-2, number)
    spread = jnp.where(precision > 0, 1 / jnp.where(precision > 0, precision, 1.0), 0.0)
    level = spread * block_sums(mean / scale**2, number)
    # A row that does not bind has the multiplier zero.
    binds = jnp.array([True, False]) | jnp.any(pieces.row != 0)
    gram = (rows * spread) @ rows.T
    gram = gram + jnp.diag(jnp.where(binds, 0.0, 1.0).astype(mean.dtype))
    values = jnp.where(binds, values, 0.0)
    multipliers = jnp.zeros_like(values)
    for _ in range(2):  # the second takes away the round-off of the first
        more = jnp.linalg.solve(gram, rows @ level - values)
        level = level - spread * (more @ rows)
        multipliers = multipliers + more
    fixed = jnp.sum(rows * jnp.linalg.solve(gram, rows), 0) * spread**2
    variance = jnp.maximum(spread - fixed, 0.0)
    return OnBlocks(level[number], variance[number], multipliers[0], multipliers[1])


def meet_total(
    find: Callable[[Float[Array, " n"]], Pieces],
    mean: Float[Array, " n"],
    scale: Float[Array, " n"],
    weights: Float[Array, " n"],
    values: Float[Array, " two"],
) -> tuple[Pieces, OnBlocks]:
    """The pieces of the nearest profile of C with its total, and that profile.

    Args:
        find: the pieces of the profile of C that is nearest to a given one.
        mean: μ.
        scale: σ, positive.
        weights: w.
        values: U, and the value of the further row.
    """
    scale = eqx.error_if(
        scale,
        ~(scale > 0),
        "project expected every cell of a profile to be free to move, got a scale that is not positive; "
        "give each a positive one.",
    )
    fixed = tuple(lax.stop_gradient(x) for x in (mean, scale, weights, values))
    center, sigma, w, _ = fixed
    move = w * sigma**2
    least = 4 * jnp.finfo(mean.dtype).eps * jnp.max(jnp.abs(center)) / jnp.max(move)

    def step(state):
        pieces, shift, lower, upper, k, _ = state
        aim = on_blocks(pieces, *fixed).shift
        lower, upper = jnp.where(aim > shift, shift, lower), jnp.where(aim < shift, shift, upper)
        inside = (lower <= aim) & (aim <= upper)
        new = jnp.where(inside, aim, 0.5 * (lower + upper))
        found = find(center - new * move)
        same = jnp.all(found.joined == pieces.joined) & jnp.all(found.row == pieces.row)
        done = inside & (same | (jnp.abs(aim - shift) <= least))
        return found, new, lower, upper, k + 1, done

    zero = jnp.zeros_like(mean[0])
    start = (find(center), zero, zero - jnp.inf, zero + jnp.inf, 0, jnp.array(False))
    going = lambda state: ~state[5] & (state[4] < _STEPS)
    pieces = lax.while_loop(going, step, start)[0]
    return pieces, on_blocks(pieces, mean, scale, weights, values)


def forces(
    found: OnBlocks, mean: Array, scale: Array, weights: Array
) -> tuple[Float[Array, " faces"], Float[Array, ""]]:
    """What each face is pressed with, p_f = Σ_{i≤f} ((u_i − μ_i)/σ_i² + λ w_i), and its round-off.

    They are the dual variables of u_{f+1} − u_f, from which optimality is read.
    """
    profile = lax.stop_gradient(found.profile)
    mean, scale, weights = (lax.stop_gradient(x) for x in (mean, scale, weights))
    shift = lax.stop_gradient(found.shift) * weights
    pressed = jnp.cumsum((profile - mean) / scale**2 + shift)[:-1]
    size = jnp.sum((jnp.abs(profile) + jnp.abs(mean)) / scale**2 + jnp.abs(shift))
    return pressed, 100 * jnp.finfo(mean.dtype).eps * size
