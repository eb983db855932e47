import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from solvers import Grid, Outcome, Periodic
from solvers.incompressible import NavierStokes, NoSlip, kolmogorov, random_velocity, solve

x64 = pytest.mark.usefixtures("x64")
SQUARE = Grid.uniform((0.0, 0.0), (1.0, 1.0), (8, 8))


class Swing(eqx.Module):
    """A wall that swings: a traced velocity that depends on time."""

    speed: jax.Array
    frequency: float

    def __call__(self, t):
        return self.speed * jnp.cos(self.frequency * t)


def lid_driven(viscosity, lid, grid=SQUARE):
    return NavierStokes(
        grid=grid, viscosity=viscosity, boundary=(NoSlip(), (NoSlip(), NoSlip(lid)))
    )


def at_rest(flow):
    return flow.grid.sample(lambda x: (0.0, 0.0), flow.viscosity.dtype)


def energy_after(parameters, steps):
    """What the gradient tests differentiate: viscosity, speed of the lid, size of the start."""
    viscosity, lid, size = parameters
    flow = lid_driven(viscosity, lid)
    u0 = flow.grid.sample(lambda x: (size * jnp.sin(3.0 * x[1]), size * x[0]))
    return flow.grid.energy(solve(flow, u0, t1=0.3, steps=steps).at(-1))


@x64
def test_velocities_are_at_the_save_times():
    flow = kolmogorov(viscosity=0.1, cells=16, wavenumber=2)
    u0 = random_velocity(flow, key=jax.random.key(1))
    solution = solve(flow, u0, t1=0.4, save_at=[0.0, 0.1, 0.4])
    assert [component.shape for component in solution.velocity] == [(3, 16, 16)] * 2
    for a, b in zip(solution.at(0), u0, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-14)  # projected once more
    for index in range(3):
        np.testing.assert_allclose(flow.grid.divergence(solution.at(index)), 0.0, atol=1e-12)
    assert solution.status.ok
    assert solution.status.time == 0.4
    assert 0 < solution.status.cfl <= 1.0 + 1e-4
    fixed = solve(flow, u0, t1=0.4, save_at=[0.1, 0.4], steps=100)
    assert fixed.status.steps == 200
    for a, b in zip(solution.at(-1), fixed.at(-1), strict=True):
        np.testing.assert_allclose(a, b, atol=2e-3)  # third order with steps of CFL number one


@x64
def test_energy_is_conserved_without_viscosity_as_steps_shrink():
    flow = NavierStokes(grid=Grid.uniform((0.0, 0.0), (1.0, 1.0), (16, 16)), viscosity=0.0)
    u0 = random_velocity(flow, key=jax.random.key(0), waves=2.0)
    before = flow.grid.energy(u0)
    drifts = [
        abs(flow.grid.energy(solve(flow, u0, t1=0.5, steps=steps).at(-1)) / before - 1.0)
        for steps in (80, 160)
    ]
    # The energy error of a third-order step is dt⁴ u·u'''' + ...: at least third order in all.
    assert drifts[0] / drifts[1] > 7.0
    assert drifts[1] < 1e-4


@x64
def test_momentum_stays():
    flow = kolmogorov(viscosity=0.01, cells=16, wavenumber=2)
    u0 = tuple(c + 0.3 for c in random_velocity(flow, key=jax.random.key(0)))
    last = solve(flow, u0, t1=1.0).at(-1)
    for a, b in zip(last, u0, strict=True):
        np.testing.assert_allclose(jnp.mean(a), jnp.mean(b), atol=1e-14)


@pytest.mark.slow
@x64
def test_stokes_layer_over_a_swinging_wall():
    # u = U e^{−ky} cos(ωt − ky), k = √(ω/2ν); the upper wall is 12/k away: e^{−12} = 6e-6.
    nu, omega = 0.5, 4.0
    k = np.sqrt(omega / (2.0 * nu))

    def exact(t, y):
        return np.exp(-k * y) * np.cos(omega * t - k * y)

    errors = []
    for cells in (64, 128, 256):
        flow = NavierStokes(
            grid=Grid.uniform((0.0, 0.0), (1.0, 12.0 / k), (4, cells)),
            viscosity=nu,
            boundary=(Periodic(), (NoSlip(Swing(jnp.array(1.0), omega)), NoSlip())),
        )
        y = flow.grid.positions(0)[1]
        u0 = (jnp.asarray(np.broadcast_to(exact(0.0, y), (4, cells))), at_rest(flow)[1])
        u, v = solve(flow, u0, t1=3.0).at(-1)
        errors.append(np.max(np.abs(u - exact(3.0, y))))
        np.testing.assert_allclose(v, 0.0, atol=1e-14)
    # Two periods later, when the start is forgotten: point values are no solution on the grid.
    assert np.log2(errors[0] / errors[1]) > 1.95
    assert errors[1] < 6e-3


@x64
def test_mirrored_and_turned_problems_have_mirrored_and_turned_solutions():
    right = lid_driven(0.05, 1.0)
    left = lid_driven(0.05, -1.0)
    upright = NavierStokes(
        grid=SQUARE, viscosity=0.05, boundary=((NoSlip(), NoSlip(1.0)), NoSlip())
    )
    u, v = solve(right, at_rest(right), t1=1.0, steps=50).at(-1)
    mirrored = solve(left, at_rest(left), t1=1.0, steps=50).at(-1)
    turned = solve(upright, at_rest(upright), t1=1.0, steps=50).at(-1)
    for a, b in (
        (mirrored[0], -u[::-1]),
        (mirrored[1], v[::-1]),
        (turned[0], v.T),
        (turned[1], u.T),
    ):
        np.testing.assert_allclose(a, b, atol=1e-14)  # other orders of summation
    assert jnp.max(jnp.abs(v)) > 0.05


@x64
@pytest.mark.parametrize("steps", [40, pytest.param(None, marks=pytest.mark.slow)])
def test_gradients_agree_with_finite_differences(steps):
    at = jnp.array([0.05, 1.3, 0.7])
    gradient = jax.jit(jax.grad(energy_after), static_argnums=1)(at, steps)
    forward, eps = jax.jit(energy_after, static_argnums=1), 1e-5
    difference = [
        (forward(at + eps * e, steps) - forward(at - eps * e, steps)) / (2 * eps)
        for e in jnp.eye(3)
    ]
    # Central differences: eps² truncation and 1e-16/eps round-off, 1e-10; 1e-5 is the promise.
    np.testing.assert_allclose(gradient, difference, rtol=1e-5)
    assert jnp.all(jnp.abs(gradient) > 1e-3)
    if steps is not None:
        jvp = jax.jit(lambda v: jax.jvp(lambda p: energy_after(p, steps), (at,), (v,))[1])
        np.testing.assert_allclose(jvp(jnp.ones(3)), jnp.sum(gradient), rtol=1e-10)


@x64
@pytest.mark.parametrize("steps", [40, pytest.param(None, marks=pytest.mark.slow)])
def test_vmap_over_parameters_equals_a_loop(steps):
    batch = jnp.array([[0.05, 1.0, 0.5], [0.1, -0.5, 1.0]])
    mapped = jax.jit(jax.vmap(lambda p: energy_after(p, steps)))(batch)
    single = [energy_after(p, steps) for p in batch]
    np.testing.assert_allclose(mapped, single, rtol=1e-12)


@pytest.mark.parametrize("steps", [40, None])
def test_single_precision(steps):
    flow = lid_driven(jnp.float32(0.05), jnp.float32(1.0))
    solution = solve(flow, at_rest(flow), t1=0.5, steps=steps)
    assert solution.velocity[0].dtype == jnp.float32
    # Rounding of 1e-7 over spacings of 1/8.
    np.testing.assert_allclose(flow.grid.divergence(solution.at(-1)), 0.0, atol=1e-5)


@pytest.mark.slow  # compiles a gradient
def test_single_precision_gradients_are_finite_from_rest():
    def energy(parameters):
        flow = lid_driven(parameters[0], parameters[1])
        return flow.grid.energy(solve(flow, at_rest(flow), t1=0.5, steps=20).at(-1))

    gradient = jax.jit(jax.grad(energy))(jnp.array([0.05, 1.0], jnp.float32))
    assert gradient.dtype == jnp.float32
    assert jnp.all(gradient > 0)  # a thicker boundary layer, or a faster lid, moves more fluid


def test_failures_are_reported():
    flow = lid_driven(0.05, 1.0)
    rest = at_rest(flow)

    def outcome(flow=flow, u0=rest, **options):
        return solve(flow, u0, throw=False, **{"t1": 1.0, "steps": 20, **options}).status

    status = outcome(steps=5)
    assert status.outcome == Outcome.unstable
    assert status.time == 0.0
    assert status.cfl > 1.25
    assert jax.jit(lambda t1: outcome(t1=t1).outcome)(-1.0) == Outcome.bad_times
    assert outcome(u0=(rest[0] + jnp.nan, rest[1])).outcome == Outcome.bad_initial
    assert outcome(flow=lid_driven(0.05, jnp.nan)).outcome == Outcome.not_finite
    negative = eqx.tree_at(lambda f: f.viscosity, flow, jnp.array(-0.1))
    assert outcome(flow=negative).outcome == Outcome.ill_posed
    with pytest.raises(eqx.EquinoxRuntimeError, match="raise steps"):
        solve(flow, rest, t1=1.0, steps=5)


def test_failures_of_controlled_steps_are_reported():
    flow = lid_driven(0.05, 1.0)
    rest = at_rest(flow)
    status = solve(flow, rest, t1=1.0, max_steps=3, throw=False).status
    assert status.outcome == Outcome.too_many_steps
    assert status.steps == 3
    assert 0 < status.time < 1
    status = solve(flow, (rest[0] + jnp.inf, rest[1]), t1=1.0, throw=False, max_steps=3).status
    assert status.outcome == Outcome.bad_initial


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cfl": 1.3}, r"0 < cfl <= 1.25, got 1.3"),
        ({"cfl": 0.0}, "got 0.0"),
        ({"steps": 0}, "steps to be a whole number >= 1, got 0"),
        ({"max_steps": 0}, "max_steps to be a whole number >= 1, got 0"),
    ],
)
def test_bad_options_are_refused(options, message):
    flow = lid_driven(0.05, 1.0)
    with pytest.raises(ValueError, match=message):
        solve(flow, at_rest(flow), t1=1.0, **options)


def test_velocities_that_do_not_fit_are_refused():
    flow = lid_driven(0.05, 1.0)
    with pytest.raises(ValueError, match=r"\(\(9, 8\), \(8, 9\)\), got \(\(8, 8\), \(8, 8\)\)"):
        solve(flow, (jnp.zeros((8, 8)), jnp.zeros((8, 8))), t1=1.0)
