"""minimise: what it keeps, proves and says, on solvers that walk where the test says."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Any, ClassVar, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from problems import dataset
from softreg import LBFGS, SGD, Status
from softreg.objective import SoftmaxObjective
from softreg.protocols import Gap
from softreg.solvers import Answer, Solution, Step, Verdict, minimise

INTERRUPT, END = object(), object()  # in place of a value: Ctrl-C during that step; no step from there


@dataclass(frozen=True)
class Here:
    theta: NDArray[np.float64]
    value: float
    grad_norm: float = math.nan
    accuracy: float = 0.5
    resumed: int = 0

    @property
    def loss(self) -> float:
        return self.value

    @property
    def passes(self) -> float:
        return float(self.theta[0] + 1 + self.resumed)


@dataclass(frozen=True)
class Walk:
    """Goes through the values: theta is how many steps it took to get there."""

    values: tuple[Any, ...]
    grad_norm: float = math.nan
    default_steps: ClassVar[int] = 1
    converges: ClassVar[bool] = True

    def resume(self, objective: float, state: Here) -> Here:
        return Here(state.theta, state.value + objective, self.grad_norm, resumed=1)

    def init(self, objective: object, theta: NDArray[np.float64]) -> Here:
        return self._at(0)

    def step(self, objective: object, state: Here) -> Here | None:
        number = int(state.theta[0]) + 1
        if self.values[number] is END:
            return None if objective is None or self.values[-1] is END else self._at(number + 1)
        return self._at(number)

    def _at(self, number: int) -> Here:
        if self.values[number] is INTERRUPT:
            raise KeyboardInterrupt
        return Here(np.array([float(number)]), self.values[number], self.grad_norm)


def walk(*values: Any, grad_norm: float = math.nan, **options: Any) -> Solution:
    options.setdefault("max_steps", max(1, len(values) - 1))
    solver: Any = Walk(values, grad_norm)
    return minimise(None, solver, np.array([-1.0]), **options)


def bounds(*found: float) -> Any:
    """A certificate with a bound for each point, which costs a pass where it is finite."""
    return lambda objective, state, wanted: Gap(bound := found[int(state.theta[0])], float(math.isfinite(bound)))


# ---- the certificate ------------------------------------------------------------------------------------------------


def test_a_bound_holds_for_the_points_after_it_less_the_fall() -> None:
    told: list[float] = []
    # The optimum is at least 10 − 4 = 6 by the first bound; those after it are worse or none.
    solution = walk(
        12.0, 10.0, 9.0, 8.0, certify=bounds(9, 4, math.inf, 5), callback=lambda step: told.append(step.gap)
    )
    assert told == [4.0, 3.0, 2.0]
    assert solution.gap == 2.0
    assert solution.history["gap"].tolist() == told


def test_a_fall_alone_may_bring_a_point_within_the_tolerance() -> None:
    asked: list[int] = []

    def certify(objective: None, state: Here, wanted: float) -> Gap:
        asked.append(int(state.theta[0]))
        return Gap(2.0)

    solution = walk(20.0, 11.0, 9.5, 9.0, certify=certify, tol=0.1, max_steps=3)
    assert (solution.status, solution.steps) == (Status.CONVERGED, 2)
    assert asked == [1], "one bound was enough"
    assert solution.gap == 0.5


def test_a_certificate_that_costs_passes_and_fails_is_asked_for_less_often() -> None:
    asked: list[int] = []

    def certify(objective: None, state: Here, wanted: float) -> Gap:
        asked.append(int(state.theta[0]))
        return Gap(math.inf, 1.0)

    walk(*np.linspace(9.0, 1.0, 23), certify=certify, callback=lambda step: step.number == 21)
    assert asked == [1, 3, 5, 7, 9, 11, 13, 15, 17, 20, 21]


def test_a_bound_of_nan_proves_nothing() -> None:
    assert walk(3.0, 2.0, 1.0, certify=bounds(math.nan, math.nan, math.nan), tol=0.5).gap == math.inf
    assert walk(3.0, 2.0, 1.0, certify=bounds(math.nan, 1.5, math.nan)).gap == 0.5


def test_a_proof_after_the_last_step_counts() -> None:
    solution = walk(3.0, 2.0, 1.0, certify=bounds(math.inf, math.inf, 0.01), tol=0.1, max_steps=2)
    assert solution.status is Status.CONVERGED
    late = lambda objective, state, wanted: Gap(0.01 if wanted == math.inf else math.inf)  # noqa: E731 - at the end alone
    assert walk(3.0, 2.0, 1.0, certify=late, tol=0.1).status is Status.CONVERGED
    assert walk(3.0, 2.0, 1.0, END, certify=late, tol=0.1).status is Status.CONVERGED


def test_the_passes_of_the_certificate_are_counted_as_they_come() -> None:
    solution = walk(4.0, 3.0, 2.0, certify=bounds(0, 1, math.inf), callback=lambda step: step.number == 2)
    assert solution.history["passes"].tolist() == [3.0, 4.0]
    assert solution.passes == 4.0


# ---- the point that is kept -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "steps", "theta"),
    [
        ((INTERRUPT,), 0, [-1.0]),
        ((5.0, INTERRUPT), 0, [0.0]),
        ((5.0, 4.0, 3.0, INTERRUPT), 2, [2.0]),
    ],
    ids=["before the start is known", "before the first step", "in the third"],
)
def test_ctrl_c_keeps_the_last_whole_step(values: tuple[Any, ...], steps: int, theta: list[float]) -> None:
    solution = walk(*values)
    assert (solution.status, solution.steps, solution.theta.tolist()) == (Status.INTERRUPTED, steps, theta)
    assert {len(figures) for figures in solution.history.values()} == {steps}


def test_ctrl_c_during_a_certificate_takes_back_the_step_that_was_not_whole() -> None:
    def certify(objective: None, state: Here, wanted: float) -> Gap:
        if state.theta[0] == 2:
            raise KeyboardInterrupt
        return Gap(2.0)

    solution = walk(5.0, 4.0, 3.0, certify=certify, max_steps=2)
    assert (solution.status, solution.steps, solution.theta.tolist()) == (Status.INTERRUPTED, 1, [1.0])
    assert (len(solution.history["gap"]), solution.gap) == (1, 2.0)


def test_ctrl_c_at_any_line_leaves_figures_for_the_steps_that_were_taken_and_no_others() -> None:
    """Raised by a tracer, at the first line that minimise runs, at the second, and so on to the last."""
    lines, ended = 0, set()

    def tracer(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal lines
        if frame.f_code is not minimise.__code__:
            return None
        if event == "line":
            lines -= 1
            if lines == 0:
                raise KeyboardInterrupt
        return tracer

    before, number = sys.gettrace(), 0
    while Status.MAX_STEPS not in ended:
        number += 1
        lines = number
        try:
            sys.settrace(tracer)
            solution = walk(5.0, 4.0, 3.0, 2.0, certify=bounds(0, 9, 9, 9))
        except KeyboardInterrupt:
            continue  # before the solve began, or when it was over
        finally:
            sys.settrace(before)
        ended.add(solution.status)
        assert {len(figures) for figures in solution.history.values()} == {solution.steps}
        assert solution.theta.tolist() in ([-1.0], [float(solution.steps)])
    assert ended == {Status.INTERRUPTED, Status.MAX_STEPS}


def test_ctrl_c_before_the_start_leaves_the_callers_theta_alone() -> None:
    theta, solver = np.array([7.0]), Walk((INTERRUPT,))
    solution = minimise(None, cast(Any, solver), theta, max_steps=1)
    assert solution.theta.tolist() == [7.0]
    assert solution.theta is not theta


@pytest.mark.parametrize(
    ("values", "options", "status"),
    [
        ((5.0, 4.0, 3.0, 2.0), {}, Status.MAX_STEPS),
        ((5.0, 4.0, 3.0, 2.0, END), {}, Status.PRECISION_LIMIT),
        ((5.0, 4.0, 3.0, INTERRUPT), {}, Status.INTERRUPTED),
        ((5.0, 4.0, 3.0, 2.0), {"certify": bounds(0, 9, 9, 0)}, Status.STOPPED),
    ],
)
def test_a_point_that_a_callback_had_kept_is_the_solutions_however_it_ends(
    values: tuple[Any, ...], options: dict[str, Any], status: Status
) -> None:
    solution = walk(*values, callback=lambda step: Verdict(keep=step.number == 1), **options)
    assert (solution.status, solution.theta.tolist(), solution.value) == (status, [1.0], 4.0)
    assert "the point of step 1 of" in solution.message


def test_a_kept_point_that_is_proved_too_has_converged() -> None:
    keep = lambda step: Verdict(keep=step.number == 1)  # noqa: E731
    solution = walk(5.0, 2.01, 2.0, certify=bounds(0, math.inf, 0.0), tol=0.1, callback=keep)
    assert (solution.status, solution.kept) == (Status.CONVERGED, 1)


def test_in_finer_arithmetic_the_kept_point_is_evaluated_anew() -> None:
    asked: list[tuple[Any, float]] = []

    def certify(objective: Any, state: Here, wanted: float) -> Gap:
        asked.append((objective, state.value))
        return Gap(math.inf)

    answers = iter([Verdict(keep=True), None])
    values = (5.0, 4.0, END)
    solution = walk(*values, finer=0.25, certify=certify, callback=lambda step: next(answers), max_steps=9)
    assert (solution.status, solution.value, solution.kept) == (Status.PRECISION_LIMIT, 4.25, 1)
    assert asked == [(None, 4.0), (0.25, 4.25)]
    assert solution.passes == 4, "the start, a step, and both points once more"


def test_in_finer_arithmetic_the_certificate_is_tried_at_once() -> None:
    asked: list[int] = []

    def certify(objective: Any, state: Here, wanted: float) -> Gap:
        asked.append(int(state.theta[0]))
        return Gap(math.inf, 1.0)

    walk(5.0, 4.0, END, 3.0, finer=0.0, certify=certify, max_steps=2)
    assert asked == [1, 3, 3], "after each step, and once more in the end"


# ---- what it says ---------------------------------------------------------------------------------------------------


def keep_then_stop(step: Step) -> Answer:
    answers: dict[int, Answer] = {1: Verdict(keep=True), 3: "late"}
    return answers.get(step.number)


SENTENCES: dict[
    str, tuple[Callable[[], Solution], str]
] = {  # status → a solve that ends so, and what is said besides the status's own sentence
    "CONVERGED": (
        lambda: walk(5.0, 4.0, 2.0, certify=bounds(0, 3, 0.01), tol=0.01),
        ": after step 2, the relative gap is at most 5.0e-03 (asked for: 1.0e-02)",
    ),
    "MAX_STEPS": (
        lambda: walk(5.0, 4.0, certify=bounds(0, 2), tol=0.01),
        ": after step 1, the relative gap is at most 5.0e-01 (asked for: 1.0e-02)",
    ),
    "MAX_STEPS without a bound": (
        lambda: walk(5.0, 4.0, certify=bounds(math.inf, math.inf), grad_norm=0.025),
        ": after step 1, no bound on the gap is known, the norm of the gradient is 2.5e-02",
    ),
    "MAX_STEPS without a gradient": (
        lambda: walk(5.0, 4.0),
        ": after step 1, nothing is claimed about the optimum",
    ),
    "PRECISION_LIMIT": (
        lambda: walk(5.0, 4.0, END, certify=bounds(0, 4e-7)),
        ": after step 1, the relative gap is at most 1.0e-07 (asked for: 0.0e+00)",
    ),
    "STOPPED": (
        lambda: walk(5.0, 4.0, 3.0, callback=lambda step: step.number == 1),
        ": after step 1, nothing is claimed about the optimum",
    ),
    "STOPPED with a reason": (
        lambda: walk(5.0, 4.0, 3.0, callback=lambda step: "it is late"),
        ": it is late; after step 1, nothing is claimed about the optimum",
    ),
    "STOPPED at another point": (
        lambda: walk(5.0, 4.0, 3.0, 2.0, grad_norm=0.5, callback=keep_then_stop),
        ": late; the point of step 1 of 3 is kept, no bound on the gap is known, the norm of the gradient is 5.0e-01",
    ),
    "INTERRUPTED": (
        lambda: walk(5.0, 4.0, INTERRUPT, certify=bounds(0, 2), tol=0.1),
        ": after step 1, the relative gap is at most 5.0e-01 (asked for: 1.0e-01)",
    ),
    "INTERRUPTED at once": (lambda: walk(INTERRUPT), ": after step 0, nothing is claimed about the optimum"),
}


@pytest.mark.parametrize("name", SENTENCES)
def test_the_message_is_the_sentence_of_the_status_with_the_numbers(name: str) -> None:
    solve, numbers = SENTENCES[name]
    solution = solve()
    assert solution.status.name == name.split()[0]
    assert solution.message == solution.status.value + numbers


def test_running_into_infinity_is_said_with_the_step() -> None:
    solution = walk(5.0, 4.0, math.nan)
    assert solution.status is Status.NON_FINITE
    assert solution.message == f"in step 2: {Status.NON_FINITE.value}"


def test_a_value_of_zero_has_a_sentence_too() -> None:
    assert "at most 0.0e+00" in walk(1.0, 0.0, certify=bounds(1, 0)).message


# ---- what a callback is told ----------------------------------------------------------------------------------------


def test_a_callback_is_told_the_norm_of_the_gradient_and_sgd_has_none() -> None:
    objective = SoftmaxObjective(dataset(1), 0.01)
    steps: list[Step] = []
    solution = minimise(objective, LBFGS(), np.zeros(objective.size), max_steps=5, callback=steps.append)
    norms = [float(np.linalg.norm(objective.evaluate(step.theta).grad)) for step in steps]
    assert [step.grad_norm for step in steps] == pytest.approx(norms, rel=1e-12)
    assert solution.grad_norm == steps[-1].grad_norm == solution.history["grad_norm"][-1]
    assert math.isnan(minimise(objective, SGD(), np.zeros(objective.size), max_steps=2).grad_norm)


def test_the_gap_at_every_step_is_a_bound_and_never_grows() -> None:
    objective = SoftmaxObjective(dataset(1, n=60), 0.01)
    certify = lambda objective, state, wanted: objective.gap(state.theta, state.point, math.inf, state.newton)  # noqa: E731
    start = np.zeros(objective.size)
    steps: list[Step] = []
    solution = minimise(objective, LBFGS(), start, max_steps=200, certify=certify, tol=1e-9, callback=steps.append)
    best = minimise(objective, LBFGS(), start, max_steps=1000).value
    assert solution.status is Status.CONVERGED
    gaps = [step.gap for step in steps]
    assert all(step.value - best <= step.gap for step in steps)
    assert gaps == sorted(gaps, reverse=True)
    assert np.isfinite(gaps).sum() > 1
    assert gaps[-1] == solution.gap <= 1e-9 * solution.value
