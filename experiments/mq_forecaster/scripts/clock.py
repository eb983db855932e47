"""When the steps of a training end."""

import time

import numpy as np
import pytorch_lightning as pl  # pyright: ignore[reportMissingImports]

# Of all clocks: models and their callbacks are copied before they are trained.
_times = []


class Clock(pl.Callback):
    """The time at the end of every step."""

    def on_train_batch_end(self, *_):
        """Note it."""
        _times.append(time.perf_counter())


def seconds_a_step() -> float:
    """The median, without the first steps."""
    return float(np.median(np.diff(_times)[5:]))
