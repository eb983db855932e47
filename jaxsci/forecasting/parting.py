"""Rows of parquet files, parted by series: each part has all rows of its series, and fits into memory.

A row goes to the part that the hash of its ``unique_id`` names, so the rows may be in any order, and one pass
over them is enough.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pandas.util import hash_array

from ..data._extras import extra
from .panel import ID

# Files that are open at once.
_MOST_PARTS = 512
# Rows that are read at once.
_BATCH = 1 << 18
_WHO, _INSTEAD = "write_store", "fit a pandas frame"


def part_rows(source: Any, folder: Path, *, columns: Sequence[str], rows: int) -> list[Path]:
    """Write the rows into files of about so many rows each.

    Args:
        source: a parquet file, or a folder of such.
        folder: of the files.
        columns: to keep.
        rows: of a part.

    Returns:
        The files, for `read_part`.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no parquet files, missing columns, or no rows.
    """
    arrow, datasets = (
        extra(_WHO, name, "pyarrow", _INSTEAD, name="forecast")
        for name in ("pyarrow", "pyarrow.dataset")
    )
    if not isinstance(source, str | Path) or not Path(source).exists():
        raise FileNotFoundError(
            f"write_store expected the path of a parquet file, or of a folder of such, got {source!r}; correct "
            "the path."
        )
    try:
        data = datasets.dataset(source, format="parquet")
        names, count = data.schema.names, data.count_rows()
    except (arrow.ArrowInvalid, OSError) as error:
        raise ValueError(
            f"write_store expected parquet files at {source}, got something else ({error}); write them with "
            "DataFrame.to_parquet."
        ) from error
    missing = [name for name in columns if name not in names]
    if missing or not count:
        raise ValueError(
            f"write_store expected rows with the columns {list(columns)}, got {count} rows without {missing}; "
            "rename columns, or declare fewer covariates."
        )
    parts = min(-(-count // rows), _MOST_PARTS)
    files = [folder / f"{number}.arrow" for number in range(parts)]
    schema = arrow.schema([data.schema.field(name) for name in columns])
    writers: dict[int, Any] = {}
    try:
        for batch in data.to_batches(columns=list(columns), batch_size=_BATCH):
            ids: Any = batch.column(columns.index(ID)).to_pandas()
            # Codes of categories differ from file to file; what they name does not.
            codes = hash_array(np.asarray(ids, object))  # pyright: ignore[reportCallIssue]
            numbers = codes % parts
            order = np.argsort(numbers, kind="stable")
            batch, bounds = batch.take(order), np.searchsorted(numbers[order], np.arange(parts + 1))
            for number in np.flatnonzero(np.diff(bounds)).tolist():
                if number not in writers:
                    writers[number] = arrow.ipc.new_stream(files[number], schema)
                start, end = bounds[number], bounds[number + 1]
                writers[number].write_batch(batch.slice(start, end - start))
    finally:
        for writer in writers.values():
            writer.close()
    return [files[number] for number in sorted(writers)]


def read_part(file: Path) -> pd.DataFrame:
    """The rows of one part."""
    arrow = extra(_WHO, "pyarrow", "pyarrow", _INSTEAD, name="forecast")
    with arrow.OSFile(str(file)) as stream:
        return arrow.ipc.open_stream(stream).read_pandas()
