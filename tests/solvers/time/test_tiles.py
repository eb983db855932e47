"""A step by tiles is the step of the whole grid, whatever the law, the boundary and the shape."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from solvers import (
    MUSCL,
    SSPRK2,
    SSPRK3,
    WENO5Z,
    Dirichlet,
    FiniteVolume,
    Grid,
    Neumann,
    Outflow,
    Periodic,
    Robin,
    Wall,
)
from solvers.laws import Burgers, Diffusion, Euler, ShallowWater
from solvers.time import tiles
from solvers.time.tiles import tiled_step

pytestmark = pytest.mark.usefixtures("x64")


@pytest.fixture
def small_tiles(monkeypatch):
    monkeypatch.setattr(tiles, "_TILE_BYTES", 2**11)
    monkeypatch.setattr(tiles, "_LARGE_BYTES", 2**11)


class _Heated(Burgers):
    """Burgers' equation with a source that depends on the place."""

    def source(self, t, x, u):
        return (jnp.sin(3.0 * x[0]) * jnp.cos(2.0 * x[1]) * (1.0 + t))[None]


GRID = Grid.uniform((0.0, -1.0), (1.0, 1.0), (33, 50))
VARIED = jnp.asarray(np.linspace(0.5, 1.0, 50)[None])
HILLS = jnp.asarray(0.3 * np.random.default_rng(1).uniform(size=(33, 50)))


def cases():
    yield "gas in a box", Euler(), Wall(), MUSCL()
    yield "gas around", Euler(), (Periodic(), Outflow()), WENO5Z()
    yield "water", ShallowWater(9.81, bathymetry=HILLS), (Periodic(), Wall()), MUSCL()
    heated = (Dirichlet(VARIED), Neumann(lambda t: (1.0 + t) * VARIED))
    yield "heat", Diffusion(0.1), (heated, Periodic()), None
    cooled = (Robin(a=0.7, b=VARIED, g=lambda t: t * VARIED), Robin(a=1.0, b=0.5, g=VARIED))
    yield "cooling", Diffusion(0.1), (cooled, Periodic()), None
    entering = (Dirichlet(lambda t: VARIED + t), Outflow())
    yield "burgers", _Heated(), (entering, Periodic()), MUSCL()


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize(
    ("law", "boundary", "scheme"),
    [
        pytest.param(
            *case, id=name, marks=[pytest.mark.slow] if name.startswith(("gas", "water")) else []
        )
        for name, *case in cases()
    ],
)
def test_tiles_make_up_the_whole_step(law, boundary, scheme):
    field = FiniteVolume(law=law, grid=GRID, boundary=boundary, reconstruction=scheme)
    channels = law.channel_count(2)
    noise = np.random.default_rng(0).uniform(size=(channels, *GRID.shape))
    u = jnp.asarray(noise) + jnp.arange(float(channels))[:, None, None] + 0.5
    assert tiles._tile_shape(field, u) != GRID.shape
    t, dt = jnp.asarray(0.3), jnp.asarray(1e-3)
    for stepper in (SSPRK2(), SSPRK3()):
        whole = eqx.filter_jit(stepper.step)(field, t, u, dt)
        parts = eqx.filter_jit(tiled_step)(stepper, field, t, u, dt)
        np.testing.assert_allclose(parts, whole, rtol=1e-14, atol=1e-14)


@pytest.mark.usefixtures("small_tiles")
def test_derivatives_by_tiles_are_those_of_the_whole_step():
    u = jnp.asarray(np.random.default_rng(0).uniform(size=(1, *GRID.shape)))
    stepper, t, dt = SSPRK2(), jnp.asarray(0.3), jnp.asarray(1e-4)

    def loss(step):
        def of(parameters, u):
            conductivity, level = parameters
            sides = (Dirichlet(lambda t: level * (1.0 + t)), Outflow())
            field = FiniteVolume(law=Diffusion(conductivity), grid=GRID, boundary=(sides, Wall()))
            return jnp.sum(step(field, u) ** 3)

        return of

    tiled = loss(lambda field, u: tiled_step(stepper, field, t, u, dt))
    whole = loss(lambda field, u: stepper.step(field, t, u, dt))
    at = ((jnp.asarray(0.1), jnp.asarray(0.7)), u)
    for first, second in zip(
        jax.tree.leaves(jax.jit(jax.grad(tiled, (0, 1)))(*at)),
        jax.tree.leaves(jax.jit(jax.grad(whole, (0, 1)))(*at)),
        strict=True,
    ):
        np.testing.assert_allclose(first, second, rtol=1e-13)
    forward = jax.jit(lambda *at: jax.jvp(tiled, at, at))(*at)
    np.testing.assert_allclose(
        forward, jax.jit(lambda *at: jax.jvp(whole, at, at))(*at), rtol=1e-12
    )


@pytest.mark.usefixtures("small_tiles")
def test_a_batch_of_large_grids():
    u = jnp.asarray(np.random.default_rng(0).uniform(size=(3, 1, *GRID.shape)))
    field = FiniteVolume(law=Burgers(), grid=GRID, boundary=Periodic())
    t, dt = jnp.asarray(0.0), jnp.asarray(1e-3)
    batch = jax.jit(jax.vmap(lambda v: tiled_step(SSPRK2(), field, t, v, dt)))(u)
    one = jax.jit(lambda v: SSPRK2().step(field, t, v, dt))
    np.testing.assert_allclose(batch, jnp.stack([one(v) for v in u]), rtol=1e-14)


def test_small_and_stretched_grids_are_stepped_whole():
    u = jnp.zeros((1, 2048, 2048))
    uniform = Grid.uniform((0.0, 0.0), (1.0, 1.0), (2048, 2048))
    faces = np.linspace(0.0, 1.0, 2049)
    stretched = Grid(faces**2, faces)
    tile = lambda grid, u: tiles._tile_shape(
        FiniteVolume(law=Burgers(), grid=grid, boundary=Outflow()), u
    )
    assert tile(uniform, u) == (256, 256)
    assert tile(stretched, u) == (2048, 2048)
    small = Grid.uniform((0.0, 0.0), (1.0, 1.0), (256, 256))
    assert tile(small, u[:, :256, :256]) == (256, 256)
