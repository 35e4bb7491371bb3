"""Figures as functions of weighted sums over the rows, so that a thousand resamples of them are one sparse product.

    S = A C        A (sums, n) what each row has of each sum        C (n, B) how often each row counts, in B resamples

Rows of A: 1; the row's losses (minus the log-probability, whether the label is among the k likeliest, the Brier score,
the cost of the action); for each class whether it is the label, the answer, or both; for each bin of the largest
probability, and of each class's, what the probability is more than right. Each figure is a function of a column of S.

A calibration error is a norm of such sums, ‖v‖, and of a calibrated model as of any other above 0 by chance; resamples
of it are above it again, so that their quantiles say little. But |‖v̂‖ − ‖v‖| ≤ ‖v̂ − v‖, and ‖v* − v̂‖ over resamples
tells how that is distributed: ‖v̂‖ ± its quantile at `level` holds ‖v‖ at least so often, also where that is 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from softreg.metrics.reliability import bins_of

if TYPE_CHECKING:
    import scipy.sparse

__all__ = ["CALIBRATION", "MANY", "Problem", "Sums", "draws", "figures", "gaps", "leave_out"]

Array = NDArray[np.float64]
Gaps = dict[str, Array]
ECE, CLASSWISE, KS = CALIBRATION = "calibration_error", "classwise_calibration_error", "ks_calibration_error"
BLOCK = 1 << 19  # entries of C at a time, for what is made of them to stay in the cache
GROUPS = 200  # of rows, to be left out one after another
MANY = 100  # classes, beyond which resamples of every class's bins take minutes


@dataclass(frozen=True, eq=False)
class Problem:
    """Rows to be judged, checked."""

    probs: Array  # (n, K)
    log_probs: Array
    y: NDArray[np.intp]
    predicted: NDArray[np.intp]
    top_k: tuple[int, ...]
    bins: int
    costs: Array | None  # (n,), of what was decided for each row

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return int(self.probs.shape[1])


@dataclass(frozen=True, eq=False)
class Sums:
    """The matrix A, and where in it the sums are."""

    matrix: scipy.sparse.csr_array
    places: dict[str, slice]
    losses: tuple[str, ...]  # the places of what each row has one number of
    excess: Array  # (n,): confidence less hit, in the order of the confidences
    order: NDArray[np.intp]
    last: NDArray[np.bool_]  # of rows of equal confidence

    @classmethod
    def of(cls, problem: Problem) -> Sums:
        """Return the sums of these rows."""
        import scipy.sparse

        P, y, predicted = problem.probs, problem.y, problem.predicted
        n, K = P.shape
        at = np.arange(n)
        hit = (predicted == y).astype(float)
        confidence = P[at, predicted]
        dense = {"rows": np.ones(n), "log_loss": -problem.log_probs[at, y], "accuracy": hit}
        own = P[at, y][:, None]
        rank = (own < P).sum(axis=1) + (own == P).cumsum(axis=1)[at, y] - 1  # of equal ones the first is likelier
        dense |= {f"top_{k}_accuracy": (rank < k).astype(float) for k in problem.top_k}
        dense["brier"] = (P * P).sum(axis=1) - 2 * P[at, y] + 1
        if problem.costs is not None:
            dense["cost"] = problem.costs
        parts: dict[str, Any] = {name: values[None] for name, values in dense.items()}

        def onehot(values: Array, rows: NDArray[np.intp], height: int, columns: NDArray[np.intp] = at) -> Any:
            return scipy.sparse.csr_array((values, (rows, columns)), shape=(height, n))

        parts["label"], parts["answer"] = onehot(np.ones(n), y, K), onehot(np.ones(n), predicted, K)
        parts["right"] = onehot(hit, y, K)
        index, edges = bins_of(confidence, problem.bins)
        m = len(edges) - 1
        parts["bins"] = onehot(confidence - hit, index, m)
        if K <= MANY:
            excess = P - (y[:, None] == np.arange(K))
            cells = bins_of(P.ravel(), problem.bins)[0].reshape(n, K) + m * np.arange(K)
            parts["cells"] = onehot(excess.ravel(), cells.ravel(), m * K, np.repeat(at, K))
        heights = np.cumsum([0, *(part.shape[0] for part in parts.values())]).tolist()
        places = {name: slice(a, b) for name, a, b in zip(parts, heights[:-1], heights[1:], strict=True)}
        order = np.argsort(confidence, kind="stable")
        last = np.append(np.diff(confidence[order]) > 0, True)
        matrix = scipy.sparse.csr_array(scipy.sparse.vstack([scipy.sparse.csr_array(p) for p in parts.values()]))
        return cls(
            matrix, places, tuple(name for name in dense if name != "rows"), (confidence - hit)[order], order, last
        )


def figures(sums: Sums, C: Array, K: int, centre: Gaps | None = None) -> tuple[dict[str, Array], dict[str, Array]]:
    """Every figure of all rows together, (B,) each, and of each class, (K, B) each; nan where it has no meaning.

    Balanced accuracy is the mean recall of the classes that have rows, and macro F1 the mean F1 of those that have rows
    or are answered, as scikit-learn has both. Of very many classes there is no classwise calibration error. With a
    centre, calibration errors are norms of what the gaps are off it.
    """
    S = sums.matrix @ C
    part = {name: S[place] for name, place in sums.places.items()}
    w, right, label, answer = part["rows"][0], part["right"], part["label"], part["answer"]
    with np.errstate(divide="ignore", invalid="ignore"):
        by_class = {"precision": right / answer, "recall": right / label, "f1": 2 * right / (label + answer)}
        found = {name: part[name][0] / w for name in sums.losses}
        found["balanced_accuracy"] = _mean(by_class["recall"], label > 0)
        found["macro_f1"] = _mean(by_class["f1"], label + answer > 0)
        for name, off in _gaps(sums, C, part).items():
            off = off if centre is None else off - centre[name]
            found[name] = np.abs(off).max(axis=0) if name == KS else np.abs(off).sum(axis=0)
            if name == CLASSWISE:
                found[name] /= K
    return found, by_class


def gaps(sums: Sums, w: Array) -> Gaps:
    """Return what the calibration errors are norms of, of rows with these weights: of each, (…, 1)."""
    C = w[:, None]
    return _gaps(sums, C, {name: sums.matrix[sums.places[name]] @ C for name in sums.places})


def _gaps(sums: Sums, C: Array, part: dict[str, Array]) -> Gaps:
    w = part["rows"][0]
    found = {ECE: part["bins"] / w}
    if "cells" in part:
        found[CLASSWISE] = part["cells"] / w
    found[KS] = np.cumsum(C[sums.order] * sums.excess[:, None], axis=0)[sums.last] / w
    return found


def draws(n: int, resamples: int, seed: int) -> Iterator[Array]:
    """Yield how often each of n rows counts in resamples of them, (n, as many as memory is spent on)."""
    rng = np.random.default_rng(seed)
    size = max(1, BLOCK // max(n, 1))
    for start in range(0, resamples, size):
        m = min(size, resamples - start)
        rows = rng.integers(0, n, (m, n)) + n * np.arange(m)[:, None]
        yield np.bincount(rows.ravel(), minlength=n * m).reshape(m, n).T.astype(float)


def leave_out(w: Array, seed: int) -> Array:
    """Weights without each of at most GROUPS groups of rows, (n, G)."""
    n = len(w)
    groups = min(GROUPS, n)
    member = np.random.default_rng((seed, 1)).permutation(n) % groups
    return np.where(member[:, None] == np.arange(groups), 0.0, w[:, None])


def _mean(values: Array, where: NDArray[np.bool_]) -> Array:
    return np.asarray(np.where(where, values, 0.0).sum(axis=0) / where.sum(axis=0), float)
