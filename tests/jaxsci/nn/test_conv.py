"""Convolutions against sums written out, their transposes, and the blocks around them."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.nn import Conv, ConvBlock, GroupNorm, from_patches, to_patches
from jaxsci.nn.conv import convolve, convolve_repeated


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("periodic", [False, True])
@pytest.mark.parametrize("kernel", [(3, 5), (2, 3, 1), (1, 1)])
def test_convolution_is_the_sum_of_its_definition(kernel, periodic):
    space = (4, 5, 3)[: len(kernel)]
    x, w = normal(*space, 2), normal(*kernel, 2, 3, seed=1)
    expected = np.zeros((*space, 3))
    for s in itertools.product(*map(range, space)):
        for u in itertools.product(*map(range, kernel)):
            at = np.array(s) + u - (np.array(kernel) - 1) // 2
            if periodic:
                at = at % space
            elif (at < 0).any() or (at >= space).any():
                continue
            expected[s] += x[tuple(at)] @ w[u]
    y = eqx.filter_jit(convolve)(jnp.asarray(x), jnp.asarray(w), periodic=periodic)
    # Double precision, sums of 30 terms of order one.
    np.testing.assert_allclose(y, expected, atol=1e-13)


@pytest.mark.usefixtures("x64")
def test_upsampling_is_the_transpose_of_a_stride():
    x, y = jnp.asarray(normal(8, 6, 2)), jnp.asarray(normal(4, 3, 3, seed=1))
    w = jnp.asarray(normal(3, 3, 2, 3, seed=2))
    turned = jnp.swapaxes(w[::-1, ::-1], 2, 3)
    strided = eqx.filter_jit(convolve)(x, w, stride=2)
    upsampled = eqx.filter_jit(convolve)(y, turned, upsample=2)
    assert strided.shape == y.shape
    assert upsampled.shape == x.shape
    # Round-off of sums of some 300 terms.
    np.testing.assert_allclose(jnp.sum(strided * y), jnp.sum(x * upsampled), rtol=1e-12)


def test_group_normalisation_is_that_of_equinox(filled):
    x = jnp.asarray(normal(4, 5, 6), jnp.float32)
    norm = GroupNorm(channels=6, groups=3)
    ours = eqx.tree_at(lambda n: (n.scale, n.shift), norm, (x[0, 0], x[1, 1]))
    theirs = eqx.tree_at(lambda n: (n.weight, n.bias), eqx.nn.GroupNorm(3, 6), (x[0, 0], x[1, 1]))
    expected = jnp.moveaxis(theirs(jnp.moveaxis(x, -1, 0)), 0, -1)
    # Single precision; the variances are computed in another way.
    np.testing.assert_allclose(ours(x), expected, rtol=1e-4, atol=1e-5)


def test_a_block_is_its_parts(filled):
    block = filled(ConvBlock, in_channels=2, out_channels=24, slope=0.2)
    assert block.norm.groups == 8
    x = jnp.asarray(normal(4, 4, 2), jnp.float32)
    v = block.norm(block.conv(x))
    np.testing.assert_array_equal(block(x), jnp.where(v >= 0, v, 0.2 * v))


def test_patches_go_into_channels_and_back():
    x = jnp.arange(2 * 4 * 6 * 3).reshape(2, 4, 6, 3).astype(float)
    y = to_patches(x, 2)
    assert y.shape == (2, 2, 3, 12)
    # Channel (a · p + b) · C + c of point (i, j) is channel c of the point (p i + a, p j + b).
    assert y[1, 1, 2, (1 * 2 + 0) * 3 + 2] == x[1, 2 * 1 + 1, 2 * 2 + 0, 2]
    np.testing.assert_array_equal(from_patches(y, 2), x)


def test_what_does_not_fit_is_refused(key):
    conv = Conv(in_channels=2, out_channels=1, kernel=(3, 3), key=key)
    with pytest.raises(ValueError, match=r"2 axes and 2 channels .* got x of shape \(4, 4, 3\)"):
        conv(jnp.ones((4, 4, 3)))
    with pytest.raises(ValueError, match="one to three axes"):
        Conv(in_channels=2, out_channels=1, kernel=(), key=key)
    with pytest.raises(ValueError, match="kernel to be a whole number >= 1, got 0"):
        Conv(in_channels=2, out_channels=1, kernel=(3, 0), key=key)
    with pytest.raises(ValueError, match="no upsampling of a periodic field"):
        Conv(in_channels=2, out_channels=1, kernel=(3, 3), upsample=2, periodic=True, key=key)
    with pytest.raises(ValueError, match="a plain convolution"):
        Conv(in_channels=2, out_channels=1, kernel=(3,), stride=2, key=key).on_repeated(
            jnp.ones((4, 2)), (2,)
        )
    with pytest.raises(ValueError, match="groups to divide the channels"):
        GroupNorm(channels=6, groups=4)
    with pytest.raises(ValueError, match="multiples of 2, got 3 and 4"):
        to_patches(jnp.ones((3, 4, 1)), 2)
    with pytest.raises(ValueError, match="multiple of 4, got 3"):
        from_patches(jnp.ones((3, 4, 3)), 2)


def test_initial_weights_have_the_bound_of_their_fan_in(key):
    conv = Conv(in_channels=4, out_channels=50, kernel=(5, 5), key=key)
    largest = max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(conv))
    # 5000 uniform draws come within a hundredth of the bound.
    assert 0.99 * 0.1 < largest <= 0.1


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(("stride", "upsample"), [(1, 1), (2, 1), (3, 1), (1, 2), (1, 3)])
@pytest.mark.parametrize("kernel", [(3,), (5, 3), (4, 4), (2, 3, 3), (2, 2)])
def test_products_of_rows_are_the_convolution_of_the_compiler(kernel, stride, upsample):
    x = jnp.asarray(normal(*(7, 9, 6)[: len(kernel)], 3))
    w = jnp.asarray(normal(*kernel, 3, 2, seed=1))
    axes = "DHW"[-len(kernel) :]

    def built_in(x, w):
        return jax.lax.conv_general_dilated(
            x[None],
            w,
            window_strides=[stride] * len(kernel),
            padding=[((k - 1) // 2, k // 2 + upsample - 1) for k in kernel],
            lhs_dilation=[upsample] * len(kernel),
            dimension_numbers=(f"N{axes}C", f"{axes}IO", f"N{axes}C"),
        )[0]

    def ours(x, w):
        return convolve(x, w, stride=stride, upsample=upsample)

    # Double precision, sums of at most 54 terms of order one; then of their sines' slopes.
    np.testing.assert_allclose(jax.jit(ours)(x, w), jax.jit(built_in)(x, w), atol=1e-12)
    slopes, expected = (
        jax.jit(jax.grad(lambda x, w, f=f: jnp.sum(jnp.sin(f(x, w))), (0, 1)))(x, w)
        for f in (ours, built_in)
    )
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-11), slopes, expected)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("kernel", [(3, 3), (5, 3), (4, 2), (1, 7)])
@pytest.mark.parametrize("factors", [(1, 1), (2, 2), (1, 2), (3, 2)])
def test_repeated_points_share_products(kernel, factors):
    x, w = jnp.asarray(normal(4, 5, 3)), jnp.asarray(normal(*kernel, 3, 2, seed=1))

    def repeated(x, w):
        return convolve(x.repeat(factors[0], 0).repeat(factors[1], 1), w)

    def ours(x, w):
        return convolve_repeated(x, w, factors)

    # Double precision, sums of at most 45 terms of order one; then of their sines' slopes, six times as many.
    np.testing.assert_allclose(jax.jit(ours)(x, w), jax.jit(repeated)(x, w), atol=1e-12)
    slopes, expected = (
        jax.jit(jax.grad(lambda x, w, f=f: jnp.sum(jnp.sin(f(x, w))), (0, 1)))(x, w)
        for f in (ours, repeated)
    )
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-11), slopes, expected)


def test_shared_weights_are_summed_in_single_precision():
    # In half precision 2048 + 1 is 2048.
    w = jnp.asarray([0.0, 2048.0, 1.0, -2048.0], jnp.float32)[:, None, None]
    y = convolve_repeated(jnp.ones((2, 1), jnp.float16), w, (4,))
    assert y.dtype == jnp.float16
    assert y[1, 0] == 1


def test_half_precision_is_summed_in_single_precision():
    # In half precision the first two would overflow.
    x = jnp.asarray([60000.0, 60000.0, -60000.0], jnp.float16)[:, None, None]
    y = convolve(x, jnp.ones((3, 1, 1, 1), jnp.float16))
    assert y.dtype == jnp.float16
    assert y[1, 0, 0] == 60000


@pytest.mark.parametrize(("stride", "upsample"), [(2, 1), (1, 2)])
def test_an_empty_field_stays_empty(stride, upsample):
    y = convolve(jnp.zeros((0, 2)), jnp.ones((3, 2, 4)), stride=stride, upsample=upsample)
    assert y.shape == (0, 4)


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="other devices have fast convolutions")
@pytest.mark.parametrize(("stride", "upsample"), [(1, 1), (2, 1), (1, 2)])
def test_a_loop_on_a_cpu_has_no_convolution_of_the_compiler(stride, upsample):
    conv = Conv(
        in_channels=2,
        out_channels=2,
        kernel=(3, 3),
        stride=stride,
        upsample=upsample,
        key=jax.random.key(0),
    )

    def loss(conv, x):
        return jax.lax.scan(lambda s, x: (s + jnp.sum(conv(x) ** 2), None), 0.0, x)[0]

    slope = jax.jit(jax.grad(loss)).lower(conv, jnp.ones((3, 4, 4, 2)))
    assert "while" in slope.as_text()
    assert "convolution" not in slope.as_text()
