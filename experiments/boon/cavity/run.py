"""The cavity's vorticity: does respecting four sides make a Fourier neural operator better?

data (Navier-Stokes) -> train the operators -> score, beside a coarse solver -> plot.
"""

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from experiments.boon.cavity.data import Data, Samples, SideValues, generate, vorticities
from jaxsci import plots
from jaxsci.constraints import DirichletEnds, Sides
from jaxsci.experiment import Experiment, Rows
from jaxsci.metrics import relative_l2
from jaxsci.operators import FNO, BoundaryCorrectedFNO
from jaxsci.training import ArraySource, OptimizerConfig, fit

PLAIN, FAIR = "FNO", "FNO, boundary values given"
BOON, BOON_GIVEN = "BOON-FNO", "BOON-FNO, boundary values given"
ENDS_ONLY = "BOON-FNO without elimination"
START, COARSE = "the initial field", "the solver on half the cells"
SIDES = Sides(DirichletEnds(), DirichletEnds())


@dataclass(frozen=True)
class Network:
    """Size of every network in the comparison."""

    width: int = 20
    modes: int = 8
    depth: int = 4
    projection: int = 64
    identity: float = 0.9


@dataclass(frozen=True)
class CavityConfig:
    """One preset.

    Args:
        seeds: each draws its own data, initial weights and batches.
        data: the problem.
        network: the networks, all of one size.
        epochs: passes over the training samples.
        batch: samples a step.
        optimizer: the same for all networks.
    """

    seeds: tuple[int, ...] = (0, 1, 2)
    data: Data = field(default_factory=Data)
    network: Network = field(default_factory=Network)
    epochs: int = 40
    batch: int = 20
    optimizer: OptimizerConfig = field(
        default_factory=lambda: OptimizerConfig(
            learning_rate=2e-3, schedule="cosine", weight_decay=1e-4, clip_norm=None
        )
    )

    def __post_init__(self):
        if min(self.epochs, self.batch) < 1 or self.batch > self.data.train:
            raise ValueError(
                f"CavityConfig expected at least one epoch and a batch of 1 to {self.data.train} "
                f"samples, got epochs={self.epochs} and batch={self.batch}; change them."
            )

    @property
    def steps(self) -> int:
        """Updates in all epochs."""
        return self.epochs * self.data.train // self.batch


class Plain(eqx.Module):
    """An operator that never sees the boundary values."""

    operator: FNO

    def __call__(self, x: Float[Array, "1 nodes nodes"], values: SideValues):
        """Map one sample."""
        del values
        return self.operator(x)


class Informed(eqx.Module):
    """An operator given the boundary values as a channel, zero inside, its sides overwritten or corrected."""

    operator: FNO | BoundaryCorrectedFNO

    def __call__(self, x: Float[Array, "1 nodes nodes"], values: SideValues):
        """Map one sample."""
        given = SIDES.enforce(jnp.zeros_like(x), values)
        x = jnp.concatenate([x, given])
        if isinstance(self.operator, BoundaryCorrectedFNO):
            return self.operator(x, values)
        return SIDES.enforce(self.operator(x), values)


def build(network: Network, *, key) -> dict[str, eqx.Module]:
    """All operators by row name; they start from the same random key."""

    def fno(channels: int) -> FNO:
        return FNO(
            in_channels=channels,
            out_channels=1,
            width=network.width,
            modes=(network.modes, network.modes),
            depth=network.depth,
            projection=network.projection,
            identity=network.identity,
            key=jax.random.fold_in(key, channels),
        )

    return {
        PLAIN: Plain(fno(1)),
        FAIR: Informed(fno(2)),
        BOON: BoundaryCorrectedFNO(fno(1), SIDES),
        BOON_GIVEN: Informed(BoundaryCorrectedFNO(fno(2), SIDES)),
        ENDS_ONLY: BoundaryCorrectedFNO(fno(1), SIDES, eliminate=False),
    }


def run_seed(config: CavityConfig, seed: int, out: Path) -> Rows:
    """Train and judge every operator on one draw of the data."""
    train_key, test_key, model_key, fit_key = jax.random.split(jax.random.key(seed), 4)
    train = generate(config.data, config.data.train, key=train_key)
    test = generate(config.data, config.data.test, key=test_key)
    # Vorticity is large beside the lid: the networks see it in units of its deviation.
    scale = float(train.x.std())
    with ThreadPoolExecutor(2) as pool:
        training = {
            name: pool.submit(fit_model, config, name, model, train, scale, out, fit_key)
            for name, model in build(config.network, key=model_key).items()
        }
        networks = {name: future.result() for name, future in training.items()}
    rows, predictions = {}, {}
    for name, model in networks.items():
        predictions[name], cost = timed(model, test, scale)
        rows[name] = scores(predictions[name], test) | {"milliseconds a sample": cost}
        rows[name]["time over FNO"] = cost / rows[PLAIN]["milliseconds a sample"]
    rows[START] = scores(test.x, test)
    rows[COARSE] = scores(coarse(config.data, test), test)
    draw(predictions, test, out)
    return rows


def fit_model(config: CavityConfig, name: str, model, train: Samples, scale: float, out: Path, key):
    """Train one operator on the relative L2 error, resuming from its checkpoint."""

    def loss_fn(model, batch, key):
        del key
        predicted = jax.vmap(model)(batch["x"], (batch["along x"], batch["along y"]))
        return jax.vmap(relative_l2)(predicted, batch["y"]).mean(), {}

    folder = out / name.replace(", ", "-").replace(" ", "-").lower()
    arrays = {"x": train.x, "y": train.y, "along x": train.values[0], "along y": train.values[1]}
    return fit(
        model,
        loss_fn,
        ArraySource(
            {name: array / scale for name, array in arrays.items()},
            config.batch,
            key=jax.random.fold_in(key, 1),
        ),
        config.optimizer.build(config.steps),
        key=key,
        steps=config.steps,
        checkpoint=folder / "checkpoints",
        metrics_path=folder / "metrics.jsonl",
        log_every=max(config.steps // 100, 1),
    ).best_model


def timed(model, test: Samples, scale: float, repeats: int = 5) -> tuple[Array, float]:
    """Predictions of the test set, and the median wall time in milliseconds a sample."""
    x, values = jax.tree.map(lambda a: a / scale, (test.x, test.values))
    call = eqx.filter_jit(lambda x, values: jax.vmap(model)(x, values))
    outputs = jax.block_until_ready(call(x, values))
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        jax.block_until_ready(call(x, values))
        times.append(time.perf_counter() - start)
    # Dividing and multiplying by the scale may cost a last digit at the sides.
    predicted = outputs * scale
    if not isinstance(model, Plain):
        predicted = jax.vmap(SIDES.enforce)(predicted, test.values)
    return predicted, 1e3 * float(np.median(times)) / len(outputs)


def scores(predicted: Float[Array, "samples 1 nodes nodes"], test: Samples) -> dict[str, float]:
    """Errors over the test set; the total of the vorticity is the circulation along the walls."""
    total = (predicted - test.y).mean((1, 2, 3))
    return {
        "relative L2": float(jax.vmap(relative_l2)(predicted, test.y).mean()),
        "relative L2, interior": float(
            jax.vmap(relative_l2)(predicted[..., 1:-1, 1:-1], test.y[..., 1:-1, 1:-1]).mean()
        ),
        "boundary error": float(jax.vmap(SIDES.error)(predicted, test.values).max()),
        "error of the mean": float(jnp.abs(total).mean()),
    }


def coarse(data: Data, test: Samples) -> Float[Array, "samples 1 nodes nodes"]:
    """The same flow on half the cells, interpolated linearly, its sides overwritten."""
    half = jax.jit(lambda p: jax.lax.map(lambda q: vorticities(data, q, data.cells // 2)[1], p))
    fields = half(test.parameters)
    index = jnp.arange(data.cells + 1) / 2
    low = jnp.floor(index).astype(int)
    high, share = jnp.minimum(low + 1, data.cells // 2), index - low
    rows = fields[:, low] * (1 - share)[:, None] + fields[:, high] * share[:, None]
    full = rows[:, :, low] * (1 - share) + rows[:, :, high] * share
    return jax.vmap(SIDES.enforce)(full[:, None], test.values)


def draw(predictions: Mapping[str, Array], test: Samples, out: Path) -> None:
    """The error of each model on the first test function."""
    x = np.linspace(0.0, 1.0, test.y.shape[-1])
    errors = {name: np.asarray(p[0, 0] - test.y[0, 0]).T for name, p in predictions.items()}
    limit = float(np.quantile(np.abs(errors[PLAIN]), 0.99))
    for name in (PLAIN, FAIR, BOON):
        axes = plots.error_map(
            errors[name], x, x, limit=limit, quantity="error of vorticity", y_label="y", title=name
        )
        plots.save(axes, out / f"error-{name.replace(', ', '-').replace(' ', '-').lower()}.png")


EXPERIMENT = Experiment(
    name="cavity",
    claim="An operator that respects the boundary exactly is more accurate (BOON): vorticity in a cavity.",
    directory=Path(__file__).parent.parent,
    presets={
        "smoke": CavityConfig(
            seeds=(0,),
            data=Data(cells=16, train=40, test=10),
            network=Network(width=8, modes=4, depth=2, projection=16),
            epochs=5,
        ),
        "cpu": CavityConfig(),
        "paper": CavityConfig(
            data=Data(cells=64, train=1000, test=200),
            network=Network(width=32, modes=12),
            epochs=500,
        ),
    },
    run_seed=run_seed,
    baseline=COARSE,
)
