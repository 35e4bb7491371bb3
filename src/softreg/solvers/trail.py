"""From the optimum of one problem to that of the next: the same data, another strength of the penalty.

    start = theta + r p,   p = theta − theta₀,   r = −gᵀp / pᵀHp,   0 ≤ r ≤ FURTHEST

theta and theta₀ are the optima of the last two problems, g and H are the gradient and the Hessian of the next one at
theta: along the line on which the path went so far, this is Newton's step.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from softreg.protocols import CurvedObjective, Vector

__all__ = ["Trail"]

FURTHEST = 4.0  # of the last way; what curves less and less would lead on and on


@dataclass(frozen=True, eq=False)
class Trail:
    """Where the solves before this one ended."""

    objective: Any  # of the last one
    state: Any  # the solver's, at its end
    theta: Vector  # where it ended
    way: Vector | None = None  # from where the one before it did
    passes: float = 0.0  # over the data, that this one has taken up to its start

    def on(self, ended: Trail) -> Trail:
        """Return the trail one solve further, which ended there."""
        return replace(ended, way=ended.theta - self.theta)

    def ahead(self, objective: CurvedObjective) -> Trail:
        """Return the trail with theta where the next problem may start."""
        if self.way is None:
            return self
        grad, curvature = objective.evaluate(self.theta).grad, objective.curvature(self.theta)
        slope, bend = float(grad @ self.way), float(self.way @ curvature.product(self.way))
        passes = 1.0 + curvature.passes + curvature.passes_each
        if not (slope < 0 < bend):  # false for nan
            return replace(self, passes=passes)
        return replace(self, theta=self.theta + min(-slope / bend, FURTHEST) * self.way, passes=passes)
