"""Products of many small matrices: the same numbers as the compiler's, under every transformation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, PartitionSpec

from jaxsci.nn.products import small_products

A = jax.random.normal(jax.random.key(0), (5, 3, 4))
B = jax.random.normal(jax.random.key(1), (5, 4, 6))


def plain(a, b, *, transposed=False):
    return jnp.matmul(a, jnp.swapaxes(b, -1, -2) if transposed else b)


def value(product, transposed):
    b = jnp.swapaxes(B, -1, -2) if transposed else B
    return lambda a, b: jnp.sum(jnp.sin(product(a, b, transposed=transposed))), (A, b)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize(
    "transform",
    [
        lambda f: jax.grad(f, (0, 1)),
        lambda f: jax.jit(jax.jacfwd(f, (0, 1))),
        lambda f: jax.hessian(f, (0, 1)),
        lambda f: jax.jacrev(jax.jacrev(f, (0, 1)), (0, 1)),
        lambda f: jax.grad(jax.checkpoint(f), (0, 1)),
        lambda f: jax.vmap(lambda a, b: jax.grad(f, (0, 1))(a[None], b[None])),
    ],
    ids=["grad", "jacfwd", "hessian", "jacrev of jacrev", "checkpoint", "vmap"],
)
def test_derivatives_are_those_of_the_plain_product(transform, transposed):
    found, expected = (
        transform(f)(*at)
        for f, at in (value(product, transposed) for product in (small_products, plain))
    )
    # Sums of at most six numbers of order one.
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, atol=2e-6), found, expected)


@pytest.mark.parametrize("axes", [(0, None), (None, 0), (1, 0)])
def test_vmap_along_any_axis(axes):
    first, second = (
        x if axis is None else jnp.stack([x, 2 * x], axis)
        for x, axis in zip((A, B), axes, strict=True)
    )
    found, expected = (
        jax.vmap(product, in_axes=axes)(first, second) for product in (small_products, plain)
    )
    np.testing.assert_allclose(found, expected, atol=2e-6)


def test_half_precision_is_summed_in_single_precision():
    a, b = jnp.full((2, 1, 4096), 1.0, jnp.bfloat16), jnp.full((2, 4096, 1), 1.0, jnp.bfloat16)
    found = small_products(a, b)
    assert found.dtype == jnp.float32
    assert float(found[0, 0, 0]) == 4096.0
    assert jax.grad(lambda a: small_products(a, b).sum())(a).dtype == jnp.bfloat16


def test_factors_that_are_shared_need_no_copies():
    text = str(jax.make_jaxpr(small_products)(A, B[:1]))
    assert "small_products" not in text
    np.testing.assert_allclose(small_products(A, B[:1]), plain(A, B[:1]), atol=2e-6)


def test_parts_of_a_mesh():
    mesh = jax.make_mesh((1,), ("x",), axis_types=(AxisType.Auto,))
    along = PartitionSpec("x")

    def total(product):
        def share(a, b):
            return jax.lax.psum(jnp.sum(product(a, b) ** 2), "x")

        return jax.shard_map(share, mesh=mesh, in_specs=(along, along), out_specs=PartitionSpec())

    found, expected = (jax.grad(total(p), (0, 1))(A, B) for p in (small_products, plain))
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, atol=1e-5), found, expected)


@pytest.mark.parametrize("kind", [AxisType.Auto, AxisType.Explicit])
def test_arrays_that_lie_on_a_mesh(kind):
    mesh = jax.make_mesh((1,), ("x",), axis_types=(kind,))
    spread = jax.device_put((A, B), jax.NamedSharding(mesh, PartitionSpec("x")))
    (f, at), (g, _) = (value(product, False) for product in (small_products, plain))
    found, expected = jax.jit(jax.grad(f, (0, 1)))(*spread), jax.grad(g, (0, 1))(*at)
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, atol=2e-6), found, expected)
    assert found[0].sharding.is_equivalent_to(spread[0].sharding, 3)


def test_the_gradient_multiplies_no_transposed_first_factor():
    """What the compiler is slow at: a contraction along any but the last axis of the first factor."""
    f, at = value(small_products, True)
    text = jax.jit(jax.grad(f, (0, 1))).lower(*at).compile().as_text()
    dots = [line for line in text.splitlines() if " dot(" in line]
    assert dots
    assert all("lhs_contracting_dims={2}" in line for line in dots)
