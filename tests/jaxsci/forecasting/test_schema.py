"""Long frames become arrays in which every series ends in the last column."""

import numpy as np
import pandas as pd
import pytest

from jaxsci.forecasting.calendar import Calendar, DateFacts
from jaxsci.forecasting.schema import Schema


def schema(frame, **options):
    defaults = {"horizon": 2, "seasons": (1,), "past": (), "future": (), "static": (), "freq": None}
    return Schema.of(frame, **defaults | options)


def test_series_end_together_and_are_padded_on_the_left(frame):
    panel = schema(frame).panel(frame)
    assert panel.y.shape == (4, 60)
    longest, shortest = frame[frame.unique_id == "series 0"], frame[frame.unique_id == "series 3"]
    np.testing.assert_array_equal(panel.y[0], longest.y)
    np.testing.assert_array_equal(panel.y[3, -39:], shortest.y)
    assert not panel.observed[3, :21].any()
    assert panel.observed[3, 21:].all()


def test_dates_count_on_from_the_end_of_each_series(frame):
    panel = schema(frame).panel(frame)
    ends = panel.dates(np.array([59, 60]))
    assert ends[0, 0] == np.datetime64("2021-03-01")
    assert ends[3, 1] == np.datetime64("2021-02-09")


@pytest.mark.parametrize("freq", ["h", "D", "W-SUN", "MS", "QE-DEC", "15min", "B"])
def test_calendars_count_dates_of_any_spacing(freq):
    dates = pd.Series(pd.date_range("2020-03-01", periods=40, freq=freq))
    groups = pd.Series(["a"] * 40)
    calendar = Calendar.of(DateFacts.of(dates, groups), None)
    np.testing.assert_array_equal(calendar.positions(dates), np.arange(40))
    later = pd.date_range(dates.iloc[-1], periods=4, freq=freq)[1:]
    np.testing.assert_array_equal(calendar.dates(np.array([40, 41, 42])), later)
    np.testing.assert_array_equal(
        Calendar.from_json(calendar.to_json()).dates(np.arange(3)), dates[:3]
    )


@pytest.mark.parametrize("freq", ["h", "D", "MS", "B"])
def test_missing_dates_do_not_hide_the_spacing(freq):
    dates = pd.Series(pd.date_range("2020-03-02", periods=40, freq=freq)).drop([7, 8, 20, 33])
    calendar = Calendar.of(DateFacts.of(dates, pd.Series(["a"] * 40)[dates.index]), None)
    assert calendar.spacing == freq
    np.testing.assert_array_equal(calendar.positions(dates), dates.index)


def weeks(days):
    """Ten weekly dates of a series for each first day."""
    parts = [pd.Series(pd.date_range(day, periods=10, freq="7D")) for day in days]
    return DateFacts.of(
        pd.concat(parts, ignore_index=True),
        pd.Series(range(len(days)))
        .repeat(
            10,
        )
        .reset_index(drop=True),
    )


def test_weeks_that_begin_on_other_days_are_not_daily_series_with_gaps():
    apart = weeks([f"2024-01-{day:02d}" for day in range(1, 8)])
    with pytest.raises(ValueError, match=r"one spacing and phase, got weeks .*freq='D'"):
        Calendar.of(apart, None)
    assert Calendar.of(apart, "D").spacing == "D"
    gap = DateFacts(apart.every, tuple(line.drop(4) for line in apart.longest), apart.series)
    with pytest.raises(ValueError, match="one spacing and phase"):
        Calendar.of(gap, None)
    # Days of which the longest series have every other one are days.
    half = [pd.Series(pd.date_range("2024-01-01", periods=60, freq=f)) for f in ("2D", "D")]
    assert Calendar.of(DateFacts(half[1], (half[0],), 2), None).spacing == "D"
    assert Calendar.of(weeks(["2024-01-01", "2024-01-15"]), None).spacing == "W-MON"


def test_a_spacing_finer_than_all_dates_is_refused():
    days = pd.Series(pd.date_range("2024-01-01", periods=30))
    facts = DateFacts.of(days, pd.Series(["a"] * 30))
    with pytest.raises(
        ValueError, match=r"got 'h', of which all 30 are 24 or multiples .* leave freq out"
    ):
        Calendar.of(facts, "h")
    gaps = days.drop([3, 4, 9])
    assert Calendar.of(DateFacts.of(gaps, pd.Series(["a"] * 27, gaps.index)), "D").spacing == "D"


def test_dates_without_a_common_spacing_are_refused():
    days = ["2020-01-01", "2020-01-02", "2020-01-05", "2020-01-06 01:30"]
    dates = pd.Series([pd.Timestamp(day) for day in days])
    with pytest.raises(ValueError, match=r"Calendar expected 3 dates in a row.*freq='D'"):
        Calendar.of(DateFacts.of(dates, pd.Series(["a"] * 4)), None)


def test_static_covariates_that_change_are_refused(frame):
    changed = frame.assign(event=np.arange(len(frame)) % 2)
    with pytest.raises(ValueError, match=r"static covariate 'event'.*for 'series 0'.*future="):
        schema(changed, static=("event",))


def test_calendar_features_repeat_with_their_cycle():
    calendar = Calendar(pd.Timestamp("2020-01-01"), "h")
    features = calendar.features(np.arange(24 * 14), ())
    assert features.shape == (336, 12)
    np.testing.assert_allclose(features[:168, :8], features[168:, :8], atol=1e-9)  # of day and week
    np.testing.assert_allclose(features[:24, :4], features[24:48, :4], atol=1e-9)  # of the day
    counter = Calendar(5, 2).features(np.arange(12), (6,))
    np.testing.assert_allclose(counter[:6], counter[6:], atol=1e-9)


def test_missing_rows_and_missing_values_are_the_same(frame):
    gone = frame.drop(index=[3, 10])
    blank = frame.assign(y=frame.y.where(~frame.index.isin([3, 10])))
    a, b = schema(gone).panel(gone), schema(blank).panel(blank)
    np.testing.assert_array_equal(a.observed, b.observed)
    np.testing.assert_array_equal(a.y, b.y)
    assert not a.observed[0, [3, 10]].any()
    assert (a.y[0, [3, 10]] == 0).all()


def test_rows_after_the_last_known_target_tell_what_is_known_ahead(frame):
    rows = pd.DataFrame(
        {
            "unique_id": "series 0",
            "ds": pd.date_range("2021-03-02", periods=3, freq="D"),
            "event": ["fair", "none", "fair"],
        }
    )
    options = {"future": ("event",)}
    learned = schema(frame, **options)
    inside = learned.panel(pd.concat([frame, rows.assign(y=np.nan)], ignore_index=True))
    beside = learned.panel(frame, rows)
    # Categories are fair and none, in this order; the third row is further ahead than the horizon.
    np.testing.assert_array_equal(inside.future[0, 60:, :2], [[1, 0], [0, 1]])
    np.testing.assert_array_equal(beside.future, inside.future)
    assert inside.length == 60


def test_future_rows_that_contradict_the_frame_are_refused(frame):
    learned = schema(frame, future=("event",))
    rows = frame[frame.unique_id == "series 0"].tail(1)
    same = learned.panel(frame, rows)
    np.testing.assert_array_equal(same.future, learned.panel(frame).future)
    # Kinds and precision do not matter.
    kinds = learned.panel(frame, rows.assign(event=pd.Categorical(rows.event)))
    np.testing.assert_array_equal(kinds.future, same.future)
    number = frame.assign(event=(frame.event == "fair").astype(int).astype(object))
    floats = (
        number[number.unique_id == "series 0"].tail(1).assign(event=lambda f: f.event.astype(float))
    )
    schema(number, future=("event",)).panel(number, floats)
    single = schema(frame, future=("sales",))
    same = single.panel(frame, rows.assign(sales=rows.sales.astype(np.float32)))
    np.testing.assert_array_equal(same.future, single.panel(frame).future)
    other = rows.assign(event=rows.event.map({"none": "fair", "fair": "none"}))
    with pytest.raises(
        ValueError, match=r"agree with the frame's.*'event' of series 'series 0' at 2021-03-01"
    ):
        learned.panel(frame, other)


def test_dates_as_text_are_told_of_before_repeats(frame):
    text = pd.concat([frame, frame]).assign(ds=lambda f: f.ds.dt.strftime("%d/%m/%Y"))
    with pytest.raises(ValueError, match=r"to_datetime\(frame.ds, format='%d/%m/%Y'\)"):
        schema(text)


def test_a_series_without_history_ends_before_its_first_row(frame):
    new = pd.DataFrame(
        {"unique_id": "zero", "ds": pd.date_range("2021-02-01", periods=2, freq="D"), "y": np.nan}
    )
    both = pd.concat([frame, new], ignore_index=True)
    panel = schema(frame).panel(both)
    assert not panel.observed[-1].any()
    assert panel.dates(np.array([panel.length]))[-1, 0] == np.datetime64("2021-02-01")


def test_categories_never_seen_are_unknown_and_numbers_standardised(frame):
    learned = schema(frame, past=("sales", "event"), static=("kind", "size"))
    panel = learned.panel(frame)
    assert panel.past.shape == (4, 60, 3)
    assert panel.codes.tolist() == [[1], [2], [1], [2]]
    seen = panel.past[..., 0][panel.observed]
    np.testing.assert_allclose([seen.mean(), seen.std()], [0, 1], atol=1e-12)
    with pytest.warns(
        UserWarning, match="'(event|kind)' has categories that were not there"
    ) as said:
        strange = learned.panel(frame.assign(kind="z", event="war"))
    assert len(said) == 2
    assert not strange.codes.any()
    assert not strange.past[..., 1:].any()


def test_gaps_of_covariates_are_told_from_their_mean(frame):
    """Where numbers are missing a channel says so, also before a series begins and where rows are not there."""
    gaps = frame.assign(
        sales=frame.sales.mask(frame.index % 5 == 0), size=frame["size"].replace(2.0, np.nan)
    )
    learned = schema(gaps, past=("sales",), static=("size",))
    panel = learned.panel(gaps)
    assert panel.past.shape == (4, 60, 2)
    known = np.zeros((4, 60), bool)
    for i, (_, one) in enumerate(gaps.groupby("unique_id")):
        known[i, 60 - len(one) :] = one.sales.notna()
    np.testing.assert_array_equal(panel.past[..., 1], known)
    np.testing.assert_array_equal(panel.past[..., 0] != 0, known)
    np.testing.assert_array_equal(panel.static[:, 1], [1, 1, 0, 1])
    # What had none has no such channel, and a schema in parts is that of the whole.
    assert schema(frame, past=("sales",)).panel(frame).past.shape == (4, 60, 1)
    parts = (gaps[gaps.unique_id == name] for name in gaps.unique_id.unique())
    assert [c.gaps for c in schema(parts, past=("sales",), static=("size",)).past] == [True]
    assert Schema.from_json(learned.to_json()) == learned


def test_what_comes_after_a_date_is_not_learned(frame):
    learned = schema(frame, past=("sales",), future=("event",))
    panel = learned.panel(frame)
    late = frame.groupby("unique_id").tail(20).index
    spoiled = frame.assign(
        sales=frame.sales.where(~frame.index.isin(late), 1e6),
        event=frame.event.where(~frame.index.isin(late), "war"),
    )
    assert learned.learned_before(spoiled, panel, 39) == learned.learned_before(frame, panel, 39)


def test_schemas_survive_json(frame):
    learned = schema(frame, past=("sales",), future=("event",), static=("kind", "size"))
    assert Schema.from_json(learned.to_json()) == learned


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.drop(columns="y"), "without \\['y'\\]; add or rename"),
        (lambda f: f.iloc[:0], "got an empty one"),
        (lambda f: f.assign(y=f.y.astype(str)), "expected numbers in y"),
        (lambda f: f.assign(y=np.nan), "at least one known target"),
        (
            lambda f: f.assign(y=f.y.where(f.index != 2, np.inf)),
            "got inf in series 'series 0' at 2021-01-03",
        ),
        (lambda f: pd.concat([f, f.iloc[:1]]), "one row for each series and date"),
        (lambda f: f.assign(ds=f.ds.dt.strftime("%d.%m.%Y")), "timestamps of one time zone"),
        (lambda f: pd.concat([f, f[["y"]]], axis=1), "got 'y' more than once"),
        (lambda f: f.assign(ds=f.ds.where(f.index != 2)), "ds in every row, got 1 missing"),
    ],
)
def test_wrong_frames_are_refused(frame, change, message):
    wrong = change(frame)
    with pytest.raises(ValueError, match=message):
        schema(wrong)


def test_dates_off_the_calendar_are_refused(frame):
    learned = schema(frame)
    moved = frame.assign(ds=frame.ds.where(frame.index != 5, frame.ds + pd.Timedelta(hours=3)))
    with pytest.raises(ValueError, match="every D from 2021-01-01 00:00:00, got 2021-01-06 03"):
        learned.panel(moved)


def test_a_column_has_one_role(frame):
    with pytest.raises(ValueError, match="each covariate once"):
        schema(frame, past=("sales",), future=("sales",))


def test_future_rows_of_strangers_are_refused(frame):
    rows = pd.DataFrame(
        {"unique_id": ["x"], "ds": pd.to_datetime(["2021-03-02"]), "event": ["fair"]}
    )
    with pytest.raises(ValueError, match="future rows of the frame's series, got \\['x'\\]"):
        schema(frame, future=("event",)).panel(frame, rows)


def test_polars_like_frames_and_others(frame):
    with pytest.raises(TypeError, match="got list; make a frame"):
        schema([1, 2])


def test_constant_numbers_stay_small(frame):
    """0.1 thirty times has a standard deviation of round-off, which nothing may be divided by."""
    priced = frame.assign(price=0.1)
    learned = schema(priced, past=("price",))
    other = learned.panel(priced.assign(price=0.2)).past
    np.testing.assert_allclose(other[0, -1], 0.1)


def test_kinds_of_numbers_do_not_change_categories_and_truth_values(frame):
    """A join makes floats of whole numbers and of truth values."""
    told = frame.assign(store=(frame.unique_id == "series 1").astype(int).astype("category"))
    told["open"] = frame.index % 2 == 0
    learned = schema(told, past=("open",), static=("store",))
    joined = told.assign(store=told.store.astype(float), open=told.open.astype(float))
    a, b = learned.panel(told), learned.panel(joined)
    np.testing.assert_array_equal(a.codes, b.codes)
    np.testing.assert_array_equal(a.past, b.past)
    assert sorted(set(a.codes.ravel())) == [1, 2]


def test_earlier_dates_than_those_learned_from(frame):
    early = frame.assign(ds=frame.ds - pd.Timedelta(days=365))
    panel = schema(frame).panel(early)
    assert panel.dates(np.array([59]))[0, 0] == np.datetime64("2020-03-01")


def test_days_are_dates(frame):
    """Objects, as parquet and polars have them; beside timestamps, too."""
    days = frame.assign(ds=frame.ds.dt.date)
    learned = schema(days, future=("event",))
    assert learned == schema(frame, future=("event",))
    rows = pd.DataFrame(
        {
            "unique_id": "series 0",
            "ds": pd.date_range("2021-03-02", periods=2, freq="D"),
            "event": ["fair", "none"],
        }
    )
    expected = learned.panel(frame, rows)
    for one, other in ((days, rows), (frame, rows.assign(ds=rows.ds.dt.date))):
        panel = learned.panel(one, other)
        np.testing.assert_array_equal(panel.ends, expected.ends)
        np.testing.assert_array_equal(panel.future, expected.future)
    with pytest.raises(ValueError, match="ds in every row, got 1 missing"):
        schema(days.assign(ds=days.ds.where(days.index != 2)))


def test_dates_of_another_kind_are_refused(frame):
    learned = schema(frame)
    counted = frame.assign(ds=frame.groupby("unique_id").cumcount())
    with pytest.raises(ValueError, match="the kind that was learned, dates, got int64"):
        learned.panel(counted)
    numbered = schema(counted)
    with pytest.raises(ValueError, match="or whole numbers that count, got float64"):
        numbered.panel(counted.assign(ds=counted.ds + 0.5))


def test_numbers_that_are_not_known_ahead_are_refused(frame):
    rows = pd.DataFrame(
        {
            "unique_id": "series 0",
            "ds": pd.date_range("2021-03-02", periods=2),
            "sales": [1.0, np.nan],
        }
    )
    one = frame[frame.unique_id == "series 0"]
    learned = schema(one, future=("sales",))
    with pytest.raises(ValueError, match="got 1 of them missing for 'series 0'"):
        learned.panel(one, rows, ahead=True)
    # What the frame leaves open, the other frame says.
    open_rows = rows.assign(y=np.nan, sales=np.nan)
    both = pd.concat([one, open_rows], ignore_index=True)
    panel = learned.panel(both, rows.assign(sales=1.0), ahead=True)
    np.testing.assert_allclose(
        panel.future[0, 60:, 0], (1 - one.sales.mean()) / one.sales.std(ddof=0)
    )


def test_categories_are_known_ahead_unless_some_were_missing_before(frame):
    one = frame[frame.unique_id == "series 0"]
    rows = pd.DataFrame(
        {"unique_id": "series 0", "ds": pd.date_range("2021-03-02", periods=2), "event": None}
    )
    full = one.assign(event=one.event.fillna("none"))
    with pytest.raises(
        ValueError, match="got 2 of them missing for 'series 0', the first at 2021-03-02"
    ):
        schema(full, future=("event",)).panel(full, rows, ahead=True)
    # Where no event is missing, a missing one is none.
    some = full.assign(event=full.event.mask(full.event == "none"))
    learned = schema(some, future=("event",))
    panel = learned.panel(some, rows, ahead=True)
    np.testing.assert_array_equal(panel.future[0, 60:, : learned.future[0].width], 0.0)


@pytest.mark.parametrize("role", ["past", "future", "static"])
@pytest.mark.parametrize("nothing", [np.nan, None])
def test_covariates_of_which_nothing_is_known_are_refused(frame, role, nothing):
    with pytest.raises(
        ValueError, match=r"known values of the covariates \['price'\] .*fit without"
    ):
        schema(frame.assign(price=nothing), **{role: ("price",)})


def test_what_is_known_of_a_series_may_be_said_once(frame):
    once = frame.assign(size=frame["size"].where(frame.groupby("unique_id").cumcount() == 3))
    learned = schema(frame, static=("size",))
    np.testing.assert_array_equal(learned.panel(once).static, learned.panel(frame).static)
