r"""Samples from a denoiser: from noise to data, step by step.

    x_s = √ᾱ_s x̂_0 + √(1−ᾱ_s−σ²) ε_θ + σ z,      x̂_0 = (x_t − √(1−ᾱ_t) ε_θ) / √ᾱ_t,      ε_θ = ε_θ(x_t, t),
    σ² = η² (1−ᾱ_s) / (1−ᾱ_t) (1 − ᾱ_t/ᾱ_s),      s the step before t,  z ~ N(0, I)

η = 0 is DDIM, deterministic given the first noise, and good in few steps; η = 1 through all steps is DDPM,
whose σ² is the posterior variance β̃_t. Guidance moves the mean of every step. Where bounds of the data are
known, x̂_0 is cut off at them, and ε_θ is the noise between x_t and what is left.

Reference: Song, Meng, Ermon, Denoising Diffusion Implicit Models, ICLR 2021, arXiv:2010.02502, equations 12
and 16.
"""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from .._arrays import floating
from .._checks import check_key, number, whole
from .._module import Module
from ..nn.initial import normal
from ..nn.precision import at_least_single
from .loss import Denoiser, check_schedule, like_data
from .schedule import NoiseSchedule

Guidance = Callable[
    [Float[Array, "*shape"], Int[Array, ""], Float[Array, ""]], Float[Array, "*shape"]
]


class Sampler(Module):
    """Turn noise into data; see `ddpm` and `ddim`.

    Args:
        schedule: the noise that the denoiser was trained with.
        steps: how many of the schedule's steps are made, evenly spaced and the last one among them; None
            for all.
        eta: η, share of fresh noise in each step.
        bounds: least and largest value of the data, at which x̂_0 is cut off; None for none. Where a schedule
            leaves next to no signal in its last steps, they multiply the network's error by 1/√ᾱ_t, and
            bounds are what stops it.

    Raises:
        ValueError: more steps than the schedule has, η outside [0, 1], or bounds that are no two finite
            numbers in order.
        TypeError: no schedule.
    """

    schedule: NoiseSchedule = eqx.field(static=True)
    steps: int = eqx.field(static=True)
    eta: float = eqx.field(static=True)
    bounds: tuple[float, float] | None = eqx.field(static=True)

    def __init__(
        self,
        schedule: NoiseSchedule,
        *,
        steps: int | None = None,
        eta: float = 0.0,
        bounds: tuple[float, float] | None = None,
    ):
        check_schedule("Sampler", schedule)
        self.schedule = schedule
        self.steps = len(schedule) if steps is None else whole("Sampler", "steps", steps)
        if self.steps > len(schedule):
            raise ValueError(
                f"Sampler expected at most the {len(schedule)} steps of its schedule, got steps={steps}; leave "
                "it away for all of them."
            )
        self.eta = number("Sampler", "eta", eta)
        if not 0 <= self.eta <= 1:
            raise ValueError(f"Sampler expected eta in [0, 1], got {eta}; 0 is DDIM and 1 is DDPM.")
        self.bounds = None if bounds is None else _bounds(bounds)

    def visited(self) -> Int[np.ndarray, " steps"]:
        """The steps of the schedule that are made, in their order: from the noisiest."""
        # The noisiest one always, since sampling begins with nothing but noise.
        return (np.arange(self.steps, 0, -1) * len(self.schedule) // self.steps) - 1

    def coefficients(self) -> Float[np.ndarray, "steps 3"]:
        """Of each step made: the factors (a, b, σ) in x_s = a x_t + b ε_θ + σ z, formed in double precision."""
        now = self.schedule.alpha_bar[self.visited()]
        then = np.append(now[1:], 1.0)
        sigma = self.eta * np.sqrt((1 - then) / (1 - now) * (1 - now / then))
        a = np.sqrt(then / now)
        # Rounding may leave a little less than nothing where η = 1.
        b = np.sqrt(np.maximum(1 - then - sigma**2, 0)) - a * np.sqrt(1 - now)
        return np.stack([a, b, sigma], axis=1)

    def __call__(
        self,
        denoiser: Denoiser,
        noise: Float[Array, "*shape"],
        *,
        key: PRNGKeyArray | None = None,
        guidance: Guidance | None = None,
    ) -> Float[Array, "*shape"]:
        """One sample, in the precision of the noise; steps are added up in single precision at least.

        Args:
            denoiser: from noisy data and the step to the noise in them.
            noise: standard normal numbers, `jax.random.normal(key, shape)`, from which it starts.
            key: random key of the fresh noise of the steps; not needed where η is 0.
            guidance: from noisy data, the step and its standard deviation σ to what is added to the mean of the
                step, as a `KnowledgeAlignment` does.

        Raises:
            ValueError: no key though η > 0, guidance though η = 0, guidance of another schedule, or a denoiser
                or guidance whose output has another shape than the data.
            TypeError: a key that is none, or noise that is no array of numbers.
        """
        if self.eta > 0:
            if key is None:
                raise ValueError(
                    f"Sampler expected a key for the fresh noise of eta={self.eta}, got none; give another "
                    "one than the first noise was drawn with."
                )
            check_key("Sampler", key)
        elif guidance is not None:
            raise ValueError(
                "Sampler expected eta > 0 with guidance, got eta=0; guidance moves a step's mean by its "
                "standard deviation, which is zero."
            )
        weighted = getattr(guidance, "schedule", None)
        if weighted is not None and weighted != self.schedule:
            raise ValueError(
                f"Sampler expected guidance of its own schedule {self.schedule}, got one of {weighted}; give "
                "both the same."
            )
        noise = floating("Sampler", noise)
        # In half precision most of a step's small change would be lost.
        precision = at_least_single(noise.dtype)
        index = jnp.arange(self.steps)
        visited = jnp.asarray(self.visited(), jnp.int32)
        factors = jnp.asarray(self.coefficients(), precision)
        alpha_bar = self.schedule.alpha_bar[self.visited()]
        shares = jnp.asarray(np.sqrt(np.stack([alpha_bar, 1 - alpha_bar], axis=1)), precision)

        def step(x, inputs):
            i, t, (a, b, sigma), shares = inputs
            seen = x.astype(noise.dtype)
            found = like_data("Sampler", "a denoiser that returns the noise", denoiser(seen, t), x)
            if self.bounds is not None:
                found = _noise_within_bounds(x, found, shares, self.bounds)
            mean = a * x + b * found
            if guidance is not None:
                shift = guidance(seen, t, sigma)
                mean = mean + like_data("Sampler", "guidance that returns a shift", shift, x)
            if key is not None and self.eta > 0:
                fresh = normal(jax.random.fold_in(key, i), x.shape, x.dtype)
                mean = mean + sigma * fresh
            return mean, None

        x, _ = jax.lax.scan(step, noise.astype(precision), (index, visited, factors, shares))
        return x.astype(noise.dtype)


def _noise_within_bounds(
    x: Float[Array, "*shape"],
    found: Float[Array, "*shape"],
    shares: Float[Array, "2"],
    bounds: tuple[float, float],
) -> Float[Array, "*shape"]:
    """ε_θ, with what would put x̂_0 out of bounds counted as noise: x_t = √ᾱ_t x̂_0 + √(1−ᾱ_t) ε_θ holds."""
    signal, spread = shares
    # √ᾱ_t x̂_0, which stays finite where ᾱ_t is next to nothing.
    kept = x - spread * found
    least, largest = bounds
    return found + (kept - jnp.clip(kept, signal * least, signal * largest)) / spread


def _bounds(bounds: tuple[float, float]) -> tuple[float, float]:
    try:
        least, largest = bounds
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"Sampler expected bounds as two numbers, got {bounds!r}; give (least, largest) of the data."
        ) from error
    least, largest = number("Sampler", "bounds", least), number("Sampler", "bounds", largest)
    if not -np.inf < least < largest < np.inf:
        raise ValueError(
            f"Sampler expected finite bounds in order, got {bounds!r}; give (least, largest) of the data."
        )
    return least, largest


def ddpm(schedule: NoiseSchedule, *, bounds: tuple[float, float] | None = None) -> Sampler:
    """Ancestral sampling through all steps.

    Reference: Ho, Jain, Abbeel, Denoising Diffusion Probabilistic Models, NeurIPS 2020, arXiv:2006.11239,
    algorithm 2, with the variance β̃_t.
    """
    return Sampler(schedule, eta=1.0, bounds=bounds)


def ddim(
    schedule: NoiseSchedule, *, steps: int | None = None, bounds: tuple[float, float] | None = None
) -> Sampler:
    """Deterministic sampling, in as few steps as wanted.

    Reference: Song, Meng, Ermon, Denoising Diffusion Implicit Models, ICLR 2021, arXiv:2010.02502, equation 12.
    """
    return Sampler(schedule, steps=steps, bounds=bounds)
