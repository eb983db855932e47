r"""Boundary conditions on the sides of a box: a pair of ends for each axis that has a boundary.

    field (channels, *space),   axes = (ends of the first space axis, ends of the second, ...)

An axis without a boundary, such as time, has None. Each side has its own kind (`MixedEnds`) and its own
values, which may vary along the side. Where two sides meet, the nodes belong to one of them: a value wins over
a slope, a slope over a circle, and between equals the later axis wins. Values that contradict each other
in a corner are then no obstacle, and enforcing twice is enforcing once, bit for bit. (Values of a slope that
are not themselves periodic break the circle in the corners, there alone.)

Reference: Saad, Gupta, Alizadeh, Maddix, ICLR 2023, arXiv:2212.07477, section 4, for each side by itself; the
published code leaves the corners to the order of its statements.
"""

import itertools

import equinox as eqx
from jaxtyping import Float

from .._arrays import numbers
from .._numeric import AnyArray, namespace, put
from .ends import AbstractEnds

Values = tuple[Float[AnyArray, "..."] | None, ...]
"""One entry for each space axis: None, or (2,), (*others, 2) or (channels, *others, 2)."""


class Sides(eqx.Module):
    """Conditions on the sides of a box of nodes that include all corners.

    Args:
        axes: the ends of each space axis, in order; None for one without a boundary.

    Raises:
        TypeError: an entry that is neither.
        ValueError: no axis with a boundary.
    """

    axes: tuple[AbstractEnds | None, ...]

    def __init__(self, *axes: AbstractEnds | None):
        for ends in axes:
            if ends is not None and not isinstance(ends, AbstractEnds):
                raise TypeError(
                    f"Sides expected ends or None for each space axis, got {type(ends).__name__}; write "
                    "Sides(None, DirichletEnds()) for (time, x)."
                )
        if all(ends is None for ends in axes):
            raise ValueError(
                f"Sides expected ends for at least one space axis, got {axes}; write "
                "Sides(None, DirichletEnds()) for (time, x)."
            )
        self.axes = axes

    def enforce(
        self, u: Float[AnyArray, "channels *space"], values: Values
    ) -> Float[AnyArray, "channels *space"]:
        """Move the nodes on the sides, and nothing else, so that every condition holds; idempotent.

        Args:
            u: one sample.
            values: for each space axis what its ends prescribe, shape (2,), (*others, 2) or (channels,
                *others, 2) with the other space axes in order; None where they prescribe nothing.

        Raises:
            ValueError: a field or values that do not fit the conditions, or values that are not finite.
        """
        u = numbers("Sides", "a field", u)
        self.check(u.shape, values)
        for rank, axis in self._order():
            ends, moved = self.axes[axis], namespace(u).moveaxis(u, axis + 1, -1)
            assert ends is not None
            corrected = ends.corrected(moved, ends.prescribed(moved, values[axis]))
            for end in (0, 1):
                if ends.precedence[end] == rank:
                    u = put(u, _at(u.ndim, (axis, end)), corrected[..., end])
        return u

    def error(self, u: Float[AnyArray, "channels *space"], values: Values) -> Float[AnyArray, ""]:
        """Largest absolute residual of all conditions, each on the nodes that belong to it."""
        u = numbers("Sides", "a field", u)
        xp = namespace(u)
        self.check(u.shape, values)
        largest = []
        for axis, ends in enumerate(self.axes):
            if ends is None:
                continue
            moved = xp.moveaxis(u, axis + 1, -1)
            residual = abs(ends.residual(moved, ends.prescribed(moved, values[axis])))
            residual = xp.moveaxis(residual, -1, axis + 1)
            for end, other, edge in itertools.product((0, 1), range(len(self.axes)), (0, 1)):
                its = self.axes[other]
                mine = (ends.precedence[end], axis)
                if its is not None and other != axis and (its.precedence[edge], other) > mine:
                    # A corner that belongs to the other side.
                    residual = put(residual, _at(u.ndim, (axis, end), (other, edge)), 0)
            largest.append(residual.max())
        return xp.stack(largest).max()

    def hidden(self, space: tuple[int, ...]) -> "Sides":
        """The conditions as hidden channels see them, which have neither a unit nor a length."""
        hidden = zip(self.axes, space, strict=True)
        return Sides(*(None if ends is None else ends.hidden(n) for ends, n in hidden))

    def check(self, shape: tuple[int, ...], values: Values) -> None:
        """Raise a ValueError where a field of this shape, or the values, do not fit the conditions."""
        dims = len(self.axes)
        if len(shape) != dims + 1:
            raise ValueError(
                f"Sides expected a field of shape (channels, *space) with {dims} space axes, got {shape}; "
                "use jax.vmap for batches."
            )
        if not isinstance(values, tuple) or len(values) != dims:
            raise ValueError(
                f"Sides expected values as a tuple with one entry for each of {dims} space axes, got "
                f"{type(values).__name__}; write None for an axis that prescribes nothing."
            )
        for axis, (ends, prescribed) in enumerate(zip(self.axes, values, strict=True)):
            if ends is not None:
                ends.check((*shape[: axis + 1], *shape[axis + 2 :], shape[axis + 1]), prescribed)
            elif prescribed is not None:
                raise ValueError(
                    f"Sides expected None as the values of axis {axis}, which has no ends, got an array; "
                    "count the space axes in order."
                )

    def _order(self) -> list[tuple[int, int]]:
        """Precedence and axis of what is enforced, the winner last."""
        return sorted(
            (rank, axis)
            for axis, ends in enumerate(self.axes)
            if ends is not None
            for rank in set(ends.precedence)
        )


def _at(ndim: int, *planes: tuple[int, int]) -> tuple:
    """Index of the nodes that lie in these end planes, each a space axis and 0 or 1."""
    index: list = [slice(None)] * ndim
    for axis, end in planes:
        index[axis + 1] = -end
    return tuple(index)
