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
from jaxtyping import Array, Float, Int

from .._arrays import check_finite
from .._checks import whole


class KnowledgeAlignment(eqx.Module):
    """Guidance for a `Sampler`.

    Args:
        knowledge: U, from noisy data and the step to the property.
        target: F, of the shape of the property.
        strength: λ; 50 in the published configuration, 0 for none.
        steps: T where the guidance rises to its strength as noise falls, as in the authors' code; None for
            the same strength at all steps.

    Raises:
        ValueError: a strength that is negative or no number, less than one step, or a target that is
            not finite.
    """

    knowledge: Callable[[Float[Array, "*shape"], Int[Array, ""]], Float[Array, "*property"]]
    target: Float[Array, "*property"]
    strength: float = eqx.field(static=True)
    steps: int | None = eqx.field(static=True, default=None)

    def __check_init__(self):
        if not 0 <= self.strength < float("inf"):
            raise ValueError(
                f"KnowledgeAlignment expected a strength >= 0, got {self.strength}; to lead samples "
                "away from a target, give the opposite one."
            )
        if self.steps is not None:
            whole("KnowledgeAlignment", "steps", self.steps)
        check_finite("KnowledgeAlignment", "target", self.target)

    def __call__(
        self, x: Float[Array, "*shape"], step: Int[Array, ""], deviation: Float[Array, ""]
    ) -> Float[Array, "*shape"]:
        """What is added to the mean of a step.

        Args:
            x: noisy data.
            step: t.
            deviation: σ_t.

        Raises:
            ValueError: a property of another shape than the target.
        """
        slope = jax.grad(self._distance)(x, step)
        weight = 1.0 if self.steps is None else 1 - step.astype(deviation.dtype) / self.steps
        return -deviation * weight * self.strength * slope.astype(deviation.dtype)

    def _distance(self, x: Array, step: Array) -> Array:
        found = self.knowledge(x, step)
        if found.shape != jnp.shape(self.target):
            raise ValueError(
                f"KnowledgeAlignment expected knowledge of the target's shape {jnp.shape(self.target)}, got "
                f"{found.shape}; give both the same one."
            )
        square = jnp.sum((found - self.target) ** 2)
        # The norm has no slope at zero: there nothing is left to align.
        apart = square != 0
        return jnp.where(apart, jnp.sqrt(jnp.where(apart, square, 1)), 0)
