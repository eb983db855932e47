"""The cavity's vorticity: does respecting four sides make a Fourier neural operator better?

data (Navier-Stokes) -> train the operators -> score, beside a coarse solver -> plot.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from experiments.boon.cavity.data import Data, Samples, SideValues, generate, vorticities
from experiments.boon.config import Network, Study
from experiments.boon.training import fit_operators, folder, timed
from jaxsci import plots
from jaxsci.constraints import DirichletEnds, Sides
from jaxsci.experiment import Experiment, Rows
from jaxsci.metrics import relative_l2
from jaxsci.operators import FNO, BoundaryCorrectedFNO
from jaxsci.training import OptimizerConfig

PLAIN, FAIR = "FNO", "FNO, boundary values given"
BOON, BOON_GIVEN = "BOON-FNO", "BOON-FNO, boundary values given"
ENDS_ONLY = "BOON-FNO without elimination"
START, COARSE = "the initial field", "the solver on half the cells"
COST = "milliseconds a sample"
SIDES = Sides(DirichletEnds(), DirichletEnds())


@dataclass(frozen=True, kw_only=True)
class CavityConfig(Study):
    """A preset of the cavity."""

    data: Data


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
    scale = train.x.std()
    x, y, values = jax.tree.map(lambda a: a / scale, (train.x, train.y, train.values))
    operators = fit_operators(
        config, build(config.network, key=model_key), (x, y, values), out, key=fit_key
    )
    rows, predictions = {}, {}
    x, values = jax.tree.map(lambda a: a / scale, (test.x, test.values))
    for name, model in operators.items():
        scaled, cost = timed(model, x, values)
        predictions[name] = scaled * scale
        if not isinstance(model, Plain):
            # The division and the multiplication may cost a last digit at the sides.
            predictions[name] = jax.vmap(SIDES.enforce)(predictions[name], test.values)
        rows[name] = scores(predictions[name], test) | {COST: cost}
        rows[name]["time over FNO"] = cost / rows[PLAIN][COST]
    rows[START] = scores(test.x, test)
    rows[COARSE] = scores(coarse(config.data, test), test)
    draw(predictions, test, out)
    return rows


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
        plots.save(axes, out / f"error-{folder(name)}.png")


def _preset(data: Data, network: Network, *, epochs: int, seeds=(0, 1, 2)) -> CavityConfig:
    optimizer = OptimizerConfig(
        learning_rate=2e-3, schedule="cosine", weight_decay=1e-4, clip_norm=None
    )
    return CavityConfig(seeds=seeds, data=data, network=network, epochs=epochs, optimizer=optimizer)


EXPERIMENT = Experiment(
    name="cavity",
    claim="An operator that respects the boundary exactly is more accurate (BOON): vorticity in a cavity.",
    directory=Path(__file__).parent.parent,
    presets={
        "smoke": _preset(
            Data(cells=16, train=40, test=10),
            Network(width=8, modes=4, depth=2, projection=16),
            epochs=5,
            seeds=(0,),
        ),
        "cpu": _preset(Data(), Network(width=20, modes=8, projection=64), epochs=40),
        "paper": _preset(
            Data(cells=64, train=1000, test=200),
            Network(width=32, modes=12, projection=64),
            epochs=500,
        ),
    },
    run_seed=run_seed,
    baseline=COARSE,
)
