"""Unrolled or scanned: what do equal stacks of cuboid attention cost to compile and to train?

`python -m experiments.speed.stacks` times value and gradient of so many axial stacks in a row, each on its own
weights, in turns, and how long each form takes to compile.
"""

import time
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp

from experiments.speed.timing import alternated
from jaxsci.nn import CuboidStack, self_pattern

# stacks, tokens (time, height, width), channels: the levels of the published model for N-body MNIST last.
CASES = ((2, (5, 8, 8), 16), (4, (5, 8, 8), 16), (4, (10, 32, 32), 64), (4, (10, 16, 16), 128))
HEADS = 4


def unrolled(stacks: tuple[CuboidStack, ...], x):
    """One stack after the other."""
    for stack in stacks:
        x, _ = stack(x)
    return jnp.sum(x**2)


def scanned(stacks: CuboidStack, x):
    """The same as a loop over weights that lie behind each other."""
    arrays, static = eqx.partition(stacks, eqx.is_array)

    def body(x, arrays):
        x, _ = eqx.combine(arrays, static)(x)
        return x, None

    return jnp.sum(jax.lax.scan(body, x, arrays)[0] ** 2)


def compiled(loss: Callable, stacks, x) -> tuple[Callable, float]:
    """Value and gradient, and the seconds that it took to compile them."""
    arrays, static = eqx.partition(stacks, eqx.is_array)
    step = jax.jit(jax.value_and_grad(lambda arrays, x: loss(eqx.combine(arrays, static), x)))
    start = time.perf_counter()
    program = step.lower(arrays, x).compile()
    return lambda x: program(arrays, x), time.perf_counter() - start


def main() -> None:
    """Print the table."""
    print(f"platform {jax.default_backend()}, float32, value and gradient, one film")
    print(
        "stacks  tokens        channels  compile, s: unrolled  scanned   step, ms: unrolled  scanned"
    )
    for count, shape, width in CASES:
        build = eqx.filter_jit(
            lambda key, s=shape, w=width: CuboidStack(
                w, heads=HEADS, pattern=self_pattern("axial", s), key=key
            )
        )
        stacks = tuple(build(key) for key in jax.random.split(jax.random.key(0), count))
        together = jax.tree.map(
            lambda *leaves: jnp.stack(leaves) if eqx.is_array(leaves[0]) else leaves[0], *stacks
        )
        x = jax.random.normal(jax.random.key(1), (*shape, width))
        one, one_seconds = compiled(unrolled, stacks, x)
        other, other_seconds = compiled(scanned, together, x)
        times = alternated([one, other], x)
        print(
            f"{count:6d}  {shape!s:12}  {width:8d}  {one_seconds:20.1f}  {other_seconds:7.1f}"
            f"   {1e3 * times[0]:18.1f}  {1e3 * times[1]:7.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
