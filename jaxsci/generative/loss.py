r"""What a denoiser learns: the noise in data to which noise was added.

    L = mean (ε − ε_θ(√ᾱ_t x_0 + √(1−ᾱ_t) ε, t))²,      t uniform, ε ~ N(0, I)

Reference: Ho, Jain, Abbeel, Denoising Diffusion Probabilistic Models, NeurIPS 2020, arXiv:2006.11239,
equation 14.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from .._arrays import floating
from .._checks import check_key
from .schedule import NoiseSchedule

Denoiser = Callable[[Float[Array, "*shape"], Int[Array, ""]], Float[Array, "*shape"]]


def denoising_loss(
    denoiser: Denoiser,
    x: Float[Array, "*shape"],
    *,
    schedule: NoiseSchedule,
    key: PRNGKeyArray,
) -> Float[Array, ""]:
    """Mean square of the error in the noise of one sample, at a random step; 1 where zero is predicted.

    Args:
        denoiser: from noisy data and the step to the noise in them. Close it over what else it reads:
            `lambda x, t: network(x, t, past)`.
        x: the data, of about unit variance.
        schedule: how much noise each step has.
        key: random key of step and noise.

    Raises:
        TypeError: a key that is none, or data that are no numbers.
        ValueError: complex data, or a denoiser whose output has another shape than the data.
    """
    check_key("denoising_loss", key)
    x = floating("denoising_loss", x)
    step_key, noise_key = jax.random.split(key)
    step = jax.random.randint(step_key, (), 0, len(schedule))
    noise = jax.random.normal(noise_key, x.shape, x.dtype)
    found = check_noise("denoising_loss", denoiser(schedule.mixed(x, step, noise), step), x)
    return jnp.mean((found - noise) ** 2)


def check_noise(who: str, noise: Array, x: Array) -> Array:
    """The noise that a denoiser has found, which has the shape of the data."""
    if noise.shape != x.shape:
        raise ValueError(
            f"{who} expected a denoiser that returns the noise in data of shape {x.shape}, got shape "
            f"{noise.shape}; let it map (x, step) to an array like x."
        )
    return noise
