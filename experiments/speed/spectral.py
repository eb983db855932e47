"""FFT or truncated transform as a matrix product: which one is faster for a spectral convolution?

`python -m experiments.speed.spectral` times value and gradient of one layer, both ways in turns. What it
finds on a platform is written into `jaxsci/nn/_transform.py`, the one place that chooses.
"""

import jax
import jax.numpy as jnp

from experiments.speed.timing import alternated
from jaxsci.nn import SpectralConv, choose_transform

# batch, channels, points, modes
CASES = [
    (20, 32, (256,), (16,)),
    (20, 64, (1024,), (16,)),
    (20, 64, (1024,), (64,)),
    (20, 64, (1024,), (256,)),
    (4, 32, (8192,), (16,)),
    (4, 32, (8192,), (256,)),
    (64, 24, (16, 16), (8, 8)),
    (20, 32, (64, 64), (12, 12)),
    (20, 32, (64, 64), (24, 24)),
    (4, 32, (128, 128), (48, 48)),
    (1, 32, (256, 256), (12, 12)),
    (2, 16, (32, 32, 32), (8, 8, 8)),
]


def layer(channels: int, modes: tuple[int, ...], transform):
    """Value and gradient of one spectral convolution over a batch, compiled."""
    conv = SpectralConv(
        in_channels=channels,
        out_channels=channels,
        modes=modes,
        transform=transform,
        key=jax.random.key(0),
    )
    loss = lambda conv, x: jnp.sum(jax.vmap(conv)(x) ** 2)
    call = jax.jit(jax.value_and_grad(loss, argnums=(0, 1)))
    return lambda x: call(conv, x)


def main() -> None:
    """Print the table."""
    print(f"platform {jax.default_backend()}, float32, value and gradient, milliseconds")
    print("batch channels points -> modes            fft     dft   fft/dft   chosen")
    for size, channels, space, modes in CASES:
        x = jax.random.normal(jax.random.key(1), (size, channels, *space))
        fft, dft = alternated([layer(channels, modes, "fft"), layer(channels, modes, "dft")], x)
        name = f"{size:3d} {channels:3d} {space} -> {modes}"
        chosen = choose_transform(space, modes)
        print(f"{name:36s} {1e3 * fft:8.2f} {1e3 * dft:7.2f} {fft / dft:7.2f}     {chosen}")


if __name__ == "__main__":
    main()
