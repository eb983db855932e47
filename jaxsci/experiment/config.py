"""Configurations: frozen dataclasses of plain values, as JSON and back, and how two differ.

The field `seeds` says which seeds to run, not how; it takes no part in the comparison, so that
seeds can be added to a run.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, Protocol, TypeVar, runtime_checkable

from jaxsci.experiment.errors import ExperimentError
from jaxsci.experiment.jsonfile import encode


@runtime_checkable
class Config(Protocol):
    """What every configuration has: the seeds to run."""

    @property
    def seeds(self) -> tuple[int, ...]:
        """Distinct seeds, none negative, at least one."""
        ...


# Options of the command line, which a field would hide.
_RESERVED = frozenset({"preset", "results", "overwrite", "record", "help"})

ConfigT = TypeVar("ConfigT", bound=Config)


def check_config(config: Any, *, where: str) -> None:
    """Refuse a configuration that could not be compared or read back.

    Raises:
        TypeError: for anything but a frozen dataclass of plain values, or a field whose name the
            command line needs.
        ExperimentError: for seeds that are not distinct integers >= 0.
    """
    if not dataclasses.is_dataclass(config) or isinstance(config, type):
        raise TypeError(f"Expected {where} to be a frozen dataclass, got {config!r}; make it one.")
    if not config.__dataclass_params__.frozen:  # pyright: ignore[reportAttributeAccessIssue]
        raise TypeError(f"Expected {where} to be frozen, got a mutable one; add frozen=True.")
    encode(config)
    taken = _RESERVED.intersection(field.name for field in dataclasses.fields(config))
    if taken:
        raise TypeError(
            f"Expected {where} to leave {', '.join(sorted(taken))} to the command line, got a "
            f"field of that name; rename it."
        )
    seeds = getattr(config, "seeds", ())
    # Larger ones begin again in single precision: seed 2**32 draws what seed 0 does.
    whole = all(isinstance(seed, int) and 0 <= seed < 2**32 for seed in seeds)
    if not seeds or not whole or len(set(seeds)) != len(seeds):
        raise ExperimentError(
            f"Expected {where} to have a field seeds of distinct integers >= 0 and below 2**32, got {seeds!r}; "
            f"give at least one."
        )


def to_json(config: Config) -> dict[str, Any]:
    """The fields of `config` but its seeds, in JSON's types."""
    values = encode(config)
    del values["seeds"]
    return values


def from_json(like: ConfigT, values: Mapping[str, Any], *, seeds: tuple[int, ...]) -> ConfigT:
    """The configuration of the type of `like` that `to_json` wrote.

    Raises:
        ExperimentError: for fields that `like` lacks or that are missing.
    """
    return _rebuild(like, {**values, "seeds": list(seeds)}, path="")


def _rebuild(like: Any, values: Any, *, path: str) -> Any:
    if not (dataclasses.is_dataclass(like) and not isinstance(like, type)):
        return _tuples(values) if isinstance(values, list) else values
    names = {field.name for field in dataclasses.fields(like)}
    found = set(values) if isinstance(values, Mapping) else set()
    if found != names:
        raise ExperimentError(
            f"Expected a configuration with the fields {_dotted(path, names - found)} and without "
            f"{_dotted(path, found - names)}, got one of another version of the code; run it again "
            f"into another results folder, or with --overwrite."
        )
    fields = {
        name: _rebuild(getattr(like, name), values[name], path=f"{path}{name}.") for name in names
    }
    return dataclasses.replace(like, **fields)


def _tuples(values: list[Any]) -> tuple[Any, ...]:
    return tuple(_tuples(item) if isinstance(item, list) else item for item in values)


def _dotted(path: str, names: set[str]) -> str:
    return ", ".join(f"{path}{name}" for name in sorted(names)) or "(none)"


def field_names(config: Any, *, prefix: str = "") -> Iterator[str]:
    """Dotted names of all fields of `config` that hold a value, as overrides name them."""
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            yield from field_names(value, prefix=f"{prefix}{field.name}.")
        else:
            yield prefix + field.name


def differences(there: Any, now: Any, *, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Dotted names of the JSON values in which `there` and `now` differ, with both values."""
    if isinstance(there, Mapping) and isinstance(now, Mapping):
        # In the order of the fields, those of `now` first.
        for name in dict.fromkeys([*now, *there]):
            yield from differences(
                there.get(name, "(absent)"), now.get(name, "(absent)"), path=f"{path}.{name}"
            )
    elif there != now:
        yield path.removeprefix("."), there, now


def overridden(standard: Config, config: Config) -> list[str]:
    """The fields in which `config` is not as `standard` has them, as ``name=value``; also seeds."""
    changed = differences(encode(standard), encode(config))
    return [f"{name}={value}" for name, _, value in changed]
