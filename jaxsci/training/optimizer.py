"""AdamW with the usual surroundings, as a configuration.

Clip the global norm of the gradient, update with decoupled weight decay, and follow a schedule that
rises linearly and then stays, falls along a cosine, or is multiplied by a factor now and then.

Reference: Loshchilov and Hutter, Decoupled Weight Decay Regularization, ICLR 2019,
arXiv:1711.05101.
"""

import math
from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
import optax

from .._checks import whole


@dataclass(frozen=True)
class OptimizerConfig:
    """Options of the optimiser.

    Attributes:
        learning_rate: the largest learning rate.
        schedule: what follows the warm-up.
        warmup_steps: steps over which the rate rises linearly from zero.
        final_fraction: last rate of the cosine, as a fraction of the largest.
        decay_every: steps between two reductions of the schedule "step", counted from the start.
        decay_factor: factor of each reduction.
        clip_norm: largest global norm of the gradient, or None.
        weight_decay: decoupled decay of weights; vectors and scalars (biases, scales) are spared.
        b1: decay of the first moment.
        b2: decay of the second moment.
    """

    learning_rate: float = 1e-3
    schedule: Literal["constant", "cosine", "step"] = "cosine"
    warmup_steps: int = 0
    final_fraction: float = 0.0
    decay_every: int = 1000
    decay_factor: float = 0.5
    clip_norm: float | None = 1.0
    weight_decay: float = 0.0
    b1: float = 0.9
    b2: float = 0.999

    def __post_init__(self):
        wrong = {
            "a positive, finite learning_rate": 0 < self.learning_rate < math.inf,
            "schedule 'constant', 'cosine' or 'step'": self.schedule in _SCHEDULES,
            "warmup_steps >= 0": self.warmup_steps >= 0,
            "0 <= final_fraction <= 1": 0 <= self.final_fraction <= 1,
            "decay_every >= 1": self.decay_every >= 1,
            "0 < decay_factor <= 1": 0 < self.decay_factor <= 1,
            "clip_norm > 0 or None": self.clip_norm is None or self.clip_norm > 0,
            "weight_decay >= 0, and finite": 0 <= self.weight_decay < math.inf,
            "0 <= b1 < 1": 0 <= self.b1 < 1,
            "0 <= b2 < 1": 0 <= self.b2 < 1,
        }
        for expected, holds in wrong.items():
            if not holds:
                raise ValueError(
                    f"OptimizerConfig expected {expected}, got {self}; correct that option, the "
                    "defaults suit most runs."
                )

    def learning_rate_schedule(self, steps: int) -> optax.Schedule:
        """Return the learning rate as a function of the step, for a run of `steps` steps."""
        steps = whole("OptimizerConfig", "steps", steps)
        rate, warmup = self.learning_rate, self.warmup_steps
        if self.schedule == "constant":
            after = optax.constant_schedule(rate)
        elif self.schedule == "cosine":
            after = optax.cosine_decay_schedule(
                rate, max(steps - warmup, 1), alpha=self.final_fraction
            )
        else:
            boundaries = range(self.decay_every, max(steps, self.decay_every + 1), self.decay_every)
            factors = {at - warmup: self.decay_factor for at in boundaries}
            after = optax.piecewise_constant_schedule(rate, factors)
        if warmup == 0:
            return after
        return optax.join_schedules([optax.linear_schedule(0.0, rate, warmup), after], [warmup])

    def build(self, steps: int) -> optax.GradientTransformation:
        """Return the optimiser for a run of `steps` steps.

        Raises:
            ValueError: if the warm-up takes the whole run.
        """
        if not self.warmup_steps < steps:
            raise ValueError(
                f"OptimizerConfig expected warmup_steps below the {steps} steps of the run, got "
                f"{self.warmup_steps}; shorten the warm-up or train for longer."
            )
        adamw = optax.adamw(
            self.learning_rate_schedule(steps),
            b1=self.b1,
            b2=self.b2,
            weight_decay=self.weight_decay,
            mask=lambda params: jax.tree.map(lambda p: jnp.ndim(p) > 1, params),
        )
        if self.clip_norm is None:
            return adamw
        return optax.chain(optax.clip_by_global_norm(self.clip_norm), adamw)


_SCHEDULES = ("constant", "cosine", "step")
