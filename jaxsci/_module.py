"""What layers and operators are: trees of arrays, and functions that every transformation of JAX takes."""

import equinox as eqx


class Module(eqx.Module):
    """An `equinox.Module` that is hashed and compared as the object that it is, as functions are.

    So ``jax.jit(model)`` works. The arrays are constants of what is compiled, as those that a function closes
    over; where they change, as in training, pass the model as an argument instead. Whether two models hold the
    same numbers, `equinox.tree_equal` says.
    """

    __hash__ = object.__hash__
    __eq__ = object.__eq__
