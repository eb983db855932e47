"""Stefan problem: does a prediction that conserves mass put the shock where it is?

data (finite volumes) -> train ANP and SoftC-ANP -> project -> score against the exact solution -> plot.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist

from experiments.probconserv.config import PRESETS, StefanConfig
from experiments.probconserv.data import Episodes, coordinates, output_times, solve_stefan
from experiments.probconserv.evaluate import (
    Case,
    average,
    front,
    interpolation,
    latent_samples,
    make_case,
    predictions,
    score,
    score_interpolation,
)
from jaxsci import plots
from jaxsci.experiment import Experiment, Rows
from jaxsci.operators import AttentiveNeuralProcess
from jaxsci.training import GeneratedSource, fit

BASELINE = "linear interpolation"


def run_seed(config: StefanConfig, seed: int, out: Path) -> Rows:
    """Train both networks from one seed and judge them on every threshold."""
    model_key, fit_key, test_key, sample_key = jax.random.split(jax.random.key(seed), 4)
    fields = solve_stefan(config.data)
    # Side by side: a step of this size keeps little more than one core busy.
    with ThreadPoolExecutor() as pool:
        training = {
            name: pool.submit(train, config, name, fields, out / name.lower(), model_key, fit_key)
            for name in ("ANP", "SoftC-ANP")
        }
        networks = {name: future.result() for name, future in training.items()}
    rows = {}
    for i, threshold in enumerate(config.evaluation.thresholds):
        case = make_case(config, threshold, key=jax.random.fold_in(test_key, i))
        compared = compare(config, networks, case, sample_key)
        for name, scores in judge(config, compared, case).items():
            rows[f"{name}, u* = {threshold:g}"] = scores
        draw(config, case, compared, networks["ANP"], out / f"threshold-{threshold:g}", sample_key)
    judged = []
    for i, threshold in enumerate(np.linspace(*config.data.threshold, config.evaluation.in_range)):
        case = make_case(config, float(threshold), key=jax.random.fold_in(test_key, 100 + i))
        judged.append(judge(config, compare(config, networks, case, sample_key), case))
    low, high = config.data.threshold
    for name in judged[0]:
        rows[f"{name}, u* in [{low:g}, {high:g}]"] = average([scores[name] for scores in judged])
    return rows


def compare(config: StefanConfig, networks, case: Case, key) -> dict[str, dist.Normal]:
    """The predictions of all models for one threshold."""
    compared = {}
    for name, network in networks.items():
        samples = latent_samples(
            network, case.contexts, case.slice_x, config.evaluation.samples, key
        )
        made = predictions(samples, case.grid, case.total)
        compared |= made if name == "ANP" else {name: made["ANP"]}
    return compared


def judge(config: StefanConfig, compared: dict[str, dist.Normal], case: Case) -> Rows:
    """The scores of all models and of the baseline for one threshold."""
    rows = {name: score(prediction, case) for name, prediction in compared.items()}
    return rows | {BASELINE: score_interpolation(interpolation(case, config), case)}


def train(config: StefanConfig, name: str, fields, folder: Path, model_key, fit_key):
    """Fit one neural process on episodes drawn afresh at every step."""
    network = config.network
    penalty = config.penalty if name == "SoftC-ANP" else 0.0
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
        # SoftC: the predicted mass of one time slice against the solver's, on the same cells; a quarter
        # of the functions estimates it, for all of them would double the time of a step.
        some = {name: value[::4] for name, value in batch.items()}
        mass = jax.vmap(lambda *data: model(*data).mean.mean())
        predicted = mass(some["context_x"], some["context_y"], some["slice_x"])
        residual = predicted - some["slice_mass"]
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
        progress=name == "SoftC-ANP",
    )
    return result.best_model


def draw(
    config: StefanConfig,
    case: Case,
    compared: dict[str, dist.Normal],
    network: AttentiveNeuralProcess,
    out: Path,
    key,
) -> None:
    """Profile with bands, histogram of shock positions, mass over time."""
    first = {name: dist.Normal(p.mean[0], p.scale[0]) for name, p in compared.items()}
    shown = ("ANP", "ProbConserv-ANP")
    axes = plots.profile(
        np.asarray(case.x),
        {
            name: plots.Prediction(np.asarray(first[name].mean), np.asarray(first[name].scale))
            for name in shown
        },
        truth=np.asarray(case.truth),
        title=f"Stefan, u* = {case.threshold:g}, t = {config.evaluation.time:g}",
    )
    plots.save(axes, out / "profile.png")
    positions = {name: np.asarray(front(p.mean, case)) for name, p in compared.items()}
    axes = plots.histogram(
        positions,
        truth=float(case.front),
        title=f"Shock over the contexts, u* = {case.threshold:g}",
    )
    plots.save(axes, out / "shock.png")

    times = np.arange(9, config.data.times, max(config.data.times // 20, 1))
    cells = np.arange(config.data.cells)
    index = np.stack(np.meshgrid(times, cells, indexing="ij"), axis=-1).reshape(-1, 2)
    first = (case.context_x[:1], case.context_y[:1])
    samples = latent_samples(network, first, coordinates(config.data, jnp.asarray(index)), 8, key)
    shape = (len(times), len(cells))
    fields = dist.Normal(
        *(jnp.asarray(a)[0].reshape(8, *shape) for a in (samples.loc, samples.scale))
    )
    projected = predictions(
        dist.Normal(fields.mean.swapaxes(0, 1), fields.scale.swapaxes(0, 1)),
        case.grid,
        case.masses[times][:, None],
    )
    axes = plots.mass_over_time(
        output_times(config.data)[times],
        {name: np.asarray(projected[name].mean.mean(-1)) for name in shown},
        truth=np.asarray(case.masses)[times],
        title=f"Mass, u* = {case.threshold:g}",
    )
    plots.save(axes, out / "mass.png")


EXPERIMENT = Experiment(
    name="stefan",
    claim="Projecting a probabilistic prediction onto its mass puts the shock where it is (ProbConserv).",
    directory=Path(__file__).parent,
    presets=PRESETS,
    run_seed=run_seed,
    baseline=f"{BASELINE}, u* = 0.6",
)
