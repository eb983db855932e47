"""Folders that appear when they are complete."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def complete(path: Path) -> Iterator[Path]:
    """A new, empty folder to write into, which takes the place of `path` when all went well.

    It lies on the same disk, in a folder of its own that holds what else is made on the way, and is removed
    with it. What was at `path` stays until then.
    """
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.partial-") as scratch:
        made, old = Path(scratch) / "made", Path(scratch) / "old"
        made.mkdir()
        yield made
        if path.exists():
            os.replace(path, old)
        os.replace(made, path)
