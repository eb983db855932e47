r"""Learning the hyperparameters of a Gaussian process, by the maximum of their posterior.

    max_θ  Σ_fields log p(y | θ) + log p(θ),      log θ ~ N(log θ_0, spread²)

Reference: Rasmussen, Williams, Gaussian Processes for Machine Learning (2006), section 5.4.1. The likelihood
alone may have its maximum at a length scale of zero or infinity where observations are few; a prior keeps it
finite.
"""

import math

import equinox as eqx
import jax
import optax
from jaxtyping import Array, Float

from .._arrays import as_jax, check_finite
from .._checks import whole
from .gaussian_process import GaussianProcess


def fit_gaussian_process(
    process: GaussianProcess,
    x: Float[Array, "*fields context dims"],
    y: Float[Array, "*fields context"],
    *,
    spread: float = 1.0,
    steps: int = 200,
    learning_rate: float = 0.05,
) -> tuple[GaussianProcess, Float[Array, " steps"]]:
    """Learn the hyperparameters: the maximum of the likelihood times log-normal priors.

    Length scales, amplitude and noise have priors LogNormal(log of their first value, spread²), whose
    densities are taken in their logarithms, and length scales that the observations do not determine stay
    where they were. The mean has none, and moves by `learning_rate` a step at most, in the unit of the field:
    bring the observations to a size of about one first.

    Args:
        process: where to start, and the medians of the priors; give length scales of the right order.
        x: points of one or of several fields, which share the hyperparameters.
        y: observations.
        spread: standard deviation of the logarithms, 1 for a factor of e either way.
        steps: updates of Adam, whose learning rate falls to 0 along a cosine.
        learning_rate: the first one, in logarithms.

    Returns:
        The process, and the negative log posterior over the fields before each step, which tells whether it
        has settled.

    Raises:
        ValueError: shapes that do not fit, a spread that is not positive, or no steps.
        RuntimeError: at run time, a covariance that is not positive definite.
    """
    steps = whole("fit_gaussian_process", "steps", steps)
    if not (math.isfinite(spread) and spread > 0):
        raise ValueError(
            f"fit_gaussian_process expected a positive, finite spread, got {spread}; 1.0 allows a factor "
            "of e either way."
        )
    x, y = as_jax("fit_gaussian_process", "x", x), as_jax("fit_gaussian_process", "y", y)
    if x.ndim < 2 or y.shape != x.shape[:-1]:
        raise ValueError(
            f"fit_gaussian_process expected points of shape (..., n, dims) and observations of shape "
            f"(..., n), got {x.shape} and {y.shape}; flatten the grid."
        )
    points, values = x.reshape(-1, *x.shape[-2:]), y.reshape(-1, y.shape[-1])
    check_finite("fit_gaussian_process", "points", points)
    check_finite("fit_gaussian_process", "observations", values)

    start = _logarithms(process)
    dynamic, static = eqx.partition(process, eqx.is_inexact_array)

    def loss(dynamic, points, values):
        process = eqx.combine(dynamic, static)
        evidence = jax.vmap(process.log_marginal_likelihood)(points, values).sum()
        shifts = jax.tree.map(lambda a, b: ((a - b) ** 2).sum(), _logarithms(process), start)
        return 0.5 * sum(shifts) / spread**2 - evidence

    optimizer = optax.adam(optax.cosine_decay_schedule(learning_rate, steps))

    @jax.jit
    def run(dynamic, points, values):
        def step(carry, _):
            dynamic, state = carry
            value, slope = jax.value_and_grad(loss)(dynamic, points, values)
            with jax.numpy_dtype_promotion("standard"):  # optax mixes floats and its step count
                updates, state = optimizer.update(slope, state)
            return (optax.apply_updates(dynamic, updates), state), value

        (dynamic, _), losses = jax.lax.scan(step, (dynamic, optimizer.init(dynamic)), length=steps)
        return dynamic, losses

    dynamic, losses = run(dynamic, points, values)
    return eqx.combine(dynamic, static), losses


def _logarithms(process: GaussianProcess) -> tuple[Array, Array, Array]:
    return process.kernel.log_lengthscale, process.kernel.log_amplitude, process.log_noise
