r"""A kernel of low rank on the unit interval, whose basis functions are learned.

    (K v)(x) = Σ_r φ_r(x) W_r ∫ ψ_r(y) v(y) dy,      φ_r, ψ_r: [0, 1] → R,   W_r ∈ R^{C_out × C_in}

The basis functions are a perceptron of cos πjx, so that the kernel lives on any grid, is periodic
nowhere, and costs O(n r). The nodes include both ends and the integral is the trapezoidal rule.

Reference: Kovachki et al., Neural Operator: Learning Maps Between Function Spaces, JMLR 24 (2023),
arXiv:2108.08481, section 4.2, where φ_r and ψ_r have values in the channels; scalar ones with a
matrix W_r between them are the form that the spectral kernel has too.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from .._checks import whole
from .initial import uniform
from .kernel import AbstractKernel
from .pointwise import Pointwise


class LowRankKernel(AbstractKernel):
    """Linear map of 1-D fields through a few learned functions, at any resolution.

    Args:
        in_channels: C_in.
        out_channels: C_out.
        rank: number of basis functions r on each side.
        hidden: width of the perceptron that the basis functions come from.
        identity: multiple of the identity added to every W_r at the start; see `SpectralConv`.
        key: random key of the initial weights, uniform in ±1/(C_in C_out) for W_r.

    Raises:
        ValueError: a size that is not positive.
    """

    weight: Float[Array, "rank out_channels in_channels"]
    basis: tuple[Pointwise, Pointwise]
    rank: int = eqx.field(static=True)

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        rank: int,
        hidden: int = 32,
        identity: float = 0.0,
        key: PRNGKeyArray,
    ):
        in_channels = whole("LowRankKernel", "in_channels", in_channels)
        out_channels = whole("LowRankKernel", "out_channels", out_channels)
        self.rank = whole("LowRankKernel", "rank", rank)
        hidden = whole("LowRankKernel", "hidden", hidden)
        weight_key, hidden_key, out_key = jax.random.split(key, 3)
        bound = 1 / (in_channels * out_channels)
        shape = (self.rank, out_channels, in_channels)
        random = uniform(weight_key, shape, bound=bound)
        self.weight = random + identity * jnp.eye(out_channels, in_channels)
        self.basis = (
            Pointwise(in_channels=self.rank, out_channels=hidden, key=hidden_key),
            Pointwise(in_channels=hidden, out_channels=2 * self.rank, key=out_key),
        )

    @property
    def in_channels(self) -> int:
        """C_in."""
        return self.weight.shape[-1]

    @property
    def out_channels(self) -> int:
        """C_out."""
        return self.weight.shape[-2]

    @property
    def dims(self) -> int:
        """One space axis."""
        return 1

    def functions(
        self, nodes: int, dtype
    ) -> tuple[Float[Array, "rank nodes"], Float[Array, "rank nodes"]]:
        """φ_r, and ψ_r times the weights of the trapezoidal rule, at the nodes of [0, 1]."""
        angle = np.pi * np.arange(1, self.rank + 1)[:, None] * np.linspace(0, 1, nodes)
        hidden, out = self.basis
        cosines = jnp.asarray(np.cos(angle), dtype)
        # Added to the cosines, which tell the two ends apart from the first step on.
        phi, psi = jnp.split(out(jax.nn.gelu(hidden(cosines))), 2)
        width = np.full(nodes, 1 / (nodes - 1))
        width[[0, -1]] /= 2
        return phi + cosines, (psi + cosines) * jnp.asarray(width, dtype)

    def analyse(self, x: Float[Array, "in_channels nodes"]) -> Float[Array, "rank in_channels"]:
        """The integrals ∫ ψ_r v."""
        if x.ndim != 2 or x.shape[0] != self.in_channels or x.shape[1] < 2:
            raise ValueError(
                f"LowRankKernel expected x of shape (channels={self.in_channels}, nodes) with at least two "
                f"nodes, got {x.shape}; use jax.vmap for batches."
            )
        _, psi = self.functions(x.shape[1], x.dtype)
        return psi @ x.T

    def mix(self, a: Float[Array, "rank in_channels"]) -> Float[Array, "rank out_channels"]:
        """Multiply every coefficient by its matrix W_r."""
        return jnp.einsum("roi,ri->ro", self.weight.astype(a.dtype), a)

    def synthesise(
        self, b: Float[Array, "rank out_channels"], space: tuple[int, ...]
    ) -> Float[Array, "out_channels nodes"]:
        """The sum of φ_r b_r."""
        phi, _ = self.functions(space[0], b.dtype)
        return b.T @ phi

    def check_ends(self, axis: int) -> None:
        """Refuse rank one, with which both ends are multiples of one function's values."""
        del axis
        if self.rank < 2:
            raise ValueError(
                "LowRankKernel expected at least rank 2 where its ends are corrected, got 1, which cannot "
                "tell the two ends apart; build the kernel with a higher rank."
            )

    def end_modes(
        self, planes: Float[Array, "2 channels"], axis: int
    ) -> Float[Array, "2 modes size"]:
        """One mode: all channels."""
        del axis
        return planes[:, None, :]

    def end_blocks(
        self, space: tuple[int, ...], axis: int, dtype
    ) -> Float[Array, "2 2 modes size size"]:
        """K_ij = Σ_r φ_r(x_i) ψ_r(x_j) W_r, with the weight of the rule."""
        del axis
        phi, psi = (part[:, jnp.array([0, -1])] for part in self.functions(space[0], dtype))
        weight = self.weight.astype(dtype).reshape(self.rank, -1)
        pairs = (phi[:, :, None] * psi[:, None, :]).reshape(self.rank, -1)
        return (pairs.T @ weight).reshape(2, 2, 1, self.out_channels, self.in_channels)

    def end_outputs(
        self, b: Float[Array, "rank out_channels"], space: tuple[int, ...], axis: int
    ) -> Float[Array, "2 modes size"]:
        """The two end values of the sum of φ_r b_r."""
        del axis
        phi, _ = self.functions(space[0], b.dtype)
        return (phi[:, jnp.array([0, -1])].T @ b)[:, None, :]

    def end_inputs(
        self, ends: Float[Array, "2 modes size"], space: tuple[int, ...], axis: int
    ) -> Float[Array, "rank in_channels"]:
        """The integrals of a field that is zero but at the ends."""
        del axis
        _, psi = self.functions(space[0], ends.dtype)
        return psi[:, jnp.array([0, -1])] @ ends[:, 0]
