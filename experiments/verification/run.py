"""Do the solvers solve their equations? Every scheme against what is known, with orders and figures.

cases -> errors on finer and finer grids -> a row each -> profiles and lines of convergence.
"""

from collections.abc import Sequence
from pathlib import Path

import jax

from experiments.verification import cases
from experiments.verification.config import PRESETS, VerificationConfig
from experiments.verification.figures import convergence, profiles
from experiments.verification.study import UPWIND, Study
from jaxsci.experiment import Experiment, Rows

FAMILIES = {
    "transport": cases.transport,
    "diffusion": cases.diffusion,
    "gas": cases.gas,
    "water": cases.water,
    "incompressible": cases.incompressible,
}


def run_seed(config: VerificationConfig, seed: int, out: Path) -> Rows:
    """Run all cases in double precision; the seed does nothing."""
    del seed
    studies: dict[str, Sequence[Study]] = {}
    with jax.enable_x64(True):
        for family, run in FAMILIES.items():
            studies[family] = tuple(run(config))
    profiles(studies, out / "profiles.png")
    convergence(studies, out / "convergence.png")
    return {study.name: study.row for family in studies.values() for study in family}


EXPERIMENT = Experiment(
    name="solvers",
    claim="The solvers converge to exact solutions at their order, with errors that others measured.",
    directory=Path(__file__).parent,
    presets=PRESETS,
    run_seed=run_seed,
    baseline=f"advection of a sine, {UPWIND}",
)
