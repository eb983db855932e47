"""The operators that are compared: same network, different knowledge of the boundary."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from experiments.boon.config import Network
from jaxsci.constraints import AbstractEnds, NeumannEnds, PeriodicEnds
from jaxsci.operators import FNO, BoundaryCorrectedFNO

PLAIN = "FNO"
FAIR = "FNO, boundary values given"
OVERWRITTEN = "FNO, ends overwritten"
BOON = "BOON-FNO"
BOON_GIVEN = "BOON-FNO, boundary values given"
ENDS_ONLY = "BOON-FNO without elimination"


class Uninformed(eqx.Module):
    """A plain operator, which never sees the boundary values."""

    operator: FNO

    def __call__(self, x: Float[Array, "1 nodes"], values: Float[Array, "2"] | None):
        """Map one sample."""
        del values
        return self.operator(x)


class Overwritten(eqx.Module):
    """A plain operator whose ends are overwritten."""

    operator: FNO
    ends: AbstractEnds

    def __call__(self, x: Float[Array, "1 nodes"], values: Float[Array, "2"] | None):
        """Map one sample."""
        return self.ends.enforce(self.operator(x), values)


class Informed(eqx.Module):
    """A plain operator given the boundary values as constant channels, its ends overwritten."""

    operator: FNO
    ends: AbstractEnds

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


def build(network: Network, ends: AbstractEnds, *, key: PRNGKeyArray) -> dict[str, eqx.Module]:
    """All operators by row name; they start from the same random key."""

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

    plain, corrected = Uninformed(fno(1)), BoundaryCorrectedFNO(fno=fno(1), ends=ends)
    if isinstance(ends, PeriodicEnds):
        return {PLAIN: plain, OVERWRITTEN: Overwritten(fno(1), ends), BOON: corrected}
    compared = {
        PLAIN: plain,
        FAIR: Informed(fno(3), ends),
        BOON: corrected,
        BOON_GIVEN: InformedBOON(BoundaryCorrectedFNO(fno=fno(3), ends=ends)),
    }
    if isinstance(ends, NeumannEnds):
        compared[ENDS_ONLY] = BoundaryCorrectedFNO(fno=fno(1), ends=ends, eliminate=False)
    return compared
