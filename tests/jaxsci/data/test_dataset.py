"""Labelled datasets: layout, units, provenance, round trip, refusals."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import solvers
from jaxsci.data import DatasetError, check_dataset, from_xarray, to_xarray, write_zarr
from solvers import FiniteVolume, Grid, laws


@pytest.fixture(scope="module")
def diffused():
    """Three solutions of the diffusion equation with different diffusivities, and their grid."""
    grid = Grid.uniform(0.0, 1.0, 8)
    u0 = jnp.sin(2 * jnp.pi * jnp.asarray(grid.centers[0], jnp.float32))[None]

    def run(diffusivity):
        field = FiniteVolume(
            law=laws.Diffusion(diffusivity), grid=grid, boundary=solvers.Periodic()
        )
        return solvers.solve(field, u0, t0=0.0, t1=0.1, save_at=(0.0, 0.05, 0.1), steps=20)

    diffusivities = jnp.array([0.01, 0.02, 0.05])
    return eqx.filter_vmap(run)(diffusivities), grid, diffusivities, run


def test_a_batch_of_solutions_is_labelled(diffused):
    solution, grid, diffusivities, _ = diffused
    dataset = to_xarray(
        solution,
        grid,
        names=["temperature"],
        units={"temperature": "K", "x": "m", "time": "s", "diffusivity": "m2 s-1"},
        parameters={"diffusivity": diffusivities},
        attributes={"title": "A cooling ring"},
    )
    assert dataset["temperature"].dims == ("sample", "time", "x")
    np.testing.assert_array_equal(dataset["temperature"], solution.states[:, :, 0])
    np.testing.assert_array_equal(dataset["x"], grid.centers[0])
    np.testing.assert_array_equal(dataset["x_bounds"][:, 0], grid.faces[0][:-1])
    assert dataset["x"].attrs == {"bounds": "x_bounds", "units": "m"}
    assert dataset["temperature"].attrs["units"] == "K"
    assert dataset["time"].attrs["units"] == "s"
    assert dataset["diffusivity"].dims == ("sample",)
    assert dataset.attrs["title"] == "A cooling ring"
    # Cooling is the faster the larger the diffusivity: selection by label finds the right sample.
    amplitude = abs(dataset["temperature"]).max("x").sel(time=0.1, method="nearest")
    assert (amplitude.diff("sample") < 0).all()


def test_one_solution_has_no_sample_axis_and_says_what_made_it(diffused):
    _, grid, _, run = diffused
    dataset = to_xarray(run(0.02), grid, law=laws.Diffusion(0.02))
    assert dataset["u"].dims == ("time", "x")
    assert dataset["u"].attrs["units"] == "1"
    assert dataset.attrs["law"].startswith("Diffusion(")
    assert "0.02" in dataset.attrs["law"]  # the value, not the shape of an array
    for package in ("jaxsci ", "jax ", "numpy ", "xarray "):
        assert package in dataset.attrs["source"]


@pytest.mark.parametrize("samples", [(), (4,)])
def test_round_trip_of_channels_in_two_stretched_dimensions(samples):
    grid = Grid([0.0, 0.1, 0.3, 1.0], [0.0, 1.0, 5.0])
    states = np.random.default_rng(0).normal(size=(*samples, 2, 3, 3, 2)).astype(np.float32)
    dataset = to_xarray((np.array([0.0, 2.0]), states), grid, names=["h", "hu", "hv"])
    assert dataset["hv"].dims[-2:] == ("x", "y")
    times, back, same_grid = from_xarray(dataset, names=["h", "hu", "hv"])
    np.testing.assert_array_equal(back, states)
    np.testing.assert_array_equal(times, [0.0, 2.0])
    assert same_grid.axes == grid.axes
    swapped = from_xarray(dataset, names=["hv", "h"]).states
    np.testing.assert_array_equal(swapped, states[..., [2, 0], :, :])


def test_bounds_that_meet_up_to_rounding_adjoin():
    dataset = to_xarray((np.array([0.0]), np.zeros((1, 1, 6))), Grid.uniform(0.0, 0.6, 6))
    x = np.arange(6) * 0.1 + 0.05
    bounds = np.stack([x - 0.05, x + 0.05], axis=-1)
    assert not np.array_equal(bounds[1:, 0], bounds[:-1, 1])
    grid = from_xarray(dataset.assign_coords(x_bounds=(("x", "bound"), bounds))).grid
    np.testing.assert_allclose(grid.faces[0], np.linspace(0.0, 0.6, 7), atol=1e-15)


def test_a_transposed_or_thinned_dataset_is_refused():
    dataset = to_xarray((np.array([0.0]), np.zeros((1, 1, 6))), Grid.uniform(0.0, 1.0, 6))
    with pytest.raises(
        DatasetError, match=r"'u' with dimensions \('time', 'x'\), got \('x', 'time'\)"
    ):
        from_xarray(dataset.transpose())
    with pytest.raises(DatasetError, match="adjoining cells in 'x_bounds'"):
        from_xarray(dataset.isel(x=slice(None, None, 2)))
    with pytest.raises(DatasetError, match="expected a variable 'v', got 'u'"):
        from_xarray(dataset, names=["v"])
    with pytest.raises(DatasetError, match="expected a coordinate 'x_bounds', got 'time', 'x'"):
        from_xarray(dataset.drop_vars("x_bounds"))


def test_a_failed_solution_is_refused(diffused):
    _, grid, _, _ = diffused
    field = FiniteVolume(law=laws.Diffusion(0.01), grid=grid, boundary=solvers.Periodic())
    starts = jnp.ones((3, 1, 8)).at[1, 0, 3].set(jnp.inf)
    failed = jax.vmap(lambda u: solvers.solve(field, u, t1=0.1, steps=5, throw=False))(starts)
    assert failed.status.ok.tolist() == [True, False, True]
    with pytest.raises(DatasetError, match="got one that failed; its status says"):
        to_xarray(failed, grid)


def test_samples_at_different_times_are_refused(diffused):
    solution, grid, _, _ = diffused
    times = jnp.arange(3.0)[:, None] + solution.times
    with pytest.raises(DatasetError, match="shared by all samples, got"):
        to_xarray((times, solution.states), grid)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"names": ["u", "v"]},
            r"states of shape \(2, 2, 4\).* got \(2, 1, 4\); name every channel",
        ),
        ({"names": ["x"]}, "expected names other than"),
        ({"solution": (np.array([1.0, 0.0]), np.zeros((2, 1, 4)))}, "increasing save times, got"),
        ({"names": "temperature", "units": {"u": "K"}}, r"got units of \['u'\]"),
        ({"units": {"temperature": "K"}}, r"got units of \['temperature'\]; check the spelling"),
        ({"parameters": {"nu": np.ones(3)}}, r"parameter 'nu' of shape \(\), got \(3,\)"),
        ({"parameters": {"nu": np.nan}}, r"finite values in 'nu', got nan at index"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(change, message):
    solution = (np.arange(2.0), np.zeros((2, 1, 4)))
    with pytest.raises(DatasetError, match=message):
        to_xarray(**{"solution": solution, "grid": Grid.uniform(0.0, 1.0, 4), **change})


@pytest.mark.usefixtures("unchecked")
def test_arguments_of_another_kind_are_refused(tmp_path):
    with pytest.raises(DatasetError, match=r"expected a solvers\.Grid, got NoneType; pass"):
        to_xarray((np.arange(2.0), np.zeros((2, 1, 4))), None)
    with pytest.raises(DatasetError, match=r"expected an xarray\.Dataset, got ndarray; label"):
        write_zarr(np.ones(3), tmp_path / "array.zarr")


def test_the_first_value_that_is_not_finite_is_named(monkeypatch):
    states = np.zeros((5, 2, 1, 4))
    states[3, 1, 0, 2] = np.inf
    grid = Grid.uniform(0.0, 1.0, 4)
    monkeypatch.setattr("jaxsci.data.checks._BLOCK", 16)  # several blocks: the index must be global
    with pytest.raises(DatasetError, match=r"finite values in 'u', got inf at index \(3, 1, 2\)"):
        to_xarray((np.arange(2.0), states), grid)


def test_a_check_passes_what_is_asked_for():
    dataset = to_xarray((np.array([0.0]), np.zeros((1, 1, 6))), Grid.uniform(0.0, 1.0, 6))
    check_dataset(dataset, {"u": ("time", "x")}, coordinates=["x"])
    check_dataset(dataset, ["u"])
    with pytest.raises(DatasetError, match="coordinate 'y'"):
        check_dataset(dataset, coordinates=["y"])
    broken = dataset.copy(data={"u": np.full((1, 6), np.nan)})
    check_dataset(broken, finite=False)
    with pytest.raises(DatasetError, match="got nan at index"):
        check_dataset(broken)


def test_traced_states_are_not_swallowed():
    """Labels belong outside jit; inside, jax's own error names the tracer."""
    grid = Grid.uniform(0.0, 1.0, 4)
    with pytest.raises(jax.errors.TracerArrayConversionError):
        jax.jit(lambda u: to_xarray((np.zeros(1), u), grid))(jnp.zeros((1, 1, 4)))
