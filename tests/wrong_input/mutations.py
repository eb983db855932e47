"""What is put in place of an argument: values of another kind, size, range or precision.

A mutation is a name and a wrong value. Only values that no reading of the argument allows are here;
what an annotation or a default shows to be allowed (`None`, an array for a number) is left out.
"""

import inspect
import math
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np

# Wrong for whatever expects a number, an array, a name, a function or an object.
_OTHER_KINDS = {
    "None": None,
    "text": "no such thing",
    "a list of objects": [object(), object()],
    "an object": object(),
    "a dictionary": {"a": 1},
}

# Wrong only beside another array, whose axes say how many there should be.
OF_SEVERAL = frozenset({"a sample too few", "no samples", "transposed"})


def mutations(value: Any, parameter: inspect.Parameter) -> Iterator[tuple[str, Any]]:
    """Wrong values for an argument that was given as `value`."""
    allowed = str(parameter.annotation)
    for name, other in _OTHER_KINDS.items():
        if not _allows(allowed, parameter.default, other):
            yield name, other
    for kind, wrong in _OF_KIND.items():
        if kind(value):
            yield from wrong(value, allowed)
            return


def _allows(annotation: str, default: Any, other: Any) -> bool:
    """Whether the annotation or the default shows that the other kind is meant to be possible."""
    words = {type(None): ("None", "Optional", "Any"), str: ("str", "Path", "Literal", "Any")}
    if default is None and other is None:
        return True
    if annotation in ("Any", "typing.Any", str(inspect.Parameter.empty)):
        return True
    if isinstance(other, dict):
        return any(word in annotation for word in ("dict", "Mapping", "PyTree", "Any"))
    if isinstance(other, list) or type(other) is object:
        return any(word in annotation for word in ("PyTree", "object", "Any"))
    return any(word in annotation for word in words.get(type(other), ()))


def _whole_numbers(value: int, annotation: str) -> Iterator[tuple[str, Any]]:
    yield from {"zero": 0, "minus one": -1, "2**70": 2**70}.items() if value > 1 else ()
    yield from {"one and a half": 1.5, "NaN": math.nan, "a digit as text": "3"}.items()
    if "complex" not in annotation:
        yield "a complex number", 1j


def _numbers(value: float, annotation: str) -> Iterator[tuple[str, Any]]:
    yield from {"NaN": math.nan, "infinity": math.inf}.items()
    if value > 0:
        yield "its negative", -value
    yield from {"a complex number": value + 1j, "a digit as text": "0.5"}.items()
    if "Float" not in annotation and "Array" not in annotation:
        yield "an array of two", np.array([value, value], np.float32)


def _flags(value: bool, annotation: str) -> Iterator[tuple[str, Any]]:
    yield from {"yes": "yes", "two": 2}.items() if "int" not in annotation else ()


def _words(value: str, annotation: str) -> Iterator[tuple[str, Any]]:
    yield from {"an empty word": "", "a number": 3, "NaN": math.nan}.items()


def _arrays(value: Any, annotation: str) -> Iterator[tuple[str, Any]]:
    array = np.asarray(value)
    if array.ndim:
        yield "a sample too few", array[:-1]
        yield "no samples", array[:0]
    if array.ndim > 1:
        yield "transposed", np.ascontiguousarray(array.T)
    yield "one axis more", array[None]
    if np.issubdtype(array.dtype, np.floating):
        broken = array.copy()
        broken.flat[:1] = math.nan
        yield "a NaN", broken
        yield "complex numbers", array.astype(np.complex64)
        yield "text", array.astype(str)
        yield "objects", np.full(array.shape, object())
    elif np.issubdtype(array.dtype, np.integer):
        yield "halves", array + 0.5
        yield "out of range", array + 10**6


def _keys(value: Any, annotation: str) -> Iterator[tuple[str, Any]]:
    yield "a seed", 0
    yield "two keys", jax.random.split(jax.random.key(0), 2)


def _of_nothing() -> None: ...


# What Python says where it is called.
NO_ARGUMENTS = f"{_of_nothing.__name__}() "


def _functions(value: Any, annotation: str) -> Iterator[tuple[str, Any]]:
    yield "a number", 3
    yield "a function of nothing", _of_nothing
    yield "a function to nothing", lambda *_, **__: None


def _tuples(value: tuple, annotation: str) -> Iterator[tuple[str, Any]]:
    yield "empty", ()
    yield "its first alone", value[0]
    yield "one more", (*value, value[-1])
    if all(type(v) is int for v in value):
        yield "a zero in front", (0, *value[1:])
        yield "a half in front", (1.5, *value[1:])


def _is_key(value: Any) -> bool:
    return isinstance(value, jax.Array) and jax.dtypes.issubdtype(value.dtype, jax.dtypes.prng_key)


def is_array(value: Any) -> bool:
    """Whether the value is an array of JAX or NumPy."""
    return (
        isinstance(value, jax.Array | np.ndarray) and not _is_key(value) and value.dtype != object
    )


# In this order: a key is an array, a flag is an integer.
_OF_KIND: dict[Callable[[Any], bool], Callable[[Any, str], Iterator[tuple[str, Any]]]] = {
    _is_key: _keys,
    is_array: _arrays,
    lambda v: isinstance(v, bool): _flags,
    lambda v: isinstance(v, int): _whole_numbers,
    lambda v: isinstance(v, float): _numbers,
    lambda v: isinstance(v, str): _words,
    lambda v: isinstance(v, tuple) and len(v) > 0: _tuples,
    lambda v: inspect.isfunction(v): _functions,
}
