"""Moving digits: forces and energies of the paper, the motion by a plain loop, drawing by hand."""

import pickle

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxsci.data import (
    DatasetError,
    MovingDigits,
    MovingMNIST,
    NBodyDigits,
    Sprites,
    acceleration,
    bicubic,
    potential_energy,
)

FORCES = {"r0": -0.5, "r1": -1.0, "r2": -1.5}
PAPER = {"gravity": 0.05, "softening": 10.0}
START = np.array([[20.0, 30.0], [60.0, 80.0], [100.0, 40.0]])


@pytest.fixture
def sprites():
    """Three pictures of different sizes in a box of 7 by 6."""
    pictures = np.zeros((3, 12, 11))
    rng = np.random.default_rng(0)
    for picture, (h, w) in zip(pictures, [(7, 4), (5, 6), (6, 3)], strict=True):
        picture[2 : 2 + h, 3 : 3 + w] = rng.uniform(0.2, 1.0, (h, w))
    return pictures


def test_golden_acceleration(x64):
    a = jax.jit(lambda x: acceleration(x, **PAPER))(START)
    np.testing.assert_allclose(a[0], [0.08009727, 0.04473041], atol=5e-9)  # all digits given


@pytest.mark.parametrize("force", FORCES)
def test_forces_add_up_to_zero_and_are_those_of_the_energy(x64, force):
    rng = np.random.default_rng(0)
    x, masses = rng.uniform(0, 100, (5, 2)), rng.uniform(0.5, 2.0, 5)

    @jax.jit
    def both(x):
        options = {"force": force, "masses": jnp.asarray(masses), **PAPER}
        slope = jax.grad(lambda y: potential_energy(y, **options))(x)
        return acceleration(x, **options), slope

    a, slope = both(x)
    # Round-off of twenty terms of size one.
    np.testing.assert_allclose(masses @ a, 0.0, atol=1e-12)
    np.testing.assert_allclose(masses[:, None] * a, -slope, rtol=1e-12)
    away = x - x[0]
    terms = masses[:, None] * away * (np.sum(away**2, 1)[:, None] + 100.0) ** FORCES[force]
    np.testing.assert_allclose(a[0], 0.05 * terms.sum(0), rtol=1e-12)


def test_energy_drifts_in_proportion_to_the_step(x64):
    """Kick-then-drift is of first order: half the step, half the largest error of the energy."""
    v0 = jnp.array([[0.6, -0.4], [-0.3, 0.9], [-0.3, -0.5]])

    @jax.jit
    def drift(dt):
        def advance(state, _):
            x, v = state
            v = v + dt * acceleration(x, **PAPER)
            x = x + dt * v
            return (x, v), 0.5 * jnp.sum(v**2) + potential_energy(x, **PAPER)

        start = (jnp.asarray(START), v0)
        energies = lax.scan(advance, start, None, length=200)[1]
        return energies - 0.5 * jnp.sum(v0**2) - potential_energy(start[0], **PAPER)

    # Over the same hundred units of time.
    coarse, fine = (float(np.abs(e).max()) for e in (drift(1.0)[:100], drift(0.5)))
    # Of the energy, which is about 10, and the next order changes the ratio by a few per cent.
    assert coarse < 0.5
    np.testing.assert_allclose(coarse / fine, 2.0, atol=0.15)


@pytest.mark.parametrize("force", ["r0", "r2"])
def test_motion_is_that_of_a_plain_loop(x64, sprites, force):
    cropped = Sprites.crop(sprites)
    gravity = {"r0": 0.05, "r1": 1.0, "r2": 20.0}[force]
    digits = NBodyDigits(cropped, canvas=48, size=24, frames=12, force=force, gravity=gravity)
    which, x, v = jax.jit(lambda key: digits.initial(key=key))(jax.random.key(3))
    path, velocity = eqx.filter_jit(digits.motion)(which, x, v)
    half = np.asarray(cropped.sizes)[np.asarray(which)] / 2
    x, v, hits = np.asarray(x), np.asarray(v), 0
    for t in range(12):
        np.testing.assert_allclose(path[t], x, atol=1e-9)  # 55 steps grow round-off of 1e-14
        np.testing.assert_allclose(velocity[t], v, atol=1e-9)
        for _ in range(5):
            a = np.zeros((3, 2))
            for i in range(3):
                for j in range(3):
                    r = x[j] - x[i]
                    a[i] += gravity * r * (r @ r + 100.0) ** FORCES[force]
            v = np.clip(v + a, -2.0, 2.0)
            x = x + v
            for i in range(3):
                for d in range(2):
                    for wall, beyond in ((10.0, -1), (38.0, 1)):
                        if beyond * (x[i, d] + half[i, d] - wall) > 0:
                            x[i, d], v[i, d], hits = wall - half[i, d], -v[i, d], hits + 1
    assert hits > 2  # the walls were met


@pytest.mark.parametrize("force", ["r0", "r1"])
def test_the_scaled_motion_is_similar(x64, sprites, force):
    """A quarter of all lengths gives a quarter of every position."""
    which = jnp.arange(3)
    rng = np.random.default_rng(0)
    x, v = rng.uniform(0, 100, (3, 2)), rng.normal(size=(3, 2))
    whole = Sprites.whole(sprites)
    quarter = Sprites(whole.pixels, whole.sizes / 4)
    large = NBodyDigits(whole, frames=15, force=force)
    small = NBodyDigits.scaled(quarter, canvas=32, frames=15, force=force)
    assert (small.size, small.canvas) == (16, 32)
    run = eqx.filter_jit(lambda digits, x, v: digits.motion(which, x, v)[0])
    a, b = run(large, x, v), run(small, x / 4, v / 4)
    np.testing.assert_allclose(b, a / 4, atol=1e-9)  # 70 steps grow round-off of 1e-14


def test_cropping_keeps_the_ink(sprites):
    sprites = sprites.astype(np.float32)
    cropped = Sprites.crop(sprites)
    np.testing.assert_array_equal(cropped.sizes, [[4, 7], [6, 5], [3, 6]])
    assert cropped.pixels.shape == (3, 7, 6)
    np.testing.assert_array_equal(cropped.pixels[1, :5, :], sprites[1, 2:7, 3:9])
    np.testing.assert_array_equal(cropped.pixels[1, 5:], 0)
    np.testing.assert_allclose(cropped.pixels.sum((1, 2)), sprites.sum((1, 2)), rtol=1e-6)


def test_drawing_at_whole_pixels_and_between(x64, sprites):
    cropped = Sprites.crop(sprites)
    picture = np.asarray(cropped.pixels[0])
    draw = jax.jit(lambda which, corners: cropped.draw(which, corners, 16))
    one = lambda x, y: np.asarray(draw(np.array([0, 0]), np.array([[x, y], [x, y]])))
    drawn = one(3.0, 5.0)
    np.testing.assert_array_equal(drawn[5:12, 3:9], picture)
    assert drawn.sum() == picture.sum()
    expected = 0.75 * drawn + 0.25 * np.roll(drawn, 1, axis=1)
    np.testing.assert_allclose(one(3.25, 5.0), expected, atol=1e-15)
    np.testing.assert_array_equal(one(-3.0, 12.0)[12:, :3], picture[:4, 3:])
    both = draw(np.array([0, 1]), np.array([[3.0, 5.0], [3.0, 5.0]]))
    other = draw(np.array([1, 1]), np.array([[3.0, 5.0], [3.0, 5.0]]))
    np.testing.assert_array_equal(both, np.maximum(drawn, other))


def test_bicubic_weights():
    matrix = bicubic(128, 64)
    # Twice as coarse: every pixel lies in the middle of four, w(±½) = 19/32 and w(±3/2) = −3/32.
    np.testing.assert_array_equal(matrix[10, 19:23], np.array([-3, 19, 19, -3]) / 32)
    np.testing.assert_array_equal(matrix[0, :3], np.array([16, 19, -3]) / 32)
    np.testing.assert_array_equal(np.count_nonzero(matrix[1:-1], axis=1), 4)
    np.testing.assert_array_equal(bicubic(9, 9), np.eye(9))
    for sizes in ((32, 16), (10, 7), (7, 20)):
        np.testing.assert_allclose(bicubic(*sizes).sum(axis=1), 1.0, rtol=1e-14)
    # The kernel of a = −¾ is not exact for straight lines except by symmetry, as here.
    x = (np.arange(128) + 0.5) / 128
    np.testing.assert_allclose((matrix @ x)[1:-1], (np.arange(64) + 0.5)[1:-1] / 64, rtol=1e-14)


def test_sequences_are_drawn_by_key_under_jit_and_vmap(sprites):
    digits = NBodyDigits.scaled(Sprites.crop(sprites.astype(np.float32)), canvas=32, frames=6)
    draw = jax.jit(jax.vmap(lambda key: digits(key=key)))
    keys = jax.random.split(jax.random.key(0), 4)
    a, b = draw(keys), draw(keys)
    assert a.shape == (4, 6, 1, 16, 16)
    assert a.dtype == jnp.float32
    np.testing.assert_array_equal(a, b)
    assert not np.allclose(a[0], a[1])
    assert a.min() >= 0
    assert 0.5 < a.max() <= 1


def test_moving_digits_bounce_between_the_borders(x64):
    pictures = np.ones((1, 3, 3))
    digits = MovingDigits(Sprites.whole(pictures), frames=40, size=12, bodies=1, speed=0.2)
    keys = jax.random.split(jax.random.key(0), 5)
    for frames in np.asarray(jax.jit(jax.vmap(lambda key: digits(key=key)))(keys))[:, :, 0]:
        np.testing.assert_array_equal(frames.sum((1, 2)), 9.0)  # whole pixels, never cut
        corners = np.array([np.argwhere(frame)[0] for frame in frames])
        assert corners.min() >= 0
        assert corners.max() <= 9
        # At most 0.2 * 9 = 1.8 pixels a frame, which rounding makes two.
        assert np.abs(np.diff(corners, axis=0)).max() <= 2
        assert np.ptp(corners, axis=0).max() == 9  # 40 frames are several crossings


def test_impossible_canvases_are_refused(sprites):
    sprites = sprites.astype(np.float32)
    cropped = Sprites.crop(sprites)
    with pytest.raises(ValueError, match="a canvas that holds digits of 7 pixels and walls 10"):
        NBodyDigits(cropped, canvas=20)
    with pytest.raises(ValueError, match="frames to be a whole number"):
        NBodyDigits(cropped, frames=0)
    with pytest.raises(ValueError, match="softening > 0 and speed >= 0"):
        NBodyDigits(cropped, softening=0.0)
    with pytest.raises(ValueError, match="digits of at most 5 pixels"):
        MovingDigits(Sprites.crop(sprites), size=5)
    with pytest.raises(DatasetError, match="ink in every picture, got none in number 1"):
        Sprites.crop(sprites * np.array([1.0, 0.0, 1.0])[:, None, None])
    with pytest.raises(DatasetError, match=r"brightness in \[0, 1\], got values from 0.0 to 25"):
        Sprites.whole(sprites * 255)
    with pytest.raises(DatasetError, match="got uint8 of shape"):
        Sprites.whole(sprites.astype(np.uint8))
    with pytest.raises(DatasetError, match=r"\(pictures, height, width\)"):
        Sprites.whole(sprites[0])


def test_an_unknown_force_is_refused(sprites, unchecked):
    with pytest.raises(ValueError, match="NBodyDigits expected a force of"):
        acceleration(jnp.zeros((2, 2)), force="r3", **PAPER)


def test_moving_mnist_is_split_without_overlap(tmp_path):
    frames = np.arange(20, dtype=np.uint8)[:, None, None, None] * np.ones((1, 100, 4, 4), np.uint8)
    frames[0] = np.arange(100, dtype=np.uint8)[:, None, None]  # the first frame has the number
    path = tmp_path / "mnist_test_seq.npy"
    np.save(path, frames)
    parts = {part: MovingMNIST(path, split=part) for part in ("train", "validation", "test")}
    assert [len(part) for part in parts.values()] == [81, 9, 10]  # as 8100, 900, 1000 of 10,000
    numbers = [
        round(float(part[i]["input"][0, 0, 0, 0]) * 255)
        for part in parts.values()
        for i in range(len(part))
    ]
    assert numbers == list(range(100))
    assert len(pickle.dumps(parts["train"])) < 2000  # workers get the path, not the sequences
    sample = parts["test"][0]
    assert sample["input"].shape == sample["target"].shape == (10, 1, 4, 4)
    np.testing.assert_allclose(sample["target"][:, 0, 0, 0] * 255, np.arange(10, 20), rtol=1e-6)
    with pytest.raises(DatasetError, match="time > 20"):
        MovingMNIST(path, inputs=20)
    np.save(path, frames.astype(np.float32))
    with pytest.raises(DatasetError, match="expected uint8 of shape"):
        MovingMNIST(path)
    path.write_bytes(b"nothing")
    with pytest.raises(DatasetError, match="expected an array at"):
        MovingMNIST(path)
