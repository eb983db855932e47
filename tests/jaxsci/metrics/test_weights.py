"""Means over points that count by their volume, and ensembles of which members are missing."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest

from jaxsci.metrics import (
    crps_gaussian,
    crps_samples,
    gaussian_log_likelihood,
    interval_coverage,
    latitude_weights,
    mse,
    relative_l2,
)
from solvers import Grid

rng = np.random.default_rng(0)
FACES = np.array([0.0, 1.0, 3.0, 3.5]), np.array([0.0, 2.0, 2.25])
GRID = Grid(*FACES)
U, V = rng.normal(size=(2, 4, 3, 2))  # channels, x, y
MEMBERS = rng.normal(size=(6, 4, 3, 2))

SCORES = {
    "mse": lambda u, v, w=None: mse(u, v, weights=w),
    "relative_l2": lambda u, v, w=None: relative_l2(u, v, weights=w),
    "interval_coverage": lambda u, v, w=None: interval_coverage(u - 1, u + 1, v, weights=w),
    "crps_samples": lambda u, v, w=None: crps_samples(u + MEMBERS[..., :1, :1], v, weights=w),
    "crps_gaussian": lambda u, v, w=None: crps_gaussian(dist.Normal(u, 2.0), v, weights=w),
    "likelihood": lambda u, v, w=None: gaussian_log_likelihood(dist.Normal(u, 2.0), v, weights=w),
}


@pytest.mark.parametrize("name", SCORES)
def test_a_cell_counts_as_often_as_it_holds_the_smallest_one(name):
    """On a refined grid of equal cells, where nothing has to be weighted, the score is the same."""
    score = SCORES[name]
    repeat = lambda x: x.repeat([4, 8, 2], axis=1).repeat([8, 1], axis=2)
    expected = score(repeat(U), repeat(V))
    np.testing.assert_allclose(score(U, V, GRID), expected, rtol=1e-12)
    np.testing.assert_allclose(score(U, V, 1e-30 * GRID.volumes), expected, rtol=1e-12)
    np.testing.assert_allclose(score(U, V, np.ones((3, 1))), score(U, V), rtol=1e-12)
    # Points of no weight are as if they were not there.
    alone = np.array([[1], [0], [1]])
    np.testing.assert_allclose(
        score(U, V, alone), score(U[:, ::2], V[:, ::2], np.ones((2, 1))), rtol=1e-12
    )


def test_weighted_losses_have_a_gradient_and_traced_weights():
    u, v, w = (jnp.asarray(x, jnp.float32) for x in (U, V, GRID.volumes))
    loss = jax.jit(jax.value_and_grad(lambda u, w: mse(u, v, weights=w)))
    value, slope = loss(u, w)
    np.testing.assert_allclose(value, mse(U, V, weights=GRID), rtol=1e-5)
    shares = GRID.volumes / GRID.volumes.sum() / 4
    np.testing.assert_allclose(slope, 2 * shares * (U - V), rtol=1e-4, atol=1e-7)


def test_a_mean_over_latitudes_is_one_over_the_sphere():
    """∫ sin²φ dA / 4π = 1/3, by bands of 1 degree, with poles and without, from either side."""
    for phi in (np.linspace(-90, 90, 181), np.linspace(89.5, -89.5, 180)):
        field = np.broadcast_to(np.sin(np.radians(phi))[:, None], (2, phi.size, 4))
        weights = latitude_weights(phi)
        assert weights.shape == (phi.size, 1)
        np.testing.assert_allclose(weights.mean(), 1, rtol=1e-12)
        # The midpoint rule in bands of h: an error of h²/12 of the second derivative, or so.
        got = mse(field, np.zeros_like(field), weights=weights)
        np.testing.assert_allclose(got, 1 / 3, atol=np.radians(1) ** 2 / 12)


@pytest.mark.parametrize(
    "weights",
    [np.ones(3), np.ones((4, 3, 2, 1)), np.zeros(2), -np.ones(2), np.array([1, np.nan]), 1.0, 1j],
)
def test_weights_that_do_not_fit_are_refused(weights, unchecked):
    with pytest.raises(ValueError, match=r"^mse expected .*weights"):
        mse(U, V, weights=weights)


@pytest.mark.parametrize("phi", [[0.0], [0, 0, 1], [-91, 0, 91], [[0.0, 1.0]], [0, np.nan]])
def test_latitudes_that_are_none_are_refused(phi, unchecked):
    with pytest.raises(ValueError, match="latitude_weights expected at least 2 latitudes"):
        latitude_weights(np.asarray(phi))


@pytest.mark.parametrize("fair", [True, False])
def test_a_missing_member_is_as_if_it_had_never_been(fair):
    score = lambda x, y=V: crps_samples(x, y, fair=fair, skip_missing=True)
    gone = MEMBERS.copy()
    gone[[1, 4]] = np.nan
    np.testing.assert_allclose(score(gone), score(MEMBERS[[0, 2, 3, 5]]), rtol=1e-13)
    assert score(MEMBERS) == crps_samples(MEMBERS, V, fair=fair)
    assert np.isnan(crps_samples(gone, V, fair=fair))
    # Other members at each point.
    holes = np.where(rng.uniform(size=MEMBERS.shape) < 0.4, np.nan, MEMBERS)
    holes[:2] = MEMBERS[:2]
    points = [
        score(x[~np.isnan(x)][:, None], y[None])
        for x, y in zip(holes.reshape(6, -1).T, V.ravel(), strict=True)
    ]
    np.testing.assert_allclose(score(holes), np.mean(points), rtol=1e-13)
    ours = jax.jit(jax.value_and_grad(score))
    value, slope = ours(jnp.asarray(holes, jnp.float32), jnp.asarray(V, jnp.float32))
    np.testing.assert_allclose(value, np.mean(points), rtol=1e-5)
    assert np.isfinite(slope).all()
    assert (np.asarray(slope)[np.isnan(holes)] == 0).all()


def test_a_point_without_enough_members_is_refused():
    gone = MEMBERS.copy()
    gone[1:, 0, 0, 0] = np.nan
    with pytest.raises(ValueError, match=r"at least 2 samples.* 1 that are not missing at 1 of 24"):
        crps_samples(gone, V, skip_missing=True)
    score = jax.jit(lambda x: crps_samples(x, jnp.asarray(V, jnp.float32), skip_missing=True))
    assert jnp.isnan(score(jnp.asarray(gone, jnp.float32)))
