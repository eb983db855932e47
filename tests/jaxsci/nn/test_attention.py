import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.nn.attention import CrossAttention, SelfAttentionBlock


@pytest.mark.parametrize("heads", [1, 4])
def test_attention_head_by_head_is_that_of_jax(heads):
    layer = CrossAttention(width=16, heads=heads, key=jax.random.key(0))
    queries, keys, values = (
        jax.random.normal(jax.random.key(i), (n, 16)) for i, n in ((1, 5), (2, 7), (3, 7))
    )

    def reference(layer):
        q, k, v = (
            (x @ w.weight.T).reshape(-1, heads, 16 // heads)
            for w, x in ((layer.query, queries), (layer.key_, keys), (layer.value, values))
        )
        return jax.nn.dot_product_attention(q, k, v).reshape(5, 16) @ layer.out.weight.T

    # Single precision, sums of at most 16 terms of order one.
    np.testing.assert_allclose(layer(queries, keys, values), reference(layer), rtol=1e-5, atol=1e-6)
    ours, theirs = (
        jax.grad(lambda m, f=f: jnp.sum(f(m) ** 2))(layer)
        for f in (lambda m: m(queries, keys, values), reference)
    )
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), ours, theirs)


def test_large_scores_do_not_overflow():
    layer = CrossAttention(width=4, heads=1, key=jax.random.key(0))
    tokens = 1e4 * jax.random.normal(jax.random.key(1), (3, 4))
    assert jnp.all(jnp.isfinite(layer(tokens, tokens, tokens)))


def test_block_is_equivariant_and_random_only_with_a_key():
    block = SelfAttentionBlock(width=8, heads=2, dropout=0.5, key=jax.random.key(0))
    x = jax.random.normal(jax.random.key(1), (6, 8))
    order = jnp.array([3, 1, 5, 0, 2, 4])
    np.testing.assert_allclose(block(x[order]), block(x)[order], rtol=1e-5, atol=1e-6)
    assert not jnp.allclose(block(x, key=jax.random.key(2)), block(x, key=jax.random.key(3)))


@pytest.mark.parametrize("options", [{"heads": 3}, {"heads": 0}, {"width": 0}])
def test_heads_must_divide_the_width(options):
    with pytest.raises(ValueError, match=r"heads to divide the width.*choose for example"):
        CrossAttention(**{"width": 8, "heads": 2, **options}, key=jax.random.key(0))
