"""Cuboid attention by NumPy and brute force: who sees whom is told from coordinates, not from a plan."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np


def drawn(build):
    """A layer with weights from NumPy, every one of order 0.5: JAX's compile anew for each shape."""
    random = np.random.default_rng(0)
    draw = lambda leaf: jnp.asarray(0.5 * random.normal(size=leaf.shape), leaf.dtype)
    is_shape = lambda leaf: isinstance(leaf, jax.ShapeDtypeStruct)
    return jax.tree.map(
        lambda leaf: draw(leaf) if is_shape(leaf) else leaf, eqx.filter_eval_shape(build)
    )


def norm(layer, x):
    centred = x - x.mean(-1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
    return scaled * np.asarray(layer.weight, float) + np.asarray(layer.bias, float)


def dense(layer, x):
    y = x @ np.asarray(layer.weight, float).T
    return y if layer.bias is None else y + np.asarray(layer.bias, float)


def attend(q, k, v, bias, seen, heads):
    """(queries, C), (keys, C), (keys, C), (queries, keys, heads), (queries, keys) -> (queries, C)."""
    d = q.shape[1] // heads
    out = []
    for h in range(heads):
        part = slice(h * d, (h + 1) * d)
        scores = q[:, part] @ k[:, part].T / np.sqrt(d) + bias[..., h]
        weights = np.where(seen, np.exp(scores - scores.max()), 0)
        out.append(weights @ v[:, part] / weights.sum(-1, keepdims=True))
    return np.concatenate(out, -1)


def place(i, n, b, s, letter):
    """The cuboid and the place in it of token i of n, and the end of the line that it comes from."""
    if n <= b:
        return 0, i, 0
    blocks = -(-n // b)
    if letter == "d":
        return i % blocks, i // blocks, 0
    rolled = (i - s) % (blocks * b)
    return rolled // b, rolled % b, int(i < s)


def self_attention(layer, x):
    """What `CuboidSelfAttention` without vectors finds, with hidden padding."""
    cuboid, shape = layer.cuboid, x.shape[:3]
    places = [
        [
            place(*a)
            for a in zip(token, shape, cuboid.size, cuboid.shift, cuboid.strategy, strict=True)
        ]
        for token in itertools.product(*map(range, shape))
    ]
    cut, inside, end = (np.array([[p[i] for p in axes] for axes in places]) for i in range(3))
    alike = lambda a: (a[:, None] == a[None]).all(-1)
    offsets = inside[:, None] - inside[None]
    table = np.asarray(layer.bias, float).reshape(*(2 * b - 1 for b in cuboid.size), layer.heads)
    bias = table[tuple(np.moveaxis(offsets + np.array(cuboid.size) - 1, -1, 0))]
    seen = alike(cut) & alike(end)
    tokens = norm(layer.norm, np.asarray(x, float).reshape(-1, x.shape[-1]))
    q, k, v = np.split(dense(layer.qkv, tokens), 3, -1)
    return dense(layer.out, attend(q, k, v, bias, seen, layer.heads)).reshape(x.shape)
