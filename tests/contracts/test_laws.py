"""One suite for every law: what `FiniteVolume` and `solve` rely on, whatever the equation."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from solvers import (
    HLL,
    HLLC,
    FiniteVolume,
    Godunov,
    Grid,
    Outflow,
    Periodic,
    Roe,
    Rusanov,
    Wall,
    check_law,
    laws,
    solve,
)
from solvers.finite_volume.riemann import fitting

LAWS = {
    "advection": laws.Advection,
    "burgers": lambda p: laws.Burgers(),
    "viscous burgers": laws.Burgers,
    "diffusion": laws.Diffusion,
    "porous medium": laws.PorousMedium,
    "stefan": laws.Stefan,
    "reaction": lambda p: laws.AdvectionDiffusionReaction(velocity=0.7, diffusivity=p),
}
# Each as a function of one parameter, of order one or two.
SYSTEMS = {
    "acoustics": laws.Acoustics,
    "euler": laws.Euler,
    "navier stokes": lambda p: laws.NavierStokes(0.01, gamma=p),
    "shallow water": laws.ShallowWater,
}
GRID = Grid.uniform(0.0, 1.0, 12)
PARAMETER = 0.5
x64 = pytest.mark.usefixtures("x64")


@pytest.fixture(params=LAWS, ids=lambda name: name.replace(" ", "-"))
def make(request):
    """A law as a function of its one parameter."""
    return LAWS[request.param]


@pytest.fixture(params=SYSTEMS, ids=lambda name: name.replace(" ", "-"))
def system(request):
    """A system as a function of its one parameter."""
    return SYSTEMS[request.param]


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
        if isinstance(item, type)
        and issubclass(item, laws.AbstractLaw)
        and not name.startswith("Abstract")
    }
    scalars = {type(make(PARAMETER)).__name__ for make in LAWS.values()}
    assert concrete == scalars | {type(make(2.0)).__name__ for make in SYSTEMS.values()}


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
def test_members_agree(make):
    check_law(make(PARAMETER), jnp.linspace(-1.9, 2.0, 11)[None])  # none at a kink


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
    rates = jax.jit(jax.vmap(lambda p: field(make(p))(0.0, u)))(jnp.full(3, PARAMETER))
    # Vectorised code may round powers differently.
    one = eqx.filter_jit(field(make(PARAMETER)))(0.0, u)
    np.testing.assert_allclose(rates[1], one, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("name", LAWS, ids=lambda name: name.replace(" ", "-"))
@pytest.mark.parametrize("ndim", [2, 3])
@x64
def test_scalar_laws_run_in_more_dimensions_like_in_one(name, ndim):
    law = LAWS[name](PARAMETER)
    u = states(jnp.float64)[0]
    line = eqx.filter_jit(FiniteVolume(law=law, grid=GRID, boundary=Outflow()))(0.0, u)
    grid = Grid.uniform((0.0,) * ndim, (1.0,) * ndim, (12,) + (4,) * (ndim - 1))
    field = FiniteVolume(law=law, grid=grid, boundary=Outflow())
    block = jnp.broadcast_to(u.reshape((1, 12) + (1,) * (ndim - 1)), (1, *grid.shape))
    rate = jax.jit(lambda v: field(0.0, v))(block)
    # Nothing varies along the other axes, which add round-off.
    np.testing.assert_allclose(rate[(..., *(0,) * (ndim - 1))], line, atol=1e-10)


def primitives(law, shape, dtype=float):
    """Bumpy primitive variables, positive where they have to be, with velocities of both signs."""
    channels = law.channel_count(len(shape))
    x = np.stack(np.meshgrid(*(np.arange(n) / n for n in shape), indexing="ij"))
    phase = np.arange(channels).reshape((-1,) + (1,) * len(shape))
    waves = np.sin(2 * np.pi * np.sum(x, axis=0) + phase)
    mean = np.ones_like(phase, dtype=float)
    mean[1 : 1 + len(shape)] = 0.0
    return jnp.asarray(mean + 0.5 * waves, dtype=dtype)


@x64
@pytest.mark.parametrize("ndim", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_members_of_systems_agree(system, ndim):
    law = system(1.7)
    check_law(law, law.to_conserved(primitives(law, (4, 2)[:ndim])))


@x64
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_primitive_variables_of_systems_go_there_and_back(system, ndim):
    law = system(1.7)
    w = primitives(law, (4,) * ndim)
    u = law.to_conserved(w)
    assert u.shape == w.shape
    np.testing.assert_allclose(law.to_primitive(u), w, rtol=1e-12, atol=1e-15)
    admissible = law.admissible(u)
    assert admissible is None or jnp.all(admissible)


@x64
@pytest.mark.parametrize("kind", [HLLC, Godunov, Roe, HLL, Rusanov])
@pytest.mark.parametrize("ndim", [1, 2])
def test_fluxes_of_systems_are_consistent_and_alike_along_all_axes(system, kind, ndim):
    law = system(1.7)
    if kind not in fitting(law):
        with pytest.raises(ValueError, match=f"got {kind.__name__}; use one of .*Rusanov"):
            FiniteVolume(law=law, grid=GRID, boundary=Periodic(), riemann=kind())
        return
    w = primitives(law, (6,) * ndim)
    other = primitives(law, (6,) * ndim)[:, ::-1]
    along = {}
    for axis in range(ndim):
        flux = jax.jit(lambda a, b, axis=axis: kind()(law, a, b, axis))
        # F(w, w) = f(w); round-off of differences of products.
        np.testing.assert_allclose(flux(w, w), law.primitive_flux(w, axis), rtol=1e-12, atol=1e-13)
        # Exchanging the velocities of two axes exchanges the fluxes.
        order = list(range(w.shape[0]))
        order[1], order[1 + axis] = order[1 + axis], order[1]
        turned = flux(w[jnp.array(order)], other[jnp.array(order)])[jnp.array(order)]
        along[axis] = turned
        np.testing.assert_allclose(turned, along[0], rtol=1e-12, atol=1e-13)
        # Reflection turns mass and energy back, and keeps the normal momentum.
        signs = law.reflect(jnp.ones_like(w[:, :1]), axis)
        mirrored = flux(law.reflect(other, axis), law.reflect(w, axis))
        np.testing.assert_allclose(mirrored, -signs * flux(w, other), rtol=1e-11, atol=1e-12)


@x64
@pytest.mark.parametrize("ndim", [1, 2])
def test_wave_speeds_of_systems_bound_the_eigenvalues(system, ndim):
    law = system(1.7)
    w = primitives(law, (5,) * ndim).reshape(law.channel_count(ndim), -1)
    u = law.to_conserved(w)
    for axis in range(ndim):
        jacobian = jax.jacfwd(lambda v, axis=axis: law.flux(v[:, None], axis)[:, 0])
        jacobians = jax.jit(jax.vmap(jacobian))(u.T)
        eigenvalues = np.linalg.eigvals(np.asarray(jacobians))
        assert np.max(np.abs(eigenvalues.imag)) < 1e-6  # hyperbolic; a defective basis costs digits
        largest = np.max(np.abs(eigenvalues), axis=1)
        speed = jnp.broadcast_to(law.max_wave_speed(u, axis), largest.shape)
        np.testing.assert_allclose(speed, largest, rtol=1e-6)
        lower, upper = law.wave_speeds(w, w[:, ::-1], axis)
        assert np.all(lower <= np.min(eigenvalues.real, axis=1) + 1e-6)
        assert np.all(upper >= np.min(eigenvalues.real[::-1], axis=1))


@x64
@pytest.mark.parametrize("kind", [HLLC, Godunov, Roe, HLL, Rusanov])
def test_systems_conserve_between_walls_and_round_a_circle(system, kind):
    law = system(1.7)
    if kind not in fitting(law):
        pytest.skip("refused, as tested above")
    grid = Grid.uniform((0.0, 0.0), (1.0, 1.0), (8, 6))
    field = FiniteVolume(law=law, grid=grid, boundary=(Periodic(), Wall()), riemann=kind())
    rate = jax.jit(lambda u: field(0.0, u))(law.to_conserved(primitives(law, grid.shape)))
    size = grid.integrate(jnp.abs(rate))
    assert jnp.all(size > 0.1)
    # All but the momentum that the walls take, what they reflect; round-off.
    signs = law.reflect(jnp.ones((rate.shape[0], 1)), 1)[:, 0]
    kept = jnp.array([c for c in range(rate.shape[0]) if signs[c] > 0])
    assert jnp.all(jnp.abs(grid.integrate(rate))[kept] <= 1e-14 * size[kept])


def test_systems_map_and_differentiate_in_single_precision(system):
    grid = Grid.uniform(0.0, 1.0, 10)

    def loss(parameter, w):
        law = system(parameter)
        field = FiniteVolume(law=law, grid=grid, boundary=(Wall(), Outflow()))
        u = law.to_conserved(w)
        return jnp.sum((u + 0.01 * field(0.0, u)) ** 2)  # one step: gradients compile slowly

    w = primitives(system(1.7), grid.shape, jnp.float32)
    w = w.at[:, 4:].set(w[:, 4:5])  # flat on the right
    gradient = jax.value_and_grad(loss, (0, 1))
    many = jnp.array([1.3, 1.7], jnp.float32)
    batch = jax.jit(jax.vmap(gradient, (0, None)))(many, w)
    single = jax.jit(gradient)(many[1], w)
    for several, one in zip(jax.tree.leaves(batch), jax.tree.leaves(single), strict=True):
        assert several.dtype == jnp.float32
        assert jnp.all(jnp.isfinite(several))
        # Vectorised code rounds otherwise; gradients are of order one to ten.
        np.testing.assert_allclose(several[1], one, rtol=1e-4, atol=1e-4)
        assert jnp.any(one != 0)


def test_parameters_of_systems_are_checked(system):
    for bad in (float("nan"), 0.0):
        with pytest.raises(ValueError, match="correct the parameter"):
            system(bad)
    with pytest.raises(ValueError, match=r"got (shape )?\(3,\); use jax.vmap over the law"):
        FiniteVolume(law=system(jnp.full(3, 1.7)), grid=GRID, boundary=Periodic())
