"""Batches of examples that are read when they are needed, for data sets larger than memory.

The order is that of `ArraySource` with the same key, drawn inside the program; a callback reads the examples
on the host. Which they are is a function of the position alone, so a run resumes as with arrays. While a
step is computed, a thread reads the batch that the next one asks for.
"""

from collections.abc import Sequence
from concurrent.futures import Future
from threading import Thread
from typing import Any, Protocol, runtime_checkable

import equinox as eqx
import jax
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Int, PRNGKeyArray, PyTree

from jaxsci._checks import check_key, whole
from jaxsci.training.sources import shuffled


@runtime_checkable
class Items(Protocol):
    """Random access to examples, as `jaxsci.data.Windows` has it."""

    def __len__(self) -> int:
        """Number of examples."""
        ...

    def __getitem__(self, index: int, /) -> Any:
        """One example: a PyTree of NumPy arrays, of the same shapes for all."""
        ...


class StreamSource(eqx.Module):
    """An endless stream of shuffled epochs over examples that are read one by one.

    What cannot be read, or is not finite, ends the run: JAX raises an error of its own around it, a
    `RuntimeError` or `ValueError`, and `failure` is the error itself.

    Args:
        items: random access to the examples; read from another thread than the caller's.
        batch_size: examples a batch; may exceed the number of examples.
        key: fixes all shuffles.

    Raises:
        ValueError: no example, or a batch size below one.
    """

    batch_size: int = eqx.field(static=True)
    key: PRNGKeyArray
    _reader: "_Reader" = eqx.field(static=True)

    def __init__(self, items: Items, batch_size: int, *, key: PRNGKeyArray):
        check_key("StreamSource", key)
        self.batch_size = whole("StreamSource", "batch_size", batch_size)
        if not len(items):
            raise ValueError(
                "StreamSource expected at least one example, got none; check the selection of the data."
            )
        if len(items) * self.batch_size >= 2**31:
            raise ValueError(
                f"StreamSource expected examples * batch_size below 2**31, got {len(items)} * "
                f"{self.batch_size}; use a smaller batch, or micro-batches of it."
            )
        self.key = key
        self._reader = _Reader(items)

    @property
    def items(self) -> Items:
        """The examples."""
        return self._reader.items

    @property
    def size(self) -> int:
        """Number of examples."""
        return len(self.items)

    @property
    def failure(self) -> Exception | None:
        """Why a batch could not be read, if that has happened."""
        return self._reader.failure

    def _decides(self) -> dict[str, Any]:
        """What a checkpoint is compared by: the examples by their number and a few of them."""
        some = sorted({0, self.size // 2, self.size - 1})
        examples = {str(i): self.items[i] for i in some}
        return {"batch_size": self.batch_size, "key": self.key, "size": self.size} | examples

    def close(self) -> None:
        """End the thread that reads ahead; no batch can be read any more."""
        self._reader.close()

    def batch(self, position: Int[Array, ""] | int) -> PyTree[Array]:
        """Return the examples of batch `position`, each leaf ``(batch_size, ...)``.

        Raises:
            ValueError: for a negative position (seen where it is concrete, not inside jit).
        """
        if not isinstance(position, Tracer):
            position = whole("StreamSource", "position", position, 0)
        # The batch after this one is named too, so that it can be read ahead.
        now, after = (
            shuffled(position + ahead, self.size, self.batch_size, self.key) for ahead in (0, 1)
        )
        shapes = jax.tree.map(
            lambda a: jax.ShapeDtypeStruct((self.batch_size, *a.shape), a.dtype),
            self._reader.example,
        )
        return jax.pure_callback(self._reader, shapes, now, after)


class _Reader:
    """Reads batches on the host, one ahead."""

    def __init__(self, items: Items):
        self.items = items
        # Without double precision JAX takes 32 bits, and so must what the callback returns.
        self.example = jax.tree.map(_canonical, items[0])
        self.failure: Exception | None = None
        self._ahead: tuple[bytes, Future] | None = None
        self._closed = False

    def __call__(self, now: Any, after: Any) -> PyTree[np.ndarray]:
        if self._closed:
            raise ValueError(
                "StreamSource expected to be open, got a batch asked for; build a new one."
            )
        now, after = np.asarray(now), np.asarray(after)
        ahead, self._ahead = self._ahead, None
        known, future = ahead or (None, None)
        try:
            batch = future.result() if future and known == now.tobytes() else self._read(now)
        except Exception as error:
            self.failure = error
            raise
        future = Future()
        # A thread a batch, which ends with it: nothing is left running by a source that is not closed.
        Thread(target=self._fill, args=(future, after), name="jaxsci-read-ahead").start()
        self._ahead = after.tobytes(), future
        return batch

    def close(self) -> None:
        self._closed, ahead, self._ahead = True, self._ahead, None
        if ahead is not None:
            ahead[1].exception()  # waits for the thread to end

    def _fill(self, future: Future, numbers: np.ndarray) -> None:
        try:
            future.set_result(self._read(numbers))
        except Exception as error:
            future.set_exception(error)

    def _read(self, numbers: Sequence[int] | np.ndarray) -> PyTree[np.ndarray]:
        examples = [jax.tree.map(_canonical, self.items[int(number)]) for number in numbers]
        for number, example in zip(numbers, examples, strict=True):
            for array in jax.tree.leaves(example):
                if np.issubdtype(array.dtype, np.inexact) and not np.isfinite(array).all():
                    raise ValueError(
                        f"StreamSource expected finite data, got values that are not in example {number}; "
                        "repair it or leave it out."
                    )
        return jax.tree.map(lambda *arrays: np.stack(arrays), *examples)


def _canonical(array: Any) -> np.ndarray:
    array = np.asarray(array)
    return array.astype(jax.dtypes.canonicalize_dtype(array.dtype), copy=False)
