"""What products of small matrices of our own save in attention, in loops and outside.

    python -m experiments.speed.attention

prints the time of value and gradients of attention in windows, as `jaxsci.nn` multiplies on CPUs and as
`jax.numpy.matmul` does, and of the one product in it that the compiler is slow at: that with the first factor
transposed. Medians over calls in turns.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import tyro

from experiments.speed.timing import alternated
from jaxsci.nn.products import small_products

# Windows times heads, tokens, channels of a head: about a million scores each.
CASES = ((65_536, 4, 16), (10_240, 10, 16), (4096, 16, 16), (1024, 32, 16), (256, 64, 16))
LOOP = 8


def plain(a, b, *, transposed: bool = False):
    """As XLA multiplies."""
    return jnp.matmul(a, jnp.swapaxes(b, -1, -2) if transposed else b)


def attention(product: Callable, q, k, v):
    """Gradients of attention by all three of its inputs."""

    def loss(q, k, v):
        scores = jax.nn.softmax(product(q, k, transposed=True) / q.shape[-1] ** 0.5, axis=-1)
        return jnp.mean(product(scores, v) ** 2)

    return jax.grad(loss, argnums=(0, 1, 2))(q, k, v)


def transposed(product: Callable, q, k, v):
    """One of the products in it: the gradient of q kᵀ by k, of which scores are the cotangent."""
    scores = jnp.broadcast_to(jnp.arange(k.shape[-2], dtype=k.dtype), (*k.shape[:-1], k.shape[-2]))
    return jax.vjp(lambda k: product(q, k, transposed=True), k)[1](scores * v[..., :1])


def looped(work: Callable) -> Callable:
    """The same on pieces, one after the other."""
    pieces = lambda x: x.reshape(LOOP, -1, *x.shape[1:])
    return lambda *at: jax.lax.map(lambda piece: work(*piece), tuple(map(pieces, at)))


def main(repeats: int = 15) -> None:
    """Each size in turn.

    Args:
        repeats: measurements of each.
    """
    for windows, tokens, channels in CASES:
        at = jax.random.normal(jax.random.key(0), (3, windows, tokens, channels))
        for name, work in {"attention": attention, "transposed product": transposed}.items():
            ours = lambda *at, work=work: work(small_products, *at)
            theirs = lambda *at, work=work: work(plain, *at)
            calls = [jax.jit(f) for f in (ours, theirs, looped(ours), looped(theirs))]
            times = alternated(calls, *at, repeats=repeats)
            shown = [
                f"{1e3 * ours:6.1f} ms, matmul {1e3 * theirs:6.1f} ms ({theirs / ours:5.2f})"
                for ours, theirs in (times[:2], times[2:])
            ]
            print(
                f"{windows:6d} windows of {tokens:2d} tokens, {name:18s}: {shown[0]}; in a loop {shown[1]}",
                flush=True,
            )


if __name__ == "__main__":
    tyro.cli(main)
