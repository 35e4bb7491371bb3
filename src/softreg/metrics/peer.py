"""Figures that scikit-learn has, by scikit-learn. It is imported here alone, and takes a second.

Not by it: the log loss, which it clips where a probability is 0 or rounds to it, and top-k accuracy, in which it takes
the last of equally likely classes where `predict` takes the first.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from softreg.metrics.sums import Problem

__all__ = ["by_class", "confusion", "overall"]

Array = NDArray[np.float64]


def confusion(problem: Problem, w: Array | None) -> NDArray[np.generic]:
    """Return the weight, or number, of rows of each true class that are taken for each, (K, K)."""
    from sklearn.metrics import confusion_matrix

    found: NDArray[np.generic] = confusion_matrix(
        problem.y, problem.predicted, labels=np.arange(problem.n_classes), sample_weight=w
    )
    return found


def overall(problem: Problem, w: Array | None) -> dict[str, float]:
    """Return the figures of all rows together."""
    from sklearn.metrics import accuracy_score, balanced_accuracy_score, brier_score_loss, f1_score

    y, predicted = problem.y, problem.predicted
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The y_prob values do not sum to one")  # but for what was let pass
        warnings.filterwarnings("ignore", message="y_pred contains classes not in y_true")
        warnings.filterwarnings("ignore", message="A single label was found")  # rows of one class have a recall too
        balanced = balanced_accuracy_score(y, predicted, sample_weight=w)
        brier = brier_score_loss(
            y, problem.probs, labels=np.arange(problem.n_classes), sample_weight=w, scale_by_half=False
        )
    return {
        "accuracy": float(accuracy_score(y, predicted, sample_weight=w)),
        "balanced_accuracy": float(balanced),
        "macro_f1": float(f1_score(y, predicted, average="macro", sample_weight=w, zero_division=0)),
        "brier": float(brier),
    }


def by_class(problem: Problem, w: Array | None) -> dict[str, Array]:
    """Return precision, recall and F1 of each class, (K,) each; nan where there are no such rows."""
    from sklearn.metrics import precision_recall_fscore_support

    found = precision_recall_fscore_support(
        problem.y, problem.predicted, labels=np.arange(problem.n_classes), sample_weight=w, zero_division=np.nan
    )
    return dict(zip(("precision", "recall", "f1"), (np.asarray(v, float) for v in found[:3]), strict=True))
