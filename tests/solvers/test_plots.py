"""Pictures of solutions: what is drawn is what was solved; no global state; refusals."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import matplotlib
import numpy as np
import pytest
from PIL import Image

from solvers import FiniteVolume, Grid, Periodic, Solution, incompressible, solve
from solvers.laws import Diffusion
from solvers.plots import animate, plot
from solvers.time import Outcome, Status


def line_solution(times=(0.0, 0.5, 1.0)):
    """Sound on stretched cells, made up: the pictures do not solve anything."""
    grid = Grid.from_faces(np.linspace(0.0, 1.0, 9) ** 1.5)
    return grid, _solution(times, (2, 8))


def plane_solution(times=(0.0, 0.5)):
    grid = Grid.uniform((0.0, 0.0), (2.0, 1.0), (6, 4))
    return grid, _solution(times, (1, 6, 4))


def _solution(times, shape):
    states = jnp.asarray(np.random.default_rng(0).normal(size=(len(times), *shape)))
    zero, count = jnp.zeros(()), jnp.zeros((), jnp.int32)
    return Solution(jnp.asarray(times), states, Status(Outcome.success, zero, zero, count, count))


def test_profiles_at_all_save_times():
    grid, solution = line_solution()
    axes = plot(solution, grid, channel=1, quantity="v", unit="m/s", length_unit="m", time_unit="s")
    lines = axes.get_lines()
    for line, values in zip(lines, solution.states[:, 1], strict=True):
        np.testing.assert_allclose(line.get_xdata(), grid.centers[0])
        np.testing.assert_allclose(line.get_ydata(), values)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "t = 0 s",
        "t = 0.5 s",
        "t = 1 s",
    ]
    assert len({line.get_color() for line in lines}) == 3
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("x [m]", "v [m/s]")


def test_many_profiles_have_a_colour_bar_instead_of_a_legend():
    grid, solution = line_solution(np.linspace(0.0, 2.0, 20))
    axes = plot(solution, grid, time_unit="s", title="sound")
    assert axes.get_legend() is None
    bar = axes.figure.axes[1]
    assert bar.get_ylabel() == "t [s]"
    assert bar.get_ylim() == (0.0, 2.0)
    # The colour of each line is that of its time.
    middle = axes.get_lines()[10].get_color()
    assert middle not in (axes.get_lines()[0].get_color(), axes.get_lines()[-1].get_color())
    assert (axes.get_title(), axes.get_ylabel()) == ("sound", "channel 0")


def test_one_save_time_is_one_line():
    grid, solution = line_solution((0.3,))
    assert len(plot(solution, grid).get_lines()) == 1


def test_a_function_of_the_state_is_drawn_and_given_axes_are_used():
    grid, solution = line_solution()
    axes = plot(solution, grid, channel=lambda u: u[0] ** 2 + u[1])
    again = plot(solution, grid, channel=-1, axes=axes)
    assert again is axes
    drawn = [line.get_ydata() for line in axes.get_lines()]
    expected = solution.states[:, 0] ** 2 + solution.states[:, 1]
    np.testing.assert_allclose(drawn, [*expected, *solution.states[:, 1]], rtol=1e-6)


def test_a_field_lies_as_its_coordinates_do():
    grid, solution = plane_solution()
    axes = plot(solution, grid, index=0, quantity="T", unit="K", length_unit="m", time_unit="s")
    (mesh,) = axes.collections
    np.testing.assert_allclose(mesh.get_array(), solution.states[0, 0].T)
    corners = mesh.get_coordinates()
    np.testing.assert_allclose(corners[0, :, 0], grid.faces[0])
    np.testing.assert_allclose(corners[:, 0, 1], grid.faces[1])
    assert axes.get_aspect() == 1.0
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_title()) == ("x [m]", "y [m]", "t = 0 s")
    assert axes.figure.axes[1].get_ylabel() == "T [K]"
    assert axes.figure._repr_png_().startswith(b"\x89PNG")


def test_flows_are_drawn_in_their_cells():
    flow = incompressible.kolmogorov(viscosity=0.1, cells=8)
    u0 = incompressible.random_velocity(flow, key=jax.random.key(0))
    solution = incompressible.solve(flow, u0, t1=0.1, save_at=[0.05, 0.1], steps=2)
    axes = plot(solution, flow.grid, channel=1)
    expected = flow.grid.centered(solution.at(-1))[1]
    np.testing.assert_allclose(axes.collections[0].get_array(), expected.T, rtol=1e-6)
    assert axes.figure.axes[1].get_ylabel() == "v"
    with pytest.raises(TypeError, match=r"staggered grid of the flow, got Grid; pass flow\.grid"):
        plot(solution, flow.grid.cells)


def test_a_steady_flow_has_no_time():
    cavity = incompressible.cavity(reynolds=10.0, cells=8)
    axes = plot(cavity.solution, cavity.flow.grid, channel=lambda v: jnp.hypot(v[0], v[1]))
    assert axes.get_title() == "steady"


@pytest.mark.parametrize("make", [line_solution, plane_solution])
def test_an_animation_has_a_frame_a_save_time(tmp_path, make):
    grid, solution = make(np.linspace(0.0, 1.0, 4))
    path = animate(solution, grid, tmp_path / "new" / "a.gif", fps=5.0)
    with Image.open(path) as image:
        assert image.n_frames == 4
        assert image.info["duration"] == 200  # milliseconds
        pictures = []
        for index in range(4):
            image.seek(index)
            pictures.append(np.asarray(image.convert("RGB")).tobytes())
    assert len(set(pictures)) == 4


def test_a_constant_field_has_a_scale(tmp_path):
    grid = Grid.uniform(0.0, 1.0, 8)
    field = FiniteVolume(law=Diffusion(0.1), grid=grid, boundary=Periodic())
    solution = solve(field, jnp.ones((1, 8)), t1=0.1, save_at=[0.0, 0.1], steps=5)
    assert animate(solution, grid, tmp_path / "a.gif").exists()


def test_no_global_state_is_touched(tmp_path):
    before = dict(matplotlib.rcParams)
    grid, solution = plane_solution()
    plot(solution, grid)
    animate(solution, grid, tmp_path / "a.gif")
    assert dict(matplotlib.rcParams) == before
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or pyplot.get_fignums() == []


@pytest.mark.slow  # a process of its own
def test_the_solvers_do_without_matplotlib():
    code = (
        "import sys; sys.modules['matplotlib'] = None; import solvers\n"
        "try: import solvers.plots\n"
        "except ImportError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == (
        "solvers.plots expected matplotlib, got an environment without it; run `pip install matplotlib`.\n"
    )


def test_bad_input_is_refused(tmp_path):
    grid, solution = line_solution()
    plane, field = plane_solution()
    with pytest.raises(ValueError, match=r"states of shape \(time, channels, \*\(6, 4\)\), got"):
        plot(solution, plane)
    with pytest.raises(ValueError, match="a channel below 2, got 2"):
        plot(solution, grid, channel=2)
    with pytest.raises(ValueError, match=r"array of shape \(8,\), got \(\)"):
        plot(solution, grid, channel=jnp.sum)
    with pytest.raises(ValueError, match="below the number 2 of save times, got 2"):
        plot(field, plane, index=2)
    with pytest.raises(ValueError, match=r"ends in \.gif, got 'a\.mp4'"):
        animate(solution, grid, tmp_path / "a.mp4")
    with pytest.raises(ValueError, match=r"fps > 0, got 0\.0"):
        animate(solution, grid, tmp_path / "a.gif", fps=0.0)
    with pytest.raises(ValueError, match="at least 2 save times, got 1"):
        animate(line_solution((0.0,))[1], grid, tmp_path / "a.gif")
    cube = Grid.uniform((0.0,) * 3, (1.0,) * 3, (2, 2, 2))
    with pytest.raises(ValueError, match="one or two space dimensions, got 3"):
        plot(_solution((0.0,), (1, 2, 2, 2)), cube)
