"""Objectives: value, gradient and what else a fit asks of its data; no iteration, no checks of user input."""

from softreg.objective.composite import CompositeObjective
from softreg.objective.softmax import SoftmaxObjective

__all__ = ["CompositeObjective", "SoftmaxObjective"]
