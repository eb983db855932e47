"""Robin conditions, a u + b ∂u/∂n = g: exact solutions, their limits, and derivatives."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from solvers import (
    Dirichlet,
    FiniteVolume,
    Grid,
    Implicit,
    Neumann,
    Outflow,
    Robin,
    Wall,
    cell_averages,
    solve,
)
from solvers.laws import (
    Advection,
    AdvectionDiffusionReaction,
    Burgers,
    Diffusion,
    Fisher,
    NavierStokes,
    PorousMedium,
    Stefan,
)

pytestmark = pytest.mark.usefixtures("x64")
FACTORS = ((0.7, 0.3), (2.0, 0.5))  # (a, b) at the lower and at the upper end


def conditions(exact, ends, factors=FACTORS, axis=0, across=()):
    """The two conditions of an axis that an exact solution ``exact(t, *x)`` meets."""

    def side(place, normal, a, b):
        def g(t):
            at = [*across]
            value = lambda x: exact(t, *at[:axis], jnp.full_like(at[0], x) if at else x, *at[axis:])
            found, slope = jax.jvp(value, (jnp.asarray(place),), (jnp.ones(()),))
            return a * found + b * normal * slope

        return Robin(a=a, b=b, g=lambda t: g(t)[None] if across else g(t))

    return tuple(
        side(place, n, a, b) for place, n, (a, b) in zip(ends, (-1.0, 1.0), factors, strict=True)
    )


# An exact solution u(t, x) of each law on [0, 1], from t0 on, smooth and without a front.
EXACT = {
    "diffusion": (
        Diffusion(0.3),
        lambda t, x: jnp.exp(-0.3 * 4.0 * t) * jnp.sin(2.0 * x + 0.4) + 1.0,
        0.0,
    ),
    "advection and diffusion": (
        AdvectionDiffusionReaction(velocity=0.8, diffusivity=0.2),
        lambda t, x: jnp.exp(-0.2 * 4.0 * t) * jnp.sin(2.0 * (x - 0.8 * t) + 0.4) + 1.0,
        0.0,
    ),
    "fisher": (
        (fisher := AdvectionDiffusionReaction(diffusivity=0.3, reaction=Fisher(2.0))),
        lambda t, x: fisher.fisher_wave(t, x),
        0.0,
    ),
    "burgers": (
        (burgers := Burgers(0.1)),
        lambda t, x: burgers.travelling_wave(t, x, left=1.0, right=0.2, center=0.3),
        0.0,
    ),
    "porous medium": (
        (porous := PorousMedium(2.0)),
        lambda t, x: porous.travelling_wave(t, x),
        1.5,
    ),
    "stefan": (
        Stefan(0.1, 0.3),
        lambda t, x: jnp.exp(-0.3 * 4.0 * t) * jnp.sin(2.0 * x + 0.4) + 2.0,
        0.0,
    ),
}


def error(name, cells, grid=None):
    law, exact, t0 = EXACT[name]
    grid = Grid.uniform(0.0, 1.0, cells) if grid is None else grid
    field = FiniteVolume(law=law, grid=grid, boundary=conditions(exact, (0.0, 1.0)))
    averages = lambda t: cell_averages(lambda x: exact(t, x), grid)[None]
    u = solve(field, averages(t0), t0=t0, t1=t0 + 0.1, cfl=0.8).states[-1]
    return float(jnp.max(jnp.abs(u - averages(t0 + 0.1))))


QUICK = ("diffusion", "burgers", "porous medium")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(n, id=n.replace(" ", "-"), marks=() if n in QUICK else pytest.mark.slow)
        for n in EXACT
    ],
)
def test_the_error_falls_with_the_square_of_the_cells(name):
    coarse, fine = error(name, 24), error(name, 96)
    order = np.log2(coarse / fine) / 2
    # In the maximum norm, in which limiters at extrema cost some of it.
    assert order > 1.8, order
    assert fine < 5e-5


@pytest.mark.slow
def test_the_error_falls_so_on_stretched_cells():
    faces = lambda n: Grid(np.linspace(0.0, 1.0, n + 1) ** 1.3)
    errors = [error("diffusion", n, faces(n)) for n in (16, 64)]
    assert np.log2(errors[0] / errors[1]) / 2 > 1.8


@pytest.mark.parametrize("ndim", [2, pytest.param(3, marks=pytest.mark.slow)], ids=["two", "three"])
@pytest.mark.parametrize("stepper", [None, pytest.param(Implicit(), marks=pytest.mark.slow)])
def test_more_dimensions(ndim, stepper):
    k, shifts = 0.1, (0.4, -0.3, 0.9)[:ndim]

    def exact(t, *x):
        waves = [jnp.sin(1.5 * y + s) for y, s in zip(x, shifts, strict=True)]
        product = waves[0]
        for wave in waves[1:]:
            product = product * wave
        return 1.0 + jnp.exp(-k * 2.25 * ndim * t) * product

    def error(n):
        shape = tuple(n + 2 * axis for axis in range(ndim))
        grid = Grid.uniform((0.0,) * ndim, (1.0,) * ndim, shape)
        boundary = []
        for axis in range(ndim):
            others = [jnp.asarray(c) for a, c in enumerate(grid.centers) if a != axis]
            across = jnp.meshgrid(*others, indexing="ij")
            boundary.append(conditions(exact, (0.0, 1.0), axis=axis, across=across))
        field = FiniteVolume(law=Diffusion(k), grid=grid, boundary=tuple(boundary))
        averages = lambda t: cell_averages(lambda *x: exact(t, *x), grid, points=3)[None]
        u = solve(field, averages(0.0), t1=0.1, cfl=0.8, stepper=stepper).states[-1]
        return float(jnp.mean(jnp.abs(u - averages(0.1))))

    errors = error(8), error(16)
    assert np.log2(errors[0] / errors[1]) > 1.7  # 1.80, 1.90 and 1.95 in two dimensions


@pytest.mark.slow
def test_a_viscous_gas():
    law = NavierStokes(0.2, prandtl=0.75)
    exact = lambda t, x: law.to_conserved(law.becker_shock(x, 2.0).reshape(3, -1))

    def worst(n):
        grid = Grid.uniform(-0.4, 0.4, n)
        place = lambda x: exact(0.0, x)[:, 0]
        sides = []
        for x, normal, (a, b) in ((-0.4, -1.0, FACTORS[0]), (0.4, 1.0, FACTORS[1])):
            at = jnp.asarray(x)
            sides.append(Robin(a=a, b=b, g=a * place(at) + b * normal * jax.jacfwd(place)(at)))
        field = FiniteVolume(law=law, grid=grid, boundary=tuple(sides))
        shock = lambda c: cell_averages(lambda x: exact(0.0, x)[c].reshape(x.shape), grid)
        u0 = jnp.stack([shock(c) for c in range(3)])
        u = solve(field, u0, t1=0.05, cfl=0.8).states[-1]
        return float(jnp.max(jnp.abs(u - u0)))

    errors = worst(12), worst(48)  # the shock stands
    assert np.log2(errors[0] / errors[1]) / 2 > 1.7


LIMITS = {
    "diffusion": Diffusion(0.3),
    "porous medium": PorousMedium(2.0),
    "stefan": Stefan(0.5),
    "burgers": Burgers(0.1),
    "advection and diffusion": AdvectionDiffusionReaction(velocity=-0.8, diffusivity=0.2),
    "navier stokes": NavierStokes(0.1),
}


@pytest.mark.parametrize("name", LIMITS, ids=lambda name: name.replace(" ", "-"))
def test_without_a_slope_it_is_dirichlet_and_without_a_value_neumann(name):
    law = LIMITS[name]
    grid, channels = Grid.uniform(0.0, 1.0, 8), law.channel_count(1)
    w = 1.0 + 0.3 * np.sin(np.arange(8.0 * channels)).reshape(channels, 8)
    u = law.to_conserved(jnp.asarray(w))
    value, slope = u[:, 0] * 1.1, jnp.full(channels, 0.2)

    @jax.jit
    def rates():
        rate = lambda *sides: FiniteVolume(law=law, grid=grid, boundary=sides)(0.0, u)
        zero, two = jnp.zeros(channels), jnp.full(channels, 2.0)
        values = [
            rate(*(side,) * 2) for side in (Dirichlet(value), Robin(a=2.0, b=zero, g=2 * value))
        ]
        lower, upper = Robin(a=0.0, b=two, g=-2 * slope), Robin(a=0.0, b=two, g=2 * slope)
        return values, [rate(Neumann(slope), Neumann(slope)), rate(lower, upper)]

    values, slopes = rates()
    np.testing.assert_allclose(values[1], values[0], rtol=1e-12, atol=1e-12)
    if not law.has_convection:  # else its slope comes from a value, as at an outflow
        np.testing.assert_allclose(slopes[1], slopes[0], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("steps", [40, pytest.param(None, marks=pytest.mark.slow)])
def test_derivatives_with_respect_to_the_condition(steps):
    grid = Grid.uniform(0.0, 1.0, 10)
    u0 = jnp.asarray(1.0 + np.sin(3.0 * grid.centers[0]))[None]

    def heat(numbers):
        a, b, g = numbers
        sides = (Robin(a=a, b=b, g=lambda t: g * (1.0 + t)), Robin(a=a, b=b, g=g))
        field = FiniteVolume(law=Diffusion(0.2), grid=grid, boundary=sides)
        return jnp.sum(solve(field, u0, t1=0.2, steps=steps, cfl=0.8).states[-1] ** 2)

    value, at = jax.jit(heat), jnp.array([0.8, 0.5, 0.3])
    slope, eps = jax.jit(jax.grad(heat))(at), 1e-5
    for i, found in enumerate(slope):
        way = eps * jnp.eye(3)[i]
        difference = (value(at + way) - value(at - way)) / (2 * eps)
        np.testing.assert_allclose(found, difference, rtol=1e-6)


def test_what_drifts_against_a_wall_stays_inside():
    # v u − D ∂u/∂x = 0 at both ends: with the outward normal, b has the sign of a below and not above.
    v, k, grid = 1.0, 0.2, Grid.uniform(0.0, 1.0, 32)
    law = AdvectionDiffusionReaction(velocity=v, diffusivity=k)
    field = FiniteVolume(
        law=law, grid=grid, boundary=(Robin(a=v, b=k, g=0.0), Robin(a=v, b=-k, g=0.0))
    )
    u0 = jnp.ones((1, 32))
    u = solve(field, u0, t1=4.0).states[-1]
    np.testing.assert_allclose(grid.integrate(u), 1.0, rtol=1e-12)  # conserved to round-off
    z = v / k
    steady = cell_averages(lambda x: z * jnp.exp(z * (x - 1.0)) / (1.0 - jnp.exp(-z)), grid)
    np.testing.assert_allclose(u[0], steady, rtol=0.02)  # second order: 1.6 % on these cells


def test_steps_follow_a_condition_that_feeds_what_is_there():
    # ∂u/∂n = 25 u: fast growth in the cell at the end, e^{k 25² t} in time.
    grid = Grid.uniform(0.0, 1.0, 16)
    field = FiniteVolume(
        law=Diffusion(1.0), grid=grid, boundary=(Outflow(), Robin(a=-25.0, b=1.0, g=0))
    )
    u0 = jnp.asarray(np.exp(25.0 * (grid.centers[0] - 1.0)))[None]
    status = solve(field, u0, t1=0.005).status
    plain = FiniteVolume(law=Diffusion(1.0), grid=grid, boundary=(Outflow(), Dirichlet(0.0)))
    assert status.ok
    assert status.steps > solve(plain, u0, t1=0.005).status.steps


def test_values_at_the_faces_meet_the_condition():
    exact = lambda t, x: jnp.sin(2.0 * x + 0.4) + 1.0
    errors = []
    for n in (8, 16):
        grid = Grid.uniform(0.0, 1.0, n)
        field = FiniteVolume(law=Diffusion(0.3), grid=grid, boundary=conditions(exact, (0.0, 1.0)))
        nodes = field.node_values(0.0, cell_averages(lambda x: exact(0.0, x), grid)[None])
        errors.append(np.max(np.abs(nodes[0] - exact(0.0, jnp.asarray(grid.faces[0])))))
    assert np.log2(errors[0] / errors[1]) > 3.5  # a cubic


def test_conditions_that_determine_nothing_are_refused():
    grid, law = Grid.uniform(0.0, 1.0, 8), Diffusion(1.0)
    build = lambda law, side: FiniteVolume(law=law, grid=grid, boundary=side)
    with pytest.raises(ValueError, match="a or b other than zero, got a = b = 0; use Outflow"):
        Robin(a=0.0, b=np.zeros(1), g=1.0)
    with pytest.raises(ValueError, match="expected to be finite, got nan"):
        Robin(a=1.0, b=np.nan, g=1.0)
    with pytest.raises(ValueError, match=r"\|a\| h/2 < \|b\|.*refine the grid"):
        build(law, Robin(a=-20.0, b=1.0, g=1.0))
    with pytest.raises(ValueError, match="without diffusion nothing determines a slope"):
        build(Advection(1.0), Robin(a=1.0, b=1.0, g=0.0))
    with pytest.raises(ValueError, match=r"scalar or of shape \(1,\)"):
        build(law, Robin(a=1.0, b=1.0, g=np.ones(3)))(0.0, jnp.ones((1, 8)))
    # Traced numbers cannot be looked at: the solve says that the state is lost.
    run = lambda a: solve(
        build(law, Robin(a=a, b=1.0, g=1.0)), jnp.ones((1, 8)), t1=0.1, throw=False
    )
    assert not jax.jit(lambda a: run(a).status.ok)(-20.0)


def test_one_condition_serves_beside_others_and_in_single_precision():
    grid = Grid.uniform((0.0, 0.0), (1.0, 1.0), (6, 5))
    side = Robin(a=jnp.float32(1.0), b=jnp.linspace(0.1, 1.0, 5, dtype=jnp.float32)[None], g=0.0)
    field = FiniteVolume(law=Diffusion(0.1), grid=grid, boundary=((side, Wall()), Wall()))
    u0 = jnp.ones((1, 6, 5), jnp.float32)
    u = eqx.filter_jit(lambda: solve(field, u0, t1=0.1, steps=20).states[-1])()
    assert u.dtype == jnp.float32
    assert jnp.all(jnp.diff(u[0, 0]) > 0)  # less is lost where b is larger
