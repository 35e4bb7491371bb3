"""Which rows a report shows: the first, the worst mistakes, and some of every kind of answer."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from softreg.report.figures import Row

__all__ = ["Examples", "examples"]

FIRST = 16  # samples, and mistakes
OF_A_KIND = 12  # rows of one true class that are taken for one class
KINDS = 200  # classes, at most, of which rows of a kind are chosen


@dataclass(frozen=True)
class Examples:
    """Rows to show, and the order in which their images lie in the sprite."""

    samples: tuple[Row, ...]  # the first rows
    mistakes: tuple[Row, ...]  # the most confident ones
    kinds: tuple[Row, ...]  # of each true class and what it was taken for, the most confident first
    rows: NDArray[np.intp]  # in the sprite's order
    counts: tuple[tuple[int, int, int], ...] = ()  # of each kind: true class, what it was taken for, rows

    def placed(self, images: int) -> Examples:
        """Return the same with places in a sprite that has the first so many of the rows."""
        place = {int(row): i for i, row in enumerate(self.rows[:images])}
        samples, mistakes, kinds = (
            tuple(replace(one, image=place.get(one.row)) for one in some)
            for some in (self.samples, self.mistakes, self.kinds)
        )
        kept = tuple(one for one in kinds if one.image is not None)
        return Examples(samples, mistakes, kept, self.rows[:images], self.counts)


def examples(probs: NDArray[np.float64], y: NDArray[np.intp], most: int) -> Examples:
    """Choose rows to show, at most so many in all.

    Of equally confident rows the first; of each kind one before any gets a second, the most frequent kinds first.

    Examples
    --------
    >>> found = examples(np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]]), np.array([0, 1, 1]), most=100)
    >>> [one.row for one in found.mistakes], found.rows
    ([1], array([0, 1, 2]))
    """
    K = probs.shape[1]
    predicted = probs.argmax(axis=1)
    confidence = probs[np.arange(len(y)), predicted]
    by_confidence = np.argsort(-confidence, kind="stable")

    def rows(numbers: NDArray[np.intp]) -> tuple[Row, ...]:
        return tuple(Row(int(i), int(y[i]), int(predicted[i]), float(confidence[i])) for i in numbers)

    first = np.arange(min(FIRST, len(y)))
    worst = by_confidence[(predicted != y)[by_confidence]][:FIRST]
    of_a_kind, counts = np.empty(0, np.intp), []
    if K <= KINDS:
        kind = (y * K + predicted)[by_confidence]
        count = np.bincount(kind, minlength=K * K)
        counts = [(*divmod(k, K), int(count[k])) for k in np.flatnonzero(count).tolist()]
        grouped = np.argsort(kind, kind="stable")  # within a kind by confidence still
        start = np.cumsum(count) - count
        rank = np.empty(len(y), np.intp)
        rank[grouped] = np.arange(len(y)) - np.repeat(start, count)
        order = np.lexsort((kind, -count[kind], rank))
        of_a_kind = by_confidence[order[rank[order] < OF_A_KIND]]
    chosen = list(dict.fromkeys([*first.tolist(), *worst.tolist(), *of_a_kind.tolist()]))[: max(most, 2 * FIRST)]
    kept = set(chosen)
    shown = np.array([i for i in of_a_kind.tolist() if i in kept], np.intp)
    shown = shown[np.lexsort((shown, -confidence[shown], predicted[shown], y[shown]))]
    return Examples(rows(first), rows(worst), rows(shown), np.array(chosen, np.intp), tuple(counts))
