"""A while loop that differentiates in reverse mode inside of ``jax.shard_map``.

The forward pass keeps the states that blocks of √max_steps steps start from. The reverse pass goes
through the blocks backwards, takes the steps of one again, keeping the states between them, and
pulls the cotangent back through these: a step is computed three times in all.

Reference: A. Griewank, Optim. Methods Softw. 1 (1992) 35, doi:10.1080/10556789208805505, for the
general trade; this is its two-level case.
"""

import math
from collections.abc import Callable
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jax.core import eval_jaxpr
from jaxtyping import Array, Bool, Int

Carry = TypeVar("Carry")
Leaves = list[Any]


def checkpointed_while(
    unfinished: Callable[[Carry], Bool[Array, ""]],
    advance: Callable[[Carry], Carry],
    carry: Carry,
    max_steps: int,
) -> Carry:
    """The carry when it is no longer unfinished, or after max_steps steps.

    Equinox's loop does the same, but inside of ``jax.shard_map`` it takes its own counter for that
    of another loop (github.com/patrick-kidger/equinox/pull/1261).

    Args:
        unfinished: whether to go on.
        advance: the step. What it closes over is differentiated, too.
        carry: arrays.
        max_steps: most steps to take.
    """
    length = math.isqrt(max_steps - 1) + 1
    leaves, tree = jax.tree.flatten(carry)
    test, test_consts = _explicit(unfinished, carry)
    step, step_consts = _explicit(advance, carry)

    def forward(tested: Leaves, stepped: Leaves, x: Leaves) -> tuple[Leaves, Any]:
        def block(x: Leaves) -> Leaves:
            ahead = lambda s: (s[0] < length) & test(tested, s[1])[0]
            return lax.while_loop(ahead, lambda s: (s[0] + 1, step(stepped, s[1])), (0, x))[1]

        blocks, last, starts = _recorded(lambda x: test(tested, x)[0], block, x, length)
        return last, (tested, stepped, blocks, starts)

    def backward(kept: Any, cotangents: Leaves) -> tuple[Leaves, Leaves, Leaves]:
        tested, stepped, blocks, starts = kept

        def through_block(i: Array, sums: Any) -> Any:
            begin = _at(starts, blocks - 1 - i)
            steps, _, states = _recorded(
                lambda x: test(tested, x)[0], lambda x: step(stepped, x), begin, length
            )

            def through_step(j: Array, sums: Any) -> Any:
                x = _at(states, steps - 1 - j)
                change, cotangents = _pulled_back(step, stepped, x, sums[1])
                return jax.tree.map(jnp.add, sums[0], change), cotangents

            return lax.fori_loop(0, steps, through_step, sums)

        total = jax.tree.map(jnp.zeros_like, eqx.filter(stepped, eqx.is_inexact_array))
        # The cotangents of whole numbers are none.
        real = [
            c if eqx.is_inexact_array(x) else None for c, x in zip(cotangents, starts, strict=True)
        ]
        total, real = lax.fori_loop(0, blocks, through_block, (total, real))
        return [None] * len(tested), total, real

    loop = jax.custom_vjp(lambda *args: forward(*args)[0])
    loop.defvjp(forward, backward)
    return tree.unflatten(loop(test_consts, step_consts, leaves))


def _explicit(
    function: Callable[[Any], Any], carry: Any
) -> tuple[Callable[[Leaves, Leaves], Leaves], Leaves]:
    """The function of what it closes over and of its argument, as lists, and what it closes over."""
    closed = jax.make_jaxpr(function)(carry)
    return lambda consts, x: eval_jaxpr(closed.jaxpr, consts, *x), list(closed.consts)


def _recorded(
    unfinished: Callable[[Leaves], Bool[Array, ""]],
    advance: Callable[[Leaves], Leaves],
    x: Leaves,
    length: int,
) -> tuple[Int[Array, ""], Leaves, Leaves]:
    """Number of steps, at most `length`, the state after them, and the states before each."""

    def record(carry: Any) -> Any:
        i, x, kept = carry
        return i + 1, advance(x), [k.at[i].set(v) for k, v in zip(kept, x, strict=True)]

    empty = [jnp.zeros((length, *v.shape), v.dtype) for v in x]
    return lax.while_loop(lambda c: (c[0] < length) & unfinished(c[1]), record, (0, x, empty))


def _at(states: Leaves, i: Array) -> Leaves:
    return [lax.dynamic_index_in_dim(kept, i, keepdims=False) for kept in states]


def _pulled_back(
    step: Callable[[Leaves, Leaves], Leaves], consts: Leaves, x: Leaves, cotangents: Leaves
) -> tuple[Leaves, Leaves]:
    """The cotangents of the constants and of the state before a step, from those after it."""
    real, whole = eqx.partition((consts, x), eqx.is_inexact_array)
    after = lambda real: eqx.filter(step(*eqx.combine(real, whole)), eqx.is_inexact_array)
    return jax.vjp(after, real)[1](cotangents)[0]
