r"""One oblique projection onto the sums of a hierarchy, factorised once for all dates.

    ỹ = ŷ − W Cᵀ G⁻¹ C ŷ,     C = [ 1  −S_a ],     G = C W Cᵀ = D_a + S_a D_b S_aᵀ + (C F)(C F)ᵀ

for W = D + F Fᵀ, with D_a and D_b the variances of aggregates and bottom series. What is solved has the size
of the aggregates, and S_a is used by its links; no matrix of series by series is made. Aggregates are then the
sums of the moved bottom series, to the last digit.

Without negative values, b ≥ 0, the dual is a convex and piecewise quadratic function of x, whose slope

    g(x) = â − D_a x − S_a b(x),     b(x) = max(b̂ + D_b S_aᵀ x, 0)

is brought to zero by Newton's method with a line search: the same projection with the series at zero left out.

References: S. L. Wickramasuriya, G. Athanasopoulos, R. J. Hyndman, MinT, J. Am. Stat. Assoc. 114 (2019) 804,
doi:10.1080/01621459.2018.1448825; S. L. Wickramasuriya, B. A. Turlach, R. J. Hyndman, Optimal non-negative
forecast reconciliation, Stat. Comput. 30 (2020) 1167, doi:10.1007/s11222-020-09930-0, for the problem; L. Qi,
J. Sun, Math. Program. 58 (1993) 353, doi:10.1007/BF01581275, for the method.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jax.scipy.linalg import cho_factor, cho_solve
from jaxtyping import Array, Float

from .hierarchy import Hierarchy

# Entries of S_a up to which G is one product of matrices, and columns of G that are made at a time beyond.
_DENSE, _CHUNK = 2**25, 64
_STEPS = 100
_MESSAGE = (
    "reconcile expected every aggregate to have some variance of its own or of its parts, got one without; "
    "give its series variance, or leave it out of the hierarchy."
)


class Oblique:
    """The projection for one covariance W, to be applied to many forecasts.

    Args:
        hierarchy: of the series.
        variance: D, the diagonal of W, or what W has beside F Fᵀ.
        factor: F, directions in which series move together; none by default.

    Raises:
        RuntimeError: at run time, where an aggregate and its parts have no variance to move with.
    """

    def __init__(
        self,
        hierarchy: Hierarchy,
        variance: Float[Array, " series"],
        factor: Float[Array, "series directions"] | None = None,
    ):
        self.hierarchy = hierarchy
        self.own, self.below = variance[_of(hierarchy.above)], variance[_of(hierarchy.bottom)]
        self.shared = self.directions = None
        matrix = _gram(hierarchy, self.below) + jnp.diag(self.own)
        if factor is not None:
            self.directions = factor[_of(hierarchy.bottom)]
            self.shared = factor[_of(hierarchy.above)] - hierarchy.sums(self.directions.T).T
            matrix = matrix + _product(self.shared, self.shared.T)
        self.matrix, self.scale, self.root = _factorised(matrix)

    def bottom(self, forecast: Float[Array, "*batch series"]) -> Float[Array, "*batch bottom"]:
        """Move forecasts, each by itself, and return their bottom series."""
        hierarchy = self.hierarchy
        above, bottom = forecast[..., _of(hierarchy.above)], forecast[..., _of(hierarchy.bottom)]
        x = self._solved(above - hierarchy.sums(bottom))
        moved = bottom + self.below * hierarchy.parts(x)
        if self.shared is not None and self.directions is not None:
            moved = moved - _product(_product(x, self.shared), self.directions.T)
        return moved

    def _solved(self, gap: Float[Array, "*batch above"]) -> Float[Array, "*batch above"]:
        """G⁻¹ of the gaps, with one round of what round-off left."""
        right = (gap * self.scale).reshape(-1, gap.shape[-1])
        x = cho_solve((self.root, True), right.T).T
        x = x + cho_solve((self.root, True), (right - _product(x, self.matrix)).T).T
        return (x * self.scale).reshape(gap.shape)


def nonnegative_bottom(
    hierarchy: Hierarchy, variance: Float[Array, " series"], forecast: Float[Array, "*batch series"]
) -> Float[Array, "*batch bottom"]:
    """Bottom series, nowhere negative, of the coherent forecasts nearest to `forecast` for W = D.

    Raises:
        RuntimeError: at run time, where Newton's method does not end, or as `Oblique`.
    """
    own, below = variance[_of(hierarchy.above)], variance[_of(hierarchy.bottom)]
    flat = forecast.reshape(-1, forecast.shape[-1])

    def one(y):
        bottom = jnp.maximum(_newton(hierarchy, own, below, y), 0.0)
        return bottom

    return lax.map(one, flat).reshape(*forecast.shape[:-1], -1)


def _newton(hierarchy, own, below, forecast) -> Float[Array, " bottom"]:
    """b(x) at the root of g."""
    above, start = forecast[_of(hierarchy.above)], forecast[_of(hierarchy.bottom)]
    # What has no variance stays; below zero, it is at zero.
    start = jnp.where((below == 0) & (start < 0), 0.0, start)
    tolerance = 64 * jnp.finfo(forecast.dtype).eps * (1.0 + jnp.abs(forecast).max())
    weight = jnp.where(below > 0, below, 1.0)

    def values(x):
        return jnp.maximum(start + below * hierarchy.parts(x), 0.0)

    def slope(x):
        return above - own * x - hierarchy.sums(values(x))

    def dual(x):
        b, still = values(x), jnp.where(below > 0, 0.0, start) @ hierarchy.parts(x)
        return (
            0.5 * own @ x**2
            - above @ x
            + 0.5 * jnp.sum(jnp.where(below > 0, b**2 / weight, 0.0))
            + still
        )

    def step(state):
        x, count, _ = state
        free = jnp.where(values(x) > 0, below, 0.0)
        matrix = _gram(hierarchy, free) + jnp.diag(own)
        # An aggregate all of whose parts are at zero has no slope of its own.
        matrix = matrix + jnp.diag(jnp.where(jnp.diagonal(matrix) > 0, 0.0, 1.0))
        size = 1.0 / jnp.sqrt(jnp.diagonal(matrix))
        jitter = 1e3 * jnp.finfo(x.dtype).eps * jnp.eye(x.size, dtype=x.dtype)
        root, _ = cho_factor(size[:, None] * matrix * size + jitter, lower=True)
        way = size * cho_solve((root, True), size * slope(x))
        lengths = 0.5 ** jnp.arange(12, dtype=x.dtype)
        x = x + lengths[jnp.argmin(jax.vmap(lambda t: dual(x + t * way))(lengths))] * way
        return x, count + 1, jnp.abs(slope(x)).max()

    def goes_on(state):
        _, count, left = state
        return (count < _STEPS) & (left > tolerance)

    zero = jnp.zeros_like(above)
    x, _, left = lax.while_loop(
        goes_on, step, (zero, 0, jnp.abs(slope(zero)).max() + 2 * tolerance)
    )
    x = eqx.error_if(
        x,
        ~(left <= 1e3 * tolerance),
        "reconcile expected forecasts that can be moved onto sums of values that are not negative, got none "
        "within its steps; compute in float64, or give every series variance.",
    )
    return values(x)


def _of(places: tuple[int, ...]) -> Array:
    return jnp.asarray(places, jnp.int32)


def _product(a: Array, b: Array) -> Array:
    # HIGHEST: where matrix products are cheap because they are rounded, sums would not be sums.
    return jnp.matmul(a, b, precision="highest")


def _gram(hierarchy: Hierarchy, below: Float[Array, " bottom"]) -> Float[Array, "above above"]:
    """S_a D_b S_aᵀ."""
    m, n = len(hierarchy.above), len(hierarchy.bottom)
    if m * n <= _DENSE:
        dense = jnp.zeros((m, n), below.dtype).at[hierarchy.links[0], hierarchy.links[1]].set(1.0)
        return _product(dense * below, dense.T)
    starts = jnp.arange(0, m, _CHUNK, dtype=jnp.int32)
    unit = jax.vmap(lambda i: jax.nn.one_hot(i, m, dtype=below.dtype))

    def columns(start):
        rows = unit(start + jnp.arange(_CHUNK, dtype=jnp.int32))
        return hierarchy.sums(below * hierarchy.parts(rows))

    return lax.map(columns, starts).reshape(-1, m)[:m]


def _factorised(matrix: Float[Array, "m m"]) -> tuple[Array, Array, Array]:
    """The matrix in units of its diagonal, these units, and the lower root."""
    size = jnp.diagonal(matrix)
    size = eqx.error_if(size, ~(size > 0), _MESSAGE)
    scale = 1.0 / jnp.sqrt(size)
    matrix = scale[:, None] * matrix * scale
    root, _ = cho_factor(matrix, lower=True)
    pivots = jnp.diagonal(root) ** 2
    root = eqx.error_if(root, ~(pivots > 16 * jnp.finfo(matrix.dtype).eps), _MESSAGE)
    return matrix, scale, root
