"""Classes without rows, or with rows of weight 0 alone: what a fit to the optimum makes of them.

A row with targets is one of every class that it gives something to. A class k without rows is nowhere the label, so the
loss falls for as long as its b_k does, and its W_k costs a penalty for nothing. With f′ the same function, of the same
penalty, on the other classes,

    f(W, b) > f′(W, b without class k) for every W, b          f → f′ where W_k = 0 and b_k → −∞

so the optimum of f′ is the infimum of f, and nothing reaches it. A fit is that of f′ then, and its certificate is about
that infimum. A model's b must be finite; class k has

    W_k = 0,   b_k = LOG_NOTHING + min_i (z̄_i − o_ik)    z̄_i the mean logit of row i over the other classes, o offsets

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
    smoothing: float = 0.0  # of the labels: above 0 every class is told of

    @classmethod
    def all_of(cls, whole: Dataset, rows: NDArray[np.int64] | None = None, smoothing: float = 0.0) -> Present:
        """Return every class, whether it has rows or not."""
        return cls(whole, np.arange(whole.n_classes), whole, _weighty(whole, rows), smoothing)

    @classmethod
    def of(cls, whole: Dataset, rows: NDArray[np.int64] | None = None, smoothing: float = 0.0) -> Present:
        """Return the classes of which some rows that train, all when None, have some weight; there must be one."""
        every = cls.all_of(whole, rows, smoothing)
        classes = every.told_of
        if not 1 < len(classes) < whole.n_classes:
            return replace(every, classes=classes)
        codes = np.zeros(whole.n_classes, np.int32)  # of a class that is left out any code will do: it has no weight
        codes[classes] = np.arange(len(classes))
        return replace(every, classes=classes, data=_reduced(whole, classes, codes[whole.y]))

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

    @property
    def told_of(self) -> NDArray[np.int64]:
        """Codes of the classes that rows of weight give something to, ascending."""
        data, rows = self.whole, slice(None) if self.weighty is None else self.weighty
        if self.smoothing:
            return np.arange(data.n_classes)
        if data.targets is not None:
            return np.flatnonzero(data.targets[rows].any(axis=0))
        return np.flatnonzero(np.bincount(data.y[rows], minlength=data.n_classes))

    def start(self, W: Matrix | None = None, b: Vector | None = None) -> Vector:
        """Return theta before the first step: 0, or the part for these classes of W and b of the whole.

        A class that a fit before this one left out, and that has rows now, begins with b at the others' mean: at a
        probability of 0 nothing curves, and steps that go by that lead nowhere. Where one class is alone in a fit to
        the optimum, theta is there.
        """
        theta = np.zeros((self.data.n_features + 1, self.data.n_classes))
        if self.alone:
            theta[-1, np.arange(self.data.n_classes) != self.classes[0]] = self._nothing(np.zeros(1))
        elif W is not None and b is not None:
            these = self.classes if self.reduced else slice(None)  # no copy of all of W
            theta[:-1], theta[-1] = W[:, these], b[these]
            back = np.isin(self.classes, self.told_of) & ~theta[:-1].any(axis=0)
            out = back & (theta[-1] < theta[-1].max() + LOG_NOTHING / 2)
            theta[-1, out] = theta[-1, ~out].mean()
        return theta.ravel()

    def widen(self, theta: Vector) -> Vector:
        """Return theta of all classes from that of these."""
        if not self.reduced:
            return theta
        stacked = theta.reshape(-1, len(self.classes))
        result = np.zeros((len(stacked), self.whole.n_classes))
        mean = stacked.mean(axis=1, keepdims=True)
        folded = fold(mean[:-1], mean[-1], self.data.scale, self.data.shift)
        z = logits(Rows(self.data.X, self.data.y, None, self.weighty), *folded)[0]
        result[-1, np.delete(np.arange(self.whole.n_classes), self.classes)] = self._nothing(z)
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

    def _nothing(self, z: NDArray[np.floating]) -> Vector:
        """Return b of the classes that are left out; z are the rows' mean logits over the others, without offsets."""
        out = np.delete(np.arange(self.whole.n_classes), self.classes)
        if self.whole.offset is None:
            return np.full(len(out), LOG_NOTHING + float(z.min()))
        o = self.whole.offset if self.weighty is None else self.whole.offset[self.weighty]
        mean = z + o[:, self.classes].mean(axis=1)
        return np.array([LOG_NOTHING + float((mean - o[:, k]).min()) for k in out])


def _weighty(data: Dataset, rows: NDArray[np.int64] | None) -> NDArray[np.int64] | None:
    if data.weights is None:
        return rows
    return np.flatnonzero(data.weights) if rows is None else rows[data.weights[rows] > 0]


def _reduced(whole: Dataset, classes: NDArray[np.int64], y: NDArray[np.int32]) -> Dataset:
    """Return the data in these classes, y in their codes. Rows that give something to others have no weight."""
    offset = None if whole.offset is None else whole.offset[:, classes]
    if whole.targets is None:
        return replace(whole, y=y, classes=whole.classes[classes], offset=offset)
    targets = whole.targets[:, classes]
    lost = np.delete(whole.targets, classes, axis=1).any(axis=1)
    targets[lost], y[lost] = 0, 0
    targets[lost, 0] = 1
    return replace(whole, y=y, classes=whole.classes[classes], offset=offset, targets=targets)
