r"""Spectral convolution: a kernel that acts on the lowest Fourier modes only.

    (K x)(s) = Re Σ_k  w_k / N · W_k x̂_k · exp(2πi k·s / N),     x̂_k = Σ_s x(s) exp(−2πi k·s / N)

W_k is one C_out × C_in complex matrix a mode. The modes kept are the frequencies −m ... m−1 on every axis
but the last, where a real field needs only 0 ... m−1; w_k counts the conjugate half of the last axis.

Reference: Li et al., Fourier Neural Operator for Parametric Partial Differential Equations, ICLR 2021,
arXiv:2010.08895, section 4.
"""

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from .._checks import whole, wholes
from ._dft import conjugate_weights, dft_matrices
from ._spectral_ends import mode_blocks, plane_inputs, plane_modes, plane_outputs
from ._transform import Transform, choose_transform
from .initial import uniform
from .kernel import AbstractKernel


class SpectralConv(AbstractKernel):
    """Linear map of a field through its lowest Fourier modes, at any resolution.

    Weights are stored as separate real and imaginary parts, modes in front, so that the mixing is one
    batched matrix product and optimisers, sharding and checkpoints never meet a complex number.

    Args:
        in_channels: C_in.
        out_channels: C_out.
        modes: number of modes m kept on each axis, one entry per space dimension.
        transform: `"fft"`, `"dft"` (truncated transform as a matrix product) or `"auto"`, which takes
            the measured choice of `choose_transform`, and in half precision "dft": there is no FFT of it. Both
            give the same numbers up to round-off.
        identity: multiple of the identity added to every W_k at the start, a low-pass filter. It keeps
            the kernel's channel blocks well conditioned, which boundary corrections divide by.
        key: random key of the initial weights, uniform in ±1/(C_in C_out).
    """

    real: Float[Array, "*modes out_channels in_channels"]
    imag: Float[Array, "*modes out_channels in_channels"]
    modes: tuple[int, ...] = eqx.field(static=True)
    transform: Transform = eqx.field(static=True)

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        modes: tuple[int, ...],
        transform: Transform = "auto",
        identity: float = 0.0,
        key: PRNGKeyArray,
    ):
        modes = wholes("SpectralConv", "modes", modes, "modes=(16,) for a field of one space axis")
        in_channels = whole("SpectralConv", "in_channels", in_channels)
        out_channels = whole("SpectralConv", "out_channels", out_channels)
        if transform not in ("auto", "fft", "dft"):
            raise ValueError(
                f"SpectralConv expected transform 'auto', 'fft' or 'dft', got {transform!r}; "
                "'auto' is the measured choice."
            )
        if not math.isfinite(identity):
            raise ValueError(
                f"SpectralConv expected a finite identity, got {identity}; 0 leaves the kernel random."
            )
        shape = (*(2 * m for m in modes[:-1]), modes[-1], out_channels, in_channels)
        bound = 1 / (in_channels * out_channels)
        real_key, imag_key = jax.random.split(key)
        random = uniform(real_key, shape, bound=bound)
        self.real = random + identity * jnp.eye(out_channels, in_channels)
        self.imag = uniform(imag_key, shape, bound=bound)
        self.modes = modes
        self.transform = transform

    @property
    def in_channels(self) -> int:
        """C_in."""
        return self.real.shape[-1]

    @property
    def out_channels(self) -> int:
        """C_out."""
        return self.real.shape[-2]

    @property
    def dims(self) -> int:
        """Number of space axes."""
        return len(self.modes)

    def analyse(self, x: Float[Array, "in_channels *space"]) -> Float[Array, "two in_channels K"]:
        """The kept coefficients x̂_k of a field, real and imaginary part stacked in front."""
        self._check(x.shape)
        space = x.shape[1:]
        analyse = _analyse_dft if self._method(space, x.dtype) == "dft" else _analyse_fft
        return analyse(x, self.modes).reshape(2, x.shape[0], -1)

    def mix(self, a: Float[Array, "two in_channels K"]) -> Float[Array, "two out_channels K"]:
        """Multiply every coefficient by its matrix W_k."""
        real = self.real.reshape(-1, self.out_channels, self.in_channels).astype(a.dtype)
        imag = self.imag.reshape(-1, self.out_channels, self.in_channels).astype(a.dtype)
        # (a + ib)(c + id) as one real product of twice the size: [[Re, −Im], [Im, Re]].
        w = jnp.stack([jnp.stack([real, -imag]), jnp.stack([imag, real])])
        return jnp.einsum("pqkoi,qik->pok", w, a)

    def synthesise(
        self, b: Float[Array, "two out_channels K"], space: tuple[int, ...]
    ) -> Float[Array, "out_channels *space"]:
        """The field on `space` points that has the coefficients `b`."""
        space = wholes("SpectralConv", "space", space, "space=(64, 64)")
        kept = self.real.shape[:-2]
        z = b.reshape(2, b.shape[1], *kept)
        if self._method(space, b.dtype) == "dft":
            return _synthesise_dft(z, self.modes, space)
        return _synthesise_fft(z, self.modes, space)

    def check_ends(self, axis: int) -> None:
        """Refuse a single mode along the axis, of which both ends are multiples."""
        if axis == self.dims - 1 and self.modes[axis] < 2:
            raise ValueError(
                "SpectralConv expected at least 2 modes along an axis whose ends are corrected, got 1, "
                "which cannot tell the two ends apart; build the kernel with more modes."
            )

    def end_modes(
        self, planes: Float[Array, "2 channels *plane"], axis: int
    ) -> Float[Array, "2 modes size"]:
        """The kept frequencies of the other axes."""
        return plane_modes(planes, self.modes, axis)

    def end_blocks(
        self, space: tuple[int, ...], axis: int, dtype
    ) -> Float[Array, "2 2 modes size size"]:
        """Responses at distance 0, 1 and −1 around the circle from an impulse in an end plane."""
        real, imag = self.real.astype(dtype), self.imag.astype(dtype)
        return mode_blocks(real, imag, self.modes, space, axis)

    def end_outputs(
        self, b: Float[Array, "two out_channels K"], space: tuple[int, ...], axis: int
    ) -> Float[Array, "2 modes size"]:
        """Two rows of the inverse transform along the axis."""
        kept = self.real.shape[:-2]
        return plane_outputs(b.reshape(*b.shape[:2], *kept), self.modes, space, axis)

    def end_inputs(
        self, ends: Float[Array, "2 modes size"], space: tuple[int, ...], axis: int
    ) -> Float[Array, "two in_channels K"]:
        """Two columns of the forward transform along the axis."""
        z = plane_inputs(ends, self.modes, space, axis)
        return z.reshape(2, z.shape[1], -1)

    def _method(self, space: tuple[int, ...], dtype: Any) -> Transform:
        half = jnp.dtype(dtype).itemsize < 4
        if half and self.transform == "fft":
            raise ValueError(
                "SpectralConv expected a field in single or double precision for transform='fft', got "
                f"{dtype}; use transform='dft', or 'auto', which takes that in half precision."
            )
        if self.transform != "auto":
            return self.transform
        return "dft" if half else choose_transform(space, self.modes)

    def _check(self, shape: tuple[int, ...]) -> None:
        if len(shape) != len(self.modes) + 1 or shape[0] != self.in_channels:
            raise ValueError(
                f"SpectralConv expected x of shape (channels={self.in_channels}, "
                f"{', '.join('n' + a for a in 'xyz'[: len(self.modes)])}), got {shape}; "
                "use jax.vmap for batches."
            )
        if 0 in shape:
            raise ValueError(
                f"SpectralConv expected at least one point along every axis, got x of shape {shape}; "
                "check how the field was cut."
            )
        *first, last = zip(shape[1:], self.modes, strict=True)
        if any(2 * m > n for n, m in first) or last[1] > last[0] // 2 + 1:
            raise ValueError(
                f"SpectralConv expected at least {tuple(2 * m for m in self.modes)} points for "
                f"modes={self.modes}, got {shape[1:]}; use fewer modes or a finer grid."
            )


def _analyse_dft(x: Array, modes: tuple[int, ...]) -> Array:
    cos, sin = dft_matrices(x.shape[-1], modes[-1], False)
    forward = jnp.asarray(np.concatenate([cos, -sin], axis=1), x.dtype)
    z = (x @ forward).reshape(*x.shape[:-1], 2, modes[-1])
    z = jnp.moveaxis(z, -2, 0)
    for axis, m in enumerate(modes[:-1]):
        cos, sin = (jnp.asarray(part, x.dtype) for part in dft_matrices(x.shape[axis + 1], m, True))
        # e^{−iθ} = cos − i sin acting on a complex axis, as real products.
        re, im = (jnp.moveaxis(part, axis + 1, -1) for part in (z[0], z[1]))
        re, im = re @ cos + im @ sin, im @ cos - re @ sin
        z = jnp.stack([jnp.moveaxis(re, -1, axis + 1), jnp.moveaxis(im, -1, axis + 1)])
    return z


def _synthesise_dft(z: Array, modes: tuple[int, ...], space: tuple[int, ...]) -> Array:
    for axis, m in enumerate(modes[:-1]):
        cos, sin = (jnp.asarray(part.T, z.dtype) for part in dft_matrices(space[axis], m, True))
        re, im = (jnp.moveaxis(part, axis + 1, -1) for part in (z[0], z[1]))
        re, im = re @ cos - im @ sin, im @ cos + re @ sin
        z = jnp.stack([jnp.moveaxis(re, -1, axis + 1), jnp.moveaxis(im, -1, axis + 1)])
    cos, sin = dft_matrices(space[-1], modes[-1], False)
    weights = conjugate_weights(space[-1], modes[-1]) / math.prod(space)
    inverse = jnp.asarray(np.concatenate([cos * weights, -sin * weights], axis=1).T, z.dtype)
    flat = jnp.moveaxis(z, 0, -2)
    return flat.reshape(*flat.shape[:-2], -1) @ inverse


def _analyse_fft(x: Array, modes: tuple[int, ...]) -> Array:
    # Truncate axis by axis, the last one first: the full spectrum is never built.
    z = jnp.fft.rfft(x)[..., : modes[-1]]
    for axis, m in enumerate(modes[:-1], start=1):
        z = jnp.fft.fft(z, axis=axis)
        low, high = (jax.lax.slice_in_dim(z, a, b, axis=axis) for a, b in ((0, m), (-m, None)))
        z = jnp.concatenate([low, high], axis=axis)
    return jnp.stack([z.real, z.imag])


def _synthesise_fft(z: Array, modes: tuple[int, ...], space: tuple[int, ...]) -> Array:
    z = jax.lax.complex(z[0], z[1])
    for axis, (m, n) in enumerate(zip(modes[:-1], space[:-1], strict=True), start=1):
        low, high = (jax.lax.slice_in_dim(z, a, b, axis=axis) for a, b in ((0, m), (m, 2 * m)))
        gap = jnp.zeros((*z.shape[:axis], n - 2 * m, *z.shape[axis + 1 :]), z.dtype)
        z = jnp.fft.ifft(jnp.concatenate([low, gap, high], axis=axis), axis=axis)
    return jnp.fft.irfft(z, n=space[-1])
