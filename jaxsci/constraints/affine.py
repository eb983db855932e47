r"""Affine constraints A u = b, exact or observed with noise, and conservation as one of them.

    A u = b + ε,   ε ~ N(0, R),   R = 0 where the constraint is exact

Conservation of a total U(t) over a grid is the single row of its quadrature weights, Σ_i |V_i| u_i = U.
With cell averages the cell volumes make that row exact; trapezoid weights on nodes do not.

Reference: Hansen, Maddix, Alizadeh, Gupta, Mahoney, Learning Physical Models that Can Respect Conservation
Laws (ProbConserv), ICML 2023, arXiv:2302.11002, section 3.
"""

import math
import operator
from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, ArrayLike, Float

from solvers import Grid

from .._arrays import at_once, check_finite, floating
from .._numeric import wide


class AffineConstraint(eqx.Module):
    """Rows A and values b of A u = b, where u is a field flattened over space.

    Args:
        rows: A, shape (m, n); n is the number of cells.
        values: b, shape (m,), or (..., m) for a batch of fields with the same rows.
        noise: variances of the rows' errors, a scalar or shape (m,); None for the exact constraint.

    Raises:
        ValueError: wrong shapes, non-finite numbers, noise that is not positive, more rows than cells,
            or rows that repeat or contradict each other. What is traced cannot be seen: numbers that
            are known are checked inside jit too, rows without their values among them.
    """

    rows: Float[Array, "m n"]
    values: Float[Array, "*batch m"]
    noise: Float[Array, "*m"] | None

    def __init__(self, rows: ArrayLike, values: ArrayLike, noise: ArrayLike | None = None):
        self.rows = floating("AffineConstraint", rows)
        self.values = floating("AffineConstraint", values)
        self.noise = None if noise is None else floating("AffineConstraint", noise)

    def __check_init__(self):
        if self.rows.ndim != 2 or self.values.shape[-1:] != self.rows.shape[:1]:
            raise ValueError(
                "AffineConstraint expected rows of shape (m, n) and values of shape (..., m), got rows "
                f"{self.rows.shape} and values {self.values.shape}; flatten the grid into one axis of "
                "n cells."
            )
        m, n = self.rows.shape
        if m == 0:
            raise ValueError(
                "AffineConstraint expected at least one row, got none; leave the constraint out instead."
            )
        if self.noise is not None and self.noise.shape not in ((), (m,)):
            raise ValueError(
                f"AffineConstraint expected noise variances of shape () or ({m},), got "
                f"{self.noise.shape}; pass one variance for each row."
            )
        if m > n:
            raise ValueError(
                f"AffineConstraint expected at most as many rows as cells, got {m} rows for {n} cells; "
                "remove rows that follow from others."
            )
        arrays = [self.rows, self.values] + ([] if self.noise is None else [self.noise])
        for name, array in zip(("rows", "values", "noise"), arrays, strict=False):
            check_finite("AffineConstraint", name, array)
        if self.noise is not None:
            _check_positive(self.noise)
        elif not isinstance(self.rows, Tracer):
            known = None if isinstance(self.values, Tracer) else np.asarray(self.values, np.float64)
            precision = float(np.finfo(self.rows.dtype).eps)
            _check_independent(np.asarray(self.rows, np.float64), known, precision)

    def residual(self, u: ArrayLike) -> Float[Array, "*batch m"]:
        """A u − b, in single precision at least: half precision would lose or overflow the sums.

        Args:
            u: fields of shape (..., *space), where prod(space) = n.

        Raises:
            ValueError: fields whose trailing axes do not hold n cells, or a batch of values that would
                enlarge the batch of fields.
        """
        u = flatten(wide(floating("AffineConstraint", u)), self.rows.shape[1])
        check_batch(u.shape[:-1], self.values.shape[:-1])
        return apply_rows(self.rows.astype(u.dtype), u) - self.values.astype(u.dtype)


def conservation(
    grid: Grid,
    total: ArrayLike,
    *,
    blocks: int | Sequence[int] | None = None,
    noise: ArrayLike | None = None,
) -> AffineConstraint:
    """The total of a field of cell averages, ∫ u dx = U, or those of its control volumes.

    Args:
        grid: where the cell averages live.
        total: U; a scalar, or an array with one total for each field of a batch (for each time, say).
            With `blocks`, the totals of the control volumes, flattened, are the last axis.
        blocks: number of control volumes along each axis, which the cells are divided into; a whole
            number for one axis. Their totals are the local balance: what they held, plus what entered.
        noise: variance of U; None where it is known exactly.

    Returns:
        One row of cell volumes, or one for each control volume.

    Raises:
        TypeError: for something other than a grid, or a total that is no number.
        ValueError: control volumes that do not divide the cells, or totals that do not fit them.
    """
    check_grid("conservation", grid)
    volumes = np.asarray(grid.volumes).ravel()
    if blocks is None:
        totals = floating("conservation", total)
        with at_once(totals):
            totals = totals[..., None]
        return AffineConstraint(volumes[None], totals, noise)
    try:
        counts = tuple(operator.index(k) for k in np.atleast_1d(np.asarray(blocks, object)))
    except TypeError as error:
        raise TypeError(
            f"conservation expected whole numbers of blocks, got {blocks!r}; give one for every axis."
        ) from error
    if len(counts) != grid.ndim or any(
        k < 1 or n % k for k, n in zip(counts, grid.shape, strict=False)
    ):
        raise ValueError(
            f"conservation expected numbers of blocks that divide the cells {grid.shape} of each axis, "
            f"got {counts}; choose a divisor for every axis."
        )
    number = np.zeros(grid.shape, int)
    for axis, (k, n) in enumerate(zip(counts, grid.shape, strict=True)):
        along = np.arange(n) // (n // k)
        number = number * k + along.reshape([-1 if i == axis else 1 for i in range(grid.ndim)])
    member = number.ravel() == np.arange(math.prod(counts))[:, None]
    totals = floating("conservation", total)
    if totals.shape[-1:] != (len(member),):
        raise ValueError(
            f"conservation expected the totals of {len(member)} blocks as the last axis, got shape "
            f"{totals.shape}; flatten them in the order of the grid."
        )
    return AffineConstraint(member * volumes, totals, noise)


def stack(*constraints: AffineConstraint) -> AffineConstraint:
    """All rows of several constraints on one field, in their order.

    Args:
        constraints: constraints over the same cells, all exact or all with noise.

    Raises:
        ValueError: no constraint, different numbers of cells, some exact and some noisy, or rows that
            repeat or contradict each other.
        TypeError: for something that is no constraint.
    """
    for item in constraints:
        if not isinstance(item, AffineConstraint):
            raise TypeError(
                f"stack expected AffineConstraints, got {type(item).__name__}; pass them one by one."
            )
    sizes = {item.rows.shape[1] for item in constraints}
    if len(sizes) != 1:
        raise ValueError(
            "stack expected constraints over the same cells, got cells "
            f"{[item.rows.shape[1] for item in constraints]}; build them on one grid."
        )
    noisy = [item.noise is not None for item in constraints]
    if any(noisy) and not all(noisy):
        raise ValueError(
            f"stack expected all rows exact or all with noise, got noise {noisy}; give the exact ones a "
            "small variance, or project onto the noisy ones first."
        )
    batches = [item.values.shape[:-1] for item in constraints]
    try:
        batch = jnp.broadcast_shapes(*batches)
    except ValueError as error:
        raise ValueError(
            f"stack expected values of one batch, got batches {batches}; give axes of length 1 where they "
            "are shared."
        ) from error
    values = [item.values for item in constraints]
    noise = [
        jnp.broadcast_to(item.noise, item.rows.shape[:1])
        for item in constraints
        if item.noise is not None
    ]
    return AffineConstraint(
        _joined([item.rows for item in constraints], axis=0),
        _joined(values, axis=-1, batch=batch),
        jnp.concatenate(noise) if noise else None,
    )


def _joined(arrays: list[Array], *, axis: int, batch: tuple[int, ...] = ()) -> Array:
    """Arrays one after the other, those of values broadcast to one batch."""
    with at_once(arrays):
        if batch:
            arrays = [jnp.broadcast_to(array, (*batch, array.shape[-1])) for array in arrays]
        return jnp.concatenate(arrays, axis=axis)


def check_grid(who: str, grid: Grid) -> None:
    """Refuse what is not a grid."""
    if not isinstance(grid, Grid):
        raise TypeError(
            f"{who} expected a solvers.Grid, got {type(grid).__name__}; build one, as in "
            "Grid.uniform(0.0, 1.0, cells), or give your own rows to AffineConstraint."
        )


def apply_rows(rows: Float[Array, "m n"], u: Float[Array, "*batch n"]) -> Float[Array, "*batch m"]:
    """A u, summed pairwise over blocks so that float32 keeps its last digits for long rows.

    A product of matrices within the blocks: rows times fields cell by cell would not fit into memory.
    """
    m, n = rows.shape
    block = 128
    if n <= block:
        return jnp.einsum("mn,...n->...m", rows, u, precision="highest")
    padding = -n % block
    rows = jnp.pad(rows, ((0, 0), (0, padding))).reshape(m, -1, block)
    u = jnp.pad(u, [(0, 0)] * (u.ndim - 1) + [(0, padding)])
    u = u.reshape(*u.shape[:-1], -1, block)
    return _pairwise_sum(jnp.einsum("mkb,...kb->...mk", rows, u, precision="highest"))


def _pairwise_sum(x: Float[Array, "*batch n"]) -> Float[Array, "*batch"]:
    while x.shape[-1] > 1:
        half = x.shape[-1] // 2
        pairs = x[..., :half] + x[..., half : 2 * half]
        x = jnp.concatenate([pairs, x[..., 2 * half :]], axis=-1)
    return x[..., 0]


def space_axes(shape: tuple[int, ...], n: int) -> tuple[int, ...]:
    """The fewest trailing axes that hold n cells."""
    for start in reversed(range(len(shape))):
        if math.prod(shape[start:]) == n:
            return shape[start:]
    raise ValueError(
        f"AffineConstraint expected a field whose trailing axes hold n={n} cells, got shape {shape}; "
        "use the grid that the rows were built for."
    )


def flatten(x: Array, n: int) -> Float[Array, "*batch n"]:
    """Fields with their space axes flattened into one."""
    batch = x.shape[: x.ndim - len(space_axes(x.shape, n))]
    return x.reshape(*batch, n)


def check_batch(fields: tuple[int, ...], values: tuple[int, ...]) -> None:
    """Refuse values that would enlarge a batch: (5, 1) fields and (5,) values give 25 results."""
    try:
        fits = not fields or jnp.broadcast_shapes(fields, values) == fields
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(
            f"AffineConstraint expected values of the batch {fields} of the fields, got {values}; give one "
            "value of every row for each field, with axes of length 1 where fields share one, or one for all."
        )


def _check_positive(noise: Array) -> None:
    """Refuse variances that are not positive where they can be seen."""
    if not isinstance(noise, Tracer) and not (np.asarray(noise) > 0).all():
        raise ValueError(
            f"AffineConstraint expected positive noise variances, got {np.asarray(noise).min()}; "
            "leave noise out for an exact constraint."
        )


def _check_independent(rows: np.ndarray, values: np.ndarray | None, precision: float) -> None:
    """Name the first row that is zero or follows from the rows before it; without values, no verdict.

    A row with less than ε^{1/3} of its length across the others makes S too ill-conditioned for the
    projection to be exact in that precision, whatever its refinement.
    """
    least = precision ** (1 / 3)
    # The same in one go, where no row has to be named: |R_ii| is what the rows before leave of row i.
    rests = np.abs(np.diagonal(np.linalg.qr(rows.T, mode="r")))
    if (rests > least * np.linalg.norm(rows, axis=1)).all():
        return
    basis: list[np.ndarray] = []
    for i, row in enumerate(rows):
        size = np.linalg.norm(row)
        rest = row
        for _ in range(2):  # twice is enough (Kahan): orthogonal to round-off
            for q in basis:
                rest = rest - (q @ rest) * q
        if size > 0 and np.linalg.norm(rest) > least * size:
            basis.append(rest / np.linalg.norm(rest))
            continue
        others = rows[:i]
        mix = np.linalg.lstsq(others.T, row, rcond=None)[0] if i else np.zeros(0)
        partners = np.flatnonzero(np.abs(mix) > 1e-6 * np.abs(mix).max(initial=0)).tolist()
        relation = f"is nearly a combination of rows {partners}" if partners else "is zero"
        verdict = _verdict(values, i, mix, 10 * least)
        raise ValueError(
            f"AffineConstraint expected independent rows, got row {i}, which {relation} and "
            f"{verdict}; remove it, or give the rows noise."
        )


def _verdict(values: np.ndarray | None, i: int, mix: np.ndarray, tolerance: float) -> str:
    """What row i, a mix of the rows before it, says of its value."""
    if values is None:  # traced: either is wrong
        return "repeats or contradicts them" if mix.any() else "fixes nothing"
    scale = np.abs(values[..., : i + 1]).max() + 1e-300
    conflict = np.abs(values[..., i] - values[..., :i] @ mix) > tolerance * scale
    return "contradicts its value" if conflict.any() else "repeats them"
