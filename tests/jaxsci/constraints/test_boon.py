"""BOON: end nodes exact, one kernel evaluation equal to the published sequence of them."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.constraints import DirichletEnds, NeumannEnds, PeriodicEnds, eliminate_ends
from jaxsci.nn import LowRankKernel, SpectralConv
from jaxsci.operators import FNO, BoundaryCorrectedFNO

CHANNELS, NODES = 3, 32


@pytest.fixture
def kernel(x64):
    # All modes, so that the end blocks of the kernel are well conditioned.
    conv = SpectralConv(
        in_channels=CHANNELS, out_channels=CHANNELS, modes=(17,), key=jax.random.key(0)
    )
    return jax.tree.map(lambda w: w.astype(float), conv)


def dense(kernel, nodes=NODES):
    """K as blocks (node, node, out, in), built column by column."""
    eye = jnp.eye(CHANNELS * nodes).reshape(CHANNELS, nodes, CHANNELS, nodes)
    columns = jax.jit(jax.vmap(jax.vmap(kernel, 2, 2), 3, 3))(eye)
    return jnp.transpose(columns, (1, 3, 0, 2))


def published_sequence(k, x):
    """The kernel calls of the published algorithm one after the other, with C by C blocks.

    y_0 = 2x_0 - K~_00^-1 [(Kx)_0 - K_0N K_NN^-1 (Kx)_N + K_0N x_N], then z_N = 2y_N - K_NN^-1 (Ky)_N.
    """
    apply = lambda v: jnp.einsum("ijoc,cj->oi", k, v)
    k00, k0n, kn0, knn = k[0, 0], k[0, -1], k[-1, 0], k[-1, -1]
    reduced = k00 - k0n @ jnp.linalg.solve(knn, kn0)
    kx = apply(x)
    bracket = kx[:, 0] - k0n @ jnp.linalg.solve(knn, kx[:, -1]) + k0n @ x[:, -1]
    y = x.at[:, 0].set(2 * x[:, 0] - jnp.linalg.solve(reduced, bracket))
    ky = apply(y)
    z = y.at[:, -1].set(2 * y[:, -1] - jnp.linalg.solve(knn, ky[:, -1]))
    return apply(z), reduced @ x[:, 0], knn @ x[:, -1]


def test_end_outputs_depend_on_end_inputs_alone(kernel):
    x = jax.random.normal(jax.random.key(1), (CHANNELS, NODES))
    _, first, last = jax.jit(published_sequence)(dense(kernel), x)
    out = jax.jit(eliminate_ends)(kernel, x)
    # Float64 round-off of a 6 by 6 solve with a condition number of about 10.
    np.testing.assert_allclose(out[:, 0], first, rtol=0, atol=1e-12)
    np.testing.assert_allclose(out[:, -1], last, rtol=0, atol=1e-12)


def test_one_evaluation_equals_the_published_sequence(kernel):
    x = jax.random.normal(jax.random.key(2), (CHANNELS, NODES))
    sequence, _, _ = jax.jit(published_sequence)(dense(kernel), x)
    np.testing.assert_allclose(jax.jit(eliminate_ends)(kernel, x), sequence, rtol=0, atol=1e-12)


# Space, modes, axis: time and x, a Nyquist frequency of either, two space axes, time and two space axes.
BOXES = [
    ((8, 10), (3, 4), 1),
    ((6, 10), (3, 4), 1),
    ((8, 8), (3, 5), 0),
    ((6, 7), (3, 4), 0),
    ((5, 4, 6), (2, 2, 3), 2),
    ((5, 4, 6), (2, 2, 3), 1),
]


def check_against_dense_elimination(kernel, space, axis, atol):
    """T2 by brute force on the matrix of K, whose end blocks lose the frequencies that K has not."""
    x = jax.random.normal(jax.random.key(3), (2, *space))
    size = 2 * int(np.prod(space))
    columns = jax.jit(jax.vmap(lambda e: kernel(e.reshape(x.shape)).ravel()))(jnp.eye(size))
    k, x_flat = np.asarray(columns).T, np.asarray(x).ravel()
    index = np.arange(size).reshape(x.shape)
    first, last = (np.take(index, i, axis + 1).ravel() for i in (0, -1))
    block = lambda i, j: k[np.ix_(i, j)]
    inverse = lambda a: np.linalg.pinv(a, rcond=1e-9)
    inverse_n = inverse(block(last, last))
    reduced = block(first, first) - block(first, last) @ inverse_n @ block(last, first)
    kx, y = k @ x_flat, x_flat.copy()
    bracket = kx[first] - block(first, last) @ (inverse_n @ kx[last] - x_flat[last])
    y[first] += inverse(reduced) @ (reduced @ x_flat[first] - bracket)
    z = y.copy()
    z[last] += x_flat[last] - inverse_n @ (k @ y)[last]
    out = jax.jit(lambda x: eliminate_ends(kernel, x, axis=axis))(x).ravel()
    # Nearly singular blocks make large values, up to 200 here, whose digits end earlier.
    atol = atol * max(1.0, np.abs(k @ z).max())
    np.testing.assert_allclose(out, k @ z, rtol=0, atol=atol)
    np.testing.assert_allclose(out[first], reduced @ x_flat[first], rtol=0, atol=atol)
    np.testing.assert_allclose(out[last], block(last, last) @ x_flat[last], rtol=0, atol=atol)
    # The elimination does something, so that the comparison can fail.
    assert np.abs(out - kx).max() > 1e-3


@pytest.mark.parametrize(("space", "modes", "axis"), BOXES)
def test_every_frequency_of_the_other_axes_is_eliminated(space, modes, axis, x64):
    conv = SpectralConv(in_channels=2, out_channels=2, modes=modes, key=jax.random.key(0))
    conv = jax.tree.map(lambda w: w.astype(float), conv)
    # Round-off of float64 times the condition of the worst frequency, about 1e4.
    check_against_dense_elimination(conv, space, axis, atol=1e-10)


def test_a_kernel_of_learned_functions_is_eliminated(x64):
    low = LowRankKernel(in_channels=2, out_channels=2, rank=6, key=jax.random.key(0))
    low = jax.tree.map(lambda w: w.astype(float), low)
    check_against_dense_elimination(low, (20,), 0, atol=1e-12)


def test_impulse_response_gives_the_end_blocks(kernel):
    k = dense(kernel)
    weights = jax.lax.complex(kernel.real, kernel.imag)
    kappa = jnp.fft.irfft(weights, n=NODES, axis=0)
    for block, expected in (
        (k[0, 0], kappa[0]),
        (k[-1, -1], kappa[0]),
        (k[0, -1], kappa[1]),
        (k[-1, 0], kappa[-1]),
    ):
        np.testing.assert_allclose(block, expected, rtol=0, atol=1e-14)


def test_elimination_evaluates_the_kernel_once(kernel, monkeypatch):
    """One analysis, one synthesis; the second mixing acts on the end nodes' two columns only."""
    calls = []
    for name in ("analyse", "mix", "synthesise"):
        method = getattr(SpectralConv, name)
        monkeypatch.setattr(
            SpectralConv,
            name,
            lambda self, *a, _m=method, _n=name: (calls.append(_n), _m(self, *a))[1],
        )
    eliminate_ends(kernel, jnp.ones((CHANNELS, NODES)))
    assert sorted(calls) == ["analyse", "mix", "mix", "synthesise"]


@pytest.mark.parametrize("ends", [DirichletEnds(), NeumannEnds(length=2.0), PeriodicEnds()])
def test_enforcement_is_idempotent_and_touches_only_the_ends(ends, x64):
    u = jax.random.normal(jax.random.key(3), (2, 20))
    values = None if isinstance(ends, PeriodicEnds) else jnp.array([0.3, -1.7])
    once = ends.enforce(u, values)
    np.testing.assert_array_equal(ends.enforce(once, values), once)
    np.testing.assert_array_equal(once[:, 1:-1], u[:, 1:-1])
    # Stencil coefficients up to 18 divided by 6h = 0.63: a few ulps of float64.
    assert ends.error(once, values) <= (0 if not isinstance(ends, NeumannEnds) else 1e-12)
    assert ends.error(u, values) > 0.1


@pytest.mark.parametrize("dtype", [jnp.float32, pytest.param(jnp.float64, marks=pytest.mark.slow)])
def test_boundary_error_of_the_whole_operator(dtype, x64):
    fno = FNO(in_channels=1, out_channels=2, width=8, modes=(6,), depth=3, key=jax.random.key(0))
    fno = jax.tree.map(lambda w: w.astype(dtype), fno)
    x = jax.random.normal(jax.random.key(1), (1, 40), dtype)
    values = jnp.array([0.1, -2.3], dtype)
    out = eqx.filter_jit(BoundaryCorrectedFNO(fno=fno, ends=DirichletEnds()))(x, values)
    assert jnp.all(out[:, 0] == values[0])  # bitwise: the values are copied
    assert jnp.all(out[:, -1] == values[1])
    out = eqx.filter_jit(BoundaryCorrectedFNO(fno=fno, ends=PeriodicEnds()))(x)
    assert jnp.all(out[:, 0] == out[:, -1])
    ends = NeumannEnds(length=1.0)
    out = eqx.filter_jit(BoundaryCorrectedFNO(fno=fno, ends=ends))(x, values)
    # A difference quotient amplifies one ulp of u by 40 / 6h = 260.
    assert ends.error(out, values) <= 1000 * jnp.finfo(dtype).eps * jnp.abs(out).max()


@pytest.mark.parametrize("ends", [DirichletEnds(), NeumannEnds(1.0)])
def test_values_of_each_output_channel(ends, x64, key):
    fno = FNO(in_channels=1, out_channels=2, width=5, modes=(6,), depth=2, key=key)
    model = eqx.filter_jit(BoundaryCorrectedFNO(jax.tree.map(lambda w: w.astype(float), fno), ends))
    x = jax.random.normal(key, (1, 40))
    values = jnp.array([[0.1, -2.3], [1.5, 0.0]])
    # Stencil coefficients up to 18 divided by 6h = 0.15, in float64.
    assert ends.error(model(x, values), values) < 1e-10
    same = jnp.array([0.1, -2.3])
    np.testing.assert_array_equal(model(x, jnp.stack([same, same])), model(x, same))
    # Both pairs reach both channels, through the hidden ones.
    change = model(x, values.at[1].add(1.0)) - model(x, values)
    assert jnp.abs(change[0, 1:-1]).max() > 1e-6
    with pytest.raises(ValueError, match=r"shape \(2,\) or \(2, 2\), got \(5, 2\)"):
        model(x, jnp.ones((5, 2)))


@pytest.mark.usefixtures("unchecked")
def test_lists_are_arrays(key):
    fno = FNO(in_channels=1, out_channels=1, width=4, modes=(3,), depth=1, key=key)
    model, x = BoundaryCorrectedFNO(fno, DirichletEnds()), [[0.5] * 9]
    np.testing.assert_array_equal(model(x, [1.0, 2.0]), model(jnp.array(x), jnp.array([1.0, 2.0])))


@pytest.mark.usefixtures("unchecked")
def test_fields_without_channels_or_of_integers_are_refused():
    for ends, values in ((DirichletEnds(), jnp.ones(2)), (PeriodicEnds(), None)):
        for field in (jnp.ones(9), jnp.ones((1, 9), int)):
            with pytest.raises(ValueError, match=r"shape \(channels, nodes\).*use jax.vmap"):
                ends.error(field, values)


def test_neumann_stencil_is_third_order(x64):
    """Known error on sin at x = 1, and the same stencil mirrored at the other end."""
    for h, expected in ((0.01, -2.087e-7), (0.005, -2.62e-8)):
        x = 1 - h * jnp.arange(9.0)[::-1]
        u = jnp.sin(x)[None]
        ends = NeumannEnds(length=8 * h)
        right = (11 * u[0, -1] - 18 * u[0, -2] + 9 * u[0, -3] - 2 * u[0, -4]) / (6 * h)
        # Four published digits.
        np.testing.assert_allclose(right - jnp.cos(1.0), expected, rtol=2e-3)
        enforced = ends.enforce(u, jnp.array([jnp.cos(x[0]), jnp.cos(1.0)]))
        # u_N moves by 6h/11 times the stencil's error.
        np.testing.assert_allclose(enforced[0, -1] - u[0, -1], -6 * h / 11 * expected, rtol=2e-3)
        mirrored = ends.enforce(u[:, ::-1], -jnp.array([jnp.cos(1.0), jnp.cos(x[0])]))
        np.testing.assert_allclose(mirrored[:, ::-1], enforced, rtol=1e-14)


@pytest.mark.slow
def test_gradients_reach_every_weight(key):
    fno = FNO(in_channels=1, out_channels=1, width=6, modes=(5,), depth=2, key=key)
    model = BoundaryCorrectedFNO(fno=fno, ends=NeumannEnds(1.0))
    x = jax.random.normal(key, (4, 1, 24))
    values = jnp.ones((4, 2))
    grad = jax.grad(lambda m: jnp.mean(jax.vmap(m)(x, values) ** 2))(model)
    assert all(jnp.isfinite(g).all() and jnp.any(g != 0) for g in jax.tree.leaves(grad.fno))


def test_bad_input_is_refused(key):
    with pytest.raises(ValueError, match="two end values with shape"):
        DirichletEnds().enforce(jnp.ones((1, 9)), jnp.ones(3))
    with pytest.raises(ValueError, match="expected the derivatives"):
        NeumannEnds(1.0).enforce(jnp.ones((1, 9)), None)
    with pytest.raises(ValueError, match="values=None"):
        PeriodicEnds().enforce(jnp.ones((1, 9)), jnp.ones(2))
    with pytest.raises(ValueError, match="at least 8 nodes"):
        NeumannEnds(1.0).enforce(jnp.ones((1, 7)), jnp.ones(2))
    with pytest.raises(ValueError, match=r"shape \(2,\) or \(1, 2\)"):
        DirichletEnds().enforce(jnp.ones((1, 9)), jnp.ones((3, 2)))
    one_mode = SpectralConv(in_channels=2, out_channels=2, modes=(1,), key=key)
    with pytest.raises(ValueError, match="at least 2 modes"):
        eliminate_ends(one_mode, jnp.ones((2, 9)))
    one_function = LowRankKernel(in_channels=2, out_channels=2, rank=1, key=key)
    with pytest.raises(ValueError, match="at least rank 2"):
        eliminate_ends(one_function, jnp.ones((2, 9)))
    with pytest.raises(ValueError, match="axis from -1 to 0, got 1"):
        eliminate_ends(one_function, jnp.ones((2, 9)), axis=1)
    for length in (0.0, jnp.inf):
        with pytest.raises(ValueError, match="positive, finite length"):
            NeumannEnds(length=length)
    with pytest.raises(ValueError, match="as many output as input channels"):
        eliminate_ends(
            SpectralConv(in_channels=2, out_channels=3, modes=(3,), key=key), jnp.ones((2, 9))
        )
