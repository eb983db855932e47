"""Blocks that operators are built from."""

from ._transform import choose_transform as choose_transform
from .attention import CrossAttention as CrossAttention
from .attention import SelfAttentionBlock as SelfAttentionBlock
from .kernel import AbstractKernel as AbstractKernel
from .low_rank import LowRankKernel as LowRankKernel
from .pointwise import Pointwise as Pointwise
from .spectral import SpectralConv as SpectralConv
