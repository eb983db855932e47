"""The porous medium equation u_t = (u^m u_x)_x on [0, 1]: a front that travels with speed 1.

    u = (m (t − x)_+)^{1/m},    U(t) = m^{1+1/m} t^{1+1/m} / (m + 1)

Explicit steps would need a million of them at m = 6, so the training data are exact too.
"""

from dataclasses import dataclass

from experiments.probconserv.problems.problem import Problem
from solvers.laws import PorousMedium


@dataclass(frozen=True, kw_only=True)
class PorousFront(Problem):
    """The parameter is the exponent m."""

    parameter: tuple[float, float] = (1.0, 6.0)
    tested: tuple[float, ...] = (1.0, 3.0, 6.0)
    compared_at: float = 0.5
    horizon: float = 1.0

    @property
    def symbol(self):
        """M."""
        return "m"

    def averages(self, p, t, faces):
        """The travelling wave."""
        return PorousMedium(p).travelling_wave_averages(t, faces)

    def total(self, p, t):
        """What has entered at x = 0."""
        return PorousMedium(p).travelling_wave_mass(t)

    def points(self, p, t, x):
        """The travelling wave at points."""
        return PorousMedium(p).travelling_wave(t, x)
