"""Whether a solve goes down for ever, because there is no optimum: asked seldom, of what knows the data.

On the way, where every row is classified right, which is when a proof is easy; and at the end, with how theta changed
since a quarter of the steps or later.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from softreg.protocols import Separated, Separation, Vector

if TYPE_CHECKING:
    from softreg.solvers.minimise import State

__all__ = ["Endless"]


class Endless:
    """What was found so far.

    Parameters
    ----------
    ask : callable, optional
        Told the objective, a state, and how theta changed lately; None for that while the solve goes on.
    start : (size,) float64
        Theta before the first step.
    """

    def __init__(self, ask: Callable[[Any, Any, Vector | None], Separation | None] | None, start: Vector) -> None:
        self.ask, self.passes, self.next_look = ask, 0.0, 1
        self.found: Separation | None = None
        self.earlier = self.mark = start  # after two of the powers of 2 of steps, the last but one and the last

    def after(self, number: int, objective: object, state: State) -> bool:
        """Ask after a step where every row is right, unless that was done lately; return whether it is proved."""
        if self.ask is None:
            return False
        if number & (number - 1) == 0:
            self.earlier, self.mark = self.mark, state.theta
        if number < self.next_look or not state.accuracy > 1 - 1e-9:  # 1, but for rounding of the weights' sum
            return False
        self.next_look = number + 2 + number // 8
        return self._proved(objective, state, None)

    def at_end(self, objective: object, state: State) -> bool:
        """Ask where the solve ended; return whether it is proved. It may be only suspected: see `found`."""
        return self.ask is not None and self._proved(objective, state, state.theta - self.earlier)

    def _proved(self, objective: object, state: State, moved: Vector | None) -> bool:
        assert self.ask is not None  # noqa: S101 - both callers looked
        self.passes += 1
        self.found = self.ask(objective, state, moved)
        return self.found is not None and self.found.kind is not Separated.SUSPECTED
