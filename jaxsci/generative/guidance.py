r"""Knowledge alignment: samples that are drawn towards what is known of them.

    μ' = μ − σ_t w_t λ ∇_x ‖U(x_t, t) − F‖₂,      w_t = 1 or (T − t) / T

U is learned to find some property in noisy data, such as the mean intensity of a film, and F is what it
should be.

Reference: Gao et al., PreDiff: Precipitation Nowcasting with Latent Diffusion Models, NeurIPS 2023,
arXiv:2307.10422, on knowledge alignment. As in the authors' code, the shift is in units of the standard
deviation of the step, where the paper has its variance. Their norm spans a batch, so that its samples depend
on each other; this one is of one sample.
"""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Int

from .._arrays import check_finite, floating
from .._checks import number
from .._module import Module
from ..nn.precision import at_least_single
from .loss import check_schedule
from .schedule import NoiseSchedule


class KnowledgeAlignment(Module):
    """Guidance for a `Sampler`.

    Args:
        knowledge: U, from noisy data and the step to the property, in floating point.
        target: F, of the shape of the property.
        strength: λ; 50 in the published configuration, 0 for none.
        schedule: that of the sampler, where the guidance rises to its strength as noise falls, as in the
            authors' code; None for the same strength at all steps.

    Raises:
        ValueError: a strength that is negative or no number, or a target that is not finite.
        TypeError: knowledge that cannot be called, a target that is no array, or no schedule.
    """

    knowledge: Callable[[Float[Array, "*shape"], Int[Array, ""]], Float[Array, "*property"]]
    target: Float[Array, "*property"]
    strength: float = eqx.field(static=True)
    schedule: NoiseSchedule | None = eqx.field(static=True)

    def __init__(
        self,
        knowledge: Callable[[Float[Array, "*shape"], Int[Array, ""]], Float[Array, "*property"]],
        target: Float[ArrayLike, "*property"],
        *,
        strength: Float[ArrayLike, ""],
        schedule: NoiseSchedule | None = None,
    ):
        who = "KnowledgeAlignment"
        if not callable(knowledge):
            raise TypeError(
                f"KnowledgeAlignment expected knowledge as a function (x, step) -> property, got "
                f"{type(knowledge).__name__}; write for example lambda x, step: x.mean()."
            )
        self.knowledge = knowledge
        self.target = floating(who, target)
        check_finite(who, "target", self.target)
        self.strength = number(who, "strength", strength)
        if not 0 <= self.strength < float("inf"):
            raise ValueError(
                f"KnowledgeAlignment expected a finite strength >= 0, got {strength}; 0 is none, and 50 the "
                "published one."
            )
        if schedule is not None:
            check_schedule(who, schedule)
        self.schedule = schedule

    def __call__(
        self, x: Float[Array, "*shape"], step: Int[ArrayLike, ""], deviation: Float[ArrayLike, ""]
    ) -> Float[Array, "*shape"]:
        """What is added to the mean of a step.

        Args:
            x: noisy data.
            step: t.
            deviation: σ_t.

        Raises:
            ValueError: a property of another shape than the target, or in whole numbers, which have no slope.
        """
        deviation = floating("KnowledgeAlignment", deviation)
        slope = jax.grad(self._distance)(x, jnp.asarray(step)).astype(deviation.dtype)
        if self.strength == 0:
            return jnp.zeros_like(slope)
        weight = 1.0
        if self.schedule is not None:
            weight = 1 - jnp.asarray(step).astype(deviation.dtype) / len(self.schedule)
        return -deviation * weight * self.strength * slope

    def _distance(self, x: Array, step: Array) -> Array:
        found = self.knowledge(x, step)
        if found.shape != self.target.shape or not jnp.issubdtype(found.dtype, jnp.floating):
            raise ValueError(
                f"KnowledgeAlignment expected knowledge of the target's shape {self.target.shape} in floating "
                f"point, got {found.dtype} of shape {found.shape}; give both the same one."
            )
        # In half precision the square of 300 is infinite.
        precision = at_least_single(found.dtype)
        square = jnp.sum((found.astype(precision) - self.target.astype(precision)) ** 2)
        # The norm has no slope at zero: there nothing is left to align.
        apart = square != 0
        return jnp.where(apart, jnp.sqrt(jnp.where(apart, square, 1)), 0)
