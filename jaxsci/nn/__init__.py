"""Blocks that operators are built from."""

from solvers._arguments import name_misfits as _name_misfits

from ._transform import choose_transform as choose_transform
from .attention import CrossAttention as CrossAttention
from .attention import SelfAttentionBlock as SelfAttentionBlock
from .causal_conv import CausalConv as CausalConv
from .causal_conv import CausalConvStack as CausalConvStack
from .conv import Conv as Conv
from .conv_block import ConvBlock as ConvBlock
from .conv_block import GroupNorm as GroupNorm
from .conv_lstm import ConvLSTMCell as ConvLSTMCell
from .cuboid import Cuboid as Cuboid
from .cuboid import CuboidCrossAttention as CuboidCrossAttention
from .cuboid import CuboidCrossStack as CuboidCrossStack
from .cuboid import CuboidPlan as CuboidPlan
from .cuboid import CuboidSelfAttention as CuboidSelfAttention
from .cuboid import CuboidStack as CuboidStack
from .cuboid import cross_pattern as cross_pattern
from .cuboid import self_pattern as self_pattern
from .eidetic_lstm import EideticLSTMCell as EideticLSTMCell
from .feature_balance import FeatureBalance as FeatureBalance
from .frames import Enlarge as Enlarge
from .frames import PatchMerge as PatchMerge
from .kernel import AbstractKernel as AbstractKernel
from .low_rank import LowRankKernel as LowRankKernel
from .moments import derivative_kernels as derivative_kernels
from .moments import moments as moments
from .patches import from_patches as from_patches
from .patches import to_patches as to_patches
from .perceptron import Perceptron as Perceptron
from .phy_cell import PhyCell as PhyCell
from .pointwise import Pointwise as Pointwise
from .positions import PositionEmbedding as PositionEmbedding
from .residual_block import ResidualBlock as ResidualBlock
from .spatial_attention import SpatialAttention as SpatialAttention
from .spectral import SpectralConv as SpectralConv
from .st_lstm import SpatiotemporalLSTMCell as SpatiotemporalLSTMCell
from .step_embedding import StepEmbedding as StepEmbedding
from .window_attention import WindowAttention as WindowAttention

_name_misfits(__name__)
