r"""Normalisation of fields, channel by channel.

    û = (u − μ)/σ,      u = μ + σ û

with the mean μ and the standard deviation σ over samples, times and space. A channel that is
constant has σ = 1, so it becomes 0 and comes back as itself.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Array, ArrayLike, Float


class Normalizer(eqx.Module):
    """Shift and scale of every channel. Gradients pass through it, and never change it.

    Args:
        mean: μ, one a channel, in the channel's unit.
        std: σ, one a channel, positive.
        ndim: number of space axes of the fields.

    Raises:
        ValueError: shapes that differ, values that are not finite, or a σ that is not positive.
    """

    mean: Float[Array, " channels"]
    std: Float[Array, " channels"]
    ndim: int = eqx.field(static=True)

    def __init__(self, mean: ArrayLike, std: ArrayLike, *, ndim: int):
        self.mean = jnp.asarray(mean)
        self.std = jnp.asarray(std)
        self.ndim = ndim

    def __check_init__(self):
        mean, std = np.asarray(self.mean), np.asarray(self.std)
        if mean.ndim != 1 or mean.shape != std.shape:
            raise ValueError(
                "Normalizer expected mean and std of shape (channels,), got "
                f"{mean.shape} and {std.shape}; give one of each a channel."
            )
        if not (np.isfinite(mean).all() and np.isfinite(std).all() and (std > 0).all()):
            raise ValueError(
                f"Normalizer expected finite means and positive scales, got {mean} and {std}; use "
                "a scale of 1 for a constant channel."
            )

    @classmethod
    def fit(cls, fields: ArrayLike, *, ndim: int) -> "Normalizer":
        """Measure mean and standard deviation of the training fields.

        Args:
            fields: shape (..., channels, *space); they are summed in double precision.
            ndim: number of space axes.

        Raises:
            ValueError: fields with too few axes, empty, or not finite.
        """
        fields = np.asarray(fields)
        if ndim < 0 or fields.ndim < ndim + 1 or fields.size == 0:
            raise ValueError(
                f"Normalizer.fit expected fields of shape (..., channels, *space) with {ndim} "
                f"space axes and at least one value, got {fields.shape}; pass ndim, their number."
            )
        if not np.isfinite(fields).all():
            where = tuple(int(i) for i in np.argwhere(~np.isfinite(fields))[0])
            raise ValueError(
                f"Normalizer.fit expected finite fields, got {fields[where]} at index {where}; "
                "repair or drop that sample."
            )
        channel = fields.ndim - ndim - 1
        others = tuple(axis for axis in range(fields.ndim) if axis != channel)
        mean = fields.mean(axis=others, dtype=np.float64)
        std = fields.std(axis=others, dtype=np.float64)
        # Values that differ in their last digits only are a constant with rounding noise.
        precision = np.finfo(fields.dtype if fields.dtype.kind == "f" else np.float64).eps
        std = np.where(std <= 4 * precision * np.abs(mean), 1.0, std)
        dtype = fields.dtype if fields.dtype.kind == "f" else float
        return cls(mean.astype(dtype), std.astype(dtype), ndim=ndim)

    def encode(self, u: Float[Array, "..."]) -> Float[Array, "..."]:
        """Normalise fields of shape (..., channels, *space)."""
        mean, std = self._shaped(u)
        return (u - mean) / std

    def decode(self, u: Float[Array, "..."]) -> Float[Array, "..."]:
        """Undo `encode`."""
        mean, std = self._shaped(u)
        return mean + std * u

    def decode_normal(self, normal: dist.Normal) -> dist.Normal:
        """The Gaussian field in physical units of one that was predicted in normalised ones."""
        loc, scale = jnp.asarray(normal.loc), jnp.asarray(normal.scale)
        return dist.Normal(self.decode(loc), self._shaped(loc)[1] * scale)

    def _shaped(self, u: Array) -> tuple[Array, Array]:
        """Mean and scale that broadcast against `u`, in its precision."""
        channels = self.mean.shape[0]
        if u.ndim < self.ndim + 1 or u.shape[u.ndim - self.ndim - 1] != channels:
            raise ValueError(
                f"Normalizer expected fields of shape (..., channels={channels}, *space) with "
                f"{self.ndim} space axes, got {u.shape}; put the channels before the space axes."
            )
        shape = (channels, *(1,) * self.ndim)
        # Statistics of the data are no parameters, although they are arrays of the model.
        mean, std = jax.lax.stop_gradient((self.mean, self.std))
        return mean.astype(u.dtype).reshape(shape), std.astype(u.dtype).reshape(shape)
