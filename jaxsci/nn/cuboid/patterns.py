"""Named patterns of cuboids: which attention layers follow each other in a stack.

| self-attention         | cuboids on T x H x W tokens                                             |
|------------------------|-------------------------------------------------------------------------|
| `full`                 | everything                                                              |
| `axial`                | (T, 1, 1), (1, H, 1), (1, 1, W)                                         |
| `divided_st`           | (T, 1, 1), (1, H, W)                                                    |
| `video_swin_PxM`       | (P, M, M), and the same shifted by half a window                        |
| `spatial_lg_M`         | (T, 1, 1), (1, M, M) local, (1, M, M) dilated                           |
| `axial_space_dilate_K` | (T, 1, 1), (1, H/K, 1) dilated and local, (1, 1, W/K) dilated and local |

| cross-attention   | windows                                                    |
|-------------------|------------------------------------------------------------|
| `cross_KxK`       | K x K tokens of all frames                                 |
| `cross_KxK_lg`    | the same, and a dilated one                                |
| `cross_KxK_heter` | the same, and a local one that is shifted by half a window |

Reference: Gao et al., Earthformer, NeurIPS 2022, arXiv:2207.05833, table 1 and appendix.
"""

import re

from ..._checks import wholes
from .plan import Cuboid, Triple

SELF_PATTERNS = "full, axial, divided_st, video_swin_PxM, spatial_lg_M or axial_space_dilate_K"
CROSS_PATTERNS = "cross_KxK, cross_KxK_lg or cross_KxK_heter"


def windows(name: str) -> tuple[int, int]:
    """What a pattern asks of a field to be cut as named: frames and tokens along height and width."""
    frames = re.fullmatch(r"video_swin_(\d+)x\d+", name)
    space = re.search(r"(\d+)(_lg|_heter)?$", name)
    return int(frames[1]) if frames else 1, int(space[1]) if space else 1


def self_pattern(name: str, shape: Triple) -> tuple[Cuboid, ...]:
    """The cuboids of a named pattern of self-attention.

    Windows larger than the field become the field, as on the coarse levels of a hierarchy.

    Args:
        name: one of the patterns above.
        shape: tokens along (time, height, width).

    Raises:
        ValueError: another name, or a window of no tokens.
    """
    t, h, w = shape
    time = Cuboid((t, 1, 1))
    if name == "full":
        return (Cuboid(shape),)
    if name == "axial":
        return time, Cuboid((1, h, 1)), Cuboid((1, 1, w))
    if name == "divided_st":
        return time, Cuboid((1, h, w))
    if match := re.fullmatch(r"video_swin_([1-9]\d*)x([1-9]\d*)", name):
        p, m = min(int(match[1]), t), min(int(match[2]), h, w)
        return Cuboid((p, m, m)), Cuboid((p, m, m), shift=(p // 2, m // 2, m // 2))
    if match := re.fullmatch(r"spatial_lg_([1-9]\d*)", name):
        m = int(match[1])
        if h <= m and w <= m:
            return time, Cuboid((1, h, w))
        return time, Cuboid((1, m, m)), Cuboid((1, m, m), strategy="ddd")
    if match := re.fullmatch(r"axial_space_dilate_([1-9]\d*)", name):
        k = min(int(match[1]), h, w)
        sizes = (1, h // k, 1), (1, 1, w // k)
        return time, *(Cuboid(size, strategy=s) for size in sizes for s in ("ddd", "lll"))
    raise ValueError(
        f"self_pattern expected {SELF_PATTERNS}, with numbers for P, M and K, got {name!r}; take "
        "'axial' to begin."
    )


def cross_pattern(name: str, shape: Triple) -> tuple[Cuboid, ...]:
    """The windows of a named pattern of cross-attention; their first entry is the number of cuboids in time.

    Args:
        name: one of the patterns above.
        shape: tokens along (time, height, width).

    Raises:
        ValueError: another name, or a window of no tokens.
    """
    match = re.fullmatch(r"cross_([1-9]\d*)x([1-9]\d*)(_lg|_heter)?", name)
    if not match or match[1] != match[2]:
        raise ValueError(
            f"cross_pattern expected {CROSS_PATTERNS}, with a number for K, got {name!r}; take "
            "'cross_1x1' to begin."
        )
    _, height, width = wholes("cross_pattern", "shape", shape, "shape=(10, 16, 16)")
    k = min(int(match[1]), height, width)
    local, dilated = Cuboid((1, k, k)), Cuboid((1, k, k), strategy="ddd")
    if match[3] is None:
        return (local,)
    if match[3] == "_lg":
        return local, dilated
    return local, dilated, Cuboid((1, k, k), shift=(0, k // 2, k // 2))
