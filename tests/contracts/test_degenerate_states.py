"""Values and derivatives of every law, flux and reconstruction are finite where there is nothing.

Vacuum, dry ground, rest and ties, and the thin layers ahead of a front, whose squares underflow.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from solvers import (
    HLL,
    HLLC,
    MUSCL,
    WENO5JS,
    WENO5Z,
    FiniteVolume,
    Godunov,
    Grid,
    Outflow,
    PiecewiseConstant,
    Roe,
    Rusanov,
    Wall,
    laws,
    mc,
    minmod,
    solve,
    superbee,
    van_leer,
)
from solvers.finite_volume.riemann import fitting

LAWS = {
    "advection": laws.Advection(0.0),
    "burgers": laws.Burgers(),
    "viscous burgers": laws.Burgers(0.1),
    "diffusion": laws.Diffusion(0.1),
    "porous medium": laws.PorousMedium(0.5),
    "stefan": laws.Stefan(0.5),
    "fisher": laws.AdvectionDiffusionReaction(diffusivity=0.1, reaction=laws.Fisher()),
    "acoustics": laws.Acoustics(1.0),
    "euler": laws.Euler(),
    "navier stokes": laws.NavierStokes(0.01),
    "shallow water": laws.ShallowWater(),
}
FLUXES = (HLLC(), Godunov(), Roe(), Roe(entropy_fix=0.0), HLL(), Rusanov())
RULES = {
    "constant": PiecewiseConstant(),
    "minmod": MUSCL(minmod),
    "van leer": MUSCL(van_leer),
    "mc": MUSCL(mc),
    "superbee": MUSCL(superbee),
    "js": WENO5JS(),
    "z": WENO5Z(),
}
# Squares, then cubes, then the numbers themselves underflow in single or in double precision.
THIN = (0.0, 5e-324, 1e-300, 1e-160, 1e-50, 1e-37, 1e-25, 1e-18, 1e-12, 1e-6, 1.0)
SPEEDS = (0.0, 1e-20, 1.0, -1.0)

names = lambda name: name.replace(" ", "-")


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", request.param == "float64")
    yield jnp.dtype(request.param)
    jax.config.update("jax_enable_x64", before)


def degenerate(law, dtype):
    """States in primitive variables, ``(channels, states)``: all of some densities, temperatures, speeds."""
    if isinstance(law, laws.ShallowWater):
        grid = np.meshgrid(THIN, SPEEDS)
    elif isinstance(law, laws.Acoustics):
        grid = np.meshgrid(SPEEDS, SPEEDS)
    elif isinstance(law, laws.gas.AbstractGas):
        # The derivative of μ/ρ by ρ is what it is, and has to be a number.
        least = 1e3 * jnp.finfo(dtype).tiny ** 0.5 if law.has_diffusion else 0.0
        densities = [thin for thin in THIN if thin == 0.0 or thin > least]
        density, speed, temperature = np.meshgrid(densities, SPEEDS, (0.0, 1e-6, 1.0))
        grid = density, speed, density * temperature
    else:
        grid = [np.array([*THIN, -1.0])]
    with np.errstate(under="ignore"):
        return jnp.asarray(np.stack([axis.ravel() for axis in grid]), dtype)


def check_finite(function, *args):
    """Value and derivatives of a function of arrays, pulled back from ones and from alternating signs."""

    @jax.jit
    def both(args):
        value, pull = jax.vjp(lambda args: function(*args), args)
        signs = jnp.where(jnp.arange(value.size) % 2 == 0, 1.0, -1.0).reshape(value.shape)
        return value, pull(jnp.ones_like(value)), pull(signs.astype(value.dtype))

    value, *slopes = both(args)
    assert value.dtype == args[0].dtype
    for array in jax.tree.leaves((value, slopes)):
        assert jnp.all(jnp.isfinite(array))


def members(law, w):
    """What a law says of states, stacked."""
    u = law.to_conserved(w)
    found = [u, law.to_primitive(u), law.flux(u), law.primitive_flux(w), law.limit_jump(w, w)]
    found += [law.limit_jump(w, -w), law.max_wave_speed(u), law.diffusivity(u), law.potential(u)]
    if isinstance(law, laws.NavierStokes):
        found += [law.gradient_flux(w, [w])]
    source = law.source(jnp.zeros(()), (jnp.zeros(w.shape[1:], w.dtype),), u)
    return jnp.stack(
        [jnp.broadcast_to(f, w.shape) for f in (*found, u if source is None else source)]
    )


@pytest.mark.parametrize("name", LAWS, ids=names)
def test_members_of_laws(name, dtype):
    law = LAWS[name]
    check_finite(lambda w: members(law, w), degenerate(law, dtype))


@pytest.mark.parametrize(
    ("name", "flux"),
    [
        pytest.param(name, flux, id=f"{names(name)}-{type(flux).__name__}-{index}")
        for name, law in LAWS.items()
        for index, flux in enumerate(FLUXES)
        if law.has_convection and type(flux) in fitting(law)
    ],
)
def test_fluxes_between_all_pairs_of_states(name, flux, dtype):
    law = LAWS[name]
    w = degenerate(law, dtype)
    first, second = np.meshgrid(np.arange(w.shape[1]), np.arange(w.shape[1]))
    check_finite(lambda a, b: flux(law, a, b), w[:, first.ravel()], w[:, second.ravel()])


@pytest.mark.parametrize("name", RULES, ids=names)
def test_reconstructions_of_ties_and_thin_layers(name, dtype):
    rule, rng = RULES[name], np.random.default_rng(0)
    values = np.array([*THIN, *(-v for v in THIN), 1.0, 1.0, 1.0])  # ties
    stencil = jnp.asarray(rng.choice(values, (2 * rule.width, 4000)), dtype)
    check_finite(lambda s: jnp.stack(rule(list(s), None)), stencil)
    if not rule.equal_cells:
        widths = [jnp.asarray(h, dtype) for h in rng.uniform(0.1, 1.0, 2 * rule.width)]
        check_finite(lambda s: jnp.stack(rule(list(s), widths)), stencil)


def dam_break(h, *, riemann=None, reconstruction=None, cells=20, **options):
    """The first moment of the water after a dam breaks onto dry ground."""
    grid = Grid.uniform(0.0, 10.0, cells)
    field = FiniteVolume(
        law=laws.ShallowWater(),
        grid=grid,
        boundary=Wall(),
        riemann=riemann,
        reconstruction=reconstruction,
    )
    u = solve(field, jnp.stack([h, jnp.zeros_like(h)]), t1=0.3, **options).states[-1]
    return jnp.sum(jnp.asarray(grid.centers[0], h.dtype) * u[0])


def behind_a_dam(dtype, cells=20):
    return jnp.asarray(np.where(np.arange(cells) < cells // 2, 1.0, 0.0), dtype)


def test_the_gradient_of_a_dam_break_onto_dry_ground(dtype):
    h = behind_a_dam(dtype)
    slope = jax.jit(jax.grad(lambda h: dam_break(h, steps=20)))(h)
    assert jnp.all(jnp.isfinite(slope))
    # Of all the water together: central differences of its level in double precision give 25.952.
    np.testing.assert_allclose(jnp.vdot(slope, h), 25.952, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cells", "options"), [(50, {"steps": 60}), (20, {"steps": 300}), (60, {})]
)
def test_finer_dam_breaks(cells, options, dtype):
    slope = jax.grad(lambda h: dam_break(h, cells=cells, **options))(behind_a_dam(dtype, cells))
    assert jnp.all(jnp.isfinite(slope))


@pytest.mark.parametrize(
    ("riemann", "rule"),
    [
        (HLL(), MUSCL()),
        (Roe(), PiecewiseConstant()),
        *(
            pytest.param(flux, rule, marks=pytest.mark.slow)
            for flux in (HLLC(), HLL(), Roe(), Rusanov())
            for rule in (PiecewiseConstant(), MUSCL(superbee), WENO5Z())
        ),
    ],
)
def test_every_flux_and_reconstruction_in_a_dam_break(riemann, rule):
    loss = lambda h: dam_break(h, riemann=riemann, reconstruction=rule, steps=30)
    value, slope = jax.jit(jax.value_and_grad(loss))(behind_a_dam(jnp.float32))
    assert jnp.isfinite(value)
    assert jnp.all(jnp.isfinite(slope))


def test_the_gradient_of_a_lake_with_an_island_and_a_puddle():
    grid = Grid.uniform(0.0, 1.0, 12)

    def loss(bed, depth):
        law = laws.ShallowWater(bathymetry=bed)
        field = FiniteVolume(law=law, grid=grid, boundary=Wall())
        u = jnp.stack([depth, jnp.zeros_like(depth)])
        return jnp.sum((u + 0.01 * field(0.0, u)) ** 2)

    bed = np.where(np.abs(np.arange(12) - 5) < 3, 0.8, 0.0)  # flat, with ties between neighbours
    depth = np.maximum(0.5 - bed, 0.0) + np.where(np.arange(12) == 5, 1e-22, 0.0)
    slopes = jax.jit(jax.grad(loss, (0, 1)))(jnp.float32(bed), jnp.float32(depth))
    assert all(jnp.all(jnp.isfinite(slope)) for slope in slopes)


@pytest.mark.parametrize("flux", [HLLC(), pytest.param(HLL(), marks=pytest.mark.slow)])
def test_the_gradient_of_a_gas_that_runs_into_a_near_vacuum(flux):
    grid = Grid.uniform(0.0, 1.0, 16)
    field = FiniteVolume(law=laws.Euler(), grid=grid, boundary=Outflow(), riemann=flux)
    thin = jnp.asarray(np.where(grid.centers[0] < 0.5, 1.0, 1e-22), jnp.float32)

    def loss(density):
        u0 = field.law.to_conserved(jnp.stack([density, jnp.zeros_like(density), density]))
        return jnp.sum(solve(field, u0, t1=0.05, steps=20).states[-1] ** 2)

    slope = eqx.filter_jit(jax.grad(loss))(thin)
    assert jnp.all(jnp.isfinite(slope))
