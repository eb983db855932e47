"""A small training run in a folder, to be killed and started again: ``killed_run.py FOLDER``."""

import sys
import time
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

from jaxsci.training import ArraySource, fit, save_model

STEPS = 240


def main(folder: Path) -> None:
    model_key, data_key, run_key = jax.random.split(jax.random.key(11), 3)
    x = jax.random.normal(data_key, (50, 2))
    model = eqx.nn.MLP(2, 1, 8, 1, key=model_key)

    def loss_fn(model, batch, key):
        x = batch + 0.1 * jax.random.normal(key, batch.shape)
        return jnp.mean((jax.vmap(model)(x)[:, 0] - jnp.sin(batch[:, 0])) ** 2), {}

    def validate(model):
        time.sleep(0.01)  # spreads the run over seconds, so that a kill hits somewhere in it
        return {"loss": jnp.mean(jax.vmap(model)(x) ** 2)}

    result = fit(
        model,
        loss_fn,
        ArraySource(x, 16, key=data_key),
        optax.adam(1e-2),
        key=run_key,
        steps=STEPS,
        ema_decay=0.95,
        steps_per_dispatch=7,
        validate=validate,
        validate_every=5,
        checkpoint=folder / "checkpoints",
        checkpoint_every=20,
        metrics_path=folder / "metrics.jsonl",
        log_every=1,
    )
    save_model(folder / "state", result.state)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
