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
from .frame import ID

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
        rows: of a part; more where there would be more than 512 parts.

    Returns:
        The files, for `read_part`.

    Raises:
        FileNotFoundError: no such file.
        TypeError: no path.
        ValueError: no parquet files, columns that are missing or differ, other ids, or no rows.
    """
    arrow, datasets = (
        extra(_WHO, name, "pyarrow", _INSTEAD, name="forecast")
        for name in ("pyarrow", "pyarrow.dataset")
    )
    data = _dataset(source, arrow, datasets)
    count = data.count_rows()
    missing = [name for name in columns if name not in data.schema.names]
    if missing or not count:
        raise ValueError(
            f"write_store expected rows with the columns {list(columns)}, got {count} rows without {missing}; "
            "rename columns, or declare fewer covariates."
        )
    kind = data.schema.field(ID).type
    kind = kind.value_type if arrow.types.is_dictionary(kind) else kind
    text = arrow.types.is_string(kind) or arrow.types.is_large_string(kind)
    if not (text or arrow.types.is_string_view(kind) or arrow.types.is_integer(kind)):
        raise ValueError(
            f"write_store expected unique_id as strings or whole numbers, got {kind}; convert it."
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
        table = arrow.ipc.open_stream(stream).read_all()
        # Truth values are numbers, also where some are missing.
        return table.to_pandas(types_mapper={arrow.bool_(): pd.BooleanDtype()}.get)


def _dataset(source: Any, arrow: Any, datasets: Any) -> Any:
    """The rows of one file, or of all files of a folder, which must have the same columns."""
    if not isinstance(source, str | Path):
        raise TypeError(
            f"write_store expected the path of a parquet file, or of a folder of such, got "
            f"{type(source).__name__}; a frame in memory needs no store."
        )
    if not Path(source).exists():
        raise FileNotFoundError(
            f"write_store expected the path of a parquet file, or of a folder of such, got {source!r}; correct "
            "the path."
        )
    folder = Path(source)
    files = sorted(map(str, folder.rglob("*.parquet"))) if folder.is_dir() else [str(folder)]
    if not files:
        raise ValueError(
            f"write_store expected a folder with files *.parquet, got none in {source}; correct the path."
        )
    options = {"format": "parquet"}
    if folder.is_dir():
        # Folders kind=a, kind=b are a column.
        options |= {"partitioning": "hive", "partition_base_dir": str(folder)}
    try:
        data = datasets.dataset(files, **options)
        pieces = [(piece.path, piece.physical_schema) for piece in data.get_fragments()]
        for path, schema in pieces:
            apart = sorted(set(schema.names) ^ set(pieces[0][1].names))
            if apart:
                raise ValueError(
                    f"write_store expected files with the same columns, got {apart} in only one of "
                    f"{pieces[0][0]} and {path}; write them with all columns."
                )
        whole = arrow.unify_schemas(
            [data.schema, *(s for _, s in pieces)], promote_options="permissive"
        )
        return datasets.dataset(files, schema=whole, **options)
    except (arrow.ArrowException, OSError) as error:
        raise ValueError(
            f"write_store expected parquet files with columns of the same kinds at {source}, got: "
            f"{str(error).splitlines()[0]}; write them again with DataFrame.to_parquet."
        ) from error
