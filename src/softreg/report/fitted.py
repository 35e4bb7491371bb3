"""What a model, and the Solution of its fit where there is one, tell of the fit."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from softreg.report.figures import Curves, Fit

if TYPE_CHECKING:
    from softreg.model import Model
    from softreg.solvers import Solution

__all__ = ["curves", "fitted"]

STOCHASTIC = "SGD"


def fitted(model: Model, solution: Solution | None, name: str) -> Fit:
    """Return what was fitted and how it ended.

    Without a Solution that is what the model's own history tells, which has no times.
    """
    history = model.history
    value, gap, loss, passes = (_last(history.get(key)) for key in ("value", "gap", "loss", "passes"))
    if solution is not None:
        value, gap = _finite(solution.value), _finite(solution.gap)
    relative = gap / abs(value) if gap is not None and value else None
    steps = len(history.get("loss", ())) if solution is None else solution.steps
    return Fit(
        name,
        model.n_features,
        tuple(model.classes.tolist()),
        model.image_shape,
        model.calibration is not None,
        _solver(model),
        dict(model.settings),
        None if solution is None else solution.status.name,
        _sentence(model, steps, relative) if solution is None else solution.message,
        steps,
        None if solution is None else solution.kept,
        passes,
        loss,
        relative,
        None if solution is None else solution.seconds,
    )


def curves(model: Model) -> Curves | None:
    """Return what was measured after each step; None where the model has no history of at least one."""
    history = model.history
    if not len(history.get("loss", ())):
        return None
    by_epoch = _solver(model) in (STOCHASTIC, None) or "passes" not in history
    steps = np.arange(1.0, len(history["loss"]) + 1)
    return Curves(
        "epoch" if by_epoch else "pass",
        steps if by_epoch else history["passes"],
        history["loss"],
        history["accuracy"],
        history.get("validation_loss"),
        history.get("validation_accuracy"),
    )


def _solver(model: Model) -> str | None:
    solver: Any = model.settings.get("solver")
    name = solver.get("name") if isinstance(solver, dict) else solver
    return None if name is None else str(name)


def _sentence(model: Model, steps: int, relative: float | None) -> str:
    if not steps:
        return "the model has no history of a fit"
    what = "epoch" if _solver(model) == STOCHASTIC else "step"
    place = f"ended after {what} {steps:,}"
    if relative is not None:
        tol = model.settings.get("tol")
        asked = f" (asked for: {tol:.1e})" if isinstance(tol, float) else ""
        return f"{place}: the relative gap to the optimum is at most {relative:.1e}{asked}"
    return f"{place}: nothing is claimed about the optimum"


def _last(values: Any) -> float | None:
    return None if values is None or not len(values) else _finite(values[-1])


def _finite(value: Any) -> float | None:
    return float(value) if math.isfinite(value) else None
