"""Does respecting the boundary make a Fourier neural operator better?

data (finite volumes) -> train the operators -> score against the exact solution, beside a coarse solver of
equal cost -> plot.
"""

from collections.abc import Mapping
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.interpolate import CubicSpline

from experiments.boon import config as presets
from experiments.boon import models
from experiments.boon.config import BOONConfig
from experiments.boon.problems import Problem, Samples, generate
from experiments.boon.training import fit_operators, timed
from jaxsci import plots
from jaxsci.constraints import NeumannEnds
from jaxsci.experiment import Experiment, Rows
from jaxsci.metrics import relative_l2

SOLVER = "finite volumes at equal cost"
START = "the initial field"
COST = "milliseconds a sample"
SLOPE = "slope error, nine-node parabola"


def run_seed(config: BOONConfig, seed: int, out: Path) -> Rows:
    """Train and judge every operator on one draw of the data."""
    train_key, test_key, model_key, fit_key = jax.random.split(jax.random.key(seed), 4)
    problem = config.data
    train = generate(problem, problem.train, key=train_key)
    test = generate(problem, problem.test, key=test_key)

    operators = models.build(config.network, problem.ends, key=model_key)
    operators = fit_operators(config, operators, (train.x, train.y, train.values), out, key=fit_key)
    rows, predictions = {}, {}
    for name, trained in operators.items():
        predictions[name], cost = timed(trained, test.x, test.values)
        rows[name] = scores(predictions[name], test, problem) | {COST: cost}
        rows[name]["time over FNO"] = cost / rows[models.PLAIN][COST]
    rows[SOLVER], predictions[SOLVER] = coarse_solver(problem, test, rows[models.PLAIN][COST])
    rows[START] = scores(test.x, test, problem)
    rows["finite volumes, the training data"] = scores(test.y, test, problem) | {
        "cells": problem.cells
    }
    draw(problem, predictions, test, out)
    return rows


def scores(
    predicted: Float[Array, "samples 1 nodes"], test: Samples, problem: Problem
) -> dict[str, float]:
    """Errors over the test set; that of the total by the trapezoidal rule on both fields."""
    h = 1 / (problem.nodes - 1)
    total = jnp.trapezoid(predicted - test.exact, dx=h)
    row = {
        "relative L2": float(jax.vmap(relative_l2)(predicted, test.exact).mean()),
        "boundary error": float(jax.vmap(problem.ends.error)(predicted, test.values).max()),
        "error of the total ×1e-3": 1e3 * float(jnp.abs(total).mean()),
    }
    if isinstance(problem.ends, NeumannEnds):
        row[SLOPE] = float(jnp.abs(slope_errors(predicted, test)).max())
    return row


def slope_errors(
    predicted: Float[Array, "samples 1 nodes"], test: Samples
) -> Float[Array, "samples 2"]:
    """Errors of the slopes at both ends, each that of a parabola fitted to nine nodes.

    The boundary error is measured by the four-point difference that the corrected operators enforce, so
    theirs is zero whatever their solution does behind these nodes. A wider fit is nobody's by construction.
    """
    error = (predicted - test.exact)[:, 0]
    fit = np.linalg.pinv(np.vander(np.arange(9.0), 3, increasing=True))[1]
    weights = jnp.asarray(fit * (error.shape[-1] - 1), error.dtype)
    return jnp.stack([error[:, :9] @ weights, -(error[:, :-10:-1] @ weights)], axis=-1)


def coarse_solver(problem: Problem, test: Samples, budget: float):
    """The finest solver that is not slower than the plain FNO; the coarsest where all are."""
    best: tuple[dict[str, float], Array] | None = None
    for cells in (n for n in (8, 16, 32, 64, 128, 256) if n <= problem.cells):
        # Cubic splines are linear in the values they interpolate: one matrix does it.
        faces = np.linspace(0.0, 1.0, cells + 1)
        nodes = np.linspace(0.0, 1.0, problem.nodes)
        spline = jnp.asarray(CubicSpline(faces, np.eye(cells + 1))(nodes).T, test.x.dtype)

        def predict(parameters, cells=cells, spline=spline):
            return (problem.solve(parameters, cells) @ spline)[None]

        predicted, cost = timed(predict, test.parameters)
        if best is not None and cost > budget:
            break
        row = scores(predicted, test, problem) | {COST: cost, "cells": cells}
        best = row, predicted
    assert best is not None  # every problem has at least eight cells
    return best


def draw(problem: Problem, predictions: Mapping[str, Array], test: Samples, out: Path) -> None:
    """Where the errors are, one solution, and the slope at an insulated end."""
    x = np.linspace(0.0, 1.0, problem.nodes)
    errors = {
        name: np.abs(np.asarray(predicted - test.exact))[:, 0].mean(0)
        for name, predicted in predictions.items()
    }
    axes = plots.profile(
        x,
        {name: plots.Prediction(error) for name, error in errors.items()},
        quantity="mean absolute error",
        title="Error over the test set",
    )
    axes.set_yscale("log")
    plots.save(axes, out / "error.png")
    shown = {name: predictions[name] for name in (models.PLAIN, models.BOON, SOLVER)}
    axes = plots.profile(
        x,
        {name: plots.Prediction(np.asarray(field[0, 0])) for name, field in shown.items()},
        truth=np.asarray(test.exact[0, 0]),
        title=f"One test function at t = {problem.time:g}",
    )
    plots.save(axes, out / "profile.png")
    if isinstance(problem.ends, NeumannEnds):
        axes = plots.histogram(
            {name: np.asarray(slope_errors(field, test))[:, 0] for name, field in shown.items()},
            truth=0.0,
            quantity="error of the slope at x = 0, by a parabola through nine nodes",
            title="The insulated end, over the test set",
        )
        plots.save(axes, out / "insulator.png")


def _experiment(name: str, about: str, presets: Mapping[str, BOONConfig]) -> Experiment[BOONConfig]:
    return Experiment(
        name=name,
        claim=f"An operator that respects the boundary exactly is more accurate (BOON): {about}.",
        directory=Path(__file__).parent,
        presets=presets,
        run_seed=run_seed,
        baseline=SOLVER,
    )


HEAT = _experiment("heat", "a heated rod", presets.HEAT)
WAVE = _experiment("wave", "waves between two walls", presets.WAVE)
BURGERS_DIRICHLET = _experiment(
    "burgers-dirichlet", "a travelling viscous shock", presets.BURGERS_DIRICHLET
)
BURGERS_PERIODIC = _experiment(
    "burgers-periodic", "viscous Burgers on a circle", presets.BURGERS_PERIODIC
)
STOKES = _experiment("stokes", "Stokes' second problem", presets.STOKES)
