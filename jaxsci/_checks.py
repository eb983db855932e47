"""Checks of arguments that every part of the library has: numbers and random keys."""

import operator
from typing import Any

import jax


def whole(who: str, name: str, value: Any, least: int = 1) -> int:
    """`value` as an int of at least `least`; NumPy's integers count, halves and strings do not."""
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or not least <= number < 2**63:
        most = "" if number is None or number < least else " and < 2**63"
        raise ValueError(
            f"{who} expected {name} to be a whole number >= {least}{most}, got {value!r}; give one of at "
            f"least {least}."
        )
    return number


def wholes(who: str, name: str, values: Any, example: str) -> tuple[int, ...]:
    """`values` as a tuple of ints of at least 1, one for each axis; NumPy's integers count."""
    try:
        counts = (
            tuple(operator.index(value) for value in values) if isinstance(values, tuple) else ()
        )
    except TypeError:
        counts = ()
    if not counts or min(counts) < 1:
        raise ValueError(
            f"{who} expected {name} as a tuple of positive integers, one for each axis, got {values!r}; write "
            f"{example}."
        )
    return counts


def number(who: str, name: str, value: Any) -> float:
    """`value` as a float; infinities and NaN count."""
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{who} expected {name} to be one number known when it is built, got {value!r}; give a float."
        ) from error


def check_key(who: str, key: Any) -> None:
    """Refuse what is no random key, such as the seed that one is made from."""
    try:
        jax.random.key_data(key)
    except TypeError as error:
        raise TypeError(
            f"{who} expected a random key, got {key!r}; make one of a seed, as in jax.random.key(0)."
        ) from error
