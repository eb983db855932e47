r"""The nearest point to the origin on a surface h(z) = 0 of a few equations in many unknowns.

    z + J(z)ᵀ ν = 0,     h(z) = 0,     P H P positive,     P = 1 − Jᵀ (J Jᵀ)⁻¹ J,     H = 1 + Σ_k ν_k ∇²h_k

Derivatives of z are those of the implicit function theorem, of any order, and in both modes.

References: J. Nocedal, S. Wright, Numerical Optimization (2006), algorithms 7.2 (conjugate gradients that
stop at negative curvature) and 16.2 (in a tangent plane); P.-A. Absil, R. Mahony, R. Sepulchre,
Optimization Algorithms on Matrix Manifolds (2008), chapters 4 and 6 (steps that return to the surface).
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float

_STEPS = 50  # of Newton along the surface
_RETURNS = 200  # back to it: far off, these are steps of steepest descent
_HALVINGS = 12


class Surface(eqx.Module):
    """g(μ + σ z) = c."""

    numbers: Callable[..., Any]
    mean: Float[Array, " n"]
    scale: Float[Array, " n"]
    values: Float[Array, " m"]

    def __call__(self, z: Float[Array, " n"]) -> Float[Array, " m"]:
        """The residual h."""
        return self.numbers(self.mean + self.scale * z) - self.values


def tangent(surface: Surface, z: Array) -> tuple[Float[Array, "m n"], tuple[Array, Array]]:
    """J, and the factors of J Jᵀ: Cholesky's, after its diagonal is scaled to one."""
    jacobian = jax.jacrev(surface)(z)
    gram = jacobian @ jacobian.T
    size = jnp.sqrt(jnp.diagonal(gram))
    return jacobian, (jnp.linalg.cholesky(gram / jnp.outer(size, size)), size)


def multipliers(factor: tuple[Array, Array], x: Float[Array, "m *k"]) -> Float[Array, "m *k"]:
    """(J Jᵀ)⁻¹ x."""
    triangle, size = factor
    size = size.reshape(-1, *(1,) * (x.ndim - 1))
    return jax.scipy.linalg.cho_solve((triangle, True), x / size) / size


def on_surface(surface: Surface, z: Array) -> Bool[Array, ""]:
    """Whether h is zero up to the round-off of its terms."""
    u = surface.mean + surface.scale * z
    jacobian = jax.jacrev(surface.numbers)(u)
    size = jnp.sum(jnp.abs(jacobian * u), -1) + jnp.abs(surface.values)
    return jnp.all(jnp.abs(surface(z)) <= (16 + u.size**0.5) * jnp.finfo(u.dtype).eps * size)


def settled(surface: Surface, z: Array) -> Bool[Array, ""]:
    """Whether z is on the surface and along its normals, up to round-off."""
    inputs, rest = eqx.partition(surface, eqx.is_array)
    surface, z = eqx.combine(lax.stop_gradient(inputs), rest), lax.stop_gradient(z)
    jacobian, factor = tangent(surface, z)
    along = _projected(jacobian, factor, z)
    size = jnp.linalg.norm(surface.mean + surface.scale * z) + jnp.linalg.norm(surface.mean)
    least = 100 * jnp.finfo(z.dtype).eps * size
    return on_surface(surface, z) & (jnp.linalg.norm(surface.scale * along) <= least)


def convex(surface: Surface, z: Array) -> Bool[Array, ""]:
    """Whether P H P is positive in every direction that conjugate gradients from a random one meet."""
    inputs, rest = eqx.partition(surface, eqx.is_array)
    surface, z = eqx.combine(lax.stop_gradient(inputs), rest), lax.stop_gradient(z)
    jacobian, factor = tangent(surface, z)
    nu = -multipliers(factor, jacobian @ z)
    way = _projected(jacobian, factor, jax.random.normal(jax.random.key(0), z.shape, z.dtype))
    return _conjugate_gradients(_curvature(surface, z, nu), jacobian, factor, way)[1]


@eqx.filter_custom_jvp
def nearest_point(
    surface: Surface, start: Float[Array, " n"]
) -> tuple[Float[Array, " n"], Float[Array, " m"]]:
    """The point z and ν, from a first guess of z; whether they are a solution, `settled` says."""

    def step(state):
        z, k, _ = state
        jacobian, factor = tangent(surface, z)
        nu = -multipliers(factor, jacobian @ z)
        along = _projected(jacobian, factor, z)
        way, _ = _conjugate_gradients(_curvature(surface, z, nu), jacobian, factor, -along)
        slack = 10 * jnp.finfo(z.dtype).eps * (z @ z)

        def shorten(trial):
            length, _, _, j = trial
            new = _returned(surface, z + length * way)
            nearer = new @ new <= z @ z + 1e-4 * length * (along @ way) + slack
            return 0.5 * length, new, on_surface(surface, new) & nearer, j + 1

        one = jnp.ones((), z.dtype)
        trials = lambda trial: ~trial[2] & (trial[3] < _HALVINGS)
        _, new, good, _ = lax.while_loop(trials, shorten, (one, z, jnp.array(False), 0))
        new = jnp.where(good, new, z)
        return new, k + 1, ~good | settled(surface, new)

    start = _returned(surface, start)
    going = lambda state: ~state[2] & (state[1] < _STEPS)
    z, _, _ = lax.while_loop(going, step, (start, 0, settled(surface, start)))
    jacobian, factor = tangent(surface, z)
    return z, -multipliers(factor, jacobian @ z)


@nearest_point.def_jvp
def _(primals, tangents):
    (surface, start), (change, _) = (
        primals,
        tangents,
    )  # the solution does not know where it was sought
    z, nu = nearest_point(surface, start)

    def equations(surface, z, nu):
        h, back = jax.vjp(surface, z)
        return z + back(nu)[0], h

    moving = jax.tree.map(lambda x: x is not None, change, is_leaf=lambda x: x is None)
    inputs, rest = eqx.partition(surface, moving)
    slope = jax.jvp(lambda s: equations(eqx.combine(s, rest), z, nu), (inputs,), (change,))[1]
    matvec = jax.linearize(lambda x: equations(surface, *x), (z, nu))[1]

    def solve(_, right):
        jacobian, factor = tangent(surface, z)
        curvature = _curvature(surface, z, nu)
        normal = jacobian.T @ multipliers(factor, right[1])
        rest = _projected(jacobian, factor, right[0] - curvature(normal))
        along, convex = _conjugate_gradients(curvature, jacobian, factor, rest)
        x = normal + jnp.where(convex, along, jnp.nan)  # no minimum, no derivative
        return x, multipliers(factor, jacobian @ (right[0] - curvature(x)))

    right = jax.tree.map(jnp.negative, slope)
    return (z, nu), lax.custom_linear_solve(matvec, right, solve, symmetric=True)


def _projected(jacobian: Array, factor: tuple[Array, Array], x: Array) -> Array:
    """P x; twice, for what the first leaves of a long normal part."""
    for _ in range(2):
        x = x - jacobian.T @ multipliers(factor, jacobian @ x)
    return x


def _curvature(surface: Surface, z: Array, nu: Array) -> Callable[[Array], Array]:
    """The map v ↦ H v."""
    slope = jax.grad(lambda z: nu @ surface(z))
    return lambda v: v + jax.jvp(slope, (z,), (v,))[1]


def _returned(surface: Surface, z: Array) -> Array:
    """Newton's way back to the surface, each step of a length that lessens h most."""
    lengths = 0.5 ** jnp.arange(10, dtype=z.dtype)

    def step(state):
        z, h, k, _ = state
        jacobian, factor = tangent(surface, z)
        size = factor[1]
        trials = z - lengths[:, None] * (jacobian.T @ multipliers(factor, h))
        residuals = jax.vmap(surface)(trials)
        misses = jnp.linalg.norm(residuals / size, axis=-1)
        best = jnp.argmin(jnp.where(jnp.isnan(misses), jnp.inf, misses))
        better = misses[best] < jnp.linalg.norm(h / size)
        z, h = jnp.where(better, trials[best], z), jnp.where(better, residuals[best], h)
        return z, h, k + 1, ~better

    going = lambda state: ~state[3] & (state[2] < _RETURNS)
    return lax.while_loop(going, step, (z, surface(z), 0, jnp.array(False)))[0]


def _conjugate_gradients(curvature, jacobian, factor, right) -> tuple[Array, Array]:
    """The x in the tangent plane with P H x = right, and whether all curvature met was positive."""
    least = (10 * jnp.finfo(right.dtype).eps) ** 2 * (right @ right)

    def step(state):
        x, r, p, k, _ = state
        q = _projected(jacobian, factor, curvature(p))
        bend, size = p @ q, r @ r
        convex = bend > 0
        length = size / jnp.where(convex, bend, 1.0)
        x_new, r_new = x + length * p, r - length * q
        p_new = r_new + (r_new @ r_new) / size * p
        # At negative curvature: what is found so far, or the steepest way if there is nothing yet.
        x = jnp.where(convex, x_new, jnp.where(k == 0, right, x))
        return x, r_new, p_new, k + 1, convex

    going = lambda s: s[4] & (s[1] @ s[1] > least) & (s[3] < right.size + 20)
    start = (jnp.zeros_like(right), right, right, 0, jnp.array(True))
    x, _, _, _, convex = lax.while_loop(going, step, start)
    return x, convex
