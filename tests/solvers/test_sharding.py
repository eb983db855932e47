"""A solve on a mesh equals the one on a single device: `sharded.py` compares them in processes."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh

import solvers
from solvers import MUSCL, WENO5Z, FiniteVolume, Grid, Implicit, Outflow, solve
from solvers.laws import Advection, Diffusion

LAWS = [
    "Advection",
    "Burgers",
    "Inviscid",
    "Diffusion",
    "PorousMedium",
    "Stefan",
    "Acoustics",
    "ShallowWater",
    "Euler",
    "Reaction",
    "NavierStokes",
]
LEAVING = "2-D robin(y), robin(t); periodic"
MIXED = "2-D dirichlet(t), neumann; outflow, wall"
ALONG = "2-D dirichlet(y), neumann(y); periodic"


def start(*words):
    """A process with as many devices as `sharded.py` asks for, which is known before jax starts."""
    script = Path(__file__).with_name("sharded.py")
    path = os.pathsep.join(
        [str(Path(solvers.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    )
    return subprocess.Popen(
        [sys.executable, str(script), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": path},
    )


def finish(process):
    out, err = process.communicate(timeout=1200)
    assert process.returncode == 0, err[-3000:]
    return json.loads(out.splitlines()[-1])


def check(report):
    for name, case in report.items():
        assert case.pop("ok"), name
        for key, distance in case.items():
            # Round-off of some dozen steps: measured up to 2e-15 in states. A gradient sums what
            # devices contribute in another order, and terms cancel in it: up to 4e-14.
            tolerance = 1e-13 if key.startswith("d/d") else 1e-14
            assert distance <= tolerance, (name, key, distance)


@pytest.mark.parametrize(
    "words",
    [
        ("Diffusion", MIXED, LEAVING, "--gradient"),
        ("ShallowWater", MIXED),
        pytest.param(("Advection", "dirichlet(t), neumann", ALONG), marks=pytest.mark.slow),
        pytest.param(("Burgers", "periodic", "--gradient"), marks=pytest.mark.slow),
        pytest.param(("ShallowWater", ALONG, "--gradient"), marks=pytest.mark.slow),
    ],
)
def test_the_numbers_are_those_of_one_device(words):
    check(finish(start(*words)))


@pytest.mark.slow
@pytest.mark.parametrize("law", LAWS)
def test_every_law_with_every_boundary(law):
    check(finish(start(law)))


@pytest.mark.slow
@pytest.mark.parametrize("law", LAWS)
def test_gradients_of_every_law(law):
    check(finish(start(law, "dirichlet(t), neumann", MIXED, "--gradient")))


@pytest.mark.slow
@pytest.mark.parametrize("law", ["Burgers", "PorousMedium", "Reaction", "NavierStokes"])
def test_gradients_with_robin_conditions(law):
    check(finish(start(law, "robin(t), robin", LEAVING, "--gradient")))


@pytest.mark.parametrize(
    "words",
    [
        ("Diffusion", MIXED),
        pytest.param(("Euler", MIXED, "--gradient"), marks=pytest.mark.slow),
    ],
)
def test_two_processes(words):
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = str(probe.getsockname()[1])
    processes = [start(*words, "--process", str(i), "--port", port) for i in range(2)]
    try:
        for process in processes:
            check(finish(process))
    finally:
        for process in processes:
            process.kill()


def test_failures_are_those_of_one_device():
    report = finish(start("failures"))
    assert "expected positive densities" in report.pop("raised")
    cells = {name: case.pop("cell") for name, case in report.items()}
    assert cells["not positive"] == 13 * 12 + 9  # the first of two, on different devices
    assert cells["not finite"] == 15 * 12 + 11
    check(report)


@pytest.mark.slow
def test_transformations_and_other_meshes():
    for name, distance in finish(start("uses")).items():
        assert distance <= 1e-14, (name, distance)


class FakeMesh(Mesh):
    """A mesh of more devices than there are: refusals come before they are used."""

    def __new__(cls, *sizes):
        devices = np.full(sizes, jax.devices()[0])
        return super().__new__(cls, devices, ("x", "y", "z")[: len(sizes)])


@pytest.mark.parametrize(
    ("law", "grid", "scheme", "sizes", "message"),
    [
        (Diffusion(1.0), Grid.uniform(0.0, 1.0, 30), MUSCL(), (4,), "a multiple of the 4 devices"),
        (Diffusion(1.0), Grid.uniform(0.0, 1.0, 8), MUSCL(), (4, 2), "a mesh of at most 1 axes"),
        (Advection(1.0), Grid.uniform(0.0, 1.0, 8), WENO5Z(), (4,), "blocks of at least 3 cells"),
        (
            Diffusion(1.0),
            Grid([0.0, 1.0, 3.0]),
            MUSCL(),
            (2,),
            "expected equal cells along the axis 0",
        ),
    ],
)
def test_what_cannot_be_split_is_refused(law, grid, scheme, sizes, message):
    field = FiniteVolume(law=law, grid=grid, boundary=Outflow(), reconstruction=scheme)
    u0 = jnp.ones((1, *grid.shape))
    with pytest.raises(ValueError, match=message):
        solve(field, u0, t1=1.0, mesh=FakeMesh(*sizes))


def test_wrong_steppers_and_meshes_are_refused():
    grid = Grid.uniform(0.0, 1.0, 8)
    field = FiniteVolume(law=Diffusion(1.0), grid=grid, boundary=Outflow())
    u0 = jnp.ones((1, 8))
    with pytest.raises(ValueError, match="an explicit stepper with a mesh, got Implicit"):
        solve(field, u0, t1=1.0, stepper=Implicit(), mesh=FakeMesh(2))
    with pytest.raises(TypeError, match="Mesh"):
        solve(field, u0, t1=1.0, mesh=jax.devices())  # pyright: ignore
