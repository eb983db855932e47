"""Whether a value fits an annotation, and in which words it does not.

Annotations of public functions say what they expect, down to the axes of an array: tests check them at
every call. Here they are read as a person would read them, so a NumPy array or a number does for
an array, and only what cannot be meant is told: another kind, other axes, complex for real numbers.
"""

import inspect
import operator
import os
import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np

# The kinds of numbers that pass for those of an annotation; whole numbers do where real ones are meant.
_KINDS = {
    "float": "buif",
    "bfloat": "buif",
    "complex": "buifc",
    "int": "bui",
    "uint": "bui",
    "bool": "bui",
    "prng": "k",
}
_NAMES = {"buif": "real numbers", "buifc": "numbers", "bui": "whole numbers", "k": "random keys"}
_NUMBERS = {
    float: ("a number", "give a float", "buif"),
    int: ("a whole number", "give an int", "bui"),
    complex: ("a number", "give a number", "buifc"),
}

_ARRAY_LIKE = typing.get_args(jaxtyping.ArrayLike)


class Misfit(NamedTuple):
    """What was expected, what came, and what to do about it."""

    expected: str
    received: str
    remedy: str


def misfit(annotation: Any, value: Any, sizes: dict[str, Any], *, strict: bool) -> Misfit | None:
    """Say how `value` does not fit `annotation`, or return None where it does.

    Args:
        annotation: that of one argument; one that says nothing fits all.
        value: the argument.
        sizes: sizes of named axes seen so far, to which those of `value` are added.
        strict: whether lists of numbers and objects of a like kind are told too: they are where a call
            has failed, not where it has gone well with them.
    """
    if isinstance(value, jax.ShapeDtypeStruct):
        return None
    if _is_annotated(annotation):
        return _array(annotation, value, sizes, strict)
    for test, check in _CHECKS:
        if test(annotation):
            return check(annotation, value, sizes, strict)
    kind = typing.get_origin(annotation) or annotation
    return _instance(kind, value) if isinstance(kind, type) and strict else None


def answered(who: str, name: str, value: Any) -> Any:
    """What a function of the user answered, which is to be an array of numbers.

    Raises:
        TypeError: another answer, such as the None of a function without `return`.
    """
    if _plain_array(None, value, {}, True) is not None:
        raise TypeError(
            f"{who} expected {name} to return an array of numbers, got {received(value)}; return one value "
            "for each position."
        )
    return value


def received(value: Any) -> str:
    """Describe a value in a few words: dtype and shape of an array, the beginning of anything else."""
    if _is_array(value):
        return f"{value.dtype} of shape {tuple(value.shape)}"
    text = repr(value)
    if len(text) > 60 or " at 0x" in text:
        return _article(type(value).__name__)
    return text


def _unless(fits: bool, expected: str, value: Any, remedy: str) -> Misfit | None:
    return None if fits else Misfit(expected, received(value), remedy)


def _article(name: str) -> str:
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def _instance(kind: type, value: Any) -> Misfit | None:
    """Compare with a class, or by the names of its members with a protocol."""
    if getattr(kind, "_is_protocol", False):
        fits = all(hasattr(value, name) for name in vars(kind) if not name.startswith("_"))
    else:
        fits = isinstance(value, kind)
    return _unless(fits, _article(kind.__name__), value, "build one")


def _is_array(value: Any) -> TypeGuard[jax.Array]:
    return hasattr(value, "shape") and hasattr(value, "dtype")


def _is_annotated(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, jaxtyping.AbstractArray)


def _array(annotation: Any, value: Any, sizes: dict[str, Any], strict: bool) -> Misfit | None:
    """Compare the kind of numbers and the axes with those of a jaxtyping annotation."""
    kinds = _kinds(annotation)
    dims = [_shown(dim) for dim in annotation.dims]
    shape = "" if dims in ([], ["..."]) else f" of shape ({', '.join(dims)})"
    numbers = "values" if kinds is None else _NAMES[kinds]
    expected = f"an array of {numbers}{shape}"
    if not _is_array(value):
        if isinstance(value, list | tuple) and not strict:
            value = _as_array(value)
        elif isinstance(value, bool | int | float | complex):
            value = np.asarray(value)
    if not _is_array(value):
        return Misfit(expected, received(value), "convert it with jnp.asarray")
    if kinds is not None and _kind(value.dtype) not in kinds:
        return Misfit(expected, received(value), "convert or leave out what is not")
    return _axes(annotation, value, sizes, expected)


def _as_array(value: Any) -> Any:
    try:
        return np.asarray(value)
    except (TypeError, ValueError):  # ragged, or of tracers: nothing can be said of it
        return value


def _kind(dtype: Any) -> str:
    if jnp.issubdtype(dtype, jax.dtypes.prng_key):
        return "k"
    return "f" if jnp.issubdtype(dtype, jnp.floating) else np.dtype(dtype).kind


def _kinds(annotation: Any) -> str | None:
    """Letters of NumPy's kinds of dtype that do for the annotation; None where any does."""
    if not isinstance(annotation.dtypes, tuple | list):
        return None
    stems = {re.split(r"[\d_]", name)[0] for name in annotation.dtypes}
    letters = {letter for stem in stems for letter in _KINDS.get(stem, "")}
    return "".join(letter for letter in "buifck" if letter in letters)


def _axes(annotation: Any, value: Any, sizes: dict[str, Any], expected: str) -> Misfit | None:
    """Compare the axes of an array with those of the annotation, and remember their sizes."""
    dims, shape, variadic = annotation.dims, tuple(value.shape), annotation.index_variadic
    remedy = "give it these axes"
    if len(shape) == len(dims) + 1 and variadic is None:
        remedy = "use jax.vmap for batches"
    if (len(shape) != len(dims)) if variadic is None else (len(shape) < len(dims) - 1):
        return Misfit(expected, received(value), remedy)
    pairs: list[tuple[Any, Any]] = list(zip(dims, shape, strict=False))
    if variadic is not None:
        after = len(dims) - variadic - 1
        middle = shape[variadic : len(shape) - after]
        pairs = [*pairs[:variadic], (dims[variadic], middle)]
        pairs += zip(dims[variadic + 1 :], shape[len(shape) - after :], strict=True)
    for dim, size in pairs:
        name, fixed = getattr(dim, "name", None), getattr(dim, "size", None)
        known = fixed if name is None else sizes.setdefault(name, size)
        if known is None or known == size or getattr(dim, "broadcastable", False):
            continue
        where = expected if name is None else f"{expected} with {name}={known} as in the rest"
        return Misfit(where, received(value), "make the sizes agree")
    return None


def _shown(dim: Any) -> str:
    name = getattr(dim, "name", None) or getattr(dim, "elem", None) or getattr(dim, "size", None)
    if name is None:
        return "..." if "Variadic" in type(dim).__name__ else "_"
    return f"*{name}" if "Variadic" in type(dim).__name__ else str(name)


def _plain_array(annotation: Any, value: Any, sizes: dict[str, Any], strict: bool) -> Misfit | None:
    if _is_array(value):
        fits = _kind(value.dtype) not in ("OUSmM" if strict else "OUS")
        return _unless(fits, "an array of numbers", value, "convert it")
    fits = isinstance(value, bool | int | float | complex | np.generic)
    if isinstance(value, list | tuple) and not strict:
        array = _as_array(value)
        fits = not _is_array(array) or _kind(array.dtype) not in "OUSmM"
    return _unless(fits, "an array", value, "convert it with jnp.asarray")


def _number(annotation: Any, value: Any, sizes: dict[str, Any], strict: bool) -> Misfit | None:
    expected, remedy, kinds = _NUMBERS[annotation]
    if _is_array(value):
        fits = _kind(value.dtype) in kinds and not (strict and np.ndim(value))
    elif annotation is int:
        fits = hasattr(type(value), "__index__") and not (
            strict and abs(operator.index(value)) >= 2**63
        )
    else:
        fits = isinstance(value, int | float | complex if annotation is complex else int | float)
    return _unless(fits, expected, value, remedy)


def _flag(annotation: Any, value: Any, sizes: dict[str, Any], strict: bool) -> Misfit | None:
    known = isinstance(value, bool | int) and value in (0, 1)
    fits = known or (_is_array(value) and _kind(value.dtype) == "b")
    return _unless(fits, "True or False", value, "give one of the two")


def _union(annotation: Any, value: Any, sizes: dict[str, Any], strict: bool) -> Misfit | None:
    misfits = []
    members = typing.get_args(annotation)
    if _is_array(value) and any(_is_annotated(member) for member in members):
        # Of its axes and numbers those say what may be.
        members = [member for member in members if member not in _NUMBERS and member is not bool]
    if set(_ARRAY_LIKE) <= set(members):  # in fewer words: an array
        members = [jax.Array, *(member for member in members if member not in _ARRAY_LIKE)]
    for member in members:
        tried = dict(sizes)
        if (found := misfit(member, value, tried, strict=strict)) is None:
            sizes.update(tried)
            return None
        misfits.append(found)
    expected = " or ".join(dict.fromkeys(found.expected for found in misfits))
    return Misfit(expected, misfits[0].received, misfits[0].remedy)


def _sequence(annotation: Any, value: Any, sizes: dict[str, Any], strict: bool) -> Misfit | None:
    arguments = typing.get_args(annotation)
    if isinstance(value, str | bytes | Mapping) or not (
        _is_array(value) or isinstance(value, Sequence)
    ):
        return Misfit("a sequence", received(value), "give a tuple or a list")
    if _is_array(value):
        kinds = _NUMBERS[arguments[0]][2] if arguments and arguments[0] in _NUMBERS else None
        fits = np.ndim(value) == 1 and _kind(value.dtype) in kinds if kinds else np.ndim(value) > 0
        return _unless(fits, "a sequence", value, "give one axis of numbers, or a tuple")
    if not arguments:
        return None
    if typing.get_origin(annotation) is tuple and arguments[-1] is not Ellipsis:
        if len(value) != len(arguments):
            return Misfit(f"{len(arguments)} values", received(value), "give that many")
    else:
        arguments = [arguments[0]] * len(value)
    for member, item in zip(arguments, value, strict=True):
        if (found := misfit(member, item, dict(sizes), strict=strict)) is not None:
            return found._replace(expected=f"a sequence with {found.expected} in each place")
    return None


def _iterable(annotation: Any, value: Any, sizes: dict[str, Any], strict: bool) -> Misfit | None:
    items = typing.get_args(annotation)
    words = strict and bool(items) and items[0] is not str and isinstance(value, str | Mapping)
    if words or not isinstance(value, Iterable):
        return Misfit("values to go through", received(value), "give a list")
    checked = strict and isinstance(value, list | tuple)
    return _sequence(annotation, value, sizes, strict) if checked else None


def _literal(annotation: Any, value: Any, sizes: dict[str, Any], strict: bool) -> Misfit | None:
    choices = typing.get_args(annotation)
    fits = isinstance(value, str | int | bool | None) and value in choices
    return _unless(fits, f"one of {', '.join(map(repr, choices))}", value, "choose one of them")


def _simple(kind: Any, expected: str, remedy: str) -> Callable[..., Misfit | None]:
    return lambda annotation, value, sizes, strict: _unless(
        isinstance(value, kind), expected, value, remedy
    )


def _anything(annotation: Any, value: Any, sizes: dict[str, Any], strict: bool) -> None:
    return None


def _origin(*origins: Any) -> Callable[[Any], bool]:
    return lambda annotation: annotation in origins or typing.get_origin(annotation) in origins


_CHECKS: tuple[tuple[Callable[[Any], bool], Callable[..., Misfit | None]], ...] = (
    (lambda a: a in (Any, object, inspect.Parameter.empty, jaxtyping.PyTree), _anything),
    (lambda a: isinstance(a, str | typing.TypeVar), _anything),
    (lambda a: a is None or a is types.NoneType, _simple(types.NoneType, "None", "leave it out")),
    (_origin(typing.Union, types.UnionType), _union),
    (lambda a: a is jax.Array, _plain_array),
    (lambda a: a is bool, _flag),
    (lambda a: a in _NUMBERS, _number),
    (lambda a: a is str, _simple(str, "a text", "give a str")),
    (lambda a: a is Path, _simple((str, os.PathLike), "a path", "give a Path")),
    (_origin(typing.Literal), _literal),
    (
        _origin(Callable),
        lambda a, v, sizes, strict: _unless(callable(v), "a function", v, "give one"),
    ),
    (_origin(tuple, list, Sequence), _sequence),
    (_origin(Iterable), _iterable),
    (_origin(dict, Mapping), _simple(Mapping, "a mapping", "give a dictionary")),
)
