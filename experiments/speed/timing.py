"""Wall time of compiled calls: medians, compilation apart, results waited for."""

import time
from collections.abc import Callable

import jax
import numpy as np


def median_seconds(call: Callable, *arguments, repeats: int = 9) -> float:
    """Median wall time of a call that is compiled already after its first use."""
    return alternated([call], *arguments, repeats=repeats)[0]


def alternated(calls: list[Callable], *arguments, repeats: int = 9) -> list[float]:
    """Median wall times of calls measured in turns, so that a busy machine slows all alike."""
    for call in calls:
        jax.block_until_ready(call(*arguments))
    times = [[] for _ in calls]
    for _ in range(repeats):
        for call, mine in zip(calls, times, strict=True):
            start = time.perf_counter()
            jax.block_until_ready(call(*arguments))
            mine.append(time.perf_counter() - start)
    return [float(np.median(mine)) for mine in times]
