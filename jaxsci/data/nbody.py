r"""N-body MNIST: digits that attract each other, drawn on the device from a key.

    a_i = G Σ_j m_j (x_j − x_i) (|x_j − x_i|² + d²)^p,    p = −½ ("r0"), −1 ("r1"), −3/2 ("r2")
    v ← clip(v + a),   x ← x + v,   and off the walls: centres beyond them go back, v changes sign

One step has length one, every fifth is a frame. Frames are drawn on the large canvas, reduced, and clipped to
[0, 1]. Chaos of known equations: what a model predicts can be checked against forces and energies.

Reference: Z. Gao et al., Earthformer: Exploring Space-Time Transformers for Earth System Forecasting,
NeurIPS 2022, arXiv:2207.05833. We follow its code where that differs from its description, (|r| + d)^p:
distances are softened as above; positions are corners of the cropped digits, also in the forces, and only
the walls act on their centres; velocities are clipped by component.
"""

import math
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, ArrayLike, Float, Int, PRNGKeyArray

from jaxsci._checks import whole

from .sprites import Sprites, bicubic

Force = Literal["r0", "r1", "r2"]
Points = Float[Array, "bodies 2"]

_POWERS = {"r0": -0.5, "r1": -1.0, "r2": -1.5}


def acceleration(
    positions: Points,
    *,
    gravity: ArrayLike,
    softening: ArrayLike,
    force: Force = "r0",
    masses: Float[Array, " bodies"] | None = None,
) -> Points:
    """Accelerations of bodies that attract each other; Σ m a = 0.

    Args:
        positions: of the bodies.
        gravity: G.
        softening: d.
        force: how it falls off with distance.
        masses: one each by default.
    """
    away, factor = _pairs(positions, softening, _power(force), masses)
    return jnp.asarray(gravity, positions.dtype) * jnp.sum(away * factor[..., None], axis=1)


def potential_energy(
    positions: Points,
    *,
    gravity: ArrayLike,
    softening: ArrayLike,
    force: Force = "r0",
    masses: Float[Array, " bodies"] | None = None,
) -> Float[Array, ""]:
    """The energy whose forces `acceleration` gives: G Σ_{i<j} m_i m_j φ(√(r² + d²)).

    φ(s) = s for "r0", log s for "r1", −1/s for "r2".
    """
    power = _power(force)
    away, _ = _pairs(positions, softening, power, masses)
    lower, upper = jnp.triu_indices(positions.shape[0], 1)
    s2 = jnp.sum(away[lower, upper] ** 2, -1) + jnp.asarray(softening, positions.dtype) ** 2
    energy = 0.5 * jnp.log(s2) if power == -1.0 else s2 ** (power + 1.0) / (2.0 * power + 2.0)
    weight = 1.0 if masses is None else masses[lower] * masses[upper]
    return jnp.asarray(gravity, positions.dtype) * jnp.sum(weight * energy)


class NBodyDigits(eqx.Module):
    """A distribution of sequences of digits that attract each other; `(key=...)` draws one.

    Lengths are pixels of the canvas, times are steps.

    Args:
        sprites: the digits, `Sprites.crop(pictures)`.
        frames: length of a sequence.
        canvas: side of the canvas on which the bodies move.
        size: side of the frames.
        bodies: number of digits.
        substeps: steps a frame.
        force: "r0", "r1" or "r2".
        gravity: G.
        softening: d.
        speed: initial speeds are uniform up to it, and components never exceed it.
        margin: how far from the border the walls stand; None for none.

    Raises:
        ValueError: sizes below one, a canvas on which the digits or walls do not fit, or another force.
    """

    sprites: Sprites
    frames: int = eqx.field(static=True)
    canvas: int = eqx.field(static=True)
    size: int = eqx.field(static=True)
    bodies: int = eqx.field(static=True)
    substeps: int = eqx.field(static=True)
    force: Force = eqx.field(static=True)
    gravity: float = eqx.field(static=True)
    softening: float = eqx.field(static=True)
    speed: float = eqx.field(static=True)
    margin: float | None = eqx.field(static=True)

    def __init__(
        self,
        sprites: Sprites,
        *,
        frames: int = 20,
        canvas: int = 128,
        size: int = 64,
        bodies: int = 3,
        substeps: int = 5,
        force: Force = "r0",
        gravity: float = 0.05,
        softening: float = 10.0,
        speed: float = 2.0,
        margin: float | None = 10.0,
    ):
        self.sprites = sprites
        for name, value in (
            ("frames", frames),
            ("canvas", canvas),
            ("size", size),
            ("bodies", bodies),
            ("substeps", substeps),
        ):
            setattr(self, name, whole("NBodyDigits", name, value))
        _power(force)
        self.force = force
        self.gravity, self.softening = float(gravity), float(softening)
        self.speed, self.margin = float(speed), None if margin is None else float(margin)
        if not (self.softening > 0 and self.speed >= 0 and math.isfinite(self.gravity)):
            raise ValueError(
                "NBodyDigits expected a finite gravity, softening > 0 and speed >= 0, got "
                f"{gravity}, {softening} and {speed}; the published values are the defaults."
            )
        largest = max(sprites.pixels.shape[1:])
        walls = 0.0 if margin is None else float(margin)
        if largest > canvas or not 0 <= 2 * walls < canvas:
            raise ValueError(
                f"NBodyDigits expected a canvas that holds digits of {largest} pixels and walls "
                f"{walls:g} pixels inside, got {canvas}; enlarge it, or use NBodyDigits.scaled."
            )

    @classmethod
    def scaled(
        cls, sprites: Sprites, *, canvas: int, force: Force = "r0", **options
    ) -> "NBodyDigits":
        """The published motion on a canvas of another size: all lengths in proportion to 128 pixels.

        Args:
            sprites: the digits; scale them too if they should fill the same share.
            canvas: side of the canvas.
            force: as above; it decides how G scales.
            **options: frames, bodies, substeps, and size, half the canvas by default.
        """
        ratio = canvas / 128
        gravity = 0.05 * ratio ** (-2.0 * _power(force))
        options = {"size": canvas // 2} | options
        return cls(
            sprites,
            canvas=canvas,
            force=force,
            gravity=gravity,
            softening=10.0 * ratio,
            speed=2.0 * ratio,
            margin=10.0 * ratio,
            **options,
        )

    def __call__(self, *, key: PRNGKeyArray) -> Float[Array, "frames 1 size size"]:
        """Draw one sequence, with brightness in [0, 1]."""
        which, corners, velocities = self.initial(key=key)
        path, _ = self.motion(which, corners, velocities)
        return self.render(which, path)

    def initial(self, *, key: PRNGKeyArray) -> tuple[Int[Array, " bodies"], Points, Points]:
        """Draw digits, their corners on the canvas, and their velocities."""
        dtype = self.sprites.pixels.dtype
        choose, draw = jax.random.split(key)
        which = jax.random.randint(choose, (self.bodies,), 0, self.sprites.count)
        x, y, turn, push = jax.random.uniform(draw, (4, self.bodies), dtype)
        corners = (self.canvas - self.sprites.sizes[which]) * jnp.stack([x, y], axis=-1)
        angle, speed = 2.0 * math.pi * turn, self.speed * push
        direction = jnp.stack([jnp.cos(angle), jnp.sin(angle)], axis=-1)
        return which, corners, speed[:, None] * direction

    def motion(
        self, which: Int[Array, " bodies"], corners: Points, velocities: Points
    ) -> tuple[Float[Array, "frames bodies 2"], Float[Array, "frames bodies 2"]]:
        """Corners and velocities at the frames, the first of which is the initial state."""
        half = 0.5 * self.sprites.sizes[which].astype(corners.dtype)

        def step(state: tuple[Points, Points], _: None):
            x, v = state
            pull = acceleration(x, gravity=self.gravity, softening=self.softening, force=self.force)
            v = jnp.clip(v + pull, -self.speed, self.speed)
            x = x + v
            if self.margin is not None:
                centre, v = bounce(x + half, v, self.margin, self.canvas - self.margin)
                x = centre - half
            return (x, v), None

        def frame(state: tuple[Points, Points], _: None):
            return lax.scan(step, state, None, length=self.substeps)[0], state

        return lax.scan(frame, (corners, velocities), None, length=self.frames)[1]

    def render(
        self, which: Int[Array, " bodies"], path: Float[Array, "frames bodies 2"]
    ) -> Float[Array, "frames 1 size size"]:
        """Draw digits at given corners and reduce the frames."""
        matrix = jnp.asarray(bicubic(self.canvas, self.size), path.dtype)

        def frame(corners: Points) -> Float[Array, "1 size size"]:
            drawn = self.sprites.draw(which, corners, self.canvas)
            reduced = jnp.einsum("oy,yx,px->op", matrix, drawn, matrix, precision="highest")
            return jnp.clip(reduced, 0.0, 1.0)[None]

        # One canvas at a time: a batch of sequences need not hold all of theirs.
        return lax.map(frame, path)


def bounce(x: Array, v: Array, low: ArrayLike, high: ArrayLike) -> tuple[Array, Array]:
    """Put back what is beyond a wall and turn its velocity around."""
    low, high = jnp.asarray(low, x.dtype), jnp.asarray(high, x.dtype)
    return jnp.clip(x, low, high), jnp.where((x < low) | (x > high), -v, v)


def _power(force: str) -> float:
    if force not in _POWERS:
        raise ValueError(
            f"NBodyDigits expected a force of {list(_POWERS)}, got {force!r}; choose one."
        )
    return _POWERS[force]


def _pairs(
    positions: Points, softening: ArrayLike, power: float, masses: Array | None
) -> tuple[Float[Array, "bodies bodies 2"], Float[Array, "bodies bodies"]]:
    """Where each body sees the others, and the factor of each in its force."""
    away = positions[None] - positions[:, None]
    softened = jnp.sum(away**2, axis=-1) + jnp.asarray(softening, positions.dtype) ** 2
    factor = softened**power
    return away, factor if masses is None else factor * masses
