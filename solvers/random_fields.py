r"""Gaussian random fields with a Matérn-like spectrum, the usual source of initial data and coefficients.

    u ~ N(0, σ² (−Δ + τ²)^{−α}),    u = Σ_k √λ_k ξ_k φ_k,    λ_k = σ² (|κ_k|² + τ²)^{−α},

with φ_k the orthonormal eigenfunctions of the Laplacian on a box (periodic: exponentials with
κ_k = 2πk/L; Neumann: cosines with κ_k = πk/L) and ξ_k independent and standard normal. A field needs
α > d/2 to be a function. The marginal variance at a point is Σ λ_k/|Ω| for a periodic box.

Reference: G. J. Lord, C. E. Powell, T. Shardlow, An Introduction to Computational Stochastic PDEs
(2014), chapters 6 and 7, doi:10.1017/CBO9781139017329; the operator-learning data sets draw from
these laws: Z. Li et al., ICLR 2021, arXiv:2010.08895, appendix A.3.
"""

import math
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.fft import idctn
from jaxtyping import Array, ArrayLike, Float, PRNGKeyArray

from .guarded import root
from .laws.law import check_parameter, parameter


class GaussianRandomField(eqx.Module):
    """Samples of N(0, σ² (−Δ + τ²)^{−α}) at the cell centres of a uniform box.

    Args:
        shape: cells along each axis, one to three.
        alpha: α > d/2, the decay of the spectrum.
        tau: τ ≥ 0, the inverse correlation length, per length.
        sigma: σ > 0.
        lengths: sides of the box.
        boundary: "periodic" or "neumann" (zero slope).
        zero_mean: leave the constant out; needed where τ = 0.

    Raises:
        ValueError: for other shapes, boundaries or parameters.
    """

    shape: tuple[int, ...] = eqx.field(static=True)
    lengths: tuple[float, ...] = eqx.field(static=True)
    boundary: Literal["periodic", "neumann"] = eqx.field(static=True)
    zero_mean: bool = eqx.field(static=True)
    alpha: Float[Array, ""]
    tau: Float[Array, ""]
    sigma: Float[Array, ""]

    def __init__(
        self,
        shape: tuple[int, ...],
        *,
        alpha: ArrayLike,
        tau: ArrayLike,
        sigma: ArrayLike = 1.0,
        lengths: tuple[float, ...] | float = 1.0,
        boundary: Literal["periodic", "neumann"] = "periodic",
        zero_mean: bool = False,
    ):
        self.shape = tuple(shape)
        ndim = len(self.shape)
        self.lengths = (
            tuple(map(float, lengths)) if isinstance(lengths, tuple) else (float(lengths),) * ndim
        )
        if not 1 <= ndim <= 3 or min(self.shape) < 2 or len(self.lengths) != ndim:
            raise ValueError(
                f"GaussianRandomField expected one to three axes of at least 2 cells and a length "
                f"for each, got shape={shape} and lengths={lengths}; give one length an axis."
            )
        if not all(math.isfinite(length) and length > 0 for length in self.lengths):
            raise ValueError(
                f"GaussianRandomField expected positive, finite lengths, got {lengths}; give the "
                "sides of the box."
            )
        if boundary not in ("periodic", "neumann"):
            raise ValueError(
                f'GaussianRandomField expected boundary "periodic" or "neumann", got {boundary!r}; '
                "choose one of them."
            )
        self.boundary, self.zero_mean = boundary, zero_mean
        self.alpha, self.tau, self.sigma = map(parameter, (alpha, tau, sigma))
        check_parameter("GaussianRandomField: alpha", self.alpha, above=ndim / 2)
        check_parameter("GaussianRandomField: sigma", self.sigma, above=0.0)
        check_parameter("GaussianRandomField: tau", self.tau, above=0.0, closed=zero_mean)

    def __call__(
        self, *, key: PRNGKeyArray, dtype: jnp.dtype | None = None
    ) -> Float[Array, " *shape"]:
        """Draw one field.

        Args:
            key: random key.
            dtype: floating-point type; by default that of the parameters.
        """
        noise = jax.random.normal(key, self.shape, dtype or self.alpha.dtype)
        amplitudes = root(self.spectrum(noise.dtype))
        # White noise is white in any orthonormal basis; √(N/|Ω|) turns cells into functions.
        scale = math.sqrt(math.prod(self.shape) / math.prod(self.lengths))
        if self.boundary == "periodic":
            half = amplitudes[..., : self.shape[-1] // 2 + 1]
            factor = jax.lax.complex(half, jnp.zeros_like(half))
            field = jnp.fft.irfftn(factor * jnp.fft.rfftn(noise), s=self.shape)
        else:
            field = idctn(amplitudes * noise, norm="ortho")
        return scale * field

    def spectrum(self, dtype: jnp.dtype | None = None) -> Float[Array, " *shape"]:
        """The variances λ_k, in the order of `numpy.fft.fftfreq` for a periodic box."""
        dtype = dtype or self.alpha.dtype
        squares = np.zeros(self.shape)
        for axis, (n, length) in enumerate(zip(self.shape, self.lengths, strict=True)):
            count = n * np.fft.fftfreq(n) * 2 if self.boundary == "periodic" else np.arange(n)
            wave = (math.pi / length * count) ** 2
            squares = squares + wave.reshape([-1 if i == axis else 1 for i in range(squares.ndim)])
        alpha, tau, sigma = (p.astype(dtype) for p in (self.alpha, self.tau, self.sigma))
        k2 = jnp.asarray(squares, dtype)
        constant = k2 == 0
        base = k2 + tau**2
        # Only the constant can have a zero here, where it is left out.
        variances = sigma**2 * jnp.where(base > 0, base, 1.0) ** -alpha
        return jnp.where(constant & self.zero_mean, 0.0, variances)
