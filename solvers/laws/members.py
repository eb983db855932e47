"""Whether the members of a law return what they should: a state ``(channels, *space)`` for a state.

An array of another shape may still broadcast: a flux that lost its axis of channels would be added to
every channel, and the answer would be wrong without a word. So the members are traced, not run, with
the shapes of a grid.
"""

import functools
from collections.abc import Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .law import AbstractDiffusionLaw, AbstractLaw
from .system import AbstractSystem

Shape = tuple[int, ...]

# What these supply is right where that is from which they make it.
_BASES = (AbstractLaw, AbstractDiffusionLaw, AbstractSystem)
# Members that return a number a cell, of one channel or of each, where the others return states,
_NUMBERS = ("max_wave_speed", "primitive_wave_speed", "diffusivity")
# a number a cell, without an axis of channels,
_PER_CELL = ("wave_speeds", "admissible")
# or None, for a law without.
_OPTIONAL = ("admissible", "source")


def check_members(law: AbstractLaw, shape: Shape, dtype: Any = None) -> None:
    """Refuse a law whose parameters or members do not fit states on a grid of this shape.

    Args:
        law: the law, whose parameters may be traced.
        shape: number of cells along each axis.
        dtype: of the states; where given, what the members return has to be of it too.

    Raises:
        ValueError: naming the member, what was expected and what it returned.
    """
    law.check_shape(shape)
    arrays, rest = eqx.partition(law, lambda leaf: isinstance(leaf, jax.Array | np.ndarray))
    leaves, structure = jax.tree.flatten(arrays)
    kinds = tuple((leaf.shape, leaf.dtype) for leaf in leaves)
    others, frame = jax.tree.flatten(rest)
    question = (structure, kinds, frame, tuple(others), shape, dtype)
    try:
        hash(question)
    except TypeError:  # a law with data that has no hash is looked at each time
        _check_all.__wrapped__(*question)
    else:
        _check_all(*question)


@functools.lru_cache(maxsize=512)
def _check_all(
    structure: Any, kinds: Any, frame: Any, others: Any, shape: Shape, dtype: Any
) -> None:
    leaves = [jax.ShapeDtypeStruct(*kind) for kind in kinds]
    arrays, rest = jax.tree.unflatten(structure, leaves), jax.tree.unflatten(frame, others)
    law = eqx.combine(arrays, rest)
    state = (law.channel_count(len(shape)), *shape)
    u = jax.ShapeDtypeStruct(state, dtype or jnp.result_type(float))
    # Whatever the promotion of the session: types that mix are told apart below, if they matter.
    with jax.numpy_dtype_promotion("standard"):
        for name, axis in _members(law, len(shape)):
            ask = functools.partial(_ask, rest=rest, name=name, axis=axis)
            found = jax.eval_shape(ask, arrays, u)
            for part in found if isinstance(found, tuple) else (found,):
                if not (part is None and name in _OPTIONAL):
                    _check(type(law).__name__, name, part, state, dtype)


def _members(law: AbstractLaw, ndim: int) -> Iterator[tuple[str, int]]:
    """The members that are used, by name and axis."""
    names = ["to_primitive", "to_conserved", "admissible", "source"]
    along = []
    if law.has_convection:
        names += ["limit_jump"]
        along += ["flux", "primitive_flux", "max_wave_speed", "primitive_wave_speed"]
        along += ["godunov_flux", "wave_speeds"]
    if law.has_diffusion:
        names += ["potential", "diffusivity"]
        along += ["gradient_flux"]
    for name in names + along:
        owner = next((kind for kind in type(law).__mro__ if name in vars(kind)), None)
        if owner is not None and owner not in _BASES:
            yield from ((name, axis) for axis in range(ndim if name in along else 1))


def _ask(arrays: Any, u: Any, *, rest: Any, name: str, axis: int) -> Any:
    law, ndim = eqx.combine(arrays, rest), u.ndim - 1
    member = getattr(law, name)
    if name in ("to_primitive", "to_conserved", "admissible", "potential", "diffusivity"):
        return member(u)
    if name == "source":
        return member(jnp.zeros(()), tuple(jnp.zeros(u.shape[1:], u.dtype) for _ in range(ndim)), u)
    if name == "gradient_flux":
        return member(u, [u] * ndim, axis)
    if name == "limit_jump":
        return member(u, u)
    return member(u, u, axis) if name in ("godunov_flux", "wave_speeds") else member(u, axis)


def _check(owner: str, name: str, found: Any, state: Shape, dtype: Any) -> None:
    if not isinstance(found, jax.ShapeDtypeStruct):
        raise ValueError(
            f"{owner}.{name} was expected to return an array, got {found!r}; return one."
        )
    remedy = "reduce over the channels, as in jnp.max(jnp.abs(speeds), axis=0)"
    if name in _PER_CELL:
        expected, fits = f"one number a cell, of shape {state[1:]}", found.shape == state[1:]
    elif name in _NUMBERS:
        expected, fits = f"an array that broadcasts against u, {state}", _fits(found.shape, state)
    else:
        expected, fits = f"the shape of u, {state}", found.shape == state
        remedy = "keep the axis of channels, as in u[:1] or jnp.stack([first, second])"
    if not fits:
        raise ValueError(
            f"{owner}.{name} was expected to return {expected}, got shape {found.shape}; {remedy}."
        )
    if dtype is not None and name != "admissible" and found.dtype != dtype:
        raise ValueError(
            f"{owner}.{name} was expected to return the type of u, {dtype}, got {found.dtype}; cast "
            "the parameters, as in self.a.astype(u.dtype)."
        )


def _fits(shape: Shape, state: Shape) -> bool:
    """Whether an array of this shape broadcasts against a state without making it larger."""
    aligned = zip(reversed(shape), reversed(state), strict=False)
    return len(shape) <= len(state) and all(a in (1, b) for a, b in aligned)
