"""Operations of a traced function: those of its products of matrices and its convolutions."""

import math
from typing import Any

import jax


def multiplications(jaxpr: Any) -> int:
    """Multiplications with additions in the products and convolutions of a jaxpr.

    The body of a scan counts as often as it runs; that of a loop whose length is not known, once.
    """
    total = 0
    for equation in jaxpr.eqns:
        out = math.prod(equation.outvars[0].aval.shape)
        shapes: list[tuple[int, ...]] = [variable.aval.shape for variable in equation.invars]
        match equation.primitive.name:
            case "dot_general":
                (contracted, _), _ = equation.params["dimension_numbers"]
                total += out * math.prod(shapes[0][axis] for axis in contracted)
            case "small_products":
                total += out * shapes[0][-1]
            case "conv_general_dilated":
                # Over the kernel's window and input channels, wherever they are among its axes.
                channels = equation.params["dimension_numbers"].rhs_spec[0]
                total += out * math.prod(shapes[1]) // shapes[1][channels]
        times = equation.params["length"] if equation.primitive.name == "scan" else 1
        for inner in jax.tree.leaves(list(equation.params.values()), is_leaf=_is_jaxpr):
            total += times * multiplications(inner) if _is_jaxpr(inner) else 0
    return total


def _is_jaxpr(value: Any) -> bool:
    return hasattr(value, "eqns")
