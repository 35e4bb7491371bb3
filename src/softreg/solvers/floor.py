"""What certificates prove of the optimum.

A bound on value − optimum at one point is a floor under the optimum, and so a bound for every point that follows:

    gap(theta) = value(theta) − max_j (value_j − bound_j)        over the points j where a bound was found

It is at least as tight as the last bound alone, and costs nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from softreg.protocols import Gap

if TYPE_CHECKING:
    from softreg.solvers.minimise import State

__all__ = ["Floor"]


class Floor:
    """The highest floor under the optimum so far; it grows as bounds are asked for.

    Parameters
    ----------
    certify : callable, optional
        Bounds how far a state is from an objective's optimum; told how small a bound is wanted, and to work for no
        other.
    tol : float
        Relative gap that is wanted.
    """

    def __init__(self, certify: Callable[[Any, Any, float], Gap] | None, tol: float) -> None:
        self.certify, self.tol = certify, tol
        self.level, self.passes, self.next_try = -math.inf, 0.0, 1

    def gap(self, state: State) -> float:
        """At most so far is the state above the optimum; inf where nothing is known."""
        return max(state.value - self.level, 0.0) if self.level > -math.inf else math.inf

    def proves(self, state: State) -> bool:
        """Whether the state is within the tolerance."""
        return self.gap(state) <= self.tol * abs(state.value)  # false for nan

    def raise_from(self, objective: object, state: State, wanted: float = math.inf) -> float:
        """Ask for a bound at the state, and return the passes over the data that it took."""
        if self.certify is None:
            return 0.0
        found = self.certify(objective, state, wanted)
        self.passes += found.passes
        self.level = max(self.level, state.value - found.bound)  # as it was, where that is nan
        return found.passes

    def raise_after(self, number: int, objective: object, state: State) -> None:
        """Ask after a step, unless the state is proved already or it was tried lately."""
        if number < self.next_try or self.proves(state):
            return
        tried = self.raise_from(objective, state, self.tol * abs(state.value))
        if tried and not self.proves(state):  # patience, in proportion
            self.next_try = number + 2 + number // 16

    def sentence(self, state: State | None) -> str:
        """Say what is known of the state, or what was looked at instead."""
        if state is not None and math.isfinite(gap := self.gap(state)):
            relative = gap / max(abs(state.value), np.finfo(float).tiny)
            return f"the relative gap is at most {relative:.1e} (asked for: {self.tol:.1e})"
        if state is not None and math.isfinite(state.grad_norm):
            return f"no bound on the gap is known, the norm of the gradient is {state.grad_norm:.1e}"
        return "nothing is claimed about the optimum"
