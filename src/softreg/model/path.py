"""Fits of the same rows for one strength of the penalty after another, each from where the last ones led."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from softreg.data import Dataset
from softreg.errors import DataError, FitInterrupted
from softreg.kernels import one_blas_thread
from softreg.model import overflow
from softreg.model.choice import choose
from softreg.model.model import Model, Score
from softreg.model.present import Present
from softreg.model.settings import AUTO, Settings
from softreg.model.start import begin
from softreg.objective import CompositeObjective, SoftmaxObjective, separation
from softreg.protocols import Gap, Separation, Vector
from softreg.solvers import Answer, Solution, Status, Step, Trail, minimise

__all__ = ["Path"]

Objective = SoftmaxObjective | CompositeObjective
Judge = Callable[[Model], Score]

ALWAYS = ("value", "loss", "accuracy", "passes")  # of a history, known or not


@dataclass
class Path:
    """What fits of the same rows share, and where they have led so far.

    A fit after others starts where the line through the last two optima is lowest, with what L-BFGS saw of the
    curvature, its preconditioner, and what certificates need of the data. So its bits depend on what came before it.

    Parameters
    ----------
    data : Dataset
    settings : Settings
        Of all fits, but for C.
    rows : (m,) array of int, optional
        The rows that train, by their numbers; all by default.
    n_threads : int, optional

    Raises
    ------
    DataError
        Where there is nothing to learn from.
    """

    data: Dataset
    settings: Settings
    rows: NDArray[np.int64] | None = None
    n_threads: int | None = None
    _trail: Trail | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        settings, smoothing = self.settings, self.settings.label_smoothing
        whole = SoftmaxObjective(
            self.data,
            rows=self.rows,
            n_threads=self.n_threads,
            intercept=settings.fit_intercept,
            smoothing=smoothing,
        )
        if whole.n_rows == 0:
            raise DataError("the data has no rows: there is nothing to fit")
        if not whole.weight > 0:
            raise DataError("all weights are 0: there is nothing to fit")
        # Without an intercept, as to a solver that does not go to the optimum, a class without rows is one like any
        # other. Smoothing gives each class something of every row.
        leaving = settings.converges and settings.fit_intercept and not smoothing
        self._present = (Present.of if leaving else Present.all_of)(self.data, self.rows, smoothing)
        self._smooth = replace(whole, data=self._present.data)

    def fit(
        self,
        C: float,
        *,
        start: Model | None = None,
        judge: Judge | None = None,
        callback: Callable[[Step, Score | None], Answer] | None = None,
    ) -> tuple[Model, Solution]:
        """Return the model for this C, and how its solve ended; see `softreg.fit`.

        It starts from `start`, or where the fits before it led; `judge` scores the model of each step.
        """
        present, settings = self._present, replace(self.settings, C=C)
        objective = self._penalised(settings)
        chosen = ""
        if settings.solver == AUTO:
            choice = choose(objective)
            settings, chosen = replace(settings, solver=choice.solver), choice.reason
        solver = settings.solver
        assert not isinstance(solver, str)  # noqa: S101 - a name was resolved when the settings were made
        scores: list[Score] = []

        def on_step(step: Step) -> Answer:
            score = None
            if judge is not None:
                score = judge(_model(present, objective, step.theta, settings))
                scores.append(score)
            return None if callback is None else callback(replace(step, theta=present.widen(step.theta)), score)

        def certify(objective: Objective, state: Any, wanted: float) -> Gap:
            if present.alone:
                return Gap(state.value)  # no value is below 0
            return objective.gap(state.theta, state.point, wanted, state.newton)

        def separated(objective: SoftmaxObjective, state: Any, moved: Vector | None) -> Separation | None:
            return separation.find(objective.data, objective.rows, state.theta, moved, settings.fit_intercept)

        unbounded = settings.converges and math.isinf(C) and not settings.label_smoothing
        with one_blas_thread(), np.errstate(over="ignore", invalid="ignore"):  # an overflow is told by the status
            begun: Vector | Trail = begin(present, settings, start) if start or not self._trail else self._trail
            if isinstance(begun, Trail) and isinstance(objective, SoftmaxObjective):
                begun = begun.ahead(objective)
            solution = minimise(
                objective,
                solver,
                begun,
                max_steps=0 if present.alone else settings.max_steps or 0,
                finer=objective.finer() if settings.converges else None,
                certify=certify if settings.converges else None,
                tol=settings.tol,
                separation=separated if unbounded and not present.alone else None,
                callback=on_step,
            )
            smooth = objective.smooth if isinstance(objective, CompositeObjective) else objective
            overflow.explain(smooth, begun.theta if isinstance(begun, Trail) else begun, solution)
        provenance = {
            "n_rows": self._smooth.n_rows,
            "weight": self._smooth.weight,
            "status": solution.status.name,
            "message": present.told(solution.message),
            "certificate": solution.certificate if math.isfinite(solution.certificate) else None,
        }
        about: dict[str, Any] = {"class_prior": self._class_prior, "provenance": provenance}
        model = _model(present, objective, solution.theta, settings, solution, scores, **about)
        self._remember(solution, smooth)
        solution = replace(
            solution,
            theta=present.widen(solution.theta),
            message=str(provenance["message"]),
            chosen=chosen,
            separation=solution.separation and present.separation(solution.separation),
            trail=None,
        )
        if solution.status is Status.INTERRUPTED:
            raise FitInterrupted(model, solution)
        return model, solution

    @cached_property
    def _class_prior(self) -> Vector:
        return self.data.frequencies(self.rows, self.settings.label_smoothing)

    def _penalised(self, settings: Settings) -> Objective:
        strength, l1_ratio = 1 / settings.C / self._smooth.weight, settings.l1_ratio
        # Two classes are fitted as a softmax. Of all W with one difference of rows w = w1 − w0, ±w/2 has the least
        # ‖W‖², ‖w‖²/2, and the least ‖W‖₁, ‖w‖₁: with the L2 penalty doubled this is exactly the fit of one row of
        # weights. (Two that are left of more keep the penalty of those: a class's last row makes no jump.)
        smooth = self._smooth.penalised((2 if self.data.n_classes == 2 else 1) * (1 - l1_ratio) * strength)
        return CompositeObjective(smooth, l1_ratio * strength) if l1_ratio * strength > 0 else smooth

    def _remember(self, solution: Solution, smooth: SoftmaxObjective) -> None:
        self._smooth = smooth
        ended = solution.trail
        if ended is None or not np.isfinite(ended.theta).all():
            return
        self._trail = ended if self._trail is None else self._trail.on(ended)


def _model(
    present: Present,
    objective: Objective,
    theta: Vector,
    settings: Settings,
    solution: Solution | None = None,
    scores: list[Score] | None = None,
    **about: Any,
) -> Model:
    data = present.whole
    history = {}
    if solution is not None:
        # No times, so that equal fits make equal files; what is unknown is nan there, and what always was is left out.
        known = {name: np.where(np.isinf(v), np.nan, v) for name, v in solution.history.items() if name != "seconds"}
        history = {name: v for name, v in known.items() if name in ALWAYS or not np.isnan(v).all()}
        if scores:  # one short where Ctrl-C came between a step and its score
            scores = [*scores, *[Score(math.nan, math.nan)] * (solution.steps - len(scores))]
            history |= {f"validation_{name}": np.array([getattr(s, name) for s in scores]) for name in Score._fields}
    # Adding a constant to a row of W, or to b, changes no probability: choose the one with mean 0. Not where it is the
    # L1 penalty that chose, and zeros would be lost; of two classes both would choose the same.
    W, b = objective.split(theta)
    if not (isinstance(objective, CompositeObjective) and len(b) > 2):
        W = W - W.mean(axis=1, keepdims=True)
    b = b - b[present.own].mean()
    if present.reduced:
        stacked = present.widen(np.append(W, [b], axis=0).ravel()).reshape(-1, data.n_classes)
        W, b = stacked[:-1], stacked[-1]
    return Model(
        W,
        b,
        data.classes,
        data.scale,
        data.shift,
        data.feature_names,
        data.image_shape,
        settings.as_dict(),
        history,
        **about,
    )
