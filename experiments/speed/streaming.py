"""What it costs to forecast more series than fit into memory.

    python -m experiments.speed.streaming [--series N]

draws weekly demand of N products into a parquet file, a few at a time, writes it into a store, trains MQ-CNN
from it and forecasts every series: time and the most memory of each, with that of the interpreter. Then, in
turns, the time of a gradient on batches from the store and from a part that is held in memory.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import tyro

from experiments.speed.scripts.peak import Peak
from experiments.speed.timing import alternated
from jaxsci.forecasting import MQCNN, SeriesStore, StretchSource, forking_loss

WEEKS, HORIZON = 120, 8
TOGETHER = 10_000


def demand(series: range, *, seed: int = 0) -> pd.DataFrame:
    """Demand with a season and promotions, of which the last are known ahead."""
    random = np.random.default_rng((seed, series.start))
    shape = (len(series), WEEKS + HORIZON)
    promotion = random.random(shape) < 0.1
    season = 1 + 0.5 * np.sin(
        2 * np.pi * (np.arange(shape[1]) / 52 + random.random((len(series), 1)))
    )
    rate = random.gamma(2.0, 10.0, (len(series), 1)) * season * (1 + promotion)
    y = random.poisson(rate).astype(np.float64)
    y[:, WEEKS:] = np.nan
    dates = pd.date_range("2023-01-02", periods=shape[1], freq="W-MON")
    return pd.DataFrame(
        {
            "unique_id": np.repeat([f"product {i}" for i in series], shape[1]),
            "ds": np.tile(dates, len(series)),
            "y": y.ravel(),
            "promotion": promotion.ravel().astype(np.float64),
            "kind": np.repeat(np.asarray(list("abcde"))[np.asarray(series) % 5], shape[1]),
        }
    )


def write_rows(path: Path, series: int) -> None:
    """A parquet file of all rows."""
    writer = None
    for start in range(0, series, TOGETHER):
        table = pa.Table.from_pandas(demand(range(start, min(start + TOGETHER, series))))
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    assert writer is not None
    writer.close()


def timed(what: str, work: Callable[[], Any]) -> Any:
    """The result of `work`, after a line on its time and memory."""
    peak, start = Peak(), time.perf_counter()
    result = jax.block_until_ready(work())
    seconds = time.perf_counter() - start
    print(f"{what:36s} {seconds:7.1f} s, at most {peak.megabytes():6.0f} MB", flush=True)
    return result


def main(series: int = 300_000, steps: int = 200) -> None:
    """All in a temporary folder.

    Args:
        series: number of products.
        steps: of training.
    """
    model = MQCNN(
        horizon=HORIZON, season=52, future=["promotion"], static=["kind"], steps=steps, freq="W-MON"
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        timed("draw the rows", lambda: write_rows(folder / "rows.parquet", series))
        size = (folder / "rows.parquet").stat().st_size / 1e6
        print(
            f"{series} series, {series * (WEEKS + HORIZON) / 1e6:.1f} million rows, {size:.0f} MB"
        )
        store = timed(
            "write the store", lambda: model.write_store(folder / "rows.parquet", folder / "store")
        )
        timed(f"train for {steps} steps", lambda: model.fit(store).network)
        frame = timed("forecast all", lambda: model.predict(store))
        print(f"{len(frame) / 1e6:.1f} million forecasts; {store}")
        _compare(model, store)


def _compare(model: MQCNN, store: SeriesStore) -> None:
    """A gradient from the store beside one from memory."""
    network = model.network
    stream = model.source(store, network, key=jax.random.key(0))
    memory = model.source(store.panel(0), network, key=jax.random.key(0))

    def step(source):
        @eqx.filter_jit
        def gradient(position):
            return eqx.filter_grad(lambda n: forking_loss(n, source.batch(position))[0])(network)

        positions = iter(range(10**6))
        return lambda: gradient(jax.numpy.asarray(next(positions)))

    stored, held = alternated([step(stream), step(memory)], repeats=30)
    print(f"a gradient from the store {1e3 * stored:.1f} ms, from memory {1e3 * held:.1f} ms")
    assert isinstance(stream, StretchSource)
    stream.close()


if __name__ == "__main__":
    tyro.cli(main)
