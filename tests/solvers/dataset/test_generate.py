import importlib
import json
import os
import signal

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
import xarray as xr

from jaxsci.data import read_zarr
from solvers import GenerationError, generate
from solvers.__main__ import main
from solvers._lock import alone
from solvers.dataset import PROBLEMS, Problem, Variable

module = importlib.import_module("solvers.dataset.generate")
X = np.linspace(0.0, 1.0, 5)


def problem(low=1.0, solve=None):
    """Lines of a random slope, with numpyro's uniform distribution."""
    return Problem(
        name="lines",
        inputs={"slope": dist.Uniform(low, 2.0)},
        solve=solve or (lambda inputs: {"u": inputs["slope"] * jnp.asarray(X, jnp.float32)}),
        variables={"slope": Variable((), "1"), "u": Variable(("x",), "m", "height")},
        coordinates={"x": (X, "m")},
    )


def read(path):
    with xr.open_zarr(path, consolidated=False, chunks=None) as dataset:
        return dataset.load()


def test_a_store_has_coordinates_units_and_provenance(tmp_path):
    path = generate(problem(), tmp_path / "lines.zarr", count=7, batch=3, seed=4)
    dataset = read_zarr(path, {"u": ("sample", "x")}, coordinates=["x"])
    assert dataset.sizes == {"sample": 7, "x": 5}
    assert dataset.u.units == "m"
    assert dataset.u.long_name == "height"
    assert dataset.x.units == "m"
    assert dataset.attrs["recipe"]["seed"] == 4
    assert "Uniform(high=2.0, low=1.0)" in dataset.attrs["recipe"]["inputs"]["slope"]
    assert dataset.attrs["versions"]["jax"] == jax.__version__
    np.testing.assert_allclose(dataset.u, dataset.slope.values[:, None] * X, rtol=1e-6)
    assert len(np.unique(dataset.slope)) == 7


def test_what_was_interrupted_goes_on_and_equals_a_run_left_alone(tmp_path, monkeypatch):
    whole = read(generate(problem(), tmp_path / "whole.zarr", count=10, batch=3))
    real, calls = module._check, []

    def dies(*arguments):
        calls.append(arguments[2])
        if len(calls) == 3:
            raise KeyboardInterrupt
        real(*arguments)

    monkeypatch.setattr(module, "_check", dies)
    with pytest.raises(KeyboardInterrupt):
        generate(problem(), tmp_path / "cut.zarr", count=10, batch=3)
    noted = json.loads((tmp_path / "cut.zarr/progress.json").read_text())["batches"]
    assert [batch is not None for batch in noted] == [True, True, False, False]
    generate(problem(), tmp_path / "cut.zarr", count=10, batch=3)
    assert calls == [0, 3, 6, 6, 9]
    xr.testing.assert_identical(read(tmp_path / "cut.zarr"), whole)
    generate(problem(), tmp_path / "cut.zarr", count=10, batch=3)
    assert len(calls) == 5


@pytest.mark.parametrize("seed", [-1, 2**32, 12345678901234567890])
def test_seeds_that_repeat_others_are_refused(tmp_path, seed):
    with pytest.raises(ValueError, match=f"below 2\\*\\*32, got {seed}; give another"):
        generate(problem(), tmp_path / "never.zarr", count=1, seed=seed)


def test_one_process_at_a_time(tmp_path):
    with (
        alone(tmp_path / ".data.zarr.lock", who="another", path="it"),
        pytest.raises(BlockingIOError, match=r"generate expected .*data.zarr for itself"),
    ):
        generate(problem(), tmp_path / "data.zarr", count=1)


def test_asked_to_stop_it_ends_the_batch_and_says_how_to_go_on(tmp_path, monkeypatch):
    real = module._check

    def interrupted(*arguments):
        os.kill(os.getpid(), signal.SIGINT)
        real(*arguments)

    monkeypatch.setattr(module, "_check", interrupted)
    with pytest.raises(KeyboardInterrupt, match=r"before batch 2 of 4; the same call, .* goes on"):
        generate(problem(), tmp_path / "cut.zarr", count=10, batch=3)
    monkeypatch.setattr(module, "_check", real)
    xr.testing.assert_identical(
        read(generate(problem(), tmp_path / "cut.zarr", count=10, batch=3)),
        read(generate(problem(), tmp_path / "whole.zarr", count=10, batch=3)),
    )


@pytest.fixture
def half(tmp_path, monkeypatch):
    """A store of which 2 of 4 batches were made, and a function that finishes it."""
    real = module._check

    def dies(*arguments):
        if arguments[2] == 6:
            raise KeyboardInterrupt
        real(*arguments)

    finish = lambda **options: generate(
        problem(), tmp_path / "cut.zarr", count=10, batch=3, **options
    )
    with monkeypatch.context() as patch:
        patch.setattr(module, "_check", dies)
        with pytest.raises(KeyboardInterrupt):
            finish()
    return tmp_path / "cut.zarr", finish


@pytest.mark.parametrize("damage", ["delete", "flip", "truncate"])
def test_a_batch_that_was_damaged_is_made_again(half, tmp_path, damage):
    path, finish = half
    whole = read(generate(problem(), tmp_path / "whole.zarr", count=10, batch=3))
    harm(path / "u/c/1/0", damage)
    with pytest.warns(UserWarning, match=r"batch 1 of 4 in .*; it is made again"):
        finish()
    xr.testing.assert_identical(read(path), whole)


@pytest.mark.parametrize("name", ["progress.json", "zarr.json", "u/zarr.json", "x/c/0"])
@pytest.mark.parametrize("damage", ["flip", "truncate", "empty"])
def test_damaged_progress_and_metadata_are_named(half, name, damage):
    path, finish = half
    harm(path / name, damage)
    with pytest.raises(GenerationError, match=r"start again with overwrite=True \(--overwrite\)"):
        finish()
    finish(overwrite=True)
    assert read_zarr(path).sizes["sample"] == 10


def test_progress_that_claims_too_much_is_refused(half):
    path, finish = half
    for claim in (4, ["71e3fbaa"] * 4):
        held = json.loads((path / "progress.json").read_text())
        (path / "progress.json").write_text(json.dumps(held | {"batches": claim}))
        with pytest.raises(GenerationError, match=r"Expected .* checksum .* changed or damaged"):
            finish()


def test_a_finished_data_set_is_compared_before_it_counts(half):
    path, finish = half
    finish()
    harm(path / "u/c/2/0", "delete")
    with pytest.raises(GenerationError, match="as it was written, got files of u that are missing"):
        finish()


def test_another_solve_is_another_data_set(tmp_path):
    twice = lambda inputs: {"u": 2 * inputs["slope"] * jnp.asarray(X, jnp.float32)}
    path = generate(problem(), tmp_path / "lines.zarr", count=2)
    with pytest.raises(GenerationError, match=r"got program .* and not .*; choose another path"):
        generate(problem(solve=twice), path, count=2)


def harm(file, damage):
    content = file.read_bytes()
    if damage == "delete":
        file.unlink()
    elif damage == "flip":
        middle = len(content) // 2
        file.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    else:
        file.write_bytes(content[: len(content) // 2 if damage == "truncate" else 0])


def test_the_draws_depend_on_the_seed_alone(tmp_path):
    slopes = [
        read(generate(problem(), tmp_path / f"{i}.zarr", count=6, batch=batch, seed=seed)).slope
        for i, (batch, seed) in enumerate([(6, 0), (4, 0), (6, 1)])
    ]
    np.testing.assert_array_equal(slopes[0], slopes[1])
    assert np.all(slopes[0] != slopes[2])


def test_another_data_set_in_the_folder_is_refused(tmp_path):
    path = generate(problem(), tmp_path / "lines.zarr", count=4)
    with pytest.raises(
        GenerationError, match=r"got seed 0 and not 1; choose another path, .*--overw"
    ) as e:
        generate(problem(), path, count=4, seed=1)
    assert "precision" not in str(e.value)  # what agrees is left out
    with pytest.raises(GenerationError, match=r"got inputs slope Uniform\(.*choose another path"):
        generate(problem(low=0.5), path, count=4)
    generate(problem(low=0.5), path, count=4, overwrite=True)
    (tmp_path / "other").mkdir()
    with pytest.raises(GenerationError, match="got other files"):
        generate(problem(), tmp_path / "other", count=4)


def test_a_failed_solve_names_its_sample(tmp_path):
    def fails(inputs):
        u = inputs["slope"] * jnp.asarray(X, jnp.float32)
        return {"u": u, "ok": inputs["slope"] < 1.9}

    with pytest.raises(GenerationError, match="failure at sample"):
        generate(problem(solve=fails), tmp_path / "a.zarr", count=200, batch=50)
    broken = lambda inputs: {"u": jnp.full(5, jnp.nan)}
    with pytest.raises(GenerationError, match="failure at sample 0"):
        generate(problem(solve=broken), tmp_path / "b.zarr", count=2)


def test_recipes_that_do_not_fit_are_refused(tmp_path):
    with pytest.raises(ValueError, match="coordinates for the dimensions"):
        Problem(name="a", inputs={}, solve=dict, variables={"u": Variable(("x",))})
    short = problem(solve=lambda inputs: {"u": jnp.zeros(4)})
    with pytest.raises(ValueError, match=r"'u' of shape \(5,\)"):
        generate(short, tmp_path / "a.zarr", count=1)
    with pytest.raises(ValueError, match="at least one sample"):
        generate(problem(), tmp_path / "a.zarr", count=0)


@pytest.mark.parametrize("name", sorted(PROBLEMS))
def test_the_ready_problems_from_the_command_line(name, tmp_path, capsys):
    small = {"heat": {"cells": 16}, "burgers": {"cells": 16}, "darcy": {"cells": 8}}
    small["vorticity"] = {"points": 8, "times": 2, "steps": 10}
    path = generate(PROBLEMS[name](**small[name]), tmp_path / f"{name}.zarr", count=2)
    assert all(np.isfinite(v).all() for v in read(path).data_vars.values())
    assert main(["generate", name, str(path), "--count", "2"]) == 2
    assert "choose another path" in capsys.readouterr().err
