import json

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxsci.training import (
    ArraySource,
    Checkpoints,
    DivergedError,
    GeneratedSource,
    fit,
    init_state,
    make_train_step,
)


@pytest.fixture
def source(problem, key):
    return ArraySource(problem.arrays, 8, key=key)


def test_fit_equals_a_loop_over_steps(problem, loss_fn, source, key):
    optimizer = optax.adam(1e-2)
    result = fit(problem.model, loss_fn, source, optimizer, key=key, steps=30, progress=False)
    step = jax.jit(make_train_step(loss_fn, optimizer))
    state = init_state(problem.model, optimizer)
    for i in range(30):
        state, metrics = step(state, source.batch(i), key)
    # The same float32 operations in a differently fused program, thirty steps long.
    chex.assert_trees_all_close(result.state, state, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(result.history[-1]["loss"], metrics["loss"], rtol=1e-4)
    assert result.status == "finished"
    assert [record["step"] for record in result.history] == [10, 20, 30]


def test_fit_learns_the_least_squares_solution(problem, loss_fn, source, key):
    result = fit(
        problem.model, loss_fn, source, optax.adam(3e-2), key=key, steps=1000, progress=False
    )
    x, y = problem.arrays
    columns = jnp.concatenate([x, jnp.ones((x.shape[0], 1))], axis=1)
    solution = jnp.linalg.lstsq(columns, y)[0]
    # Batches of 8 of 23 at a constant rate: Adam hovers about the minimum within some of its rate.
    np.testing.assert_allclose(result.best_model.w, solution[:3].T, atol=0.05)
    np.testing.assert_allclose(result.best_model.b, solution[3], atol=0.05)


def test_result_does_not_depend_on_dispatch(problem, loss_fn, source, key):
    results = [
        fit(
            problem.model,
            loss_fn,
            source,
            optax.adam(1e-2),
            key=key,
            steps=40,
            steps_per_dispatch=n,
            validate=lambda model: {"loss": jnp.mean(model.b)},
            validate_every=every,
            progress=False,
        )
        for n, every in ((1, 40), (7, 9))
    ]
    chex.assert_trees_all_equal(results[0].state, results[1].state)


def test_fit_compiles_once_over_epochs_with_a_ragged_end(problem, loss_fn, source, key):
    traces = []

    def counted(model, batch, key):
        traces.append(None)
        return loss_fn(model, batch, key)

    def count(steps, **options):
        traces.clear()
        fit(
            problem.model,
            counted,
            source,
            optax.sgd(0.1),
            key=key,
            steps=steps,
            progress=False,
            **options,
        )
        return len(traces)

    # 40 steps of 8 are 14 epochs of 23 examples; chunks of 1, 7, 3 and fewer steps occur.
    once = count(1)
    validated = {"validate": lambda model: {"loss": 0.0}, "validate_every": 10}
    assert count(40, steps_per_dispatch=7, **validated) == once


def test_the_callers_model_survives(problem, loss_fn, source, key):
    before = jax.tree.map(np.array, problem.model)
    fit(problem.model, loss_fn, source, optax.sgd(0.1), key=key, steps=5, progress=False)
    chex.assert_trees_all_equal(problem.model, before)


def test_generated_source_trains(problem, loss_fn, key):
    def draw(key):
        x = jax.random.normal(key, (8, 3))
        return x, x[:, :2]

    result = fit(
        problem.model,
        loss_fn,
        GeneratedSource(draw, key=key),
        optax.adam(3e-2),
        key=key,
        steps=400,
        progress=False,
    )
    # There is no noise, so Adam reaches the exact map; what is left is its last small steps.
    np.testing.assert_allclose(result.best_model.w, jnp.eye(2, 3), atol=1e-3)


def test_patience_stops_and_the_best_model_is_kept(problem, loss_fn, source, key):
    scores = iter([5.0, 3.0, 4.0, 3.0, 3.5, 1.0])
    seen = []

    def validate(model):
        seen.append(jax.tree.map(np.array, model))
        return {"loss": next(scores)}

    result = fit(
        problem.model,
        loss_fn,
        source,
        optax.adam(1e-2),
        key=key,
        steps=100,
        validate=validate,
        validate_every=10,
        patience=3,
        progress=False,
    )
    assert result.status == "stopped_early"
    assert int(result.state.step) == 50  # the equal score at 40 is no improvement
    assert result.best_value == 3.0
    chex.assert_trees_all_equal(result.best_model, seen[1])
    assert [r["val_loss"] for r in result.history if "val_loss" in r] == [5.0, 3.0, 4.0, 3.0, 3.5]


def test_validation_sees_the_moving_average(problem, loss_fn, source, key):
    seen = []
    result = fit(
        problem.model,
        loss_fn,
        source,
        optax.adam(1e-2),
        key=key,
        steps=20,
        ema_decay=0.9,
        validate=lambda model: seen.append(jax.tree.map(np.array, model)) or {"loss": 1.0},
        validate_every=20,
        progress=False,
    )
    chex.assert_trees_all_equal(seen[0], result.state.ema)
    assert not np.allclose(seen[0].w, result.state.model.w)


def _explodes_at(step, loss_fn):
    """A loss that is nan from the given position of the stream of batch numbers on."""

    def loss(model, batch, key):
        number, arrays = batch
        value, metrics = loss_fn(model, arrays, key)
        return jnp.where(number >= step, jnp.nan, 1.0) * value, metrics

    return loss


class _Numbered:
    """A source that puts its position beside the batch; not a pytree, as users' sources may be."""

    def __init__(self, source):
        self.source = source

    def batch(self, position):
        return jnp.asarray(position), self.source.batch(position)


def test_divergence_keeps_the_last_good_state(problem, loss_fn, source, key, tmp_path):
    def run(steps, folder):
        return fit(
            problem.model,
            _explodes_at(37, loss_fn),
            _Numbered(source),
            optax.adam(1e-2),
            key=key,
            steps=steps,
            steps_per_dispatch=10,
            checkpoint=tmp_path / folder,
            checkpoint_every=15,
            metrics_path=tmp_path / f"{folder}.jsonl",
            log_every=1,
            progress=False,
        )

    good = run(37, "good")
    sentence = r"diverged at step 37: .*got loss=nan.*last good checkpoint is .*30; lower the"
    with pytest.raises(DivergedError, match=sentence) as caught:
        run(100, "bad")
    chex.assert_trees_all_equal(caught.value.state, good.state)
    assert caught.value.step == 37
    checkpoints = Checkpoints(tmp_path / "bad")
    assert caught.value.checkpoint == checkpoints.path(30)
    state, _ = checkpoints.restore(30, {"state": good.state, "best": None})
    assert int(state["state"].step) == 30
    assert all(bool(jnp.all(jnp.isfinite(x))) for x in jax.tree.leaves(state))
    # What led to it is on record.
    lines = (tmp_path / "bad.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == list(range(1, 38))
    # Starting again runs into the same step, and says the same.
    with pytest.raises(DivergedError, match="diverged at step 37"):
        run(100, "bad")


def test_non_finite_update_is_not_applied(problem, loss_fn, source, key):
    # A finite gradient times an infinite rate: only the update tells.
    with pytest.raises(DivergedError, match=r"step 0: .*update_norm=") as caught:
        fit(problem.model, loss_fn, source, optax.sgd(jnp.inf), key=key, steps=5, progress=False)
    chex.assert_trees_all_equal(caught.value.state.model, problem.model)


def test_non_finite_generated_data_are_named(problem, loss_fn, key):
    def draw(key):
        x = jax.random.normal(key, (8, 3))
        return x.at[2, 1].set(jnp.inf), x[:, :2]

    sentence = r"step 0: .*non-finite training data in leaf \[0\] of its batch.*remove or repair"
    with pytest.raises(DivergedError, match=sentence):
        fit(
            problem.model,
            loss_fn,
            GeneratedSource(draw, key=key),
            optax.sgd(0.1),
            key=key,
            steps=5,
            progress=False,
        )


def test_non_finite_validation_stops(problem, loss_fn, source, key):
    with pytest.raises(DivergedError, match=r"step 10: .*validation with loss=nan.*no checkpoint"):
        fit(
            problem.model,
            loss_fn,
            source,
            optax.sgd(0.1),
            key=key,
            steps=50,
            validate=lambda model: {"loss": float("nan")},
            validate_every=10,
            progress=False,
        )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, r"expected steps to be a whole number >= 1, got 0"),
        (
            {"steps_per_dispatch": 0},
            r"expected steps_per_dispatch to be a whole number >= 1, got 0",
        ),
        ({"patience": 3}, r"expected patience >= 1 together with validate, got patience=3"),
        (
            {"validate": lambda model: {"loss": 1.0}, "monitor": "mse"},
            r"expected validate to return 'mse', got \['loss'\]",
        ),
    ],
)
def test_options_out_of_range_are_refused(problem, loss_fn, source, key, options, message):
    options = {"steps": 3, "progress": False} | options
    with pytest.raises(ValueError, match=message):
        fit(problem.model, loss_fn, source, optax.sgd(0.1), key=key, **options)


@pytest.mark.usefixtures("unchecked")
def test_arguments_of_another_kind_are_refused(problem, loss_fn, source, key):
    run = lambda **other: fit(
        **{
            "model": problem.model,
            "loss_fn": loss_fn,
            "source": source,
            "optimizer": optax.sgd(0.1),
            "key": key,
            "steps": np.int64(2),
            "progress": False,
            **other,
        }
    )
    assert int(run().state.step) == 2
    for other, message in (
        ({"optimizer": None}, "expected an optax transformation, got NoneType"),
        ({"source": {"x": 1}}, "expected a source of batches, got dict; wrap arrays"),
        ({"key": 0}, "fit expected a random key, got 0; make one"),
        ({"key": None}, "fit expected a random key, got None"),
    ):
        with pytest.raises(TypeError, match=message):
            run(**other)
