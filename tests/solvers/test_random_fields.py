import jax
import jax.numpy as jnp
import numpy as np
import pytest

from solvers import GaussianRandomField

x64 = pytest.mark.usefixtures("x64")


@x64
@pytest.mark.parametrize("boundary", ["periodic", "neumann"])
@pytest.mark.parametrize("shape", [(64,), (32, 16)])
def test_the_variance_of_every_mode_is_the_declared_one(boundary, shape):
    field = GaussianRandomField(shape, alpha=2.0, tau=5.0, sigma=25.0, boundary=boundary)
    draws = jax.vmap(lambda k: field(key=k))(jax.random.split(jax.random.key(0), 4000))
    assert draws.shape == (4000, *shape)
    if boundary == "periodic":
        variance = jnp.var(draws, axis=0)
        # Stationary: the same everywhere, Σ λ_k over the volume; a sample variance of 4000 draws has a
        # relative standard error of 2.2 %.
        np.testing.assert_allclose(variance, field.spectrum().sum(), rtol=0.12)
    total = jnp.var(draws.reshape(4000, -1).mean(axis=1))
    # The mean over the box is the coefficient of the constant, √λ₀ ξ₀ on a unit box.
    np.testing.assert_allclose(total, field.spectrum().ravel()[0], rtol=0.12)


@x64
def test_the_law_does_not_depend_on_the_resolution():
    fields = [GaussianRandomField((n,), alpha=2.0, tau=5.0) for n in (32, 128)]
    low, high = (field.spectrum() for field in fields)
    np.testing.assert_allclose(low[:16], high[:16], rtol=1e-13)


@x64
def test_neumann_fields_have_no_slope_at_the_ends():
    field = GaussianRandomField((256,), alpha=3.0, tau=3.0, boundary="neumann")
    draw = field(key=jax.random.key(1))
    slope = jnp.diff(draw) * 256
    # The slope is odd about the end and smooth, so half a cell away it is of the order of the width.
    assert abs(float(slope[0])) < 0.05 * float(jnp.abs(slope).max())


def test_without_its_constant_a_field_has_no_mean():
    field = GaussianRandomField((16, 16), alpha=2.5, tau=0.0, zero_mean=True)
    draw = field(key=jax.random.key(0))
    assert draw.dtype == jnp.float32
    # Single precision, 256 values of order one.
    assert abs(float(draw.mean())) < 1e-6 * float(jnp.abs(draw).max())


def test_draws_differentiate_with_respect_to_the_law():
    def roughness(alpha):
        field = GaussianRandomField((32,), alpha=alpha, tau=5.0)
        return jnp.sum(jnp.diff(field(key=jax.random.key(0))) ** 2)

    assert jax.jit(jax.grad(roughness))(2.0) < 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alpha": 1.0}, "alpha was expected to be finite > 1"),
        ({"tau": 0.0}, "tau was expected to be finite > 0"),
        ({"sigma": -1.0}, "sigma was expected to be finite > 0"),
        ({"lengths": (1.0,)}, "a length for each"),
        ({"lengths": -1.0}, "positive, finite lengths"),
    ],
)
def test_other_laws_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        GaussianRandomField((8, 8), **{"alpha": 2.0, "tau": 3.0, **options})
