r"""An operator whose every layer respects its boundary conditions (BOON-FNO, and BOON with other kernels).

    v_{l+1} = σ°( B_α( K̃_l v_l + W_l v_l + b_l ) ),       u = B_α Q v_L

K̃ is the kernel with its ends eliminated (`jaxsci.constraints.eliminate_ends`), B_α sets the nodes on the
boundary so that the conditions with the values α hold, in every hidden channel, and σ° activates interior
nodes only (the public 1-D code lets the activation reach the boundary by mistake). Time is an axis
without a boundary.

Reference: Saad et al., ICLR 2023, arXiv:2212.07477, section 4 and figure 2.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._arrays import as_jax
from .._module import Module
from ..constraints.boon import eliminate_ends
from ..constraints.ends import AbstractEnds, PeriodicEnds
from ..constraints.sides import Sides, Values
from .kernel_operator import AbstractKernelOperator, KernelBlock


class BoundaryCorrectedFNO(Module):
    """Make an FNO satisfy boundary conditions exactly, from the first layer to the last.

    Args:
        fno: an operator on nodes that include both ends of every axis with a boundary: an `FNO`, or another
            one that is built of kernels, such as a `LowRankNeuralOperator`. Build it with `identity=0.9` or
            so: the elimination divides by blocks of the kernels, which are ill-conditioned if random.
        ends: the condition at the two ends of the last axis, or the `Sides` of a box.
        eliminate: whether kernels are corrected as published, so that their output at an end depends on
            the input there alone. A periodic kernel needs none. For Neumann ends the elimination fixes
            an end value that the condition does not prescribe; without it the error on the heat
            equation is smaller (see the reproductions).
        axis: the axis whose ends are eliminated from the kernels; by default the first that has a
            boundary and is not periodic. Only one can be, exactly; the others are only set.

    Raises:
        ValueError: ends of another number of axes than the operator has, an axis without a condition, or an
            operator with padding.
        TypeError: the operator has no kernels, or the ends are no condition.
    """

    fno: AbstractKernelOperator
    ends: AbstractEnds | Sides
    eliminate: bool = eqx.field(static=True, default=True)
    axis: int | None = eqx.field(static=True, default=None)

    def __check_init__(self):
        kinds = {"fno": (AbstractKernelOperator,), "ends": (AbstractEnds, Sides)}
        for name, kind in kinds.items():
            if not isinstance(getattr(self, name), kind):
                raise TypeError(
                    f"BoundaryCorrectedFNO expected {name} to be an instance of "
                    f"{' or '.join(k.__name__ for k in kind)}, got {type(getattr(self, name)).__name__}; "
                    "its kernels are what is corrected."
                )
        if any(getattr(self.fno, "padding", ())):
            raise ValueError(
                "BoundaryCorrectedFNO expected an operator whose layers end where the field ends, got one with "
                "padding; build it with padding=0."
            )
        if isinstance(self.ends, Sides) and len(self.ends.axes) != self.fno.dims:
            raise ValueError(
                f"BoundaryCorrectedFNO expected sides for the {self.fno.dims} space axes of its operator, "
                f"got {len(self.ends.axes)}; give None for an axis without a boundary."
            )
        if self.axis is not None and self.axis not in self._candidates():
            raise ValueError(
                "BoundaryCorrectedFNO expected an axis with a boundary that is not periodic, one of "
                f"{self._candidates()}, got {self.axis}; count the space axes from 0."
            )

    def __call__(
        self,
        x: Float[Array, "in_channels *space"],
        values: Float[Array, "*lead ends"] | Values | None = None,
    ) -> Float[Array, "out_channels *space"]:
        """Map one sample.

        Args:
            x: input field on nodes, the first and the last of each axis with a boundary lie on it.
            values: what the ends prescribe for the output (values, derivatives or their combination), shape
                (2,), (*others, 2) with one pair for each point of the other axes, or (out_channels, *others,
                2) where the channels differ; None for periodic. A tuple of such for `Sides`. With values
                for each channel a hidden channel takes those of one output channel, in turn.

        Raises:
            ValueError: a field that the operator refuses, or values that do not fit the conditions.
        """
        x = as_jax("BoundaryCorrectedFNO", "x", x)
        if x.ndim != self.fno.dims + 1:
            raise ValueError(
                f"BoundaryCorrectedFNO expected x of shape (channels, *space) with {self.fno.dims} space "
                f"axes, got {x.shape}; use jax.vmap for batches."
            )
        sides = self._sides()
        each: Any = values  # of which `check` makes sure that it is a tuple
        if not isinstance(self.ends, Sides):
            each = (*(None,) * (self.fno.dims - 1), values)
        elif values is None:
            each = (None,) * self.fno.dims
        sides.check((self.fno.out_channels, *x.shape[1:]), each)
        each = tuple(
            None if p is None else as_jax("BoundaryCorrectedFNO", "values", p) for p in each
        )

        v = self.fno.lifted(x)
        of = jnp.arange(v.shape[0]) % self.fno.out_channels
        inner = tuple(None if p is None or p.ndim < v.ndim else p[of] for p in each)
        inner = tuple(p if q is None else q for p, q in zip(each, inner, strict=True))
        hidden = sides.hidden(v.shape[1:])
        interior = (
            ...,
            *(slice(None if e is None else 1, None if e is None else -1) for e in sides.axes),
        )
        for block in self.fno.blocks[:-1]:
            v = hidden.enforce(self._layer(block, v), inner)
            v = v.at[interior].set(jax.nn.gelu(v[interior]))
        v = hidden.enforce(self._layer(self.fno.blocks[-1], v), inner)
        return sides.enforce(self.fno.projected(v), each)

    def _sides(self) -> Sides:
        if isinstance(self.ends, Sides):
            return self.ends
        return Sides(*(None,) * (self.fno.dims - 1), self.ends)

    def _candidates(self) -> list[int]:
        """Axes whose ends may be eliminated."""
        axes = enumerate(self._sides().axes)
        return [a for a, ends in axes if ends is not None and not isinstance(ends, PeriodicEnds)]

    def _layer(self, block: KernelBlock, v: Array) -> Array:
        candidates = self._candidates()
        if not self.eliminate or not candidates:
            return block(v)
        axis = candidates[0] if self.axis is None else self.axis
        return eliminate_ends(block.kernel, v, axis=axis) + block.local(v)
