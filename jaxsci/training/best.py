"""The best model so far, by validation, and for how long it has not been beaten."""

import math
from dataclasses import dataclass

from jaxtyping import PyTree

from jaxsci.training.state import copy_arrays


@dataclass(frozen=True)
class Best:
    """The outcome of the validations so far.

    It holds copies: the arrays of the training state are given away at the next dispatch.

    Attributes:
        model: the model with the lowest value; before any validation, the initial one.
        value: that value, infinite before any validation.
        step: the step it was reached at.
        stale: validations since then.
    """

    model: PyTree
    value: float = math.inf
    step: int = 0
    stale: int = 0

    @classmethod
    def start(cls, model: PyTree) -> "Best":
        """Begin with `model`, not yet validated."""
        return cls(copy_arrays(model))

    def judge(self, model: PyTree, value: float, step: int) -> "Best":
        """Take in one validation; lower is better, equal is not better."""
        if value < self.value:
            return Best(copy_arrays(model), value, step)
        return Best(self.model, self.value, self.step, self.stale + 1)
