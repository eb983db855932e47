"""Spectral convolution: both transforms agree, resolution does not matter, gradients are right."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from jaxsci.nn import SpectralConv, choose_transform

CASES = [
    ((32,), (9,)),
    ((33,), (9,)),
    ((16,), (9,)),
    ((12, 10), (3, 4)),
    ((9, 12), (4, 7)),
    ((8, 6, 10), (2, 3, 4)),
]


def double(module):
    return jax.tree.map(lambda w: w.astype(jnp.float64), module)


def build(modes, transform, channels=(2, 3)):
    conv = SpectralConv(
        in_channels=channels[0],
        out_channels=channels[1],
        modes=modes,
        transform=transform,
        key=jax.random.key(0),
    )
    return double(conv)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(("space", "modes"), CASES)
def test_transforms_agree_with_the_full_spectrum(space, modes):
    x = jax.random.normal(jax.random.key(1), (2, *space))
    conv = build(modes, "fft")
    spectrum = np.fft.rfftn(np.asarray(x), axes=range(1, x.ndim))
    full = np.zeros((3, *spectrum.shape[1:]), complex)
    weights = np.asarray(conv.real) + 1j * np.asarray(conv.imag)
    for index in np.ndindex(*weights.shape[:-2]):
        # Kept frequencies of the leading axes are 0 .. m-1, -m .. -1.
        k = (
            tuple(i if i < m else i - 2 * m for i, m in zip(index[:-1], modes[:-1], strict=True))
            + index[-1:]
        )
        full[(slice(None), *k)] = weights[index] @ spectrum[(slice(None), *k)]
    expected = np.fft.irfftn(full, s=space, axes=range(1, x.ndim))
    for transform in ("fft", "dft"):
        # Float64 round-off of sums over at most 500 points.
        np.testing.assert_allclose(build(modes, transform)(x), expected, atol=1e-14)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("transform", ["fft", "dft"])
def test_same_map_at_every_resolution(transform):
    conv = build((4,), transform)
    field = lambda n: jnp.stack(
        [
            jnp.sin(2 * jnp.pi * jnp.arange(1.0 * n) / n),
            jnp.cos(6 * jnp.pi * jnp.arange(1.0 * n) / n),
        ]
    )
    # Band-limited input: coarse and fine results are samples of one function.
    np.testing.assert_allclose(conv(field(96))[:, ::4], conv(field(24)), atol=1e-14)


@pytest.mark.usefixtures("x64")
def test_commutes_with_translations():
    conv = build((4, 3), "auto")
    x = jax.random.normal(jax.random.key(1), (2, 10, 12))
    np.testing.assert_allclose(
        conv(jnp.roll(x, (3, 5), (1, 2))), jnp.roll(conv(x), (3, 5), (1, 2)), atol=1e-14
    )


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("transform", ["fft", "dft"])
def test_gradients_match_finite_differences(transform):
    conv = build((4, 3), transform)
    x = jax.random.normal(jax.random.key(1), (2, 9, 8))
    check_grads(lambda c, x: jnp.sum(c(jnp.asarray(x)) ** 3), (conv, x), order=1, modes=["rev"])


def test_float32_stays_float32_and_the_choice_is_made_in_one_place(key):
    conv = SpectralConv(in_channels=2, out_channels=2, modes=(4,), key=key)
    assert conv(jnp.ones((2, 16))).dtype == jnp.float32
    assert choose_transform((256,), (16,), platform="cpu") == "dft"
    assert choose_transform((256,), (128,), platform="cpu") == "fft"
    assert choose_transform((256,), (16,), platform="gpu") == "fft"
    call = jax.jit(lambda c, x: c(x))
    assert "stablehlo.fft" not in call.lower(conv, jnp.ones((2, 16))).as_text()
    many = SpectralConv(in_channels=2, out_channels=2, modes=(40,), key=key)
    assert "stablehlo.fft" in call.lower(many, jnp.ones((2, 100))).as_text()


@pytest.mark.usefixtures("x64")
def test_identity_start_is_a_low_pass_filter(key):
    conv = SpectralConv(in_channels=2, out_channels=2, modes=(4,), identity=1.0, key=key)
    s = 2 * jnp.pi * jnp.arange(32.0) / 32
    x = jnp.stack([jnp.sin(2 * s), jnp.sin(9 * s)])
    # The random part has size 1/4 a weight; the identity passes mode 2 and nothing passes mode 9.
    spectrum = jnp.abs(jnp.fft.rfft(double(conv)(x), axis=-1)) / 16
    assert abs(spectrum[0, 2] - 1) < 0.6
    assert spectrum[:, 4:].max() < 1e-14


def test_bad_input_is_refused(key):
    with pytest.raises(ValueError, match="tuple of positive integers"):
        SpectralConv(in_channels=1, out_channels=1, modes=(0,), key=key)
    conv = SpectralConv(in_channels=2, out_channels=1, modes=(5,), key=key)
    with pytest.raises(
        ValueError, match=r"shape \(channels=2, nx\), got \(4, 2, 16\); use jax.vmap"
    ):
        conv(jnp.ones((4, 2, 16)))
    with pytest.raises(ValueError, match=r"at least .* points"):
        conv(jnp.ones((2, 7)))
    with pytest.raises(ValueError, match="as many space axes"):
        choose_transform((4, 4), (2,))


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16])
def test_half_precision_has_no_fft(dtype, key):
    options = {"in_channels": 2, "out_channels": 2, "modes": (40,), "key": key}
    x = jax.random.normal(key, (2, 100)).astype(dtype)
    with pytest.raises(ValueError, match=f"transform='fft', got {jnp.dtype(dtype)}; use"):
        SpectralConv(transform="fft", **options)(x)
    # More modes than the product of matrices is chosen for in single precision.
    single, half = (SpectralConv(**options) for _ in range(2))
    out, expected = jax.jit(lambda x: (half(x), single(x.astype(jnp.float32))))(x)
    assert out.dtype == dtype
    # Sums of a hundred products of 8 or 11 bits.
    np.testing.assert_allclose(out.astype(jnp.float32), expected, atol=0.1)
