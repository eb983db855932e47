import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from solvers import exact
from solvers.laws import Burgers, Euler, ShallowWater

pytestmark = pytest.mark.usefixtures("x64")

SOD = (1.0, 0.0, 1.0), (0.125, 0.0, 0.1)
LAX = (0.445, 0.698, 3.528), (0.5, 0.0, 0.571)
PARTING = (1.0, -2.0, 0.4), (1.0, 2.0, 0.4)
BLAST = (1.0, 0.0, 1000.0), (1.0, 0.0, 0.01)
STOKER = (0.005, 0.0), (0.001, 0.0)


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        # Toro's table 4.3 and the literature on Lax's problem, to the digits printed there.
        (SOD, (0.303130, 0.927453, 0.426319, 0.265574)),
        (LAX, (2.466098, 1.528723, 0.344568, 1.304085)),
        (PARTING, (0.001894, 0.0, 0.021852, 0.021852)),
        (BLAST, (460.8938, 19.59745, 0.575062, 5.999241)),
    ],
)
def test_star_states_of_gas(states, expected):
    tube = exact.riemann(Euler(), *states)
    star = (
        tube.star_pressure,
        tube.star_velocity,
        tube.star_density_left,
        tube.star_density_right,
    )
    np.testing.assert_allclose(star, expected, rtol=2e-6, atol=6e-7)


def test_star_state_of_water():
    flow = exact.riemann(ShallowWater(9.81), *STOKER)
    np.testing.assert_allclose(
        (flow.star_depth, flow.star_velocity), (0.00253936, 0.12727972), rtol=5e-6
    )
    # The bore runs at hv/(h − h_R).
    speed = flow.star_depth * flow.star_velocity / (flow.star_depth - 0.001)
    np.testing.assert_allclose(speed, 0.20996340, rtol=5e-6)
    at = flow.sample(jnp.array([0.2099, 0.2100]))
    np.testing.assert_allclose(at[0], [0.00253936, 0.001], rtol=5e-6)


@pytest.mark.parametrize(
    ("law", "states"),
    [
        (Euler(), SOD),
        (Euler(), LAX),
        (Euler(), PARTING),
        (Euler(), BLAST),
        (ShallowWater(), STOKER),
        (ShallowWater(), ((1.0, 0.5), (2.0, -1.5))),
        (ShallowWater(), ((1.0, 0.0), (0.0, 0.0))),
        (ShallowWater(), ((0.0, 0.0), (1.0, 0.3))),
        (ShallowWater(), ((1.0, -8.0), (1.0, 8.0))),
    ],
)
def test_solutions_balance_what_flows_in_and_out(law, states):
    # ∫u dξ over [−a, a] is a (u_L + u_R) − (f_R − f_L), whatever waves are inside.
    flow = exact.riemann(law, *states)
    a, n = 40.0, 200_000
    xi = -a + 2 * a * (jnp.arange(1.0 * n) + 0.5) / n
    u = law.to_conserved(flow.sample(xi))
    left, right = (jnp.stack([jnp.asarray(v) for v in side])[:, None] for side in states)
    inside = jnp.sum(u, axis=1) * 2 * a / n
    flux = law.primitive_flux(right)[:, 0] - law.primitive_flux(left)[:, 0]
    expected = a * (law.to_conserved(left) + law.to_conserved(right))[:, 0] - flux
    # The midpoint rule errs by a cell at each of three jumps.
    size = jnp.max(jnp.abs(u), axis=1) * 2 * a / n
    assert jnp.all(jnp.abs(inside - expected) <= 3 * size + 1e-9)


def test_mirrored_problems_have_mirrored_solutions():
    xi = jnp.linspace(-3.0, 3.0, 101)
    left, right = LAX
    flip = lambda s: (s[0], -s[1], s[2])
    there = exact.riemann(Euler(), left, right).sample(xi)
    back = exact.riemann(Euler(), flip(right), flip(left)).sample(-xi)
    np.testing.assert_allclose(back * jnp.array([[1.0], [-1.0], [1.0]]), there, rtol=1e-12)


def test_fans_solve_the_equations():
    # Self-similar smooth flow: −ξ u' + f(u)' = 0.
    for law, states, xi in (
        (Euler(), SOD, -0.5),
        (ShallowWater(), ((1.0, 0.0), (0.0, 0.0)), 1.0),
        (ShallowWater(), ((0.0, 0.0), (1.0, 0.0)), -1.0),
    ):
        flow = exact.riemann(law, *states)
        u = lambda x, flow=flow, law=law: law.to_conserved(flow.sample(x))
        f = lambda x, flow=flow, law=law: law.primitive_flux(flow.sample(x))
        slope, rise = (jax.jvp(g, (jnp.array([xi]),), (jnp.ones(1),))[1] for g in (u, f))
        assert jnp.max(jnp.abs(slope)) > 0.01
        np.testing.assert_allclose(xi * slope, rise, atol=1e-12)


def test_ritter():
    law = ShallowWater(9.81)
    flow = exact.riemann(law, (2.0, 0.0), (0.0, 0.0))
    c = np.sqrt(9.81 * 2.0)
    xi = jnp.linspace(-0.99 * c, 1.99 * c, 21)
    np.testing.assert_allclose(flow.sample(xi)[0], (2 * c - xi) ** 2 / (9 * 9.81), rtol=1e-12)
    np.testing.assert_allclose(flow.sample(xi)[1], 2 * (xi + c) / 3, rtol=1e-12, atol=1e-12)
    assert flow.sample(jnp.array(2.01 * c))[0] == 0.0
    assert flow.star_depth == 0.0


@pytest.mark.parametrize("states", [SOD, LAX])
def test_gas_solutions_differentiate(states):
    def value(parameters):
        gamma, *numbers = parameters
        tube = exact.riemann(Euler(gamma), tuple(numbers[:3]), tuple(numbers[3:]))
        return (
            tube.star_pressure + tube.star_velocity + jnp.sum(tube.sample(jnp.array([-0.9, 0.5])))
        )

    at = jnp.array([1.4, *states[0], *states[1]])
    value = jax.jit(value)
    gradient, eps = jax.jit(jax.grad(value))(at), 1e-6
    difference = [(value(at + eps * e) - value(at - eps * e)) / (2 * eps) for e in jnp.eye(7)]
    # Central differences: round-off 1e-16/eps.
    np.testing.assert_allclose(gradient, difference, rtol=1e-6, atol=1e-8)


def test_water_solutions_differentiate_dry_or_wet():
    def value(right):
        flow = exact.riemann(ShallowWater(), (1.0, 0.0), (right, 0.0))
        return flow.star_depth + jnp.sum(flow.sample(jnp.array([0.3, 1.0])))

    value, slope, eps = jax.jit(value), jax.jit(jax.grad(value)), 1e-6
    difference = (value(0.3 + eps) - value(0.3 - eps)) / (2 * eps)
    np.testing.assert_allclose(slope(0.3), difference, rtol=1e-6)
    assert jnp.isfinite(slope(0.0))


def test_many_problems_map():
    pressures = jnp.array([1.0, 2.0])
    stars = jax.jit(
        jax.vmap(lambda p: exact.riemann(Euler(), (1.0, 0.0, p), SOD[1]).star_pressure)
    )(pressures)
    np.testing.assert_allclose(stars[0], 0.303130, rtol=2e-6)
    assert stars[1] > stars[0]


def test_answers_have_the_precision_of_the_positions():
    tube = exact.riemann(Euler(), *SOD)
    xi = jnp.linspace(-1, 1, 5, dtype=jnp.float32)
    assert tube.sample(xi).dtype == jnp.float32
    np.testing.assert_allclose(tube.sample(xi), tube.sample(xi.astype(float)), rtol=1e-6)


def test_what_has_no_solution_is_refused():
    with pytest.raises(eqx.EquinoxRuntimeError, match="part into a vacuum"):
        exact.riemann(Euler(), (1.0, -10.0, 1.0), (1.0, 10.0, 1.0))
    with pytest.raises(eqx.EquinoxRuntimeError, match="positive densities"):
        exact.riemann(Euler(), (1.0, 0.0, -1.0), SOD[1])
    with pytest.raises(eqx.EquinoxRuntimeError, match="not negative"):
        exact.riemann(ShallowWater(), (-1.0, 0.0), (1.0, 0.0))
    with pytest.raises(ValueError, match="3 scalars for the left state"):
        exact.riemann(Euler(), (1.0, 0.0), SOD[1])
    with pytest.raises(TypeError):
        exact.riemann(Burgers(), (1.0,), (0.0,))
