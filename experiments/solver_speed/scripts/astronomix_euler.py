"""astronomix: 2-D Euler, MUSCL with minmod, HLLC, SSPRK2 on a periodic square."""

# pyright: reportMissingImports=false
import argparse

import jax

parser = argparse.ArgumentParser()
parser.add_argument("cells", type=int)
parser.add_argument("steps", type=int)
parser.add_argument("--double", action="store_true")
arguments = parser.parse_args()
jax.config.update("jax_enable_x64", arguments.double)

import astronomix as peer  # noqa: E402
import jax.numpy as jnp  # noqa: E402
from astronomix.option_classes import simulation_config as options  # noqa: E402
from protocol import serve  # noqa: E402

n, steps = arguments.cells, arguments.steps
around = options.BoundarySettings1D(options.PERIODIC_BOUNDARY, options.PERIODIC_BOUNDARY)
config = peer.SimulationConfig(
    solver_mode=peer.FINITE_VOLUME,
    dimensionality=2,
    box_size=1.0,
    num_cells=n,
    limiter=peer.MINMOD,
    riemann_solver=peer.HLLC,
    time_integrator=options.RK2_SSP,
    fixed_timestep=True,
    num_timesteps=steps,
    boundary_settings=options.BoundarySettings(around, around),
)
parameters = peer.SimulationParams(gamma=1.4, t_end=0.2 / n * steps)
registry = peer.get_registered_variables(config)
centers = (jnp.arange(n) + 0.5) / n
x, y = jnp.meshgrid(centers, centers, indexing="ij")
state = peer.construct_primitive_state(
    config=config,
    registered_variables=registry,
    density=1.0 + 0.2 * jnp.sin(2 * jnp.pi * x) * jnp.sin(2 * jnp.pi * y),
    velocity_x=0.5 + 0.0 * x,
    velocity_y=-0.3 + 0.0 * x,
    gas_pressure=1.0 + 0.0 * x,
)
config = peer.finalize_config(config, state.shape)
serve(lambda: jax.block_until_ready(peer.time_integration(state, config, parameters, registry)))
