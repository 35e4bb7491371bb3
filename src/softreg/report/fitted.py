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


def fitted(model: Model, solution: Solution | None, seconds: float | None, name: str, trained_on: str | None) -> Fit:
    """Return what was fitted and how it ended."""
    history, told = model.history, model.provenance
    return Fit(
        name,
        model.n_features,
        tuple(model.classes.tolist()),
        model.image_shape,
        model.calibration is not None,
        trained_on,
        told.get("n_rows"),
        _solver(model),
        dict(model.settings),
        told.get("status"),
        told.get("message", "the model does not say how its fit ended"),
        len(history.get("loss", ())),
        None if solution is None else solution.kept,
        _last(history.get("passes")),
        _last(history.get("loss")),
        told.get("certificate"),
        seconds,
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


def _last(values: Any) -> float | None:
    known = values is not None and len(values) and math.isfinite(values[-1])
    return float(values[-1]) if known else None
