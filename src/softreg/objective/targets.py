"""What each row's probabilities should be, and what that changes in passes that are made for labels.

    T_i = (1 − ε) Y_i + ε/K        Y_i (K,) the row's distribution, one-hot(y_i) for a label; ε the label smoothing
    C_i = w_i (e_{y_i} − T_i)

(Szegedy et al. 2016, "Rethinking the Inception architecture for computer vision", section 7). As the entries of C_i sum
to 0, the loss of the targets is that of the labels plus a term that is linear in theta:

    Σ_i w_i CE(T_i, p_i) = Σ_i w_i CE(e_{y_i}, p_i) + Σ_i ⟨C_i, z_i⟩
    Σ_i ⟨C_i, z_i⟩ = ⟨Σ_i (x_i, 1) C_iᵀ, [W; b]⟩ + Σ_i ⟨C_i, o_i⟩

with o the offsets. The (d + 1, K) sums are made once, in float64, and the Hessian has no part in it. Far from the
optimum the two terms are as large as the logits and cancel: the loss is right to their rounding, not to its own.
The minimum over all p is the entropy of the targets, not 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from softreg.data import Dataset
from softreg.kernels import Rows, probabilities, products
from softreg.objective.certificate import label_entropy, plogp
from softreg.protocols import Matrix, Vector

__all__ = ["Linear", "Offsets", "Targets"]

BLOCK_CELLS = 1 << 18  # rows × classes of distributions at once
SPAN_ROWS = 1 << 16  # whose probabilities are held at once


@dataclass(frozen=True, eq=False)
class Linear:
    """A function of theta, [W; b] as they are folded: constant + ⟨sums, theta⟩."""

    sums: Matrix  # (d + 1, K)
    constant: float

    def at(self, W: Matrix, b: Vector, T: type[np.floating]) -> tuple[float, float]:
        """Return the value at W and b, rounded to T as the kernels see them, and what rounding to float64 may do to it.

        Rounded, because the labels' loss is: what is rounded off W changes the sum of both by the gradient of both.
        """
        d, K = W.shape
        value, size = self.constant, abs(self.constant)
        step = max(1, (1 << 21) // K)
        for j in (slice(start, start + step) for start in range(0, d, step)):
            terms = self.sums[:-1][j] * W[j].astype(T)
            value += float(terms.sum())
            size += float(np.abs(terms).sum())
        terms = self.sums[-1] * b.astype(T)
        return value + float(terms.sum()), 4 * float(np.finfo(float).eps) * (size + float(np.abs(terms).sum()))


@dataclass(frozen=True, eq=False)
class Offsets:
    """What a certificate needs to know of the offsets o_i; see `softreg.objective.certificate`."""

    excess: float = 0.0  # 1/Σw Σ_i w_i (max_k o_ik − ⟨T_i, o_i⟩)
    largest: float = 0.0  # max |o_ik|
    means: Matrix | None = None  # 1/Σw Σ_i w_i T_i o_iᵀ, (K, K)


@dataclass(frozen=True, eq=False)
class Targets:
    """The distributions that some rows of a Dataset should have."""

    data: Dataset
    rows: Rows
    smoothing: float = 0.0

    @property
    def hard(self) -> bool:
        """Whether they are labels."""
        return self.data.targets is None and self.smoothing == 0

    @property
    def index(self) -> NDArray[np.int64]:
        """Rows of the data."""
        return np.arange(len(self.rows)) if self.rows.index is None else self.rows.index

    def of(self, begin: int, end: int) -> Matrix:
        """T of rows begin to end, (end − begin, K)."""
        T = self.data.probabilities(slice(begin, end) if self.rows.index is None else self.rows.index[begin:end])
        if self.smoothing:
            T *= 1 - self.smoothing
            T += self.smoothing / T.shape[1]
        return T

    def columns(self, begin: int, end: int) -> Matrix:
        """C of rows begin to end, (K, end − begin)."""
        which = slice(begin, end) if self.rows.index is None else self.rows.index[begin:end]
        C = self.of(begin, end)
        np.negative(C, out=C)
        C[np.arange(len(C)), self.rows.y[which]] += 1
        if self.rows.weights is not None:
            C *= self.rows.weights[which][:, None]
        return C.T

    def blocks(self) -> Iterator[tuple[int, int]]:
        """Spans of rows, begin and end."""
        size = max(1, BLOCK_CELLS // self.data.n_classes)
        return ((start, min(start + size, len(self.rows))) for start in range(0, len(self.rows), size))

    def linear(self, n_threads: int | None) -> Linear:
        """Return what they add to the labels' sum of losses: half a pass in float64, once."""
        precise = replace(self.rows, precise=True)
        return Linear(products(precise, self.data.n_classes, self.columns, n_threads), self.constant)

    def offsets(self) -> Offsets:
        """Return their figures; looks at the offsets of all rows."""
        o, index, w = self.data.offset, self.index, self.rows.weights
        if o is None or len(index) == 0:
            return Offsets()
        means = np.zeros((self.data.n_classes,) * 2)
        excess = largest = total = 0.0
        for begin, end in self.blocks():
            part = index[begin:end]
            here, share = o[part].astype(float), np.ones(len(part)) if w is None else w[part]
            T = self.of(begin, end) * share[:, None]
            means += T.T @ here
            excess += float(share @ here.max(axis=1))
            largest = max(largest, float(np.abs(here).max()))
            total += float(share.sum())
        total = total or 1.0
        return Offsets(excess / total - float(np.trace(means)) / total, largest, means / total)

    @property
    def constant(self) -> float:
        """Of `linear`: what the offsets have in it."""
        o, index = self.data.offset, self.index
        if o is None or self.hard:
            return 0.0
        return sum(float(np.sum(self.columns(*span).T * o[index[slice(*span)]])) for span in self.blocks())

    def step_entropy(self, at: tuple[Matrix, Vector], tau: float, n_threads: int | None) -> float:
        """Return what (1 − τ) p + τ T has of mean entropy more than (1 − τ) times that of p has: half a pass.

        `at` are W and b, folded.
        """
        index = self.index
        w = np.ones(len(index)) if self.rows.weights is None else self.rows.weights[index]
        w = w / w.sum()
        label = np.empty(len(index))
        more = 0.0
        for start in range(0, len(index), SPAN_ROWS):
            part = index[start : start + SPAN_ROWS]
            p = probabilities(replace(self.rows, index=part), *at, n_threads)
            if self.hard:
                label[start : start + SPAN_ROWS] = p[self.rows.y[part], np.arange(len(part))]
                continue
            size = max(1, BLOCK_CELLS // len(p))
            for first in range(0, len(part), size):
                last = min(first + size, len(part))
                q = p[:, first:last].T.astype(float)
                q /= q.sum(axis=1, keepdims=True)
                gained = -(1 - tau) * plogp(q).sum(axis=1)
                q *= 1 - tau
                q += tau * self.of(start + first, start + last)
                more += float(w[start + first : start + last] @ (gained + plogp(q).sum(axis=1)))
        return label_entropy(label, w, tau) if self.hard else more
