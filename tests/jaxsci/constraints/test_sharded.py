"""A projection of a field that is spread over eight devices: as on one, without gathering it."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]

PROGRAM = """
import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jax.sharding import NamedSharding, PartitionSpec

from jaxsci.constraints import conservation, neumann, project, stack
from solvers import Grid

n, rank = 8192, 3
grid = Grid.uniform(0.0, 1.0, n)
keys = jax.random.split(jax.random.key(0), 3)
mean, factor = jax.random.normal(keys[0], (n,)), jax.random.normal(keys[1], (n, rank))
scale = 0.1 + jax.random.uniform(keys[2], (n,))


def diagonal(mean, scale, factor, total):
    out = project(dist.Normal(mean, scale), stack(conservation(grid, total), neumann(grid, 0.0, side="upper")))
    return out.mean, out.variance


def low_rank(mean, scale, factor, total):
    out = project(dist.LowRankMultivariateNormal(mean, factor, scale**2), conservation(grid, total))
    return out.mean, out.variance


mesh = jax.make_mesh((8,), ("space",), axis_types=(jax.sharding.AxisType.Auto,))
along = NamedSharding(mesh, PartitionSpec("space"))
total = jnp.asarray(0.3)
arguments = mean, scale, factor, total
spread = [jax.device_put(a, along) for a in arguments[:3]] + [total]
for call in (diagonal, low_rank):
    one = jax.jit(call)(*arguments)
    compiled = jax.jit(call, out_shardings=along).lower(*spread).compile()
    many = compiled(*spread)
    for a, b in zip(one, many, strict=True):
        # Sums in another order: the last digits of a sum of 8192 numbers of size 1.
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5)
    assert abs(float(many[0].mean()) - 0.3) < 1e-6, float(many[0].mean())
    assert many[0].sharding.is_equivalent_to(along, 1)
    lines = compiled.as_text().splitlines()
    gathered = [line for line in lines if "all-gather(" in line and f"f32[{n}" in line]
    assert not gathered, gathered
print("agree")
"""


def test_a_sharded_field_is_projected_in_place():
    flags = "--xla_force_host_platform_device_count=8"
    environment = os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, env=environment, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.strip() == "agree"
