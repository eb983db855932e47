import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from solvers import Dirichlet, Grid, Periodic
from solvers.incompressible import NavierStokes, NoSlip, solve, upwind

x64 = pytest.mark.usefixtures("x64")
GRID = Grid.uniform((0.0, 0.0), (1.0, 2.0), (8, 10))
CUBE = Grid.uniform((0.0,) * 3, (1.0,) * 3, (4, 5, 6))


@eqx.filter_jit
def noise(flow, key):
    keys = jax.random.split(key, flow.grid.ndim)
    pairs = zip(keys, flow.grid.face_shapes, strict=True)
    return flow.project(tuple(jax.random.normal(k, shape) for k, shape in pairs))


def inner(u, v):
    return sum(jnp.sum(a * b) for a, b in zip(u, v, strict=True))


@x64
@pytest.mark.parametrize(
    ("grid", "boundary"),
    [
        (GRID, Periodic()),
        (GRID, NoSlip()),
        (CUBE, (NoSlip(), Periodic(), Periodic())),
    ],
)
def test_convection_makes_no_energy(grid, boundary, key):
    flow = NavierStokes(grid=grid, viscosity=0.0, boundary=boundary)
    u = noise(flow, key)

    @eqx.filter_jit
    def power(flow):
        rate = flow.momentum(0.0, u)
        size = jnp.sqrt(inner(u, u) * inner(rate, rate))
        return inner(u, rate) / size, inner(u, flow(0.0, u)) / size

    # Relative to what each term makes; round-off of some hundred terms.
    np.testing.assert_allclose(power(flow), 0.0, atol=1e-13)
    damped = NavierStokes(grid=grid, viscosity=0.0, boundary=boundary, convection=upwind)
    viscous = NavierStokes(grid=grid, viscosity=0.1, boundary=boundary)
    for other in (damped, viscous):
        np.testing.assert_array_less(power(other), -1e-2)


@x64
@pytest.mark.parametrize("grid", [GRID, CUBE])
def test_momentum_is_conserved_in_a_periodic_box(grid, key):
    flow = NavierStokes(grid=grid, viscosity=0.1)
    for component in eqx.filter_jit(flow)(0.0, noise(flow, key)):
        # Sums of some hundred terms of size 10 to 100.
        np.testing.assert_allclose(jnp.sum(component), 0.0, atol=1e-11)


@x64
def test_rates_have_no_divergence_and_do_not_cross_walls(key):
    flow = NavierStokes(grid=GRID, viscosity=0.1, boundary=(Periodic(), (NoSlip(), NoSlip(1.0))))
    rate = eqx.filter_jit(flow)(0.0, noise(flow, key))
    np.testing.assert_allclose(flow.grid.divergence(rate), 0.0, atol=1e-11)  # rates are of size 50
    np.testing.assert_array_equal(rate[1][:, [0, -1]], 0.0)


@x64
def test_shear_between_sliding_walls_is_an_equilibrium():
    walls = (NoSlip(np.array([1.0, -2.0])), NoSlip(np.array([3.0, 2.0])))
    flow = NavierStokes(grid=CUBE, viscosity=0.1, boundary=(Periodic(), walls, Periodic()))
    # Linear from wall to wall: from 1 to 3 along x, from −2 to 2 along z.
    u = flow.grid.sample(lambda x: (1.0 + 2.0 * x[1], 0.0, -2.0 + 4.0 * x[1]))
    for component in eqx.filter_jit(flow)(0.0, u):
        np.testing.assert_allclose(component, 0.0, atol=1e-13)


@x64
def test_pressure_balances_a_conservative_force():
    def force(t, x):
        return t * x[1], t * x[0]  # t ∇(x y)

    flow = NavierStokes(grid=GRID, viscosity=0.1, boundary=NoSlip(), force=force)
    rest = flow.grid.sample(lambda x: (0.0, 0.0))
    for component in eqx.filter_jit(flow)(2.0, rest):
        np.testing.assert_allclose(component, 0.0, atol=1e-13)
    x, y = np.meshgrid(*GRID.centers, indexing="ij")
    # ∇·∇ on the grid is exact for x y.
    np.testing.assert_allclose(flow.pressure(2.0, rest), 2.0 * (x * y - 0.5), atol=1e-13)


@x64
@pytest.mark.slow  # compiles an adaptive solver
def test_diffrax_integrates_the_same_field(key):
    flow = NavierStokes(grid=GRID, viscosity=0.05, boundary=(NoSlip(), (NoSlip(), NoSlip(1.0))))
    u0 = noise(flow, key)
    theirs = diffrax.diffeqsolve(
        diffrax.ODETerm(flow),
        diffrax.Tsit5(),
        t0=0.0,
        t1=0.1,
        dt0=None,
        y0=u0,
        stepsize_controller=diffrax.PIDController(rtol=1e-8, atol=1e-8),
    ).ys
    assert theirs is not None
    ours = solve(flow, u0, t1=0.1, steps=100).at(-1)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b[-1], atol=1e-5)  # third order, at a tenth of the CFL limit


def test_stability_rate_sees_walls_and_forces():
    def rate(velocity=(0.0, 0.0), **options):
        flow = NavierStokes(grid=GRID, viscosity=0.01, **options)
        return flow.stability_rate(0.0, flow.grid.sample(lambda x: velocity))

    viscous = 2.0 * 0.01 * (64.0 + 25.0)
    np.testing.assert_allclose(rate(), viscous, rtol=1e-6)
    np.testing.assert_allclose(rate((1.0, -2.0)), viscous + 8.0 + 10.0, rtol=1e-6)
    lid = (Periodic(), (NoSlip(-3.0), NoSlip()))
    np.testing.assert_allclose(rate(boundary=lid), viscous + 24.0, rtol=1e-6)
    # √(f h)/h with h = 1/8.
    np.testing.assert_allclose(rate(force=lambda t, x: (2.0, 0.0)), viscous + 4.0, rtol=1e-6)


@pytest.mark.parametrize(
    ("boundary", "message"),
    [
        ((Periodic(), (NoSlip(), Periodic())), r"agree in being periodic, got .*Periodic"),
        ((Periodic(),), "one entry an axis"),
        ((Periodic(), Periodic(), Periodic()), "one entry an axis"),
        (Dirichlet(0.0), "Periodic or NoSlip"),
        ((NoSlip(), (NoSlip(), NoSlip(), NoSlip())), "2 of these"),
        (None, "got None"),
    ],
)
def test_bad_boundaries_are_refused(boundary, message):
    with pytest.raises(ValueError, match=message):
        NavierStokes(grid=GRID, viscosity=0.1, boundary=boundary)


@pytest.mark.parametrize("viscosity", [-0.1, np.nan, np.inf])
def test_bad_viscosities_are_refused(viscosity):
    with pytest.raises(ValueError, match="viscosity was expected to be finite >= 0"):
        NavierStokes(grid=GRID, viscosity=viscosity)


def test_wrong_shapes_are_refused():
    def rest(flow):
        return flow.grid.sample(lambda x: (0.0, 0.0))

    flow = NavierStokes(grid=GRID, viscosity=jnp.ones(3))
    with pytest.raises(ValueError, match=r"viscosity to be a scalar, got shape \(3,\); use jax"):
        flow(0.0, rest(flow))
    flow = NavierStokes(grid=GRID, viscosity=0.1, boundary=NoSlip(np.ones(2)))
    with pytest.raises(ValueError, match=r"scalar or of shape \(1,\), got \(2,\)"):
        flow(0.0, rest(flow))
    flow = NavierStokes(grid=GRID, viscosity=0.1, force=lambda t, x: (1.0,))
    with pytest.raises(ValueError, match="2 components, got 1"):
        flow(0.0, rest(flow))
    with pytest.raises(ValueError, match=r"expected to have components of shapes"):
        flow(0.0, rest(flow)[:1])
