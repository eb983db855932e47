"""The blocks of diffusion models against their definitions written with NumPy."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.nn import Conv, ResidualBlock, SpatialAttention, StepEmbedding
from jaxsci.nn.dropout import seed_of
from jaxsci.nn.residual_block import group_norm


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def silu(x):
    return x / (1 + np.exp(-x))


def normalised(norm, x, epsilon):
    groups = x.reshape(-1, norm.groups, x.shape[-1] // norm.groups)
    mean, var = groups.mean((0, 2), keepdims=True), groups.var((0, 2), keepdims=True)
    y = ((groups - mean) / np.sqrt(var + epsilon)).reshape(x.shape)
    return y * np.asarray(norm.scale) + np.asarray(norm.shift)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("channels", [8, 12])
def test_a_residual_block_is_its_formula(filled, channels):
    options = {"in_channels": 8, "out_channels": channels, "kernel": (3, 3), "embedding": 5}
    block = filled(ResidualBlock, dtype=np.float64, epsilon=1e-3, **options)
    x, e = normal(4, 5, 8), normal(5, seed=1)
    conv = lambda layer, v: np.asarray(layer(jnp.asarray(v)))
    y = conv(block.convs[0], silu(normalised(block.norms[0], x, 1e-3)))
    y = y + np.asarray(block.embedding.weight) @ silu(e) + np.asarray(block.embedding.bias)
    y = conv(block.convs[1], silu(normalised(block.norms[1], y, 1e-3)))
    expected = y + (x if channels == 8 else conv(block.shortcut, x))
    # Double precision.
    np.testing.assert_allclose(block(jnp.asarray(x), jnp.asarray(e)), expected, atol=1e-12)


def test_the_embedding_is_not_normalised_away(filled):
    """One channel a group would lose it, whatever the number of channels."""
    for channels in (4, 8, 32, 48):
        options = {"in_channels": channels, "out_channels": channels, "kernel": (3,)}
        block = filled(ResidualBlock, embedding=2, **options)
        x = jnp.asarray(normal(6, channels), jnp.float32)
        told = [block(x, jnp.full(2, value)) for value in (1.0, 2.0)]
        assert float(jnp.abs(told[1] - told[0]).max()) > 1e-3
    assert [group_norm(c).groups for c in (3, 8, 48, 128, 256, 512)] == [1, 2, 12, 32, 32, 32]


def test_a_still_block_is_the_identity_at_first():
    block = ResidualBlock(
        in_channels=4, out_channels=4, kernel=(3,), still=True, key=jax.random.key(0)
    )
    x = jnp.asarray(normal(6, 4), jnp.float32)
    np.testing.assert_array_equal(block(x), x)


def test_dropout_needs_a_seed(filled):
    options = {"in_channels": 8, "out_channels": 8, "kernel": (3,), "dropout": 0.5}
    block, x = filled(ResidualBlock, **options), jnp.asarray(normal(6, 8), jnp.float32)
    np.testing.assert_array_equal(block(x), block(x))
    dropped = [block(x, seed=seed_of(jax.random.key(i))) for i in range(2)]
    assert float(jnp.abs(dropped[0] - dropped[1]).max()) > 1e-3


def test_blocks_that_do_not_fit_are_refused(filled, unchecked):
    options = {"in_channels": 8, "out_channels": 8, "kernel": (3, 3)}
    for changes, message in (
        ({"kernel": (3, 2)}, "each size of the kernel to be odd, got 2"),
        ({"kernel": 3}, "kernel as a sequence"),
        ({"embedding": -1}, "embedding to be a whole number >= 0"),
        ({"groups": 0}, "groups to be a whole number"),
        ({"groups": 3}, "groups to divide the channels"),
        ({"epsilon": 0.0}, "epsilon > 0, got 0"),
        ({"out_channels": 1, "embedding": 2}, "more than one output channel"),
        ({"epsilon": float("nan")}, "epsilon > 0, got nan"),
    ):
        with pytest.raises(ValueError, match=message):
            ResidualBlock(**options | changes, key=jax.random.key(0))
    block = filled(ResidualBlock, embedding=2, **options)
    for x in (jnp.ones((4, 4, 16)), jnp.ones((4, 4, 1))):
        with pytest.raises(ValueError, match="fields of 8 channels"):
            block(x, jnp.ones(2))
    with pytest.raises(ValueError, match=r"embedding of shape \(2,\), got \(3,\)"):
        block(jnp.ones((4, 4, 8)), jnp.ones(3))
    with pytest.raises(ValueError, match="x in floating point, got int32"):
        block(jnp.ones((4, 4, 8), int), jnp.ones(2))


def test_half_precision_attends_to_many_points(filled):
    """Sums of weights and values over 4096 points would be infinite."""
    layer = filled(lambda key: SpatialAttention(4, key=key))
    layer = eqx.tree_at(lambda m: m.value.bias, layer, jnp.full(4, 20.0))
    assert jnp.isfinite(layer(jnp.ones((64, 64, 4), jnp.float16))).all()


@pytest.mark.usefixtures("x64")
def test_spatial_attention_is_its_formula(filled):
    layer = filled(lambda key: SpatialAttention(8, epsilon=1e-3, key=key), dtype=np.float64)
    x = normal(2, 3, 8)
    points = normalised(layer.norm, x, 1e-3).reshape(6, 8)
    q, k, v = (
        points @ np.asarray(m.weight).T + np.asarray(m.bias)
        for m in (layer.query, layer.key_, layer.value)
    )
    weights = np.exp(q @ k.T / np.sqrt(8))
    attended = weights @ v / weights.sum(axis=1, keepdims=True)
    expected = x + (attended @ np.asarray(layer.out.weight).T + layer.out.bias).reshape(x.shape)
    # Double precision.
    np.testing.assert_allclose(layer(jnp.asarray(x)), expected, atol=1e-12)


def test_the_step_as_waves(filled):
    layer = filled(StepEmbedding, waves=6, width=4)

    def expected(step):
        phase = step * 10000.0 ** (-np.arange(3) / 3)
        waves = np.concatenate([np.cos(phase), np.sin(phase)])
        hidden = silu(np.asarray(layer.hidden.weight) @ waves + np.asarray(layer.hidden.bias))
        return np.asarray(layer.out.weight) @ hidden + np.asarray(layer.out.bias)

    # Single precision, phases of up to 37.
    for step in (37, jnp.asarray(37), np.float32(37)):
        np.testing.assert_allclose(layer(step), expected(37), rtol=2e-5, atol=1e-5)
    # A step that half precision has not, and its phase in single precision.
    np.testing.assert_allclose(layer(4001), expected(4001), atol=1e-3)
    assert layer(5, jnp.bfloat16).dtype == jnp.bfloat16
    with pytest.raises(ValueError, match="expected one step"):
        layer(jnp.arange(2))
    with pytest.raises(ValueError, match="even number of waves"):
        StepEmbedding(waves=5, width=4, key=jax.random.key(0))


@pytest.mark.usefixtures("x64")
def test_a_kernel_that_reaches_ahead_sees_zeros_behind_the_last_point():
    conv = Conv(
        in_channels=1, out_channels=1, kernel=(3,), stride=2, ahead=True, key=jax.random.key(0)
    )
    x, w = normal(8, 1), np.asarray(conv.weight)[:, 0, 0]
    padded = np.append(x[:, 0], 0)
    expected = [w @ padded[i : i + 3] + float(conv.bias[0]) for i in (0, 2, 4, 6)]
    np.testing.assert_allclose(conv(jnp.asarray(x))[:, 0], expected, rtol=1e-6)
    with pytest.raises(ValueError, match="no upsampling where the kernel reaches ahead"):
        Conv(
            in_channels=1,
            out_channels=1,
            kernel=(3,),
            upsample=2,
            ahead=True,
            key=jax.random.key(0),
        )
    with pytest.raises(ValueError, match="plain convolution"):
        conv.on_repeated(jnp.asarray(x), (2,))
