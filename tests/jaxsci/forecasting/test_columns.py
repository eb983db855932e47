"""Covariates mean the same in whatever type they are kept, or one sentence asks what is meant."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from jaxsci.forecasting import SQRF

DAYS = pd.date_range("2024-01-01", periods=602, freq="D")
PRICE = np.append(np.round(np.random.default_rng(0).uniform(1, 9, 600), 2), [1.51, 8.51])


def frame(price):
    y = 100 - 10 * PRICE
    y[-2:] = np.nan
    return pd.DataFrame({"unique_id": "a", "ds": DAYS, "y": y, "price": price})


def medians(price):
    pytest.importorskip("sklearn")
    table = frame(price)
    model = SQRF(horizon=2, future=["price"], quantiles=[0.5])
    return model.fit(table).predict(table)["0.5"].to_numpy()


SAME = {
    "float32": lambda p: pd.Series(p).astype("float32"),
    "Float64": lambda p: pd.Series(p).astype("Float64"),
    "objects": lambda p: pd.Series(p).astype(object),
    "Decimal": lambda p: pd.Series([Decimal(f"{x:.2f}") for x in p], dtype=object),
    "arrow doubles": lambda p: pd.Series(p).astype("double[pyarrow]"),
    "arrow decimals": lambda p: _arrow_decimals(p),
}


def _arrow_decimals(price):
    arrow = pytest.importorskip("pyarrow")
    values = arrow.array([Decimal(f"{x:.2f}") for x in price], arrow.decimal128(6, 2))
    return pd.Series(pd.arrays.ArrowExtensionArray(values))


@pytest.mark.parametrize("kind", SAME)
def test_numbers_are_numbers_in_every_type(kind):
    if "arrow" in kind:
        pytest.importorskip("pyarrow")
    want = medians(PRICE)
    # 100 − 10 · 1.51 and 100 − 10 · 8.51, as near as a forest comes; a category a price gives 59.2 twice.
    np.testing.assert_allclose(want, [84.9, 14.9], atol=8)
    # float32 rounds prices, which moves no split between them.
    np.testing.assert_allclose(medians(SAME[kind](PRICE)), want, atol=1e-3)


@pytest.mark.parametrize(
    ("price", "message"),
    [
        (
            pd.Series([f"{x:.2f}" for x in PRICE]),
            r"text that reads as numbers, such as '.*'; convert it with",
        ),
        (
            pd.Series([f"{x:.2f}" for x in PRICE]).astype("string"),
            "pandas.to_numeric if numbers are meant",
        ),
        (pd.Series(DAYS), "got datetime; make numbers of it"),
        (pd.Series(DAYS - DAYS[0]), "got timedelta; make numbers of it"),
        (pd.Series([1, "1"] * 301, dtype=object), "several that are written '1'"),
    ],
)
def test_what_could_be_meant_either_way_is_asked(price, message):
    with pytest.raises(ValueError, match=message):
        medians(price)


def test_the_advice_for_text_and_dates_works():
    text = pd.Series([f"{x:.2f}" for x in PRICE])
    np.testing.assert_array_equal(medians(pd.to_numeric(text)), medians(PRICE))
    with pytest.warns(UserWarning, match="'price' has categories that were not there"):
        assert np.isfinite(medians(text.astype("category"))).all()
    assert np.isfinite(medians((DAYS - DAYS.min()) / pd.Timedelta(days=1))).all()


def test_a_category_that_is_spelt_otherwise_ahead_is_named():
    promo = np.where(np.arange(602) % 3, "no", "yes")
    table = frame(promo)
    pytest.importorskip("sklearn")
    model = SQRF(horizon=2, future=["price"], quantiles=[0.5]).fit(table)
    ahead = table.tail(2).drop(columns="y").assign(price=["Yes", "no"])
    with pytest.warns(
        UserWarning, match=r"'price' has categories .* \['Yes'\]; 'Yes' may be 'yes'"
    ):
        model.predict(table.head(600), future=ahead)
