"""What chunks of cuboids save: one axial stack of Earthformer and a training step of its N-body model.

`python -m experiments.speed.earthformer` prints the time of value and gradient of one axial stack on films of
10 x 32 x 32 tokens with 64 channels, worked on as a whole and in chunks, with the memory for temporaries; the
same stack in plain torch where that is installed; and a training step of the N-body model (AdamW, dropout on).
Medians over alternated calls.
"""

import importlib.util

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

from experiments.speed.timing import alternated
from jaxsci.nn import CuboidStack, self_pattern
from jaxsci.operators import Earthformer

SHAPE = (10, 32, 32)
WIDTH = 64


def stack(batch: int, chunk: int | None, *, exact: bool):
    """A compiled value and gradient of one axial stack, and its bytes for temporaries."""
    layers = CuboidStack(
        WIDTH,
        heads=4,
        pattern=self_pattern("axial", SHAPE),
        compat="earthformer" if exact else None,
        chunk=chunk,
        key=jax.random.key(0),
    )
    arrays, rest = eqx.partition(layers, eqx.is_inexact_array)
    x = jax.random.normal(jax.random.key(1), (batch, *SHAPE, WIDTH))

    def loss(arrays, x):
        return jnp.mean(jax.vmap(lambda film: eqx.combine(arrays, rest)(film)[0])(x) ** 2)

    compiled = jax.jit(jax.value_and_grad(loss, argnums=(0, 1))).lower(arrays, x).compile()
    memory = compiled.memory_analysis()
    return lambda: compiled(arrays, x), memory.temp_size_in_bytes if memory else 0


def peer(batch: int):
    """The same stack in plain torch, attention materialised as in the authors' code."""
    import torch  # pyright: ignore[reportMissingImports]
    from torch import nn  # pyright: ignore[reportMissingImports]

    class Axial(nn.Module):
        def __init__(self, axis):
            super().__init__()
            self.axis, length = axis, SHAPE[axis]
            self.norms = nn.ModuleList([nn.LayerNorm(WIDTH) for _ in range(2)])
            self.qkv = nn.Linear(WIDTH, 3 * WIDTH, bias=False)
            self.out = nn.Linear(WIDTH, WIDTH)
            self.bias = nn.Parameter(torch.zeros(2 * length - 1, 4))
            index = torch.arange(length)
            self.register_buffer("index", index[:, None] - index[None] + length - 1)
            self.hidden = nn.Sequential(
                nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH)
            )

        def forward(self, x):
            lines = self.norms[0](x).movedim(1 + self.axis, -2)
            q, k, v = self.qkv(lines).unflatten(-1, (3, 4, -1)).movedim(-3, 0).transpose(-2, -3)
            scores = q @ k.transpose(-1, -2) / 4 + self.bias[self.index].movedim(-1, 0)
            lines = (scores.softmax(-1) @ v).transpose(-2, -3).flatten(-2)
            x = x + self.out(lines).movedim(-2, 1 + self.axis)
            return x + self.hidden(self.norms[1](x))

    torch.set_num_threads(2)
    layers = nn.Sequential(*(Axial(axis) for axis in range(3)))
    x = torch.randn(batch, *SHAPE, WIDTH, requires_grad=True)

    def call():
        layers.zero_grad()
        (layers(x) ** 2).mean().backward()

    return call


def training_step(batch: int):
    """A compiled training step of the N-body model."""
    model = Earthformer.preset("nbody", key=jax.random.key(0), compat=None)
    arrays, rest = eqx.partition(model, eqx.is_inexact_array)
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(1e-3, weight_decay=1e-5))
    x, y = jax.random.uniform(jax.random.key(1), (2, batch, *model.shape_in))

    @jax.jit
    def step(arrays, state):
        def loss(arrays):
            keys = jax.random.split(jax.random.key(2), batch)
            forecast = jax.vmap(lambda film, k: eqx.combine(arrays, rest)(film, key=k))(x, keys)
            return jnp.mean((forecast - y) ** 2)

        value, gradient = jax.value_and_grad(loss)(arrays)
        updates, state = optimizer.update(gradient, state, arrays)
        return value, optax.apply_updates(arrays, updates), state

    state = optimizer.init(arrays)
    return lambda: step(arrays, state)


def main(batches: tuple[int, ...] = (1, 4), repeats: int = 9) -> None:
    """The stack at each batch size, then the training step."""
    for batch in batches:
        cases = {
            "whole": stack(batch, 10**9, exact=False),
            "chunks": stack(batch, None, exact=False),
            "chunks, exact GELU": stack(batch, None, exact=True),
        }
        calls = {name: call for name, (call, _) in cases.items()}
        if importlib.util.find_spec("torch"):
            calls["torch"] = peer(batch)
        seconds = alternated(list(calls.values()), repeats=repeats)
        for name, taken in zip(calls, seconds, strict=True):
            memory = f"{cases[name][1] / 1e6:8.0f} MB" if name in cases else ""
            print(
                f"axial stack, batch {batch}, {name:20s} {1e3 * taken:8.0f} ms {memory}", flush=True
            )
    (taken,) = alternated([training_step(1)], repeats=3)
    print(f"N-body model, training step, batch 1 {taken:8.2f} s")


if __name__ == "__main__":
    main()
