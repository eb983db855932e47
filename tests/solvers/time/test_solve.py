import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from solvers import (
    MUSCL,
    SSPRK1,
    SSPRK2,
    SSPRK3,
    Dirichlet,
    FiniteVolume,
    Godunov,
    Grid,
    Neumann,
    Outcome,
    Outflow,
    Periodic,
    PiecewiseConstant,
    mc,
    minmod,
    solve,
    van_leer,
)
from solvers.laws import Advection, AdvectionDiffusionReaction, Burgers, Diffusion, Stefan

x64 = pytest.mark.usefixtures("x64")
GRID = Grid.uniform(0.0, 1.0, 16)
SINE = np.sin(2 * np.pi * GRID.centers[0])[None]


class Forcing(eqx.Module):
    """A traced boundary value that depends on time."""

    amplitude: jax.Array

    def __call__(self, t):
        return self.amplitude * jnp.sin(3.0 * t)


def rod(diffusivity, initial, flux):
    """∫u² of a rod driven at one end; what the gradient tests differentiate."""
    ends = (Dirichlet(0.5), Neumann(Forcing(flux)))
    return FiniteVolume(law=Diffusion(diffusivity), grid=GRID, boundary=ends), initial * SINE


@x64
def test_states_are_at_the_save_times():
    field = FiniteVolume(law=Diffusion(0.1), grid=GRID, boundary=Periodic())
    u0 = jnp.asarray(SINE)
    solution = solve(field, u0, t1=0.3, save_at=[0.0, 0.1, 0.3])
    np.testing.assert_array_equal(solution.times, [0.0, 0.1, 0.3])
    assert solution.states.shape == (3, 1, 16)
    np.testing.assert_array_equal(solution.states[0], u0)
    rate = 4 * 0.1 * np.sin(np.pi / 16) ** 2 * 16**2
    exact = np.exp(-rate * np.array([0.1, 0.3]))[:, None, None] * SINE
    # Third order in time: z⁴/24 a step, z = dt · rate ≈ 0.03, and 38 steps.
    np.testing.assert_allclose(solution.states[1:], exact, atol=2e-6)
    assert solution.status.ok
    assert solution.status.time == 0.3
    assert 0 < solution.status.cfl <= 0.4 + 1e-4
    last = solve(field, u0, t1=0.3, steps=200)
    assert last.states.shape == (1, 1, 16)
    assert last.status.steps == 200
    np.testing.assert_allclose(last.states[0], exact[1], atol=1e-7)


@x64
@pytest.mark.parametrize("steps", [60, None])
def test_gradients_agree_with_finite_differences(steps):
    def loss(parameters):
        field, u0 = rod(*parameters)
        states = solve(field, u0, t1=0.2, save_at=[0.1, 0.2], steps=steps).states
        return jnp.sum(GRID.integrate(states**2))

    at = jnp.array([0.2, 1.3, 2.0])  # diffusivity, size of the initial state, boundary flux
    gradient = jax.jit(jax.grad(loss))(at)
    forward, eps = jax.jit(loss), 1e-5
    difference = [(forward(at + eps * e) - forward(at - eps * e)) / (2 * eps) for e in jnp.eye(3)]
    # Central differences: eps² truncation and 1e-16/eps round-off, 1e-10; 1e-5 is the promise.
    np.testing.assert_allclose(gradient, difference, rtol=1e-5)
    assert jnp.all(jnp.abs(gradient) > 1e-3)
    if steps is not None:
        _, directional = jax.jit(lambda v: jax.jvp(loss, (at,), (v,)))(jnp.ones(3))
        np.testing.assert_allclose(directional, jnp.sum(gradient), rtol=1e-10)


@x64
@pytest.mark.parametrize("steps", [60, pytest.param(None, marks=pytest.mark.slow)])
def test_vmap_over_parameters_and_initial_conditions_equals_a_loop(steps):
    def value_and_gradient(diffusivity, amplitude):
        def loss(k):
            field, u0 = rod(k, amplitude, jnp.array(1.0))
            solution = solve(field, u0, t1=0.1, steps=steps)
            return jnp.sum(solution.states**2), solution.status.steps

        return jax.value_and_grad(loss, has_aux=True)(diffusivity)

    k, a = jnp.array([0.1, 0.2, 0.4]), jnp.array([1.0, 0.5, 2.0])
    (values, counts), gradients = jax.jit(jax.vmap(value_and_gradient))(k, a)
    single = jax.jit(value_and_gradient)
    for i in range(3):
        (value, count), gradient = single(k[i], a[i])
        assert count == counts[i]
        np.testing.assert_allclose(values[i], value, rtol=1e-13)  # another order of summation
        np.testing.assert_allclose(gradients[i], gradient, rtol=1e-11)


@pytest.mark.parametrize(
    ("limiter", "steps"),
    [
        (van_leer, 80),
        pytest.param(minmod, 80, marks=pytest.mark.slow),
        pytest.param(mc, 80, marks=pytest.mark.slow),
        pytest.param(van_leer, None, marks=pytest.mark.slow),
    ],
)
def test_single_precision_gradients_through_a_shock_are_finite(limiter, steps):
    step = jnp.asarray(GRID.centers[0] < 0.3, jnp.float32)[None]  # flat on both sides

    def loss(height):
        field = FiniteVolume(
            law=Burgers(),
            grid=GRID,
            boundary=(Dirichlet(height), Outflow()),
            reconstruction=MUSCL(limiter),
            riemann=Godunov(),
        )
        return jnp.sum(solve(field, height * step, t1=0.3, steps=steps).states ** 2)

    gradient = jax.jit(jax.grad(loss))(jnp.float32(1.0))
    assert gradient.dtype == jnp.float32
    assert jnp.isfinite(gradient)
    assert gradient > 0  # a higher step holds and brings in more


@pytest.mark.parametrize("steps", [80, pytest.param(None, marks=pytest.mark.slow)])
def test_single_precision_gradients_through_a_front_are_finite(steps):
    def loss(threshold):
        field = FiniteVolume(
            law=Stefan(threshold), grid=GRID, boundary=(Dirichlet(1.0), Neumann(0.0))
        )
        return jnp.sum(solve(field, jnp.zeros((1, 16)), t1=0.05, steps=steps).states ** 2)

    gradient = jax.jit(jax.grad(loss))(jnp.float32(0.6))
    assert jnp.isfinite(gradient)
    assert gradient < 0  # a higher threshold slows the front


@x64
def test_diffrax_integrates_the_same_field():
    field, u0 = rod(jnp.array(0.1), jnp.array(1.0), jnp.array(2.0))
    ours = solve(field, u0, t1=0.3, steps=400).states[-1]
    theirs = diffrax.diffeqsolve(
        diffrax.ODETerm(field),
        diffrax.Tsit5(),
        t0=0.0,
        t1=0.3,
        dt0=None,
        y0=jnp.asarray(u0),
        stepsize_controller=diffrax.PIDController(rtol=1e-9, atol=1e-9),
    ).ys
    assert theirs is not None
    # The adaptive tolerance, accumulated; SSPRK3 at CFL 0.04 is far below it.
    np.testing.assert_allclose(ours, theirs[-1], atol=1e-7)


def test_one_program_serves_other_parameters_and_times():
    traces = []

    class Counted(Diffusion):
        def potential(self, u):
            traces.append(None)
            return super().potential(u)

    u0 = jnp.asarray(SINE, jnp.float32)
    for k, t1 in ((0.1, 0.1), (0.2, 0.2)):
        field = FiniteVolume(law=Counted(k), grid=GRID, boundary=Periodic())
        solve(field, u0, t1=t1)
        count = len(traces)
        if k == 0.1:
            first = count
    assert count == first > 0


def test_an_unstable_number_of_steps_is_reported_with_its_time():
    field = FiniteVolume(law=Advection(1.0), grid=GRID, boundary=Periodic())
    u0 = jnp.asarray(SINE, jnp.float32)
    status = solve(field, u0, t1=1.0, steps=10, throw=False).status
    assert status.outcome == Outcome.unstable
    assert not status.ok
    np.testing.assert_allclose(status.cfl, 1.6, rtol=1e-5)
    assert status.time == 0.0
    with pytest.raises(eqx.EquinoxRuntimeError, match="raise steps"):
        solve(field, u0, t1=1.0, steps=10)


@pytest.mark.parametrize("steps", [16, None])
def test_a_state_that_becomes_infinite_is_reported_with_its_time(steps):
    boundary = (Dirichlet(lambda t: jnp.where(t > 0.5, jnp.nan, 1.0)), Outflow())
    field = FiniteVolume(law=Diffusion(1e-4), grid=GRID, boundary=boundary)
    u0 = jnp.ones((1, 16), jnp.float32)
    options = {"t1": 1.0, "save_at": [0.25, 0.75, 1.0], "steps": steps}
    status = solve(field, u0, **options, throw=False).status
    assert status.outcome == Outcome.not_finite
    assert 0.5 <= status.time <= 0.75
    with pytest.raises(eqx.EquinoxRuntimeError, match="lower cfl and check the boundary"):
        solve(field, u0, **options)


def test_a_non_finite_initial_state_is_refused():
    field = FiniteVolume(law=Burgers(), grid=GRID, boundary=Periodic())
    u0 = jnp.asarray(SINE, jnp.float32).at[0, 3].set(jnp.nan)
    with pytest.raises(eqx.EquinoxRuntimeError, match="finite initial state"):
        solve(field, u0, t1=0.1)
    assert solve(field, u0, t1=0.1, throw=False).status.outcome == Outcome.bad_initial


def test_too_many_steps_are_reported():
    field = FiniteVolume(law=Advection(1.0), grid=GRID, boundary=Periodic())
    u0 = jnp.asarray(SINE, jnp.float32)
    status = solve(field, u0, t1=1.0, max_steps=5, throw=False).status
    assert status.outcome == Outcome.too_many_steps
    np.testing.assert_allclose(status.time, 5 * 0.4 / 16, rtol=1e-5)


def test_traced_times_out_of_order_are_reported():
    field = FiniteVolume(law=Advection(1.0), grid=GRID, boundary=Periodic())
    u0 = jnp.asarray(SINE, jnp.float32)
    run = jax.jit(lambda t1: solve(field, u0, t1=t1, steps=4, throw=False).status.outcome)
    assert run(-1.0) == Outcome.bad_times
    assert run(0.1) == Outcome.success


@x64
def test_boundary_values_that_grow_from_nothing_are_seen_in_time():
    # At t = 0 both the state and the boundary value vanish, and with them every wave speed.
    field = FiniteVolume(
        law=Burgers(), grid=GRID, boundary=(Dirichlet(lambda t: 10.0 * t), Outflow())
    )
    solution = solve(field, jnp.zeros((1, 16)), t1=1.0)
    assert solution.status.steps > 16
    # Mass has entered at the rate (10 t)²/2 and left nearly not at all by then at t = 0.3.
    early = solve(field, jnp.zeros((1, 16)), t1=0.3).states[-1]
    np.testing.assert_allclose(GRID.integrate(early), 100 * 0.3**3 / 6, rtol=0.02)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cfl": 0.0}, "0 < cfl <= 1 for SSPRK3 with MUSCL, got 0.0"),
        ({"cfl": 1.5}, "beyond the limit the scheme is unstable"),
        ({"cfl": float("nan")}, "got nan"),
        ({"cfl": 0.51, "stepper": SSPRK1()}, "0 < cfl <= 0.5 for SSPRK1 with MUSCL, got 0.51"),
        ({"steps": 0}, "steps to be a whole number >= 1, got 0"),
        ({"max_steps": -1}, "max_steps to be a whole number >= 1, got -1"),
        ({"t0": 2.0}, "t0 < t1, got t0=2.0 and t1=1.0"),
        ({"t1": float("inf")}, "finite times"),
        ({"t1": np.ones(2)}, r"scalars t0 and t1 .* use jax.vmap"),
        ({"save_at": [0.5, 0.5]}, "strictly increasing save_at"),
        ({"save_at": [0.5, 1.5]}, "stay within"),
        ({"save_at": [-0.5]}, "stay within"),
        ({"save_at": []}, "one axis of one or more save times"),
    ],
)
def test_bad_options_are_refused_when_the_call_is_made(options, message):
    field = FiniteVolume(law=Burgers(), grid=GRID, boundary=Periodic())
    with pytest.raises(ValueError, match=message):
        solve(field, jnp.zeros((1, 16)), **{"t1": 1.0, **options})


def test_bad_states_are_refused_when_the_call_is_made():
    field = FiniteVolume(law=Burgers(), grid=GRID, boundary=Periodic())
    with pytest.raises(ValueError, match=r"got \(16,\); use u\[None\] to add the channel axis"):
        solve(field, jnp.zeros(16), t1=1.0)
    with pytest.raises(ValueError, match=r"got \(1, 15\); average onto the grid's 16 cells"):
        solve(field, jnp.zeros((1, 15)), t1=1.0)
    with pytest.raises(ValueError, match="floating-point type, got int32"):
        solve(field, jnp.zeros((1, 16), jnp.int32), t1=1.0)


def test_forward_mode_without_steps_names_the_remedy():
    run = lambda a: solve(rod(0.1, a, 0.0)[0], jnp.asarray(SINE, jnp.float32) * a, t1=0.01).states
    with pytest.raises(TypeError, match=r"expected steps= for forward-mode .* pass steps=, or use"):
        jax.jacfwd(run)(jnp.float32(1.0))


@x64
@pytest.mark.parametrize("stepper", [SSPRK1(), SSPRK2(), SSPRK3()])
def test_limited_slopes_make_no_new_extrema_up_to_half_a_cfl_number(stepper):
    field = FiniteVolume(law=Advection(1.0), grid=GRID, boundary=Periodic())
    u0 = jnp.where(GRID.centers[0] < 0.5, 1.0, 0.0)[None]
    states = solve(
        field, u0, t1=2.0, save_at=np.linspace(0.1, 2.0, 20), cfl=0.5, stepper=stepper
    ).states
    # Round-off of values of order one.
    assert float(states.max()) <= 1.0 + 1e-13
    assert float(states.min()) >= -1e-13


def test_linear_slopes_with_forward_euler_are_watched_up_to_half_a_cfl_number():
    u0 = jnp.asarray(SINE, jnp.float32)
    options = {"t1": 0.75 / 16, "steps": 1, "stepper": SSPRK1(), "throw": False}
    for scheme, outcome in ((MUSCL(), Outcome.unstable), (PiecewiseConstant(), Outcome.success)):
        field = FiniteVolume(
            law=Advection(1.0), grid=GRID, boundary=Periodic(), reconstruction=scheme
        )
        assert solve(field, u0, **options).status.outcome == outcome


@pytest.mark.parametrize("steps", [None, 20])
def test_traced_parameters_that_make_the_equation_ill_posed_are_reported(steps):
    u0 = jnp.asarray(SINE, jnp.float32)

    @jax.jit
    def status(k, speed):
        law = AdvectionDiffusionReaction(velocity=speed, diffusivity=k)
        field = FiniteVolume(law=law, grid=GRID, boundary=Periodic())
        return solve(field, u0, t1=0.01, steps=steps, throw=False).status

    good = status(0.1, 1.0)
    assert good.outcome == Outcome.success
    assert good.diffusivity == 0
    bad = status(-0.01, 1.0)
    assert bad.outcome == Outcome.ill_posed
    np.testing.assert_allclose(bad.diffusivity, -0.01, rtol=1e-6)  # single precision
    assert "diffusivity" in Outcome[bad.outcome]
    assert "wave speeds" not in Outcome[bad.outcome]
    assert status(float("nan"), 1.0).outcome != Outcome.success


def test_a_wave_speed_that_is_not_finite_is_told_from_a_diffusivity():
    class Endless(Burgers):
        def max_wave_speed(self, u, axis=0):
            return jnp.full_like(u, jnp.inf)

    field = FiniteVolume(law=Endless(), grid=GRID, boundary=Periodic(), riemann=Godunov())
    status = solve(field, jnp.asarray(SINE, jnp.float32), t1=0.01, throw=False).status
    assert status.outcome == Outcome.wave_speed
    assert status.steps == 1


def test_the_clock_does_not_matter_in_single_precision():
    """The law is autonomous: a solve at t = 1000, where an ulp is a step, is one at t = 0."""
    grid = Grid.uniform(0.0, 1.0, 32)
    field = FiniteVolume(law=Diffusion(1.0), grid=grid, boundary=Periodic())
    u0 = jnp.sin(2 * jnp.pi * jnp.asarray(grid.centers[0], jnp.float32))[None]
    with jax.enable_x64(False):
        # Differences of these times are exact in single precision.
        runs = [
            solve(field, u0, t0=t0, t1=t0 + 0.015625, steps=None).states[-1] for t0 in (0.0, 1024.0)
        ]
    np.testing.assert_allclose(runs[1], runs[0], rtol=1e-6, atol=1e-6)


def test_arguments_that_are_of_another_kind_are_refused():
    grid = Grid.uniform(0.0, 1.0, 8)
    field = FiniteVolume(law=Diffusion(1.0), grid=grid, boundary=Periodic())
    u0 = jnp.ones((1, 8))
    for stepper in (SSPRK3, "rk4"):
        with pytest.raises(TypeError):  # in the suite, the types are checked before
            solve(field, u0, t1=1.0, stepper=stepper)
    with pytest.raises(TypeError):
        solve(lambda t, u: u, u0, t1=1.0)
    with pytest.raises(ValueError, match="one axis of one or more save times"):
        solve(field, u0, t1=1.0, save_at=[])
    assert solve(field, u0, t1=0.001, steps=np.int64(2)).status.ok
    with pytest.raises(ValueError, match="expected to be real, got complex"):
        Diffusion(1.0 + 1.0j)
    with pytest.raises(TypeError):
        MUSCL("minmod")
