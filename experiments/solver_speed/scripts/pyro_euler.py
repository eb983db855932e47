"""pyro: 2-D Euler by numpy and numba, limited slopes, HLLC, RK2 on a periodic square, float64."""

# pyright: reportMissingImports=false
import argparse

from protocol import serve
from pyro.pyro_sim import Pyro

parser = argparse.ArgumentParser()
parser.add_argument("cells", type=int)
parser.add_argument("steps", type=int)
arguments = parser.parse_args()
n = arguments.cells

run = Pyro("compressible_rk")
run.initialize_problem(
    "advect",
    inputs_dict={
        "mesh.nx": n,
        "mesh.ny": n,
        "mesh.xlboundary": "periodic",
        "mesh.xrboundary": "periodic",
        "mesh.ylboundary": "periodic",
        "mesh.yrboundary": "periodic",
        "driver.max_steps": 10**9,
        "driver.tmax": 1e9,
        "driver.fix_dt": 0.2 / n,
        "compressible.use_flattening": 0,
        "compressible.cvisc": 0.0,
        "compressible.limiter": 1,
        "compressible.temporal_method": "RK2",
        "compressible.riemann": "HLLC",
        "particles.do_particles": 0,
    },
)


def call() -> None:
    """Some steps on from where the last call stopped; their cost does not depend on the state."""
    for _ in range(arguments.steps):
        run.sim.cc_data.fill_BC_all()
        run.sim.dt = 0.2 / n
        run.sim.evolve()


serve(call)
