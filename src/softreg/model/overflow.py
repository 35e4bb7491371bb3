"""What to say of a fit that overflowed: the column with the largest values, and what helps.

Looked for after the fact, a block of rows at a time: a fit that goes well pays nothing for it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from softreg.arrays import dense
from softreg.data import Dataset
from softreg.errors import FitError, MagnitudeError
from softreg.kernels import Rows
from softreg.objective import SoftmaxObjective
from softreg.protocols import Vector
from softreg.solvers import Solution, Status

__all__ = ["Largest", "explain", "largest"]

BLOCK_CELLS = 1 << 22  # of X, widened at once
LARGE = 100  # a learning rate made for values near 1 may be too high from here on


@dataclass(frozen=True)
class Largest:
    """The column with the largest magnitude, as X has it or as the model sees it, whichever is more."""

    column: int
    name: str | None
    magnitude: float

    def __str__(self) -> str:
        called = "" if self.name is None else f" ({self.name!r})"
        return f"column {self.column}{called} holds values up to {self.magnitude:.3g} in magnitude"


def largest(data: Dataset) -> Largest:
    """Return the column of the largest magnitude; one pass over X."""
    most, size = np.zeros(data.n_features), max(1, BLOCK_CELLS // data.n_features)
    with np.errstate(over="ignore"):
        for start in range(0, data.n_rows, size):
            block = dense(data.X, slice(start, start + size)).astype(float)
            np.maximum(most, np.abs(block).max(axis=0), out=most)
            np.maximum(most, np.abs(data.scale * block + data.shift).max(axis=0), out=most)
    column = int(most.argmax())
    name = None if data.feature_names is None else data.feature_names[column]
    return Largest(column, name, float(most[column]))


def explain(objective: SoftmaxObjective, start: Vector, solution: Solution) -> None:
    """Raise where the solve ran into infinities, or could not leave its start for them; else return.

    Raises
    ------
    MagnitudeError
        Where the data is to blame: its products overflow.
    FitError
        Where the steps are.
    """
    if solution.status is Status.NON_FINITE:
        found = largest(objective.data)
        if found.magnitude > math.sqrt(np.finfo(_arithmetic(objective.data)).max):
            raise _error(objective.data, found)
        try:
            solution.require_finite()
        except FitError as error:
            if found.magnitude < LARGE:
                raise
            raise FitError(f"{error}; {found}: scale them, as with Dataset(…, scale=…)") from None
    if solution.status is Status.PRECISION_LIMIT and solution.steps == 0:
        grad = objective.evaluate(start).grad
        if not np.isfinite(objective.preconditioner(start, coarse=True)(grad)).all():
            raise _error(objective.data, largest(objective.data))


def _error(data: Dataset, found: Largest) -> MagnitudeError:
    T = _arithmetic(data)
    remedy = "scale them, as with Dataset(…, scale=…), which takes a factor for each column"
    if T is np.float32:
        remedy += ", and give X as float64"
    return MagnitudeError(found.column, found.name, found.magnitude, f"{found}, whose products overflow: {remedy}")


def _arithmetic(data: Dataset) -> type[np.float32] | type[np.float64]:
    return Rows(data.X, data.y).arithmetic
