"""Saved forecasters again: built from their options, with their arrays filled in."""

import importlib
import inspect
import json
from pathlib import Path
from typing import Any

from jaxsci.training import load_model

from .forecaster import Forecaster
from .saving import FILE, FORMAT, MODEL, PACKAGE
from .schema import Schema


def load(path: str | Path) -> Forecaster:
    """The forecaster that was saved in the folder `path`.

    Raises:
        FileNotFoundError: no such folder, or not one that `Forecaster.save` wrote.
        ValueError: one of another version, or damaged.
    """
    path = Path(path)
    if not (path / FILE).is_file():
        raise FileNotFoundError(
            f"load expected a folder written by Forecaster.save, got {path}, which has no "
            f"{FILE}; check the path."
        )
    try:
        content = json.loads((path / FILE).read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(
            f"load expected a whole {FILE} in {path}, got one that is damaged ({error}); save "
            "the forecaster again."
        ) from error
    known = importlib.import_module(PACKAGE)
    content = content if isinstance(content, dict) else {}
    kind = getattr(known, str(content.get("forecaster")), None)
    missing = {"options", "schema", "sizes", "arrays"} - content.keys()
    fits = isinstance(kind, type) and issubclass(kind, Forecaster) and not inspect.isabstract(kind)
    if content.get("format") != FORMAT or not fits or missing:
        raise ValueError(
            f"load expected a forecaster of {PACKAGE} in format {FORMAT}, got "
            f"{content.get('forecaster')!r} in format {content.get('format')!r} without {sorted(missing)}; "
            "fit it again with this version."
        )
    assert kind is not None
    forecaster: Any = kind._built(path, content["options"])
    forecaster._set_schema(Schema.from_json(content["schema"]))
    if content["arrays"]:
        forecaster._restore(load_model(path / MODEL, forecaster._like(content["sizes"])))
    return forecaster
