import jax.numpy as jnp
import pytest

from solvers import Dirichlet, Neumann, Outflow, Periodic
from solvers.boundary import normalise, prescribed


def test_one_condition_stands_for_all_sides():
    assert normalise(Outflow(), 2) == ((Outflow(), Outflow()),) * 2


def test_a_pair_is_lower_and_upper_in_one_dimension():
    lower, upper = Outflow(), Neumann(1.0)
    assert normalise((lower, upper), 1) == ((lower, upper),)


def test_one_entry_an_axis_in_more_dimensions():
    pair = (Outflow(), Neumann(1.0))
    assert normalise((Periodic(), pair), 2) == ((Periodic(), Periodic()), pair)


@pytest.mark.parametrize(
    ("boundary", "ndim", "message"),
    [
        ((Periodic(), Outflow()), 1, "Periodic on both sides .* got Periodic and Outflow"),
        ((Outflow(), Outflow(), Outflow()), 1, r"1 \(lower, upper\) pair"),
        ("periodic", 1, "Periodic, Dirichlet, Neumann, Robin, Outflow or Wall, got 'periodic'"),
        (((Outflow(), 0.0),), 1, "one entry an axis"),
        ((Outflow(),), 2, r"2 \(lower, upper\) pair"),
    ],
)
def test_bad_boundaries_are_refused(boundary, ndim, message):
    with pytest.raises(ValueError, match=message):
        normalise(boundary, ndim)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (2.0, (2, 1, 3)),
        (jnp.array([1.0, 2.0]), (2, 1, 3)),
        (jnp.ones((2, 3)), (2, 1, 3)),
        (lambda t: t * jnp.ones((2, 3)), (2, 1, 3)),
    ],
)
def test_values_may_be_scalar_a_channel_or_a_face(value, expected):
    slab = jnp.zeros((2, 1, 3))  # two channels, lower end of axis 0, three faces
    shaped = prescribed(Dirichlet(value).value, 1.5, slab, axis=0)
    assert jnp.broadcast_shapes(shaped.shape, slab.shape) == expected
    assert shaped.dtype == slab.dtype


def test_a_value_of_another_shape_is_refused():
    slab = jnp.zeros((2, 1, 3))
    with pytest.raises(ValueError, match=r"scalar or of shape \(2,\) or \(2, 3\), got \(5,\)"):
        prescribed(jnp.ones(5), 0.0, slab, axis=0)


def test_integer_values_become_floating_leaves():
    assert jnp.issubdtype(Dirichlet(1).value.dtype, jnp.floating)


@pytest.mark.parametrize("kind", [Dirichlet, Neumann])
def test_values_that_are_not_finite_are_refused(kind):
    with pytest.raises(ValueError, match="expected to be finite, got nan; correct the value"):
        kind(jnp.array([0.0, jnp.nan]))
