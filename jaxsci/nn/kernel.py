r"""What a linear kernel operator is to those who correct it at a boundary.

    K = synthesise ∘ mix ∘ analyse

`analyse` takes the coefficients of a field, `mix` maps them linearly, `synthesise` makes the field that has
them. A boundary correction changes the input in the end planes of one axis, 0 and N, and asks what comes
out in these planes: it never needs the rest of the kernel. It works in coordinates of an end plane, `modes`
of them with `size` real numbers each, in which the kernel is block-diagonal: the frequencies of the other
axes for a Fourier kernel, one mode of all channels in one dimension.

Reference: Saad, Gupta, Alizadeh, Maddix, Guiding continuous operator learning through physics-based
boundary constraints (BOON), ICLR 2023, arXiv:2212.07477, section 4.
"""

from abc import abstractmethod

from jaxtyping import Array, Float

from .._module import Module


class AbstractKernel(Module):
    """A linear map of fields `(channels, *space)` that factors through coefficients."""

    @property
    @abstractmethod
    def in_channels(self) -> int:
        """C_in."""

    @property
    @abstractmethod
    def out_channels(self) -> int:
        """C_out."""

    @property
    @abstractmethod
    def dims(self) -> int:
        """Number of space axes."""

    @abstractmethod
    def analyse(self, x: Float[Array, "in_channels *space"]) -> Float[Array, "*coefficients"]:
        """The coefficients of a field."""

    @abstractmethod
    def mix(self, a: Float[Array, "*coefficients"]) -> Float[Array, "*mixed"]:
        """Map coefficients of the input to those of the output."""

    @abstractmethod
    def synthesise(
        self, b: Float[Array, "*mixed"], space: tuple[int, ...]
    ) -> Float[Array, "out_channels *space"]:
        """The field on `space` points that has the coefficients `b`."""

    @abstractmethod
    def check_ends(self, axis: int) -> None:
        """Raise a ValueError where the kernel cannot tell the two end planes of an axis apart."""

    @abstractmethod
    def end_modes(
        self, planes: Float[Array, "2 channels *plane"], axis: int
    ) -> Float[Array, "2 modes size"]:
        """A field's two end planes in the coordinates in which the kernel is block-diagonal."""

    @abstractmethod
    def end_blocks(
        self, space: tuple[int, ...], axis: int, dtype
    ) -> Float[Array, "2 2 modes size size"]:
        """K_ij: what comes out in end plane i for a unit impulse in end plane j, mode by mode."""

    @abstractmethod
    def end_outputs(
        self, b: Float[Array, "*mixed"], space: tuple[int, ...], axis: int
    ) -> Float[Array, "2 modes size"]:
        """The end planes, in their modes, of the field that has the coefficients `b`."""

    @abstractmethod
    def end_inputs(
        self, ends: Float[Array, "2 modes size"], space: tuple[int, ...], axis: int
    ) -> Float[Array, "*coefficients"]:
        """The coefficients of the field that has these end planes and is zero elsewhere."""

    def __call__(
        self, x: Float[Array, "in_channels *space"]
    ) -> Float[Array, "out_channels *space"]:
        """Apply the kernel to one sample.

        Raises:
            ValueError: a field that does not fit the kernel.
        """
        return self.synthesise(self.mix(self.analyse(x)), x.shape[1:])
