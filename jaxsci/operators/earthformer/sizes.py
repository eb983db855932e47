"""The sizes of models of cuboid attention: films in and out, tokens of each level, windows that divide them."""

from ..._checks import whole
from ...nn.cuboid.patterns import windows
from ...nn.frames import merged
from .encoder import PATCH
from .recipe import Shape


def check_shapes(who: str, **shapes: Shape) -> tuple[Shape, Shape]:
    """Two shapes (time, channels, height, width) of films on the same points, under their arguments' names."""
    for name, shape in shapes.items():
        if not isinstance(shape, tuple) or len(shape) != 4:
            raise ValueError(
                f"{who} expected {name} as a tuple (time, channels, height, width), got {shape!r}; "
                "write for example (10, 1, 64, 64)."
            )
        for part, number in zip(("frames", "channels", "height", "width"), shape, strict=True):
            whole(who, f"{part} of {name}", number)
    (one, first), (other, second) = shapes.items()
    if first[2:] != second[2:]:
        raise ValueError(
            f"{who} expected the same height and width in {one} and {other}, got {first[2:]} and {second[2:]}; "
            "resample one of them."
        )
    return first, second


def check_depth(who: str, depth: tuple[int, ...]) -> tuple[int, ...]:
    """The number of stacks of each level."""
    if not isinstance(depth, tuple) or not depth:
        raise ValueError(
            f"{who} expected depth as a tuple with one entry per level, got {depth!r}; write depth=(1, 1)."
        )
    return tuple(whole(who, "each depth", d) for d in depth)


def level_shapes(
    who: str, shape: Shape, *, stem: tuple[tuple[int, int], ...], base: int, levels: int
) -> tuple[Shape, ...]:
    """(time, height, width, channels) of the tokens of each level, the finest first.

    Args:
        who: the model, for its errors.
        shape: (time, channels, height, width) of what goes in.
        stem: patches that become tokens, one merged after the other.
        base: channels of the finest tokens.
        levels: number of levels.
    """
    frames, _, *size = shape
    patches = [*stem] + [PATCH] * (levels - 1)
    size, sizes = (size[0], size[1]), [(size[0], size[1])]
    for patch in patches:
        if any(n < p for n, p in zip(size, patch, strict=True)):
            raise ValueError(
                f"{who} expected frames that patches {patches} can merge in turn, got {shape[2:]}, of "
                f"which {size} is left for a patch {patch}; use fewer levels or smaller patches."
            )
        size = merged(size, patch)
        sizes.append(size)
    return tuple((frames, *s, base * 2**i) for i, s in enumerate(sizes[len(stem) :]))


def check_windows(
    who: str, name: str, shapes: tuple[Shape, ...], frames_out: int, *, pad: bool
) -> None:
    """Refuse cuboids larger than the finest tokens, and such as do not divide them if none may be filled up.

    Args:
        who: the model, for its errors.
        name: the pattern.
        shapes: (time, height, width, channels) of the tokens of each level.
        frames_out: frames that a decoder attends to.
        pad: whether cuboids may be filled up.
    """
    frames, side = windows(name)
    shape = shapes[0]
    if frames > shape[0] or side > min(shape[1:3]):
        raise ValueError(
            f"{who} expected windows that fit the finest tokens {shape[:3]} (time, height, width), got "
            f"{name!r}; take smaller ones, or merge smaller patches."
        )
    for _, height, width, _ in () if pad else shapes:
        asked = ((shape[0], frames), (frames_out, frames), (height, side), (width, side))
        # On coarser levels windows are cut to what there is.
        if any(size % min(window, size) for size, window in asked):
            raise ValueError(
                f"{who} expected windows that divide the tokens ({shape[0]} frames in and {frames_out} "
                f"out, {height} x {width}), got {name!r}; take others, or pad=True for cuboids that are "
                "filled up."
            )
