"""The Riemann problem of the shallow-water equations on a flat bed, dry ground included.

Onto water, a bore runs ahead of a rarefaction (Stoker); onto dry ground the rarefaction itself runs
out to h = 0 at v + 2√(gh) (Ritter). Water that parts fast enough leaves dry ground between.

Reference: E. F. Toro, Shock-Capturing Methods for Free-Surface Shallow Flows (2001), chapters 5, 6.
"""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ..guarded import root
from .roots import in_precision_of, positive_root

Number = Float[Array, ""]
Pair = tuple[Number, Number]


class DamBreak(eqx.Module):
    """The solution of a Riemann problem of `ShallowWater` in one dimension; see `riemann`.

    Attributes:
        gravity: g.
        left: (h, v) on the left.
        right: (h, v) on the right.
        star_depth: depth between the waves; zero where there is dry ground.
        star_velocity: velocity there; zero on dry ground.
        dry: whether there is dry ground.
    """

    gravity: Number
    left: Pair
    right: Pair
    star_depth: Number
    star_velocity: Number
    dry: Bool[Array, ""]

    def __init__(self, gravity: Number, left: Pair, right: Pair):
        gravity = eqx.error_if(
            gravity,
            ~((left[0] >= 0) & (right[0] >= 0)),
            "riemann expected depths that are not negative, got others; use 0 for dry ground.",
        )
        self.gravity, self.left, self.right = gravity, left, right
        celerities = root(gravity * left[0]), root(gravity * right[0])
        parted = right[1] - left[1] >= 2.0 * (celerities[0] + celerities[1])
        self.dry = parted | (left[0] == 0) | (right[0] == 0)
        # Somewhere to solve for where the answer is known already.
        still = jnp.ones_like(left[0]), jnp.zeros_like(left[1])
        sides = [
            tuple(jnp.where(self.dry, a, b) for a, b in zip(still, side, strict=True))
            for side in (left, right)
        ]
        args = (gravity, *sides)
        mean = 0.5 * (root(gravity * sides[0][0]) + root(gravity * sides[1][0]))
        guess = (mean - 0.25 * (sides[1][1] - sides[0][1])) ** 2 / gravity
        depth = positive_root(_residual, guess, args)
        pushes = [_push(gravity, side[0], depth) for side in sides]
        velocity = 0.5 * (sides[0][1] + sides[1][1] + pushes[1] - pushes[0])
        self.star_depth = jnp.where(self.dry, 0.0, depth)
        self.star_velocity = jnp.where(self.dry, 0.0, velocity)

    @eqx.filter_jit
    def sample(self, xi: Float[Array, "..."]) -> Float[Array, "2 ..."]:
        """(h, v) at xi = (x − x₀)/t, in the precision of xi."""
        self = in_precision_of(xi, self)
        fronts = [
            side[1] + sign * 2.0 * root(self.gravity * side[0])
            for side, sign in ((self.left, 1.0), (self.right, -1.0))
        ]
        middle = jnp.where(self.dry, 0.5 * (fronts[0] + fronts[1]), self.star_velocity)
        middle = jnp.where(self.left[0] == 0, -jnp.inf, middle)
        middle = jnp.where((self.right[0] == 0) & (self.left[0] > 0), jnp.inf, middle)
        from_left = self._side(xi, self.left, fronts[0], 1.0)
        from_right = self._side(xi, self.right, fronts[1], -1.0)
        return jnp.where(xi < middle, from_left, from_right)

    def _side(
        self, xi: Float[Array, "..."], state: Pair, front: Number, sign: float
    ) -> Float[Array, "2 ..."]:
        """The state left of the star region; with sign −1 right of it, by reflection."""
        depth, velocity, speed = state[0], sign * state[1], sign * xi
        celerity, star_velocity = root(self.gravity * depth), sign * self.star_velocity
        shocked = self.star_depth > depth
        wet = jnp.where(depth > 0, depth, 1.0)
        steep = root(0.5 * self.star_depth * (self.star_depth + depth)) / wet
        head = velocity - celerity * jnp.where(shocked, steep, 1.0)
        smooth = star_velocity - root(self.gravity * self.star_depth)
        tail = jnp.where(shocked, head, jnp.where(self.dry, sign * front, smooth))
        fan_celerity = (velocity + 2.0 * celerity - speed) / 3.0
        regions = (
            (depth, fan_celerity**2 / self.gravity, self.star_depth),
            (velocity, speed + fan_celerity, star_velocity),
        )
        h, v = (
            jnp.where(speed < head, ahead, jnp.where(speed < tail, fan, star))
            for ahead, fan, star in regions
        )
        return jnp.stack([h, sign * v])


def _push(gravity: Number, outer: Number, depth: Number) -> Number:
    """f_K(h), the velocity lost across the wave of one side, Toro eqs. (5.7) and (5.8)."""
    bore = (depth - outer) * jnp.sqrt(0.5 * gravity * (depth + outer) / (depth * outer))
    fan = 2.0 * (jnp.sqrt(gravity * depth) - jnp.sqrt(gravity * outer))
    return jnp.where(depth > outer, bore, fan)


def _residual(depth: Number, args: tuple[Number, Pair, Pair]) -> Number:
    gravity, left, right = args
    push = _push(gravity, left[0], depth) + _push(gravity, right[0], depth)
    return push + right[1] - left[1]
