"""`check_law` names the member that is wrong; laws that are right are in ``tests/contracts``."""

from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from solvers import check_law
from solvers.laws import AbstractLaw

pytestmark = pytest.mark.usefixtures("x64")
U = np.linspace(0.05, 0.95, 6)[None]


class Traffic(AbstractLaw):
    """ρ_t + (ρ(1 − ρ))_x = (νρ)_xx."""

    viscosity: jax.Array
    channels: ClassVar[int] = 1
    has_convection: ClassVar[bool] = True
    has_diffusion: ClassVar[bool] = True

    def flux(self, u, axis=0):
        return u * (1 - u)

    def max_wave_speed(self, u, axis=0):
        return jnp.abs(1 - 2 * u)

    def godunov_flux(self, left, right, axis=0):
        # f is concave with its largest value at 1/2.
        return jnp.minimum(self.flux(jnp.minimum(left, 0.5)), self.flux(jnp.maximum(right, 0.5)))

    def potential(self, u):
        return self.viscosity * u

    def diffusivity(self, u):
        return self.viscosity


def check(viscosity=0.1, u=U, **members):
    law = type(Traffic)("Wrong", (Traffic,), members)(jnp.array(viscosity))
    check_law(law, jnp.asarray(u))


def test_a_law_that_is_right_passes():
    check()


@pytest.mark.parametrize(
    ("members", "message"),
    [
        (
            {"max_wave_speed": lambda self, u, axis=0: 0 * u},
            r"max_wave_speed .* at least .*got 0 for 0.9",
        ),
        (
            {"godunov_flux": lambda self, a, b, axis=0: self.flux(b)},
            "godunov_flux .* 0.25 between 0.95 and 0.05",
        ),
        ({"godunov_flux": lambda self, a, b, axis=0: 0 * a}, r"godunov_flux .* F\(u, u\) = f\(u\)"),
        ({"primitive_flux": lambda self, w, axis=0: w}, r"primitive_flux .* flux\(u\), got"),
        ({"to_conserved": lambda self, w: 2 * w}, "to_conserved .* u again .* make them inverses"),
        (
            {"diffusivity": lambda self, u: 2 * self.viscosity},
            r"diffusivity .* got 0.2 and not 0.1",
        ),
        ({"has_diffusion": False}, "has_diffusion was expected to give True"),
        (
            {"flux": lambda self, u, axis=0: u[0]},
            r"flux .* the shape of u, \(1, 6\), got shape \(6,\)",
        ),
        (
            {"flux": lambda self, u, axis=0: u.astype(jnp.float32)},
            "type of u, float64, got float32",
        ),
        (
            {"potential": lambda self, u: jnp.sqrt(0 * u)},
            "potential .* finite derivatives, got NaN",
        ),
        ({"source": lambda self, t, x, u: jnp.log(-u)}, "source .* finite values, got NaN"),
    ],
)
def test_the_member_that_is_wrong_is_named(members, message):
    with pytest.raises(ValueError, match=f"Wrong.*{message}"):
        check(**members)


def test_a_potential_of_the_wrong_sign_is_refused():
    with pytest.raises(ValueError, match=r"potential .* Φ'\(u\) >= 0, got -0.1; change its sign"):
        check(viscosity=-0.1)


@pytest.mark.parametrize(
    ("u", "message"),
    [
        (np.ones((2, 6)), r"expected floating-point states \(1, \*space\), got float64 \(2, 6\)"),
        (np.ones(6), r"got float64 \(6,\); use for example"),
        (np.full((1, 6), np.nan), "finite, admissible samples"),
    ],
)
def test_samples_that_are_none_are_refused(u, message):
    with pytest.raises(ValueError, match=message):
        check(u=u)


def test_a_system_with_complex_speeds_is_not_hyperbolic():
    def flux(self, u, axis=0):
        return jnp.stack([-u[1], u[0]])

    members = {"channels": 2, "flux": flux}
    with pytest.raises(ValueError, match="real eigenvalues, got complex ones"):
        check(u=np.concatenate([U, U]), **members)
