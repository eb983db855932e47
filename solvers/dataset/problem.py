"""What a data set is made of: distributions of the inputs, a solve, and the names of what comes out."""

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, PRNGKeyArray


class Variable(NamedTuple):
    """How one array of a sample is stored.

    Attributes:
        dims: names of its axes, such as ("time", "x"); () for a number.
        units: its unit, "1" where it has none.
        long_name: a few words.
    """

    dims: tuple[str, ...] = ()
    units: str = "1"
    long_name: str = ""


@dataclass(frozen=True)
class Problem:
    """A recipe for one sample of a data set.

    Args:
        name: a short name.
        inputs: a distribution for every drawn quantity: a numpyro distribution (anything with
            ``sample(key)``), or a callable that takes ``key=``, such as a `GaussianRandomField`.
        solve: pure function of the dictionary of inputs that returns a dictionary of arrays; under
            "ok" a flag that the solve succeeded, which is not stored.
        variables: every stored array, inputs and outputs alike.
        coordinates: values and unit of every dimension.
        title: one line for the attributes of the store.

    Raises:
        ValueError: for variables with a dimension that has no coordinate.
    """

    name: str
    inputs: Mapping[str, Any]
    solve: Callable[[dict[str, Array]], dict[str, Array]]
    variables: Mapping[str, Variable]
    coordinates: Mapping[str, tuple[np.ndarray, str]] = field(default_factory=dict)
    title: str = ""

    def __post_init__(self):
        needed = {dim for variable in self.variables.values() for dim in variable.dims}
        if missing := sorted(needed - set(self.coordinates)):
            raise ValueError(
                f"Problem expected coordinates for the dimensions {sorted(needed)}, got none for "
                f"{missing}; give their values and units."
            )

    def sample(self, key: PRNGKeyArray) -> dict[str, Array]:
        """Draw the inputs and solve: all variables of one sample, and "ok"."""
        # A key by name: a further input does not change what the others draw.
        keys = {name: jax.random.fold_in(key, zlib.crc32(name.encode())) for name in self.inputs}
        drawn = {
            name: (law.sample(keys[name]) if hasattr(law, "sample") else law(key=keys[name]))
            for name, law in self.inputs.items()
        }
        out = drawn | self.solve(drawn)
        if missing := sorted(set(self.variables) - set(out)):
            raise ValueError(
                f"Problem {self.name!r} expected its inputs and its solve to return "
                f"{sorted(self.variables)}, got no {missing}; add them or drop the variables."
            )
        for name, variable in self.variables.items():
            expected = tuple(len(self.coordinates[dim][0]) for dim in variable.dims)
            if out[name].shape != expected:
                raise ValueError(
                    f"Problem {self.name!r} expected {name!r} of shape {expected}, for dimensions "
                    f"{variable.dims}, got {out[name].shape}; make the coordinates agree."
                )
        kept = {name: out[name] for name in self.variables}
        return kept | ({"ok": out["ok"]} if "ok" in out else {})
