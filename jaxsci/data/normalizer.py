r"""Normalisation of fields, channel by channel.

    û = (u − μ)/σ,      u = μ + σ û

with the mean μ and the standard deviation σ over samples, times and space. A channel that is
constant has σ = 1, so it becomes 0 and comes back as itself.

Statistics are kept in double precision whatever JAX's flags are, as sums of numbers of JAX's precision: fields
of level 1e8 and spread 1 are normalised as those of level 0, if they come in double precision themselves.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jax.core import Tracer
from jaxtyping import Array, ArrayLike, Float, Inexact, Num

from .._arrays import numbers
from .._checks import whole
from .._numeric import AnyArray, check_real, namespace, wide

_REST = 2  # further words: three of 24 bits hold the 53 of double precision


class Normalizer(eqx.Module):
    """Shift and scale of every channel. Gradients pass through it, and never change it.

    NumPy's fields are normalised by NumPy and JAX's by JAX, in their own precision. Whole numbers, such as
    bytes of pictures, become floating point.

    Args:
        mean: μ, one a channel, in the channel's unit.
        std: σ, one a channel, positive.
        ndim: number of space axes of the fields.

    Raises:
        ValueError: shapes that differ, values that are not finite, or a σ that is not positive.
        TypeError: what is no number.
    """

    mean: Float[Array, " channels"]
    std: Float[Array, " channels"]
    rest: Float[Array, "rest two channels"]
    ndim: int = eqx.field(static=True)

    def __init__(self, mean: ArrayLike, std: ArrayLike, *, ndim: int):
        given = {
            "mean": numbers("Normalizer", "mean", mean),
            "std": numbers("Normalizer", "std", std),
        }
        check_real("Normalizer", given)
        if given["mean"].ndim != 1 or given["mean"].shape != given["std"].shape:
            raise ValueError(
                "Normalizer expected mean and std of shape (channels,), got "
                f"{given['mean'].shape} and {given['std'].shape}; give one of each a channel."
            )
        self.mean, *rest_of_mean = _words(given["mean"])
        self.std, *rest_of_std = _words(given["std"])
        self.rest = jnp.stack(
            [jnp.stack(pair) for pair in zip(rest_of_mean, rest_of_std, strict=True)]
        )
        self.ndim = whole("Normalizer", "ndim", ndim, 0)

    def __check_init__(self):
        if isinstance(self.mean, Tracer) or isinstance(self.std, Tracer):
            return
        mean, std = np.asarray(self.mean), np.asarray(self.std)
        if not (np.isfinite(mean).all() and np.isfinite(std).all() and (std > 0).all()):
            raise ValueError(
                f"Normalizer expected finite means and positive scales, got {mean} and {std}; use "
                "a scale of 1 for a constant channel."
            )

    @classmethod
    def fit(cls, fields: Num[AnyArray, "..."], *, ndim: int) -> "Normalizer":
        """Measure mean and standard deviation of the training fields.

        Args:
            fields: shape (..., channels, *space); they are summed in double precision.
            ndim: number of space axes.

        Raises:
            ValueError: fields with too few axes, empty, complex, or not finite.
            TypeError: what is no number.
        """
        fields = np.asarray(numbers("Normalizer.fit", "fields", fields))
        check_real("Normalizer.fit", {"fields": fields})
        ndim = whole("Normalizer.fit", "ndim", ndim, 0)
        if fields.ndim < ndim + 1 or fields.size == 0:
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
        floating = jnp.issubdtype(fields.dtype, jnp.floating)
        precision = float(jnp.finfo(fields.dtype if floating else np.float64).eps)
        std = np.where(std <= 4 * precision * np.abs(mean), 1.0, std)
        dtype = wide(fields[:0]).dtype
        return cls(mean.astype(dtype), std.astype(dtype), ndim=ndim)

    def encode(self, u: Num[AnyArray, "..."]) -> Inexact[AnyArray, "..."]:
        """Normalise fields of shape (..., channels, *space).

        Half precision is normalised in single, and comes back as it came: what is normalised is of order 1.
        """
        given = numbers("Normalizer.encode", "fields", u)
        z = wide(given)
        means, std = self._shaped(z)
        for mean in means:
            z = z - mean
        z = z / std
        return z.astype(given.dtype if jnp.issubdtype(given.dtype, jnp.inexact) else z.dtype)

    def decode(self, u: Num[AnyArray, "..."]) -> Inexact[AnyArray, "..."]:
        """Undo `encode`; half precision becomes single, as its range may not hold the field."""
        u = wide(numbers("Normalizer.decode", "fields", u))
        means, std = self._shaped(u)
        u = std * u
        for mean in reversed(means):
            u = u + mean
        return u

    def decode_normal(self, normal: dist.Normal) -> dist.Normal:
        """The Gaussian field in physical units of one that was predicted in normalised ones."""
        loc, scale = (numbers("Normalizer", "a field", x) for x in (normal.loc, normal.scale))
        return dist.Normal(self.decode(loc), self._shaped(wide(loc))[1] * wide(scale))

    def _shaped(self, u: Any) -> tuple[list[Any], Any]:
        """The words of the mean and the scale, which broadcast against `u`, in its precision."""
        channels = self.mean.shape[0]
        if u.ndim < self.ndim + 1 or u.shape[u.ndim - self.ndim - 1] != channels:
            raise ValueError(
                f"Normalizer expected fields of shape (..., channels={channels}, *space) with "
                f"{self.ndim} space axes, got {u.shape}; put the channels before the space axes."
            )
        xp, shape = namespace(u), (channels, *(1,) * self.ndim)
        # Statistics of the data are no parameters, although they are arrays of the model.
        mean, std, rest = jax.lax.stop_gradient((self.mean, self.std, self.rest))
        words = [xp.asarray(x).astype(u.dtype).reshape(shape) for x in (mean, *rest[:, 0])]
        scales = [xp.asarray(x).astype(u.dtype).reshape(shape) for x in (std, *rest[:, 1])]
        return words, sum(scales[:0:-1], xp.zeros((), u.dtype)) + scales[0]


def _words(x: Any) -> list[Array]:
    """Numbers of JAX's precision, and single at least, whose sum is x in double precision."""
    if isinstance(x, jax.Array):
        x = wide(x)
        return [x, *(jnp.zeros_like(x) for _ in range(_REST))]
    words, left = [], np.asarray(x, np.float64)
    for _ in range(1 + _REST):
        words.append(jnp.asarray(left))
        left = left - np.asarray(words[-1], np.float64)
    return words
