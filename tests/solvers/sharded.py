"""Solves on a mesh against the same solves on one device; `test_sharding` runs it in processes.

    python sharded.py LAW [CASE ...] [--gradient] [--process I --port P]

runs the cases of a law, or some of them, on 8 devices of one process, or as process I of two that
have 4 each. The last line it writes is a JSON object.
"""

# ruff: noqa: E402 (jax reads its flags when it is imported)

import argparse
import json
import os

parser = argparse.ArgumentParser()
parser.add_argument("law")
parser.add_argument("cases", nargs="*")
parser.add_argument("--gradient", action="store_true")
parser.add_argument("--process", type=int)
parser.add_argument("--port", type=int)
ARGS = parser.parse_args()
COUNT = 8 if ARGS.process is None else 4
# Before jax starts; beside the flags that make tests compile fast, if they are set.
FLAGS = [os.environ.get("XLA_FLAGS", ""), f"--xla_force_host_platform_device_count={COUNT}"]
os.environ["XLA_FLAGS"] = " ".join(FLAGS)
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental.multihost_utils import process_allgather
from jax.sharding import Mesh

jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_dtype_promotion", "strict")

from solvers import (
    MUSCL,
    WENO5Z,
    Dirichlet,
    FiniteVolume,
    Grid,
    Neumann,
    Outflow,
    Periodic,
    Robin,
    Wall,
    laws,
    solve,
)

T1 = 0.02


class Forced(laws.Diffusion):
    """With a source that depends on time and place, so that centres have to be the block's."""

    def source(self, t, x, u):
        return jnp.sin(3.0 * x[0] + t)[None] * u if len(x) == 1 else (x[0] * x[1] + t)[None] * u


def bed(grid):
    x = np.meshgrid(*grid.centers, indexing="ij")
    return 0.1 * jnp.sin(5.0 * jnp.asarray(sum(x)))


# Each law of a parameter, and the mean and the amplitude of the initial channels in d dimensions.
LAWS = {
    "Advection": (lambda p, grid: laws.Advection(p), 1.0, lambda d: ([1.0], [0.3])),
    "Burgers": (lambda p, grid: laws.Burgers(0.05 * p), 0.8, lambda d: ([0.5], [0.8])),
    "Inviscid": (lambda p, grid: laws.Burgers(), 0.8, lambda d: ([0.5], [0.8])),
    "Diffusion": (lambda p, grid: Forced(p), 0.1, lambda d: ([1.0], [0.3])),
    "PorousMedium": (lambda p, grid: laws.PorousMedium(p), 2.0, lambda d: ([0.15], [0.2])),
    "Stefan": (lambda p, grid: laws.Stefan(p, 0.1), 0.5, lambda d: ([0.5], [0.4])),
    "Acoustics": (lambda p, grid: laws.Acoustics(p), 1.5, lambda d: ([1.0] * (d + 1), [0.3] * 3)),
    "ShallowWater": (
        lambda p, grid: laws.ShallowWater(p, bathymetry=p * bed(grid)),
        1.2,
        lambda d: ([1.0] + [0.1] * d, [0.2] * 3),
    ),
    "Reaction": (
        lambda p, grid: laws.AdvectionDiffusionReaction(
            velocity=0.5, diffusivity=p, reaction=laws.Fisher(3.0)
        ),
        0.05,
        lambda d: ([0.5], [0.3]),
    ),
    "NavierStokes": (
        lambda p, grid: laws.NavierStokes(p),
        0.02,
        lambda d: ([1.0] + [0.2] * d + [2.5], [0.2] * (d + 2)),
    ),
    "Euler": (
        lambda p, grid: laws.Euler(p),
        1.4,
        lambda d: ([1.0] + [0.2] * d + [2.5], [0.2] * (d + 2)),
    ),
}


def boundaries(name, d, shape, mean, closed):
    """Conditions as functions of one number; a scalar that is convected has no walls."""
    mean = jnp.asarray(mean)
    wall = Wall() if closed else Outflow()
    count = mean.size
    constant = lambda b: Dirichlet(b * mean)
    moving = lambda b: Dirichlet(lambda t: mean * (b + jnp.sin(20.0 * t)))
    slope = lambda b: Neumann(jnp.full(count, 0.1) * b)
    swinging = lambda b: Neumann(lambda t: jnp.full(count, 0.1) * b * jnp.cos(30.0 * t))
    leaving = lambda b: Robin(a=b, b=0.3, g=lambda t: mean * (b + jnp.sin(20.0 * t)))
    if d == 1:
        return {
            "periodic": lambda b: Periodic(),
            "dirichlet(t), neumann": lambda b: (moving(b), slope(b)),
            "neumann(t), dirichlet": lambda b: (swinging(b), constant(b)),
            "wall, outflow": lambda b: (wall, Outflow()),
            "outflow, wall": lambda b: (Outflow(), wall),
            "robin(t), robin": lambda b: (
                leaving(b),
                Robin(a=0.5, b=jnp.full(count, 0.8) * b, g=b),
            ),
        }[name]
    wave = lambda n: 1.0 + 0.1 * jnp.sin(jnp.arange(n, dtype=float))
    along = lambda b, n: Dirichlet(b * mean[:, None] * wave(n))
    turning = lambda b, n: Dirichlet(lambda t: (b + t) * mean[:, None] * wave(n))
    slopes = lambda b, n: Neumann(0.1 * b * jnp.ones((count, 1)) * wave(n))
    kept = lambda b, n: Robin(a=b, b=0.4 * wave(n) * jnp.ones((count, 1)), g=mean)
    return {
        "periodic": lambda b: Periodic(),
        "robin(y), robin(t); periodic": lambda b: ((kept(b, shape[1]), leaving(b)), Periodic()),
        "dirichlet(y), neumann(y); periodic": lambda b: (
            (along(b, shape[1]), slopes(b, shape[1])),
            Periodic(),
        ),
        "wall, outflow; dirichlet, dirichlet(t, x)": lambda b: (
            (wall, Outflow()),
            (constant(b), turning(b, shape[0])),
        ),
        "dirichlet(t), neumann; outflow, wall": lambda b: (
            (moving(b), slope(b)),
            (Outflow(), wall),
        ),
    }[name]


# The dimension, the boundary, the scheme, and the number of steps, or None to follow the CFL number.
CASES = {
    "periodic": (1, WENO5Z(), 8),
    "dirichlet(t), neumann": (1, MUSCL(), None),
    "neumann(t), dirichlet": (1, WENO5Z(), 8),
    "wall, outflow": (1, MUSCL(), 8),
    "outflow, wall": (1, WENO5Z(), None),
    "2-D periodic": (2, MUSCL(), None),
    "robin(t), robin": (1, MUSCL(), None),
    "2-D robin(y), robin(t); periodic": (2, MUSCL(), 8),
    "2-D dirichlet(y), neumann(y); periodic": (2, WENO5Z(), 8),
    "2-D wall, outflow; dirichlet, dirichlet(t, x)": (2, MUSCL(), None),
    "2-D dirichlet(t), neumann; outflow, wall": (2, MUSCL(), 8),
}


def case(law, name, mesh, gradient):
    """Relative distances of states and gradients from those on one device, and the statuses."""
    d, scheme, steps = CASES[name]
    grid = Grid.uniform(0.0, 1.0, 48) if d == 1 else Grid.uniform((0.0, 0.0), (1.0, 1.0), (16, 12))
    make, parameter, initial = LAWS[law]
    mean, size = initial(d)
    centers = [jnp.asarray(c) for c in np.meshgrid(*grid.centers, indexing="ij")]
    phase = sum((2.0 + axis) * x for axis, x in enumerate(centers))
    u0 = jnp.stack(
        [
            m + s * jnp.sin(3.0 * phase + i)
            for i, (m, s) in enumerate(zip(mean, size[: len(mean)], strict=True))
        ]
    )
    closed = not make(parameter, grid).has_convection or u0.shape[0] > 1
    sides = boundaries(name.removeprefix("2-D "), d, grid.shape, mean, closed)

    def loss(inputs, mesh):
        u0, parameter, b = inputs
        field = FiniteVolume(
            law=make(parameter, grid), grid=grid, boundary=sides(b), reconstruction=scheme
        )
        found = solve(field, u0, t1=T1, save_at=(0.4 * T1, T1), steps=steps, mesh=mesh, throw=False)
        weight = jnp.cos(jnp.arange(found.states[-1].size, dtype=float)).reshape(u0.shape)
        return jnp.sum(weight * found.states[-1] ** 2), found

    run = jax.value_and_grad(loss, has_aux=True) if gradient else lambda *args: (loss(*args), ())
    inputs = (u0, jnp.asarray(parameter), jnp.asarray(1.0))
    (_, one), slopes = run(inputs, None)
    (_, many), others = run(inputs, mesh)
    report = {"states": distance(one.states, many.states), "ok": bool(one.status.ok)}
    assert many.states.sharding.spec == jax.P(None, None, *mesh.axis_names), many.states.sharding
    for key in ("time", "cfl", "steps", "cell"):
        report[key] = distance(getattr(one.status, key), getattr(many.status, key))
    for key, a, b in zip(("d/du0", "d/dp", "d/db"), slopes, others, strict=False):
        report[key] = distance(a, b)
    return report


def distance(a, b):
    b = b if b.is_fully_addressable else process_allgather(b, tiled=True)
    a, b = (np.asarray(v, dtype=float) for v in (a, b))
    return float(np.max(np.abs(a - b)) / max(np.max(np.abs(a)), 1e-300)) if np.any(a != b) else 0.0


def failures(mesh):
    """Distances of the statuses of solves that fail, and what is raised."""
    grid = Grid.uniform((0.0, 0.0), (1.0, 1.0), (16, 12))
    gas = FiniteVolume(law=laws.Euler(), grid=grid, boundary=Outflow())
    heat = FiniteVolume(law=laws.Diffusion(0.1), grid=grid, boundary=Outflow())
    calm = jnp.ones((4, *grid.shape)).at[3].set(2.5).at[1:3].set(0.1)
    warm = 1.0 + calm[1:2] * jnp.asarray(grid.centers[0])[:, None]
    # Two cells on different devices: the one that comes first is named, 13 · 12 + 9 = 165.
    lost = calm.at[0, 14, 2].set(-1.0).at[0, 13, 9].set(-1.0)
    negative = jax.jit(lambda k, mesh: status(heat_of(k), warm, mesh), static_argnums=1)
    heat_of = lambda k: FiniteVolume(law=laws.Diffusion(k), grid=grid, boundary=Outflow())

    def status(field, u0, mesh, **options):
        return solve(field, u0, t1=0.5, mesh=mesh, throw=False, **options).status

    report = {
        "not positive": lambda mesh: status(gas, lost, mesh),
        "not finite": lambda mesh: status(gas, calm.at[2, 15, 11].set(jnp.nan), mesh),
        "unstable": lambda mesh: status(heat, warm, mesh, steps=4),
        "too many steps": lambda mesh: status(heat, warm, mesh, max_steps=3),
        "ill posed": lambda mesh: negative(jnp.asarray(-1.0), mesh),
    }
    found = {}
    for name, run in report.items():
        one, many = run(None), run(mesh)
        pairs = zip(jax.tree.leaves(one), jax.tree.leaves(many), strict=True)
        found[name] = {"ok": not bool(one.ok), "status": max(distance(a, b) for a, b in pairs)}
        found[name]["cell"] = int(many.cell)
    try:
        solve(gas, lost, t1=0.5, mesh=mesh)
    except RuntimeError as error:
        found["raised"] = str(error)
    return found


def uses(mesh):
    """Distances under transformations, and for states and meshes of other kinds."""
    grid = Grid.uniform((0.0, 0.0), (1.0, 1.0), (16, 12))
    u0 = 1.0 + jnp.sin(jnp.arange(16.0 * 12.0)).reshape(1, 16, 12)

    def end(k, u0, mesh):
        field = FiniteVolume(law=laws.Diffusion(k), grid=grid, boundary=(Outflow(), Periodic()))
        return solve(field, u0, t1=T1, steps=8, mesh=mesh).states[-1]

    k, several = jnp.asarray(0.1), jnp.asarray([0.1, 0.05])
    along = jax.sharding.NamedSharding(mesh, jax.P(None, "x", "y"))
    explicit = jax.make_mesh((4, 2), ("x", "y"), axis_types=(jax.sharding.AxisType.Explicit,) * 2)
    one, devices = end(k, u0, None), mesh.devices
    push = lambda mesh: jax.jvp(lambda k: end(k, u0, mesh), (k,), (k,))[1]
    batch = lambda mesh: jax.vmap(lambda k: end(k, u0, mesh))(several)
    return {
        "jit": distance(one, jax.jit(lambda k: end(k, u0, mesh))(k)),
        "vmap": distance(batch(None), batch(mesh)),
        "forward mode": distance(push(None), push(mesh)),
        "split state": distance(one, end(k, jax.device_put(u0, along), mesh)),
        "state of one device": distance(one, end(k, jax.device_put(u0, devices[0, 0]), mesh)),
        "explicit axes": distance(one, end(k, u0, explicit)),
        "fewer axes": distance(one, end(k, u0, Mesh(devices.ravel(), ("x",)))),
        "an axis of one": distance(one, end(k, u0, Mesh(devices[:1], ("x", "y")))),
    }


def main():
    if ARGS.process is not None:
        jax.distributed.initialize(f"localhost:{ARGS.port}", 2, ARGS.process)
    make, parameter, _ = LAWS.get(ARGS.law, LAWS["Diffusion"])
    diffuses = make(parameter, Grid.uniform(0.0, 1.0, 8)).has_diffusion
    names = ARGS.cases or [name for name in CASES if diffuses or "robin" not in name]
    devices = np.array(jax.devices())
    meshes = {1: Mesh(devices, ("x",)), 2: Mesh(devices.reshape(4, 2), ("x", "y"))}
    if ARGS.law in ("failures", "uses"):
        print(json.dumps({"failures": failures, "uses": uses}[ARGS.law](meshes[2])))
        return
    run = lambda name: case(ARGS.law, name, meshes[CASES[name][0]], ARGS.gradient)
    print(json.dumps({name: run(name) for name in names}))


if __name__ == "__main__":
    main()
