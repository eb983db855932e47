r"""A mixture of Gaussian fields, conditioned component by component.

    p(u | b) = Σ_k w̃_k p_k(u | b),      w̃_k ∝ w_k p_k(b),      p_k(b) = N(b; A μ_k, A Σ_k Aᵀ + R)

Each component is projected, and those that expected b gain weight. Samples that are summarised afterwards,
``moment_match(project(samples, constraint))``, keep equal weights, as in Hansen et al., ICML 2023,
arXiv:2302.11002: a choice for samples of a model's own doubts, which no evidence shall silence.
"""

import math
from collections.abc import Callable

import jax
import numpyro.distributions as dist
from jaxtyping import Array, Float

from .affine import space_axes


def project_components(
    mixture: dist.MixtureSameFamily,
    project: Callable,
    n: int,
    values: tuple[int, ...] = (),
) -> dist.MixtureSameFamily:
    """Condition a mixture whose components are fields of n cells, or batches of such fields.

    Args:
        mixture: of batch shape (), with components of batch shape (K,) and a whole field as event.
        project: projects the components and has their `log_evidence`.
        n: cells of the constraint.
        values: batch of the constraint's values; at most that of one field.

    Raises:
        ValueError: a mixture that mixes at every point, or a batch of mixtures.
    """
    components = mixture.component_distribution
    if math.prod(components.event_shape) % n or mixture.batch_shape:
        raise ValueError(
            f"project expected one mixture whose components are fields of n={n} cells, got batch shape "
            f"{mixture.batch_shape} and event shape {mixture.event_shape}; use jax.vmap over fields, and "
            "for a mixture at every point project its moments, dist.Normal(*mean_and_scale(mixture))."
        )
    if len(values) > len(components.event_shape) - len(space_axes(components.event_shape, n)):
        raise ValueError(
            f"project expected values of one mixture, shared by its components, got a batch {values} of "
            "them; use jax.vmap over fields."
        )
    projected = project(components)
    evidence: Float[Array, "components ..."] = projected.log_evidence
    evidence = evidence.reshape(evidence.shape[0], -1).sum(1)
    # Channels that a component holds together are a batch of the projection.
    together = len(components.event_shape) - projected.event_dim
    weights = mixture.mixing_distribution.logits
    logits = jax.nn.log_softmax(weights) + evidence  # pyright: ignore[reportArgumentType]
    return dist.MixtureSameFamily(
        dist.Categorical(logits=logits), projected.to_event(together) if together else projected
    )
