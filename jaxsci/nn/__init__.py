"""Blocks that operators are built from."""

from ._transform import choose_transform as choose_transform
from .attention import CrossAttention as CrossAttention
from .attention import SelfAttentionBlock as SelfAttentionBlock
from .pointwise import Pointwise as Pointwise
from .spectral import SpectralConv as SpectralConv
