"""Cuboid self-attention against brute force: cuboids, shifts, padding, chunks and global vectors."""

import importlib.util
import pathlib

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.nn import Cuboid, CuboidPlan, CuboidSelfAttention
from jaxsci.nn.cuboid.attend import combine, part
from jaxsci.nn.cuboid.chunks import chunk_count
from jaxsci.nn.cuboid.fused import fused, has_fused
from jaxsci.nn.dropout import Dropout

spec = importlib.util.spec_from_file_location(
    "reference", pathlib.Path(__file__).with_name("reference.py")
)
reference = importlib.util.module_from_spec(spec)
spec.loader.exec_module(reference)

KEY = jax.random.key(0)


def layer(*size, shift=(0, 0, 0), strategy="lll", **options):
    return reference.drawn(
        lambda: CuboidSelfAttention(
            8, heads=2, cuboid=Cuboid(size, shift, strategy), key=KEY, **options
        )
    )


def field(*shape, key=1):
    return jnp.asarray(np.random.default_rng(key).normal(size=(*shape, 8)), jnp.float32)


@eqx.filter_jit
def found(attention, x, vectors=None, **options):
    return attention(x, vectors, **options)


VECTORS = field(3, key=2)


@pytest.mark.parametrize(
    ("attention", "shape"),
    [
        (layer(2, 3, 4), (2, 3, 4)),
        (layer(3, 1, 1), (3, 2, 2)),
        (layer(1, 2, 2, strategy="ldd"), (2, 4, 6)),
        (layer(2, 2, 2, shift=(1, 1, 1)), (4, 4, 6)),
        (layer(2, 2, 4, shift=(1, 1, 0)), (3, 5, 3)),
        (layer(2, 3, 2, strategy="dld"), (3, 5, 3)),
    ],
    ids=["full", "line", "dilated", "shifted", "shifted and padded", "dilated and padded"],
)
def test_equals_dense_attention_between_those_that_see_each_other(attention, shape):
    x = field(*shape)
    # Float32 sums of at most 24 terms of order one.
    expected = reference.self_attention(attention, x)
    np.testing.assert_allclose(found(attention, x)[0], expected, rtol=1e-4, atol=1e-5)


def test_equals_the_multi_head_attention_of_torch():
    torch = pytest.importorskip("torch")
    attention, x = layer(2, 3, 4), field(2, 3, 4)
    attention = eqx.tree_at(lambda m: m.bias, attention, 0 * attention.bias)
    peer = torch.nn.MultiheadAttention(8, 2, batch_first=True)
    tensor = lambda a: torch.tensor(np.array(a))
    with torch.no_grad():
        peer.in_proj_weight.copy_(tensor(attention.qkv.weight))
        peer.in_proj_bias.zero_()
        peer.out_proj.weight.copy_(tensor(attention.out.weight))
        peer.out_proj.bias.copy_(tensor(attention.out.bias))
        scale, offset = tensor(attention.norm.weight), tensor(attention.norm.bias)
        tokens = torch.nn.functional.layer_norm(tensor(x).reshape(1, -1, 8), (8,), scale, offset)
        expected = peer(tokens, tokens, tokens)[0].reshape(2, 3, 4, 8).numpy()
    np.testing.assert_allclose(found(attention, x)[0], expected, rtol=1e-5, atol=1e-5)


OPTIONS = {"vectors": True, "separate": True, "vector_attention": True}


@pytest.mark.parametrize(
    ("device", "count", "tokens", "chunks"),
    [
        ("cpu", 1000, 64, 50),  # 64,000 tokens, of which 1024 fill the cache
        ("gpu", 1000, 64, 1),  # four million scores
        ("gpu", 1000, 1000, 20),  # a billion, of which 2^26 are a fifteenth
        ("gpu", 1, 10**5, 1),  # a cuboid is never cut
    ],
)
def test_chunks_bound_what_lies_in_between(device, count, tokens, chunks, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: device)
    assert chunk_count(count, tokens, 64, None) == chunks


@pytest.mark.slow
def test_chunks_change_nothing_but_the_order_of_sums():
    x = field(3, 5, 3)
    cut = {"shift": (1, 1, 0), **OPTIONS}
    whole, parted = (layer(2, 2, 2, **cut, chunk=c) for c in (10**6, 16))

    @eqx.filter_jit
    def value_and_gradient(attention):
        def loss(attention):
            y, g = attention(x, VECTORS, then=lambda x, y, *, seed: x + y)
            return jnp.sum(y**3) + jnp.sum(g**3)

        return eqx.filter_value_and_grad(loss)(attention)

    (a, da), (b, db) = value_and_gradient(whole), value_and_gradient(parted)
    np.testing.assert_allclose(a, b, rtol=1e-5)
    for one, other in zip(jax.tree.leaves(da), jax.tree.leaves(db), strict=True):
        # Float32 sums of some hundred terms, in another order.
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-3 * float(jnp.abs(one).max()))


@pytest.mark.usefixtures("x64")
def test_derivative_is_that_of_finite_differences():
    x = field(1, 3, 3).astype(jnp.float64)
    vectors = VECTORS.astype(jnp.float64)
    attention = jax.tree.map(
        lambda a: a.astype(jnp.float64) if eqx.is_array(a) else a,
        layer(1, 2, 2, **OPTIONS, chunk=4),
    )

    @jax.jit
    def along(t):
        y, g = attention(jnp.cos(t * x), vectors)
        return jnp.sum(jnp.sin(3 * y)) + jnp.sum(g**2)

    t, h = jnp.float64(0.7), 1e-5
    numeric = (along(t + h) - along(t - h)) / (2 * h)
    # Central differences: h² of truncation and 1e-16/h of round-off.
    np.testing.assert_allclose(jax.jit(jax.grad(along))(t), numeric, rtol=1e-7)


@pytest.mark.parametrize("options", [{}, OPTIONS], ids=["shared", "separate"])
def test_hidden_padding_has_no_influence(options):
    attention = layer(2, 2, 2, shift=(1, 1, 0), **{"vectors": True, **options})
    x = field(3, 5, 3)
    plan = CuboidPlan((3, 5, 3), attention.cuboid)
    valid = plan.valid()
    shared = attention.vectors.project(VECTORS, dropout=attention.dropout, seed=None)
    bias = jnp.zeros((2, 8, 8))

    @jax.jit
    def chunk(cut):
        y, seen = attention._chunk((cut, plan.regions(), valid, None), bias, shared, seed=None)
        return y, combine([seen])

    cut = plan.cut(x)
    filled = jnp.where(valid[..., None], cut, 1e3 * jnp.arange(8.0))
    (y, g), (other_y, other_g) = chunk(cut), chunk(filled)
    np.testing.assert_array_equal(y[valid], other_y[valid])
    np.testing.assert_array_equal(g, other_g)


def test_zeros_as_padding_are_attended_to():
    x = field(1, 3, 3)
    ignored, zeros = (found(layer(1, 2, 2, padding=p), x)[0] for p in ("ignore", "zeros"))
    assert not np.allclose(ignored, zeros, atol=1e-3)
    # The first cuboid is full: there nothing changes.
    # Two programs, which may round differently.
    np.testing.assert_allclose(ignored[:, :2, :2], zeros[:, :2, :2], rtol=1e-5, atol=1e-6)


def test_zeros_that_fill_up_have_no_key_and_no_value():
    """As in the published code, which fills up after the norm: its offset is not theirs."""
    attention = layer(2, 1, 1, padding="zeros")
    x = field(3, 1, 1)
    token = attention.norm(x[2, 0, 0])
    q, k, v = attention.qkv(token).reshape(3, 2, 4)
    # Of the offsets -1, 0 and 1 that the table knows, a first token meets itself and the one after it.
    bias = attention.bias[jnp.array([1, 0])]
    scores = jnp.stack([(q * k).sum(-1) / 2, jnp.zeros(2)]) + bias
    expected = attention.out((jax.nn.softmax(scores, axis=0)[0][:, None] * v).reshape(-1))
    # Sums of at most eight numbers of order one.
    np.testing.assert_allclose(found(attention, x)[0][2, 0, 0], expected, rtol=1e-4, atol=1e-5)


def test_shifting_is_rolling_where_nothing_is_masked():
    attention = layer(1, 2, 2, shift=(0, 1, 1))
    x = field(2, 4, 4)
    plan = CuboidPlan((2, 4, 4), attention.cuboid)
    still = CuboidPlan((2, 4, 4), Cuboid((1, 2, 2)))
    bias = jnp.zeros((2, 4, 4))
    chunk = jax.jit(lambda cut: attention._chunk((cut, None, None, None), bias, None, seed=None)[0])
    rolled = still.join(chunk(still.cut(jnp.roll(x, (-1, -1), (1, 2)))))
    np.testing.assert_array_equal(plan.join(chunk(plan.cut(x))), jnp.roll(rolled, (1, 1), (1, 2)))


def dependence(function, shape):
    """Which output tokens depend on which input tokens, from the Jacobian."""
    jacobian = jax.jit(jax.jacrev(lambda x: function(x).sum(-1)))(field(*shape))
    tokens = int(np.prod(shape))
    return (np.abs(np.asarray(jacobian)).sum(-1) > 0).reshape(tokens, tokens)


@pytest.mark.slow
def test_regions_are_not_mixed_and_axial_layers_reach_everything_in_three_steps():
    swin = layer(1, 2, 2, shift=(0, 1, 1))
    shape = (1, 4, 4)
    depends = dependence(lambda x: swin(x)[0], shape)
    # Cuboids shifted by one: corners alone, pairs along edges, and one full window in the middle.
    assert sorted(depends.sum(1).tolist()) == [1] * 4 + [2] * 8 + [4] * 4
    line = layer(2, 1, 1), layer(1, 3, 1), layer(1, 1, 4)
    shape = (2, 3, 4)
    one = dependence(lambda x: line[1](x)[0], shape)
    assert (one.sum(1) == 3).all()

    def three(x):
        for attention in line:
            x = x + attention(x)[0]
        return x

    assert dependence(three, shape).all()


@pytest.fixture(params=[{}, OPTIONS], ids=["shared", "separate"])
def seeing(request):
    return layer(1, 2, 2, **{"vectors": True, **request.param})


def test_vectors_reach_every_token_in_one_layer_and_carry_between_cuboids_in_two(seeing):
    x = field(1, 4, 4)
    y, g = found(seeing, x, VECTORS)
    other, _ = found(seeing, x, field(3, key=9))
    assert (np.abs(y - other).max(-1) > 1e-4).all()

    def layers(count):
        def run(x):
            vectors = VECTORS
            for _ in range(count):
                found, moved = seeing(x, vectors)
                x, vectors = x + found, vectors + moved
            return x[0, 0, 0].sum()

        return np.abs(np.asarray(jax.jit(jax.grad(run))(x))).sum(-1)[0]

    assert (layers(1)[2:] == 0).all()
    assert (layers(2) > 0).all()
    # What vectors find does not depend on the order of cuboids.
    moved = jnp.roll(x, (2, 2), (1, 2))
    np.testing.assert_allclose(found(seeing, moved, VECTORS)[1], g, rtol=1e-4, atol=1e-5)


def test_compat_keeps_the_masks_of_the_published_code():
    """They matter where padding is hidden, and only for what the vectors find."""
    right, published = (
        layer(1, 2, 2, vectors=True, compat=c, chunk=10**6) for c in (None, "earthformer")
    )
    x = field(1, 3, 3)
    (y, g), (other_y, other_g) = (found(a, x, VECTORS) for a in (right, published))
    np.testing.assert_array_equal(y, other_y)
    assert not np.allclose(g, other_g, atol=1e-3)


def test_dropout_needs_a_key_and_is_the_same_for_the_same_key():
    attention = layer(1, 2, 2, dropout=0.5, chunk=4)
    x = field(1, 4, 4)
    one, two, other = (found(attention, x, key=jax.random.key(i))[0] for i in (3, 3, 4))
    np.testing.assert_array_equal(one, two)
    assert np.any(one != other)
    # Half of the outputs are dropped, whatever the weights: 128 draws, and five standard errors of 0.044.
    assert abs(float((one == 0).mean()) - 0.5) < 0.22
    np.testing.assert_array_equal(found(attention, x)[0], found(attention, x)[0])


@pytest.mark.parametrize("masked", [False, True])
def test_fused_kernels_are_given_the_same_attention(masked):
    q, k, v = field(3, 4, 2, 6, key=5)
    bias = field(2, 6, 6, key=6)[..., 0]
    seen = (jnp.arange(6)[:, None] // 3 == jnp.arange(6) // 3)[None, None] if masked else None
    if seen is not None:
        seen = jnp.broadcast_to(seen, (4, 1, 6, 6))
    plain = combine([part(q, k, v, bias=bias, seen=seen, dropout=Dropout(0.0))])
    kernel = fused(q, k, v, bias=bias[None], seen=seen, implementation="xla")
    np.testing.assert_allclose(kernel, plain, rtol=1e-5, atol=1e-5)
    # No CPU has one, and single precision is never handed to it.
    assert not has_fused(q, k)


@pytest.mark.parametrize("options", [{"heads": 3}, {"heads": 0}])
def test_heads_must_divide_the_width(options):
    with pytest.raises(ValueError, match=r"heads to divide the width.*choose for example"):
        CuboidSelfAttention(8, cuboid=Cuboid((1, 1, 1)), key=KEY, **options)


def test_missing_vectors_are_named():
    with pytest.raises(ValueError, match=r"global vectors beside the field, got none"):
        layer(1, 2, 2, vectors=True)(field(1, 2, 2))
