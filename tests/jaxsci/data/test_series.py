"""Readers of M4, ETT, M5 and tourism: values by hand, published files where they are at hand, refusals.

Published files are read from the folder that JAXSCI_SERIES names, in its folders m4_hourly, ett and tourism.
"""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from jaxsci.data import DatasetError, read_ett, read_m4, read_m5, read_tourism, split_ett


def published(*names):
    folder = os.environ.get("JAXSCI_SERIES")
    paths = [Path(folder or "absent", name) for name in names]
    if not all(path.exists() for path in paths):
        pytest.skip(f"JAXSCI_SERIES does not name a folder with {', '.join(names)}")
    return paths


def refused(match, read, *arguments, **options):
    with pytest.raises(DatasetError, match=match):
        read(*arguments, **options)


@pytest.fixture
def write(tmp_path):
    def put(name, text):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return put


TRAIN = '"V1","V2","V3","V4"\n"H1","1","2.5","3"\n"H2","10","20",""\n'
TEST = '"V1","V2","V3"\n"H2","30","40"\n"H1","4","5"\n'


def test_m4_rows_become_series_and_the_test_continues_them(write):
    train, test = write("train.csv", TRAIN), write("test.csv", TEST)
    frame = read_m4(train)
    assert list(frame.columns) == ["unique_id", "ds", "y"]
    assert list(frame["unique_id"]) == ["H1"] * 3 + ["H2"] * 2
    assert list(frame["ds"]) == [1, 2, 3, 1, 2]
    assert list(frame["y"]) == [1, 2.5, 3, 10, 20]
    frame = read_m4(train, test)
    assert list(frame["unique_id"]) == ["H1"] * 5 + ["H2"] * 4
    assert list(frame["ds"]) == [1, 2, 3, 4, 5, 1, 2, 3, 4]
    assert list(frame["y"]) == [1, 2.5, 3, 4, 5, 10, 20, 30, 40]


def test_other_files_than_those_of_m4_are_refused(write, tmp_path):
    refused("a CSV file at .*absent", read_m4, tmp_path / "absent.csv")
    refused("begin with the columns V1, V2", read_m4, write("a.csv", "id,y\n1,2\n"))
    refused("begin with the columns V1, V2, …, got \\[\\]", read_m4, write("a.csv", ""))
    refused("series in .*, got none", read_m4, write("a.csv", '"V1","V2"\n'))
    head = "V1,V2,V3,V4\n"
    for row in ("H1,1,,3", "H1,1,x,3", "H1,1,inf,3", "H1,,,", "H1", ",1,2,3", ""):
        refused("without a gap", read_m4, write("a.csv", head + row + "\n"))
    refused("once, got 'H1' again", read_m4, write("a.csv", head + "H1,1,2,3\nH1,2,3,4\n"))
    train = write("train.csv", TRAIN)
    test = write("test.csv", TEST.replace('"H2"', '"H3"'))
    refused(r"the same series .*, got \['H2', 'H3'\]", read_m4, train, test)


def test_m4_hourly_itself():
    train, test = published("m4_hourly/Hourly-train.csv", "m4_hourly/Hourly-test.csv")
    frame = read_m4(train, test)
    assert list(dict.fromkeys(frame["unique_id"])) == [f"H{i}" for i in range(1, 415)]
    lengths = frame.groupby("unique_id")["ds"].agg(["min", "max", "size"])
    assert (lengths["min"] == 1).all()
    assert (lengths["max"] == lengths["size"]).all()
    # As published: 700 or 960 hours, and 48 to forecast.
    assert lengths["size"].value_counts().to_dict() == {1008: 245, 748: 169}
    first = frame[frame["unique_id"] == "H1"].set_index("ds")["y"]
    assert list(first.loc[701:703]) == [619, 565, 532]
    assert frame["y"].notna().all()
    # Seasonal naive of the competition's tables: sMAPE 13.912, MASE 1.193.
    smape, mase = [], []
    for _, y in frame.groupby("unique_id")["y"]:
        y = y.to_numpy()
        past, came = y[:-48], y[-48:]
        naive = np.tile(past[-24:], 2)
        smape.append((200 * abs(came - naive) / (abs(came) + abs(naive))).mean())
        mase.append(abs(came - naive).mean() / abs(past[24:] - past[:-24]).mean())
    np.testing.assert_allclose([np.mean(smape), np.mean(mase)], [13.912, 1.193], atol=6e-4)


ETT = "date,HUFL,HULL,MUFL,MULL,LUFL,LULL,OT\n"


def ett(dates):
    rows = [",".join([str(d), *(f"{i}.{k}" for k in range(7))]) for i, d in enumerate(dates)]
    return ETT + "\n".join(rows) + "\n"


def test_ett_columns_become_series(write):
    hours = pd.date_range("2016-07-01", periods=3, freq="h")
    frame = read_ett(write("a.csv", ett(hours)))
    assert list(frame.columns) == ["unique_id", "ds", "y"]
    assert list(frame["unique_id"][::3]) == ["HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT"]
    assert list(frame["ds"][3:6]) == list(hours)
    np.testing.assert_allclose(frame["y"][18:], [0.6, 1.6, 2.6])


def test_other_files_than_those_of_ett_are_refused(write, tmp_path):
    hours = list(pd.date_range("2016-07-01", periods=5, freq="h"))
    text = ett(hours)
    refused("a CSV file at .*absent", read_ett, tmp_path / "absent.csv")
    refused(r"columns \['OT'\]", read_ett, write("a.csv", text.replace("OT", "T")))
    refused(
        "equally spaced, got 2016-07-01 01:00:00 before",
        read_ett,
        write("a.csv", ett(hours[:2] + hours[3:])),
    )
    refused("equally spaced, got", read_ett, write("a.csv", ett(hours[:2] + hours[1:])))
    refused("equally spaced, got", read_ett, write("a.csv", ett(hours[::-1])))
    refused("at least 2 dates .* got 1 of them", read_ett, write("a.csv", ett(hours[:1])))
    refused("dates such as", read_ett, write("a.csv", text.replace("2016-07-01 03", "today 03")))
    refused(
        r"a number in every field .*\(2, 6\)", read_ett, write("a.csv", text.replace("2.6", ""))
    )
    refused("published types", read_ett, write("a.csv", text.replace("2.6", "wet")))


@pytest.mark.parametrize("freq", ["h", "15min"])
def test_ett_is_split_by_months_of_thirty_days(freq):
    steps = {"h": 24, "15min": 96}[freq]
    dates = pd.date_range("2016-07-01", periods=601 * steps, freq=freq)
    frame = pd.DataFrame({"unique_id": "OT", "ds": dates, "y": np.arange(len(dates))})
    parts = split_ett(frame)
    # The borders of the published code, as rows.
    bounds = {name: (part["y"].min(), part["y"].max() + 1) for name, part in parts.items()}
    assert bounds == {
        "train": (0, 360 * steps),
        "validation": (360 * steps, 480 * steps),
        "test": (480 * steps, 600 * steps),
    }
    assert len(split_ett(frame[: 600 * steps])["test"]) == 120 * steps
    refused("dates up to 2018-02-21", split_ett, frame[: 600 * steps - 1])


def test_ett_itself():
    frame = read_ett(published("ett/ETTh1.csv")[0])
    assert len(frame) == 7 * 17_420
    oil = frame[frame["unique_id"] == "OT"].set_index("ds")["y"]
    assert oil.index[0] == pd.Timestamp("2016-07-01 00:00")
    assert oil.index[-1] == pd.Timestamp("2018-06-26 19:00")
    np.testing.assert_allclose(oil.iloc[[0, -1]], [30.531, 9.567], atol=1e-3)  # three digits
    assert {part: len(rows) // 7 for part, rows in split_ett(frame).items()} == {
        "train": 8640,
        "validation": 2880,
        "test": 2880,
    }


STATES = ("NSW", "VIC", "QLD", "SA", "WA", "TAS", "NT")


@pytest.fixture
def tourism(write):
    """A file of random nights in the published columns, after an optional change of the table."""
    rng = np.random.default_rng(0)
    bottom = {
        f"{s} - {r} - {p}": rng.integers(0, 5000, 36)
        for r in ("hol", "vfr", "bus", "oth")
        for s in STATES
        for p in ("city", "noncity")
    }

    def put(change=lambda table: table):
        table = pd.DataFrame(bottom)
        sums = {"Total": table.sum(axis=1)}
        for title in ("Hol", "VFR", "Bus", "Oth"):
            sums[title] = table.filter(like=f"- {title.lower()} -").sum(axis=1)
            for s in STATES:
                sums[f"{s} - {title.lower()}"] = table.filter(
                    regex=f"^{s} - {title.lower()} -"
                ).sum(axis=1)
        sums |= {s: table.filter(regex=f"^{s} -").sum(axis=1) for s in STATES}
        table = pd.concat([pd.DataFrame(sums), table], axis=1)
        return write("tourism.csv", change(table).to_csv(index=False))

    return put


def check_tourism(result):
    frame, levels, parts = result
    assert {level: len(names) for level, names in levels.items()} == {
        "total": 1,
        "reason": 4,
        "state": 7,
        "reason and state": 28,
        "bottom": 56,
    }
    assert list(parts) == [name for names in levels.values() for name in names]
    assert list(frame["unique_id"][::36]) == list(parts)
    assert (parts["Total"], parts["VIC - bus"]) == (
        levels["bottom"],
        ("VIC - bus - city", "VIC - bus - noncity"),
    )
    wide = frame.pivot(index="ds", columns="unique_id", values="y")
    assert list(wide.index) == list(pd.date_range("1998-01-01", periods=36, freq="QS"))
    for name, bottom in parts.items():
        np.testing.assert_array_equal(wide[list(bottom)].sum(axis=1), wide[name])
    for level in levels.values():
        np.testing.assert_array_equal(wide[list(level)].sum(axis=1), wide["Total"])
    return wide


def test_tourism_has_its_hierarchy(tourism):
    check_tourism(read_tourism(tourism()))


def test_tourism_itself():
    wide = check_tourism(read_tourism(published("tourism/australian_tourism.csv")[0]))
    assert list(wide["Total"].iloc[:4]) == [84503, 65312, 72753, 70880]
    # The first quarter is Australia's summer.
    assert (wide["Hol"].to_numpy().reshape(9, 4).argmax(1) == 0).all()


def test_other_files_than_that_of_tourism_are_refused(tourism):
    def bad(match, change):
        refused(match, read_tourism, tourism(change))

    bad(r"columns \['NT'\]", lambda t: t.rename(columns={"NT": "ACT"}))
    bad(r"36 quarters of 96 series .*\(35, 96\)", lambda t: t[1:])
    bad(r"36 quarters of 96 series .*\(36, 97\)", lambda t: t.assign(date=1))
    bad("the parts of 'Hol' .* add up to it, got a gap of 7", lambda t: t.assign(Hol=t["Hol"] + 7))
    bad("a number in every field", lambda t: t.assign(NSW=t["NSW"].where(t.index != 3)))


DAYS = 10


def m5_tables():
    """Two items in two stores for ten days, and a calendar of two weeks."""
    items, stores = ("FOODS_1_001", "HOBBIES_1_001"), ("CA_1", "TX_1")
    rows, prices = [], []
    for i, store in enumerate(stores):
        for k, item in enumerate(items):
            category = item.split("_")[0]
            sold = {f"d_{d}": 100 * i + 10 * k + d - 1 for d in range(1, DAYS + 1)}
            names = (item, f"{category}_1", category, store, store[:2])
            static = dict(zip(STATIC, names, strict=True))
            rows.append({"id": f"{item}_{store}_evaluation", **static, **sold})
            for week in (11101, 11102)[k:]:  # the hobby comes a week later
                prices.append((store, item, week, week - 11100 + 0.25 * (i + 1)))
    dates = pd.date_range("2011-01-29", periods=14)
    calendar = pd.DataFrame(
        {
            "date": dates.strftime("%Y-%m-%d"),
            "wm_yr_wk": [11101] * 7 + [11102] * 7,
            "weekday": dates.day_name(),
            "wday": [*range(1, 8), *range(1, 8)],  # from Saturday on
            "month": dates.month,
            "year": dates.year,
            "d": [f"d_{i}" for i in range(1, 15)],
            "event_name_1": [None] * 8 + ["SuperBowl"] + [None] * 5,
            "event_type_1": [None] * 8 + ["Sporting"] + [None] * 5,
            "event_name_2": None,
            "event_type_2": None,
            "snap_CA": [0] * 3 + [1] * 10 + [0],
            "snap_TX": [1] * 2 + [0] * 12,
            "snap_WI": 0,
        }
    )
    columns = ["store_id", "item_id", "wm_yr_wk", "sell_price"]
    return pd.DataFrame(rows), calendar, pd.DataFrame(prices, columns=columns)


STATIC = ("item_id", "dept_id", "cat_id", "store_id", "state_id")


@pytest.fixture
def m5(tmp_path):
    def put(sales=lambda t: t, calendar=lambda t: t, prices=lambda t: t):
        tables = m5_tables()
        names = ("sales_train_evaluation", "calendar", "sell_prices")
        for name, table, change in zip(names, tables, (sales, calendar, prices), strict=True):
            change(table).to_csv(tmp_path / f"{name}.csv", index=False)
        return tmp_path

    return put


def test_m5_joins_sales_prices_and_the_calendar(m5):
    frame = read_m5(m5())
    events = ["event_name_1", "event_type_1", "event_name_2", "event_type_2"]
    assert list(frame.columns) == ["unique_id", "ds", "y", "price", "snap", *events, *STATIC]
    assert len(frame) == 4 * DAYS
    hobby = frame[frame["unique_id"] == "HOBBIES_1_001_TX_1"].reset_index(drop=True)
    assert list(hobby["ds"]) == list(pd.date_range("2011-01-29", periods=DAYS))
    assert list(hobby["y"]) == list(range(110, 120))
    np.testing.assert_array_equal(hobby["price"], [np.nan] * 7 + [2.5] * 3)
    assert list(hobby["snap"]) == [True] * 2 + [False] * 8
    assert list(hobby["event_name_1"].dropna()) == ["SuperBowl"]
    assert hobby["event_type_1"][8] == "Sporting"
    assert hobby["event_name_2"].isna().all()
    assert (hobby[list(STATIC)] == ["HOBBIES_1_001", "HOBBIES_1", "HOBBIES", "TX_1", "TX"]).all(
        axis=None
    )
    food = frame[frame["unique_id"] == "FOODS_1_001_CA_1"]
    np.testing.assert_array_equal(food["price"], [1.25] * 7 + [2.25] * 3)
    assert list(food["snap"]) == [False] * 3 + [True] * 7
    assert {str(frame[name].dtype) for name in ("y", "price")} == {"float32"}
    # A row is 8 bytes of date, 8 of numbers, one of SNAP and at most 11 of codes of categories.
    codes = [frame[name].cat.codes.dtype.itemsize for name in ("unique_id", *events, *STATIC)]
    assert sum(codes) == 10


def test_m5_can_be_read_in_part_and_with_the_days_to_come(m5):
    whole = read_m5(m5())
    texas = read_m5(m5(), stores=["TX_1"])
    columns = ["ds", "y", "price", "snap"]
    expected = whole.loc[whole["store_id"] == "TX_1", columns].reset_index(drop=True)
    pd.testing.assert_frame_equal(texas[columns], expected)
    ahead = read_m5(m5(), future=True)
    assert len(ahead) == 4 * 14
    to_come = ahead[ahead["y"].isna()]
    assert list(to_come["ds"].unique()) == list(pd.date_range("2011-02-08", periods=4))
    assert to_come["price"].notna().all()
    pd.testing.assert_frame_equal(
        ahead.loc[ahead["y"].notna(), columns].reset_index(drop=True), whole[columns]
    )


def test_m5_in_the_order_of_its_pieces(m5, monkeypatch):
    whole = read_m5(m5())
    monkeypatch.setattr("jaxsci.data.m5._SERIES", 3)
    pd.testing.assert_frame_equal(read_m5(m5()), whole)


def test_other_files_than_those_of_m5_are_refused(m5, tmp_path):
    def bad(match, **changes):
        refused(match, read_m5, m5(**changes))

    refused("a CSV file at .*sales_train_evaluation.csv", read_m5, tmp_path)
    m5()
    refused("a CSV file at .*sales_train_validation.csv", read_m5, tmp_path, part="validation")
    refused(r"the stores \['NY_1'\]", read_m5, tmp_path, stores=["CA_1", "NY_1"])
    bad("columns \\['dept_id'\\]", sales=lambda t: t.drop(columns="dept_id"))
    bad("and no others", sales=lambda t: t.drop(columns="d_4"))
    bad("whole numbers of units", sales=lambda t: t.assign(d_4=-1))
    bad("whole numbers of units", sales=lambda t: t.assign(d_4=0.5))
    bad(r"a number in every field .*\(0, 3\)", sales=lambda t: t.assign(d_4=None))
    bad("numbers of units sold .*, got could not", sales=lambda t: t.assign(d_4="few"))
    bad("once, got 'FOODS_1_001_CA_1", sales=lambda t: pd.concat([t, t[:1]]))
    bad("ids that are item, store", sales=lambda t: t.assign(store_id="CA_2"))
    bad("the stores of the competition .* got none", sales=lambda t: t[:0])
    bad("at least 10 of them, .* got 9 days", calendar=lambda t: t[:9])
    bad("equally spaced", calendar=lambda t: t.drop(index=4))
    bad("days d_1, d_2", calendar=lambda t: t[1:])
    bad("columns \\['snap_TX'\\]", calendar=lambda t: t.drop(columns="snap_TX"))
    bad("0 or 1 in", calendar=lambda t: t.assign(snap_TX=2))
    bad("one price above 0", prices=lambda t: pd.concat([t, t[:1]]))
    bad("one price above 0", prices=lambda t: t.assign(sell_price=0.0))
    bad("a number in every field of the prices", prices=lambda t: t.assign(sell_price=None))
    bad("columns \\['sell_price'\\]", prices=lambda t: t.drop(columns="sell_price"))


def test_an_unknown_part_of_m5_is_refused_for_users_too(m5, unchecked):
    refused("part to be 'evaluation' or 'validation', got 'test'", read_m5, m5(), part="test")
