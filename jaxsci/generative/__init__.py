"""Diffusion: noise schedules, denoisers, samplers, guidance, and the autoencoder whose latents they work on."""

from solvers._arguments import name_misfits as _name_misfits

from .autoencoder import Autoencoder as Autoencoder
from .autoencoder import Latents as Latents
from .autoencoder import autoencoder_loss as autoencoder_loss
from .earthformer_unet import EarthformerUNet as EarthformerUNet
from .guidance import KnowledgeAlignment as KnowledgeAlignment
from .latent import LatentDiffusion as LatentDiffusion
from .loss import denoising_loss as denoising_loss
from .sampler import Sampler as Sampler
from .sampler import ddim as ddim
from .sampler import ddpm as ddpm
from .schedule import NoiseSchedule as NoiseSchedule

_name_misfits(__name__)
