"""Boundary-corrected operators in time and on boxes: exact on every side, differentiable, batched."""

import equinox as eqx
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
from jaxsci.operators import FNO, BoundaryCorrectedFNO, LowRankNeuralOperator

KEY = jax.random.key(0)


def double(module):
    return jax.tree.map(lambda w: w.astype(jnp.float64), module)


def fno(*modes, out_channels=1):
    return FNO(
        in_channels=1,
        out_channels=out_channels,
        width=4,
        modes=modes,
        depth=2,
        projection=6,
        key=KEY,
    )


def low_rank():
    return LowRankNeuralOperator(
        in_channels=1, out_channels=1, width=4, rank=5, depth=2, projection=6, key=KEY
    )


def sine(*shape):
    return jnp.sin(jnp.arange(1.0, 1.0 + np.prod(shape))).reshape(shape)


NT, NX, NY = 6, 9, 10
ROBIN = RobinEnds(1.0, (-0.2, 0.2), 1.0)

# name: operator, condition, space, values (made when double precision is on)
CASES = {
    "time, Dirichlet": (fno(2, 3), DirichletEnds(), (NT, NX), lambda: sine(NT, 2)),
    "time, Robin and Neumann": (
        fno(2, 3, out_channels=2),
        MixedEnds(ROBIN, NeumannEnds(1.0)),
        (NT, NX),
        lambda: sine(2, NT, 2),
    ),
    "box, Dirichlet": (
        fno(3, 3),
        Sides(DirichletEnds(), DirichletEnds()),
        (NX, NY),
        lambda: (sine(NY, 2), 2 * sine(NX, 2)),
    ),
    "box, periodic and mixed": (
        fno(3, 3),
        Sides(PeriodicEnds(), MixedEnds(DirichletEnds(), NeumannEnds(1.0))),
        (NX, NY),
        lambda: (None, jnp.array([0.3, -1.7])),
    ),
    "box in time": (
        fno(2, 2, 3),
        Sides(None, DirichletEnds(), ROBIN),
        (NT, NX, NY),
        lambda: (None, sine(NT, NY, 2), sine(NT, NX, 2)),
    ),
    "low rank": (
        low_rank(),
        MixedEnds(DirichletEnds(), ROBIN),
        (NY,),
        lambda: jnp.array([0.3, 1.0]),
    ),
}


SLOW = ("time, Robin and Neumann", "box in time", "box, periodic and mixed")


@pytest.mark.parametrize(
    "name", [pytest.param(c, marks=pytest.mark.slow) if c in SLOW else c for c in CASES]
)
def test_boundary_error_and_gradients_of_the_whole_operator(name, x64):
    operator, ends, space, values = CASES[name]
    model, values = BoundaryCorrectedFNO(double(operator), ends), values()
    x = jax.random.normal(jax.random.key(1), (2, 1, *space))

    @jax.jit
    def run(model, x):
        def loss(model, x):
            out = jax.vmap(lambda x: model(x, values))(x)
            return jnp.mean(out**2), out

        gradient, out = jax.grad(loss, (0, 1), has_aux=True)(model, x)
        return out, gradient

    out, gradient = run(model, x)
    assert all(jnp.isfinite(g).all() for g in jax.tree.leaves(gradient))
    assert all(jnp.any(g != 0) for g in jax.tree.leaves(gradient[0].fno))
    given = values
    condition = ends if isinstance(ends, Sides) else Sides(*[None] * (len(space) - 1), ends)
    if not isinstance(ends, Sides):
        given = (None,) * (len(space) - 1) + (values,)
    for sample in out:
        # Values are copied and circles closed bit for bit; slopes up to 18/6h = 27 times round-off.
        exact = all(isinstance(e, DirichletEnds | PeriodicEnds | None) for e in condition.axes)
        assert condition.error(sample, given) <= (0 if exact else 1e-11)
        again = condition.enforce(sample, given)
        np.testing.assert_allclose(again, sample, rtol=0, atol=0 if exact else 1e-14)
    assert jnp.abs(out[0] - out[1]).max() > 1e-3


def test_sides_do_not_mix(x64):
    """Each side shows its own values bit for bit, and another value at one of them stays there."""
    operator, ends, space, values = CASES["box, Dirichlet"]
    model = BoundaryCorrectedFNO(double(operator), ends)
    along_x, along_y = values()
    x = jax.random.normal(jax.random.key(1), (1, *space))
    run = jax.jit(lambda v: model(x, v))
    out = run((along_x, along_y))
    other = run((along_x.at[:, 0].add(1.0), along_y))
    for end in (0, -1):
        np.testing.assert_array_equal(out[0, end, 1:-1], along_x[1:-1, end])
        np.testing.assert_array_equal(out[0, :, end], along_y[:, end])
        np.testing.assert_array_equal(other[0, :, end], along_y[:, end])
    np.testing.assert_array_equal(other[0, -1], out[0, -1])
    # The interior hears of it, through the hidden layers.
    assert jnp.abs(other - out)[:, 1:-1, 1:-1].max() > 1e-6


@pytest.mark.slow
def test_a_time_axis_of_equal_fields_is_one_dimension_after_another(x64):
    """A kernel without a mode of time but the mean treats every instant as the 1-D operator does."""
    operator = FNO(
        in_channels=1, out_channels=1, width=4, modes=(1, 3), depth=2, coordinates=False, key=KEY
    )
    model = BoundaryCorrectedFNO(double(operator), DirichletEnds())
    x = jnp.broadcast_to(jax.random.normal(jax.random.key(1), (1, 1, NX)), (1, NT, NX))
    out = eqx.filter_jit(model)(x, jnp.array([0.3, -1.7]))
    # Steady data and values stay steady: the elimination of each frequency of time keeps zero zero.
    np.testing.assert_allclose(out, jnp.broadcast_to(out[:, :1], out.shape), atol=1e-13)


@pytest.mark.slow
def test_the_axis_of_elimination_is_chosen(x64):
    operator, ends, space, values = CASES["box, Dirichlet"]
    x, given = jax.random.normal(jax.random.key(1), (1, *space)), values()
    outs = [
        eqx.filter_jit(BoundaryCorrectedFNO(double(operator), ends, axis=axis))(x, given)
        for axis in (None, 0, 1)
    ]
    np.testing.assert_array_equal(outs[0], outs[1])
    assert jnp.abs(outs[1] - outs[2]).max() > 1e-6


@pytest.mark.usefixtures("unchecked")
def test_bad_input_is_refused():
    dirichlet = DirichletEnds()
    with pytest.raises(ValueError, match="sides for the 2 space axes of its operator, got 1"):
        BoundaryCorrectedFNO(fno(3, 3), Sides(dirichlet))
    for axis in (0, 5):
        with pytest.raises(ValueError, match=rf"one of \[1\], got {axis}"):
            BoundaryCorrectedFNO(fno(3, 3), Sides(PeriodicEnds(), dirichlet), axis=axis)
    with pytest.raises(ValueError, match=r"1 space axes.*use jax.vmap"):
        BoundaryCorrectedFNO(fno(3), dirichlet)(jnp.ones((2, 1, 9)), jnp.ones(2))
    box = BoundaryCorrectedFNO(fno(3, 3), Sides(dirichlet, dirichlet))
    with pytest.raises(
        ValueError, match="values as a tuple with one entry for each of 2 space axes"
    ):
        box(jnp.ones((1, NX, NY)), jnp.ones(2))
    in_time = BoundaryCorrectedFNO(fno(2, 3), dirichlet)
    with pytest.raises(ValueError, match=r"\(2,\) or \(6, 2\) or \(1, 6, 2\), got \(9, 2\)"):
        in_time(jnp.ones((1, NT, NX)), jnp.ones((NX, 2)))
    with pytest.raises(ValueError, match="expected rank to be a whole"):
        LowRankNeuralOperator(in_channels=1, out_channels=1, width=4, rank=0, key=KEY)


def test_padding_is_refused(key):
    fno = FNO(in_channels=1, out_channels=1, width=4, modes=(3,), depth=1, padding=0.5, key=key)
    with pytest.raises(ValueError, match="got one with padding"):
        BoundaryCorrectedFNO(fno, DirichletEnds())
