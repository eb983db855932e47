r"""The step of a diffusion as a vector.

    e(t) = W₂ silu(W₁ [cos(ω t), sin(ω t)]),      ω_i = 10000^{−i/n},  i = 0, …, n − 1

Reference: Ho, Jain, Abbeel, Denoising Diffusion Probabilistic Models, NeurIPS 2020, arXiv:2006.11239,
appendix B; the waves are those of Vaswani et al., Attention Is All You Need, 2017, arXiv:1706.03762, section
3.5.
"""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, ArrayLike, Float, PRNGKeyArray

from .._checks import whole
from .._module import Module
from .cuboid.dense import Dense


class StepEmbedding(Module):
    """Waves of the step, and a network of one hidden layer.

    Args:
        waves: numbers of cosines and sines together, even.
        width: entries of the vector.
        key: random key of the initial weights.

    Raises:
        ValueError: sizes that are not positive, or an odd number of waves.
    """

    hidden: Dense
    out: Dense
    waves: int = eqx.field(static=True)

    def __init__(self, *, waves: int, width: int, key: PRNGKeyArray):
        self.waves = whole("StepEmbedding", "waves", waves, 2)
        if waves % 2:
            raise ValueError(
                f"StepEmbedding expected an even number of waves, got {waves}; half are cosines, half sines."
            )
        hidden_key, out_key = jax.random.split(key)
        self.hidden = Dense(
            waves, whole("StepEmbedding", "width", width), bias=True, key=hidden_key
        )
        self.out = Dense(width, width, bias=True, key=out_key)

    def __call__(self, step: ArrayLike, dtype: DTypeLike = jnp.float32) -> Float[Array, " width"]:
        """The vector of one step.

        Args:
            step: t, whole or not.
            dtype: precision of the vector.

        Raises:
            ValueError: several steps.
        """
        if jnp.ndim(step):
            raise ValueError(
                f"StepEmbedding expected one step, got shape {jnp.shape(step)}; use jax.vmap for batches."
            )
        half = self.waves // 2
        # Single precision at least: t of 1000 has three digits in half precision.
        phase = jnp.asarray(step, jnp.float32) * jnp.exp(
            -math.log(10000) / half * jnp.arange(half, dtype=jnp.float32)
        )
        waves = jnp.concatenate([jnp.cos(phase), jnp.sin(phase)]).astype(dtype)
        return self.out(jax.nn.silu(self.hidden(waves)))
