"""Ends of an axis: Robin conditions, another condition at each end, and values for each point of other axes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.constraints import (
    DirichletEnds,
    MixedEnds,
    NeumannEnds,
    PeriodicEnds,
    RobinEnds,
    Sides,
)
from solvers import Grid


@pytest.fixture
def u(x64):
    return jax.random.normal(jax.random.key(0), (2, 3, 20))


VALUES = [
    jnp.array([0.3, -1.7]),
    jnp.array([[0.3, -1.7], [0.0, 1.0], [2.0, 0.5]]),
    jnp.arange(12.0).reshape(2, 3, 2),
]


@pytest.mark.parametrize("values", VALUES, ids=["both", "in time", "in time and channel"])
@pytest.mark.parametrize(
    "ends",
    [
        DirichletEnds(),
        NeumannEnds(length=2.0),
        RobinEnds(2.0, (-0.5, 0.5), length=2.0),
        MixedEnds(DirichletEnds(), RobinEnds(1.0, 0.1, 1.0)),
        MixedEnds(NeumannEnds(1.0), DirichletEnds()),
    ],
    ids=lambda ends: type(ends).__name__,
)
def test_every_pair_of_ends_is_moved_by_its_own_values(ends, values, u):
    values = values.astype(float)
    once = ends.enforce(u, values)
    np.testing.assert_array_equal(ends.enforce(once, values), once)
    np.testing.assert_array_equal(once[..., 1:-1], u[..., 1:-1])
    exact = isinstance(ends, DirichletEnds)
    # Stencil coefficients up to 18 divided by 6h = 0.3, on values up to 11: a few ulps of float64.
    assert ends.error(once, values) <= (0 if exact else 1e-11)
    assert ends.error(u, values) > 0.1
    # The ends do not mix: another value at the lower ones leaves the upper ones as they are.
    other = ends.enforce(u, values + jnp.array([1.0, 0.0]))
    np.testing.assert_array_equal(other[..., 1:], once[..., 1:])
    assert jnp.abs(other[..., 0] - once[..., 0]).min() > 1e-3
    every = jnp.broadcast_to(values, (2, 3, 2))
    np.testing.assert_array_equal(ends.enforce(u[:, 1], every[:, 1]), once[:, 1])


def test_each_end_of_mixed_ends_is_that_of_its_condition(u):
    values = jnp.array([0.3, -1.7])
    lower, upper = DirichletEnds(), NeumannEnds(length=3.0)
    mixed = MixedEnds(lower, upper).enforce(u, values)
    np.testing.assert_array_equal(mixed[..., 0], lower.enforce(u, values)[..., 0])
    np.testing.assert_array_equal(mixed[..., -1], upper.enforce(u, values)[..., -1])


def test_robin_has_dirichlet_and_neumann_as_its_limits(u):
    values = jnp.array([0.3, -1.7])
    neumann = NeumannEnds(length=2.0).enforce(u, values)
    np.testing.assert_array_equal(RobinEnds(0.0, 1.0, length=2.0).enforce(u, values), neumann)
    dirichlet = RobinEnds(1.0, 0.0, length=2.0).enforce(u, values)
    # One product and one quotient by 6h.
    np.testing.assert_allclose(dirichlet, DirichletEnds().enforce(u, values), rtol=1e-15)


def test_robin_is_of_third_order_along_the_axis(x64):
    """The known error of the stencil on sin at 1 times b, and an exact cubic."""
    for h, expected in ((0.01, -2.087e-7), (0.005, -2.62e-8)):
        x = 1 - h * jnp.arange(9.0)[::-1]
        exact = 3 * jnp.sin(x) + 2 * jnp.cos(x)
        ends = RobinEnds(3.0, 2.0, length=8 * h)
        residual = ends.residual(jnp.sin(x)[None], exact[jnp.array([0, -1])][None])
        # Four published digits.
        np.testing.assert_allclose(residual[0, 1], 2 * expected, rtol=2e-3)
    x = jnp.linspace(0.0, 2.0, 9)
    ends = RobinEnds((2.0, 3.0), (-1.0, 0.5), length=2.0)
    # u = 1 + x³: 2u − u' = 2 at 0, 3u + u'/2 = 33 at 2.
    assert ends.error((1 + x**3)[None], jnp.array([2.0, 33.0])) < 1e-13


def test_hidden_conditions_determine_their_end_nodes():
    """With spacing 1 the lower stencil of u + 6/11 u' has a zero on its end node, whatever the grid."""
    u, values = jax.random.normal(jax.random.key(1), (1, 12)), jnp.array([0.4, -0.2])
    hidden = RobinEnds(11 / 6, 1.0, length=0.1).hidden(12)
    assert isinstance(hidden, RobinEnds)
    assert hidden.a == (-11 / 6, 11 / 6)
    # Round-off of float32 on values of size 10.
    assert hidden.error(hidden.enforce(u, values), values) < 1e-5
    cooled = RobinEnds(2.0, (-0.5, 0.5), length=0.1)
    assert cooled.hidden(12) == RobinEnds(2.0, (-0.5, 0.5), length=11.0)


@pytest.mark.usefixtures("unchecked")
def test_bad_input_is_refused(u):
    with pytest.raises(ValueError, match="spacing 1; check the sign of b"):
        RobinEnds(11 / 6, 1.0, length=19.0).enforce(u, VALUES[0])
    with pytest.raises(ValueError, match="one of them not zero at each end"):
        RobinEnds((1.0, 0.0), 0.0, 1.0)
    with pytest.raises(ValueError, match="finite factors"):
        RobinEnds(jnp.nan, 1.0, 1.0)
    with pytest.raises(TypeError, match="a number or a pair"):
        RobinEnds("cold", 1.0, 1.0)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="positive, finite length"):
        RobinEnds(1.0, 1.0, length=-1.0)
    with pytest.raises(ValueError, match="at least 8 nodes, got 7"):
        MixedEnds(DirichletEnds(), RobinEnds(1.0, 1.0, 1.0)).enforce(u[..., :7], VALUES[0])
    with pytest.raises(ValueError, match=r"\(2,\) or \(3, 2\) or \(2, 3, 2\), got \(2, 2\)"):
        DirichletEnds().enforce(u, jnp.ones((2, 2)))
    with pytest.raises(TypeError, match="a circle has no end of its own"):
        MixedEnds(DirichletEnds(), PeriodicEnds())


def test_a_slope_needs_the_length_of_the_axis():
    """A line of slope 1 on [0, 2] stays as it is."""
    grid = Grid.uniform(0.0, 2.0, 20)
    line = np.asarray(grid.axes[0])[None]
    for length in (2.0, grid):
        for ends in (NeumannEnds(length), RobinEnds(0.0, 1.0, length)):
            moved = ends.enforce(line, np.ones(2))
            assert moved.dtype == np.float64  # NumPy's in its own precision
            np.testing.assert_allclose(moved, line, atol=1e-14)
            single = ends.enforce(jnp.asarray(line, jnp.float32), jnp.ones(2))
            np.testing.assert_allclose(single, line, atol=1e-6)
    for build in (NeumannEnds, lambda: RobinEnds(1.0, 1.0)):  # pyright: ignore[reportCallIssue]
        with pytest.raises(TypeError, match="length"):
            build()  # pyright: ignore[reportCallIssue]
    for grid in (Grid([0.0, 1.0, 3.0]), Grid.uniform((0.0, 0.0), (1.0, 1.0), (4, 4))):
        with pytest.raises(ValueError, match="NeumannEnds expected a uniform grid of one axis"):
            NeumannEnds(grid)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize(
    "ends",
    [
        DirichletEnds(),
        NeumannEnds(1.0),
        RobinEnds(1.0, (-0.1, 0.1), 1.0),
        MixedEnds(DirichletEnds(), NeumannEnds(1.0)),
        Sides(DirichletEnds(), None),
    ],
    ids=lambda ends: type(ends).__name__,
)
def test_values_that_are_not_finite_are_refused(ends, bad, unchecked):
    u, values = np.ones((1, 12, 12)), np.array([0.0, bad])
    values = (values, None) if isinstance(ends, Sides) else values
    for method in (ends.enforce, ends.error):
        with pytest.raises(ValueError, match=r"Ends expected finite values, got (nan|inf) at"):
            method(u, values)
