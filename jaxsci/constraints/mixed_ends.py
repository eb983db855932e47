r"""Another boundary condition at each end of an axis.

    lower condition at u_0,   upper condition at u_N

Each end is set from its own side of the field, so neither hears of the other.
"""

from typing import Any

from .._numeric import namespace
from .ends import AbstractEnds, PeriodicEnds


class MixedEnds(AbstractEnds):
    """The lower end of one condition and the upper end of another.

    Args:
        lower: the condition of the first node, by `values[..., 0]`.
        upper: the condition of the last node, by `values[..., 1]`.
    """

    lower: AbstractEnds
    upper: AbstractEnds

    def __check_init__(self):
        for name in ("lower", "upper"):
            ends = getattr(self, name)
            if not isinstance(ends, AbstractEnds) or isinstance(ends, PeriodicEnds):
                raise TypeError(
                    f"MixedEnds expected {name} to be DirichletEnds, NeumannEnds or RobinEnds, got "
                    f"{type(ends).__name__}; a circle has no end of its own."
                )

    @property
    def precedence(self):
        """That of each end."""
        return self.lower.precedence[0], self.upper.precedence[1]

    @property
    def meaning(self):
        """What each end prescribes."""
        return "one value for each end"

    def corrected(self, u, values):
        """Each end by its own condition."""
        return self._each("corrected", u, values)

    def residual(self, u, values):
        """Each end by its own condition."""
        return self._each("residual", u, values)

    def hidden(self, nodes):
        """Each end as hidden channels see it."""
        return MixedEnds(self.lower.hidden(nodes), self.upper.hidden(nodes))

    def check_nodes(self, nodes):
        """Both conditions."""
        self.lower.check_nodes(nodes)
        self.upper.check_nodes(nodes)

    def _each(self, method: str, u: Any, values: Any) -> Any:
        first, last = (getattr(ends, method)(u, values) for ends in (self.lower, self.upper))
        return namespace(u).stack([first[..., 0], last[..., 1]], axis=-1)
