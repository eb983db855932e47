"""Mean and standard deviation of every point of a field, μ_i and √Σ_ii.

Point-wise scores (log-likelihood, CRPS, coverage) need no more of a Gaussian field than this.
"""

import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array, Float
from numpyro.distributions.batch_util import promote_batch_shape


def mean_and_scale(
    distribution: dist.Distribution,
) -> tuple[Float[Array, "*field"], Float[Array, "*field"]]:
    """Return the mean and the standard deviation of every point, both of the field's shape.

    Args:
        distribution: any distribution with `mean` and `variance`: a `Normal`, a
            `MultivariateNormal`, a field that went through `jaxsci.constraints.project`.

    Returns:
        Mean and scale. The scale is 0 where the variance is, as at nodes that a constraint fixes,
        and NaN where the variance is negative or NaN.
    """
    if isinstance(distribution, dist.Normal):
        # Not `mean` and `variance`: after `jax.vmap` the batch shape that numpyro broadcasts to is
        # still that of one sample, and √(σ²) would lose scales whose square underflows.
        mean, scale = jnp.asarray(distribution.loc), jnp.asarray(distribution.scale)
        shape = jnp.broadcast_shapes(mean.shape, scale.shape)
        return jnp.broadcast_to(mean, shape), jnp.broadcast_to(scale, shape)
    distribution = promoted(distribution)
    mean = jnp.asarray(distribution.mean)
    variance = jnp.broadcast_to(jnp.asarray(distribution.variance), mean.shape)
    # The inner `where` keeps the derivative of the root finite at a variance of 0.
    zero = variance == 0
    return mean, jnp.where(zero, 0.0, jnp.sqrt(jnp.where(zero, 1.0, variance)))


def promoted(distribution: dist.Distribution) -> dist.Distribution:
    """A distribution that left a `jax.vmap`, with the mapped axis in its batch shape.

    Its parameters have that axis, but its batch shape is still that of one sample.
    """
    if isinstance(distribution, dist.MixtureSameFamily):
        parts = distribution.mixing_distribution, distribution.component_distribution
        return dist.MixtureSameFamily(*(promoted(part) for part in parts))
    return promote_batch_shape(distribution)
