import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import tyro

from jaxsci.training import OptimizerConfig


def _rates(config, steps, at):
    schedule = config.learning_rate_schedule(steps)
    return [float(schedule(i)) for i in at]


def test_schedules():
    # Closed forms in float32.
    constant = OptimizerConfig(learning_rate=0.1, schedule="constant", warmup_steps=10)
    np.testing.assert_allclose(
        _rates(constant, 100, [0, 5, 10, 99]), [0, 0.05, 0.1, 0.1], rtol=1e-6
    )
    cosine = OptimizerConfig(learning_rate=0.1, warmup_steps=20, final_fraction=0.1)
    middle = 0.1 * (0.1 + 0.9 * 0.5)
    np.testing.assert_allclose(
        _rates(cosine, 120, [10, 20, 70, 120]), [0.05, 0.1, middle, 0.01], rtol=1e-6
    )
    step = OptimizerConfig(learning_rate=0.1, schedule="step", decay_every=30, warmup_steps=10)
    np.testing.assert_allclose(
        _rates(step, 100, [5, 29, 31, 59, 61, 99]),
        [0.05, 0.1, 0.05, 0.05, 0.025, 0.0125],
        rtol=1e-6,
    )


def test_clipping_and_masked_decay():
    config = OptimizerConfig(
        learning_rate=0.1, schedule="constant", clip_norm=1.0, weight_decay=0.5, b1=0.0, b2=0.0
    )
    params = {"w": jnp.full((2, 2), 3.0), "b": jnp.full(2, 3.0)}
    optimizer = config.build(10)
    grads = {"w": jnp.full((2, 2), 30.0), "b": jnp.full(2, -30.0)}
    with jax.numpy_dtype_promotion("standard"):  # optax itself is not strict
        updates, _ = optimizer.update(grads, optimizer.init(params), params)
    # Adam without memory steps by the sign; only the matrix decays.
    np.testing.assert_allclose(updates["w"], -0.1 * (1 + 0.5 * 3.0), rtol=1e-5)
    np.testing.assert_allclose(updates["b"], 0.1, rtol=1e-5)
    clipped = optax.clip_by_global_norm(1.0).update(grads, optax.EmptyState())[0]
    np.testing.assert_allclose(optax.tree.norm(clipped), 1.0, rtol=1e-6)


def test_it_is_a_command_line():
    config = tyro.cli(OptimizerConfig, args=["--learning-rate", "0.01", "--schedule", "step"])
    assert config == OptimizerConfig(learning_rate=0.01, schedule="step")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"learning_rate": 0.0}, r"expected a positive, finite learning_rate"),
        ({"learning_rate": float("inf")}, r"expected a positive, finite learning_rate"),
        ({"b1": 2.0}, r"expected 0 <= b1 < 1"),
        ({"decay_factor": 1.5}, r"expected 0 < decay_factor <= 1"),
        ({"clip_norm": -1.0}, r"expected clip_norm > 0 or None"),
        ({"warmup_steps": -1}, r"expected warmup_steps >= 0"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        OptimizerConfig(**options)


def test_warmup_longer_than_the_run_is_refused():
    with pytest.raises(ValueError, match=r"expected warmup_steps below the 10 steps"):
        OptimizerConfig(warmup_steps=10).build(10)
