"""Classes without rows, or with rows of weight 0 alone: what a fit to the optimum makes of them.

Such a class k is nowhere the label, so the loss falls for as long as its b_k does, and its W_k costs a penalty for
nothing. With f′ the same function, of the same penalty, on the other classes,

    f(W, b) > f′(W, b without class k) for every W, b          f → f′ where W_k = 0 and b_k → −∞

so the optimum of f′ is the infimum of f, and nothing reaches it. A fit is that of f′ then, and its certificate is about
that infimum. A model's b must be finite; class k has

    W_k = 0,   b_k = LOG_NOTHING + min_i z̄_i          z̄_i the mean logit of row i over the other classes

and so in every row of weight a probability of less than e^LOG_NOTHING, which is 0 in float64: f is equal to f′ there,
to the last bit. With an L2 penalty, or none, the other classes' W is centred, z̄ is the same for all x, and the
probability is 0 wherever one looks. One class alone is right with W = 0, and the optimum is 0.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from softreg.data import Dataset
from softreg.kernels import Rows, fold, logits
from softreg.protocols import Matrix, Separation, Vector

__all__ = ["LOG_NOTHING", "Present"]

LOG_NOTHING = -746.0  # e to this power is below half of the least number above 0
NAMED = 3  # classes, in a sentence


@dataclass(frozen=True, eq=False)
class Present:
    """The classes that a fit is of, and the data in their codes."""

    whole: Dataset
    classes: NDArray[np.int64]  # codes of the whole, ascending
    data: Dataset  # of these classes alone: the whole where they are all, or but one
    weighty: NDArray[np.int64] | None  # the rows that have weight, of those that train; all when None

    @classmethod
    def all_of(cls, whole: Dataset, rows: NDArray[np.int64] | None = None) -> Present:
        """Return every class, whether it has rows or not."""
        return cls(whole, np.arange(whole.n_classes), whole, _weighty(whole, rows))

    @classmethod
    def of(cls, whole: Dataset, rows: NDArray[np.int64] | None = None) -> Present:
        """Return the classes of which some rows that train, all when None, have some weight; there must be one."""
        weighty = _weighty(whole, rows)
        classes = _with_rows(whole, weighty)
        if not 1 < len(classes) < whole.n_classes:
            return cls(whole, classes, whole, weighty)
        codes = np.zeros(whole.n_classes, np.int32)  # of a class that is left out any code will do: it has no weight
        codes[classes] = np.arange(len(classes))
        return cls(whole, classes, replace(whole, y=codes[whole.y], classes=whole.classes[classes]), weighty)

    @property
    def alone(self) -> bool:
        """Whether it is one class: there is nothing to tell it from."""
        return len(self.classes) == 1

    @property
    def reduced(self) -> bool:
        """Whether `data` has fewer classes than the whole."""
        return self.data is not self.whole

    @property
    def own(self) -> NDArray[np.int64]:
        """Codes of these classes in `data`."""
        return np.arange(len(self.classes)) if self.reduced else self.classes

    def start(self, W: Matrix | None = None, b: Vector | None = None) -> Vector:
        """Return theta before the first step: 0, or the part for these classes of W and b of the whole.

        A class that a fit before this one left out, and that has rows now, begins with b at the others' mean: at a
        probability of 0 nothing curves, and steps that go by that lead nowhere. Where one class is alone in a fit to
        the optimum, theta is there.
        """
        theta = np.zeros((self.data.n_features + 1, self.data.n_classes))
        if self.alone:
            theta[-1] = LOG_NOTHING
            theta[-1, self.own] = 0.0
        elif W is not None and b is not None:
            these = self.classes if self.reduced else slice(None)  # no copy of all of W
            theta[:-1], theta[-1] = W[:, these], b[these]
            back = np.isin(self.classes, _with_rows(self.whole, self.weighty)) & ~theta[:-1].any(axis=0)
            out = back & (theta[-1] < theta[-1].max() + LOG_NOTHING / 2)
            theta[-1, out] = theta[-1, ~out].mean()
        return theta.ravel()

    def widen(self, theta: Vector) -> Vector:
        """Return theta of all classes from that of these."""
        if not self.reduced:
            return theta
        stacked = theta.reshape(-1, len(self.classes))
        result = np.zeros((len(stacked), self.whole.n_classes))
        result[-1] = LOG_NOTHING + self._lowest(stacked)
        result[:, self.classes] = stacked
        return result.ravel()

    def separation(self, found: Separation) -> Separation:
        """Return it with all classes: those that are left out move nowhere, and are told apart from none."""
        if not self.reduced:
            return found
        K = self.whole.n_classes
        direction, apart = np.zeros((len(found.direction), K)), np.zeros((K, K), bool)
        direction[:, self.classes] = found.direction - found.direction.mean(axis=1, keepdims=True)
        apart[np.ix_(self.classes, self.classes)] = found.apart
        return replace(found, direction=direction / np.abs(direction).max(), apart=apart)

    def told(self, message: str) -> str:
        """Return the message with what is left out, where something is."""
        left_out = np.delete(self.whole.classes, self.classes).tolist()
        if not left_out:
            return message
        more = f" and {len(left_out) - NAMED} more" if len(left_out) > NAMED else ""
        return f"{message}; left out, without rows of any weight: {', '.join(map(repr, left_out[:NAMED]))}{more}"

    def _lowest(self, stacked: Matrix) -> float:
        """Return the lowest mean logit of a row that has weight."""
        data, mean = self.data, stacked.mean(axis=1, keepdims=True)
        folded = fold(mean[:-1], mean[-1], data.scale, data.shift)
        return float(logits(Rows(data.X, data.y, None, self.weighty), *folded).min())


def _weighty(data: Dataset, rows: NDArray[np.int64] | None) -> NDArray[np.int64] | None:
    if data.weights is None:
        return rows
    return np.flatnonzero(data.weights) if rows is None else rows[data.weights[rows] > 0]


def _with_rows(data: Dataset, weighty: NDArray[np.int64] | None) -> NDArray[np.int64]:
    """Codes of the classes that these rows are of, ascending."""
    return np.flatnonzero(np.bincount(data.y if weighty is None else data.y[weighty], minlength=data.n_classes))
