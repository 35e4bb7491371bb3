"""Prediction sets that hold the true class as often as they promise, whatever the model (split conformal prediction).

Of n held-out rows, scores s_i = s(p_i, y_i), larger for stranger labels. A set for a new row has every class whose
score is at most

    q = the ⌈(n + 1) · coverage⌉-th smallest of the scores; ∞ where that is more than n

and holds the true class with probability at least `coverage`, over the draw of all n + 1 rows, if they are exchangeable
(Vovk, Gammerman & Shafer 2005; Lei et al. 2018). With q = ∞ every set has all classes: fewer rows than coverage/(1 −
coverage) keep no other promise. Where scores are all different, the coverage given the held-out rows is distributed as
Beta(k, n + 1 − k), k = ⌈(n + 1) coverage⌉. By class (Mondrian), n and q are those of the class, and so is the promise.

    lac     s = 1 − p_y                                                     Sadinle, Lei & Wasserman 2019
    aps     s = ρ_y + u p_y                                                 Romano, Sesia & Candès 2020
    raps    s = ρ_y + u p_y + λ max(0, rank_y − k_reg)                      Angelopoulos et al. 2021, equation 4

ρ_y is the probability of the classes that are likelier than y, rank_y its place among them from 1, and u uniform on
[0, 1], one for each row (or 1, where not `randomised`: larger sets). Classes of equal probability are put in order at
random. The draws come from the seed, one stream for the held-out rows and one for those that are predicted.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from softreg.decision.sets import SetReport, judged
from softreg.errors import DataError, LabelError, SettingError, ShapeError
from softreg.metrics.checks import labels, probabilities, share
from softreg.solvers.checks import one_of, real, whole

__all__ = ["SplitConformal", "conformal_quantile"]

Array = NDArray[np.float64]


def conformal_quantile(scores: ArrayLike, coverage: float) -> float:
    """The ⌈(n + 1) · coverage⌉-th smallest score, inf where there are too few.

    The product is exact, of the decimal number that `coverage` is written as: 100 · 0.07 is 7.

    Examples
    --------
    >>> conformal_quantile([0.1, 0.4, 0.2, 0.3], 0.6)
    0.3
    >>> conformal_quantile([0.1, 0.4, 0.2, 0.3], 0.9)
    inf
    """
    values = np.asarray(scores, float)
    k = math.ceil(Fraction(repr(share("coverage", coverage))) * (len(values) + 1))
    return float(np.partition(values, k - 1)[k - 1]) if k <= len(values) else math.inf


@dataclass(frozen=True, eq=False, repr=False)
class SplitConformal:
    """Prediction sets by split conformal prediction. Frozen: `fit` returns the one that predicts.

    Parameters
    ----------
    score : {"lac", "aps", "raps"}
        "lac" makes the smallest sets on average; the others larger ones where the row is harder.
    coverage : float
        In (0, 1): how often a set holds the true class, at least.
    class_conditional : bool
        Promise it for the rows of each class (Mondrian), in the place of all rows together.
    randomised : bool
        Of "aps" and "raps": whether u is drawn. Without, coverage is above what is asked for, and sets are larger, of
        an overconfident model several times so.
    lam, k_reg : float, int
        Of "raps".
    seed : int
        Of what is drawn.
    scores, codes : (n,) arrays, optional
        Of the held-out rows: scores from the smallest, and their labels; `fit` sets them. They serve any coverage.

    Examples
    --------
    >>> held_out = [[0.9, 0.1], [0.7, 0.3], [0.6, 0.4], [0.2, 0.8]]
    >>> conformal = SplitConformal("lac", coverage=0.8).fit(held_out, [0, 0, 1, 1])
    >>> conformal.predict([[0.95, 0.05], [0.55, 0.45]])
    array([[ True, False],
           [ True,  True]])
    >>> conformal
    SplitConformal(lac, coverage 0.8, 4 held-out rows, threshold 0.6)
    """

    score: str = "lac"
    coverage: float = 0.9
    class_conditional: bool = False
    randomised: bool = True
    lam: float = 0.01
    k_reg: int = 5
    seed: int = 0
    scores: Array | None = None
    codes: NDArray[np.intp] | None = None
    n_classes: int = 0

    def __post_init__(self) -> None:
        one_of(self, SCORES, "score")
        real(self, "lam")
        whole(self, 0, "k_reg", "seed", "n_classes")
        object.__setattr__(self, "coverage", share("coverage", self.coverage))
        if not 0 <= self.lam < math.inf:
            raise SettingError("lam", self.lam, "a number from 0")
        for name in ("class_conditional", "randomised"):
            if not isinstance(getattr(self, name), (bool, np.bool_)):
                raise SettingError(name, getattr(self, name), "True or False")
            object.__setattr__(self, name, bool(getattr(self, name)))
        if self.scores is not None:
            self._check_scores()

    def fit(self, probs: ArrayLike, y: ArrayLike, classes: ArrayLike | None = None) -> SplitConformal:
        """Take the scores of held-out rows.

        Parameters
        ----------
        probs : (n, K) array
            Of rows that the model was not fitted on, nor its temperature.
        y : (n,) array of int
            Their labels, as columns of `probs`.
        classes : (K,) array, optional
            Names of the classes, for messages.

        Raises
        ------
        DataError
            Without rows.
        LabelError
            By class, where a class has no rows: nothing can be promised for it.

        Returns
        -------
        SplitConformal
            The same settings, and the scores.
        """
        P = probabilities(probs)
        codes = labels(y, *P.shape)
        if not len(P):
            raise DataError("there are no held-out rows: prediction sets need some to calibrate on")
        if self.class_conditional:
            _every_class(codes, P.shape[1], classes)
        scores = self._all_scores(P, stream=0)[np.arange(len(P)), codes]
        order = np.argsort(scores, kind="stable")
        return replace(self, scores=scores[order], codes=codes[order], n_classes=P.shape[1])

    def thresholds(self, coverage: float | None = None) -> Array:
        """Largest score that a set takes, for each class, (K,); inf where there are too few held-out rows."""
        scores, codes = self._fitted()
        coverage = self.coverage if coverage is None else coverage
        if not self.class_conditional:
            return np.full(self.n_classes, conformal_quantile(scores, coverage))
        _every_class(codes, self.n_classes, None)
        return np.array([conformal_quantile(scores[codes == k], coverage) for k in range(self.n_classes)])

    def predict(self, probs: ArrayLike, *, coverage: float | None = None) -> NDArray[np.bool_]:
        """Sets of classes, one for each row.

        Parameters
        ----------
        probs : (n, K) array
        coverage : float, optional
            Another than that of the settings.

        Returns
        -------
        (n, K) array of bool
            A set may be empty: no class is likely enough to be usual. Adding the most likely class to those makes
            coverage larger, never smaller.
        """
        limits = self.thresholds(coverage)
        P = probabilities(probs)
        if P.shape[1] != self.n_classes:
            raise ShapeError("probs", P.shape, f"(rows, {self.n_classes}), as of the held-out rows")
        return np.asarray(self._all_scores(P, stream=1) <= limits)

    def evaluate(
        self, probs: ArrayLike, y: ArrayLike, *, coverage: float | None = None, level: float = 0.95
    ) -> SetReport:
        """Coverage and sizes of the sets of other held-out rows, with exact intervals of this level.

        Examples
        --------
        >>> probs, y = [[0.9, 0.1], [0.7, 0.3], [0.6, 0.4], [0.2, 0.8]], [0, 0, 1, 1]
        >>> report = SplitConformal(coverage=0.8).fit(probs, y).evaluate(probs, y)
        >>> report.coverage, report.mean_size
        (1.0, 1.25)
        """
        return judged(self.predict(probs, coverage=coverage), y, level)

    def _all_scores(self, P: Array, stream: int) -> Array:
        """Score of each class in each row."""
        return SCORES[self.score](self, P, np.random.default_rng((self.seed, stream)))

    def _fitted(self) -> tuple[Array, NDArray[np.intp]]:
        if self.scores is None or self.codes is None:
            raise DataError(
                "these settings have seen no held-out rows, and fit returns what has: "
                "conformal = SplitConformal(…).fit(probs, y)"
            )
        return self.scores, self.codes

    def _check_scores(self) -> None:
        scores, codes = np.asarray(self.scores), np.asarray(self.codes)
        if scores.ndim != 1 or scores.shape != codes.shape:
            raise ShapeError("codes", codes.shape, f"{scores.shape}: a label for each score")
        if not len(scores) or scores.dtype.kind != "f" or not np.isfinite(scores).all() or np.any(np.diff(scores) < 0):
            raise DataError("scores of held-out rows are not finite numbers from the smallest to the largest")
        if codes.dtype.kind not in "iu" or codes.min() < 0 or codes.max() >= self.n_classes:
            raise LabelError(f"labels of held-out rows are outside the {self.n_classes} classes")
        object.__setattr__(self, "scores", scores.astype(float))
        object.__setattr__(self, "codes", codes.astype(np.intp))

    def __repr__(self) -> str:
        about = f"{self.score}, coverage {self.coverage:g}" + (", by class" if self.class_conditional else "")
        if self.scores is None:
            return f"SplitConformal({about})"
        limits = np.unique(self.thresholds())
        limit = f"threshold {limits[0]:.6g}" if len(limits) == 1 else f"thresholds {limits[0]:.6g} to {limits[-1]:.6g}"
        few = " (too few rows: all classes)" if not np.isfinite(limits[-1]) else ""
        return f"SplitConformal({about}, {len(self.scores)} held-out rows, {limit}{few})"


def _lac(settings: SplitConformal, P: Array, rng: np.random.Generator) -> Array:
    return 1 - P


def _aps(settings: SplitConformal, P: Array, rng: np.random.Generator) -> Array:
    return _cumulative(settings, P, rng)[0]


def _raps(settings: SplitConformal, P: Array, rng: np.random.Generator) -> Array:
    scores, rank = _cumulative(settings, P, rng)
    return scores + settings.lam * np.maximum(rank - settings.k_reg, 0)


SCORES: dict[str, Callable[[SplitConformal, Array, np.random.Generator], Array]] = {
    "lac": _lac,
    "aps": _aps,
    "raps": _raps,
}


def _cumulative(settings: SplitConformal, P: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """ρ + u p, and the ranks from 1, of each class in each row."""
    u = rng.random((len(P), 1)) if settings.randomised else 1.0
    order = np.argsort(-P, axis=1, kind="stable")
    ordered = np.take_along_axis(P, order, axis=1)
    tied = np.flatnonzero((ordered[:, 1:] == ordered[:, :-1]).any(axis=1))
    if len(tied):
        order[tied] = np.lexsort((rng.random((len(tied), P.shape[1])), -P[tied]), axis=1)
    before = np.cumsum(ordered, axis=1) - (1 - u) * ordered
    scores, ranks = np.empty_like(P), np.empty_like(P)
    np.put_along_axis(scores, order, before, axis=1)
    np.put_along_axis(ranks, order, np.arange(1.0, P.shape[1] + 1)[None], axis=1)
    return scores, ranks


def _every_class(codes: NDArray[np.intp], K: int, classes: ArrayLike | None) -> None:
    missing = np.flatnonzero(np.bincount(codes, minlength=K) == 0)
    if len(missing):
        names: list[Any] = (np.arange(K) if classes is None else np.asarray(classes)).tolist()
        without = [names[k] for k in missing[:8]]
        raise LabelError(
            f"by class, every class needs held-out rows, and there are none of {', '.join(map(repr, without))}: "
            "calibrate on rows that have them, or not by class"
        )
