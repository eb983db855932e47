"""The forecasters that are compared, all of about one size."""

from collections.abc import Callable, Sequence

import equinox as eqx
import jax
from jaxtyping import PRNGKeyArray

from experiments.earthformer.config import Network
from experiments.earthformer.films import Data
from jaxsci.operators import (
    E3DLSTM,
    ConvLSTM,
    Earthformer,
    Persistence,
    PhyDNet,
    PredRNN,
    Rainformer,
    UNet,
)

EARTHFORMER = "Earthformer"
WITHOUT = "Earthformer without global vectors"
PERSISTENCE = "persistence"


def build(
    network: Network, data: Data, rivals: Sequence[str], *, key: PRNGKeyArray
) -> dict[str, eqx.Module]:
    """All learned forecasters by row name; the two Earthformers start from the same random key."""
    width, patch = network.width, network.patch
    time, channels = data.time_out, 1

    def earthformer(vectors: int, key: PRNGKeyArray) -> eqx.Module:
        before, after = ((time, channels, *data.shape) for time in (data.time_in, data.time_out))
        if network.preset:
            return Earthformer.preset(
                network.preset, shape_in=before, shape_out=after, num_globals=vectors, key=key
            )
        return Earthformer(
            shape_in=before,
            shape_out=after,
            base=network.base,
            depth=network.depth,
            num_globals=vectors,
            decoder_globals=vectors > 0,
            dropout=0.0,
            key=key,
        )

    makers: dict[str, Callable[[PRNGKeyArray], eqx.Module]] = {
        "U-Net": lambda k: UNet(
            time_in=data.time_in, width=width // 2, depth=3, key=k, time_out=time, channels=channels
        ),
        "ConvLSTM": lambda k: ConvLSTM(
            width=(width,) * 3, patch=patch, key=k, time_out=time, channels=channels
        ),
        "PredRNN": lambda k: PredRNN(
            width=width, depth=3, patch=patch, key=k, time_out=time, channels=channels
        ),
        "PhyDNet": lambda k: PhyDNet(
            width=width, residual=(width, width), key=k, time_out=time, channels=channels
        ),
        "E3D-LSTM": lambda k: E3DLSTM(
            width=width, depth=2, patch=patch, key=k, time_out=time, channels=channels
        ),
        "Rainformer": lambda k: Rainformer(
            time_in=data.time_in,
            width=width,
            window=min(data.shape[0] // 8, 8),
            patch=patch,
            levels=2,
            head_size=min(width, 16),
            key=k,
            time_out=time,
            channels=channels,
        ),
    }
    ours = jax.random.fold_in(key, 0)
    models = {EARTHFORMER: earthformer(network.vectors, ours)}
    if network.vectors:
        models[WITHOUT] = earthformer(0, ours)
    for number, (name, make) in enumerate(makers.items(), 1):
        if name in rivals:
            models[name] = make(jax.random.fold_in(key, number))
    return models


def persistence(data: Data) -> Persistence:
    """The last frame, again and again."""
    return Persistence(time_out=data.time_out)
