"""What decides a run: other data, rates and losses are told from the same ones."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxsci.training import (
    ArraySource,
    CheckpointError,
    GeneratedSource,
    OptimizerConfig,
    StreamSource,
    fit,
)
from jaxsci.training.fingerprint import digest, fingerprint

KEY = jax.random.key(0)
X = np.linspace(-1.0, 1.0, 16, dtype=np.float32)


def loss(w, batch, key):
    return jnp.mean((w * batch["x"] - batch["y"]) ** 2), {}


def other_loss(w, batch, key):
    return jnp.mean(jnp.abs(w * batch["x"] - batch["y"])), {}


def data(level=5.0):
    return {"x": X, "y": level * X}


def run(folder, *, level=5.0, rate=0.3, loss_fn=loss, steps=200, **options):
    source = ArraySource(data(level), 16, key=KEY)
    model, optimizer = jnp.zeros(()), optax.sgd(rate)
    options = {"checkpoint": folder, "progress": False} | options
    return fit(model, loss_fn, source, optimizer, key=KEY, steps=steps, **options)


def test_a_finished_run_does_not_answer_for_other_data(tmp_path):
    # 200 steps of rate 0.3 leave (1 − 0.6 · 0.38)^200 of the error, which is nothing.
    assert float(run(tmp_path / "a").state.model) == pytest.approx(5.0, rel=1e-5)
    with pytest.raises(CheckpointError, match=r"other data: expected source\.arrays\.y = float32"):
        run(tmp_path / "a", level=-5.0)
    with pytest.warns(UserWarning, match="found a finished run of 200 steps"):
        assert float(run(tmp_path / "a").state.model) == pytest.approx(5.0, rel=1e-5)
    result = run(tmp_path / "a", level=-5.0, steps=400, on_change="continue")
    assert float(result.state.model) == pytest.approx(-5.0, rel=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rate": 0.1}, r"other optimizer: expected .*0\.3, as stored, got .*0\.1"),
        ({"ema_decay": 0.9}, "belongs to another model or optimiser|other options"),
        ({"micro_batches": 2}, "other options: expected options.micro_batches = 1"),
    ],
)
def test_another_rate_or_option_is_refused(tmp_path, change, message):
    run(tmp_path / "a", steps=2)
    with pytest.raises(CheckpointError, match=message):
        run(tmp_path / "a", steps=4, **change)


def test_another_loss_is_a_warning(tmp_path):
    run(tmp_path / "a", steps=2)
    with pytest.warns(UserWarning, match="written with loss of source .* and now got other_loss"):
        run(tmp_path / "a", steps=4, loss_fn=other_loss)


def test_another_value_in_a_loss_is_a_warning(tmp_path):
    def weighted(sign):
        return lambda w, batch, key: loss(sign * w, batch, key)

    run(tmp_path / "a", steps=2, loss_fn=weighted(1.0))
    run(tmp_path / "a", steps=4, loss_fn=weighted(1.0))  # a warning would be an error
    with pytest.warns(UserWarning, match=r"loss\.sign = 1\.0, and now got loss\.sign = -1\.0"):
        run(tmp_path / "a", steps=6, loss_fn=weighted(-1.0))


def _sources():
    examples = [{"x": x, "y": y} for x, y in zip(X, 5 * X, strict=True)]
    other = [{"x": x, "y": y} for x, y in zip(X, -5 * X, strict=True)]
    level = 5.0
    return {
        "arrays": (ArraySource(data(), 4, key=KEY), ArraySource(data(-5.0), 4, key=KEY)),
        "dtype": (ArraySource(X, 4, key=KEY), ArraySource(X.astype(np.float16), 4, key=KEY)),
        "key": (ArraySource(X, 4, key=KEY), ArraySource(X, 4, key=jax.random.key(1))),
        "batch size": (ArraySource(X, 4, key=KEY), ArraySource(X, 8, key=KEY)),
        "examples": (StreamSource(examples, 4, key=KEY), StreamSource(other, 4, key=KEY)),
        "generated": (
            GeneratedSource(lambda key: level * jax.random.normal(key), key=KEY),
            GeneratedSource(lambda key, f=2.0: f * jax.random.normal(key), key=KEY),
        ),
    }


@pytest.mark.parametrize("kind", _sources())
def test_sources_that_differ_are_told_apart(kind):
    one, other = _sources()[kind]
    again, _ = _sources()[kind]
    optimizer = optax.sgd(0.1)
    assert fingerprint(one, optimizer, loss) == fingerprint(again, optimizer, loss)
    assert fingerprint(one, optimizer, loss)["data"] != fingerprint(other, optimizer, loss)["data"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (optax.adam(1e-3), optax.adam(1e-4)),
        (optax.adam(1e-3, b2=0.99), optax.adam(1e-3)),
        (optax.adam(optax.cosine_decay_schedule(1e-3, 10)), optax.adam(optax.cosine_decay_schedule(1e-3, 9))),
        (OptimizerConfig(clip_norm=1.0).build(10), OptimizerConfig(clip_norm=2.0).build(10)),
        (optax.sgd(lambda step: 0.1), optax.sgd(lambda step, rate=0.2: rate)),
        (optax.sgd(0.1), optax.sgd(0.1, momentum=0.9)),
    ],
)  # fmt: skip
def test_hyperparameters_are_read_from_the_optimizer(one, other):
    source = ArraySource(X, 4, key=KEY)
    assert (
        fingerprint(source, one, loss)["optimizer"] != fingerprint(source, other, loss)["optimizer"]
    )


def test_a_checksum_sees_one_value_and_the_order_of_bytes():
    array = np.arange(1000.0)
    changed = array.copy()
    changed[500] += 1e-9
    assert digest(array) == digest(array.copy())
    assert (
        len({digest(array), digest(changed), digest(array.astype(">f8")), digest(array[None])}) == 4
    )
    assert digest(jax.random.key(0)) != digest(jax.random.key(1))


class Model(eqx.Module):
    """A weight that is not a number from the start."""

    w: jax.Array


def test_a_weight_that_is_not_a_number_is_not_blamed_on_the_rate():
    source = ArraySource(data(), 16, key=KEY)
    with pytest.raises(
        FloatingPointError, match=r"weights that are not finite in leaf \.w of the model"
    ):
        fit(
            Model(jnp.asarray(jnp.nan)),
            lambda m, batch, key: loss(m.w, batch, key),
            source,
            optax.sgd(0.1),
            key=KEY,
            steps=1,
            progress=False,
        )


@pytest.mark.usefixtures("unchecked")
def test_a_seed_is_no_key():
    with pytest.raises(TypeError, match="GeneratedSource expected a random key, got 0"):
        GeneratedSource(lambda key: key, key=0)
