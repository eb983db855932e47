r"""What a denoiser learns: the noise in data to which noise was added.

    L = mean (ε − ε_θ(√ᾱ_t x_0 + √(1−ᾱ_t) ε, t))²,      t uniform, ε ~ N(0, I)

Reference: Ho, Jain, Abbeel, Denoising Diffusion Probabilistic Models, NeurIPS 2020, arXiv:2006.11239,
equation 14.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Int, PRNGKeyArray

from .._arrays import floating
from .._checks import check_key
from ..nn.initial import normal
from ..nn.precision import at_least_single
from .schedule import NoiseSchedule

Denoiser = Callable[[Float[Array, "*shape"], Int[Array, ""]], Float[Array, "*shape"]]


def denoising_loss(
    denoiser: Denoiser,
    x: Float[Array, "*shape"],
    *,
    schedule: NoiseSchedule,
    key: PRNGKeyArray,
) -> Float[Array, ""]:
    """Mean square of the error in the noise of one sample, at a random step, in single precision at least.

    Where zero is predicted it is 1.

    Args:
        denoiser: from noisy data and the step to the noise in them. Close it over what else it reads:
            `lambda x, t: network(x, t, past)`.
        x: the data, of about unit variance.
        schedule: how much noise each step has.
        key: random key of step and noise.

    Raises:
        TypeError: a key or a schedule that is none, or data that are no numbers.
        ValueError: complex data, or a denoiser whose output has another shape than the data.
    """
    check_key("denoising_loss", key)
    check_schedule("denoising_loss", schedule)
    x = floating("denoising_loss", x)
    step_key, noise_key = jax.random.split(key)
    step = jax.random.randint(step_key, (), 0, len(schedule))
    noise = normal(noise_key, x.shape, x.dtype)
    found = denoiser(schedule.mixed(x, step, noise), step)
    found = like_data("denoising_loss", "a denoiser that returns the noise", found, x)
    # Squares and sums overflow in half precision.
    precision = at_least_single(x.dtype)
    return jnp.mean((found.astype(precision) - noise.astype(precision)) ** 2)


def like_data(who: str, what: str, found: ArrayLike, x: Array) -> Array:
    """What was found in data, of their shape and in their precision."""
    found = floating(f"{who} with {what}", found)
    if found.shape != x.shape:
        raise ValueError(
            f"{who} expected {what} in data of shape {x.shape}, got shape {found.shape}; let it return an "
            "array like x."
        )
    return found.astype(x.dtype)


def check_schedule(who: str, schedule: NoiseSchedule) -> None:
    """Refuse what is no schedule, such as a number of steps."""
    if not isinstance(schedule, NoiseSchedule):
        raise TypeError(
            f"{who} expected a NoiseSchedule, got {type(schedule).__name__}; write "
            "NoiseSchedule.scaled_linear(1000)."
        )
