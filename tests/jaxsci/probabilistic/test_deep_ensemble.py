"""A deep ensemble is its members side by side: in its answers, its gradients and its training."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import optax
import pytest

from jaxsci.constraints import Ensemble, conservation, project
from jaxsci.operators import FNO
from jaxsci.probabilistic import (
    DeepEnsemble,
    GaussianHead,
    LowRankHead,
    ensemble_loss,
    mean_and_scale,
    moment_match,
)
from jaxsci.training import init_state, make_train_step
from solvers import Grid

FLOAT32 = 1e-5  # sums of tens of numbers of order 1 in single precision


class Layer(eqx.Module):
    """A field of 6 cells to as many channels as its head needs, in one layer: it compiles fast."""

    weight: jax.Array
    head: GaussianHead | LowRankHead | None

    def __init__(self, head=None, *, key):
        self.weight = jax.random.normal(key, (1 if head is None else head.outputs, 6, 6)) / 3
        self.head = head

    def __call__(self, x):
        raw = self.weight @ jnp.tanh(x[0])
        return raw if self.head is None else self.head(raw)


def squared_error(model, batch, key):
    x, y = batch
    error = jax.vmap(model)(x) - y
    noise = jax.random.uniform(key)
    return jnp.mean(error**2) + 0 * noise, {"noise": noise}


@pytest.fixture
def batch(key):
    x = jax.random.normal(key, (4, 1, 6))
    return x, jnp.cumsum(x, axis=-1)


def test_members_are_the_models_that_their_keys_build(key):
    ensemble = DeepEnsemble(lambda key: Layer(key=key), 3, key=key)
    x = jnp.linspace(-1.0, 1.0, 6)[None]
    answers = ensemble(x)
    for i, k in enumerate(jax.random.split(key, 3)):
        np.testing.assert_allclose(answers[i], Layer(key=k)(x), rtol=FLOAT32, atol=1e-6)
        np.testing.assert_allclose(answers[i], ensemble[i](x), rtol=FLOAT32, atol=1e-6)
    assert jnp.abs(answers[0] - answers[1]).max() > 0.01


@pytest.mark.slow
def test_any_operator_is_a_member(key):
    build = lambda key: FNO(
        in_channels=1, out_channels=1, width=4, modes=(2,), depth=1, projection=4, key=key
    )
    ensemble = DeepEnsemble(build, 2, key=key)
    x = jnp.ones((3, 1, 8))
    assert jax.jit(jax.vmap(lambda u: ensemble(u)))(x).shape == (3, 2, 1, 8)


def test_fields_are_predicted_as_an_ensemble(key):
    ensemble = DeepEnsemble(lambda key: Layer(key=key), 4, key=key)
    x = jnp.ones((1, 6))
    prediction = eqx.filter_jit(ensemble.predict)(x)
    assert isinstance(prediction, Ensemble)
    np.testing.assert_allclose(prediction.members, ensemble(x), rtol=FLOAT32)
    moved = project(prediction, conservation(Grid.uniform(0.0, 1.0, 6), 0.5))
    np.testing.assert_allclose(moved.members.mean(-1), 0.5, atol=FLOAT32)


def test_distributions_are_predicted_by_the_moments_of_their_mixture(key):
    ensemble = DeepEnsemble(lambda key: Layer(GaussianHead(1), key=key), 4, key=key)
    x = jnp.ones((1, 6))
    answers = eqx.filter_jit(ensemble)(x)
    assert answers.batch_shape == (4, 1, 6)
    mixture = dist.MixtureSameFamily(
        dist.Categorical(jnp.full(4, 0.25)),
        dist.Normal(answers.loc, answers.scale).to_event(2),
    )
    prediction = eqx.filter_jit(ensemble.predict)(x)
    np.testing.assert_allclose(prediction.mean, mixture.mean, atol=FLOAT32)
    np.testing.assert_allclose(prediction.variance, mixture.variance, rtol=1e-4)
    # Members are projected before they are summarised, as samples of a latent variable are.
    constraint = conservation(Grid.uniform(0.0, 1.0, 6), 0.5)
    moved = jax.jit(lambda: moment_match(project(answers, constraint)))()
    np.testing.assert_allclose(moved.mean.mean(), 0.5, atol=FLOAT32)


def test_members_with_low_rank_heads(key):
    ensemble = DeepEnsemble(lambda key: Layer(LowRankHead(1, 2), key=key), 3, key=key)
    x = jnp.ones((1, 6))
    answers = eqx.filter_jit(ensemble)(x)
    assert (answers.batch_shape, answers.event_shape) == ((3, 1), (6,))
    alone = eqx.filter_jit(ensemble[1])(x)
    mean, scale = mean_and_scale(answers)
    np.testing.assert_allclose(mean[1], alone.mean, atol=FLOAT32)
    np.testing.assert_allclose(scale[1] ** 2, alone.variance, rtol=1e-4)
    assert eqx.filter_jit(ensemble.predict)(x).mean.shape == (1, 6)


def test_each_member_trains_as_if_it_were_alone(key, batch):
    ensemble = DeepEnsemble(lambda key: Layer(key=key), 3, key=key)
    traces = []

    def counted(model, batch, key):
        traces.append(1)
        return squared_error(model, batch, key)

    optimizer = optax.sgd(0.1)
    step = eqx.filter_jit(make_train_step(ensemble_loss(counted), optimizer))
    state = init_state(ensemble, optimizer)
    singles = [init_state(ensemble[i], optimizer) for i in range(3)]
    single_step = eqx.filter_jit(make_train_step(squared_error, optimizer))
    for _ in range(3):
        state, metrics = step(state, batch, key)
        results = [single_step(single, batch, key) for single in singles]
        singles = [result[0] for result in results]
        mean = np.mean([result[1]["loss"] for result in results])
        np.testing.assert_allclose(metrics["loss"], mean, rtol=FLOAT32)
    assert len(traces) == 1  # one compilation for all members and all steps
    for i, single in enumerate(singles):
        ours = jax.tree.leaves(eqx.filter(state.model[i], eqx.is_array))
        alone = jax.tree.leaves(eqx.filter(single.model, eqx.is_array))
        for a, b in zip(ours, alone, strict=True):
            np.testing.assert_allclose(a, b, atol=FLOAT32)


def test_members_draw_their_own_keys(key, batch):
    ensemble = DeepEnsemble(lambda key: Layer(key=key), 3, key=key)
    _, metrics = ensemble_loss(squared_error)(ensemble, batch, key)
    draws = [float(jax.random.uniform(k)) for k in jax.random.split(key, 3)]
    assert float(metrics["noise"]) == pytest.approx(np.mean(draws), rel=FLOAT32)


@pytest.mark.usefixtures("unchecked")
def test_refusals(key):
    build = lambda key: Layer(key=key)
    with pytest.raises(ValueError, match="size to be a whole number >= 2"):
        DeepEnsemble(build, 1, key=key)
    with pytest.raises(TypeError, match="expected a random key"):
        DeepEnsemble(build, 2, key=0)


def test_members_are_counted(key):
    ensemble = DeepEnsemble(lambda k: eqx.nn.Linear(1, 1, key=k), 3, key=key)
    assert len(ensemble) == len(list(ensemble)) == 3
    with pytest.raises(IndexError, match="from -3 to 2"):
        ensemble[3]


def test_metrics_may_be_numbers(key):
    ensemble = DeepEnsemble(lambda k: eqx.nn.Linear(1, 1, key=k), 2, key=key)
    loss_fn = ensemble_loss(lambda model, batch, key: (model(batch).sum(), {"constant": 1.0}))
    _, metrics = loss_fn(ensemble, jnp.ones(1), key)
    assert float(metrics["constant"]) == 1.0
