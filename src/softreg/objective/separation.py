"""Whether classes are separated, so that without a penalty the loss has no minimum.

    m_ik(D) = (x_i, 1)ᵀ (D_{y_i} − D_k)        the margin of row i against class k ≠ y_i along D = [W; b], (d + 1, K)

The loss has a minimum unless there is a D with m ≥ 0 throughout and m > 0 somewhere: along it the loss falls for ever
(Albert & Anderson 1984, "On the existence of maximum likelihood estimates in logistic regression models", for two and
for more classes). Separation is complete where all m can be > 0 at once, quasi-complete where they cannot. Rows without
weight do not count; scale and shift only give the same D other numbers, and offsets none.

A row whose target is a distribution Y_i counts as rows with labels, one for each class that Y_i gives something to,
with that part of its weight: its loss is the sum of theirs. So there is a minimum where every row gives something to
every class, as label smoothing does, and no complete separation where one gives to two.

Complete separation is proved by a point that classifies all rows right: its margins in float64 exceed what rounding
can have done to them (Higham 2002, "Accuracy and stability of numerical algorithms", section 3.1). Quasi-complete
separation is found by a linear programme (`programme`), unless the point where the solve ended proves that there is
none (`overlap`); with many unknowns that point also says in which few directions to look. What is too large, or
undecided, may be suspected; so it is without an intercept, where only complete separation is proved. Classes without
rows are not asked about: a fit leaves them out.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from softreg.arrays import dense, products
from softreg.data import Dataset
from softreg.kernels import fold
from softreg.objective.overlap import Near
from softreg.objective.programme import margins, normalised, solve
from softreg.protocols import Matrix, Separated, Separation, Vector

__all__ = ["Labelled", "complete", "examine", "find"]

LP_CELLS = 10**7  # rows × classes × columns up to which there is a proof of quasi-complete separation
LP_SIZE = 300  # unknowns up to which the programme has them all: a minute at 1000, ten at 2000
BLOCK_CELLS = 1 << 20  # of X, widened at once
SUSPICIOUS = 0.05  # share of the largest margin by which the least may be below 0
NAMED = 3  # pairs of classes, in a sentence
HOW = {
    Separated.COMPLETE: "completely separated",
    Separated.QUASI: "quasi-completely separated",
    Separated.SUSPECTED: "perhaps separated (without a proof)",
}

Rows = NDArray[np.int64]
Pairs = NDArray[np.bool_]  # (K, K)


@dataclass(frozen=True, eq=False)
class Labelled:
    """Rows of the data that have weight, with a label each; a row of several classes is there once for each of them."""

    index: Rows
    y: NDArray[Any]
    w: Vector
    shared: bool = False  # whether a row is there twice

    @classmethod
    def of(cls, data: Dataset, rows: Rows | None) -> Labelled | None:
        """From some rows of the data; None where every row gives something to every class."""
        index = np.arange(data.n_rows) if rows is None else rows
        w = np.ones(len(index)) if data.weights is None else data.weights[index]
        index, w = index[w > 0], w[w > 0]
        if data.targets is None:
            return cls(index, data.y[index], w)
        given = data.targets[index] > 0
        if given.all():
            return None
        at, y = np.nonzero(given)
        return cls(index[at], y, w[at] * data.targets[index[at], y], len(at) > len(index))


def find(
    data: Dataset, rows: Rows | None, theta: Vector, moved: Vector | None, intercept: bool = True
) -> Separation | None:
    """Return what is known of separation at theta, flat: without `moved` only what `complete` tells, else `examine`."""
    stacked = theta.reshape(-1, data.n_classes)
    if moved is None:
        return complete(data, rows, stacked)
    return examine(data, rows, stacked, moved.reshape(stacked.shape), intercept)


def complete(data: Dataset, rows: Rows | None, theta: Matrix) -> Separation | None:
    """Return the proof that theta, [W; b], classifies every row right and not by rounding; None where it does not."""
    at = Labelled.of(data, rows)
    if at is None or at.shared:
        return None
    folded = _folded(data, theta)
    unit = (data.n_features + 3) * np.finfo(float).eps  # twice γ of d products, their sum with b, and a difference
    for y, X in _blocks(data, at):
        size = abs(X) @ np.abs(folded[:-1]) + np.abs(folded[-1])
        size += size[np.arange(len(y)), y][:, None]
        if not (margins(X, y, folded) > unit * size + np.finfo(float).tiny).all():  # true for nan
            return None
    return _found(data, Separated.COMPLETE, theta, ~np.eye(data.n_classes, dtype=bool))


def examine(
    data: Dataset, rows: Rows | None, theta: Matrix, moved: Matrix, intercept: bool = True
) -> Separation | None:
    """Return what can be known of separation where a solve has ended: a proof, a suspicion, or None.

    `moved` is how theta, [W; b], changed lately: the direction that is suspected where there are too many rows,
    classes and columns for a proof.
    """
    proof = complete(data, rows, theta)
    if proof is not None:
        return proof
    at = Labelled.of(data, rows)
    if at is None:
        return None
    if not intercept:
        return _suspicion(data, at, moved)
    if len(at.y) * data.n_classes * data.n_features <= LP_CELLS:
        proof, known = _quasi(data, at, theta)
        if known:
            return proof
    return _suspicion(data, at, moved)


def _quasi(data: Dataset, at: Labelled, theta: Matrix) -> tuple[Separation | None, bool]:
    """Return the proof or None, and whether that None is known."""
    K = data.n_classes
    index, y, scale = at.index, at.y, np.broadcast_to(data.scale, data.n_features)
    X, centre, unit = normalised(dense(data.X, index))
    X[:, scale == 0] = 0.0
    if not np.isfinite(X).all():  # differences that overflow
        return None, False
    folded = _folded(data, theta)
    here = np.append(folded[:-1] * unit[:, None], folded[-1:] + centre @ folded[:-1], axis=0)
    near = Near.at(X, y, here, 0.0 if data.offset is None else data.offset[index])
    if near.proves_overlap(at.w):
        return None, True
    small = near.size <= LP_SIZE
    directions = None if small else near.unmoved()
    found = solve(X, y, margins(X, y, here), directions) if small or directions is not None else None
    if found is None:
        return None, small
    D, positive = found
    W = D[:-1] / unit[:, None]
    b = D[-1] - centre @ W
    W = np.divide(W, scale[:, None], out=np.zeros_like(W), where=scale[:, None] != 0)
    b -= np.broadcast_to(data.shift, data.n_features) @ W
    kind = Separated.COMPLETE if positive.sum() == len(index) * (K - 1) else Separated.QUASI
    apart = np.zeros((K, K), bool)
    np.logical_or.at(apart, y, positive)
    return _found(data, kind, np.append(W, [b], axis=0), apart), True


def _suspicion(data: Dataset, at: Labelled, moved: Matrix) -> Separation | None:
    folded = _folded(data, moved)
    least, most = np.inf, np.full((data.n_classes, data.n_classes), -np.inf)
    for y, X in _blocks(data, at):
        m = margins(X, y, folded)
        least = min(least, float(m.min()))
        np.maximum.at(most, y, np.where(m < np.inf, m, -np.inf))
    if not (most.max() > 0 and least >= -SUSPICIOUS * most.max()):  # true for nan
        return None
    return _found(data, Separated.SUSPECTED, moved, most > SUSPICIOUS * most.max())


def _folded(data: Dataset, theta: Matrix) -> Matrix:
    return np.append(*fold(theta[:-1], theta[-1:], data.scale, data.shift), axis=0)


def _blocks(data: Dataset, at: Labelled) -> Iterator[tuple[NDArray[Any], Any]]:
    size = max(1, BLOCK_CELLS // data.n_features)
    for start in range(0, len(at.y), size):
        which = slice(start, start + size)
        yield at.y[which], products(data.X, at.index[which])


def _found(data: Dataset, kind: Separated, direction: Matrix, apart: Pairs) -> Separation:
    apart = apart | apart.T
    pairs = ((i, k) for i in range(len(apart)) for k in i + np.flatnonzero(apart[i, i:]))
    labels = data.classes.tolist()
    named = ", ".join(f"{labels[i]!r} from {labels[k]!r}" for i, k in itertools.islice(pairs, NAMED))
    count = int(apart.sum()) // 2
    more = f" and {count - NAMED} more pairs" if count > NAMED else ""
    sentence = f"the classes are {HOW[kind]}, {named}{more}: without a penalty the weights grow for ever"
    return Separation(kind, direction / np.abs(direction).max(), apart, f"{sentence}; give C a finite value")
