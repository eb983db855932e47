"""What convolutions of gathered rows save: value and gradient, inside a loop and outside, beside XLA's own.

`python -m experiments.speed.convolution` prints the time of one convolution of a batch of images with both its
gradients, alone and as the body of a loop of four, written as `jaxsci.nn` does on CPUs and left to XLA; then
that of a gradient step of ConvLSTM and of Earthformer, alone and in a loop of two, as `fit` has them. Medians
over alternated calls.
"""

from collections.abc import Callable
from unittest import mock

import equinox as eqx
import jax
import jax.numpy as jnp

from experiments.speed.timing import alternated
from jaxsci.nn.conv import convolve
from jaxsci.operators import ConvLSTM, Earthformer

# Batch, channels in and out, side of the images, side of the kernel.
SHAPES = ((16, 64, 128, 12, 5), (4, 64, 128, 12, 5), (8, 16, 32, 48, 3), (40, 32, 32, 24, 3))
FILM, FILMS = (10, 1, 24, 24), 4


def convolution(shape: tuple[int, ...], length: int) -> Callable:
    """Value and gradients of a convolution, alone or so many times in a loop."""
    batch, inputs, outputs, side, kernel = shape
    x = jax.random.normal(jax.random.key(0), (batch, side, side, inputs))
    w = 0.01 * jax.random.normal(jax.random.key(1), (kernel, kernel, inputs, outputs))

    def once(w, x):
        return jnp.mean(jax.vmap(lambda x: convolve(x, w))(x) ** 2)

    def loop(w, x):
        # Each depends on the one before, so that none is left out.
        return jax.lax.scan(lambda s, _: (s + once(w, x + s), None), jnp.zeros(()), None, length)[0]

    work = once if length == 1 else loop
    compiled = jax.jit(jax.value_and_grad(work, argnums=(0, 1))).lower(w, x).compile()
    return lambda: compiled(w, x)


def training(model: eqx.Module, length: int) -> Callable:
    """So many gradient steps of a forecaster of films in one program."""
    arrays, rest = eqx.partition(model, eqx.is_inexact_array)
    x = jax.random.normal(jax.random.key(1), (FILMS, *FILM))

    def loss(arrays):
        return jnp.mean(jax.vmap(lambda film: eqx.combine(arrays, rest)(film))(x) ** 2)

    def step(_, arrays):
        return jax.tree.map(lambda a, g: a - 1e-3 * g, arrays, jax.grad(loss)(arrays))

    def steps(arrays):
        return jax.lax.fori_loop(0, length, step, arrays) if length > 1 else step(0, arrays)

    compiled = jax.jit(steps).lower(arrays).compile()
    return lambda: compiled(arrays)


def compare(name: str, build: Callable[[int], Callable], length: int, repeats: int) -> None:
    """Print the times of ours and of XLA's convolutions, for one pass."""
    for count in (1, length):
        ours = build(count)
        with mock.patch("jaxsci.nn.conv.in_rows", return_value=False):
            theirs = build(count)
        a, b = (1e3 * t / count for t in alternated([ours, theirs], repeats=repeats))
        where = "in a loop" if count > 1 else "alone"
        print(f"{name:32s} {where:10s} {a:8.1f} ms, XLA {b:8.1f} ms, {b / a:6.2f}", flush=True)


def main() -> None:
    """Measure and print."""
    for shape in SHAPES:
        compare(f"convolution {shape}", lambda n, shape=shape: convolution(shape, n), 4, 5)
    key = jax.random.key(0)
    networks = {
        "ConvLSTM": ConvLSTM(width=(32,) * 3, patch=2, time_out=FILM[0], channels=1, key=key),
        "Earthformer": Earthformer(
            shape_in=FILM,
            shape_out=FILM,
            base=32,
            num_globals=8,
            decoder_globals=True,
            dropout=0.0,
            key=key,
        ),
    }
    for name, model in networks.items():
        compare(name, lambda n, model=model: training(model, n), 2, 3)


if __name__ == "__main__":
    main()
