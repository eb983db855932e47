"""What recurrent forecasters share: the roll-out, forcing, and that no frame depends on a later one."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.operators.video import (
    E3DLSTM,
    AbstractRecurrentForecaster,
    ConvLSTM,
    Forcing,
    PhyDNet,
    PredRNN,
)

SMALL = {"time_out": 3, "channels": 1, "width": 4, "depth": 1, "kernel": 3, "patch": 2}
MODELS = {
    "ConvLSTM": (ConvLSTM, SMALL),
    "PredRNN": (PredRNN, SMALL),
    "E3DLSTM": (E3DLSTM, SMALL),
    "PhyDNet": (
        PhyDNet,
        {"time_out": 3, "channels": 1, "width": 4, "residual": (), "kernel": 3},
    ),
}


def video(time, seed=0):
    x = np.random.default_rng(seed).standard_normal((time, 1, 8, 8))
    return jnp.asarray(x, jnp.float32)


class Adder(AbstractRecurrentForecaster):
    """Predicts the frame plus the number of frames it has seen."""

    time_out: int = eqx.field(static=True, default=4)
    channels: int = eqx.field(static=True, default=1)
    patch: int = eqx.field(static=True, default=2)

    def _start(self, steps, space, dtype):
        return jnp.zeros((), dtype)

    def _step(self, state, frame):
        return state + 1, frame + state + 1


def test_the_forecast_goes_on_from_itself():
    x = video(3)
    y = Adder()(x)
    assert y.shape == (4, 1, 8, 8)
    for t, added in enumerate([3, 3 + 4, 3 + 4 + 5, 3 + 4 + 5 + 6]):
        # A few additions in single precision.
        np.testing.assert_allclose(y[t], x[-1] + added, rtol=1e-6, atol=1e-5)


def test_one_step_predicts_the_context_too():
    x = video(3)
    every = Adder().one_step(x)
    assert every.shape == (6, 1, 8, 8)
    np.testing.assert_array_equal(every[2:], Adder()(x))
    added = jnp.array([1.0, 2.0])[:, None, None, None]
    np.testing.assert_allclose(every[:2], x[:2] + added, rtol=1e-6, atol=1e-6)


def test_forcing_continues_from_the_true_frames_it_names():
    x, true = video(3), video(4, seed=1)
    mask = jnp.array([False, True, False, True])
    y = Adder()(x, forcing=Forcing(true, mask))
    expected = [x[-1] + 3, x[-1] + 3 + 4, true[1] + 5, true[1] + 5 + 6]
    np.testing.assert_allclose(y, jnp.stack(expected), rtol=1e-6, atol=1e-5)
    free = Adder()(x, forcing=Forcing(true, jnp.zeros(4, bool)))
    np.testing.assert_array_equal(free, Adder()(x))


def test_forcing_has_to_fit():
    true = video(4)
    with pytest.raises(ValueError, match=r"Adder expected forcing with frames like those of x"):
        Adder()(video(3), forcing=Forcing(true[..., :4], jnp.ones(4, bool)))
    with pytest.raises(ValueError, match=r"forcing.frames of shape \(time=4, channels=1, height"):
        Adder()(video(3), forcing=Forcing(true[:3], jnp.ones(3, bool)))


@pytest.mark.parametrize("name", MODELS)
def test_no_prediction_depends_on_a_later_frame(name, filled):
    cls, options = MODELS[name]
    model = filled(cls, **options)
    one_step = eqx.filter_jit(lambda x: model.one_step(x))
    x = video(4)
    before, after = one_step(x), one_step(x.at[2].add(1.0))
    assert before.shape == (4 + 3 - 1, 1, 8, 8)
    np.testing.assert_array_equal(before[:2], after[:2])
    assert jnp.abs(before[2:] - after[2:]).max(axis=(1, 2, 3)).min() > 1e-4
    np.testing.assert_array_equal(before, one_step(x))


@pytest.mark.parametrize("name", MODELS)
def test_keys_change_nothing_and_any_context_will_do(name, filled):
    cls, options = MODELS[name]
    model = filled(cls, **options)
    for time in (1, 5):
        shape = jax.eval_shape(model, jax.ShapeDtypeStruct((time, 1, 8, 8), jnp.float32)).shape
        assert shape == (3, 1, 8, 8)
    plain, keyed = (
        jax.make_jaxpr(lambda x, k=k: model(x, key=k))(video(2)) for k in (None, jax.random.key(0))
    )
    assert str(plain) == str(keyed)


@pytest.mark.parametrize("name", MODELS)
def test_bad_input_is_refused(name, filled, key):
    cls, options = MODELS[name]
    model = filled(cls, **options)
    with pytest.raises(ValueError, match=rf"{name} expected x of shape .*channels=1, .* got"):
        model(jnp.ones((3, 2, 8, 8)))
    with pytest.raises(ValueError, match=rf"{name} expected height and width to be multiples of"):
        model(jnp.ones((3, 1, 8, 9)))
    for wrong in ({"time_out": 0}, {"channels": 0}, {"width": 0}):
        with pytest.raises(ValueError, match=rf"{name} expected .* a whole number >= 1, got 0"):
            cls(**(options | wrong), key=key)
    with pytest.raises(ValueError, match="expected kernel to be odd, got 4"):
        cls(**(options | {"kernel": 4}), key=key)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("name", MODELS)
def test_a_seed_is_no_key(name):
    cls, options = MODELS[name]
    with pytest.raises(TypeError, match=rf"{name} expected a random key, got 0"):
        cls(**options, key=0)
