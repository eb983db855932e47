"""Sides of a box: every side its own kind and values, corners with one owner, enforcement idempotent."""

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

NX, NY = 10, 12


def values(*lengths):
    """Another value on every node of every side."""
    return tuple(
        jnp.sin(3.0 * i + jnp.arange(2.0 * n)).reshape(n, 2) for i, n in enumerate(lengths)
    )


@pytest.fixture
def u(x64):
    return jax.random.normal(jax.random.key(0), (2, NX, NY))


def test_four_dirichlet_sides_have_their_own_values(u):
    along_x, along_y = values(NY, NX)
    out = Sides(DirichletEnds(), DirichletEnds()).enforce(u, (along_x, along_y))
    np.testing.assert_array_equal(out[:, 1:-1, 1:-1], u[:, 1:-1, 1:-1])
    for end in (0, -1):
        # The corners belong to the later axis.
        np.testing.assert_array_equal(out[0, :, end], along_y[:, end])
        np.testing.assert_array_equal(out[0, end, 1:-1], along_x[1:-1, end])


@pytest.mark.parametrize(
    ("sides", "prescribed", "tolerance"),
    [
        (Sides(DirichletEnds(), DirichletEnds()), (True, True), 0),
        (Sides(DirichletEnds(), PeriodicEnds()), (True, False), 0),
        (Sides(PeriodicEnds(), PeriodicEnds()), (False, False), 0),
        (Sides(NeumannEnds(1.0), PeriodicEnds()), (True, False), 1e-12),
        (Sides(NeumannEnds(1.0), RobinEnds(1.0, (-0.2, 0.2), 1.0)), (True, True), 1e-12),
        (
            Sides(
                MixedEnds(DirichletEnds(), NeumannEnds(1.0)),
                MixedEnds(NeumannEnds(1.0), DirichletEnds()),
            ),
            (True, True),
            1e-12,
        ),
        (Sides(None, NeumannEnds(1.0)), (False, True), 1e-12),
    ],
)
def test_conditions_hold_and_enforcing_twice_is_enforcing_once(sides, prescribed, tolerance, u):
    given = [v if p else None for v, p in zip(values(NY, NX), prescribed, strict=True)]
    if isinstance(sides.axes[1], PeriodicEnds) and given[0] is not None:
        # A circle along y whose side values close it as well.
        given[0] = given[0].at[-1].set(given[0][0])
    given = tuple(given)
    once = sides.enforce(u, given)
    np.testing.assert_array_equal(sides.enforce(once, given), once)
    np.testing.assert_array_equal(once[:, 1:-1, 1:-1], u[:, 1:-1, 1:-1])
    # Exact, or stencil coefficients up to 18 divided by 6h = 0.5 on values of size 1.
    assert sides.error(once, given) <= tolerance
    assert sides.error(u, given) > 0.1
    for axis, ends in enumerate(sides.axes):
        if isinstance(ends, PeriodicEnds):
            first, last = jnp.take(once, 0, axis + 1), jnp.take(once, -1, axis + 1)
            np.testing.assert_array_equal(first, last)


def test_a_value_wins_the_corner_over_a_slope_and_a_slope_over_a_circle(u):
    along_x, along_y = values(NY, NX)
    out = Sides(DirichletEnds(), NeumannEnds(1.0)).enforce(u, (along_x, along_y))
    np.testing.assert_array_equal(out[0, 0], along_x[:, 0])
    np.testing.assert_array_equal(out[0, -1], along_x[:, 1])
    sides = Sides(NeumannEnds(1.0), PeriodicEnds())
    out = sides.enforce(u, (along_x, None))
    # The slopes along x hold on all nodes of the side, corners included.
    alone = NeumannEnds(1.0).error(jnp.swapaxes(out, 1, 2), along_x)
    assert alone < 1e-12  # as above
    assert sides.error(out, (along_x, None)) < 1e-12


def test_the_error_sees_every_side_and_the_owner_of_a_corner(u):
    sides, given = Sides(DirichletEnds(), DirichletEnds()), values(NY, NX)
    out = sides.enforce(u, given)
    for node in ((0, 5), (NX - 1, 5), (4, 0), (4, NY - 1), (0, 0), (NX - 1, NY - 1)):
        moved = out.at[(1, *node)].add(2.0)
        np.testing.assert_allclose(sides.error(moved, given), 2.0, rtol=1e-14)
    # Time has no boundary, and its ends are as free as its middle.
    field = jax.random.normal(jax.random.key(1), (1, 4, NX, NY))
    still = Sides(None, PeriodicEnds(), DirichletEnds())
    held = still.enforce(field, (None, None, jnp.array([1.0, 2.0])))
    np.testing.assert_array_equal(held[:, 0, 1:-1, 1:-1], field[:, 0, 1:-1, 1:-1])
    np.testing.assert_array_equal(held[..., 0], jnp.ones((1, 4, NX)))
    np.testing.assert_array_equal(held[..., -1], 2 * jnp.ones((1, 4, NX)))


@pytest.mark.usefixtures("unchecked")
def test_bad_input_is_refused(u):
    both = Sides(DirichletEnds(), PeriodicEnds())
    with pytest.raises(TypeError, match="ends or None for each space axis, got str"):
        Sides("walls")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="at least one space axis"):
        Sides(None, None)
    with pytest.raises(ValueError, match=r"2 space axes.*use jax.vmap"):
        both.enforce(u[0], (None, None))
    with pytest.raises(ValueError, match="one entry for each of 2 space axes"):
        both.enforce(u, (jnp.ones(2),))
    with pytest.raises(ValueError, match="axis 0, which has no ends"):
        Sides(None, DirichletEnds()).enforce(u, (jnp.ones(2), jnp.ones(2)))
    with pytest.raises(ValueError, match=r"two end values with shape \(2,\) or \(12, 2\)"):
        both.enforce(u, (jnp.ones((NX, 2)), None))
