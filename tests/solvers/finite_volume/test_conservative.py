from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solvers import (
    HLLC,
    MUSCL,
    Dirichlet,
    FiniteVolume,
    Godunov,
    Grid,
    Neumann,
    Outflow,
    Periodic,
    PiecewiseConstant,
    Roe,
    Rusanov,
    Wall,
    cell_averages,
    mc,
    minmod,
    solve,
)
from solvers.laws import (
    AbstractLaw,
    Acoustics,
    Advection,
    Burgers,
    Diffusion,
    Euler,
    PorousMedium,
    Stefan,
)

pytestmark = pytest.mark.usefixtures("x64")

STRETCHED = np.linspace(0.0, 1.0, 33) ** 1.5


@pytest.mark.parametrize("grid", [Grid.uniform(0.0, 1.0, 32), Grid.from_faces(STRETCHED)])
@pytest.mark.parametrize(
    "boundary",
    [
        Periodic(),
        Outflow(),
        (Dirichlet(0.7), Dirichlet(0.2)),
        (Neumann(0.4), Neumann(-0.3)),
        (Dirichlet(lambda t: 1.0 + t), Outflow()),
    ],
)
@pytest.mark.parametrize("scheme", [PiecewiseConstant(), MUSCL()])
def test_mass_changes_by_the_boundary_fluxes_alone(grid, boundary, scheme):
    field = FiniteVolume(
        law=Burgers(viscosity=0.1), grid=grid, boundary=boundary, reconstruction=scheme
    )
    u = 0.5 + 0.3 * jnp.sin(2 * jnp.pi * jnp.asarray(grid.centers[0]))[None]

    @jax.jit
    def budget(u):
        lower, upper = field.boundary_fluxes(0.3, u)
        return grid.integrate(field(0.3, u)), lower - upper

    rate, balance = budget(u)
    # Round-off of a telescoping sum of 32 fluxes of order one.
    np.testing.assert_allclose(rate, balance, atol=1e-13)
    if isinstance(boundary, Periodic):
        np.testing.assert_allclose(rate, 0.0, atol=1e-13)


def test_neumann_flux_is_the_prescribed_one_bit_for_bit():
    grid = Grid.uniform(0.0, 1.0, 8)
    ends = (Neumann(lambda t: 3.0 * t), Neumann(-0.5))
    field = FiniteVolume(law=Diffusion(0.2), grid=grid, boundary=ends)
    u = jnp.asarray(grid.centers[0] ** 3)[None]
    lower, upper = eqx.filter_jit(field.boundary_fluxes)(2.0, u)
    assert lower.item() == -(jnp.array(0.2) * 6.0).item()
    assert upper.item() == -(jnp.array(0.2) * -0.5).item()


@pytest.mark.parametrize("riemann", [Rusanov(), Godunov()])
def test_dirichlet_inflow_flux_is_the_prescribed_one(riemann):
    grid = Grid.uniform(0.0, 1.0, 8)
    field = FiniteVolume(
        law=Burgers(), grid=grid, boundary=(Dirichlet(2.0), Outflow()), riemann=riemann
    )
    lower, upper = eqx.filter_jit(field.boundary_fluxes)(0.0, jnp.full((1, 8), 0.5))
    assert lower.item() == 2.0  # f(2)
    assert upper.item() == 0.125  # f(0.5): nothing comes back


def test_outflow_lets_a_pulse_leave_without_reflection():
    grid = Grid.uniform(0.0, 1.0, 64)
    field = FiniteVolume(law=Advection(1.0), grid=grid, boundary=(Dirichlet(0.0), Outflow()))
    u0 = cell_averages(lambda x: jnp.exp(-200.0 * (x - 0.5) ** 2), grid)[None]
    left = solve(field, u0, t1=1.5, steps=240).states[-1]
    # The pulse is eight widths beyond the end; what remains is numerical diffusion's tail.
    assert jnp.max(jnp.abs(left)) < 1e-6


@pytest.mark.parametrize(
    ("scheme", "riemann", "law"),
    [
        (PiecewiseConstant(), Rusanov(), Burgers()),
        (MUSCL(), Rusanov(), Burgers()),
        (MUSCL(minmod), Godunov(), Burgers()),
        (MUSCL(mc), Rusanov(), Advection(-1.3)),
        (MUSCL(), Rusanov(), Burgers(viscosity=0.05)),
        (MUSCL(), Rusanov(), Diffusion(0.5)),
        (MUSCL(), Rusanov(), PorousMedium(2.0)),
        (MUSCL(), Rusanov(), Stefan(0.5)),
    ],
)
def test_mass_is_conserved_and_no_extrema_appear_on_periodic_domains(scheme, riemann, law):
    grid = Grid.uniform(0.0, 1.0, 16)
    field = FiniteVolume(
        law=law, grid=grid, boundary=Periodic(), reconstruction=scheme, riemann=riemann
    )

    @jax.jit
    def run(u):
        solution = solve(field, u, t1=0.02, steps=64, throw=False)
        return solution.states[-1], solution.status.ok

    @settings(max_examples=15, deadline=None, derandomize=True)
    @given(st.lists(st.floats(0.0, 2.0), min_size=16, max_size=16))
    def check(values):
        u0 = np.asarray(values)[None]
        u, ok = run(u0)
        u = np.asarray(u)
        assert ok
        # A telescoping sum: round-off only, relative to Σ|u|.
        assert abs(np.sum(u - u0)) <= 1e-14 * np.sum(np.abs(u0))
        # At these CFL numbers (at most ½) the schemes are TVD; the slack is round-off.
        assert u.min() >= u0.min() - 1e-13
        assert u.max() <= u0.max() + 1e-13
        assert total_variation(u) <= total_variation(u0) + 1e-12

    def total_variation(u):
        return np.sum(np.abs(u - np.roll(u, 1, axis=1)))

    check()


@pytest.mark.parametrize("law", [Diffusion(0.5), PorousMedium(2.0), Stefan(0.5)])
def test_mass_is_conserved_on_closed_domains(law):
    grid = Grid.from_faces(STRETCHED)
    field = FiniteVolume(law=law, grid=grid, boundary=Neumann(0.0))
    u0 = cell_averages(lambda x: 1.0 + jnp.cos(5.0 * x), grid)[None]
    u = solve(field, u0, t1=0.02).states[-1]
    # Round-off; measured 2e-16.
    drift = jnp.abs(grid.integrate(u - u0)) / grid.integrate(jnp.abs(u0))
    assert drift.item() <= 1e-14


def smooth(x):
    return jnp.sin(2.0 * x + 0.3) + 0.5 * jnp.cos(5.0 * x)


@pytest.mark.parametrize("power", [1.0, 1.3])
@pytest.mark.parametrize(
    ("lower", "upper"),
    [(Dirichlet, Dirichlet), (Neumann, Neumann), (Dirichlet, Neumann), (Outflow, Outflow)],
)
def test_node_values_converge(power, lower, upper):
    slope = jax.grad(smooth)

    def condition(kind, x):
        x = jnp.array(x)
        if kind is Outflow:
            return Outflow()
        return kind(smooth(x)) if kind is Dirichlet else kind(slope(x))

    errors = []
    for n in (40, 80):
        grid = Grid.from_faces(np.linspace(0.0, 1.0, n + 1) ** power)
        ends = (condition(lower, 0.0), condition(upper, 1.0))
        field = FiniteVolume(law=Diffusion(1.0), grid=grid, boundary=ends)
        faces = jnp.asarray(grid.faces[0])
        nodes = eqx.filter_jit(field.node_values)(0.0, cell_averages(smooth, grid)[None])
        errors.append(np.max(np.abs(nodes[0] - smooth(faces))))
    order = np.log2(errors[0] / errors[1])
    # Third order (the Neumann end's slope is within a quadratic's reach) to fourth inside;
    # an outflow end is a limited linear extrapolation, second order.
    assert order > (1.7 if lower is Outflow else 2.8)


def test_node_values_honour_the_ends_and_make_no_new_extrema():
    grid = Grid.uniform(0.0, 1.0, 20)
    step = jnp.asarray(grid.centers[0] < 0.5, dtype=float)[None]
    field = FiniteVolume(law=Burgers(), grid=grid, boundary=(Dirichlet(1.0), Dirichlet(0.0)))
    nodes = eqx.filter_jit(field.node_values)(0.0, step)
    assert nodes.shape == (1, 21)
    assert (nodes[0, 0], nodes[0, -1]) == (1.0, 0.0)
    assert nodes.min() >= 0.0
    assert nodes.max() <= 1.0
    periodic = FiniteVolume(law=Burgers(), grid=grid, boundary=Periodic())
    nodes = eqx.filter_jit(periodic.node_values)(0.0, jnp.asarray(grid.centers[0])[None])
    assert nodes[0, 0] == nodes[0, -1]


def test_stability_rate_adds_convection_and_diffusion_and_sees_the_boundary():
    grid = Grid.uniform(0.0, 1.0, 10)
    u = jnp.full((1, 10), 0.5)
    field = FiniteVolume(law=Burgers(viscosity=0.02), grid=grid, boundary=Outflow())
    # |u|/h + 2ν/h² = 5 + 4.
    np.testing.assert_allclose(field.stability_rate(0.0, u), 9.0, rtol=1e-12)
    field = FiniteVolume(
        law=PorousMedium(1.0), grid=grid, boundary=(Dirichlet(lambda t: t), Outflow())
    )
    np.testing.assert_allclose(field.stability_rate(2.0, 0.0 * u), 2.0 * 2.0 * 100, rtol=1e-12)


class _Growth(Diffusion):
    """u_t = k u_xx + x u, to exercise the source."""

    def source(self, t, x, u):
        return x[0] * u


def test_sources_are_added_at_the_centres():
    grid = Grid.uniform(0.0, 1.0, 4)
    field = FiniteVolume(law=_Growth(0.0), grid=grid, boundary=Outflow())
    u = jnp.ones((1, 4))
    np.testing.assert_allclose(field(0.0, u)[0], grid.centers[0], rtol=1e-14)


def test_two_dimensions_with_different_axes():
    grid = Grid.uniform((0.0, 0.0), (1.0, 1.0), (24, 16))
    law = Diffusion(0.1)
    boundary = (Periodic(), (Dirichlet(0.0), Neumann(0.0)))
    field = FiniteVolume(law=law, grid=grid, boundary=boundary)

    def exact(t):
        rate = 0.1 * ((2 * jnp.pi) ** 2 + (jnp.pi / 2) ** 2)
        wave = lambda x, y: jnp.sin(2 * jnp.pi * x) * jnp.sin(jnp.pi * y / 2)
        return jnp.exp(-rate * t) * cell_averages(wave, grid)[None]

    u = solve(field, exact(0.0), t1=0.2).states[-1]
    # Second order: the x mode decays too slowly by the factor (κh)²/12 = 5.7e-3 in its rate, so
    # e^{−0.81} · 0.79 · 5.7e-3 = 2e-3.
    assert jnp.max(jnp.abs(u - exact(0.2))) < 2.5e-3
    lower, upper = field.boundary_fluxes(0.0, u, axis=1)
    assert lower.shape == upper.shape == (1, 24)


def test_states_of_another_shape_are_refused():
    field = FiniteVolume(law=Burgers(), grid=Grid.uniform(0.0, 1.0, 8), boundary=Periodic())
    with pytest.raises(ValueError, match=r"space=\(8,\)\), got \(5, 1, 8\); use jax.vmap"):
        field(0.0, jnp.zeros((5, 1, 8)))
    with pytest.raises(ValueError, match=r"channels=1, space=\(8,\)\), got \(2, 8\)"):
        field(0.0, jnp.zeros((2, 8)))


def test_too_coarse_a_grid_is_refused():
    with pytest.raises(ValueError, match="at least 2 cells an axis for MUSCL"):
        FiniteVolume(law=Burgers(), grid=Grid.uniform(0.0, 1.0, 1), boundary=Periodic())


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"law": "heat"}, "law"),
        ({"reconstruction": MUSCL}, "reconstruction"),
        ({"riemann": Rusanov}, "riemann"),
        ({"grid": 32}, "grid"),
    ],
)
def test_parts_that_are_none_are_refused(parts, message):
    # The type checks of the suite come before the library's own; both name the part.
    whole = {"law": Burgers(), "grid": Grid.uniform(0.0, 1.0, 8), "boundary": Periodic()}
    with pytest.raises(TypeError, match=message):
        FiniteVolume(**{**whole, **parts})


def test_walls_close_a_diffusing_domain_and_are_refused_to_a_convected_scalar():
    grid = Grid.uniform((0.0, 0.0), (1.0, 1.0), (6, 5))
    u = cell_averages(lambda x, y: 1.0 + jnp.cos(3.0 * x) * y, grid)[None]
    sides = (Wall(), (Neumann(0.0), Wall()))
    closed = FiniteVolume(law=Diffusion(1.0), grid=grid, boundary=sides)
    open_ = FiniteVolume(law=Diffusion(1.0), grid=grid, boundary=Neumann(0.0))
    np.testing.assert_array_equal(closed(0.0, u), open_(0.0, u))
    line = Grid.uniform(0.0, 1.0, 8)
    with pytest.raises(ValueError, match="got Wall: a convected scalar has nowhere to go"):
        FiniteVolume(law=Burgers(), grid=line, boundary=(Wall(), Outflow()))


def test_fluxes_that_do_not_fit_a_law_are_refused_with_those_that_do():
    grid = Grid.uniform(0.0, 1.0, 8)
    with pytest.raises(ValueError, match=r"Burgers .* got HLLC; use one of Godunov, Rusanov"):
        FiniteVolume(law=Burgers(), grid=grid, boundary=Periodic(), riemann=HLLC())
    assert isinstance(FiniteVolume(law=Euler(), grid=grid, boundary=Periodic()).riemann, HLLC)
    assert isinstance(
        FiniteVolume(law=Acoustics(1.0), grid=grid, boundary=Periodic()).riemann, Godunov
    )
    with pytest.raises(ValueError, match="0 <= entropy_fix <= 1, got 2"):
        Roe(entropy_fix=2.0)

    class Plain(Pair):
        """Two channels, without an exact flux."""

    with pytest.raises(ValueError, match=r"or give the law godunov_flux\(left, right, axis\)"):
        FiniteVolume(law=Plain(), grid=grid, boundary=Periodic(), riemann=Godunov())


class Pair(AbstractLaw):
    """Two channels at speed one, that diffuse."""

    channels: ClassVar[int] = 2
    has_convection: ClassVar[bool] = True
    has_diffusion: ClassVar[bool] = True

    def flux(self, u, axis=0):
        return u

    def max_wave_speed(self, u, axis=0):
        return jnp.ones((), u.dtype)

    def potential(self, u):
        return u

    def diffusivity(self, u):
        return jnp.ones_like(u)


@pytest.mark.parametrize(
    ("name", "member", "message"),
    [
        (
            "flux",
            lambda self, u, axis=0: u[0],
            r"flux .* the shape of u, \(2, 8\), got shape \(8,\); keep",
        ),
        ("potential", lambda self, u: u[0], r"potential .* got shape \(8,\); keep the axis"),
        ("source", lambda self, t, x, u: x[0], r"source .* got shape \(8,\); keep the axis"),
        ("flux", lambda self, u, axis=0: None, "flux was expected to return an array, got None"),
        (
            "max_wave_speed",
            lambda self, u, axis=0: u.T,
            r"broadcasts .* got shape \(8, 2\); reduce",
        ),
        ("admissible", lambda self, u: u > 0, r"one number a cell, of shape \(8,\)"),
        ("godunov_flux", lambda self, a, b, axis=0: a[0], r"godunov_flux .* got shape \(8,\)"),
        ("to_primitive", lambda self, u: u[0], r"to_primitive .* got shape \(8,\)"),
    ],
)
def test_members_of_a_law_that_return_other_shapes_are_refused(name, member, message):
    grid = Grid.uniform(0.0, 1.0, 8)
    FiniteVolume(law=Pair(), grid=grid, boundary=Periodic())
    wrong = type(Pair)("Wrong", (Pair,), {name: member})
    with pytest.raises(ValueError, match=message):
        FiniteVolume(law=wrong(), grid=grid, boundary=Periodic())


def test_parameters_that_vary_in_space_are_refused_when_the_field_is_built():
    grid = Grid.uniform(0.0, 1.0, 8)
    build = lambda k: FiniteVolume(law=Diffusion(k), grid=grid, boundary=Periodic())
    with pytest.raises(ValueError, match=r"got shape \(8,\); use jax.vmap .* none can vary"):
        build(jnp.ones(8))
    assert jax.vmap(build)(jnp.ones(8)).law.k.shape == (8,)


@pytest.mark.parametrize("boundary", [Neumann(0.5), Outflow()])
def test_constant_fluxes_through_the_ends_are_not_compiled_to_padding(boundary):
    """Loops over padding ask at every cell whether it is one; see `FiniteVolume._diffusive_flux`."""
    grid = Grid.uniform((0.0, 0.0), (1.0, 1.0), (8, 8))
    field = FiniteVolume(law=Diffusion(0.1), grid=grid, boundary=boundary)

    def stages(u):
        return u + field(0.0, u + field(0.0, u))

    program = jax.jit(stages).lower(jnp.ones((1, 8, 8))).compile().as_text()
    assert " concatenate(" in program
    assert " pad(" not in program
