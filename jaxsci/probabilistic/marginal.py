"""Mean and standard deviation of every point of a field, μ_i and √Σ_ii.

Point-wise scores (log-likelihood, CRPS, coverage) need no more of a Gaussian field than this.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Array, Float
from numpyro.distributions.batch_util import promote_batch_shape

from .._arrays import numbers
from .._numeric import AnyArray


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

    Raises:
        TypeError: what is no distribution.
    """
    mean, scale = moments(distribution, who="mean_and_scale")
    return jnp.asarray(mean), jnp.asarray(scale)


def moments(
    distribution: dist.Distribution, *, who: str
) -> tuple[Float[AnyArray, "*field"], Float[AnyArray, "*field"]]:
    """The same; for a `Normal` of NumPy's arrays, NumPy's in their precision.

    Args:
        distribution: as above.
        who: the name in messages.
    """
    check_distribution(who, distribution)
    if isinstance(distribution, dist.Normal):
        # Not `mean` and `variance`: after `jax.vmap` the batch shape that numpyro broadcasts to is
        # still that of one sample, and √(σ²) would lose scales whose square underflows.
        mean = numbers(who, "loc", distribution.loc)
        scale = numbers(who, "scale", distribution.scale)
        ours = isinstance(mean, jax.Array) or isinstance(scale, jax.Array)
        shape = np.broadcast_shapes(mean.shape, scale.shape)
        spread = (jnp if ours else np).broadcast_to
        return spread(mean, shape), spread(scale, shape)
    distribution = promoted(distribution)
    mean = jnp.asarray(distribution.mean)
    variance = jnp.broadcast_to(jnp.asarray(distribution.variance), mean.shape)
    # The inner `where` keeps the derivative of the root finite at a variance of 0.
    zero = variance == 0
    return mean, jnp.where(zero, 0.0, jnp.sqrt(jnp.where(zero, 1.0, variance)))


def check_distribution(who: str, distribution: Any) -> None:
    """Refuse what is no distribution, such as the mean of one."""
    if not isinstance(distribution, dist.Distribution):
        raise TypeError(
            f"{who} expected a distribution of numpyro, got {type(distribution).__name__}; make one, as in "
            "dist.Normal(mean, scale)."
        )


def promoted(distribution: dist.Distribution) -> dist.Distribution:
    """A distribution that left a `jax.vmap`, with the mapped axis in its batch shape.

    Its parameters have that axis, but its batch shape is still that of one sample.
    """
    if isinstance(distribution, dist.MixtureSameFamily):
        parts = distribution.mixing_distribution, distribution.component_distribution
        return dist.MixtureSameFamily(*(promoted(part) for part in parts))
    return promote_batch_shape(distribution)
