"""The operator with its surroundings, and what it has to beat."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from experiments.fno.config import Network
from experiments.fno.samples import Samples
from jaxsci.data import Normalizer
from jaxsci.operators import FNO


class PaddedFNO(eqx.Module):
    """An FNO on normalised fields, with room beyond their upper ends where they are not periodic.

    Args:
        fno: the operator.
        inputs: scale of the input.
        outputs: scale of the output.
        padding: zeros appended along every axis, as a share of its points.
    """

    fno: FNO
    inputs: Normalizer
    outputs: Normalizer
    padding: float = eqx.field(static=True)

    def __call__(self, x: Float[Array, "1 *space"]) -> Float[Array, "1 *space"]:
        """Map one sample."""
        space = x.shape[1:]
        room = [(0, 0), *((0, round(self.padding * n)) for n in space)]
        v = self.fno(jnp.pad(self.inputs.encode(x), room))
        return self.outputs.decode(v[(slice(None), *(slice(0, n) for n in space))])


def build(network: Network, train: Samples, *, key: PRNGKeyArray) -> PaddedFNO:
    """The operator with random weights, scaled for the training data."""
    ndim = train.x.ndim - 2
    fno = FNO(
        in_channels=1,
        out_channels=1,
        width=network.width,
        modes=(network.modes,) * ndim,
        depth=network.depth,
        key=key,
    )
    scales = (Normalizer.fit(fields, ndim=ndim) for fields in (train.x, train.y))
    return PaddedFNO(fno, *scales, padding=network.padding)


class LinearMap(eqx.Module):
    """Ridge regression between the leading principal components of inputs and solutions.

    Attributes:
        center: mean input and mean solution.
        encode: principal directions of the inputs.
        decode: map from their coefficients to solutions.
    """

    center: tuple[np.ndarray, np.ndarray]
    encode: np.ndarray
    decode: np.ndarray

    @classmethod
    def fit(cls, train: Samples, *, components: int = 128, ridge: float = 1e-6) -> "LinearMap":
        """Least squares with a little damping, relative to the largest variance."""
        x, y = (np.asarray(f, np.float64).reshape(len(f), -1) for f in (train.x, train.y))
        center = x.mean(0), y.mean(0)
        x, y = x - center[0], y - center[1]
        *_, directions = np.linalg.svd(x, full_matrices=False)
        encode = directions[:components].T
        z = x @ encode
        gram = z.T @ z
        damping = ridge * gram.max() * np.eye(len(gram))
        return cls(center, encode, np.linalg.solve(gram + damping, z.T @ y))

    def __call__(self, x: Float[Array, "samples 1 *space"]) -> Float[Array, "samples 1 *space"]:
        """Map a batch at the resolution of the training."""
        flat = np.asarray(x, np.float64).reshape(len(x), -1) - self.center[0]
        y = self.center[1] + flat @ self.encode @ self.decode
        return jnp.asarray(y.reshape(x.shape), x.dtype)
