r"""Attentive neural process: a Gaussian field conditioned on a set of observations.

    r(x*) = CrossAttention(x*, {x_i}, {r_i}),          r_i = deterministic encoding of (x_i, y_i)
    z ~ N(μ_z(C), σ_z(C)²),                            C = {(x_i, y_i)}, from a mean-pooled encoding
    y(x*) | z ~ N(μ(x*, r, z), σ(x*, r, z)²)

Trained on −E_{z~q(·|T)} log p(y_T | x_T, C, z) + KL(q(z|T) ‖ q(z|C)) with targets T.

Reference: Kim et al., Attentive Neural Processes, ICLR 2019, arXiv:1901.05761; sizes and encoders as in
Hansen et al., Learning Physical Models that Can Respect Conservation Laws, ICML 2023, arXiv:2302.11002.
The published evaluation leaves dropout switched on; here inference is deterministic unless a key asks.
"""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array, Float, PRNGKeyArray

from .._arrays import as_jax, check_finite
from .._checks import check_key, whole
from .._module import Module
from .._numeric import wide
from ..nn.attention import CrossAttention, SelfAttentionBlock
from ..nn.precision import in_precision


class SetEncoder(Module):
    """Encode observations (x_i, y_i) as tokens that have seen each other."""

    embed: eqx.nn.Linear
    blocks: tuple[SelfAttentionBlock, ...]

    def __init__(
        self, *, size: int, width: int, heads: int, depth: int, dropout: float, key: PRNGKeyArray
    ):
        embed_key, *block_keys = jax.random.split(key, 1 + depth)
        self.embed = eqx.nn.Linear(size, width, key=embed_key)
        self.blocks = tuple(
            SelfAttentionBlock(width=width, heads=heads, dropout=dropout, key=k) for k in block_keys
        )

    def __call__(
        self,
        x: Float[Array, "points dims"],
        y: Float[Array, "points channels"],
        *,
        key: PRNGKeyArray | None = None,
    ) -> Float[Array, "points width"]:
        """Encode a set; its order does not matter."""
        tokens = jax.vmap(self.embed)(jnp.concatenate([x, y], axis=-1))
        keys = [None] * len(self.blocks) if key is None else jax.random.split(key, len(self.blocks))
        for block, k in zip(self.blocks, keys, strict=True):
            tokens = block(tokens, key=k)
        return tokens


class AttentiveNeuralProcess(Module):
    """Predict a Gaussian at any point from a set of observations of one function.

    Args:
        dims: coordinates of a point, for example 2 for (t, x).
        channels: observed values at a point.
        width: hidden channels of both encoders, of the latent variable, and a third of the decoder's.
        heads: attention heads.
        self_attention: self-attention blocks in each encoder.
        cross_attention: attention blocks from the targets to the context.
        dropout: share of dropped entries in the encoders while training.
        floor: smallest predicted standard deviation.
        key: random key of the initial weights.

    Raises:
        ValueError: for sizes that are too small, or heads that do not divide the width.
        TypeError: for a key that is none.
    """

    deterministic: SetEncoder
    latent_encoder: SetEncoder
    latent_hidden: eqx.nn.Linear
    latent_out: eqx.nn.Linear
    locate: eqx.nn.Linear
    cross: tuple[CrossAttention, ...]
    norms: tuple[eqx.nn.LayerNorm, ...]
    decoder: eqx.nn.MLP
    dims: int = eqx.field(static=True)
    channels: int = eqx.field(static=True)
    floor: float = eqx.field(static=True)

    def __init__(
        self,
        *,
        dims: int,
        channels: int = 1,
        width: int = 128,
        heads: int = 4,
        self_attention: int = 2,
        cross_attention: int = 2,
        dropout: float = 0.1,
        floor: float = 1e-3,
        key: PRNGKeyArray,
    ):
        who = "AttentiveNeuralProcess"
        dims = whole(who, "dims", dims)
        channels = whole(who, "channels", channels)
        width = whole(who, "width", width)
        heads = whole(who, "heads", heads)
        self_attention = whole(who, "self_attention", self_attention, 0)
        cross_attention = whole(who, "cross_attention", cross_attention)
        check_key(who, key)
        if not (math.isfinite(floor) and floor > 0):
            raise ValueError(
                f"AttentiveNeuralProcess expected a positive, finite floor, got {floor}; without one "
                "the likelihood is unbounded."
            )
        keys = iter(jax.random.split(key, 6 + cross_attention))
        self.deterministic, self.latent_encoder = (
            SetEncoder(
                size=dims + channels,
                width=width,
                heads=heads,
                depth=self_attention,
                dropout=dropout,
                key=next(keys),
            )
            for _ in range(2)
        )
        self.latent_hidden = eqx.nn.Linear(width, width, key=next(keys))
        self.latent_out = eqx.nn.Linear(width, 2 * width, key=next(keys))
        self.locate = eqx.nn.Linear(dims, width, key=next(keys))
        self.decoder = eqx.nn.MLP(3 * width, 2 * channels, 3 * width, depth=3, key=next(keys))
        self.cross = tuple(
            CrossAttention(width=width, heads=heads, key=next(keys)) for _ in range(cross_attention)
        )
        self.norms = tuple(eqx.nn.LayerNorm(width) for _ in range(cross_attention))
        self.dims = dims
        self.channels = channels
        self.floor = floor

    def __call__(
        self,
        context_x: Float[Array, "*context dims"],
        context_y: Float[Array, "*context channels"],
        target_x: Float[Array, "*targets dims"],
        *,
        key: PRNGKeyArray | None = None,
    ) -> dist.Normal:
        """Predict one function at the target points.

        Args:
            context_x: where the function was observed.
            context_y: what was observed.
            target_x: where to predict.
            key: draws the latent variable. Without it the latent mean is used; dropout is off
                either way.

        Returns:
            Normal of batch shape (targets, channels).

        Raises:
            ValueError: ranks, channel counts or coordinate counts that do not fit, or observations that
                are not finite (checked where they are concrete, not inside jit).
        """
        context_x, context_y, target_x = self._checked(context_x, context_y, target_x)
        latent = self.latent(context_x, context_y)
        z = latent.mean if key is None else latent.sample(key)
        return self.decode(self.attend(context_x, context_y, target_x), z, target_x)

    def latent(
        self,
        x: Float[Array, "points dims"],
        y: Float[Array, "points channels"],
        *,
        dropout_key: PRNGKeyArray | None = None,
    ) -> dist.Normal:
        """Distribution q(z | x, y) of the latent variable, batch shape (width,)."""
        x, y, _ = self._checked(x, y, x)
        self = in_precision(self, x.dtype)
        pooled = self.latent_encoder(x, y, key=dropout_key).mean(axis=0)
        mean, raw = jnp.split(self.latent_out(jax.nn.relu(self.latent_hidden(pooled))), 2)
        # Bounded away from 0 and from above by 1, as usual for neural processes: the KL stays finite.
        return dist.Normal(mean, 0.1 + 0.9 * jax.nn.sigmoid(raw))

    def attend(
        self,
        context_x: Float[Array, "context dims"],
        context_y: Float[Array, "context channels"],
        target_x: Float[Array, "targets dims"],
        *,
        dropout_key: PRNGKeyArray | None = None,
    ) -> Float[Array, "targets width"]:
        """The deterministic path r(x*): what the targets read from the context."""
        context_x, context_y, target_x = self._checked(context_x, context_y, target_x)
        self = in_precision(self, target_x.dtype)
        values = self.deterministic(context_x, context_y, key=dropout_key)
        keys, queries = (jax.vmap(self.locate)(x) for x in (context_x, target_x))
        for cross, norm in zip(self.cross, self.norms, strict=True):
            queries = jax.vmap(norm)(queries + cross(queries, keys, values))
        return queries

    def decode(
        self,
        attended: Float[Array, "targets width"],
        z: Float[Array, " width"],
        target_x: Float[Array, "targets dims"],
    ) -> dist.Normal:
        """The Gaussian at every target, given what it read and the latent variable."""
        self = in_precision(self, target_x.dtype)
        located = jax.vmap(self.locate)(target_x)
        shared = jnp.broadcast_to(z, located.shape)
        raw = jax.vmap(self.decoder)(jnp.concatenate([attended, shared, located], axis=-1))
        mean, scale = jnp.split(raw, 2, axis=-1)
        return dist.Normal(mean, self.floor + jax.nn.softplus(scale))

    def negative_elbo(
        self,
        context_x: Float[Array, "context dims"],
        context_y: Float[Array, "context channels"],
        target_x: Float[Array, "targets dims"],
        target_y: Float[Array, "targets channels"],
        *,
        key: PRNGKeyArray,
    ) -> tuple[Float[Array, ""], dist.Normal]:
        """Training loss of one function, per target value, with dropout on.

        Returns:
            The negative evidence bound divided by the number of target values, and the predicted
            Normal at the targets.
        """
        context_x, context_y, target_x = self._checked(context_x, context_y, target_x)
        target_y = as_jax("AttentiveNeuralProcess", "target_y", target_y)
        if target_y.shape != (target_x.shape[0], self.channels):
            raise ValueError(
                f"AttentiveNeuralProcess expected target_y of shape {(target_x.shape[0], self.channels)}, "
                f"one row a target, got {target_y.shape}; use jax.vmap for batches of functions."
            )
        z_key, prior_key, posterior_key, path_key = jax.random.split(key, 4)
        prior = self.latent(context_x, context_y, dropout_key=prior_key)
        posterior = self.latent(target_x, target_y, dropout_key=posterior_key)
        attended = self.attend(context_x, context_y, target_x, dropout_key=path_key)
        predicted = self.decode(attended, posterior.sample(z_key), target_x)
        log_likelihood = predicted.log_prob(target_y).sum()
        divergence = dist.kl_divergence(posterior, prior).sum()
        return (divergence - log_likelihood) / target_y.size, predicted

    def _checked(self, context_x, context_y, target_x) -> tuple[Array, Array, Array]:
        names = ("context_x", "context_y", "target_x")
        given = zip(names, (context_x, context_y, target_x), strict=True)
        given = [wide(as_jax("AttentiveNeuralProcess", name, x)) for name, x in given]
        context_x, context_y, target_x = (x.astype(given[0].dtype) for x in given)
        expected = f"(points, dims={self.dims}) and (points, channels={self.channels})"
        fits = (
            context_x.ndim == context_y.ndim == target_x.ndim == 2
            and context_x.shape[1] == target_x.shape[1] == self.dims
            and context_y.shape == (context_x.shape[0], self.channels)
        )
        if not fits:
            raise ValueError(
                f"AttentiveNeuralProcess expected points and values of shapes {expected}, got context_x "
                f"{context_x.shape}, context_y {context_y.shape} and target_x {target_x.shape}; "
                "use jax.vmap for batches of functions."
            )
        if min(context_x.shape[0], target_x.shape[0]) == 0:
            raise ValueError(
                "AttentiveNeuralProcess expected at least one context and one target point, got "
                f"{context_x.shape[0]} and {target_x.shape[0]}; observe the function at least once."
            )
        for name, array in zip(names, (context_x, context_y, target_x), strict=True):
            check_finite("AttentiveNeuralProcess", name, array)
        return context_x, context_y, target_x
