"""FNO: shapes in one, two and three dimensions, resolutions, parameters, learning."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.operators import FNO


@pytest.mark.parametrize(
    ("space", "modes"), [((32,), (8,)), ((16, 12), (4, 5)), ((8, 6, 8), (3, 2, 3))]
)
def test_every_dimension_and_the_parameter_count(space, modes, key):
    width, projection, depth = 6, 10, 2
    fno = FNO(
        in_channels=2,
        out_channels=3,
        width=width,
        modes=modes,
        depth=depth,
        projection=projection,
        key=key,
    )
    assert jax.eval_shape(fno, jnp.ones((2, *space))).shape == (3, *space)
    kept = np.prod([2 * m for m in modes[:-1]] + [modes[-1]])
    pointwise = lambda i, o: i * o + o
    expected = (
        pointwise(2 + len(modes), width)
        + depth * (2 * kept * width**2 + pointwise(width, width))
        + pointwise(width, projection)
        + pointwise(projection, 3)
    )
    assert sum(leaf.size for leaf in jax.tree.leaves(fno)) == expected


def test_the_last_block_matters(key):
    """A published baseline computed its last block and dropped the result."""
    fno = FNO(in_channels=1, out_channels=1, width=4, modes=(3,), depth=2, key=key)
    x = jnp.sin(jnp.arange(16.0))[None]
    gradient = jax.jit(jax.grad(lambda m: jnp.sum(m(x) ** 2)))(fno)
    assert all(jnp.any(leaf != 0) for leaf in jax.tree.leaves(gradient.blocks[-1]))


@pytest.mark.usefixtures("x64")
def test_resolution_changes_nothing_for_smooth_fields(key):
    fno = FNO(in_channels=1, out_channels=1, width=4, modes=(3,), depth=1, key=key)
    fno = jax.tree.map(lambda w: w.astype(float), fno)
    field = lambda n: jnp.sin(2 * jnp.pi * jnp.arange(1.0 * n) / n)[None]
    # One layer: only the sawtooth of the coordinate channel is not band-limited, O(1/n) aliasing.
    call = jax.jit(lambda m, x: m(x))
    coarse, fine = call(fno, field(64)), call(fno, field(128))[:, ::2]
    assert jnp.abs(coarse - fine).max() < 0.05 * jnp.abs(fine).max()
    plain = FNO(
        in_channels=1, out_channels=1, width=4, modes=(3,), depth=1, coordinates=False, key=key
    )
    plain = jax.tree.map(lambda w: w.astype(float), plain)
    coarse, fine = call(plain, field(64)), call(plain, field(128))[:, ::2]
    np.testing.assert_allclose(coarse, fine, atol=1e-13)


def test_learns_a_shift(key):
    """A translation is one multiplication in mode space: a small FNO must find it."""
    fno = FNO(in_channels=1, out_channels=1, width=8, modes=(5,), depth=2, projection=16, key=key)
    phase = jax.random.uniform(jax.random.key(1), (64, 1, 1), maxval=6.28)
    s = 2 * jnp.pi * jnp.arange(32.0) / 32
    x, y = jnp.sin(s + phase), jnp.sin(s + phase + 1.0)
    rate = 1e-3

    @jax.jit
    def train(fno):
        def step(carry, _):
            fno, state = carry
            loss, grads = jax.value_and_grad(lambda m: jnp.mean((jax.vmap(m)(x) - y) ** 2))(fno)
            # Adam of optax needs implicit promotion; the sign of a smoothed gradient is enough here.
            state = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, state, grads)
            return (jax.tree.map(lambda w, m: w - rate * jnp.sign(m), fno, state), state), loss

        return jax.lax.scan(step, (fno, jax.tree.map(jnp.zeros_like, fno)), length=300)[1]

    losses = train(fno)
    # The mean square of the target is 0.5.
    assert losses[-1] < 5e-3 < 0.1 < losses[0]


def test_bad_input_is_refused(key):
    fno = FNO(in_channels=3, out_channels=1, width=4, modes=(3,), depth=1, key=key)
    with pytest.raises(
        ValueError,
        match=r"FNO expected x of shape \(channels=3, nx\), got \(8, 3, 64\); use jax.vmap",
    ):
        fno(jnp.ones((8, 3, 64)))
    with pytest.raises(ValueError, match="channels=3"):
        fno(jnp.ones((2, 64)))
    with pytest.raises(ValueError, match="at least"):
        fno(jnp.ones((3, 3)))
    with pytest.raises(ValueError, match="width to be a whole number >= 1, got 0"):
        FNO(in_channels=3, out_channels=1, width=0, modes=(3,), key=key)
    with pytest.raises(ValueError, match=r"write modes=\(16,\)"):
        FNO(in_channels=3, out_channels=1, width=4, modes=(), key=key)
    with pytest.raises(ValueError, match="finite identity, got nan"):
        FNO(in_channels=3, out_channels=1, width=4, modes=(3,), identity=jnp.nan, key=key)


@pytest.mark.usefixtures("unchecked")
def test_what_numpy_gives_is_taken_and_a_seed_is_no_key(key):
    fno = FNO(in_channels=1, out_channels=1, width=np.int64(4), modes=(3,), depth=1, key=key)
    x = np.linspace(0.0, 1.0, 8)[None]  # float64, without a warning
    np.testing.assert_array_equal(fno(x), fno(jnp.asarray(x)))
    np.testing.assert_array_equal(fno(x.tolist()), fno(x))
    for seed in (0, None):
        with pytest.raises(TypeError, match=r"FNO expected a random key, got .*; make one"):
            FNO(in_channels=1, out_channels=1, width=4, modes=(3,), key=seed)
    with pytest.raises(ValueError, match=r"width to be a whole number >= 1, got 4\.5"):
        FNO(in_channels=1, out_channels=1, width=4.5, modes=(3,), key=key)


def padded(padding, modes, key, **options):
    options = {"in_channels": 1, "out_channels": 1, "width": 4, "depth": 2} | options
    return FNO(modes=modes, padding=padding, key=key, **options)


def test_padding_is_a_larger_domain_that_is_cut_off_again(key):
    """Layer by layer, on a field that is continued by zeros by hand."""
    x = jnp.asarray(np.random.default_rng(0).normal(size=(1, 12, 10)), jnp.float32)
    fno = padded((0.25, 0.5), (3, 3), key)

    def by_hand(x):
        v = jnp.zeros((4, 15, 15)).at[:, :12, :10].set(fno.lifted(x))
        v = fno.blocks[1](jax.nn.gelu(fno.blocks[0](v)))
        return fno.projected(v[:, :12, :10])

    got, expected = jax.jit(lambda x: (fno(x), by_hand(x)))(x)
    assert got.shape == (1, 12, 10)
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)  # one program in float32
    periodic = padded(0.0, (3, 3), key)
    assert jnp.abs(jax.jit(periodic)(x) - got).max() > 1e-3
    # No parameter more, and without its kernels the operator acts point by point, padded or not.
    local = lambda m: jax.tree.map(lambda w: jnp.zeros_like(w) if w.ndim == 4 else w, m)
    assert jax.tree.structure(fno.blocks) == jax.tree.structure(periodic.blocks)
    one, other = jax.jit(lambda x: (local(fno)(x), local(periodic)(x)))(x)
    np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.usefixtures("x64")
def test_padding_is_the_same_domain_at_each_resolution(key):
    """A ramp is no circle: its transform is a sum of rectangles, which converges as 1/n, padded or not."""
    fno = padded(0.25, (4,), key, coordinates=False)
    fno = jax.tree.map(lambda w: w.astype(float), fno)
    ramp = lambda n: (jnp.arange(1.0 * n) / n)[None]
    outs = [jax.jit(fno)(ramp(n))[:, :: n // 16] for n in (16, 32, 64, 128, 256)]
    steps = [jnp.abs(fine - coarse).max() for coarse, fine in itertools.pairwise(outs)]
    ratios = np.array(steps[:-1]) / np.array(steps[1:])
    np.testing.assert_allclose(ratios[1:], 2.0, atol=0.2)  # up to the next order, 1/n
    # Shares that are no whole number of points are another domain at each resolution.
    assert jax.eval_shape(padded(0.1, (4,), key), jnp.ones((1, 30))).shape == (1, 30)


@pytest.mark.usefixtures("unchecked")
def test_bad_padding_is_refused_and_numpys_integers_are_integers(key):
    for bad in (-0.1, jnp.nan, (0.1, 0.1), "wide", None):
        with pytest.raises(ValueError, match=r"FNO expected padding"):
            padded(bad, (4,), key)
    fno = padded(np.float32(0.25), (np.int64(4),), key)
    assert fno.modes == (4,)
    assert type(fno.blocks[0].kernel.modes[0]) is int
    big_endian = np.linspace(0, 1, 16, dtype=">f4")[None]
    x = jnp.asarray(big_endian.astype(np.float32))
    np.testing.assert_array_equal(jax.jit(fno)(x), jax.jit(lambda x: fno(x))(x))
    np.testing.assert_array_equal(fno.lifted(big_endian), fno.lifted(x))
    for bad in ((4.0,), ("4",), (0,), 4):
        with pytest.raises(ValueError, match="FNO expected modes as a tuple"):
            padded(0.0, bad, key)
