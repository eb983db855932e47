"""What every metric promises: the precision of what came, any order of bytes, a sentence for no numbers."""

import inspect
import re

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest

from jaxsci import metrics
from jaxsci.constraints import DirichletEnds, Sides
from jaxsci.probabilistic import calibration, conformal
from solvers import Grid

pytestmark = pytest.mark.usefixtures("unchecked")  # what users see

LEVEL = 1e8
LEVELS = (0.1, 0.5, 0.9)
GRID = Grid.uniform((0.0, 0.0), (1.0, 2.0), (12, 13))
SHAPE = (2, 3, 12, 13)
LAT, LON = np.linspace(-6, 6, 12), np.linspace(180, 250, 13)

rng = np.random.default_rng(0)
FIELD, TRUTH, LOWER, UPPER = rng.normal(size=(4, *SHAPE))
PATH, OUTCOME, HISTORY = rng.normal(size=(9, 6)), rng.normal(size=9), rng.normal(size=(9, 20))
QUANTILES = np.sort(rng.normal(size=(9, 3)), axis=-1)
MEMBERS = rng.normal(size=(5, *SHAPE))
PROBABLE = rng.uniform(size=(9, 6))
SHOCK = np.array([[3.0, 2.0, 0.5, -1.0]])


def gaussian(metric):
    return lambda mean, target: metric(dist.Normal(mean, np.full(SHAPE, 2, mean.dtype)), target)


def boundary(u, values):
    return metrics.boundary_error(u, (values, None), Sides(DirichletEnds(), None))


def shock(x, profile):
    return metrics.shock_position(x, profile, 0.5)


def ahead(metric, **options):
    return lambda predicted, target: metric(predicted, LEVELS, target, **options)


# name: the score, its arrays, and of them those that a common level is added to where it changes no score
SCORES = {
    "allowed_event_volatility": (metrics.allowed_event_volatility, (PROBABLE,), ()),
    "allowed_volatility": (metrics.allowed_volatility, (PATH, OUTCOME), (0, 1)),
    "boundary_error": (boundary, (FIELD[0], np.array([1.0, -2.0])), (0, 1)),
    "calibration": (gaussian(calibration), (FIELD, TRUTH), (0, 1)),
    "conformal": (lambda m, t: conformal(m, t, level=0.5).radius, (FIELD, TRUTH), (0, 1)),
    "conservation_error": (
        lambda u, total: metrics.conservation_error(u, total, GRID),
        (FIELD, FIELD[..., 0, 0]),
        (),
    ),
    "contingency_counts": (
        lambda u, v: metrics.contingency_counts(u, v, (0.0, 0.3), pool=1).hits,
        (FIELD, TRUTH),
        (),
    ),
    "correlation_skill": (metrics.correlation_skill, (PATH, HISTORY[:, :6]), (0, 1)),
    "crps_gaussian": (gaussian(metrics.crps_gaussian), (FIELD, TRUTH), (0, 1)),
    "crps_quantiles": (ahead(metrics.crps_quantiles), (QUANTILES, OUTCOME), (0, 1)),
    "crps_samples": (metrics.crps_samples, (MEMBERS, TRUTH), (0, 1)),
    "excess_volatility": (metrics.excess_volatility, (PATH, OUTCOME), (0, 1)),
    "frame_mae": (metrics.frame_mae, (FIELD, TRUTH), (0, 1)),
    "frame_mse": (metrics.frame_mse, (FIELD, TRUTH), (0, 1)),
    "gaussian_log_likelihood": (gaussian(metrics.gaussian_log_likelihood), (FIELD, TRUTH), (0, 1)),
    "interval_coverage": (metrics.interval_coverage, (LOWER, UPPER, TRUTH), (0, 1, 2)),
    "martingale_volatility": (metrics.martingale_volatility, (PATH,), (0,)),
    "mase": (metrics.mase, (PATH, HISTORY[:, :6], HISTORY), (0, 1, 2)),
    "mean_skill": (metrics.mean_skill, (OUTCOME,), ()),
    "mse": (metrics.mse, (FIELD, TRUTH), (0, 1)),
    "nino34_index": (lambda sst: metrics.nino34_index(sst, LAT, LON), (FIELD,), ()),
    "owa": (metrics.owa, (PATH, PATH + 1, PATH + 2, PATH + 3), ()),
    "quantile_coverage": (ahead(metrics.quantile_coverage), (QUANTILES, OUTCOME), (0, 1)),
    "quantile_loss": (ahead(metrics.quantile_loss), (QUANTILES, OUTCOME), (0, 1)),
    "radial_spectrum": (metrics.radial_spectrum, (FIELD,), ()),
    "relative_l2": (metrics.relative_l2, (FIELD, TRUTH), ()),
    "sharpness": (lambda q: metrics.sharpness(q, LEVELS), (QUANTILES,), (0,)),
    "shock_position": (shock, (np.arange(4.0), SHOCK), ()),
    "smape": (metrics.smape, (PATH, HISTORY[:, :6]), ()),
    "ssim": (metrics.ssim, (FIELD, TRUTH), ()),
    "weighted_mean_skill": (metrics.weighted_mean_skill, (OUTCOME,), ()),
    "weighted_quantile_loss": (ahead(metrics.weighted_quantile_loss), (QUANTILES, OUTCOME), ()),
}
DISTRIBUTIONS = ("crps_gaussian", "gaussian_log_likelihood", "calibration")
NO_ARRAYS = {"lead_weights", "latitude_weights"}
DRAWS = {"shock_samples"}

every = pytest.mark.parametrize("name", SCORES)


def test_no_metric_is_left_out():
    public = {n for n, f in vars(metrics).items() if inspect.isfunction(f) and n[0] != "_"}
    assert public <= {*SCORES, *NO_ARRAYS, *DRAWS}


@every
def test_numpy_is_scored_in_its_own_precision(name):
    """Without x64: at a level of 1e8 a spread of 1 is as it is at 0, up to the rounding of float64."""
    score, arrays, moved = SCORES[name]
    got = score(*arrays)
    at = [x + LEVEL if i in moved else x for i, x in enumerate(arrays)]
    # 1e8 rounds at 1.5e-8, which every array brings once; the likelihood divides by its σ = 2.
    np.testing.assert_allclose(score(*at), got, rtol=1e-6, atol=1e-6)
    if name != "conformal":
        assert isinstance(got, np.ndarray | np.generic)
    assert all(np.array_equal(a, b) for a, b in zip(arrays, SCORES[name][1], strict=True))


@every
def test_numpy_and_jax_agree(name, x64):
    """Two ways through one formula, and at a level, where no identity says what comes."""
    score, arrays, _ = SCORES[name]
    at = [x if name == "allowed_event_volatility" else x + 1000 for x in arrays]
    jitted = jax.jit(score) if name not in ("boundary_error", "conformal") else score
    # Sums of a few hundred terms in another order.
    np.testing.assert_allclose(score(*at), jitted(*map(jnp.asarray, at)), rtol=1e-9, atol=1e-9)


@every
def test_the_order_of_bytes_does_not_matter(name):
    score, arrays, _ = SCORES[name]
    np.testing.assert_array_equal(score(*(x.astype(">f8") for x in arrays)), score(*arrays))


@every
def test_lists_are_arrays(name):
    score, arrays, _ = SCORES[name]
    if name in DISTRIBUTIONS:
        pytest.skip("a distribution is no list")
    np.testing.assert_array_equal(score(*(x.tolist() for x in arrays)), score(*arrays))


@every
@pytest.mark.parametrize("dtype", [np.float16, jnp.bfloat16])
def test_half_precision_is_scored_in_single(name, dtype):
    score, arrays, _ = SCORES[name]
    half = [x.astype(dtype) for x in arrays]
    got = score(*half)
    if name != "contingency_counts":
        assert got.dtype == np.float32
        # In single precision of the same numbers; 2e-4: float32 sums in another order.
        single = score(*(np.asarray(x, np.float32) for x in half))
        np.testing.assert_allclose(got, single, rtol=2e-4, atol=1e-5)
    if name not in ("boundary_error", "conformal"):
        ours = jax.jit(score)(*map(jnp.asarray, half))
        assert ours.dtype in (jnp.float32, jnp.int32)
        np.testing.assert_allclose(ours, got, rtol=2e-4, atol=1e-5)


ODD = {"None": None, "text": "cold", "object": object(), "ragged": [[1.0], [1.0, 2.0]], "dict": {}}


@every
@pytest.mark.parametrize("odd", ODD)
def test_what_is_no_number_gets_one_sentence(name, odd):
    score, arrays, _ = SCORES[name]
    for position in range(len(arrays)):
        if position == 0 and name in DISTRIBUTIONS:
            continue  # numpyro's own, where the distribution is built
        given = [ODD[odd] if i == position else x for i, x in enumerate(arrays)]
        with pytest.raises((TypeError, ValueError)) as caught:
            score(*given)
        assert re.match(r"\w+ expected .*got .*; .*\.$", str(caught.value)), str(caught.value)


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize(
    "call",
    [
        lambda x: metrics.crps_gaussian(x, TRUTH),
        lambda x: metrics.gaussian_log_likelihood(x, TRUTH),
        lambda x: calibration(x, TRUTH),
        lambda x: metrics.shock_samples(x, np.arange(4.0), key=jax.random.key(0)),
        lambda x: metrics.boundary_error(FIELD[0], np.zeros(2), x if x else 3),
        lambda x: metrics.quantile_loss(QUANTILES, x, OUTCOME),
        lambda x: metrics.quantile_loss(QUANTILES, LEVELS, OUTCOME, x or {}),
        lambda x: metrics.mse(FIELD, TRUTH, weights=x or {}),
        lambda x: metrics.conservation_error(FIELD, 1.0, x),
        lambda x: metrics.contingency_counts(FIELD, TRUTH, x),
        lambda x: metrics.contingency_counts(FIELD, TRUTH, pool=x),
        lambda x: metrics.ssim(FIELD, TRUTH, value_range=x),
        lambda x: metrics.mase(PATH, PATH, HISTORY, season=x),
        lambda x: metrics.nino34_index(FIELD, x, LON),
        lambda x: metrics.nino34_index(FIELD, LAT, LON, months=x),
        lambda x: metrics.shock_position(np.arange(4.0), SHOCK, x),
        lambda x: metrics.lead_weights(x),
        lambda x: metrics.RunningMean.empty().add(x),
        lambda x: metrics.RunningCorrelation.empty(2).add(x, x),
    ],
)
def test_other_arguments_get_one_sentence_too(call, odd):
    with pytest.raises((TypeError, ValueError)) as caught:
        call(ODD[odd])
    assert re.match(r"[\w ]+ expected .*got .*; .*\.$", str(caught.value)), str(caught.value)


@every
def test_complex_numbers_are_scored_or_refused(name):
    score, arrays, _ = SCORES[name]
    turned = [x * np.exp(0.7j) for x in arrays]
    if name in ("mse", "frame_mse", "frame_mae", "relative_l2", "radial_spectrum"):
        # A rotation of the plane changes no size.
        np.testing.assert_allclose(score(*turned), score(*arrays), rtol=1e-12)
    elif name not in DISTRIBUTIONS:
        with pytest.raises(ValueError, match=r"expected (real|a floating)"):
            score(*turned)


def test_the_scores_that_single_precision_gets_wrong():
    y, q = np.array([1e8 + 1]), np.array([[1e8, 1e8 + 3]])
    np.testing.assert_allclose(metrics.quantile_loss(q, (0.1, 0.9), y), 0.15, rtol=1e-12)
    np.testing.assert_array_equal(metrics.quantile_coverage(q, (0.1, 0.9), y), [0, 1])
    # A JAX array that meets NumPy's is exact in double precision; it is the other that must not be cut.
    np.testing.assert_allclose(metrics.mse(jnp.array([1e8]), np.array([1e8 + 1])), 1.0)
    # Whole numbers that wrap in their own precision.
    assert metrics.mse(np.array([200], np.uint8), np.array([100], np.uint8)) == 1e4


def test_complex_and_half_precision_by_hand():
    assert metrics.mse(1j, 0) == 1
    assert metrics.relative_l2(1 + 1j, 1) == 1
    ones = jnp.full((300, 300), 1.0, jnp.float16)
    more = jnp.full((300, 300), 1.1, jnp.float16)
    value, slope = jax.jit(jax.value_and_grad(metrics.relative_l2))(more, ones)
    np.testing.assert_allclose(value, 0.1, atol=1e-3)  # 1.1 in half precision
    # u − v is everywhere the same, so its norm grows by 1/√n over ‖v‖ = √n for each of n points.
    np.testing.assert_allclose(slope.sum(dtype=np.float32), 1.0, rtol=3e-3)
    assert slope.dtype == jnp.float16
    assert metrics.mse(jnp.full(4, 300, jnp.float16), jnp.zeros(4, jnp.float16)) == 90000
    complex_slope = jax.jit(jax.grad(lambda z: metrics.mse(z, jnp.zeros(2, jnp.complex64))))
    np.testing.assert_allclose(complex_slope(jnp.array([1 + 2j, 0])), [1 - 2j, 0])  # JAX's ∂/∂z
