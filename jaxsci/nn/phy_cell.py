r"""A recurrent cell whose prediction is a partial differential equation and whose correction is data.

    h̃ = h + Φ(h),     Φ(h) = Σ_{i,j<k} c_ij ∂_x^i ∂_y^j h          prediction
    h' = h̃ + K ∘ (u − h̃),     K = σ(W_h * h + W_u * u + b)          correction

The derivatives are learned convolutions held near finite differences by their moments, or those differences
themselves.

Reference: Le Guen and Thome, Disentangling Physical Dynamics from Unknown Factors for Unsupervised Video
Prediction (PhyDNet), CVPR 2020, arXiv:2003.01460, section 3. As in its public code, the derivatives are
normalised in groups before c_ij combines them, and the gain is a sigmoid of u and the uncorrected h.
"""

from typing import Literal, get_args

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from .._checks import check_key, whole
from .._module import Module
from .conv import Conv, convolve, odd
from .conv_block import GroupNorm
from .moments import derivative_kernels, moments

Constraint = Literal["soft", "hard"]


class PhyCell(Module):
    """One step of a learned equation, corrected by what is observed.

    Args:
        channels: channels of the state and of what is observed.
        kernel: odd size k of the kernels, which take k² derivatives.
        constraint: `"soft"` as published: free kernels w_{ij,c}, for every channel c of the state, that
            `moment_loss` draws to the finite difference for ∂_x^i ∂_y^j. `"hard"`: exactly a_{ij,c} times that
            difference, with a learned number a_{ij,c}, so that the moments always hold.
        normalise: whether the derivatives are normalised; without it Φ is a linear equation.
        key: random key of the initial weights.

    Raises:
        ValueError: a size that is not positive, an even kernel, or another constraint.
        TypeError: a key that is none.
    """

    weight: Float[Array, "orders channels *size"]
    bias: Float[Array, " orders"] | None
    norm: GroupNorm | None
    combine: Conv
    gain: Conv
    kernel: int = eqx.field(static=True)
    constraint: Constraint = eqx.field(static=True)

    def __init__(
        self,
        *,
        channels: int,
        kernel: int = 7,
        constraint: Constraint = "soft",
        normalise: bool = True,
        key: PRNGKeyArray,
    ):
        channels = whole("PhyCell", "channels", channels)
        self.kernel = odd("PhyCell", "kernel", kernel)
        if constraint not in get_args(Constraint):
            raise ValueError(
                f"PhyCell expected constraint 'soft' or 'hard', got {constraint!r}; 'soft' is the "
                "published one."
            )
        check_key("PhyCell", key)
        derivative_key, combine_key, gain_key = jax.random.split(key, 3)
        soft = constraint == "soft"
        orders = kernel**2
        start = Conv(
            in_channels=channels,
            out_channels=orders,
            kernel=(kernel, kernel) if soft else (1, 1),
            bias=soft,
            key=derivative_key,
        )
        weight = jnp.transpose(start.weight, (3, 2, 0, 1))
        self.weight = weight if soft else weight[..., 0, 0]
        self.bias = start.bias
        self.norm = GroupNorm(channels=orders, groups=kernel) if normalise else None
        self.combine = Conv(
            in_channels=orders, out_channels=channels, kernel=(1, 1), key=combine_key
        )
        self.gain = Conv(
            in_channels=2 * channels, out_channels=channels, kernel=(3, 3), key=gain_key
        )
        self.constraint = constraint

    @property
    def kernels(self) -> Float[Array, "orders channels size size"]:
        """The kernel of every derivative in every channel."""
        if self.constraint == "soft":
            return self.weight
        exact = jnp.asarray(derivative_kernels(self.kernel), self.weight.dtype)
        return self.weight[..., None, None] * exact[:, None]

    def moment_loss(self) -> Float[Array, ""]:
        """Squared distance of the moments from those of the derivatives, a mean per channel, summed.

        To be added to the training loss of the soft constraint, with weight 1 in the public code; zero for
        the hard one.
        """
        if self.constraint == "hard":
            return jnp.zeros((), self.weight.dtype)
        k = self.kernel
        targets = jnp.eye(k**2, dtype=self.weight.dtype).reshape(k**2, 1, k, k)
        channels = self.weight.shape[1]
        return channels * jnp.mean(jnp.square(moments(self.weight) - targets))

    def physics(
        self, h: Float[Array, "rows columns channels"]
    ) -> Float[Array, "rows columns channels"]:
        """Φ(h), the right-hand side of the learned equation."""
        derivatives = convolve(h, jnp.transpose(self.kernels, (2, 3, 1, 0)))
        if self.bias is not None:
            derivatives = derivatives + self.bias.astype(h.dtype)
        return self.combine(derivatives if self.norm is None else self.norm(derivatives))

    def __call__(
        self,
        u: Float[Array, "rows columns channels"],
        h: Float[Array, "rows columns channels"],
    ) -> Float[Array, "rows columns channels"]:
        """The state h' after u was observed."""
        predicted = h + self.physics(h)
        gain = jax.nn.sigmoid(self.gain(jnp.concatenate([u, h], axis=-1)))
        return predicted + gain * (u - predicted)
