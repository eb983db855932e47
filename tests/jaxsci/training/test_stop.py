"""A run that is asked to stop saves, says how to go on, and ends where an uninterrupted one does."""
# ruff: noqa: PT012  (signals are sent within the block that they leave)

import os
import signal
from concurrent.futures import ThreadPoolExecutor

import chex
import jax
import jax.numpy as jnp
import optax
import pytest

from jaxsci.training import ArraySource, Checkpoints, fit
from solvers._lock import alone
from solvers._stop import Terminated, stoppable


@pytest.fixture
def run(problem, key, tmp_path):
    """Train in a folder of `tmp_path`; `act` is called at the validation of step 15."""

    def noisy(model, batch, key):
        x, y = batch
        return jnp.mean((jax.vmap(model)(x + jax.random.normal(key, x.shape)) - y) ** 2), {}

    def train(folder, *, act=None, seen=None, checkpoint=True):
        calls = [] if seen is None else seen

        def validate(model):
            calls.append(None)
            if act is not None and len(calls) == 3:
                act()
            return {"loss": jnp.sum(model.w**2)}

        return fit(
            problem.model,
            noisy,
            ArraySource(problem.arrays, 8, key=jax.random.key(7)),
            optax.adam(1e-2),
            key=key,
            steps=30,
            validate=validate,
            validate_every=5,
            checkpoint=tmp_path / folder if checkpoint else None,
            metrics_path=tmp_path / folder / "metrics.jsonl" if checkpoint else None,
            log_every=3,
            progress=False,
        )

    return train


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_saves_and_resumes(run, tmp_path, number, capsys):
    alone = run("alone")
    sentence = (
        rf"^fit was interrupted at step 15 of 30; the same call goes on from .*{tmp_path}/cut\.$"
    )
    before = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises((KeyboardInterrupt, Terminated), match=sentence) as left:
        run("cut", act=lambda: os.kill(os.getpid(), number))
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == before
    if number == signal.SIGTERM:
        assert left.value.code == 143
        assert capsys.readouterr().err == f"{left.value}\n"
    # The interval of the checkpoints is 1000.
    assert Checkpoints(tmp_path / "cut").steps() == [15]
    resumed = run("cut")
    chex.assert_trees_all_equal(resumed.state, alone.state)
    chex.assert_trees_all_equal(resumed.best_model, alone.best_model)
    kept = [{k: v for k, v in r.items() if k != "wall_time"} for r in resumed.history]
    assert kept == [{k: v for k, v in r.items() if k != "wall_time"} for r in alone.history]


def test_without_checkpoints_it_says_so(run):
    with pytest.raises(
        KeyboardInterrupt, match="nothing of it is kept; give a folder as checkpoint"
    ):
        run("cut", act=lambda: os.kill(os.getpid(), signal.SIGINT), checkpoint=False)


def test_runs_in_threads_stop_too_and_those_that_wait_do_not_start(run, tmp_path):
    names, seen = ("a", "b", "c"), []
    with pytest.raises(KeyboardInterrupt), stoppable(), ThreadPoolExecutor(1) as pool:
        act = lambda: os.kill(os.getpid(), signal.SIGINT)
        runs = [pool.submit(run, name, act=act, seen=seen) for name in names]
        for one in runs:
            one.result()
    assert all(isinstance(one.exception(), KeyboardInterrupt) for one in runs)
    # Between the signal and its handler in the main thread, a dispatch or two may go by.
    assert Checkpoints(tmp_path / "a").steps()[0] >= 15
    assert "goes on from the checkpoints" in str(runs[0].exception())
    assert len(seen) < 12


@pytest.mark.parametrize("damage", ["truncated", "empty", "deleted", "changed"])
def test_metrics_that_were_lost_are_missed(run, tmp_path, damage):
    with pytest.raises(KeyboardInterrupt):
        run("cut", act=lambda: os.kill(os.getpid(), signal.SIGINT))
    path = tmp_path / "cut" / "metrics.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    changed = [lines[0].replace('"loss": ', '"loss": 1'), *lines[1:]]
    kept = {"truncated": lines[:2], "empty": [], "deleted": [], "changed": changed}[damage]
    path.unlink() if damage == "deleted" else path.write_text("".join(kept))
    sentence = rf"hold the {len(lines)} records that were logged until step 15, got {len(kept)}"
    with pytest.warns(UserWarning, match=sentence):
        run("cut")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'{"step": 3}\n{"step": 3}\n', "to increase, got 3 after 3"),
        (b"\xff\n", "object with a step"),
    ],
)
def test_metrics_that_cannot_be_are_refused(run, tmp_path, data, message):
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / "metrics.jsonl").write_bytes(data)
    with pytest.raises(ValueError, match=message):
        run("cut")


def test_two_runs_do_not_share_a_folder(run, tmp_path):
    (tmp_path / "cut").mkdir()
    with (
        alone(tmp_path / "cut" / ".lock", who="another", path="it"),
        pytest.raises(
            BlockingIOError, match=r"^fit expected .*cut for itself, got one that another"
        ),
    ):
        run("cut")
