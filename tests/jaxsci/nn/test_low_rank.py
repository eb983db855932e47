"""Low-rank kernel: an integral of learned functions, the same at every resolution, periodic nowhere."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.nn import LowRankKernel


@pytest.fixture
def kernel(x64):
    low = LowRankKernel(in_channels=2, out_channels=3, rank=4, key=jax.random.key(0))
    return jax.tree.map(lambda w: w.astype(float), low)


def test_it_is_the_integral_of_its_kernel(kernel):
    x = jax.random.normal(jax.random.key(1), (2, 15))
    phi, psi = kernel.functions(15, x.dtype)  # psi with the weights of the trapezoidal rule
    dense = np.einsum("rx,roi,ry->oxiy", phi, kernel.weight, psi)
    # Float64 round-off of sums over 30 terms.
    np.testing.assert_allclose(kernel(x), np.einsum("oxiy,iy->ox", dense, x), atol=1e-14)
    assert np.linalg.matrix_rank(dense.reshape(45, 30), tol=1e-10) == 8  # min(C_in, C_out) r


def test_resolution_changes_the_quadrature_only(kernel):
    field = lambda n: jnp.stack([jnp.linspace(0.0, 1.0, n), jnp.exp(jnp.linspace(0.0, 1.0, n))])
    apply = jax.jit(lambda n: kernel(field(n)), static_argnums=0)
    coarse, middle, fine = apply(33), apply(65)[:, ::2], apply(129)[:, ::4]
    ratio = jnp.abs(coarse - middle).max() / jnp.abs(middle - fine).max()
    # The trapezoidal rule is of second order, and smooth functions are in its regime here.
    np.testing.assert_allclose(ratio, 4, rtol=0.1)
    # Not periodic: the two ends are not neighbours.
    assert jnp.abs(fine[:, 0] - fine[:, -1]).max() > 0.01


def test_gradients_reach_every_weight(key):
    low = LowRankKernel(in_channels=2, out_channels=2, rank=3, key=key)
    x = jax.random.normal(key, (2, 9))
    gradient = jax.jit(jax.grad(lambda k: jnp.sum(k(x) ** 2)))(low)
    assert all(jnp.isfinite(g).all() and jnp.any(g != 0) for g in jax.tree.leaves(gradient))


@pytest.mark.usefixtures("unchecked")
def test_bad_input_is_refused(key):
    with pytest.raises(ValueError, match="rank to be a whole number"):
        LowRankKernel(in_channels=1, out_channels=1, rank=0, key=key)
    low = LowRankKernel(in_channels=2, out_channels=1, rank=2, key=key)
    for shape in ((3, 9), (2, 1), (4, 2, 9)):
        with pytest.raises(ValueError, match=r"\(channels=2, nodes\).*use jax.vmap"):
            low.analyse(jnp.ones(shape))
