import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solvers import MUSCL, PiecewiseConstant, mc, minmod, superbee, van_leer

LIMITERS = [minmod, van_leer, mc, superbee]
number = st.floats(-10.0, 10.0, width=32)


@pytest.mark.parametrize("limiter", LIMITERS)
def test_limiters_keep_equal_slopes_and_drop_opposite_ones(limiter):
    assert limiter(jnp.array(0.5), jnp.array(0.5)) == 0.5
    assert limiter(jnp.array(0.5), jnp.array(-0.5)) == 0.0


@pytest.mark.parametrize("limiter", LIMITERS)
def test_gradients_on_flat_data_are_finite(limiter):
    slopes = jax.grad(limiter, (0, 1))(jnp.array(0.0), jnp.array(0.0))
    assert all(jnp.isfinite(s) for s in slopes)


@pytest.mark.parametrize("limiter", LIMITERS)
@pytest.mark.parametrize("stretched", [False, True])
@settings(max_examples=40, deadline=None)
@given(cells=st.tuples(number, number, number, number), widths=st.tuples(*[st.floats(0.1, 10)] * 4))
def test_face_states_lie_between_the_cells_they_separate(limiter, stretched, cells, widths):
    stencil = [jnp.float32(c) for c in cells]
    h = [jnp.float32(w) for w in widths] if stretched else None
    left, right = MUSCL(limiter)(stencil, h)
    low, high = min(cells[1:3]), max(cells[1:3])
    slack = 1e-5 * max(abs(c) for c in cells)  # single precision
    assert low - slack <= left <= high + slack
    assert low - slack <= right <= high + slack


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("limiter", LIMITERS)
def test_linear_data_are_reconstructed_exactly_on_stretched_cells(limiter):
    faces = jnp.array([0.0, 1.0, 1.8, 2.7, 3.5])
    stencil = list(0.5 * (faces[1:] + faces[:-1]))
    left, right = MUSCL(limiter)(stencil, list(jnp.diff(faces)))
    # The face value 1.8 of u = x, from either side; round-off.
    np.testing.assert_allclose([left, right], 1.8, rtol=1e-14)


def test_piecewise_constant_returns_the_cells():
    left, right = PiecewiseConstant()([jnp.array(1.0), jnp.array(2.0)], None)
    assert (left, right) == (1.0, 2.0)
