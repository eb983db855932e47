import json
import shutil

import chex
import jax
import jax.numpy as jnp
import optax
import pytest

from jaxsci.training import ArraySource, CheckpointError, Checkpoints, fit


def _noisy_loss(model, batch, key):
    # Randomness in the loss, so that resuming with other keys would show.
    x, y = batch
    x = x + 0.1 * jax.random.normal(key, x.shape)
    return jnp.mean((jax.vmap(model)(x) - y) ** 2), {}


@pytest.fixture
def run(problem, key, tmp_path):
    """Train in a folder of `tmp_path`; stop as if killed at the validation of step `die_at`."""

    def train(folder, *, die_at=None, steps=60, key=key, model=problem.model, **options):
        validations = []

        def validate(model):
            validations.append(None)
            if die_at is not None and len(validations) * 4 >= die_at:
                raise KeyboardInterrupt
            return {"loss": jnp.sum(model.w**2)}

        return fit(
            model,
            _noisy_loss,
            ArraySource(problem.arrays, 8, key=jax.random.key(7)),
            optax.adam(1e-2),
            key=key,
            steps=steps,
            micro_batches=2,
            ema_decay=0.9,
            validate=validate,
            validate_every=4,
            checkpoint=tmp_path / folder,
            checkpoint_every=10,
            metrics_path=tmp_path / folder / "metrics.jsonl",
            log_every=3,
            progress=False,
            **options,
        )

    return train


@pytest.fixture(scope="module")
def finished():
    """The result and the folder of the uninterrupted run, made by the first test that asks."""
    return {}


@pytest.fixture
def whole(run, finished, tmp_path, tmp_path_factory):
    """The uninterrupted run, with a copy of its folder in ``tmp_path / "whole"``."""
    if not finished:
        finished["result"] = run("whole")
        finished["folder"] = tmp_path_factory.mktemp("runs") / "whole"
        shutil.copytree(tmp_path / "whole", finished["folder"])
    shutil.copytree(finished["folder"], tmp_path / "whole", dirs_exist_ok=True)
    return finished["result"]


def _lines(path):
    records = [json.loads(line) for line in path.read_text().splitlines()]
    return [{k: v for k, v in record.items() if k != "wall_time"} for record in records]


@pytest.mark.parametrize("die_at", [4, 40])  # before the first checkpoint, and after three
def test_resumed_run_equals_the_uninterrupted_one(run, whole, tmp_path, die_at):
    with pytest.raises(KeyboardInterrupt):
        run("cut", die_at=die_at)
    # As after a kill in the middle of a line.
    with (tmp_path / "cut" / "metrics.jsonl").open("a") as file:
        file.write('{"step": 39, "lo')
    resumed = run("cut")
    chex.assert_trees_all_equal(resumed.state, whole.state)
    chex.assert_trees_all_equal(resumed.best_model, whole.best_model)
    assert resumed.best_value == whole.best_value
    lines = _lines(tmp_path / "cut" / "metrics.jsonl")
    assert lines == _lines(tmp_path / "whole" / "metrics.jsonl")
    steps = [record["step"] for record in lines]
    assert steps == sorted({*range(3, 61, 3), *range(4, 61, 4)})
    assert [record["step"] for record in resumed.history] == steps


def test_other_keys_give_another_run(run, whole):
    # The equality above is not an equality of everything with everything.
    other = run("other", key=jax.random.key(5))
    assert not jnp.array_equal(other.state.model.w, whole.state.model.w)


def test_finished_and_stopped_runs_are_not_continued(run, whole):
    with pytest.warns(
        UserWarning, match="finished run of 60 steps in .*whole; nothing was trained"
    ):
        again = run("whole")
    chex.assert_trees_all_equal(again.state, whole.state)
    assert again.history == whole.history
    stopped = run("stopped", patience=2)  # the sum of squares grows from zero at once
    assert stopped.status == "stopped_early"
    with pytest.warns(UserWarning, match="finished run of 12 steps"):
        again = run("stopped", patience=2)
    assert again.status == "stopped_early"
    assert int(again.state.step) == int(stopped.state.step) == 12


def test_longer_run_continues(run, whole):
    run("long", steps=30)
    chex.assert_trees_all_equal(run("long").state.model, whole.state.model)


@pytest.mark.usefixtures("whole")
@pytest.mark.filterwarnings("ignore:fit found a finished run")
def test_newest_checkpoints_are_kept_and_left_overs_removed(run, tmp_path):
    for name in ("70.unfinished", "10.deleted", "²"):  # the last is a digit to Python
        (tmp_path / "whole" / name).mkdir()
    run("whole")
    names = {entry.name for entry in (tmp_path / "whole").iterdir()}
    assert names == {"²", "40", "50", "60", "metrics.jsonl"}
    assert Checkpoints(tmp_path / "whole").steps() == [40, 50, 60]


@pytest.mark.usefixtures("whole")
def test_other_model_key_and_length_are_refused(run, problem):
    wide = type(problem.model)(jnp.zeros((2, 5)), jnp.zeros(2))
    sentence = (
        r"another model or optimiser: expected leaf best.w of float32\[2, 3\], as stored, got "
        r"leaf best.w of float32\[2, 5\]; build the model"
    )
    with pytest.raises(CheckpointError, match=sentence):
        run("whole", model=wide)
    with pytest.raises(CheckpointError, match=r"expected the random key it was trained with"):
        run("whole", key=jax.random.key(1))
    with pytest.raises(CheckpointError, match=r"run of at least 60 steps, got steps=50"):
        run("whole", steps=50)


def test_damaged_checkpoint_is_refused_and_an_older_one_taken_on_request(run, whole, tmp_path):
    newest = tmp_path / "whole" / "60"
    largest = max(
        (newest / "arrays").rglob("*"), key=lambda p: p.stat().st_size if p.is_file() else 0
    )
    largest.write_bytes(largest.read_bytes()[:-1])
    sentence = (
        rf"{newest} is damaged: expected .*{largest.name} to have \d+ bytes.*; delete the folder "
        rf"{newest} to resume from step 50"
    )
    with pytest.raises(CheckpointError, match=sentence):
        run("whole")
    (newest / "manifest.json").unlink()
    with pytest.raises(
        CheckpointError, match=r"manifest.json to be .*, got no file; .* to resume from step 50"
    ):
        run("whole")
    newest.rename(tmp_path / "away")
    chex.assert_trees_all_equal(run("whole").state, whole.state)


def test_metrics_of_something_else_are_refused(run, problem, loss_fn, key, tmp_path):
    source = ArraySource(problem.arrays, 8, key=key)
    path = tmp_path / "metrics.jsonl"
    path.write_text("not json\n")
    # Neither without checkpoints nor with a new folder for them, from which nothing can be resumed.
    for checkpoint in (None, tmp_path / "run"):
        with pytest.raises(FileExistsError, match=r"expected a new metrics file"):
            fit(
                problem.model,
                loss_fn,
                source,
                optax.sgd(0.1),
                key=key,
                steps=3,
                metrics_path=path,
                checkpoint=checkpoint,
            )
    (tmp_path / "run").mkdir()
    with pytest.raises(ValueError, match=r"one JSON object with a step a line"):
        fit(
            problem.model,
            loss_fn,
            source,
            optax.sgd(0.1),
            key=key,
            steps=3,
            metrics_path=path,
            checkpoint=tmp_path / "run",
        )
    assert path.read_text() == "not json\n"


@pytest.mark.usefixtures("whole")
def test_a_checkpoint_under_the_name_of_another_step_is_refused(run, tmp_path):
    (tmp_path / "whole" / "60").rename(tmp_path / "whole" / "44")
    shutil.rmtree(tmp_path / "whole" / "50")
    with pytest.raises(CheckpointError, match="state after 44 steps, got that after 60"):
        run("whole")
