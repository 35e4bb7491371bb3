"""How far to go along a direction: from a full step back until the fall is what the slope promises."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from softreg.protocols import Objective, Point, Vector

__all__ = ["DOUBT", "Blind", "Found", "backtrack"]

SUFFICIENT = 1e-4  # share of the fall that the slope promises (Armijo)
DOUBT = 32  # times the rounding of a value: a fall of less is not searched for
MAX_TRIALS = 25
PATIENCE = 4  # steps that do not halve the gradient where values tell nothing


class Found(NamedTuple):
    """A point that is acceptable, and what finding it took."""

    theta: Vector
    point: Point
    step: float
    trials: int
    blind: bool  # the fall that was promised is lost in the rounding of the values


@dataclass(frozen=True)
class Blind:
    """Steps whose fall cannot be seen; they go on for as long as the gradient still becomes smaller."""

    least: float = math.inf  # squared norm of the gradient so far
    since: int = 0  # steps that did not halve it

    def after(self, found: Found, squared: float) -> Blind:
        """Return this with one step more, where the squared norm is that."""
        if not found.blind:
            return Blind()
        return Blind(squared) if squared <= self.least / 2 else Blind(self.least, self.since + 1)

    @property
    def stalled(self) -> bool:
        """Whether that is no longer the case."""
        return self.since >= PATIENCE


def backtrack(objective: Objective, theta: Vector, point: Point, direction: Vector, precision: float) -> Found | None:
    """Shorten the step until it is acceptable, by the parabola through what is known; None where nothing is.

    A fall that would be lost in the noise, DOUBT times `precision`, the relative rounding of a value, is not searched
    for: the step is taken unless the value clearly rises. Gradients still tell what values do not, and `Blind` asks
    them.
    """
    slope = float(direction @ point.grad)
    noise = DOUBT * precision * abs(point.value)
    t = 1.0
    for trial in range(1, MAX_TRIALS + 1):
        if not slope < 0:  # true for nan
            return None
        other_theta = theta + t * direction
        other = objective.evaluate(other_theta)
        lost = -t * slope <= noise
        if np.isfinite(other.grad).all():
            if other.value <= point.value + SUFFICIENT * t * slope:  # false for nan
                return Found(other_theta, other, t, trial, lost)
            if lost and other.value <= point.value + noise:
                return Found(other_theta, other, t, trial, True)
        if lost:
            return None
        excess = other.value - point.value - t * slope
        best = -slope * t * t / (2 * excess) if excess > 0 and math.isfinite(excess) else 0.0
        t = min(max(best, 0.1 * t), 0.5 * t)
    return None
