"""Storms and El Niño: missing files are named, synthetic ones are read as published ones, scores add up."""

import json
from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.earthformer import models
from experiments.earthformer.config import ENSO, SEVIR
from experiments.earthformer.nino import Nino
from experiments.earthformer.observed import DATA, SYNTHETIC
from experiments.earthformer.run import NINO, STORMS
from experiments.earthformer.storms import Storms
from experiments.earthformer.synthetic import write_enso, write_sevir
from experiments.earthformer.training import statistics, train
from jaxsci import cli, data
from jaxsci.experiment import ExperimentError, run
from jaxsci.experiment.runner import claims_of
from jaxsci.metrics import VIL_THRESHOLDS, nino34_index

h5py = pytest.importorskip("h5py", reason="h5py is an extra")

MODELS = ((1, 3), (2, 3))
PARTS = ("train", "validation", "test")


@pytest.fixture(scope="module")
def storms(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sevir")
    write_sevir(folder)
    return folder


@pytest.fixture(scope="module")
def nino(tmp_path_factory):
    folder = tmp_path_factory.mktemp("enso")
    write_enso(folder, MODELS)
    return folder


@pytest.fixture
def storm_parts(storms, key, tmp_path):
    return Storms(root=str(storms), pool=24).parts(key=key, out=tmp_path)


@pytest.fixture
def nino_parts(nino, key, tmp_path):
    return Nino(root=str(nino), models=MODELS, stride=5).parts(key=key, out=tmp_path)


@pytest.mark.parametrize(
    ("experiment", "words"),
    [
        (STORMS, ("SEVIR", "CATALOG.csv", "data/vil", "the SEVIR bucket of the AWS open data")),
        (NINO, ("ICAR-ENSO", "CMIP_train.nc", "CMIP_label.nc", "at Tianchi")),
    ],
)
@pytest.mark.parametrize("preset", ["cpu", "paper"])
def test_missing_files_are_one_message(experiment, words, preset, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(cli, "find_experiment", lambda name: experiment)
    folder, results = tmp_path / "nowhere", tmp_path / "results"
    options = ["--preset", preset, "--data.root", str(folder), "--results", str(results)]
    assert cli.main(["run", experiment.name, *options]) == 2
    printed = capsys.readouterr()
    (line,) = printed.err.splitlines()
    assert all(word in line for word in (*words, str(folder), "--data.root PATH"))
    assert not printed.out
    # So that the same command with another folder is no other configuration of an old run.
    assert not results.exists()


def test_storms_are_read_and_split_by_date(storms, storm_parts):
    assert [
        len(part) for part in (storm_parts.train, storm_parts.validation, storm_parts.test)
    ] == [
        6,
        3,
        3,
    ]
    ids = {part: data.SEVIR(storms, split=part).ids for part in PARTS}
    assert [{name[-14:-10] for name in ids[part]} for part in PARTS] == [
        {"2018"},
        {"2019"},
        {"2019"},
    ]
    assert [len(ids[part]) for part in PARTS] == [2, 1, 1]
    assert "0101_0630" in ids["validation"][0]
    assert "0701_1231" in ids["test"][0]
    film = storm_parts.test[1]
    assert film["input"].shape == (13, 1, 16, 16)
    assert film["target"].shape == (12, 1, 16, 16)
    # The second window begins with the twelfth frame; blocks keep their largest pixel.
    event = data.SEVIR(storms, split="test").read(0, 12, 25)["frames"]
    np.testing.assert_array_equal(
        film["input"], event.reshape(13, 1, 16, 24, 16, 24).max(axis=(3, 5))
    )
    # Every threshold is met somewhere, or its score would test nothing.
    assert 255 * event.max() >= VIL_THRESHOLDS[-1]


def test_models_of_el_nino_are_read_and_split_whole(nino, nino_parts):
    # Months of three years and two more, in windows of 26 that begin every five.
    assert [len(p) for p in (nino_parts.train, nino_parts.validation, nino_parts.test)] == [7, 7, 7]
    film = nino_parts.test[0]
    assert film["input"].shape == (12, 1, 24, 48)
    events = data.ENSO(nino, split="test", models=MODELS)
    np.testing.assert_array_equal(film["nino"], events.read(0, 0, 26)["nino"])
    index = nino34_index(
        jnp.asarray(data.decode_sst(film["target"][:, 0])), events.latitudes, events.longitudes
    )
    # Scaling there and back costs roundings of numbers up to 17.
    np.testing.assert_allclose(index, film["nino"][12:24], atol=1e-5)


def test_scores_of_storms_are_those_of_all_pixels(storm_parts):
    storms = Storms(pool=24)
    found = statistics(storms, models.persistence(storms), storm_parts.train)
    films = list(storm_parts.train)
    target = np.stack([film["target"] for film in films]) * np.float32(255)
    last = np.stack([film["input"][-1:] for film in films]) * np.float32(255)
    last = np.broadcast_to(last, target.shape)
    csi = []
    for level in VIL_THRESHOLDS:
        hits = ((last >= level) & (target >= level)).sum()
        csi.append(hits / ((last >= level) | (target >= level)).sum())
    scores = storms.scores(found)
    np.testing.assert_allclose(scores["CSI-M"], np.mean(csi), rtol=1e-12)
    np.testing.assert_allclose(scores["CSI-219"], csi[-1], rtol=1e-12)
    mse = np.mean((last - target).astype(np.float64) ** 2) / 255**2
    np.testing.assert_allclose(scores["MSE ×1e-3"], 1e3 * mse, rtol=1e-5)  # single precision
    assert storms.monitor(scores) == -scores["CSI-M"]
    assert storms.by_lead(found)[1].shape == (12,)


def test_the_last_batch_counts_its_films_once(nino_parts, monkeypatch):
    nino = Nino(models=MODELS)
    whole = statistics(nino, models.persistence(nino), nino_parts.test)
    monkeypatch.setattr("experiments.earthformer.training._TOGETHER", 3)
    parts = statistics(nino, models.persistence(nino), nino_parts.test)
    assert whole["index"].shape == parts["index"].shape == (7, 12)
    np.testing.assert_allclose(parts["index"], whole["index"], rtol=1e-6)


def test_a_perfect_forecast_has_the_best_scores(storm_parts, nino_parts):
    storms, nino = Storms(pool=24), Nino(models=MODELS)

    def perfect(data, parts):
        films = [jax.tree.map(jnp.asarray, film) for film in parts.test]
        found = [data.statistics(film["target"], film) for film in films]
        return data.scores(jax.tree.map(lambda *a: np.stack(a), *found))

    rain = perfect(storms, storm_parts)
    assert rain["CSI-M"] == 1.0
    assert rain["MSE ×1e-3"] == 0.0
    sea = perfect(nino, nino_parts)
    np.testing.assert_allclose(sea["C-Niño3.4-M"], 1.0, atol=1e-5)  # single precision
    np.testing.assert_allclose(sea["C-Niño3.4-WM"], 3.40586, rtol=1e-5)
    assert sea["MSE ×1e-4"] == 0.0


def test_damaged_files_are_refused_or_counted(key, tmp_path):
    write_sevir(tmp_path)
    (path,) = tmp_path.glob("data/vil/2018/*STORM*.h5")
    path.write_bytes(b"cut")
    storms = Storms(root=str(tmp_path), pool=24)
    with pytest.raises(ExperimentError, match="a readable HDF5 file"):
        storms.parts(key=key, out=tmp_path)
    parts = replace(storms, skip_corrupt=True).parts(key=key, out=tmp_path)
    assert parts.about[DATA] == {
        "train windows": 3.0,
        "validation windows": 3.0,
        "test windows": 3.0,
        "left out as damaged": 1.0,
    }


def test_windows_that_are_damaged_inside_a_file_are_counted(key, tmp_path):
    write_sevir(tmp_path)
    (path,) = tmp_path.glob("data/vil/2018/*STORM*.h5")
    with h5py.File(path, "r") as file:
        place = file["vil"].id.get_chunk_info_by_coord((0, 0, 0, 28))
    with path.open("r+b") as file:
        file.seek(place.byte_offset)
        file.write(bytes(place.size))
    storms = Storms(root=str(tmp_path), pool=24)
    refused = storms.parts(key=key, out=tmp_path).train
    with pytest.raises(ExperimentError, match="expected to read event"):
        [refused[index] for index in range(len(refused))]
    parts = replace(storms, skip_corrupt=True).parts(key=key, out=tmp_path)
    # Frames 28 to 34 are in the second and the third window of one of the two events.
    assert parts.about[DATA]["left out as damaged"] == 2.0
    assert len([parts.train[index] for index in range(len(parts.train))]) == 4


def test_a_file_that_goes_bad_is_named(key, tmp_path):
    write_sevir(tmp_path)
    parts = Storms(root=str(tmp_path), pool=24, test=2).parts(key=key, out=tmp_path)
    assert len(parts.test) == 2
    (path,) = tmp_path.glob("data/vil/2019/*0701*.h5")
    path.write_bytes(b"cut")
    with pytest.raises(ExperimentError, match="expected to read event"):
        parts.test[0]


def test_few_windows_are_read_once(storms, key, tmp_path):
    parts = Storms(root=str(storms), pool=24, train=3, in_memory=True).parts(key=key, out=tmp_path)
    everything = Storms(root=str(storms), pool=24).parts(key=key, out=tmp_path).train
    assert parts.train[1] is parts.train[1]
    for ours, number in zip(parts.train, (0, 2, 5), strict=True):
        np.testing.assert_array_equal(ours["input"], everything[number]["input"])


class Scaled(eqx.Module):
    """The last frame times a number."""

    weight: jax.Array

    def __call__(self, x, *, key=None):
        del key
        return self.weight * jnp.repeat(x[-1:], 12, axis=0)


class Damaged:
    """Films of which one cannot be read."""

    def __init__(self, films):
        self.films = films

    def __len__(self):
        return len(self.films)

    def __getitem__(self, index):
        if index == 3:
            raise ExperimentError("Expected to read film 3, got nothing; fetch it again.")
        return self.films[index]


def test_the_best_by_validation_is_kept(storm_parts, key, tmp_path):
    config = replace(SEVIR["smoke"], epochs=4, learning_rate=0.3)
    trained = train(config, Scaled(jnp.asarray(0.5)), storm_parts, tmp_path, 12, key)
    records = map(json.loads, (tmp_path / "metrics.jsonl").read_text().splitlines())
    scores = {r["step"]: r["val_CSI-M"] for r in records if "val_CSI-M" in r}
    assert list(scores) == [3, 6, 9, 12]
    found = config.data.scores(statistics(config.data, trained, storm_parts.validation))
    assert found["CSI-M"] == max(scores.values())


def test_a_film_that_cannot_be_read_ends_the_training(storm_parts, key, tmp_path):
    bad = storm_parts._replace(train=Damaged(storm_parts.train), validation=None)
    with pytest.raises(ExperimentError, match="Expected to read film 3"):
        train(SEVIR["smoke"], Scaled(jnp.asarray(0.5)), bad, tmp_path, 12, key)


def test_wrong_options_are_refused():
    with pytest.raises(ValueError, match="a pool that divides 384 pixels, got 5"):
        Storms(pool=5)
    with pytest.raises(ValueError, match="at least 16 pixels a side"):
        Storms(pool=48)
    with pytest.raises(ValueError, match="numbers of windows of at least 0, got -1"):
        Nino(train=-1)
    with pytest.raises(ValueError, match="at least the 3 months"):
        Nino(time_out=2)
    with pytest.raises(ValueError, match="of steps or of epochs, got steps=5 and epochs=100"):
        replace(SEVIR["paper"], steps=5)
    with pytest.raises(ValueError, match="in equal pieces, got batch=32 and pieces=5"):
        replace(SEVIR["paper"], pieces=5)


def test_training_follows_the_published_schedule():
    config = SEVIR["paper"]
    steps = config.updates(35_718)
    rate = config.optimizer(steps).learning_rate_schedule(steps)
    assert steps == 111_618  # 100 epochs of batches of 32
    peak = int(0.2 * steps)
    values = [float(rate(step)) for step in (0, peak // 2, peak, steps)]
    np.testing.assert_allclose(values, [0.0, 5e-4, 1e-3, 1e-6], rtol=1e-4, atol=1e-12)


@pytest.mark.parametrize(("experiment", "parts"), [(STORMS, "storm_parts"), (NINO, "nino_parts")])
@pytest.mark.parametrize("preset", ["cpu", "paper"])
def test_every_claim_is_on_a_number_of_the_table(experiment, parts, preset, request):
    config, parts = experiment.presets[preset], request.getfixturevalue(parts)
    small = Storms(pool=24) if experiment is STORMS else Nino(models=MODELS)
    scores = small.scores(statistics(small, models.persistence(small), parts.test))
    rows = {name: scores.keys() | {"parameters ×1e3"} for name in config.rivals}
    rows |= {name: rows["U-Net"] for name in (models.EARTHFORMER, models.WITHOUT)}
    rows |= {models.PERSISTENCE: scores.keys(), DATA: parts.about[DATA].keys()}
    for claim in claims_of(experiment, preset):
        quantity = claim.quantity
        for value in vars(quantity).values() if hasattr(quantity, "numerator") else (quantity,):
            assert value.metric in rows[value.row], claim.name


@pytest.mark.slow
@pytest.mark.parametrize("presets", [SEVIR, ENSO], ids=["sevir", "enso"])
@pytest.mark.parametrize("preset", ["cpu", "paper"])
def test_every_forecaster_fits_the_frames(presets, preset, key):
    config = presets[preset]
    built = eqx.filter_eval_shape(
        lambda key: models.build(config.network, config.data, config.rivals, key=key), key
    )
    before, after = (
        jax.ShapeDtypeStruct((time, 1, *config.data.shape), jnp.float32)
        for time in (config.data.time_in, config.data.time_out)
    )
    assert set(config.rivals) < set(built)
    for name, model in built.items():
        assert eqx.filter_eval_shape(lambda m, x: m(x), model, before).shape == after.shape, name


@pytest.mark.slow
@pytest.mark.parametrize("experiment", [STORMS, NINO], ids=["sevir", "enso"])
def test_the_smoke_preset_runs_without_the_files(experiment, tmp_path):
    outcome = run(experiment, "smoke", results=tmp_path, report=lambda line: None)
    rows = outcome.results[0]
    assert set(rows) == {models.PERSISTENCE, models.EARTHFORMER, SYNTHETIC}
    assert rows[SYNTHETIC]["left out as damaged"] == 0.0
    assert all(np.isfinite(value) for row in rows.values() for value in row.values())
    assert {path.name for path in (outcome.folder / "0").glob("*.png")} == {"films.png", "lead.png"}
    assert (
        "synthetic files that test the pipeline only" in (outcome.folder / "table.md").read_text()
    )
