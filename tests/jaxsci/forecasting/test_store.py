"""Series on disk: the same panels, batches and forecasts as from a frame in memory."""

import gc
import threading
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from jaxsci.forecasting import MLP, MQCNN, SQRF, SeasonalNaive, SeriesStore, Stretches, load
from jaxsci.forecasting.forking import SeriesArrays
from jaxsci.forecasting.scaling import Prior

pytest.importorskip("pyarrow", reason="needs pyarrow, of the extra forecast")
H, FORKS, LENGTH = 3, 8, 15
PRIOR = Prior(level=2.0, scale=3.0, size=6.0)
OPTIONS: dict[str, Any] = {
    "horizon": H,
    "season": 6,
    "past": ["sales"],
    "future": ["event"],
    "static": ["size", "kind"],
}


@pytest.fixture
def shuffled(frame):
    """Rows in no order, of which some have no target; more than the horizon lies ahead of the last one."""
    frame = frame.copy()
    last = frame.groupby("unique_id")["ds"].transform("max")
    frame.loc[frame["ds"] > last - pd.Timedelta(days=H), "y"] = np.nan
    frame.loc[::11, "y"] = np.nan
    return frame.sample(frac=1, random_state=0).reset_index(drop=True)


@pytest.fixture
def files(tmp_path, shuffled):
    """The rows in two files of a folder."""
    folder = tmp_path / "rows"
    folder.mkdir()
    shuffled[:100].to_parquet(folder / "a.parquet")
    shuffled[100:].to_parquet(folder / "b.parquet")
    return folder


@pytest.fixture
def store(tmp_path, files):
    return SeasonalNaive(**OPTIONS).write_store(files, tmp_path / "store", rows=30)


def network():
    sizes: dict[str, Any] = {"width": 4, "window": 6, "steps": 4, "forks": 8, "batch_size": 4}
    return MLP(**(OPTIONS | sizes))


@pytest.fixture
def stretches(store):
    made = Stretches(store, PRIOR, half_life=10.0, length=LENGTH, forks=FORKS, horizon=H)
    yield made
    made.close()
    assert not list(store.path.glob("normals-*"))


def test_parts_have_the_series_of_the_frame(store, shuffled):
    assert 1 < len(store) <= 4
    assert store.series == 4
    schema = SeasonalNaive(**OPTIONS)._learn_schema(shuffled)
    whole = schema.panel(shuffled)
    for part in store:
        rows = np.flatnonzero(np.isin(whole.ids, part.ids))
        assert part.ids.tolist() == whole.ids[rows].tolist()
        theirs = part.length + H
        for name in ("y", "observed", "past"):
            expected = getattr(whole, name)[rows][:, -part.length :]
            np.testing.assert_allclose(getattr(part, name), expected, rtol=1e-6, err_msg=name)
        np.testing.assert_allclose(part.future, whole.future[rows][:, -theirs:], atol=1e-6)
        np.testing.assert_allclose(part.static, whole.static[rows], rtol=1e-6)
        np.testing.assert_array_equal(part.codes, whole.codes[rows])
        np.testing.assert_array_equal(part.ends, whole.ends[rows])
        assert part.categories == whole.categories


def test_gaps_of_numbers_are_marked_in_parts_too(frame, tmp_path):
    gaps = frame.assign(
        size=frame["size"].where(frame["unique_id"] != "series 2"),
        sales=frame["sales"].mask(frame.index % 7 == 0),
    )
    source = tmp_path / "gaps.parquet"
    gaps.to_parquet(source)
    naive = SeasonalNaive(**OPTIONS)
    store = naive.write_store(source, tmp_path / "gaps", rows=60)
    whole = naive._learn_schema(gaps).panel(gaps)
    assert whole.static.shape[1] == 2
    for part in store:
        rows = np.flatnonzero(np.isin(whole.ids, part.ids))
        np.testing.assert_allclose(part.static, whole.static[rows], rtol=1e-6)
        past = whole.past[rows][:, -part.length :]
        np.testing.assert_allclose(part.past, past, rtol=1e-6, atol=1e-7)


def test_a_schema_of_parts_is_that_of_the_whole(frame):
    learn = SeasonalNaive(**OPTIONS)._learn_schema
    names = frame["unique_id"].unique()
    parts = [frame[frame["unique_id"].isin(some)] for some in (names[:1], names[1:])]
    whole, joined = learn(frame), learn(iter(parts))
    assert joined.calendar == whole.calendar
    for role in ("past", "future", "static"):
        for one, other in zip(getattr(joined, role), getattr(whole, role), strict=True):
            assert one.levels == other.levels
            # Sums in another order.
            np.testing.assert_allclose([one.mean, one.scale], [other.mean, other.scale], rtol=1e-12)


@pytest.mark.parametrize(("steps", "spacing"), [((4, 6), 2), ((4, 4), 1)])
def test_counters_of_parts_have_the_largest_spacing_that_fits(steps, spacing):
    parts = [
        pd.DataFrame({"unique_id": i, "ds": i * spacing + step * np.arange(5), "y": 1.0})
        for i, step in enumerate(steps)
    ]
    # One date alone has no spacing.
    parts.insert(0, parts[0][:1].assign(unique_id=9))
    model = SeasonalNaive(horizon=2)
    joined = model._learn_schema(iter(parts)).calendar
    assert joined == model._learn_schema(pd.concat(parts)).calendar
    assert joined.spacing == spacing


def test_parts_tell_of_dates_together():
    """Business days, of which the first part sees a week."""
    days = pd.date_range("2024-01-01", periods=40, freq="B")
    parts = [
        pd.DataFrame({"unique_id": name, "ds": dates, "y": 1.0})
        for name, dates in (("short", days[:5]), ("long", days))
    ]
    model = SeasonalNaive(horizon=2)
    assert (
        model._learn_schema(iter(parts)).calendar == model._learn_schema(pd.concat(parts)).calendar
    )
    assert model._learn_schema(iter(parts)).calendar.spacing == "B"


def test_days_in_files_are_dates(tmp_path, frame):
    import pyarrow
    import pyarrow.parquet

    path = tmp_path / "days.parquet"
    frame.assign(ds=frame["ds"].dt.date).to_parquet(path)
    assert pyarrow.parquet.read_schema(path).field("ds").type == pyarrow.date32()
    model = SeasonalNaive(horizon=H, season=6)
    expected = model.fit(frame).predict(frame)
    store = SeasonalNaive(horizon=H, season=6).write_store(path, tmp_path / "store", rows=30)
    for source in (path, str(path), store):
        found = SeasonalNaive(horizon=H, season=6).fit(source).predict(source)
        pd.testing.assert_frame_equal(found, expected, rtol=1e-6, check_dtype=False)


def test_truth_values_are_numbers_where_some_are_missing(tmp_path, shuffled):
    flags = shuffled["sales"].gt(0).astype("boolean").mask(shuffled["unique_id"] == "series 1")
    shuffled.assign(sales=flags).to_parquet(tmp_path / "rows.parquet")
    model = SeasonalNaive(**OPTIONS)
    store = model.write_store(tmp_path / "rows.parquet", tmp_path / "store", rows=30)
    assert store.schema.past[0].levels is None
    expected = model._learn_schema(pd.read_parquet(tmp_path / "rows.parquet")).past[0]
    np.testing.assert_allclose(store.schema.past[0].mean, expected.mean, rtol=1e-12)


def test_files_of_other_types_and_folders_of_one_kind_make_one_frame(tmp_path, shuffled):
    for kind, rows in shuffled.groupby("kind"):
        folder = tmp_path / "rows" / f"kind={kind}"
        folder.mkdir(parents=True)
        rows = rows.drop(columns="kind")
        # Nothing but missing values has a type of its own, and so have whole numbers.
        rows = rows.assign(event=None, size=rows["size"].astype(int)) if kind == "a" else rows
        rows.to_parquet(folder / "rows.parquet")
    (tmp_path / "rows" / "README.txt").write_text("not read")
    store = SeasonalNaive(**OPTIONS).write_store(tmp_path / "rows", tmp_path / "store", rows=30)
    (kinds,) = (c.levels for c in store.schema.static if c.name == "kind")
    assert kinds == ("a", "b")
    assert store.series == 4


def test_series_far_apart_need_no_table_of_dates(tmp_path):
    near, far = (
        pd.DataFrame({"unique_id": i, "ds": start + np.arange(20), "y": np.arange(20.0)})
        for i, start in enumerate((0, 2 * 10**9))
    )
    pd.concat([near, far]).to_parquet(tmp_path / "rows.parquet")
    model = SeasonalNaive(horizon=2, season=7)
    store = model.write_store(tmp_path / "rows.parquet", tmp_path / "store", rows=20)
    found = model.fit(store).predict(store)
    pd.testing.assert_frame_equal(
        found, model.predict(pd.concat([near, far])), check_dtype=False, rtol=1e-6
    )


def test_training_leaves_nothing_open(store):
    readers = lambda: {t for t in threading.enumerate() if "jaxsci-read-ahead" in t.name}
    before, maps = readers(), Path("/proc/self/maps")
    network().fit(store)
    assert readers() <= before
    assert not list(store.path.glob("normals-*"))
    if maps.exists():
        gc.collect()
        assert "normals-" not in maps.read_text()


def test_stretches_make_every_forecast_once_as_from_memory(store, stretches):
    made, item = {}, 0
    for part in store:
        arrays = SeriesArrays.of(part, PRIOR, half_life=10.0, pad=LENGTH)
        for row, name in enumerate(part.ids):
            first = int(part.observed[row].argmax())
            for begin in range(first - 1, part.length - 1, FORKS):
                found = stretches[item]
                targets, asked = found.pop("targets"), found.pop("asked")
                end = min(begin + FORKS - 1, part.length - 2)
                place = jnp.asarray(row), jnp.asarray(end)
                expected = arrays.stretch(*place, LENGTH, H, dates=FORKS)
                for key, array in found.items():
                    theirs = getattr(expected, key)
                    np.testing.assert_allclose(array, theirs, rtol=1e-5, atol=1e-6, err_msg=key)
                for fork, h in zip(*np.nonzero(asked), strict=True):
                    column = end - FORKS + 1 + fork + 1 + h
                    found_y = (targets[fork, h] - found["zero"]) * PRIOR.unit
                    # Differences from a level of 10⁴ at most, in single precision.
                    np.testing.assert_allclose(found_y, part.y[row, column], rtol=1e-6, atol=1e-3)
                    made[name, column, h] = made.get((name, column, h), 0) + 1
                item += 1
    assert item == len(stretches)
    known = {
        (name, column, h)
        for part in store
        for row, name in enumerate(part.ids)
        for column in np.flatnonzero(part.observed[row])
        for h in range(H)
        if column - h - 1 >= int(part.observed[row].argmax()) - 1
    }
    assert set(made) == known
    assert set(made.values()) == {1}


def test_forecasts_are_those_from_a_frame(store, shuffled, tmp_path):
    model = network().fit(store)
    order = ["unique_id", "ds"]
    found = model.predict(store).sort_values(order, ignore_index=True)
    expected = model.predict(shuffled).sort_values(order, ignore_index=True)
    pd.testing.assert_frame_equal(found, expected, rtol=1e-4, check_dtype=False)
    framed = network().fit(shuffled)._prior
    np.testing.assert_allclose(model._prior, framed, rtol=1e-12)
    model.save(tmp_path / "model")
    again = load(tmp_path / "model").predict(SeriesStore(store.path))
    pd.testing.assert_frame_equal(again.sort_values(order, ignore_index=True), found)


def test_series_learn_nothing_of_each_other(store):
    found = SeasonalNaive(**OPTIONS).fit(store).predict(store)
    assert len(found) == 4 * H


def test_grain_reads_stretches(stretches):
    import grain

    stream = grain.MapDataset.source(stretches).shuffle(seed=0).batch(2).to_iter_dataset()
    batch = next(iter(stream))
    assert batch["targets"].shape == batch["asked"].shape == (2, FORKS, H)
    assert batch["future"].shape[:2] == (2, LENGTH + H)


def test_a_store_for_other_options_is_refused(store):
    longer: dict[str, Any] = OPTIONS | {"horizon": H + 1}
    other = MQCNN(**longer)
    with pytest.raises(
        ValueError, match=r"MQCNN.fit expected a store of horizon=4, got one of horizon=3; write"
    ):
        other.fit(store)
    with pytest.raises(ValueError, match=r"a store of freq='h', got one of freq='D'"):
        SeasonalNaive(**OPTIONS, freq="h").fit(store)
    with pytest.raises(TypeError, match=r"cross_validate expected a frame, got SeriesStore"):
        SeasonalNaive(**OPTIONS).cross_validate(store)
    with pytest.raises(TypeError, match=r"backtest expected a frame, got SeriesStore"):
        SeasonalNaive(**OPTIONS).fit(store).backtest(store, 2)
    with pytest.raises(ValueError, match=r"a parquet file or a folder .* open a store with"):
        SeasonalNaive(**OPTIONS).fit(store.path)
    with pytest.raises(
        TypeError, match=r"SQRF.fit expected a frame, got SeriesStore.* only networks"
    ):
        SQRF(**OPTIONS).fit(store)


def test_a_store_of_other_columns_is_not_forecast(tmp_path, store, shuffled):
    model = SeasonalNaive(**OPTIONS).fit(store)
    later = shuffled.assign(sales=2 * shuffled["sales"])
    later.to_parquet(tmp_path / "later.parquet")
    stranger = SeasonalNaive(**OPTIONS).write_store(
        tmp_path / "later.parquet", tmp_path / "stranger"
    )
    with pytest.raises(ValueError, match=r"columns that were learned.* write it with the fitted"):
        model.predict(stranger)
    # Written by the fitted one, it has what was learned.
    assert (
        len(model.predict(model.write_store(tmp_path / "later.parquet", tmp_path / "own"))) == 4 * H
    )
    with pytest.raises(ValueError, match="expected a store alone, got future rows"):
        model.predict(store, shuffled)


def test_covariates_that_are_not_known_ahead_are_refused_when_they_are_needed(tmp_path, shuffled):
    shuffled.dropna(subset="y").to_parquet(tmp_path / "rows.parquet")
    model = SeasonalNaive(**OPTIONS)
    store = model.write_store(tmp_path / "rows.parquet", tmp_path / "store")
    model.fit(store)
    with pytest.raises(ValueError, match=r"\['event'\] for 3 dates .*; write a store of files"):
        model.predict(store)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.drop(columns="sales"), r"rows with the columns .* without \['sales'\]"),
        (lambda f: f[:0], "got 0 rows"),
        (lambda f: pd.concat([f, f[:1]]), "one row for each series and date"),
        (lambda f: f.assign(y=np.nan), "at least one known target"),
        (lambda f: f.assign(sales=np.inf), "numbers of at most 1e\\+30 in column 'sales', got inf"),
        (lambda f: f.assign(size=range(len(f))), "one value of the static covariate 'size'"),
        (lambda f: f.assign(ds=f["ds"].dt.strftime("%d.%m.%Y")), "ds as timestamps"),
        (
            lambda f: f.assign(unique_id=f["ds"]),
            "unique_id as strings or whole numbers, got timestamp",
        ),
        (lambda f: f.assign(y=1e39), "targets of at most 1e\\+30, got 1e"),
    ],
)
def test_files_that_do_not_fit_are_refused(tmp_path, shuffled, change, message):
    change(shuffled).to_parquet(tmp_path / "rows.parquet")
    with pytest.raises(ValueError, match=message):
        network().write_store(tmp_path / "rows.parquet", tmp_path / "store", rows=60)
    # Nothing is left behind.
    assert [path.name for path in tmp_path.iterdir()] == ["rows.parquet"]


def test_paths_that_do_not_fit_are_refused(tmp_path, store, files):
    model = network()
    with pytest.raises(FileExistsError, match="write_store expected a new folder"):
        model.write_store(files, store.path)
    with pytest.raises(FileNotFoundError, match="the path of a parquet file"):
        model.write_store(tmp_path / "nothing.parquet", tmp_path / "other")
    (tmp_path / "text.parquet").write_text("no parquet")
    with pytest.raises(ValueError, match="expected parquet files"):
        model.write_store(tmp_path / "text.parquet", tmp_path / "other")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"files \*.parquet, got none"):
        model.write_store(tmp_path / "empty", tmp_path / "other")
    pd.read_parquet(files / "a.parquet").drop(columns="y").to_parquet(files / "c.parquet")
    with pytest.raises(ValueError, match=r"the same columns, got \['y'\] in only one"):
        model.write_store(files, tmp_path / "other")
    with open(store.path / "y.bin", "ab") as file:
        file.write(b"more")
    with pytest.raises(ValueError, match=r"a whole store .*y.bin has"):
        SeriesStore(store.path)
    with pytest.raises(FileNotFoundError, match=r"with its store.json, at .*, got another"):
        SeriesStore(files)
    (store.path / "store.json").write_text('{"format": 0}')
    with pytest.raises(ValueError, match="in format 4, got 0"):
        SeriesStore(store.path)
