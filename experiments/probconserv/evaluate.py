"""Turn a trained neural process into the four predictions that are compared, and score them.

ANP          the moment-matched mixture over latent samples
HardC        each sample projected with Σ = I in the mean, its variance untouched
ProbConserv  each sample projected with its own Σ, mean and variance
"""

import math
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Array, Float

from experiments.probconserv.config import StefanConfig
from experiments.probconserv.data import coordinates, exact, observe, output_times, random_grid
from jaxsci.constraints import conservation, project
from jaxsci.metrics import (
    conservation_error,
    crps_gaussian,
    gaussian_log_likelihood,
    mse,
    shock_position,
)
from jaxsci.operators import AttentiveNeuralProcess
from jaxsci.probabilistic import moment_match
from solvers import Grid


class Case(NamedTuple):
    """One test threshold: truth at the compared time and random contexts."""

    threshold: float
    truth: Float[Array, " cells"]
    total: Float[Array, ""]
    front: Float[Array, ""]
    context_x: Float[Array, "contexts points 2"]
    context_y: Float[Array, "contexts points 1"]
    slice_x: Float[Array, "cells 2"]
    x: Float[Array, " cells"]
    grid: Grid
    masses: Float[Array, " times"]

    @property
    def contexts(self) -> tuple[Array, Array]:
        """What a network sees."""
        return self.context_x, self.context_y


def make_case(config: StefanConfig, threshold: float, *, key) -> Case:
    """Draw the test contexts of one threshold from its exact solution."""
    field, masses, fronts = exact(config.data, threshold)
    moment = int(np.argmin(np.abs(output_times(config.data) - config.evaluation.time)))
    keys = jax.random.split(key, config.evaluation.contexts)
    index = jax.vmap(lambda k: random_grid(config.data, stratified=True, key=k))(keys)
    cells = config.data.cells
    row = jnp.stack([jnp.full(cells, moment), jnp.arange(cells)], axis=-1)
    grid = Grid.uniform(0.0, 1.0, cells)
    return Case(
        threshold=threshold,
        truth=field[moment],
        total=masses[moment],
        front=fronts[moment],
        context_x=jax.vmap(lambda i: coordinates(config.data, i))(index),
        context_y=jax.vmap(lambda i: observe(field, i))(index),
        slice_x=coordinates(config.data, row),
        x=jnp.asarray(grid.centers[0], jnp.float32),
        grid=grid,
        masses=masses,
    )


@eqx.filter_jit
def latent_samples(
    model: AttentiveNeuralProcess,
    contexts: tuple[Float[Array, "contexts observed 2"], Float[Array, "contexts observed 1"]],
    points: Float[Array, "points 2"],
    samples: int,
    key,
) -> dist.Normal:
    """Gaussians at the points for every context and latent sample, shape (contexts, samples, points)."""

    def one(context_x, context_y, key):
        latent = model.latent(context_x, context_y)
        attended = model.attend(context_x, context_y, points)

        def gaussian(z):
            decoded = model.decode(attended, z, points)
            return jnp.asarray(decoded.loc)[..., 0], jnp.asarray(decoded.scale)[..., 0]

        return jax.vmap(gaussian)(latent.sample(key, (samples,)))

    keys = jax.random.split(key, len(contexts[0]))
    return dist.Normal(*jax.lax.map(lambda args: one(*args), (*contexts, keys)))


@eqx.filter_jit
def predictions(samples: dist.Normal, grid: Grid, total) -> dict[str, dist.Normal]:
    """ANP, HardC and ProbConserv from the same latent samples, shape (contexts, points)."""
    constraint = conservation(grid, total)
    over_samples = lambda mean, variance: moment_match(
        dist.Normal(jnp.moveaxis(mean, 1, 0), jnp.sqrt(jnp.moveaxis(variance, 1, 0))),
        variance_floor=1e-8,
    )
    hard = project(dist.Normal(samples.mean, jnp.ones_like(jnp.asarray(samples.scale))), constraint)
    oblique = project(samples, constraint)
    return {
        "ANP": over_samples(samples.mean, samples.variance),
        "HardC-ANP": over_samples(hard.mean, samples.variance),
        "ProbConserv-ANP": over_samples(oblique.mean, jnp.maximum(oblique.variance, 1e-8)),
    }


def interpolation(case: Case, config: StefanConfig) -> Float[Array, "contexts cells"]:
    """The trivial baseline: the context's tensor grid, interpolated linearly in t and x."""
    size = config.data.grid_size

    def one(context_x, context_y):
        t = context_x.reshape(size, size, 2)[:, 0, 0]
        x = context_x.reshape(size, size, 2)[0, :, 1]
        values = context_y.reshape(size, size)
        now = jax.vmap(lambda column: jnp.interp(case.slice_x[0, 0], t, column), 1)(values)
        return jnp.interp(case.x, x, now)

    return jax.vmap(one)(case.context_x, case.context_y)


def front(profile: Float[Array, "*batch cells"], case: Case) -> Float[Array, "*batch"]:
    """Where a profile falls below half the jump.

    The paper asks where samples reach 0, which noise around 0 decides; half of u* is the middle of the
    jump and does not depend on it. A profile that never falls has its front at the far end.
    """
    position = shock_position(case.x, profile, level=case.threshold / 2)
    return jnp.where(jnp.isnan(position), 1.0, position)


def score(prediction: dist.Normal, case: Case) -> dict[str, float]:
    """Means over the contexts; errors of mass are signed, as published."""
    scores = _likelihoods(prediction, case.truth)
    return _errors(prediction.mean, case) | {
        "log-likelihood": float(scores[0]),
        "CRPS ×1e-3": 1e3 * float(scores[1]),
    }


@eqx.filter_jit
def _likelihoods(prediction: dist.Normal, truth: Float[Array, " cells"]) -> tuple[Array, Array]:
    def mean(metric) -> Array:
        # A numpyro distribution keeps its batch shape under vmap, so it is built inside.
        one = lambda loc, scale: metric(dist.Normal(loc, scale), truth)
        return jax.vmap(one)(prediction.mean, prediction.scale).mean()

    return mean(gaussian_log_likelihood), mean(crps_gaussian)


def score_interpolation(profiles: Float[Array, "contexts cells"], case: Case) -> dict[str, float]:
    """The scores that a prediction without uncertainty has; its CRPS is its absolute error."""
    absolute = float(jnp.abs(profiles - case.truth).mean())
    return _errors(profiles, case) | {"CRPS ×1e-3": 1e3 * absolute}


def _errors(profiles: Float[Array, "contexts cells"], case: Case) -> dict[str, float]:
    mass = conservation_error(profiles, case.total, case.grid)
    squared = jax.vmap(lambda p: mse(p[None], case.truth[None]))(profiles)
    return {
        "MSE ×1e-4": 1e4 * float(squared.mean()),
        "conservation error ×1e-3": 1e3 * float(mass.mean()),
        "largest |conservation error|": float(jnp.abs(mass).max()),
        "shock position error ×1e-3": 1e3
        * float(jnp.abs(front(profiles, case) - case.front).mean()),
    }


def average(scores: list[dict[str, float]]) -> dict[str, float]:
    """Scores over several thresholds: means, errors of mass without their sign, the largest as it is.

    A network that ignores its context errs by the mass of the mean threshold minus the true one, and the
    signs of that cancel.
    """
    over = {name: [score[name] for score in scores] for name in scores[0]}
    over["conservation error ×1e-3"] = [abs(e) for e in over["conservation error ×1e-3"]]
    return {
        name: max(values) if name.startswith("largest") else math.fsum(values) / len(values)
        for name, values in over.items()
    }
