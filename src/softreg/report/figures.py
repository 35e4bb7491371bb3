"""What a report says, as numbers: its frozen parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from softreg.decision import SetReport
    from softreg.metrics import Reliability

__all__ = [
    "Action",
    "Curves",
    "Effect",
    "Fit",
    "HeldOut",
    "Quality",
    "Row",
    "Rows",
    "Savings",
    "Sets",
    "Strongest",
    "Threshold",
    "Trust",
]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Fit:
    """What was fitted, and how it ended; None where nobody said."""

    model: str  # its name
    n_features: int
    classes: tuple[Any, ...]
    image_shape: tuple[int, int] | None
    calibrated: bool  # whether the model came with a calibration of its own
    trained_on: str | None  # the name of the rows of the fit
    n_rows: int | None  # how many they were
    solver: str | None
    settings: Mapping[str, Any]
    status: str | None
    sentence: str
    steps: int
    kept: int | None  # the step whose model this is
    passes: float | None  # over the training rows
    loss: float | None  # on the training rows, after the last step
    relative_gap: float | None  # at most so far above the optimum, of the value
    seconds: float | None


@dataclass(frozen=True)
class Rows:
    """The rows that the model is judged by."""

    name: str
    n_rows: int
    by_class: tuple[int, ...]
    weighted: bool


@dataclass(frozen=True, eq=False)
class Curves:
    """Figures after each epoch, or each step of a solver that converges, by passes. Arrays are (steps,)."""

    by: str  # "epoch" or "pass"
    at: Array
    loss: Array
    accuracy: Array
    validation_loss: Array | None
    validation_accuracy: Array | None

    def some(self, most: int) -> NDArray[np.intp]:
        """Return numbers of at most so many steps, the first and the last among them."""
        n = len(self.at)
        return np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(np.intp))


@dataclass(frozen=True)
class Row:
    """A row, and what the model makes of it."""

    row: int  # its number in the data, from 0
    true: int  # codes into the classes
    predicted: int
    probability: float  # of what was predicted
    image: int | None = None  # its place in the sprite

    @property
    def right(self) -> bool:
        """Whether the model is."""
        return self.true == self.predicted


@dataclass(frozen=True)
class Effect:
    """What a column does to a class's logit as it grows by one standard deviation of these rows."""

    feature: str
    effect: float


@dataclass(frozen=True)
class Strongest:
    """The columns that speak loudest for and against a class, the loudest first."""

    label: Any
    against: Any  # the other of two classes, else None: the mean of all classes
    effects: tuple[Effect, ...]


@dataclass(frozen=True)
class Quality:
    """How good probabilities are."""

    accuracy: float
    log_loss: float
    brier: float
    calibration_error: float
    classwise_calibration_error: float
    ks_calibration_error: float


@dataclass(frozen=True)
class Threshold:
    """What comes of answering only rows whose largest probability is at least so much."""

    threshold: float
    answered: int
    wrong: int  # of them
    coverage: float
    risk: float | None  # None where none is answered


@dataclass(frozen=True)
class Sets:
    """Prediction sets that were fitted on some rows and judged on others."""

    promised: float
    threshold: float | None  # the least probable class that is taken; None where there were too few rows to leave any
    judged: SetReport
    kept_low: float | None  # what sets of so many rows keep, 19 times of 20; None where that is not known, or all
    kept_high: float | None


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Which rows were fitted to, and which judged."""

    where: str  # "half", "other" rows, or "none"
    name: str  # of the rows that were fitted to
    fitted: int
    judged: int
    seed: int | None


@dataclass(frozen=True, eq=False)
class Trust:
    """Whether probabilities are as frequent as they say, and what can be promised, all of the judged rows."""

    held_out: HeldOut
    own: bool  # whether the calibration is the model's, and not of the rows fitted to
    temperature: float | None  # None too where a calibration is by class
    note: str  # why there is no temperature, or empty
    before: Quality
    after: Quality | None
    reliability_before: Reliability
    reliability_after: Reliability | None
    area: float  # under the risk–coverage curve
    thresholds: tuple[Threshold, ...]
    set_score: str  # "lac", "aps" or "raps"
    own_sets: bool  # whether the scores are the model's
    set_rows: int  # that they are of
    sets_by_class: bool  # whether what they promise is for the rows of each class
    sets: tuple[Sets, ...]
    absent: tuple[Any, ...]  # classes without rows among those that were fitted to


@dataclass(frozen=True)
class Action:
    """How often an action is taken: that of the likeliest class, or that of least expected cost."""

    name: str
    likeliest: int
    least_cost: int


@dataclass(frozen=True, eq=False)
class Savings:
    """What deciding by costs saves, on the judged rows."""

    actions: tuple[str, ...]
    costs: Array  # (K, A)
    taken: tuple[Action, ...]
    n_rows: int
    changed: int  # rows for which the two differ
    cost_likeliest: float  # mean, as paid
    cost_least: float
    saved: float  # a row
    saved_low: float
    saved_high: float
    level: float
