r"""Latent diffusion: a distribution of films to come, given the films before.

    z = E(x),      ẑ ~ p_θ(z | E(past)),      x̂ = D(ẑ)

Noise is added to and removed from latents of frames. One sample is one possible future; an ensemble is drawn
with `jax.vmap` over keys.

Reference: Gao et al., PreDiff: Precipitation Nowcasting with Latent Diffusion Models, NeurIPS 2023,
arXiv:2307.10422.
"""

import equinox as eqx
import jax
from jaxtyping import Array, ArrayLike, Float, PRNGKeyArray

from .._arrays import as_jax, check_floating
from .._checks import check_key, number
from .._module import Module
from ..nn.initial import normal
from .autoencoder import Autoencoder
from .earthformer_unet import EarthformerUNet
from .loss import check_schedule, denoising_loss
from .sampler import Guidance, Sampler
from .schedule import NoiseSchedule


class LatentDiffusion(Module):
    """A denoiser of latents, and the trained autoencoder that they come from.

    Latents should have about unit variance: divide them by `scale`, their standard deviation over the
    training set.

    Args:
        autoencoder: trained before; it gets no gradients. Weight decay would change it all the same.
        denoiser: finds the noise in latents to come, given those before.
        schedule: how much noise each step has.
        scale: what latents are divided by; 1 in the published configuration.

    Raises:
        ValueError: a denoiser of other channels than the latents have, or a scale that is not positive.
        TypeError: parts of another kind.
    """

    autoencoder: Autoencoder
    denoiser: EarthformerUNet
    schedule: NoiseSchedule = eqx.field(static=True)
    scale: float = eqx.field(static=True)

    def __init__(
        self,
        autoencoder: Autoencoder,
        denoiser: EarthformerUNet,
        schedule: NoiseSchedule,
        *,
        scale: Float[ArrayLike, ""] = 1.0,
    ):
        for name, part, kind in (
            ("autoencoder", autoencoder, Autoencoder),
            ("denoiser", denoiser, EarthformerUNet),
        ):
            if not isinstance(part, kind):
                raise TypeError(
                    f"LatentDiffusion expected {name} as {kind.__name__}, got {type(part).__name__}; with "
                    "parts of your own, call denoising_loss and a Sampler."
                )
        check_schedule("LatentDiffusion", schedule)
        self.autoencoder, self.denoiser, self.schedule = autoencoder, denoiser, schedule
        self.scale = number("LatentDiffusion", "scale", scale)
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

        Raises:
            ValueError: films of another number of frames than the denoiser has, or frames that do not fit.
            TypeError: a key that is none.
        """
        who = "LatentDiffusion.loss"
        check_key(who, key)
        future = self._film(who, "future", future, self.denoiser.shape[0])
        past = self._film(who, "past", past, self.denoiser.shape_past[0])
        latent_key, noise_key, dropout_key = jax.random.split(key, 3)
        keys = jax.random.split(latent_key, len(future))
        z = jax.vmap(lambda x, k: self._fixed.encode(x).sample(key=k))(future, keys) / self.scale
        known = self._known(past)
        return denoising_loss(
            lambda x, step: self.denoiser(x, step, known, key=dropout_key),
            jax.lax.stop_gradient(z),
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
            ValueError: a sampler of another schedule, or frames of another shape.
            TypeError: a sampler that is none.
        """
        check_key("LatentDiffusion.sample", key)
        if not isinstance(sampler, Sampler):
            raise TypeError(
                f"LatentDiffusion.sample expected a Sampler, got {type(sampler).__name__}; write "
                "ddim(model.schedule)."
            )
        if sampler.schedule != self.schedule:
            raise ValueError(
                f"LatentDiffusion.sample expected a sampler of its own schedule, got one of "
                f"{len(sampler.schedule)} steps with other noise; write ddim(model.schedule)."
            )
        who = "LatentDiffusion.sample"
        past = self._film(who, "past", past, self.denoiser.shape_past[0])
        known = self._known(past)
        start_key, step_key = jax.random.split(key)
        z = sampler(
            lambda x, step: self.denoiser(x, step, known),
            normal(start_key, self.denoiser.shape, past.dtype),
            key=step_key,
            guidance=guidance,
        )
        return jax.vmap(self.autoencoder.decode)(self.scale * z)

    @property
    def _fixed(self) -> Autoencoder:
        return jax.lax.stop_gradient(self.autoencoder)

    def _known(self, past: Array) -> Array:
        # The published code divides what is generated and not this: the same only where the scale is 1.
        return jax.vmap(lambda x: self._fixed.encode(x).mean)(past) / self.scale

    def _film(self, who: str, name: str, film: Array, frames: int) -> Array:
        """A film of the size that the denoiser was built for."""
        film = as_jax(who, name, film)
        check_floating(who, name, film)
        side = 2 ** (self.autoencoder.levels - 1)
        shape = (frames, self.autoencoder.channels, *(side * n for n in self.denoiser.shape[2:]))
        if film.shape != shape:
            raise ValueError(
                f"{who} expected {name} of shape {shape} (time, channels, height, width), got {film.shape}; "
                "use jax.vmap for batches."
            )
        return film
