r"""An FNO whose every layer respects a boundary condition (BOON-FNO).

    v_{l+1} = σ°( B_α( K̃_l v_l + W_l v_l + b_l ) ),       u = B_α Q v_L

K̃ is the kernel with its end nodes eliminated (`jaxsci.constraints.eliminate_ends`), B_α sets the end nodes
so that the condition with the values α holds, in every hidden channel, and σ° activates interior nodes only
(the public 1-D code lets the activation reach the boundary by mistake).

Reference: Saad et al., ICLR 2023, arXiv:2212.07477, section 4 and figure 2.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..constraints.boon import eliminate_ends
from ..constraints.ends import AbstractEnds, PeriodicEnds
from .fno import FNO, FNOBlock


class BoundaryCorrectedFNO(eqx.Module):
    """Make a 1-D FNO satisfy a boundary condition exactly, from the first layer to the last.

    Args:
        fno: a 1-D operator on nodes that include both end points.
        ends: the condition at the two ends.
        eliminate: whether kernels are corrected as published, so that their output at an end depends on
            the input there alone. A periodic kernel needs none. For Neumann ends the elimination fixes
            an end value that the condition does not prescribe; without it the error on the heat
            equation is smaller (see the reproductions).

    Raises:
        ValueError: the operator is not 1-D.
        TypeError: the operator is no FNO, or the ends no condition.
    """

    fno: FNO
    ends: AbstractEnds
    eliminate: bool = eqx.field(static=True, default=True)

    def __check_init__(self):
        for name, kind in (("fno", FNO), ("ends", AbstractEnds)):
            if not isinstance(getattr(self, name), kind):
                raise TypeError(
                    f"BoundaryCorrectedFNO expected {name} to be an instance of {kind.__name__}, got "
                    f"{type(getattr(self, name)).__name__}; its kernels are what is corrected."
                )
        if len(self.fno.modes) != 1:
            raise ValueError(
                f"BoundaryCorrectedFNO expected a 1-D FNO, got modes={self.fno.modes}; "
                "build it with modes=(m,)."
            )

    def __call__(
        self,
        x: Float[Array, "in_channels nodes"],
        values: Float[Array, "*channels 2"] | None = None,
    ) -> Float[Array, "out_channels nodes"]:
        """Map one sample.

        Args:
            x: input field on nodes, the first and the last on the boundary.
            values: what the ends prescribe for the output (values or derivatives), shape (2,), or
                (out_channels, 2) where the channels differ; None for periodic. With values for each
                channel a hidden channel takes those of one output channel, in turn.

        Raises:
            ValueError: a field that the FNO refuses, or values that do not fit the condition.
        """
        x = jnp.asarray(x)
        values = None if values is None else jnp.asarray(values)
        self.ends.check(x.shape[-1], values)
        channels = self.fno.out_channels
        if values is not None and values.shape not in ((2,), (channels, 2)):
            raise ValueError(
                f"BoundaryCorrectedFNO expected values of shape (2,) or ({channels}, 2), got "
                f"{values.shape}; give one pair, or one for each output channel."
            )
        v = self.fno.lifted(x)
        hidden = values
        if values is not None and values.ndim == 2:
            hidden = values[jnp.arange(v.shape[0]) % channels]
        for block in self.fno.blocks[:-1]:
            v = self._corrected(block, v, hidden)
            v = v.at[:, 1:-1].set(jax.nn.gelu(v[:, 1:-1]))
        v = self._corrected(self.fno.blocks[-1], v, hidden)
        return self.ends.enforce(self.fno.projected(v), values)

    def _corrected(self, block: FNOBlock, v: Array, values: Array | None) -> Array:
        eliminate = self.eliminate and not isinstance(self.ends, PeriodicEnds)
        kernel = eliminate_ends(block.kernel, v) if eliminate else block.kernel(v)
        return self.ends.hidden(v.shape[-1]).enforce(kernel + block.local(v), values)
