"""Plans of cuboids: cutting and joining, regions, padding, the index of the position bias, named patterns."""

import itertools
import math

import jax.numpy as jnp
import numpy as np
import pytest

from jaxsci.nn import Cuboid, CuboidPlan, cross_pattern, self_pattern
from jaxsci.nn.cuboid.plan import relative_index


@pytest.mark.parametrize("strategy", ["".join(s) for s in itertools.product("ld", repeat=3)])
def test_joining_undoes_cutting_bit_for_bit(strategy):
    random = np.random.default_rng(sum(map(ord, strategy)))
    for early in (False, True):
        shape, size = (tuple(random.integers(1, 9, 3).tolist()) for _ in range(2))
        shift = tuple(int(random.integers(0, b)) for b in size)
        plan = CuboidPlan(shape, Cuboid(size, shift, strategy), early=early)
        x = jnp.asarray(random.normal(size=(*shape, 2)), jnp.float32)
        cut = plan.cut(x)
        assert cut.shape == (plan.count, plan.volume, 2)
        np.testing.assert_array_equal(plan.join(cut), x)


def test_dilated_cuboids_hold_every_third_of_twelve_frames():
    frames = jnp.arange(12.0).reshape(12, 1, 1, 1)
    plan = CuboidPlan((12, 1, 1), Cuboid((4, 1, 1), strategy="dll"))
    expected = [[0, 3, 6, 9], [1, 4, 7, 10], [2, 5, 8, 11]]
    np.testing.assert_array_equal(plan.cut(frames)[..., 0], expected)


def test_one_cuboid_is_local_and_dilated_alike():
    x = jnp.arange(24.0).reshape(2, 3, 4, 1)
    local, dilated = (CuboidPlan((2, 3, 4), Cuboid((2, 3, 4), strategy=s)) for s in ("lll", "ddd"))
    np.testing.assert_array_equal(local.cut(x), dilated.cut(x))


def test_plans_are_values():
    assert hash(CuboidPlan((4, 4, 4), Cuboid((2, 9, 2)))) == hash(
        CuboidPlan((4, 4, 4), Cuboid((2, 4, 2)))
    )


def test_regions_part_what_the_roll_has_joined():
    """On a line of six tokens, cuboids of three that are shifted by one: the last holds both ends."""
    plan = CuboidPlan((1, 1, 6), Cuboid((1, 1, 3), shift=(0, 0, 1)))
    tokens = np.asarray(plan.cut(jnp.arange(6.0).reshape(1, 1, 6, 1))[..., 0])
    np.testing.assert_array_equal(tokens, [[1, 2, 3], [4, 5, 0]])
    regions = plan.regions()
    assert regions[1, 0] == regions[1, 1] != regions[1, 2]
    assert CuboidPlan((1, 1, 6), Cuboid((1, 1, 3))).regions() is None


def test_padding_is_a_region_unless_it_is_attended_to():
    cuboid = Cuboid((1, 2, 2))
    plan = CuboidPlan((1, 3, 3), cuboid)
    pads = np.asarray(plan.cut(jnp.ones((1, 3, 3, 1))))[..., 0] == 0
    np.testing.assert_array_equal(plan.labels() == -1, pads)
    np.testing.assert_array_equal(plan.valid(), ~pads)
    zeros = CuboidPlan((1, 3, 3), cuboid, "zeros")
    assert zeros.regions() is None
    assert zeros.valid() is None


def test_published_order_of_the_mask_misses_two_tokens_and_sees_two_pads():
    plan = CuboidPlan((1, 3, 3), Cuboid((1, 2, 2)))
    right, published = plan.valid(), plan.valid(scrambled=True)
    assert (right & ~published).sum() == (~right & published).sum() == 2


@pytest.mark.parametrize("clipped", [(4, 2, 4), (2, 4, 4), (3, 1, 2)])
def test_index_of_clipped_cuboids_is_the_middle_of_the_full_one(clipped):
    table = (4, 4, 4)
    offsets = np.arange(7**3).reshape(7, 7, 7)
    tokens = list(itertools.product(*map(range, clipped)))
    expected = [
        [offsets[tuple(3 + a - b for a, b in zip(i, j, strict=True))] for j in tokens]
        for i in tokens
    ]
    np.testing.assert_array_equal(relative_index(table, clipped), expected)
    # The corner of the full index is the same only where the first axis alone is clipped.
    corner = relative_index(table, clipped, sliced=True)
    assert (corner == np.asarray(expected)).all() == (clipped[1:] == (4, 4))


SHAPE = (10, 12, 16)


@pytest.mark.parametrize("shape", [SHAPE, (5, 7, 3)])
def test_axial_attention_has_as_many_scores_as_tokens_times_the_three_lengths(shape):
    plans = [CuboidPlan(shape, cuboid) for cuboid in self_pattern("axial", shape)]
    assert sum(plan.count * plan.volume**2 for plan in plans) == math.prod(shape) * sum(shape)


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("full", [SHAPE]),
        ("axial", [(10, 1, 1), (1, 12, 1), (1, 1, 16)]),
        ("divided_st", [(10, 1, 1), (1, 12, 16)]),
        ("video_swin_2x8", [(2, 8, 8), (2, 8, 8)]),
        ("spatial_lg_4", [(10, 1, 1), (1, 4, 4), (1, 4, 4)]),
        ("spatial_lg_16", [(10, 1, 1), (1, 12, 16)]),
        ("axial_space_dilate_4", [(10, 1, 1), (1, 3, 1), (1, 3, 1), (1, 1, 4), (1, 1, 4)]),
    ],
)
def test_patterns_of_self_attention(name, sizes):
    cuboids = self_pattern(name, SHAPE)
    assert [cuboid.size for cuboid in cuboids] == sizes
    dilated = {"spatial_lg_4": [2], "axial_space_dilate_4": [1, 3]}.get(name, [])
    assert [i for i, c in enumerate(cuboids) if c.strategy == "ddd"] == dilated
    shifts = [c.shift for c in cuboids if any(c.shift)]
    assert shifts == ([(1, 4, 4)] if name == "video_swin_2x8" else [])


def test_patterns_of_cross_attention():
    one = Cuboid((1, 2, 2))
    dilated = Cuboid((1, 2, 2), strategy="ddd")
    assert cross_pattern("cross_2x2", SHAPE) == (one,)
    assert cross_pattern("cross_2x2_lg", SHAPE) == (one, dilated)
    shifted = Cuboid((1, 2, 2), shift=(0, 1, 1))
    assert cross_pattern("cross_2x2_heter", SHAPE) == (one, dilated, shifted)
    assert cross_pattern("cross_32x32", SHAPE)[0].size == (1, 12, 12)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: self_pattern("axle", SHAPE), "expected full, axial.*got 'axle'; take 'axial'"),
        (lambda: self_pattern("spatial_lg_0", SHAPE), "expected full, axial"),
        (lambda: cross_pattern("cross_2x4", SHAPE), "expected cross_KxK.*got 'cross_2x4'"),
        (lambda: Cuboid((0, 1, 1)), "each size to be a whole number >= 1, got 0"),
        (lambda: Cuboid((2, 2, 2), shift=(0, 2, 0)), r"shifts less than the size.*\(0, 2, 0\)"),
        (lambda: Cuboid((2, 2, 2), strategy="lx"), "letter l .local. or d .dilated. per axis"),
        (
            lambda: CuboidPlan((1, 2, 2), Cuboid((1, 1, 1)), "nearest"),
            "padding 'ignore' or 'zeros'",
        ),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_what_does_not_fit_is_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()


@pytest.mark.usefixtures("unchecked")
def test_sizes_are_triples():
    with pytest.raises(ValueError, match=r"size as a tuple \(time, height, width\), got \(2, 2\)"):
        Cuboid((2, 2))
