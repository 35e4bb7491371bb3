"""What a model says of labelled rows, once for all parts of a report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from softreg.errors import DataError
from softreg.metrics import codes_of

if TYPE_CHECKING:
    from softreg.data import Dataset
    from softreg.model import Model

__all__ = ["Answers", "answers"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Answers:
    """Logits as they were fitted, probabilities as the model gives them, and labels. Arrays have a row for each."""

    logits: Array
    log_probs: Array
    y: NDArray[np.intp]
    weights: Array | None

    @property
    def probs(self) -> Array:
        """Probabilities, (n, K)."""
        return np.exp(self.log_probs)

    @property
    def n_rows(self) -> int:
        """How many they are."""
        return len(self.y)

    def take(self, rows: NDArray[np.intp]) -> Answers:
        """Return those of some rows."""
        weights = None if self.weights is None else self.weights[rows]
        return Answers(self.logits[rows], self.log_probs[rows], self.y[rows], weights)


def answers(model: Model, data: Dataset) -> Answers:
    """Ask the model.

    Raises
    ------
    ShapeError
        Where the rows have other features than the model.
    LabelError
        Where they have classes that it has not.
    DataError
        Where they have probabilities for labels.
    """
    if data.targets is not None:
        raise DataError("the rows have probabilities for labels: a report needs labels")
    log_probs = model.predict_log_proba(data.X, data.offset)  # first: other features say more than other classes
    return Answers(model.logits(data.X, data.offset), log_probs, codes_of(data, model.classes), data.weights)
