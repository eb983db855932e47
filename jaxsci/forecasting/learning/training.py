"""The training of a network on a source of stretches, which ends early where forecasts held out get worse."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import PRNGKeyArray

from jaxsci.training import OptimizerConfig, Source, fit
from jaxsci.training.step import LossFn

from ..network import MQNetwork
from ..stretches import StretchSource

# Validations of a full training, how many without a better one end it, and checkpoints.
_VALIDATIONS, _PATIENCE, _CHECKPOINTS = 40, 8, 10


def train(
    network: MQNetwork,
    loss_fn: LossFn,
    source: Source,
    optimizer: OptimizerConfig,
    *,
    judge: Callable[[Any], dict[str, Any]] | None,
    steps: int,
    key: PRNGKeyArray,
    checkpoint: str | Path | None,
    progress: bool,
    label: str,
) -> MQNetwork:
    """The trained network; the best by validation, where there is one. The source is closed.

    Args:
        network: before training.
        loss_fn: as of `jaxsci.training.fit`.
        source: of batches.
        optimizer: for so many steps.
        judge: validates.
        steps: at most.
        key: of the run.
        checkpoint: folder that the run resumes from.
        progress: whether to report.
        label: in the report.
    """
    try:
        result = fit(
            network,
            loss_fn,
            source,
            optimizer.build(steps),
            key=key,
            steps=steps,
            steps_per_dispatch=10,
            validate=judge,
            validate_every=max(1, steps // _VALIDATIONS),
            patience=_PATIENCE if judge else None,
            checkpoint=checkpoint,
            checkpoint_every=max(1, steps // _CHECKPOINTS),
            progress=progress,
            label=label,
        )
    finally:
        if isinstance(source, StretchSource):
            source.close()
    return result.best_model


def in_single_precision(network: MQNetwork) -> MQNetwork:
    """The network as it is trained and saved, whatever JAX's own precision is: inputs are scaled in double."""
    return jax.tree.map(lambda x: x.astype(jnp.float32) if eqx.is_inexact_array(x) else x, network)
