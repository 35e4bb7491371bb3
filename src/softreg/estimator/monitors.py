"""Who is told of each step of a fit: callbacks of softreg's and of scikit-learn's, early stopping, a written line."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from softreg.data import Dataset
from softreg.errors import SettingError
from softreg.model import EarlyStopping, Model, Score
from softreg.solvers import Answer, Step, Verdict

__all__ = ["Monitors", "Paths", "Settled", "Tasks", "given"]

A = TypeVar("A")


class Monitors:
    """A callback of `softreg.fit` that passes each step on to all who asked for it, and answers for all of them."""

    def __init__(self, estimator: Any, tasks: Tasks | None) -> None:
        told = estimator.callbacks
        self.told: list[Any] = [] if told is None else list(told) if isinstance(told, (list, tuple)) else [told]
        wrong = [one for one in self.told if not callable(one)]
        if wrong:
            raise SettingError("callbacks", wrong[0], "a callable, or a list of them")
        if estimator.early_stopping:
            self.told.append(EarlyStopping(patience=estimator.n_iter_no_change))
        elif estimator.solver == "sgd":
            self.told.append(Settled(estimator.tol, estimator.n_iter_no_change))
        if estimator.verbose:
            self.told.append(_write)
        if tasks is not None:
            self.told.append(tasks)

    def __call__(self, step: Step, score: Score | None) -> Verdict:
        """Tell all of them."""
        verdicts = [_verdict(one(step, score)) for one in self.told]
        return Verdict(
            any(v.stop for v in verdicts),
            next((v.reason for v in verdicts if v.reason), ""),
            any(v.keep for v in verdicts),
        )


def _verdict(answer: Answer) -> Verdict:
    if isinstance(answer, Verdict):
        return answer
    return Verdict(bool(answer), answer if isinstance(answer, str) else "")


def _write(step: Step, score: Score | None) -> None:
    gap = f", at most {step.gap:.2e} above the optimum" if math.isfinite(step.gap) else ""
    judged = "" if score is None else f", validation loss {score.loss:.6g}, accuracy {score.accuracy:.4f}"
    figures = f"value {step.value:.8g}, accuracy {step.accuracy:.4f}{gap}{judged}"
    sys.stdout.write(f"step {step.number}: {figures}; {step.passes:.4g} passes, {step.seconds:.2f} s\n")


@dataclass
class Settled:
    """Ends minibatch steps once the value has not fallen by a share of itself for some epochs."""

    tol: float
    patience: int
    best: float = field(default=math.inf, init=False)
    best_step: int = field(default=0, init=False)

    def __call__(self, step: Step, score: Score | None) -> str | None:
        """Judge an epoch."""
        if step.value < self.best * (1 - self.tol):
            self.best, self.best_step = step.value, step.number
        if step.number - self.best_step < self.patience:
            return None
        return f"the value has not fallen by a share of {self.tol:g} for {self.patience} epochs"


def given(estimator: Any, X: Any, y: Any, sample_weight: Any) -> dict[str, Any] | None:
    """Return what scikit-learn's callbacks are told of a fit's data; None where there are no callbacks."""
    if not getattr(estimator, "_skl_callbacks", None):
        return None
    return {"X": X, "y": y, "metadata": None if sample_weight is None else {"sample_weight": sample_weight}}


class Tasks:
    """Tells scikit-learn's callbacks of a fit and of each of its steps, as its own estimators do."""

    def __init__(self, estimator: Any, data: Dataset, given: dict[str, Any], attributes: Any) -> None:
        self.estimator, self.data, self.given, self.attributes = estimator, data, given, attributes
        self.root = estimator._init_callback_context(max_subtasks=max(estimator.max_iter, 1) + 1)
        self.root.call_on_fit_task_begin(estimator=estimator, **given)
        self.steps, self.theta = 0, np.zeros((data.n_features + 1, data.n_classes))
        self.task = self._begin()

    def _begin(self) -> Any:
        task = self.root.subcontext(task_name="softreg-iter")
        task.call_on_fit_task_begin(estimator=self.estimator, **self.given, reconstruction_attributes=self._fitted)
        return task

    def _end(self) -> bool:
        stop = self.task.call_on_fit_task_end(
            estimator=self.estimator, **self.given, reconstruction_attributes=self._fitted
        )
        return bool(stop)

    def _fitted(self) -> dict[str, Any]:
        data, W = self.data, self.theta[:-1] - self.theta[:-1].mean(axis=1, keepdims=True)
        found: dict[str, Any] = self.attributes(Model(W, self.theta[-1], data.classes, data.scale, data.shift))
        return found

    def __call__(self, step: Step, score: Score | None) -> str | None:
        """End the task of this step and begin the next one's."""
        self.steps, self.theta = step.number, step.theta.reshape(self.theta.shape)
        stop = self._end()
        self.task = self._begin()
        return "a callback of scikit-learn asked for it" if stop else None

    def close(self) -> None:
        """End what is still open: the task of a step that was never taken, and the fit."""
        if not self.steps:
            self._end()
            self.task = self._begin()
        self.task.call_on_fit_task_end(estimator=self.estimator)
        self.root.call_on_fit_task_end(estimator=self.estimator, **self.given, reconstruction_attributes={})


class Paths:
    """Tells scikit-learn's callbacks of a cross-validation: of the fit, and of each path of a fold and a mixture.

    A path's task begins when its turn comes in the order of the folds, though threads may have walked it before. What
    they answer ends nothing: there would be no scores to choose by.
    """

    def __init__(self, estimator: Any, given: dict[str, Any], n: int) -> None:
        self.estimator, self.given = estimator, given
        self.root = estimator._init_callback_context(max_subtasks=n)
        self.root.call_on_fit_task_begin(estimator=estimator, **given)

    def passed_on(self, paths: Iterable[A]) -> Iterator[A]:
        """Yield what the paths are, each within its task."""
        found = iter(paths)
        for _ in range(self.root.max_subtasks):
            task = self.root.subcontext(task_name="softreg-path")
            task.call_on_fit_task_begin(estimator=self.estimator, **self.given)
            path = next(found)
            task.call_on_fit_task_end(estimator=self.estimator, **self.given)
            yield path

    def close(self) -> None:
        """End the fit: the estimator is fitted."""
        self.root.call_on_fit_task_end(estimator=self.estimator, **self.given, reconstruction_attributes={})
