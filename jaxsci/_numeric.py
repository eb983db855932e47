"""Functions that NumPy computes for NumPy's arrays and JAX for its own, written once.

NumPy's arrays are computed in their own precision whatever JAX's flags are: in single precision 1e8 and 1e8 + 1
are one number. JAX's arrays go through jit, grad and vmap too. Where both come together NumPy computes, unless
a transformation follows one. Half precision is computed in single.
"""

import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ._arrays import numbers, traced

if TYPE_CHECKING:
    AnyArray = Any
else:
    AnyArray = Array | np.ndarray | np.floating
"""What such a function takes and returns; for a type checker anything that it makes an array of, lists too."""

P = ParamSpec("P")
R = TypeVar("R")


def numeric(
    *names: str,
    masks: tuple[str, ...] = (),
    complex_too: bool = False,
    promote: bool = True,
    who: str | None = None,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make arrays of one kind and precision of what a function is given, and refuse what is no number.

    Args:
        names: the arguments that are arrays; those that are None by default may be.
        masks: the arguments that are arrays of booleans.
        complex_too: whether complex numbers have a meaning.
        promote: whether all come in one precision, the widest and at least single; else each in its own.
        who: the name in messages; the function's by default.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        signature = inspect.signature(function)
        title = who or function.__name__

        @functools.wraps(function)
        def scored(*args: P.args, **kwargs: P.kwargs) -> R:
            bound = signature.bind(*args, **kwargs)
            given = bound.arguments
            there = {
                name: numbers(title, name, x)
                for name, x in given.items()
                if name in names + masks and not x is signature.parameters[name].default is None
            }
            arrays = {name: there[name] for name in names if name in there}
            if not complex_too:
                check_real(title, arrays)
            # A plain number is of either kind.
            kinds = {type(x) for n, x in arrays.items() if not isinstance(given[n], int | float)}
            ours = kinds and all(issubclass(kind, jax.Array) for kind in kinds)
            xp = jnp if ours or traced(tuple(given.values())) else np
            given |= {name: xp.asarray(x) for name, x in there.items()} | _alike(
                arrays, xp, promote
            )
            # What is divided by nothing is NaN or infinite in both, without a warning.
            with np.errstate(all="ignore"):
                return function(*bound.args, **bound.kwargs)

        return scored

    return decorate


def namespace(x: Any) -> Any:
    """`jax.numpy` for JAX's arrays, `numpy` for all others."""
    return jnp if isinstance(x, jax.Array) else np


def wide(x: Any) -> Any:
    """X in floating point, in single precision at least."""
    return _alike({"x": x}, namespace(x), promote=True)["x"]


def frozen(x: Any) -> Any:
    """x, through which no derivative passes."""
    return jax.lax.stop_gradient(x) if isinstance(x, jax.Array) else x


def at_ends(x: Any) -> Any:
    """The first and the last entry along the last axis."""
    return x[..., :: x.shape[-1] - 1]


def put(x: Any, index: Any, values: Any) -> Any:
    """X with other values at an index; a new array."""
    if isinstance(x, jax.Array):
        return x.at[index].set(values)
    x = x.copy()
    x[index] = values
    return x


def check_real(who: str, arrays: dict[str, Any]) -> None:
    """Refuse complex numbers by the name of their argument."""
    for name, x in arrays.items():
        if jnp.issubdtype(x.dtype, jnp.complexfloating):
            raise ValueError(
                f"{who} expected real numbers as {name}, got {x.dtype}; pass the real and the "
                "imaginary part as two fields."
            )


def _alike(arrays: dict[str, Any], xp: Any, promote: bool) -> dict[str, Any]:
    """The arrays as those of one namespace, floating, in one precision or each in its own."""
    default = np.dtype(np.float64) if xp is np else jax.dtypes.canonicalize_dtype(np.float64)
    own = {
        name: x.dtype if jnp.issubdtype(x.dtype, jnp.inexact) else default
        for name, x in arrays.items()
    }
    if promote:
        widest = functools.reduce(np.promote_types, own.values(), np.dtype(np.float32))
        own = dict.fromkeys(own, widest)
    if xp is jnp:
        own = {name: jax.dtypes.canonicalize_dtype(dtype) for name, dtype in own.items()}
    return {name: xp.asarray(x, dtype=own[name]) for name, x in arrays.items()}
