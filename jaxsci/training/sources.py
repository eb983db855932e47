"""Where batches come from: pure functions of the position in a stream.

A source answers ``batch(position)`` and keeps no cursor, so a run resumes by asking for the next
position, and the batch can be drawn inside a jitted loop. Every batch of a source has the same
shape: `ArraySource` lets a batch straddle two epochs, and `epoch_batches`, for hand-written loops,
pads the last batch and weights the padding with zero. Either way a jitted step compiles once.
"""

from collections.abc import Callable, Iterator
from typing import Any, Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from jaxsci._checks import check_key, whole
from jaxsci.training._shuffle import permute, round_keys


@runtime_checkable
class Source(Protocol):
    """A stream of batches: `batch` is pure, traceable, and always returns the same shapes."""

    def batch(self, position: Int[Array, ""] | int) -> PyTree:
        """Return batch number `position` (0, 1, 2, ...) of the stream."""
        ...


class ArraySource(eqx.Module):
    """An endless stream of shuffled epochs over arrays held in memory.

    Element ``j`` of the stream is example ``permutation_e[j % n]`` with ``e = j // n``, and batch
    ``s`` holds elements ``s B`` to ``s B + B - 1``. Every example occurs exactly once an epoch and
    every batch is full.

    Args:
        arrays: PyTree of arrays with one common leading axis, the examples.
        batch_size: examples a batch, ``B``; may exceed the number of examples.
        key: fixes all shuffles.

    Raises:
        ValueError: for leading axes that disagree, an empty set, a batch size below one,
            floating-point data that are not finite, or arrays cut over devices.
    """

    arrays: PyTree[Array]
    batch_size: int = eqx.field(static=True)
    key: PRNGKeyArray

    def __init__(self, arrays: PyTree, batch_size: int, *, key: PRNGKeyArray):
        # Converted first: a large float64 may become infinite in float32.
        self.arrays = jax.tree.map(jnp.asarray, arrays)
        _check_examples(self.arrays, "ArraySource")
        _check_placed(self.arrays, "ArraySource")
        check_key("ArraySource", key)
        self.batch_size = whole("ArraySource", "batch_size", batch_size)
        self.key = key
        if self.size * self.batch_size >= 2**31:
            raise ValueError(
                f"ArraySource expected examples * batch_size below 2**31, got {self.size} * "
                f"{self.batch_size}; use a smaller batch, or micro-batches of it."
            )

    @property
    def size(self) -> int:
        """Number of examples."""
        return jax.tree.leaves(self.arrays)[0].shape[0]

    def batch(self, position: Int[Array, ""] | int) -> PyTree[Array]:
        """Return the examples of batch `position`, each leaf ``(batch_size, ...)``.

        Raises:
            ValueError: for a negative position (seen where it is concrete, not inside jit).
        """
        if not isinstance(position, Tracer):
            position = whole("ArraySource", "position", position, 0)
        index = shuffled(position, self.size, self.batch_size, self.key)
        return jax.tree.map(lambda array: array[index], self.arrays)


class GeneratedSource(eqx.Module):
    """A stream of batches drawn afresh: batch ``s`` is ``fn(fold_in(key, s))``.

    Args:
        fn: ``fn(key) -> batch``, pure and traceable.
        key: fixes the stream.
    """

    fn: Callable[[Array], Any]
    key: PRNGKeyArray

    def __init__(self, fn: Callable[[PRNGKeyArray], Any], *, key: PRNGKeyArray):
        check_key("GeneratedSource", key)
        self.fn = fn
        self.key = key

    def batch(self, position: Int[Array, ""] | int) -> PyTree[Array]:
        """Return batch number `position`."""
        return self.fn(jax.random.fold_in(self.key, position))


def shuffled(
    position: Int[Array, ""] | int, examples: int, batch_size: int, key: PRNGKeyArray
) -> Int[Array, " batch"]:
    """Numbers of the examples of batch `position` in an endless stream of shuffled epochs."""
    position = jnp.asarray(position, jnp.int32)
    # With s = q n + r, s B = (q B) n + r B: epochs and offsets stay small where s B overflows.
    offset = (position % examples) * batch_size
    first_epoch = (position // examples) * batch_size + offset // examples
    element = offset % examples + jnp.arange(batch_size, dtype=jnp.int32)
    epochs = first_epoch + jnp.arange(2 + (batch_size - 1) // examples, dtype=jnp.int32)
    keys = jax.vmap(lambda epoch: round_keys(jax.random.fold_in(key, epoch)))(epochs)
    return permute(element % examples, examples, keys[element // examples])


def epoch_batches(
    arrays: PyTree, batch_size: int, *, key: PRNGKeyArray | None = None
) -> Iterator[tuple[PyTree[np.ndarray], Float[np.ndarray, " batch"]]]:
    """Iterate over one epoch in equal batches, each with the weights of its examples.

    The last batch is filled up with examples seen before, whose weight is zero. The weights of a
    batch have mean one, so ``jnp.mean(weights * losses)`` is the mean over the real examples, also
    when the batch is cut into micro-batches.

    Args:
        arrays: PyTree of arrays with one common leading axis.
        batch_size: examples a batch.
        key: shuffles the epoch; None keeps the given order, as for evaluation.

    Yields:
        The batch, each leaf ``(batch_size, ...)``, and its float32 weights ``(batch_size,)``.

    Raises:
        ValueError: as `ArraySource`.
    """
    n = _check_examples(arrays, "epoch_batches")
    batch_size = whole("epoch_batches", "batch_size", batch_size)
    order = np.arange(n) if key is None else np.asarray(jax.random.permutation(key, n))
    host = jax.tree.map(np.asarray, arrays)
    return _padded(host, order, batch_size)


def _padded(arrays: PyTree, order: np.ndarray, batch_size: int) -> Iterator[tuple[PyTree, Any]]:
    n = order.size
    for start in range(0, n, batch_size):
        real = min(batch_size, n - start)
        # Padding repeats real examples: a zero could turn into 0 * inf = nan in a relative loss.
        index = np.take(order, np.arange(start, start + batch_size), mode="wrap")
        weights = np.where(np.arange(batch_size) < real, batch_size / real, 0.0)
        yield jax.tree.map(lambda array, i=index: array[i], arrays), weights.astype(np.float32)


def _check_placed(arrays: PyTree, caller: str) -> None:
    """Refuse arrays that are cut over devices: batches, drawn by index, would not be."""
    for array in jax.tree.leaves(arrays):
        known = isinstance(array, jax.Array) and not isinstance(array, Tracer)
        if known and not array.sharding.is_fully_replicated:
            raise ValueError(
                f"{caller} expected arrays that are whole on their devices, got one cut as "
                f"{array.sharding}; gather it with jax.device_get, and cut each batch in a step of "
                "your own."
            )


def _check_examples(arrays: PyTree, who: str) -> int:
    """Check the leading axes and the values; return the number of examples."""
    leaves = {
        jax.tree_util.keystr(path) or "arrays": array
        for path, array in jax.tree_util.tree_leaves_with_path(arrays)
    }
    shapes = {name: np.shape(array) for name, array in leaves.items()}
    if len({shape[:1] for shape in shapes.values()}) != 1 or () in shapes.values():
        raise ValueError(
            f"{who} expected arrays with one common leading axis (examples), got shapes {shapes}; "
            "stack the examples along axis 0 of every array."
        )
    n = next(iter(shapes.values()))[0]
    if n == 0:
        raise ValueError(
            f"{who} expected at least one example, got none; check the selection of the data."
        )
    for name, array in leaves.items():
        if jnp.issubdtype(array.dtype, jnp.inexact):
            bad = ~np.isfinite(np.asarray(array))
            if bad.any():
                first = tuple(int(i) for i in np.argwhere(bad)[0])
                raise ValueError(
                    f"{who} expected finite data, got {int(bad.sum())} non-finite values in leaf "
                    f"{name}, the first at {first}; remove or repair those examples."
                )
    return n
