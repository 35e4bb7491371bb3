"""Which solver a problem is given where none is asked for, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from softreg.objective import CompositeObjective, SoftmaxObjective
from softreg.solvers import LBFGS, Newton, Proximal, Solver

__all__ = ["Choice", "choose"]


@dataclass(frozen=True)
class Choice:
    """A solver, and the reason for it in a sentence."""

    solver: Solver[Any, Any]
    reason: str


def choose(objective: SoftmaxObjective | CompositeObjective) -> Choice:
    """Choose by the size of the problem and its penalty.

    Newton's method takes the fewest steps, and where a step costs no more than some passes over the data it is the
    soonest there; else it is L-BFGS, whose step is one pass.
    """
    if isinstance(objective, CompositeObjective):
        return Choice(Proximal(), "Proximal: an L1 penalty is not smooth at 0")
    newton, size = Newton(), objective.size
    if objective.hessian_passes <= newton.exact_passes:
        return Choice(newton, f"Newton: the Hessian of {size} parameters costs less than a few passes over the data")
    return Choice(LBFGS(), f"L-BFGS: a step is one pass, and the Hessian of {size:,} parameters would cost many")
