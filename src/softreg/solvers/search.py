"""How far to go along a direction: from a full step back until the fall is what the slope promises."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from softreg.protocols import Objective, Point, Vector

__all__ = ["Blind", "Found", "backtrack"]

SUFFICIENT = 1e-4  # share of the fall that the slope promises (Armijo)
FLAT = 0.9  # share of the slope that may be left where values can no longer be told apart
MAX_TRIALS = 25
PATIENCE = 2


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


def backtrack(
    objective: Objective, theta: Vector, point: Point, direction: Vector, precision: float, longest: float = 1.0
) -> Found | None:
    """Shorten the step until it is acceptable, by the parabola through what is known; None where nothing is.

    Where the fall that the slope promises is lost in `precision`, the relative rounding of a value, the slope at the
    other end decides instead (Hager & Zhang 2005, "A new conjugate gradient method with guaranteed descent and an
    efficient line search", the approximate Wolfe conditions).
    """
    slope = float(direction @ point.grad)
    noise = precision * abs(point.value)
    t = longest
    for trial in range(1, MAX_TRIALS + 1):
        if not slope < 0:  # true for nan
            return None
        other_theta = theta + t * direction
        other = objective.evaluate(other_theta)
        lost = -t * slope <= 4 * noise
        if np.isfinite(other.grad).all():
            good = other.value <= point.value + SUFFICIENT * t * slope  # false for nan
            if not good and lost and other.value <= point.value + noise:
                good = FLAT * slope <= float(direction @ other.grad) <= -(1 - 2 * SUFFICIENT) * slope
            if good:
                return Found(other_theta, other, t, trial, lost)
            if lost:
                return None
        excess = other.value - point.value - t * slope
        best = -slope * t * t / (2 * excess) if excess > 0 and math.isfinite(excess) else 0.0
        t = min(max(best, 0.1 * t), 0.5 * t)
    return None
