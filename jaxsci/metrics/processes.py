"""What the processes of a distributed run counted, brought together on each of them."""

import numpy as np
from jaxtyping import Shaped


def gathered(values: Shaped[np.ndarray, "*shape"]) -> Shaped[np.ndarray, "processes *shape"]:
    """The values of all processes, in 64 bits and to the last of them.

    Args:
        values: integers or floats of 64 bits, of the same shape on every process.
    """
    from jax.experimental import multihost_utils

    # As pairs of 32-bit words: JAX would cut 64-bit numbers to 32 bits.
    words = np.ascontiguousarray(values).view(np.uint32)
    everywhere = np.asarray(multihost_utils.process_allgather(words))
    everywhere = np.ascontiguousarray(everywhere.reshape(-1, *words.shape))
    return everywhere.view(values.dtype)
