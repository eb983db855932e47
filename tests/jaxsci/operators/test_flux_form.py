"""In flux form every control volume balances to round-off, whatever the operator says."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.operators import FluxForm
from solvers import Grid

X = np.array([0.0, 0.1, 0.25, 0.3, 0.6, 0.65, 0.8, 1.0])
GRIDS = {
    1: Grid(X),
    2: Grid(X, np.linspace(0.0, 2.0, 5) ** 2),
    3: Grid(X, np.linspace(0.0, 1.0, 4), np.array([0.0, 0.5, 2.0])),
}
DT = 0.03
pytestmark = pytest.mark.usefixtures("x64")


def nonsense(channels, ndim):
    """An operator that conserves nothing."""
    return lambda x: jnp.concatenate([jnp.sin((k + 2.0) * x[:channels]) for k in range(ndim)])


def outflow(layer, x, sides):
    """Σ_d ∮ F_d: what leaves through the boundary of the domain in a unit of time, by channel."""
    total = 0.0
    for axis, flux in enumerate(layer.fluxes(x, sides)):
        other = [w for a, w in enumerate(layer.grid.widths) if a != axis]
        area = np.ones(())
        for widths in other:
            area = np.multiply.outer(area, widths)
        through = jnp.take(flux, -1, axis + 1) - jnp.take(flux, 0, axis + 1)
        total = total + (through * area).reshape(flux.shape[0], -1).sum(1)
    return total


@pytest.mark.parametrize(
    ("ndim", "kind"),
    [(1, "insulated"), (2, "periodic"), (1, "prescribed"), (3, "prescribed")],
)
def test_totals(ndim, kind, key):
    grid = GRIDS[ndim]
    layer = FluxForm(nonsense(2, ndim), grid, dt=DT, periodic=kind == "periodic")
    x = jax.random.normal(key, (3, *grid.shape))  # the last channel is a parameter
    sides = None
    if kind == "prescribed":
        transverse = (2, *grid.shape[1:])
        sides = ((0.7, jnp.linspace(0.0, 1.0, int(np.prod(transverse))).reshape(transverse)),)
        sides += ((jnp.array([0.1, -0.2]), 0.3),) * (ndim - 1)
    out = jax.jit(layer)(x, sides)
    assert out.shape == (2, *grid.shape)
    before, after = grid.integrate(x[:2]), grid.integrate(out)
    left = DT * outflow(layer, x, sides)
    if kind != "prescribed":
        np.testing.assert_array_equal(left, 0.0)
    # Some hundred terms of order one in double precision.
    np.testing.assert_allclose(after, before - left, atol=1e-14)
    assert jnp.abs(out - x[:2]).max() > 0.1


def test_every_control_volume_balances(key):
    grid = GRIDS[2]
    layer = FluxForm(nonsense(1, 2), grid, dt=DT, periodic=(False, True))
    x = jax.random.normal(key, (1, *grid.shape))
    change = (layer(x) - x[:1])[0] * grid.volumes
    first, second = layer.fluxes(x)
    hx, hy = grid.widths
    block = np.s_[2:5, 1:3]
    through = ((first[0, 5] - first[0, 2]) * hy)[1:3].sum()
    through += ((second[0, :, 3] - second[0, :, 1]) * hx)[2:5].sum()
    np.testing.assert_allclose(change[block].sum(), -DT * through, atol=1e-15)


def test_a_known_law_is_one_upwind_step():
    """Advection by the flux of the cell below each face, as in the finite-volume method."""
    n, speed = 20, 1.5
    grid = Grid.uniform(0.0, 1.0, n)
    layer = FluxForm(
        lambda u: speed * jnp.roll(u, 1, axis=1), grid, dt=0.5 / n / speed, periodic=True
    )
    u = jnp.sin(jnp.linspace(0.0, 2 * np.pi, n))[None]
    np.testing.assert_allclose(layer(u), 0.5 * (u + jnp.roll(u, 1, axis=1)), atol=1e-15)


def test_single_precision_conserves_over_many_steps():
    grid = Grid.uniform(0.0, 1.0, 32)
    layer = FluxForm(nonsense(1, 1), grid, dt=0.01, periodic=True)
    u = 1.0 + jax.random.uniform(jax.random.key(2), (1, 32), jnp.float32)
    end, _ = jax.lax.scan(lambda v, _: (layer(v), None), u, None, length=200)
    assert end.dtype == jnp.float32
    assert jnp.abs(end - u).max() > 1e-2
    mean = lambda v: np.asarray(v, np.float64).mean()
    # 200 steps, 32 roundings of 6e-8 a step that are averaged.
    np.testing.assert_allclose(mean(end), mean(u), rtol=2e-6)


def test_derivatives_through_the_prescribed_fluxes(key):
    grid = GRIDS[1]
    layer = FluxForm(nonsense(1, 1), grid, dt=DT)
    x = jax.random.normal(key, (1, *grid.shape))
    total = jax.jit(lambda q: grid.integrate(layer(x, ((q, 0.0),)))[0])
    np.testing.assert_allclose(jax.grad(total)(0.3), DT, rtol=1e-12)
    batch = jax.vmap(lambda q: layer(x, ((q, 0.0),)))(jnp.array([0.1, 0.2]))
    np.testing.assert_allclose(batch[1], layer(x, ((0.2, 0.0),)), atol=1e-15)


@pytest.mark.usefixtures("unchecked")
def test_what_is_refused(key):
    grid = GRIDS[2]
    x = jax.random.normal(key, (1, *grid.shape))
    good = nonsense(1, 2)
    with pytest.raises(TypeError, match=r"operator and a solvers\.Grid, got function and int"):
        FluxForm(good, 3, dt=DT)
    with pytest.raises(ValueError, match=r"positive, finite dt, got 0\.0"):
        FluxForm(good, grid, dt=0.0)
    with pytest.raises(ValueError, match="2 entries in periodic"):
        FluxForm(good, grid, dt=DT, periodic=(True,))
    with pytest.raises(ValueError, match=r"2 fluxes for each conserved channel"):
        FluxForm(lambda v: v, grid, dt=DT)(x)
    with pytest.raises(ValueError, match=r"x of shape \(channels, 7, 4\)"):
        FluxForm(good, grid, dt=DT)(x[:, 1:])
    layer = FluxForm(good, grid, dt=DT, periodic=(False, True))
    with pytest.raises(ValueError, match="None on periodic ones"):
        layer(x, ((0.0, 0.0), (0.0, 0.0)))
    with pytest.raises(ValueError, match="boundary value was expected"):
        layer(x, ((jnp.zeros(3), 0.0), None))
