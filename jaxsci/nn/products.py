r"""Products of many small matrices whose gradients are as fast as they are, on CPUs.

    y = a b:    ā = ȳ bᵀ,  b̄ = aᵀ ȳ            y = a bᵀ:    ā = ȳ b,  b̄ = ȳᵀ a

XLA on a CPU multiplies many matrices of up to some 30 rows several times slower where the first is transposed,
as it is in the second gradient, and folds transpositions into products where it can. So these products are a
primitive of our own, whose second gradient copies the transposed matrices first: attention in windows of 4 to
16 tokens takes half to three quarters of the time, in larger ones about the same (`experiments/speed`). It is
bilinear, and stays so under `jit`, `vmap` and forward and reverse derivatives of any order.
"""

import jax
import jax.numpy as jnp
from jax.core import ShapedArray
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jax.sharding import AxisType
from jaxtyping import Array, Float

from .precision import at_least_single


def small_products(
    a: Float[Array, "*batch m k"], b: Float[Array, "*shared _ _"], *, transposed: bool = False
) -> Float[Array, "*_batch m n"]:
    """The products a b of many small matrices, or a bᵀ, summed in single precision at least.

    Args:
        a: the first factors.
        b: the second factors; where they are shared by many first ones, or there is one product only, it is
            the compiler's own.
        transposed: whether b is to be transposed.
    """
    wide = at_least_single(jnp.result_type(a, b))
    many = a.ndim > 2 and a.shape[:-2] == b.shape[:-2]
    if jax.default_backend() != "cpu" or not many or _on_mesh(a, b):
        b = jnp.swapaxes(b, -1, -2) if transposed else b
        return jnp.matmul(a, b, preferred_element_type=wide)
    return _product.bind(a.astype(wide), b.astype(wide), transposed=transposed)


def _on_mesh(*arrays: Array) -> bool:
    """Whether types say how arrays lie on a mesh, which is JAX's own to work out."""
    meshes = [jax.sharding.get_abstract_mesh(), *(jax.typeof(a).sharding.mesh for a in arrays)]
    return any(kind != AxisType.Auto for mesh in meshes for kind in mesh.axis_types)


def _multiply(a, b, *, transposed):
    return jnp.matmul(a, jnp.swapaxes(b, -1, -2) if transposed else b)


_product = Primitive("small_products")
_product.def_impl(_multiply)
mlir.register_lowering(_product, mlir.lower_fun(_multiply, multiple_results=False))


@_product.def_abstract_eval
def _abstract(a, b, *, transposed):
    inner = b.shape[-1 if transposed else -2]
    if a.shape[-1] != inner:
        raise TypeError(
            f"small_products expected factors that fit, got {a.shape[-1]} columns and {inner} rows; "
            "transpose one."
        )
    return ShapedArray((*a.shape[:-1], b.shape[-2 if transposed else -1]), a.dtype)


def _first(y, a, b, *, transposed):
    return _product.bind(y, b, transposed=not transposed)


def _second(y, a, b, *, transposed):
    left, right = (y, a) if transposed else (a, y)
    # The barrier keeps the compiler from folding the transposition into the product.
    left = jax.lax.optimization_barrier(jnp.swapaxes(left, -1, -2))
    return _product.bind(left, right, transposed=False)


ad.defbilinear(_product, _first, _second)


def _batched(operands, axes, *, transposed):
    size = next(x.shape[i] for x, i in zip(operands, axes, strict=True) if i is not None)
    front = (
        jnp.broadcast_to(x, (size, *x.shape)) if i is None else jnp.moveaxis(x, i, 0)
        for x, i in zip(operands, axes, strict=True)
    )
    return _product.bind(*front, transposed=transposed), 0


batching.primitive_batchers[_product] = _batched
