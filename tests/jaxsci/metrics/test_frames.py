"""Frame errors, structural similarity, El Niño skill and spectra against plain NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.metrics import (
    correlation_skill,
    frame_mae,
    frame_mse,
    lead_weights,
    mean_skill,
    nino34_index,
    radial_spectrum,
    ssim,
    weighted_mean_skill,
)

LATITUDES = np.arange(-55.0, 61.0, 5.0)
LONGITUDES = np.arange(95.0, 331.0, 5.0)


def pictures(seed=0, shape=(3, 1, 16, 14)):
    rng = np.random.default_rng(seed)
    target = rng.uniform(size=shape)
    return jnp.asarray((target + 0.2 * rng.normal(size=shape)).clip(0, 1)), jnp.asarray(target)


def test_frame_errors_are_sums_over_frames(x64):
    u, v = pictures()
    np.testing.assert_allclose(frame_mse(u, v), ((u - v) ** 2).mean() * 16 * 14, rtol=1e-13)
    np.testing.assert_allclose(frame_mae(u, v), np.abs(u - v).mean() * 16 * 14, rtol=1e-13)


def test_ssim_is_that_of_plain_loops(x64):
    u, v = pictures(shape=(2, 13, 15))
    x = np.arange(11) - 5
    window = np.exp(-(x[:, None] ** 2 + x**2) / (2 * 1.5**2))
    window /= window.sum()
    values = []
    for a, b in zip(u, v, strict=True):
        for i in range(3):
            for j in range(5):
                p, q = a[i : i + 11, j : j + 11], b[i : i + 11, j : j + 11]
                m, n = (window * p).sum(), (window * q).sum()
                s, t = (window * (p - m) ** 2).sum(), (window * (q - n) ** 2).sum()
                c = (window * (p - m) * (q - n)).sum()
                above = (2 * m * n + 1e-4) * (2 * c + 9e-4)
                values.append(above / ((m**2 + n**2 + 1e-4) * (s + t + 9e-4)))
    result = jax.jit(ssim)(u, v)
    np.testing.assert_allclose(result, np.mean(values), rtol=1e-12)
    large = jax.jit(lambda u, v: ssim(u, v, value_range=255.0))(255 * u, 255 * v)
    np.testing.assert_allclose(large, result, rtol=1e-12)


def test_ssim_is_that_of_scikit_image(x64):
    metrics = pytest.importorskip("skimage.metrics", reason="scikit-image is not a dependency")
    u, v = pictures(shape=(20, 24))
    options = {"gaussian_weights": True, "use_sample_covariance": False, "data_range": 1.0}
    expected = metrics.structural_similarity(u, v, **options)
    np.testing.assert_allclose(ssim(u, v), expected, rtol=1e-10)


def test_equal_pictures_are_similar_to_the_last_digit():
    v = jnp.asarray(pictures()[1], jnp.float32)
    compiled = jax.jit(ssim)
    np.testing.assert_allclose(compiled(v, v), 1.0, rtol=1e-6)  # a dozen float32 operations
    assert compiled(v, 1 - v) < 0
    with pytest.raises(ValueError, match="at least 11 by 11 pixels"):
        ssim(v[..., :10], v[..., :10])
    with pytest.raises(ValueError, match="a positive range"):
        ssim(v, v, value_range=0.0)


def test_the_nino_region_is_the_published_one(x64):
    sst = jnp.asarray(np.random.default_rng(0).normal(size=(2, 14, 24, 48)))
    index = nino34_index(sst, LATITUDES, LONGITUDES)
    assert index.shape == (2, 12)
    monthly = sst[:, :, 10:13, 19:30].mean((2, 3))
    expected = np.stack([monthly[:, k : k + 3].mean(1) for k in range(12)], 1)
    np.testing.assert_allclose(index, expected, rtol=1e-12)
    with pytest.raises(ValueError, match="3 latitudes, 0 longitudes"):
        nino34_index(sst, LATITUDES, LONGITUDES - 360)
    with pytest.raises(ValueError, match="at least 15 months"):
        nino34_index(sst, LATITUDES, LONGITUDES, months=15)


def test_a_field_on_other_coordinates_is_refused(unchecked):
    with pytest.raises(ValueError, match=r"\(\.\.\., time, 24, 48\), got \(3, 24, 47\)"):
        nino34_index(jnp.zeros((3, 24, 47)), LATITUDES, LONGITUDES)


def test_skill_is_the_correlation_of_each_lead(x64):
    rng = np.random.default_rng(0)
    target = jnp.asarray(rng.normal(size=(50, 12)))
    prediction = 2.0 + 0.5 * target + rng.normal(size=(50, 12))
    skill = correlation_skill(prediction, target)
    expected = [np.corrcoef(prediction[:, k], target[:, k])[0, 1] for k in range(12)]
    np.testing.assert_allclose(skill, expected, rtol=1e-12)
    np.testing.assert_allclose(mean_skill(skill), np.mean(expected), rtol=1e-12)
    weights = lead_weights(12)
    np.testing.assert_allclose(weights[[0, 1, 11]], [0.0, 1.0397, 7.4547], atol=5e-5)
    np.testing.assert_allclose(weighted_mean_skill(skill), np.mean(weights * expected), rtol=1e-12)
    perfect = correlation_skill(3 * target - 1, target)
    np.testing.assert_allclose(perfect, 1.0, rtol=1e-12)
    np.testing.assert_allclose(weighted_mean_skill(perfect), 3.40586, atol=5e-6)  # six digits given
    np.testing.assert_array_equal(lead_weights(24)[[4, 18]], [2 * np.log(5), 4 * np.log(19)])


def test_what_does_not_vary_has_no_correlation():
    target = jnp.asarray(np.random.default_rng(0).normal(size=(5, 2)), jnp.float32)
    assert bool(jnp.isnan(correlation_skill(target.at[:, 0].set(1.0), target))[0])
    with pytest.raises(ValueError, match="at least 2 forecasts"):
        correlation_skill(target[:1], target[:1])


def test_spectra_hold_all_variance_and_place_waves(x64):
    rng = np.random.default_rng(0)
    for shape in ((15, 15), (12, 20)):
        u = jnp.asarray(rng.normal(size=(2, *shape)))
        spectrum = jax.jit(lambda u: radial_spectrum(u, total=True))(u)
        np.testing.assert_allclose(spectrum.sum(-1), (u**2).mean((1, 2)), rtol=1e-12)
        np.testing.assert_allclose(spectrum[:, 0], u.mean((1, 2)) ** 2, rtol=1e-10)
    y, x = np.mgrid[:32, :32] * 2 * np.pi / 32
    wave = radial_spectrum(jnp.cos(3 * x + 4 * y), total=True)
    assert int(jnp.argmax(wave)) == 5
    np.testing.assert_allclose(wave[5], 0.5, rtol=1e-12)
    # On a grid twice as wide, three waves along the short side are six along the long one.
    y, x = np.mgrid[:16, :32] * 2 * np.pi / 16
    assert int(jnp.argmax(radial_spectrum(jnp.cos(3 * y)))) == 6


def test_white_noise_is_flat(x64):
    u = jnp.asarray(np.random.default_rng(0).normal(size=(200, 32, 32)))
    spectrum = np.asarray(radial_spectrum(u)).mean(0)
    # 200 fields and at least 4 waves in a ring: 1/√800 of the mean, at four of these.
    np.testing.assert_allclose(spectrum[1:17] * 32**2, 1.0, atol=4 / np.sqrt(800))
    with pytest.raises(ValueError, match="height, width"):
        radial_spectrum(jnp.zeros((0, 4)))
