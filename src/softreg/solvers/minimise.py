"""The one loop around every solver: steps, callbacks, history, and the sentence that says how it ended."""

from __future__ import annotations

import enum
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from softreg.errors import FitError, SettingError
from softreg.protocols import Gap, Separation, Vector
from softreg.solvers.endless import Endless
from softreg.solvers.floor import Floor
from softreg.solvers.trail import Trail

__all__ = ["Answer", "Follower", "Solution", "Solver", "State", "Status", "Step", "Verdict", "minimise"]


class Status(enum.Enum):
    """How a solve ended; the value is the sentence for a person."""

    CONVERGED = "the value is within the tolerance of the optimum, by the certificate"
    PRECISION_LIMIT = "no lower point can be told from this one in the precision of the arithmetic"
    SEPARABLE = "there is no optimum to go to"
    MAX_STEPS = "all the steps asked for were taken"
    NON_FINITE = (
        "the value became infinite or nan; the last finite point is kept: try a lower learning rate, "
        "a weaker penalty or a start nearer to zero"
    )
    STOPPED = "stopped by a callback"
    INTERRUPTED = "interrupted from the keyboard, and what was reached is kept"


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
    def grad_norm(self) -> float: ...  # noqa: D102
    @property
    def passes(self) -> float: ...  # noqa: D102


S = TypeVar("S", bound=State)
O_contra = TypeVar("O_contra", contravariant=True)


class Solver(Protocol[O_contra, S]):
    """Frozen settings that start a state and take a step from it.

    `default_steps` is how many a fit takes unless told; `converges` says whether it goes to the optimum, each step to
    a point that is lower as far as rounding lets it tell, so that the last is the best and a certificate is worth
    asking for.
    """

    default_steps: ClassVar[int]
    converges: ClassVar[bool]

    def init(self, objective: O_contra, theta: Vector) -> S:
        """Return the state before the first step."""
        ...

    def step(self, objective: O_contra, state: S) -> S | None:
        """Return the state one step on, or None where there is none."""
        ...

    def resume(self, objective: O_contra, state: S) -> S:
        """Return the same state on an objective that is the same but for its rounding."""
        ...


@runtime_checkable
class Follower(Protocol):
    """A solver that takes more than theta from solves of problems like this one; others start there anew."""

    def follow(self, objective: Any, trail: Trail) -> Any:
        """Return the state before the first step from where those led."""
        ...


@dataclass(frozen=True, eq=False)
class Step:
    """What a callback is told after each step. It may keep what it is given."""

    number: int  # from 1
    theta: Vector
    value: float  # loss + penalty
    loss: float
    accuracy: float
    gap: float  # at most so far above the optimum; inf while nothing is known
    grad_norm: float  # Euclidean, of value; nan where the solver never has the whole gradient
    passes: float  # over the data, so far
    seconds: float  # since the solve began


FIGURES = ("value", "loss", "accuracy", "gap", "grad_norm", "passes", "seconds")  # of a Step, for the history


@dataclass(frozen=True)
class Verdict:
    """What a callback may answer in full."""

    stop: bool = False
    reason: str = ""  # of the stop, for a person
    keep: bool = False  # this point rather than a later one, however the solve ends


Answer = bool | str | Verdict | None  # true to stop; a text is the reason


@dataclass(frozen=True, eq=False)
class Solution:
    """Where a solve ended, and how.

    `theta` is the point of the last step, or the one that a callback had kept; value, gap and gradient are that
    point's. `history` has one array a quantity (value, loss, accuracy, gap, grad_norm, passes, seconds), one entry a
    step.
    """

    theta: Vector
    status: Status
    message: str  # the sentence of the status, with its figures
    steps: int  # taken
    kept: int  # the step whose theta this is
    value: float
    gap: float  # at most so far above the optimum; inf where nothing is known
    grad_norm: float
    passes: float  # over the data, those for the certificate included
    seconds: float
    history: Mapping[str, NDArray[np.float64]] = field(repr=False)
    chosen: str = ""  # where the solver was chosen for the caller: which, and why
    trail: Trail | None = field(default=None, repr=False)  # for a solve that is to follow this one
    separation: Separation | None = None  # of the classes: proved where SEPARABLE, suspected elsewhere

    @property
    def certificate(self) -> float:
        """How far above the optimum it is at most, relative to the value; inf where nothing is known."""
        return float(self.gap / self.value if self.value > 0 else self.gap)

    def require_finite(self) -> Solution:
        """Return self, or raise FitError where the solve ran into infinities."""
        if self.status is Status.NON_FINITE:
            raise FitError(self.message)
        return self


def minimise(
    objective: O_contra,
    solver: Solver[O_contra, S],
    start: Vector | Trail,
    *,
    max_steps: int,
    finer: O_contra | None = None,
    certify: Callable[[O_contra, S, float], Gap] | None = None,
    tol: float = 0.0,
    separation: Callable[[O_contra, S, Vector | None], Separation | None] | None = None,
    callback: Callable[[Step], Answer] | None = None,
) -> Solution:
    """Take steps until one of the reasons in `Status`.

    Parameters
    ----------
    objective
        What the solver asks for: see the protocol that its `init` names.
    start : (size,) float64, or Trail
        Where to start, which is not changed; or where solves of problems like this one led, by the same solver.
    max_steps : int
        At least 0.
    finer : optional
        The same objective in finer arithmetic, to go on with where steps are lost in the rounding of the first.
    certify : callable, optional
        Bounds how far a state is from the optimum; told how small a bound is wanted, and to work for no other.
    tol : float
        Relative gap that ends the solve as CONVERGED, once it is certified.
    separation : callable, optional
        Says why there is no optimum, if so, at a state that gets every row right, or where the solve has ended: then
        told how theta changed lately.
    callback : callable, optional
        Called with a `Step` after each; a true answer stops the solve; see `Answer` and `Verdict`.

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
    theta = start.theta if isinstance(start, Trail) else start
    floor, endless = Floor(certify, tol), Endless(separation, theta)
    rows: list[tuple[float, ...]] = []
    status, reason = Status.MAX_STEPS, ""
    steps = 0
    state: S | None = None
    kept: tuple[S, int] | None = None
    try:
        if isinstance(start, Trail) and isinstance(solver, Follower):
            state = solver.follow(objective, start)
        else:
            state = solver.init(objective, theta)
        while steps < max_steps:
            new = solver.step(objective, state)
            if new is None and finer is not None:
                objective, finer = finer, None
                if kept is not None:  # one arithmetic for all that is compared
                    again = solver.resume(objective, kept[0])
                    floor.passes += again.passes - kept[0].passes
                    kept = again, kept[1]
                state, floor.next_try = solver.resume(objective, state), steps
                continue
            if new is None:
                status = Status.PRECISION_LIMIT
                break
            if not (math.isfinite(new.value) and np.isfinite(new.theta).all()):
                status = Status.NON_FINITE
                break
            number = steps + 1
            floor.raise_after(number, objective, new)
            figures = (new.value, new.loss, new.accuracy, floor.gap(new), new.grad_norm, new.passes + floor.passes)
            step = Step(number, new.theta, *figures, time.perf_counter() - begin)
            rows.append(tuple(getattr(step, name) for name in FIGURES))
            state, steps = new, number  # without a call between, so that Ctrl-C finds both or neither
            verdict = _verdict(callback(step) if callback is not None else None)
            if verdict.keep:
                kept = state, steps
            if floor.proves(state):
                status = Status.CONVERGED
                break
            if verdict.stop:
                status, reason = Status.STOPPED, verdict.reason
                break
            if endless.after(number, objective, state):
                status = Status.SEPARABLE
                break
        end = state if kept is None else kept[0]
        if status is not Status.CONVERGED:
            floor.raise_from(objective, end)  # whatever can be said of where it ended
            if status in (Status.MAX_STEPS, Status.PRECISION_LIMIT) and floor.proves(end):
                status = Status.CONVERGED
            if status in (Status.MAX_STEPS, Status.PRECISION_LIMIT) and steps and endless.at_end(objective, state):
                status = Status.SEPARABLE
            reason = reason or str(endless.found or "")
        elif not floor.proves(end):
            status, reason = Status.STOPPED, "the solve went on to converge, and an earlier point is better to it"
    except KeyboardInterrupt:
        status = Status.INTERRUPTED
    reached, at = kept or (state, steps)  # None: Ctrl-C came before the start was evaluated
    place = f"after step {steps}" if at == steps else f"the point of step {at} of {steps} is kept"
    message = f"{status.value}: {reason}{'; ' if reason else ''}{place}, {floor.sentence(reached)}"
    if status is Status.NON_FINITE:
        message = f"in step {steps + 1}: {status.value}"
    return Solution(
        theta.copy() if reached is None else reached.theta,
        status,
        message,
        steps,
        at,
        math.nan if reached is None else reached.value,
        math.inf if reached is None else floor.gap(reached),
        math.nan if reached is None else reached.grad_norm,
        floor.passes + endless.passes + (0.0 if state is None else state.passes),
        time.perf_counter() - begin,
        {name: np.array([row[i] for row in rows[:steps]], dtype=float) for i, name in enumerate(FIGURES)},
        trail=None if reached is None else Trail(objective, state, reached.theta),
        separation=endless.found,
    )


def _verdict(answer: Answer) -> Verdict:
    if isinstance(answer, Verdict):
        return answer
    return Verdict(bool(answer), answer if isinstance(answer, str) else "")
