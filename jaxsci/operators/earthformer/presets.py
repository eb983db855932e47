"""The published sizes of Earthformer, by the data that they were trained on.

Released: those of the configuration files beside the released weights, with their numbers of parameters.
`-paper`: those whose numbers of parameters and operations the paper prints, which differ: two stacks a level
instead of one for SEVIR, four for ENSO, one map for all directions between tokens and global vectors.

Reference: Gao et al., Earthformer, NeurIPS 2022, arXiv:2207.05833, tables 3 to 7.
"""

from typing import Any

SEVIR: dict[str, Any] = {
    "shape_in": (13, 1, 384, 384),
    "shape_out": (12, 1, 384, 384),
    "base": 128,
    "stem": ((16, 3), (64, 2), (128, 2)),
    "num_globals": 8,
    "global_attention": True,
}
ENSO: dict[str, Any] = {
    "shape_in": (12, 1, 24, 48),
    "shape_out": (14, 1, 24, 48),
    "base": 64,
    "stem": ((64, (1, 2)),),
    "final_convs": 1,
}

PRESETS: dict[str, dict[str, Any]] = {
    "nbody": {
        "shape_in": (10, 1, 64, 64),
        "shape_out": (10, 1, 64, 64),
        "base": 64,
        "depth": (4, 4),
        "final_convs": 1,
        "positions": "t+hw",
    },
    "sevir": {**SEVIR, "separate_globals": True},
    "sevir-lr": {
        "shape_in": (7, 1, 128, 128),
        "shape_out": (6, 1, 128, 128),
        "base": 64,
        "stem": ((4, 1), (16, 2), (64, 2)),
    },
    "enso": ENSO,
    "earthnet": {
        "shape_in": (10, 4, 128, 128),
        "shape_out": (20, 4, 128, 128),
        "base": 256,
        "stem": ((64, 2), (256, 2)),
        "auxiliary": 7,
        "num_globals": 8,
        "separate_globals": True,
        "global_attention": True,
        "positions": "t+hw",
    },
    "sevir-paper": {**SEVIR, "depth": (2, 2)},
    "enso-paper": {**ENSO, "depth": (4, 4), "num_globals": 8, "global_attention": True},
}
