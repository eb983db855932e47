"""Which forecaster predicts films best, for equal numbers of steps and, where asked for, for equal time?

data -> train every forecaster for equal steps -> train the rivals again for equal time -> score -> plot.
"""

from collections.abc import Mapping
from pathlib import Path

import equinox as eqx
import jax
import numpy as np

from experiments.earthformer import models
from experiments.earthformer.config import ENSO, FLOW, NBODY, SEVIR, FilmConfig
from experiments.earthformer.figures import draw
from experiments.earthformer.films import Parts
from experiments.earthformer.observed import Observed
from experiments.earthformer.training import forecast, seconds_a_step, statistics, train
from jaxsci.experiment import Experiment, Rows
from jaxsci.experiment.jsonfile import read_json, write_json

EQUAL_TIME = ", equal time"


def run_seed(config: FilmConfig, seed: int, out: Path) -> Rows:
    """Train and judge every forecaster on the same films."""
    data_key, model_key, fit_key = jax.random.split(jax.random.key(seed), 3)
    data = config.data
    parts = data.parts(key=data_key, out=out)
    film = parts.test[0]
    rows, forecasts, found = {}, {}, {}

    def judge(name: str, model, row: Mapping[str, float]) -> None:
        scored = statistics(data, model, parts.test)
        rows[name] = {**data.scores(scored), **row}
        # Runs for equal time look like those for equal steps.
        if not name.endswith(EQUAL_TIME):
            forecasts[name], found[name] = np.asarray(forecast(model, film["input"])), scored

    judge(models.PERSISTENCE, models.persistence(data), {})
    steps, budget = config.updates(len(parts.train)), None
    for name, model in models.build(config.network, data, config.rivals, key=model_key).items():
        cost, runs = {"parameters ×1e3": parameters(model) / 1e3}, {name: steps}
        if config.equal_time:
            pace = _pace(config, model, parts, out / folder(name) / "pace.json")
            budget = steps * pace if budget is None else budget
            cost["milliseconds a step"] = 1e3 * pace
            if not name.startswith(models.EARTHFORMER):
                runs[name + EQUAL_TIME] = max(1, round(budget / pace))
        for run, count in runs.items():
            trained = train(config, model, parts, out / folder(run), count, fit_key)
            judge(run, trained, cost | {"steps": float(count)})
    draw(data, film, forecasts, found, out)
    return {**rows, **parts.about}


def _pace(config: FilmConfig, model, parts: Parts, path: Path) -> float:
    """Seconds of a step, timed once: a run that resumes goes on for as many steps as it began with."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, {"seconds a step": seconds_a_step(config, model, parts)})
    timed = read_json(path, keys=["seconds a step"], remedy="delete the folder it lies in")
    return timed["seconds a step"]


def check(config: FilmConfig) -> None:
    """Refuse to begin without the user's files."""
    if isinstance(config.data, Observed):
        config.data.check()


def parameters(model) -> int:
    """Numbers that are trained."""
    return sum(leaf.size for leaf in jax.tree.leaves(eqx.filter(model, eqx.is_inexact_array)))


def folder(name: str) -> str:
    """The name of a run as one of a folder."""
    return name.replace(", ", "-").replace(" ", "-").lower()


def _experiment(name: str, about: str, presets: Mapping[str, FilmConfig]) -> Experiment[FilmConfig]:
    return Experiment(
        name=name,
        claim=f"Earthformer predicts films better than the forecasters of its tables: {about}.",
        directory=Path(__file__).parent,
        presets=presets,
        run_seed=run_seed,
        baseline=models.PERSISTENCE,
        check=check,
    )


N_BODY = _experiment("nbody", "digits that attract each other", NBODY)
KOLMOGOROV = _experiment("flow", "the vorticity of forced turbulence", FLOW)
STORMS = _experiment("sevir", "radar pictures of storms, from files of the user's own", SEVIR)
NINO = _experiment("enso", "El Niño in climate models, from files of the user's own", ENSO)
