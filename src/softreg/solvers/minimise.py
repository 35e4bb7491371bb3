"""The one loop around every solver: steps, callbacks, history, and the sentence that says how it ended."""

from __future__ import annotations

import enum
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from softreg.errors import FitError, SettingError
from softreg.protocols import Gap, Vector

__all__ = ["Solution", "Solver", "State", "Status", "Step", "minimise"]


class Status(enum.Enum):
    """How a solve ended; the value is the sentence for a person."""

    CONVERGED = "the value is within the tolerance of the optimum, by the certificate"
    PRECISION_LIMIT = "no lower point can be told from this one in the precision of the arithmetic"
    MAX_STEPS = "all the steps asked for were taken; nothing is claimed about the optimum"
    NON_FINITE = (
        "the value became infinite or nan; the last finite point is kept: try a lower learning rate, "
        "a weaker penalty or a start nearer to zero"
    )
    STOPPED = "a callback asked to stop"
    INTERRUPTED = "interrupted from the keyboard; the last whole step is kept"


class State(Protocol):
    """What every solver's state tells the loop. A state is never changed; a step makes the next one.

    The figures are those of a `Step`, which says what they are.
    """

    @property
    def theta(self) -> Vector: ...  # noqa: D102
    @property
    def value(self) -> float: ...  # noqa: D102
    @property
    def loss(self) -> float: ...  # noqa: D102
    @property
    def accuracy(self) -> float: ...  # noqa: D102
    @property
    def passes(self) -> float: ...  # noqa: D102


S = TypeVar("S", bound=State)
O_contra = TypeVar("O_contra", contravariant=True)


class Solver(Protocol[O_contra, S]):
    """Frozen settings that start a state and take a step from it.

    `default_steps` is how many a fit takes unless told; `converges` says whether it goes to the optimum, so that a
    certificate is worth asking for.
    """

    default_steps: ClassVar[int]
    converges: ClassVar[bool]

    def init(self, objective: O_contra, theta: Vector) -> S:
        """Return the state before the first step."""
        ...

    def step(self, objective: O_contra, state: S) -> S | None:
        """Return the state one step on, or None where there is none."""
        ...


@dataclass(frozen=True, eq=False)
class Step:
    """What a callback is told after each step."""

    number: int  # from 1
    theta: Vector
    value: float  # loss + penalty
    loss: float
    accuracy: float
    passes: float  # over the data, so far
    seconds: float  # since the solve began


@dataclass(frozen=True, eq=False)
class Solution:
    """Where a solve ended, and how.

    `history` has one array a quantity (value, loss, accuracy, passes, seconds), one entry a step.
    """

    theta: Vector
    status: Status
    steps: int
    passes: float  # over the data, those for the certificate included
    seconds: float
    gap: float  # at most so far above the optimum; inf where nothing is known
    history: Mapping[str, NDArray[np.float64]] = field(repr=False)

    def require_finite(self) -> Solution:
        """Return self, or raise FitError where the solve ran into infinities."""
        if self.status is Status.NON_FINITE:
            raise FitError(f"in step {self.steps + 1}: {self.status.value}")
        return self


def minimise(
    objective: O_contra,
    solver: Solver[O_contra, S],
    theta: Vector,
    *,
    max_steps: int,
    certify: Callable[[S, float], Gap] | None = None,
    tol: float = 0.0,
    callback: Callable[[Step], bool | None] | None = None,
) -> Solution:
    """Take steps until one of the reasons in `Status`.

    Parameters
    ----------
    objective
        What the solver asks for: see the protocol that its `init` names.
    theta : (size,) float64
        Where to start; not changed.
    max_steps : int
        At least 0.
    certify : callable, optional
        Bounds how far a state is from the optimum; told how small a bound is wanted, and to work for no other.
    tol : float
        Relative gap that ends the solve as CONVERGED, once it is certified.
    callback : callable, optional
        Called with a `Step` after each; a true result stops the solve.

    Returns
    -------
    Solution
        Ctrl-C ends the solve as INTERRUPTED; whoever called must see to it that it is raised again.

    Raises
    ------
    SettingError
        Where max_steps is negative.
    """
    if max_steps < 0:
        raise SettingError("max_steps", max_steps, "at least 0")
    begin = time.perf_counter()
    history: dict[str, list[float]] = {name: [] for name in ("value", "loss", "accuracy", "passes", "seconds")}
    steps = 0
    status = Status.MAX_STEPS
    gap = math.inf
    gap_passes, next_try = 0.0, 1
    state = solver.init(objective, theta)
    try:
        while steps < max_steps:
            new = solver.step(objective, state)
            if new is None:
                status = Status.PRECISION_LIMIT
                break
            if not (math.isfinite(new.value) and np.isfinite(new.theta).all()):
                status = Status.NON_FINITE
                break
            state, steps = new, steps + 1
            seconds = time.perf_counter() - begin
            step = Step(steps, new.theta, new.value, new.loss, new.accuracy, new.passes, seconds)
            for name, figures in history.items():
                figures.append(getattr(step, name))
            if callback is not None and callback(step):
                status = Status.STOPPED
                break
            if certify is not None and steps >= next_try:
                found = certify(state, tol * abs(state.value))
                gap, gap_passes = found.bound, gap_passes + found.passes
                if gap <= tol * abs(state.value):  # false for nan
                    status = Status.CONVERGED
                    break
                if found.passes:  # tried and failed: patience, in proportion
                    next_try = steps + 2 + steps // 16
        if certify is not None and status is not Status.CONVERGED:
            found = certify(state, math.inf)  # whatever can be said of where it ended
            gap, gap_passes = found.bound, gap_passes + found.passes
            if gap <= tol * abs(state.value) and status is not Status.STOPPED:  # a try that was not due before
                status = Status.CONVERGED
    except KeyboardInterrupt:
        status = Status.INTERRUPTED
    arrays = {name: np.array(figures) for name, figures in history.items()}
    return Solution(state.theta, status, steps, state.passes + gap_passes, time.perf_counter() - begin, gap, arrays)
