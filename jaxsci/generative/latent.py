r"""Latent diffusion: a distribution of films to come, given the films before.

    z = E(x),      ẑ ~ p_θ(z | E(past)),      x̂ = D(ẑ)

Noise is added to and removed from latents of frames. One sample is one possible future; an ensemble is drawn
with `jax.vmap` over keys.

Reference: Gao et al., PreDiff: Precipitation Nowcasting with Latent Diffusion Models, NeurIPS 2023,
arXiv:2307.10422.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from .._checks import check_key
from .autoencoder import Autoencoder
from .earthformer_unet import EarthformerUNet
from .loss import denoising_loss
from .sampler import Guidance, Sampler
from .schedule import NoiseSchedule


class LatentDiffusion(eqx.Module):
    """A denoiser of latents, and the trained autoencoder that they come from.

    Latents should have about unit variance: divide them by `scale`, their standard deviation over the
    training set.

    Args:
        autoencoder: trained before; nothing here trains it.
        denoiser: finds the noise in latents to come, given those before.
        schedule: how much noise each step has.
        scale: what latents are divided by; 1 in the published configuration.

    Raises:
        ValueError: a denoiser of other channels than the latents have, or a scale that is not positive.
    """

    autoencoder: Autoencoder
    denoiser: EarthformerUNet
    schedule: NoiseSchedule = eqx.field(static=True)
    scale: float = eqx.field(static=True, default=1.0)

    def __check_init__(self):
        latent, channels = self.autoencoder.latent, self.denoiser.shape[1]
        if latent != channels:
            raise ValueError(
                f"LatentDiffusion expected a denoiser of {latent} channels, as the latents have, got "
                f"{channels}; build one with shape=(frames, latent, height, width)."
            )
        if not 0 < self.scale < float("inf"):
            raise ValueError(
                f"LatentDiffusion expected a scale > 0, got {self.scale}; give the standard deviation of the "
                "latents."
            )

    def loss(
        self,
        past: Float[Array, "time_past channels height width"],
        future: Float[Array, "time channels height width"],
        *,
        key: PRNGKeyArray,
    ) -> Float[Array, ""]:
        """What the denoiser learns from one sample; the autoencoder gets no gradient.

        Args:
            past: the frames before.
            future: the frames to come.
            key: random key of latents, step, noise and dropout.
        """
        check_key("LatentDiffusion.loss", key)
        latent_key, noise_key, dropout_key = jax.random.split(key, 3)
        keys = jax.random.split(latent_key, len(future))
        z = jax.vmap(lambda x, k: self._fixed.encode(x).sample(k))(future, keys) / self.scale
        known = self._known(past)
        return denoising_loss(
            lambda x, step: self.denoiser(x, step, known, key=dropout_key),
            jax.lax.stop_gradient(jnp.asarray(z)),
            schedule=self.schedule,
            key=noise_key,
        )

    def sample(
        self,
        past: Float[Array, "time_past channels height width"],
        sampler: Sampler,
        *,
        guidance: Guidance | None = None,
        key: PRNGKeyArray,
    ) -> Float[Array, "time channels height width"]:
        """One possible future.

        Args:
            past: the frames before.
            sampler: `ddpm` or `ddim` of the same schedule.
            guidance: what latents are drawn towards; sees them divided by `scale`.
            key: random key of the sample.

        Raises:
            ValueError: a sampler of another schedule.
        """
        check_key("LatentDiffusion.sample", key)
        if sampler.schedule != self.schedule:
            raise ValueError(
                f"LatentDiffusion.sample expected a sampler of its own schedule, got one of "
                f"{len(sampler.schedule)} steps with other noise; write ddim(model.schedule)."
            )
        known = self._known(past)
        start_key, step_key = jax.random.split(key)
        z = sampler(
            lambda x, step: self.denoiser(x, step, known),
            jax.random.normal(start_key, self.denoiser.shape, past.dtype),
            key=step_key,
            guidance=guidance,
        )
        return jax.vmap(self.autoencoder.decode)(self.scale * z)

    @property
    def _fixed(self) -> Autoencoder:
        return jax.lax.stop_gradient(self.autoencoder)

    def _known(self, past: Array) -> Array:
        # The published code divides what is generated and not this: the same only where the scale is 1.
        encode = lambda x: jnp.asarray(self._fixed.encode(x).loc)
        return jax.vmap(encode)(past) / self.scale
