"""Rows that a forecast asks for, and sums above bottom series."""

import numpy as np
import pandas as pd
import pytest

from jaxsci.forecasting import (
    SQRF,
    Coherent,
    Hierarchy,
    SeasonalNaive,
    aggregate_frame,
    future_rows,
)


def test_the_rows_that_predict_asks_for(tmp_path):
    pytest.importorskip("sklearn")
    rng = np.random.default_rng(0)
    days = pd.date_range("2024-03-01", periods=60, freq="D", tz="Europe/Berlin")
    price = rng.uniform(1, 2, 60)
    one = pd.DataFrame({"unique_id": "a", "ds": days, "y": 5 - price, "price": price})
    frame = pd.concat([one, one.iloc[:50].assign(unique_id="b")])
    model = SQRF(horizon=3, future=["price"], quantiles=[0.5])
    rows = future_rows(model, frame)
    assert list(rows.columns) == ["unique_id", "ds", "price"]
    assert rows.groupby("unique_id")["ds"].min().tolist() == [
        days[-1] + pd.Timedelta(days=1),
        days[50],
    ]
    assert rows["price"].isna().all()
    made = model.fit(frame).predict(frame, future=rows.assign(price=1.5))
    assert made[["unique_id", "ds"]].equals(rows[["unique_id", "ds"]])


def test_bottom_series_are_summed_to_all():
    tree = Hierarchy.from_labels({"kind": ["a", "a", "b"], "name": ["x", "y", "z"]})
    days = pd.date_range("2024-01-01", periods=20, freq="D")
    y = np.random.default_rng(0).normal(size=(3, 20)) + 5
    y[1, 3] = np.nan
    names = ["a/x", "a/y", "b/z"]
    bottom = pd.concat(
        [pd.DataFrame({"unique_id": n, "ds": days, "y": v}) for n, v in zip(names, y, strict=True)]
    )
    whole = aggregate_frame(bottom.sample(frac=1, random_state=0), tree)
    wide = whole.pivot(index="ds", columns="unique_id", values="y")[list(tree.ids)].to_numpy()
    want = np.stack([y[row == 1].sum(0) for row in np.asarray(tree.summing)], -1)
    np.testing.assert_allclose(wide, want, rtol=1e-12)  # round-off of three summands
    assert len(
        Coherent(SeasonalNaive(horizon=2, season=7), tree).fit(whole).predict(whole)
    ) == 2 * len(tree.ids)
    with pytest.raises(ValueError, match=r"3 bottom series .* such as 'a'"):
        aggregate_frame(whole, tree)
