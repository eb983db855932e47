"""The operators that are compared: same network, different knowledge of the boundary."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from experiments.boon.config import Network
from jaxsci.constraints import NeumannEnds
from jaxsci.operators import FNO, BoundaryCorrectedFNO


class Uninformed(eqx.Module):
    """A plain operator, which never sees the boundary values."""

    operator: FNO

    def __call__(self, x: Float[Array, "1 nodes"], values: Float[Array, "2"]):
        """Map one sample."""
        del values
        return self.operator(x)


class Informed(eqx.Module):
    """A plain operator given the boundary values as constant channels, its ends overwritten."""

    operator: FNO
    ends: NeumannEnds

    def __call__(self, x: Float[Array, "1 nodes"], values: Float[Array, "2"]):
        """Map one sample."""
        return self.ends.enforce(self.operator(with_channels(x, values)), values)


class InformedBOON(eqx.Module):
    """A boundary-corrected operator given the boundary values as constant channels too."""

    operator: BoundaryCorrectedFNO

    def __call__(self, x: Float[Array, "1 nodes"], values: Float[Array, "2"]):
        """Map one sample."""
        return self.operator(with_channels(x, values), values)


def with_channels(
    x: Float[Array, "channels nodes"], values: Float[Array, " values"]
) -> Float[Array, "more nodes"]:
    """Append constants as channels."""
    return jnp.concatenate([x, jnp.broadcast_to(values[:, None], (values.size, x.shape[-1]))])


def build(network: Network, *, key: PRNGKeyArray) -> dict[str, eqx.Module]:
    """All operators by row name; they start from the same random key."""
    ends = NeumannEnds(length=1.0)

    def fno(channels: int) -> FNO:
        return FNO(
            in_channels=channels,
            out_channels=1,
            width=network.width,
            modes=(network.modes,),
            depth=network.depth,
            projection=network.projection,
            identity=network.identity,
            key=jax.random.fold_in(key, channels),
        )

    return {
        "FNO": Uninformed(fno(1)),
        "FNO, boundary values given": Informed(fno(3), ends),
        "BOON-FNO": BoundaryCorrectedFNO(fno=fno(1), ends=ends),
        "BOON-FNO, boundary values given": InformedBOON(
            BoundaryCorrectedFNO(fno=fno(3), ends=ends)
        ),
        "BOON-FNO without elimination": BoundaryCorrectedFNO(
            fno=fno(1), ends=ends, eliminate=False
        ),
    }
