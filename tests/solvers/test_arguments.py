"""Wrong arguments of public names: who speaks first, and that right ones are left alone."""

import pickle
import sys
from types import ModuleType

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Float

from solvers import Grid, cell_averages, minmod
from solvers._arguments import name_misfits

pytestmark = pytest.mark.usefixtures("unchecked")


def mean(x: Float[Array, "n"], *, fair: bool = True) -> Float[Array, ""]:
    """Take the mean."""
    return jnp.mean(x) if fair else jnp.sum(x)


def own(x: Float[Array, "n"]):
    """Refuse in words of its own."""
    raise ValueError("own expected nothing.")


class Line(eqx.Module):
    """A line with a slope."""

    slope: Float[Array, ""] = eqx.field(converter=jnp.asarray)
    name: str = eqx.field(static=True, default="line")

    def __call__(self, x: Float[Array, "n"]) -> Float[Array, "n"]:
        return self.slope * x


@pytest.fixture(scope="module")
def package():
    """A package of ours that exports what is defined above."""
    module = ModuleType("solvers_example")
    home = "solvers_example.home"
    sys.modules[module.__name__] = sys.modules[home] = module
    for value in (mean, own, Line):
        value.__module__ = home
        setattr(module, value.__name__, value)
    name_misfits(module.__name__)
    yield module
    del sys.modules[module.__name__], sys.modules[home]


def test_an_error_from_elsewhere_names_the_argument(package):
    with pytest.raises(TypeError, match=r"mean expected x to be an array .* got None; convert"):
        package.mean(None)


def test_what_would_go_through_unnoticed_is_named(package):
    with pytest.raises(TypeError, match="mean expected fair to be True or False, got 'yes'"):
        package.mean(np.ones(3), fair="yes")
    with pytest.raises(TypeError, match=r"float64 of shape \(2, 3\); use jax.vmap for batches"):
        package.mean(np.ones((2, 3)))


def test_an_error_of_its_own_comes_first():
    with pytest.raises(ValueError, match="whole number"):
        Grid.uniform(0.0, 1.0, "a")


def test_right_arguments_pass_in_jit_grad_and_vmap(package):
    x = np.ones((4, 3), np.float32)
    assert jax.jit(jax.vmap(package.mean))(x).shape == (4,)
    np.testing.assert_allclose(jax.grad(package.mean)(x[0]), 1 / 3, rtol=1e-6)  # float32


def test_public_functions_of_the_library_are_found_by_pickle():
    for function in (minmod, cell_averages):
        assert pickle.loads(pickle.dumps(function)) is function
