"""What the product writes: how each kind of file or folder is made, and read again.

`make` writes into a folder that does not exist yet. `use` reads it as a user would, and returns what the
content decides, so that two readings can be compared.
"""

import dataclasses
import importlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import optax
import pandas as pd
import xarray as xr

from jaxsci.data import read_zarr, write_zarr
from jaxsci.experiment import Experiment, read_record, run, write_record
from jaxsci.experiment.folder import inspect, read_folder
from jaxsci.forecasting import Conformal, SeasonalNaive, SeriesStore, load
from jaxsci.training import ArraySource, fit, load_model, save_model
from solvers import generate
from solvers.dataset import Problem, Variable


class Product(NamedTuple):
    """One kind of file or folder."""

    make: Callable[[Path], Any]
    use: Callable[[Path], Any]


def _model() -> eqx.nn.Linear:
    return eqx.nn.Linear(3, 2, key=jax.random.key(0))


def _arrays(tree: Any) -> list[Any]:
    return [np.asarray(x).tolist() for x in jax.tree.leaves(eqx.filter(tree, eqx.is_array))]


def _train(folder: Path) -> Any:
    x = np.linspace(-1, 1, 24, dtype=np.float32).reshape(8, 3)

    def loss_fn(model, batch, key):
        return jnp.mean((jax.vmap(model)(batch[0]) - batch[1]) ** 2), {}

    result = fit(
        _model(),
        loss_fn,
        ArraySource((x, x[:, :2]), 4, key=jax.random.key(1)),
        optax.sgd(0.1),
        key=jax.random.key(2),
        steps=6,
        checkpoint=folder,
        checkpoint_every=3,
        metrics_path=folder / "metrics.jsonl",
        log_every=2,
        progress=False,
    )
    return _arrays(result.state.model), [{**x, "seconds": 0} for x in result.history]


def _load_model(folder: Path) -> Any:
    return _arrays(load_model(folder, jax.tree.map(jnp.zeros_like, _model(), is_leaf=eqx.is_array)))


def _frame() -> pd.DataFrame:
    dates = pd.date_range("2021-01-01", periods=40)
    one = lambda name, level: pd.DataFrame(
        {"unique_id": name, "ds": dates, "y": level + np.sin(np.arange(40.0)), "kind": name[-1]}
    )
    return pd.concat([one("series a", 3.0), one("series b", 5.0)], ignore_index=True)


def _forecaster() -> SeasonalNaive:
    return SeasonalNaive(horizon=2, season=7, static=["kind"])


def _save_forecaster(folder: Path) -> None:
    Conformal(_forecaster(), windows=12).fit(_frame()).save(folder)


def _write_store(folder: Path) -> None:
    rows = folder.with_name(f"{folder.name}.parquet")
    _frame().to_parquet(rows)
    _forecaster().write_store(rows, folder, rows=40)
    rows.unlink()


def _read_store(folder: Path) -> Any:
    store = SeriesStore(folder)
    names = ("ids", "y", "ends", "codes")
    panels = [[np.asarray(getattr(panel, name)).tolist() for name in names] for panel in store]
    return store.schema.to_json(), panels


def _write_fields(folder: Path) -> None:
    values = np.arange(1.0, 13.0).reshape(3, 4)
    dates = np.arange(3).astype("datetime64[D]").astype("datetime64[ns]")
    dataset = xr.Dataset({"u": (("time", "x"), values)}, {"time": dates}, {"title": "waves"})
    dataset["u"].encoding["chunks"] = (2, 4)
    write_zarr(dataset, folder)


_POINTS = np.linspace(0.0, 1.0, 5)


def _generate(folder: Path) -> Any:
    problem = Problem(
        name="lines",
        inputs={"slope": dist.Uniform(1.0, 2.0)},
        solve=lambda inputs: {"u": inputs["slope"] * jnp.asarray(_POINTS, jnp.float32)},
        variables={"u": Variable(("x",), "m")},
        coordinates={"x": (_POINTS, "m")},
    )
    return read_zarr(generate(problem, folder, count=6, batch=2)).load().to_dict()


def _generate_half(folder: Path) -> None:
    """Stop as if killed before the last of three batches."""
    module = importlib.import_module("solvers.dataset.generate")
    with patch.object(module, "_check", side_effect=[None, None, KeyboardInterrupt]):
        try:
            _generate(folder)
        except KeyboardInterrupt:
            return


@dataclasses.dataclass(frozen=True)
class _Config:
    seeds: tuple[int, ...] = (0,)
    rate: float = 0.1


def _experiment(folder: Path) -> Experiment[Any]:
    (folder / "toy").mkdir(parents=True, exist_ok=True)
    claims = folder / "toy" / "expected.json"
    if not claims.exists() and not (folder / "results").exists():
        claims.write_text("[]")
    return Experiment(
        name="toy",
        claim="A toy.",
        directory=folder / "toy",
        presets={"cpu": _Config(), "smoke": _Config(), "paper": _Config()},
        run_seed=lambda config, seed, out: {"solver": {"error": 0.125}},
        baseline="solver",
    )


def _make_run(folder: Path) -> None:
    experiment = _experiment(folder)
    outcome = run(experiment, "cpu", results=folder / "results", report=lambda line: None)
    write_record(experiment, "cpu", outcome)


def _use_run(folder: Path) -> Any:
    experiment = _experiment(folder)
    # A seed without its summary counts as unfinished, and is run again.
    outcome = run(experiment, "cpu", results=folder / "results", report=lambda line: None)
    record = read_record(folder / "toy" / "record" / "toy-cpu.json")
    shown = list(inspect(read_folder(folder / "results" / "toy" / "cpu" / "0")))
    # When it ran, and how long, is another each time.
    shown = [re.sub(r'"time": ".*?"|finished in .* s', "", line) for line in shown]
    return record, shown, outcome.results


PRODUCTS = {
    "training": Product(_train, _train),
    "model": Product(lambda folder: save_model(folder, _model()), _load_model),
    "forecaster": Product(
        _save_forecaster, lambda folder: load(folder).predict(_frame()).to_dict()
    ),
    "store": Product(_write_store, _read_store),
    "fields": Product(_write_fields, lambda folder: read_zarr(folder).load().to_dict()),
    "data set": Product(_generate, _generate),
    "half a data set": Product(_generate_half, _generate),
    "run": Product(_make_run, _use_run),
}
