r"""How much noise each step of a diffusion adds.

    q(x_t | x_{t−1}) = N(√(1−β_t) x_{t−1}, β_t I)
    q(x_t | x_0) = N(√ᾱ_t x_0, (1−ᾱ_t) I),      ᾱ_t = Π_{s≤t} (1−β_s)

Steps are counted from 0, after which a little noise is in the data; before it ᾱ_{−1} = 1. All numbers are
formed once, in double precision: 1 − ᾱ_0 = 1e-4 would keep three digits in single precision.

Reference: Ho, Jain, Abbeel, Denoising Diffusion Probabilistic Models, NeurIPS 2020, arXiv:2006.11239,
equations 2, 4 and 7.
"""

import dataclasses
import functools
import math

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Float64, Int

from .._arrays import floating
from .._checks import whole

# Of the data, after the last step: its inverse and that of its square are numbers in single precision.
_LEAST = 1e-18


@dataclasses.dataclass(frozen=True)
class NoiseSchedule:
    """The variances β of the steps.

    A value: two with the same numbers are equal, and none is traced.

    Args:
        beta: the variance that each step adds, in (0, 1), the first step first.

    Raises:
        ValueError: no steps, a variance outside (0, 1), or variances so small or so many that the share of the
            data that is left is 1, or too small for single precision.
    """

    beta: tuple[float, ...]

    def __post_init__(self):
        try:
            beta = np.asarray(self.beta, float)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"NoiseSchedule expected beta as a sequence of numbers, got {self.beta!r}; see "
                "NoiseSchedule.scaled_linear."
            ) from error
        if beta.ndim != 1 or not len(beta):
            raise ValueError(
                f"NoiseSchedule expected beta as a sequence with one variance a step, got shape {beta.shape}; "
                "see NoiseSchedule.scaled_linear."
            )
        wrong = ~((beta > 0) & (beta < 1))
        if wrong.any():
            step = int(wrong.argmax())
            raise ValueError(
                f"NoiseSchedule expected variances in (0, 1), got {beta[step]} for step {step}; it is the "
                "share of noise that a step adds."
            )
        object.__setattr__(self, "beta", tuple(beta.tolist()))
        first, last = self.alpha_bar[[0, -1]]
        if first == 1 or last < _LEAST:
            raise ValueError(
                f"NoiseSchedule expected shares of the data within [{_LEAST}, 1), got {first} after the first "
                f"step and {last} after the last; samplers divide by them: let the variances be larger at "
                "first, or make fewer steps."
            )

    @classmethod
    def linear(
        cls, steps: int = 1000, *, first: float = 1e-4, last: float = 2e-2
    ) -> "NoiseSchedule":
        """β rises along a line, as in the paper's section 4."""
        return cls(tuple(np.linspace(first, last, whole("NoiseSchedule", "steps", steps))))

    @classmethod
    def scaled_linear(
        cls, steps: int = 1000, *, first: float = 1e-4, last: float = 2e-2
    ) -> "NoiseSchedule":
        """√β rises along a line: latent diffusion's and PreDiff's, whose code calls it "linear".

        Reference: Rombach et al., High-Resolution Image Synthesis with Latent Diffusion Models, CVPR 2022,
        arXiv:2112.10752; as in the authors' code.
        """
        # Roots of negative numbers are NaN, which is refused.
        with np.errstate(invalid="ignore"):
            ends = np.sqrt([first, last]).tolist()
        root = np.linspace(ends[0], ends[1], whole("NoiseSchedule", "steps", steps))
        return cls(tuple(root**2))

    @classmethod
    def cosine(cls, steps: int = 1000, *, offset: float = 8e-3) -> "NoiseSchedule":
        """ᾱ falls as cos², with β at most 0.999.

        So little is left in the end, 2e-9 of 1000 steps, that sampling begins with errors of the denoiser
        multiplied by thousands; give the `Sampler` the bounds of the data, as the paper does.

        Reference: Nichol and Dhariwal, Improved Denoising Diffusion Probabilistic Models, ICML 2021,
        arXiv:2102.09672, equation 17.
        """
        steps = whole("NoiseSchedule", "steps", steps)
        time = (np.arange(steps + 1) / steps + offset) / (1 + offset)
        alpha_bar = np.cos(math.pi / 2 * time) ** 2
        return cls(tuple(np.minimum(1 - alpha_bar[1:] / alpha_bar[:-1], 0.999)))

    def __repr__(self) -> str:
        return f"NoiseSchedule(<{len(self)} variances, {self.beta[0]:g} to {self.beta[-1]:g}>)"

    def __len__(self) -> int:
        return len(self.beta)

    @functools.cached_property
    def alpha_bar(self) -> Float64[np.ndarray, " steps"]:
        """ᾱ_t, the share of the data's variance that is left."""
        return _fixed(np.cumprod(1 - np.array(self.beta)))

    @functools.cached_property
    def posterior_variance(self) -> Float64[np.ndarray, " steps"]:
        """β̃_t = β_t (1 − ᾱ_{t−1}) / (1 − ᾱ_t), the variance of x_{t−1} given x_t and x_0; equation 7."""
        before = np.append(1.0, self.alpha_bar[:-1])
        return _fixed(np.array(self.beta) * (1 - before) / (1 - self.alpha_bar))

    def noised(
        self, x: Float[Array, "*shape"], step: Int[ArrayLike, ""], noise: Float[Array, "*shape"]
    ) -> Float[Array, "*shape"]:
        """The data after a step, √ᾱ_t x + √(1−ᾱ_t) noise; equation 4.

        Args:
            x: the data.
            step: t; may be traced.
            noise: standard normal numbers, of the shape of the data.

        Raises:
            RuntimeError: a step that there is none of, when the program runs.
            TypeError: data that are no numbers.
            ValueError: several steps, a step that is not whole, or noise of another shape.
        """
        who = "NoiseSchedule.noised"
        x, noise, index = floating(who, x), floating(who, noise), jnp.asarray(step)
        if index.ndim or not jnp.issubdtype(index.dtype, jnp.integer):
            raise ValueError(
                f"NoiseSchedule.noised expected one whole number as the step, got {index.dtype} of shape "
                f"{index.shape}; use jax.vmap for batches."
            )
        if noise.shape != x.shape:
            raise ValueError(
                f"NoiseSchedule.noised expected noise of the data's shape {x.shape}, got {noise.shape}; draw "
                "it with jax.random.normal(key, x.shape, x.dtype)."
            )
        index = eqx.error_if(
            index,
            (index < 0) | (index >= len(self)),
            f"NoiseSchedule.noised expected a step from 0 to {len(self) - 1}, got another; count from 0.",
        )
        return self.mixed(x, index, noise.astype(x.dtype))

    def mixed(
        self, x: Float[Array, "*shape"], step: Int[Array, ""], noise: Float[Array, "*shape"]
    ) -> Float[Array, "*shape"]:
        """As `noised`, for a step that is known to be one of the schedule: others are not refused."""
        signal, spread = (
            jnp.asarray(np.sqrt(share), x.dtype)[step]
            for share in (self.alpha_bar, 1 - self.alpha_bar)
        )
        return signal * x + spread * noise


def _fixed(array: np.ndarray) -> np.ndarray:
    """Of a value, which nobody may write into."""
    array.setflags(write=False)
    return array
