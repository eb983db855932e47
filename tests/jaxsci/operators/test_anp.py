"""Attentive neural process: invariances, deterministic inference, a loss that learns."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest

from jaxsci.operators import AttentiveNeuralProcess


@pytest.fixture
def model(key):
    return AttentiveNeuralProcess(dims=2, channels=1, width=16, heads=2, key=key)


@pytest.fixture
def data(key):
    x_key, t_key = jax.random.split(key)
    x = jax.random.uniform(x_key, (12, 2))
    return x, jnp.sin(3 * x[:, :1]), jax.random.uniform(t_key, (7, 2))


def test_published_parameter_count(key):
    """989,826 parameters with width 128, counted with the published layers' biases and norms."""
    model = AttentiveNeuralProcess(dims=2, channels=1, key=key)
    count = sum(leaf.size for leaf in jax.tree.leaves(model) if isinstance(leaf, jax.Array))
    # The published layers differ in a few embeddings and biases; the size is the same within 10 %.
    assert abs(count / 989_826 - 1) < 0.1


def test_prediction_is_a_normal_at_every_target(model, data):
    out = model(*data)
    assert isinstance(out, dist.Normal)
    assert out.mean.shape == out.scale.shape == (7, 1)
    assert jnp.all(out.scale >= model.floor)


def test_inference_is_deterministic_unless_a_key_asks(model, data):
    first, second = model(*data), model(*data)
    np.testing.assert_array_equal(first.mean, second.mean)
    a, b = (model(*data, key=jax.random.key(i)) for i in range(2))
    assert jnp.any(a.mean != b.mean)  # two draws of the latent variable
    np.testing.assert_array_equal(a.mean, model(*data, key=jax.random.key(0)).mean)
    # The draw moves the latent variable only; dropout would also move the latent's own parameters.
    np.testing.assert_array_equal(model.latent(*data[:2]).mean, model.latent(*data[:2]).mean)
    dropped = model.latent(*data[:2], dropout_key=jax.random.key(1))
    assert jnp.any(dropped.mean != model.latent(*data[:2]).mean)


def test_order_of_the_context_does_not_matter_and_targets_are_independent(model, data):
    context_x, context_y, target_x = data
    order = jax.random.permutation(jax.random.key(3), 12)
    permuted = model(context_x[order], context_y[order], target_x)
    # Float32 sums in another order.
    np.testing.assert_allclose(permuted.mean, model(*data).mean, atol=1e-5)
    alone = model(context_x, context_y, target_x[:1])
    np.testing.assert_allclose(alone.mean, model(*data).mean[:1], atol=1e-5)


def test_loss_is_the_negative_evidence_bound(data, key):
    """Without dropout and with target = context the KL vanishes: the likelihood term remains."""
    model = AttentiveNeuralProcess(dims=2, channels=1, width=16, heads=2, dropout=0.0, key=key)
    context_x, context_y, _ = data
    loss, predicted = model.negative_elbo(context_x, context_y, context_x, context_y, key=key)
    np.testing.assert_allclose(loss, -predicted.log_prob(context_y).mean(), rtol=1e-5)
    other, predicted = model.negative_elbo(
        context_x, context_y, context_x[:5], context_y[:5], key=key
    )
    posterior, prior = (
        model.latent(context_x[:5], context_y[:5]),
        model.latent(context_x, context_y),
    )
    divergence = dist.kl_divergence(posterior, prior).sum() / 5
    np.testing.assert_allclose(
        other, divergence - predicted.log_prob(context_y[:5]).mean(), rtol=1e-5
    )


@pytest.mark.slow
def test_gradient_reaches_every_weight(model, data, key):
    context_x, context_y, target_x = data
    target_y = jnp.cos(target_x[:, :1])
    loss = lambda m: m.negative_elbo(context_x, context_y, target_x, target_y, key=key)[0]
    import equinox as eqx

    grads = jax.tree.leaves(eqx.filter_grad(loss)(model))
    assert all(jnp.isfinite(g).all() and jnp.any(g != 0) for g in grads)


def test_bad_input_is_refused(model, data):
    context_x, context_y, target_x = data
    with pytest.raises(ValueError, match=r"use jax.vmap for batches of functions"):
        model(context_x[None], context_y[None], target_x[None])
    with pytest.raises(ValueError, match="dims=2"):
        model(context_x[:, :1], context_y, target_x[:, :1])
    with pytest.raises(ValueError, match="heads to divide the width"):
        AttentiveNeuralProcess(dims=2, width=10, heads=4, key=jax.random.key(0))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dims": 0}, "dims to be a whole number >= 1, got 0"),
        ({"width": 0}, "width to be a whole number >= 1, got 0"),
        ({"self_attention": -1}, "self_attention to be a whole number >= 0, got -1"),
        ({"cross_attention": 0}, "cross_attention to be a whole number >= 1, got 0"),
        ({"heads": 0}, "heads to be a whole number >= 1, got 0"),
        ({"floor": 0.0}, "positive, finite floor"),
    ],
)
def test_sizes_out_of_range_are_refused(options, message, key):
    with pytest.raises(ValueError, match=message):
        AttentiveNeuralProcess(**{"dims": 2, "width": 16, **options}, key=key)


def test_empty_sets_and_other_targets_are_refused(model, data, key):
    x, y, targets = data
    with pytest.raises(ValueError, match="at least one context and one target point, got 0 and 7"):
        model(x[:0], y[:0], targets)
    with pytest.raises(ValueError, match="at least one context"):
        model.latent(x[:0], y[:0])
    with pytest.raises(ValueError, match=r"finite context_y, got nan at index \(1, 0\)"):
        model(x, y.at[1].set(jnp.nan), targets)
    # The type checks of the suite come before the library's own; both name the argument.
    with pytest.raises((ValueError, TypeError), match="target_y"):
        model.negative_elbo(x, y, targets, jnp.zeros((6, 1)), key=key)


@pytest.mark.usefixtures("unchecked")
def test_lists_are_taken_and_half_a_width_is_not(model, data, key):
    listed = model(*(array.tolist() for array in data))
    np.testing.assert_array_equal(listed.loc, model(*data).loc)
    with pytest.raises(ValueError, match=r"width to be a whole number >= 1, got 8\.0"):
        AttentiveNeuralProcess(dims=2, width=8.0, key=key)
