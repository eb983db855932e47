"""Arrays of numbers, from what users pass, and what can be said of them outside jit."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, ArrayLike, PyTree


def native(x: np.ndarray) -> np.ndarray:
    """The same numbers in this machine's order of bytes, the only one that JAX knows."""
    return x if x.dtype.isnative else x.astype(x.dtype.newbyteorder("="))


def numbers(who: str, name: str, x: Any) -> Array | np.ndarray:
    """What a user passed as an array of numbers: JAX's own as it is, all else NumPy's, in its precision.

    Raises:
        TypeError: None, text, dates, objects, ragged lists and masked arrays, which are no numbers.
    """
    try:
        ours = isinstance(x, jax.Array) or traced(x)
        array = jnp.asarray(x) if ours else native(np.asarray(x))
    except (TypeError, ValueError):
        array = np.empty((), object)
    number = array.dtype == bool or jnp.issubdtype(array.dtype, jnp.number)
    # NumPy counts spans of time among the whole numbers.
    if not number or array.dtype.kind == "m" or np.ma.is_masked(x):
        got = type(x).__name__
        if isinstance(array, jax.Array) or not array.dtype.hasobject:
            got = f"{got} of {array.dtype}"
        raise TypeError(
            f"{who} expected {name} to be an array of numbers, got {got}; convert it, as with "
            "np.asarray(values, float), with NaN where one is missing."
        )
    return array


def as_jax(who: str, name: str, x: Any) -> Array:
    """What a user passed as an array of numbers, as JAX's, in the precision that its flags allow."""
    return jnp.asarray(numbers(who, name, x))


def traced(x: PyTree) -> bool:
    """Whether a transformation such as jit or grad follows any part of it."""
    return any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(x))


def floating(who: str, x: ArrayLike) -> Array:
    """An array of floating point numbers; integers become the default precision.

    Raises:
        TypeError: what is no array.
        ValueError: complex numbers.
    """
    try:
        with at_once(x):
            x = jnp.asarray(native(x) if isinstance(x, np.ndarray) else x)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"{who} expected arrays of numbers, got {type(x).__name__}; convert it with jnp.asarray."
        ) from error
    if jnp.issubdtype(x.dtype, jnp.complexfloating):
        raise ValueError(
            f"{who} expected real numbers, got {x.dtype}; pass the real and the imaginary part as two fields."
        )
    with at_once(x):
        return x if jnp.issubdtype(x.dtype, jnp.floating) else x.astype(float)


def at_once(x: PyTree) -> AbstractContextManager[None]:
    """Where what is made of known numbers is known too, inside jit; what is traced stays so.

    Without it jit would trace constants, and nothing could be said of them.
    """
    return nullcontext() if traced(x) else jax.ensure_compile_time_eval()


def check_floating(who: str, name: str, array: Array) -> None:
    """Refuse whole numbers, such as bytes of pictures, in whose precision weights would be cut to zero."""
    if not jnp.issubdtype(array.dtype, jnp.floating):
        raise ValueError(
            f"{who} expected {name} in floating point, got {array.dtype}; convert it with "
            f"{name}.astype(float)."
        )


def check_finite(who: str, name: str, array: Array | np.ndarray) -> None:
    """Refuse NaN and infinity where they can be seen; inside jit they cannot."""
    if isinstance(array, Tracer):
        return
    numbers = np.asarray(array)
    finite = np.isfinite(numbers)
    if not finite.all():
        where = tuple(int(i) for i in np.argwhere(~finite)[0])
        raise ValueError(
            f"{who} expected finite {name}, got {numbers[where]} at index {where}; remove or repair it."
        )
