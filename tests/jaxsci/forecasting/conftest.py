"""Small series and networks that the tests of forecasting share."""

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from jaxsci.forecasting.scaling import Prior, causal_normal
from jaxsci.forecasting.series import Series


def seasonal_frame(series=4, length=60, season=6, *, seed=0):
    """Noisy seasonal series of different size and length, with covariates of every role."""
    rng = np.random.default_rng(seed)
    parts = []
    for i in range(series):
        n = length - 7 * i
        t = np.arange(n)
        y = 10.0**i * (3 + np.sin(2 * np.pi * t / season) + 0.1 * rng.normal(size=n))
        parts.append(
            pd.DataFrame(
                {
                    "unique_id": f"series {i}",
                    "ds": pd.date_range("2021-01-01", periods=n, freq="D"),
                    "y": y,
                    "sales": rng.normal(size=n),
                    "event": rng.choice(["none", "fair"], size=n),
                    "size": float(i),
                    "kind": "ab"[i % 2],
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


@pytest.fixture
def frame():
    return seasonal_frame()


def make_series(length, horizon, *, key, started=0, missing=0.1, dtype=jnp.float64, half_life=10.0):
    """A random series of which the first dates were not observed, as padding is not."""
    keys = jax.random.split(key, 4)
    observed = jax.random.bernoulli(keys[0], 1 - missing, (length,))
    observed = observed.at[started].set(True) & (jnp.arange(length) >= started)
    y = 5 + jax.random.normal(keys[1], (length,), dtype)
    past = jnp.where(
        jnp.arange(length)[:, None] >= started, jax.random.normal(keys[2], (length, 2), dtype), 0
    )
    future = jax.random.normal(keys[3], (length + horizon, 3), dtype)
    return normalised(y, observed, past, future, half_life=half_life)


def normalised(y, observed, past, future, *, half_life=10.0):
    """A series whose level and scale are those of its targets."""
    prior = Prior()
    normal = causal_normal(y, observed, prior, half_life=half_life)
    return Series(
        y=y,
        observed=observed,
        level=normal.level,
        scale=normal.scale,
        zero=jnp.zeros((), y.dtype),
        started=normal.started,
        past=past,
        future=future,
        static=jnp.ones(1, y.dtype),
        codes=jnp.array([1], jnp.int32),
    )


@pytest.fixture
def as_series():
    return normalised


@pytest.fixture
def random_series():
    return make_series


@pytest.fixture(scope="session")
def frames():
    return seasonal_frame
