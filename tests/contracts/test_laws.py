"""One suite for every law: what `FiniteVolume` and `solve` rely on, whatever the equation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from solvers import FiniteVolume, Godunov, Grid, Periodic, Rusanov, laws, solve

LAWS = {
    "advection": laws.Advection,
    "burgers": lambda p: laws.Burgers(),
    "viscous burgers": laws.Burgers,
    "diffusion": laws.Diffusion,
    "porous medium": laws.PorousMedium,
    "stefan": laws.Stefan,
}
GRID = Grid.uniform(0.0, 1.0, 12)
PARAMETER = 0.5
x64 = pytest.mark.usefixtures("x64")


@pytest.fixture(params=LAWS, ids=lambda name: name.replace(" ", "-"))
def make(request):
    """A law as a function of its one parameter."""
    return LAWS[request.param]


def states(dtype):
    """Two bumpy, positive states, one with a flat stretch."""
    x = 2 * np.pi * GRID.centers[0]
    flat = np.where(x < 3.0, 0.0, 1.0)
    return jnp.asarray(np.stack([1.0 + 0.8 * np.sin(x), flat])[:, None], dtype=dtype)


def advance(make, parameter, u0):
    field = FiniteVolume(law=make(parameter), grid=GRID, boundary=Periodic())
    return solve(field, u0, t1=0.01, steps=8).states[-1]


def test_every_law_is_registered():
    concrete = {
        name
        for name, item in vars(laws).items()
        if isinstance(item, type) and not name.startswith("Abstract")
    }
    assert concrete == {type(make(PARAMETER)).__name__ for make in LAWS.values()}


def test_shapes_precision_and_finiteness(make):
    law, u = make(PARAMETER), states(jnp.float32)[0]
    for value in (law.flux(u), law.potential(u), law.godunov_flux(u, u)):
        assert value.shape == u.shape
        assert value.dtype == jnp.float32
        assert jnp.all(jnp.isfinite(value))
    for value in (law.max_wave_speed(u), law.diffusivity(u)):
        assert jnp.broadcast_shapes(value.shape, u.shape) == u.shape
        assert value.dtype == jnp.float32
        assert jnp.all(value >= 0)


@x64
@pytest.mark.parametrize("riemann", [Rusanov(), Godunov()])
def test_numerical_fluxes_are_consistent(make, riemann):
    law, u = make(PARAMETER), jnp.linspace(-2.0, 2.0, 9)[None]
    # F(u, u) = f(u), to the last bit but for ½f + ½f.
    np.testing.assert_allclose(riemann(law, u, u), law.flux(u), rtol=1e-15)


@x64
def test_derivatives_of_flux_and_potential_are_the_declared_ones(make):
    law, u = make(PARAMETER), jnp.linspace(0.06, 2.0, 13)[None]  # none at a kink
    slope = jax.jvp(law.flux, (u,), (jnp.ones_like(u),))[1]
    assert jnp.all(law.max_wave_speed(u) >= jnp.abs(slope))
    slope = jax.jvp(law.potential, (u,), (jnp.ones_like(u),))[1]
    np.testing.assert_allclose(jnp.broadcast_to(law.diffusivity(u), u.shape), slope, rtol=1e-12)
    assert law.has_diffusion == bool(jnp.any(slope != 0))


@x64
def test_mass_is_conserved_on_a_periodic_grid(make):
    run = jax.jit(jax.vmap(lambda u: advance(make, PARAMETER, u)))
    u0 = states(jnp.float64)
    # A telescoping sum, relative to Σ|u|: round-off.
    drift = jnp.abs(GRID.integrate(run(u0) - u0)) / GRID.integrate(jnp.abs(u0))
    assert jnp.max(drift) <= 1e-14


def test_vmap_over_parameters_equals_a_loop_in_single_precision(make):
    u0 = states(jnp.float32)[0]
    parameters = jnp.array([0.3, 0.7], jnp.float32)
    run = lambda p: advance(make, p, u0)
    batch = jax.jit(jax.vmap(run))(parameters)
    assert batch.dtype == jnp.float32
    single = jax.jit(run)
    for p, u in zip(parameters, batch, strict=True):
        # Vectorised code may round powers differently.
        np.testing.assert_allclose(u, single(p), rtol=1e-5, atol=1e-6)


def test_gradients_are_finite_with_flat_stretches(make):
    u0 = states(jnp.float32)

    def loss(parameter, u):
        return jnp.sum(jax.vmap(lambda v: advance(make, parameter, v))(u) ** 2)

    gradients = jax.jit(jax.grad(loss, (0, 1)))(jnp.float32(PARAMETER), u0)
    assert all(jnp.all(jnp.isfinite(g)) for g in gradients)
    assert jnp.any(gradients[1] != 0)


def test_parameters_that_are_not_finite_are_refused(make):
    if make is LAWS["burgers"]:
        pytest.skip("the inviscid Burgers equation has no parameter")
    with pytest.raises(ValueError, match="expected to be finite"):
        make(float("nan"))


@pytest.mark.parametrize("name", ["viscous burgers", "diffusion", "porous medium"])
def test_parameters_without_a_well_posed_equation_are_refused(name):
    with pytest.raises(ValueError, match="correct the parameter"):
        LAWS[name](-0.1)


def test_many_parameters_need_a_map(make):
    if make is LAWS["burgers"]:
        pytest.skip("the inviscid Burgers equation has no parameter")
    law = make(jnp.full(3, PARAMETER))
    field = lambda law: FiniteVolume(law=law, grid=GRID, boundary=Periodic())
    u = states(jnp.float32)[0]
    with pytest.raises(ValueError, match=r"got (shape )?\(3,\); use jax.vmap over the law"):
        field(law)(0.0, u)
    rates = jax.vmap(lambda p: field(make(p))(0.0, u))(jnp.full(3, PARAMETER))
    # Vectorised code may round powers differently.
    np.testing.assert_allclose(rates[1], field(make(PARAMETER))(0.0, u), rtol=1e-5, atol=1e-4)
