"""Prediction sets that hold the true class as often as they promise, whatever the model (split conformal prediction).

Of n held-out rows, scores s_i = s(p_i, y_i), larger for stranger labels. A set for a new row has every class whose
score is at most

    q = the ⌈(n + 1) · coverage⌉-th smallest of the scores; ∞ where that is more than n

and holds the true class with probability at least `coverage`, over the draw of all n + 1 rows, if they are exchangeable
(Vovk, Gammerman & Shafer 2005; Lei et al. 2018). With q = ∞ every set has all classes: fewer rows than coverage/(1 −
coverage) keep no other promise. Where scores are all different, the coverage given the held-out rows is distributed as
Beta(k, n + 1 − k), k = ⌈(n + 1) coverage⌉. By class (Mondrian), n and q are those of the class, and so is the promise.

The scores are in `softreg.decision.conformity`. Where held-out rows have weights, q is the least score that rows of at
least (n + 1)/n · coverage of the weight have or are below (after Tibshirani et al. 2019, with the mean weight for that
of the new row); the promise is by weight then, and for many rows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from softreg.decision.conformity import SCORES, Drawn
from softreg.decision.sets import SetReport, judged
from softreg.errors import DataError, LabelError, SettingError, ShapeError
from softreg.metrics.checks import labels, probabilities, row_weights, share
from softreg.solvers.checks import one_of, real, whole

__all__ = ["SplitConformal", "conformal_quantile"]

Array = NDArray[np.float64]
ROUNDING = 1e-12  # of a sum of weights, relative


def conformal_quantile(scores: ArrayLike, coverage: float, sample_weight: ArrayLike | None = None) -> float:
    """The ⌈(n + 1) · coverage⌉-th smallest score, inf where there are too few.

    The product is exact, of the decimal number that `coverage` is written as: 100 · 0.07 is 7. With weights it is the
    least score with (n + 1)/n · coverage of the weight up to it.

    Examples
    --------
    >>> conformal_quantile([0.1, 0.4, 0.2, 0.3], 0.6)
    0.3
    >>> conformal_quantile([0.1, 0.4, 0.2, 0.3], 0.9)
    inf
    """
    values = np.asarray(scores, float)
    n = len(values)
    place = _place(coverage, n)
    if place > n:
        return math.inf
    if sample_weight is None:
        k = math.ceil(place)
        return float(np.partition(values, k - 1)[k - 1])
    order, w = np.argsort(values, kind="stable"), row_weights(sample_weight, n)
    so_far = np.cumsum(w[order]) * (n / w.sum())
    at = int(np.searchsorted(so_far, float(place) - ROUNDING * n))
    return float(values[order[min(at, n - 1)]])


def _place(coverage: float, n: int) -> Fraction:
    return Fraction(repr(share("coverage", coverage))) * (n + 1)


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
    scores, codes, weights : (n,) arrays, optional
        Of the held-out rows: scores from the smallest, their labels, and weights where they had some; `fit` sets them.
        They serve any coverage.

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
    weights: Array | None = None

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

    def fit(
        self,
        probs: ArrayLike,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> SplitConformal:
        """Take the scores of held-out rows.

        Parameters
        ----------
        probs : (n, K) array
            Of rows that the model was not fitted on, nor its temperature.
        y : (n,) array of int
            Their labels, as columns of `probs`.
        classes : (K,) array, optional
            Names of the classes, for messages.
        sample_weight : (n,) array, optional
            What is promised is promised by weight. Rows of weight 0 are left out.

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
        w = None if sample_weight is None else row_weights(sample_weight, len(P))
        if w is not None:
            P, codes, w = P[w > 0], codes[w > 0], w[w > 0]
        if self.class_conditional:
            _every_class(codes, P.shape[1], classes)
        scores = self._all_scores(P, stream=0)[np.arange(len(P)), codes]
        order = np.argsort(scores, kind="stable")
        weights = None if w is None else w[order]
        return replace(self, scores=scores[order], codes=codes[order], n_classes=P.shape[1], weights=weights)

    def thresholds(self, coverage: float | None = None) -> Array:
        """Largest score that a set takes, for each class, (K,); inf where there are too few held-out rows."""
        scores, codes = self._fitted()
        coverage = self.coverage if coverage is None else coverage
        w = self.weights
        if not self.class_conditional:
            return np.full(self.n_classes, conformal_quantile(scores, coverage, w))
        _every_class(codes, self.n_classes, None)
        of_class = [codes == k for k in range(self.n_classes)]
        return np.array([conformal_quantile(scores[k], coverage, None if w is None else w[k]) for k in of_class])

    def spread(self, coverage: float | None = None, level: float = 0.95) -> tuple[float, float] | None:
        """Return between what coverages sets of so many held-out rows are, at this level: of Beta(k, n + 1 − k).

        None by class, with weights, and where there are too few rows to leave a class out.

        Examples
        --------
        >>> settings = SplitConformal("lac").fit([[0.9, 0.1], [0.2, 0.8]] * 50, [0, 1] * 50)
        >>> low, high = settings.spread(0.9)
        >>> print(f"{low:.3f} to {high:.3f}")
        0.836 to 0.951
        """
        from scipy.special import betaincinv

        n, coverage = len(self._fitted()[0]), self.coverage if coverage is None else coverage
        k = math.ceil(_place(coverage, n))
        if self.class_conditional or self.weights is not None or k > n:
            return None
        tail = (1 - share("level", level)) / 2
        low, high = betaincinv(k, n + 1 - k, [tail, 1 - tail])
        return float(low), float(high)

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
        self,
        probs: ArrayLike,
        y: ArrayLike,
        *,
        coverage: float | None = None,
        level: float = 0.95,
        sample_weight: ArrayLike | None = None,
    ) -> SetReport:
        """Coverage and sizes of the sets of other held-out rows, with exact intervals of this level; see `SetReport`.

        Examples
        --------
        >>> probs, y = [[0.9, 0.1], [0.7, 0.3], [0.6, 0.4], [0.2, 0.8]], [0, 0, 1, 1]
        >>> report = SplitConformal(coverage=0.8).fit(probs, y).evaluate(probs, y)
        >>> report.coverage, report.mean_size
        (1.0, 1.25)
        """
        return judged(self.predict(probs, coverage=coverage), y, level, sample_weight)

    def _all_scores(self, P: Array, stream: int) -> Array:
        """Score of each class in each row."""
        return SCORES[self.score](self, P, lambda: Drawn(P, self.seed, stream))

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
        if self.weights is not None:
            object.__setattr__(self, "weights", row_weights(self.weights, len(scores)))

    def __repr__(self) -> str:
        about = f"{self.score}, coverage {self.coverage:g}" + (", by class" if self.class_conditional else "")
        if self.scores is None:
            return f"SplitConformal({about})"
        limits = np.unique(self.thresholds())
        limit = f"threshold {limits[0]:.6g}" if len(limits) == 1 else f"thresholds {limits[0]:.6g} to {limits[-1]:.6g}"
        few = " (too few rows: all classes)" if not np.isfinite(limits[-1]) else ""
        return f"SplitConformal({about}, {len(self.scores)} held-out rows, {limit}{few})"


def _every_class(codes: NDArray[np.intp], K: int, classes: ArrayLike | None) -> None:
    missing = np.flatnonzero(np.bincount(codes, minlength=K) == 0)
    if len(missing):
        names: list[Any] = (np.arange(K) if classes is None else np.asarray(classes)).tolist()
        without = [names[k] for k in missing[:8]]
        raise LabelError(
            f"by class, every class needs held-out rows, and there are none of {', '.join(map(repr, without))}: "
            "calibrate on rows that have them, or not by class"
        )
