"""Turn a trained neural process into the predictions that are compared, and score them.

ANP          the moment-matched mixture over latent samples
HardC        each sample projected with Σ = I in the mean, its variance untouched
ProbConserv  each sample projected with its own Σ, mean and variance
"""

import math
import time
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Array, Float

from experiments.probconserv.data import coordinates, observe, random_grid
from experiments.probconserv.problems import Problem
from jaxsci.constraints import AffineConstraint, conservation, project
from jaxsci.metrics import (
    conservation_error,
    crps_gaussian,
    gaussian_log_likelihood,
    mse,
    shock_position,
)
from jaxsci.operators import AttentiveNeuralProcess
from jaxsci.probabilistic import calibration, moment_match

PLAIN, HARD, OBLIQUE = "ANP", "HardC-ANP", "ProbConserv-ANP"
NODES, TRAPEZOID = "ANP at nodes", "ProbConserv-ANP at nodes, trapezoidal rows"
LEVELS = (0.5, 0.9)
SIGNED, UNSIGNED = "conservation error ×1e-3", "|conservation error| ×1e-3"


class Case(NamedTuple):
    """One test parameter: truth at the compared time and random contexts."""

    problem: Problem
    parameter: float
    truth: Float[Array, " cells"]
    total: Float[Array, ""]
    front: Float[Array, ""] | None
    context_x: Float[Array, "contexts points 2"]
    context_y: Float[Array, "contexts points 1"]
    slice_x: Float[Array, "cells 2"]
    fields: Float[Array, "times cells"]
    masses: Float[Array, " times"]

    @property
    def contexts(self) -> tuple[Array, Array]:
        """What a network sees."""
        return self.context_x, self.context_y

    @property
    def x(self) -> Float[Array, " cells"]:
        """Centres of the cells."""
        return jnp.asarray(self.problem.grid.centers[0], jnp.float32)


def make_case(problem: Problem, parameter: float, contexts: int, *, key) -> Case:
    """Draw the test contexts of one parameter from its exact solution."""
    fields, masses = problem.exact(parameter)
    moment = problem.moment
    index = jax.vmap(lambda k: random_grid(problem, stratified=True, key=k))(
        jax.random.split(key, contexts)
    )
    cells = jnp.arange(problem.cells)
    row = jnp.stack([jnp.full_like(cells, moment), cells], axis=-1)
    return Case(
        problem=problem,
        parameter=parameter,
        truth=fields[moment],
        total=masses[moment],
        front=problem.in_double(problem.front, parameter),
        context_x=jax.vmap(lambda i: coordinates(problem, i))(index),
        context_y=jax.vmap(lambda i: observe(fields, i))(index),
        slice_x=coordinates(problem, row),
        fields=fields,
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
def plain(samples: dist.Normal) -> dist.Normal:
    """The mixture over the latent samples, matched in mean and variance."""
    return _matched(samples.mean, samples.variance)


@eqx.filter_jit
def hard(samples: dist.Normal, constraint: AffineConstraint) -> dist.Normal:
    """HardC: every cell moves by the same amount."""
    equal = dist.Normal(samples.mean, jnp.ones_like(jnp.asarray(samples.scale)))
    return _matched(project(equal, constraint).mean, samples.variance)


@eqx.filter_jit
def oblique(samples: dist.Normal, constraint: AffineConstraint) -> dist.Normal:
    """ProbConserv: cells move by what their variance allows."""
    projected = project(samples, constraint)
    return _matched(projected.mean, jnp.maximum(projected.variance, 1e-8))


def _matched(mean: Array, variance: Array) -> dist.Normal:
    samples_first = (jnp.moveaxis(a, 1, 0) for a in (mean, jnp.sqrt(variance)))
    return moment_match(dist.Normal(*samples_first), variance_floor=1e-8)


def predictions(samples: dist.Normal, constraint: AffineConstraint) -> dict[str, dist.Normal]:
    """ANP, HardC and ProbConserv from the same latent samples, shape (contexts, points)."""
    return {
        PLAIN: plain(samples),
        HARD: hard(samples, constraint),
        OBLIQUE: oblique(samples, constraint),
    }


def overhead(model: AttentiveNeuralProcess, case: Case, samples: int, key) -> dict[str, float]:
    """Time of each prediction over that of the plain one, compiled, best of three."""
    constraint = conservation(case.problem.grid, case.total)

    def best(function, *args) -> float:
        times = []
        for _ in range(3):
            start = time.perf_counter()
            jax.block_until_ready(function(*args))
            times.append(time.perf_counter() - start)
        return min(times)

    drawing = model, case.contexts, case.slice_x, samples, key
    latent = latent_samples(*drawing)
    drawn = best(latent_samples, *drawing)
    costs = {
        PLAIN: best(plain, latent),
        HARD: best(hard, latent, constraint),
        OBLIQUE: best(oblique, latent, constraint),
    }
    return {name: (drawn + cost) / (drawn + costs[PLAIN]) for name, cost in costs.items()}


def at_nodes(model: AttentiveNeuralProcess, case: Case, samples: int, key):
    """The published discretisation: values at cells + 1 nodes, and trapezoidal weights.

    The trapezoidal sum of the true profile is not its mass, so a prediction that is projected on it is
    pulled away from the truth.

    Returns:
        Predictions by name, and the truth at the nodes; None where the problem has no values there.
    """
    problem = case.problem
    truth = problem.in_double(
        lambda p, t: problem.points(p, t, jnp.asarray(problem.grid.faces[0])), case.parameter
    )
    if truth is None:
        return None
    faces = jnp.asarray(problem.grid.faces[0], jnp.float32)
    low, high = problem.domain
    moment = jnp.full(faces.shape, (problem.moment + 1) / problem.times, jnp.float32)
    points = jnp.stack([moment, (faces - low) / (high - low)], axis=-1)
    drawn = latent_samples(model, case.contexts, points, samples, key)
    weights = jnp.full(faces.shape, (high - low) / problem.cells).at[jnp.array([0, -1])].mul(0.5)
    rows = AffineConstraint(weights[None], case.total[None])
    return {NODES: plain(drawn), TRAPEZOID: oblique(drawn, rows)}, truth


def interpolation(case: Case) -> Float[Array, "contexts cells"]:
    """The trivial baseline: the context's tensor grid, interpolated linearly in t and x."""
    size = case.problem.grid_size

    def one(context_x, context_y):
        t = context_x.reshape(size, size, 2)[:, 0, 0]
        x = context_x.reshape(size, size, 2)[0, :, 1]
        values = context_y.reshape(size, size)
        now = jax.vmap(lambda column: jnp.interp(case.slice_x[0, 0], t, column), 1)(values)
        return jnp.interp(case.slice_x[:, 1], x, now)

    return jax.vmap(one)(case.context_x, case.context_y)


def front(profile: Float[Array, "*batch cells"], case: Case) -> Float[Array, "*batch"]:
    """Where a profile falls below half the jump.

    The paper asks where samples reach 0, which noise around 0 decides; the middle of the jump does not
    depend on it. A profile that never falls has its front at the far end.
    """
    position = shock_position(case.x, profile, level=case.problem.level(case.parameter))
    return jnp.where(jnp.isnan(position), case.problem.domain[1], position)


def shock(profile: Float[Array, "*batch cells"], case: Case) -> Float[Array, "*batch"]:
    """`front` where there is one; NaN for a profile that begins below half the jump, or never falls."""
    level = case.problem.level(case.parameter)
    position = shock_position(case.x, profile, level=level)
    return jnp.where(profile[..., 0] > level, position, jnp.nan)


def score(prediction: dist.Normal, case: Case) -> dict[str, float]:
    """Means over the contexts; errors of mass are signed, as published."""
    likelihood, crps, *covered = _probabilistic(prediction, case.truth)
    names = [f"{level:.0%} band covers" for level in LEVELS]
    return _errors(prediction.mean, case) | {
        "log-likelihood": float(likelihood),
        "CRPS ×1e-3": 1e3 * float(crps),
        **{name: float(share) for name, share in zip(names, covered, strict=True)},
    }


@eqx.filter_jit
def _probabilistic(prediction: dist.Normal, truth: Float[Array, " cells"]) -> tuple[Array, ...]:
    def mean(metric) -> Array:
        # A numpyro distribution keeps its batch shape under vmap, so it is built inside.
        one = lambda loc, scale: metric(dist.Normal(loc, scale), truth)
        return jax.vmap(one)(prediction.mean, prediction.scale).mean(0)

    covered = mean(lambda field, target: calibration(field, target, LEVELS))
    return mean(gaussian_log_likelihood), mean(crps_gaussian), *covered


def score_interpolation(profiles: Float[Array, "contexts cells"], case: Case) -> dict[str, float]:
    """The scores that a prediction without uncertainty has; its CRPS is its absolute error."""
    absolute = float(jnp.abs(profiles - case.truth).mean())
    return _errors(profiles, case) | {"CRPS ×1e-3": 1e3 * absolute}


def _errors(profiles: Float[Array, "contexts cells"], case: Case) -> dict[str, float]:
    mass = conservation_error(profiles, case.total, case.problem.grid)
    squared = jax.vmap(lambda p: mse(p[None], case.truth[None]))(profiles)
    errors = {
        "MSE ×1e-4": 1e4 * float(squared.mean()),
        SIGNED: 1e3 * float(mass.mean()),
        "largest |conservation error|": float(jnp.abs(mass).max()),
    }
    if case.front is not None:
        away = jnp.abs(front(profiles, case) - case.front)
        errors["shock position error ×1e-3"] = 1e3 * float(away.mean())
        errors["without a shock"] = float(jnp.isnan(shock(profiles, case)).mean())
    return errors


def average(scores: list[dict[str, float]]) -> dict[str, float]:
    """Scores over several parameters: means, errors of mass without their sign, the largest as it is.

    A network that ignores its context errs by the mass of the mean parameter minus the true one, and the
    signs of that cancel. Without signs it is another number, and has a column of its own.
    """
    over = {name: [score[name] for score in scores] for name in scores[0]}
    over = {UNSIGNED if name == SIGNED else name: values for name, values in over.items()}
    over[UNSIGNED] = [abs(error) for error in over[UNSIGNED]]
    return {
        name: max(values) if name.startswith("largest") else math.fsum(values) / len(values)
        for name, values in over.items()
    }


def over_time(
    model: AttentiveNeuralProcess, case: Case, times: np.ndarray, samples: int, key
) -> dict[str, dist.Normal]:
    """Predictions for the first context at several output times, shape (times, cells)."""
    drawn = samples_over_time(model, case, times, samples, key)
    constraint = conservation(case.problem.grid, case.masses[times][:, None])
    return predictions(drawn, constraint)


def samples_over_time(
    model: AttentiveNeuralProcess, case: Case, times: np.ndarray, samples: int, key
) -> dist.Normal:
    """Gaussians for the first context and each latent sample, shape (times, samples, cells)."""
    problem = case.problem
    cells = np.arange(problem.cells)
    index = np.stack(np.meshgrid(times, cells, indexing="ij"), axis=-1).reshape(-1, 2)
    first = (case.context_x[:1], case.context_y[:1])
    points = coordinates(problem, jnp.asarray(index))
    drawn = latent_samples(model, first, points, samples, key)
    shape = (samples, len(times), len(cells))
    moved = (jnp.asarray(a)[0].reshape(shape).swapaxes(0, 1) for a in (drawn.loc, drawn.scale))
    return dist.Normal(*moved)
