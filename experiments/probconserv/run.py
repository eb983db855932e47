"""Conserved totals: does a prediction that conserves mass err less, and put the shock where it is?

data -> train ANP and SoftC-ANP -> project -> score against the exact solution -> plot.
"""

from collections.abc import Mapping
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist

from experiments.probconserv import config as presets
from experiments.probconserv import evaluate
from experiments.probconserv.config import ProbConservConfig
from experiments.probconserv.data import Episodes
from experiments.probconserv.evaluate import PLAIN, Case
from experiments.probconserv.problems import Problem
from experiments.threads import threads
from jaxsci import plots
from jaxsci.constraints import conservation
from jaxsci.experiment import Experiment, Rows
from jaxsci.operators import AttentiveNeuralProcess
from jaxsci.training import GeneratedSource, fit

SOFT = "SoftC-ANP"
BASELINE = "linear interpolation"


def run_seed(config: ProbConservConfig, seed: int, out: Path) -> Rows:
    """Train both networks from one seed and judge them on every parameter."""
    model_key, fit_key, test_key, sample_key = jax.random.split(jax.random.key(seed), 4)
    problem, evaluation = config.data, config.evaluation
    fields = problem.training_fields()
    # Side by side: a step of this size keeps little more than one core busy.
    with threads(2) as pool:
        training = {
            name: pool.submit(train, config, name, fields, out / name.lower(), model_key, fit_key)
            for name in (PLAIN, SOFT)
        }
        networks = {name: future.result() for name, future in training.items()}
    rows: dict[str, dict[str, float]] = {}
    # Drawing keeps one core busy at most, so it goes on beside the scoring.
    with threads(1) as drawing:
        drawn = []
        for i, parameter in enumerate(problem.tested):
            key = jax.random.fold_in(test_key, i)
            case = make_case(config, parameter, key)
            compared = compare(config, networks, case, sample_key)
            # Before anything is drawn, which would slow it.
            costs = {}
            if i == 0:
                costs = evaluate.overhead(networks[PLAIN], case, evaluation.samples, sample_key)
            folder = out / f"{problem.symbol.replace('*', '')}-{parameter:g}"
            drawn.append(drawing.submit(draw, case, compared, networks, folder, sample_key))
            judged = judge(compared, case)
            for name, cost in costs.items():
                judged[name]["time over ANP"] = cost
            judged |= ablation(config, networks[PLAIN], case, sample_key)
            for name, scores in judged.items():
                rows[f"{name}, {problem.symbol} = {parameter:g}"] = scores
        rows |= over_range(config, networks, test_key, sample_key)
        for figures in drawn:
            figures.result()
    return rows


def over_range(
    config: ProbConservConfig, networks, test_key, sample_key
) -> dict[str, dict[str, float]]:
    """Scores averaged over evenly spaced parameters of the training range."""
    problem = config.data
    low, high = problem.parameter
    judged = []
    for i, parameter in enumerate(np.linspace(low, high, config.evaluation.in_range)):
        case = make_case(config, float(parameter), jax.random.fold_in(test_key, 100 + i))
        judged.append(judge(compare(config, networks, case, sample_key), case))
    return {
        f"{name}, {problem.symbol} in [{low:g}, {high:g}]": evaluate.average(
            [scores[name] for scores in judged]
        )
        for name in judged[0]
    }


def make_case(config: ProbConservConfig, parameter: float, key) -> Case:
    """The truth and the contexts of one test parameter."""
    return evaluate.make_case(config.data, parameter, config.evaluation.contexts, key=key)


def compare(config: ProbConservConfig, networks, case: Case, key) -> dict[str, dist.Normal]:
    """The predictions of all models for one parameter."""
    constraint = conservation(config.data.grid, case.total)
    draws = {
        name: evaluate.latent_samples(
            network, case.contexts, case.slice_x, config.evaluation.samples, key
        )
        for name, network in networks.items()
    }
    soft = {SOFT: evaluate.plain(draws[SOFT])}
    return evaluate.predictions(draws[PLAIN], constraint) | soft


def judge(compared: Mapping[str, dist.Normal], case: Case) -> dict[str, dict[str, float]]:
    """The scores of all models and of the baseline for one parameter."""
    rows = {name: evaluate.score(prediction, case) for name, prediction in compared.items()}
    return rows | {BASELINE: evaluate.score_interpolation(evaluate.interpolation(case), case)}


def ablation(
    config: ProbConservConfig, network: AttentiveNeuralProcess, case: Case, key
) -> dict[str, dict[str, float]]:
    """Nodes and trapezoidal weights instead of cells, where the problem has values at nodes."""
    found = evaluate.at_nodes(network, case, config.evaluation.samples, key)
    if found is None:
        return {}
    compared, truth = found
    return {
        name: {"MSE ×1e-4": 1e4 * float(((prediction.mean - truth) ** 2).mean())}
        for name, prediction in compared.items()
    }


def train(config: ProbConservConfig, name: str, fields, folder: Path, model_key, fit_key):
    """Fit one neural process on episodes drawn afresh at every step."""
    network = config.network
    penalty = config.penalty if name == SOFT else 0.0
    model = AttentiveNeuralProcess(
        dims=2,
        channels=1,
        width=network.width,
        heads=network.heads,
        self_attention=network.self_attention,
        cross_attention=network.cross_attention,
        dropout=network.dropout,
        key=model_key,
    )

    def loss_fn(model, batch, key):
        keys = jax.random.split(key, len(batch["context_x"]))
        loss = jax.vmap(lambda k, *data: model.negative_elbo(*data, key=k)[0])(
            keys, batch["context_x"], batch["context_y"], batch["target_x"], batch["target_y"]
        )
        if penalty == 0:
            return loss.mean(), {}
        # SoftC: the predicted mean of one time slice against the solver's, on the same cells; a quarter
        # of the functions estimates it, for all of them would double the time of a step.
        some = {name: value[::4] for name, value in batch.items()}
        mean = jax.vmap(lambda *data: model(*data).mean.mean())
        predicted = mean(some["context_x"], some["context_y"], some["slice_x"])
        residual = predicted - some["slice_mean"]
        return loss.mean() + penalty * (residual**2).mean(), {
            "mass_error": jnp.abs(residual).mean()
        }

    result = fit(
        model,
        loss_fn,
        GeneratedSource(Episodes(fields, config.data, config.batch), key=fit_key),
        config.optimizer.build(config.steps),
        key=fit_key,
        steps=config.steps,
        micro_batches=config.micro_batches,
        ema_decay=config.ema_decay,
        checkpoint=folder / "checkpoints",
        checkpoint_every=500,
        metrics_path=folder / "metrics.jsonl",
        log_every=max(config.steps // 100, 1),
        # One display at a time; the other network takes about as long.
        progress=name == SOFT,
        label=name,
    )
    return result.best_model


def draw(
    case: Case,
    compared: Mapping[str, dist.Normal],
    networks: Mapping[str, AttentiveNeuralProcess],
    out: Path,
    key,
) -> None:
    """Profile with bands, histogram of shock positions, mass and error over time."""
    problem = case.problem
    title = f"{problem.symbol} = {case.parameter:g}"
    shown = (PLAIN, SOFT, evaluate.OBLIQUE)
    first = {name: (compared[name].mean[0], compared[name].scale[0]) for name in shown}
    axes = plots.profile(
        np.asarray(case.x),
        {name: plots.Prediction(*map(np.asarray, field)) for name, field in first.items()},
        truth=np.asarray(case.truth),
        title=f"{title}, t = {problem.compared_at:g}",
    )
    plots.save(axes, out / "profile.png")
    if case.front is not None:
        draw_shock(compared, case, title, out)
    draw_over_time(problem, case, networks, title, out, key)


def draw_shock(compared: Mapping[str, dist.Normal], case: Case, title: str, out: Path) -> None:
    """Where the profiles have their shocks."""
    assert case.front is not None
    shocks = {name: np.asarray(evaluate.shock(p.mean, case)) for name, p in compared.items()}
    # Early in a training no profile may have one; the table says so, and there is nothing to draw.
    if any(np.isfinite(found).any() for found in shocks.values()):
        axes = plots.histogram(
            shocks, truth=float(case.front), title=f"Shock over the contexts, {title}"
        )
        plots.save(axes, out / "shock.png")


def draw_over_time(
    problem: Problem,
    case: Case,
    networks: Mapping[str, AttentiveNeuralProcess],
    title: str,
    out: Path,
    key,
) -> None:
    """Mass and error of the first context at twenty times."""
    times = np.arange(9, problem.times, max(problem.times // 20, 1))
    fields = evaluate.over_time(networks[PLAIN], case, times, 8, key)
    soft = evaluate.samples_over_time(networks[SOFT], case, times, 8, key)
    fields = fields | {SOFT: evaluate.plain(soft)}
    t, (low, high) = problem.output_times[times], problem.domain
    axes = plots.mass_over_time(
        t,
        {name: (high - low) * np.asarray(field.mean.mean(-1)) for name, field in fields.items()},
        truth=np.asarray(case.masses)[times],
        title=f"Mass, {title}",
    )
    plots.save(axes, out / "mass.png")
    truth = np.asarray(case.fields)[times]
    errors = {
        name: np.sqrt(((np.asarray(field.mean) - truth) ** 2).mean(-1))
        for name, field in fields.items()
    }
    axes = plots.profile(
        t,
        {name: plots.Prediction(error) for name, error in errors.items()},
        quantity="root mean square error",
        x_label="time",
        title=f"Error over time, {title}",
    )
    plots.save(axes, out / "error.png")


def _experiment(name: str, claim: str, presets: Mapping[str, ProbConservConfig]):
    problem = presets["cpu"].data
    return Experiment(
        name=name,
        claim=claim,
        directory=Path(__file__).parent,
        presets=presets,
        run_seed=run_seed,
        baseline=f"{BASELINE}, {problem.symbol} = {problem.tested[0]:g}",
    )


STEFAN = _experiment(
    "stefan",
    "Projecting a probabilistic prediction onto its mass puts the shock where it is (ProbConserv).",
    presets.STEFAN,
)
POROUS_MEDIUM = _experiment(
    "porous-medium",
    "Rows of cell averages mend the bias of trapezoidal rows on porous media (ProbConserv).",
    presets.POROUS_MEDIUM,
)
DIFFUSION = _experiment(
    "diffusion",
    "Projecting a probabilistic prediction of smooth diffusion onto its mass (ProbConserv).",
    presets.DIFFUSION,
)
ADVECTION = _experiment(
    "advection",
    "Projecting a probabilistic prediction onto its mass puts a transported step where it is.",
    presets.ADVECTION,
)
BURGERS = _experiment(
    "burgers",
    "Projecting a probabilistic prediction onto its mass puts a steepening shock where it is.",
    presets.BURGERS,
)
