"""The Hessian of some coordinates of theta, as some of the rows tell it: a model that is cheap to solve with.

    B_ab = 1/Σw Σ_i w_i p_ij (δ_jk − p_ik) x_if x_ig + l2 δ_ab       for coordinates a = (f, j), b = (g, k)

a feature and a class each. The rows are drawn in proportion to how much they curve, w_i (1 − Σ_k p_ik²). As B is what
the classes have each for themselves less Zᵀ Z, Z_ia = √w_i p_ij x_if, one product of matrices makes it, whatever the
number of classes.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from softreg.data import Dataset
from softreg.kernels import Rows, fold, in_order, probabilities
from softreg.objective.definite import inverse
from softreg.objective.sample import Sample, drawn, pool
from softreg.objective.triangle import Triangle
from softreg.protocols import Facet, Matrix, Vector

__all__ = ["make"]

BLOCK_ROWS = 1024
MIN_ROWS, ROWS_PER_COORDINATE = 4000, 10  # of those that are not at 0: the others are mostly to stay there
RIDGE = 8  # units of rounding, relative, of what the classes have each for themselves


def make(
    data: Dataset,
    rows: NDArray[np.int64] | None,
    W: Matrix,
    b: Vector,
    l2: float,
    index: NDArray[np.int64],
    n_threads: int | None,
    intercept: bool = True,
) -> Facet:
    """Return what is known of the Hessian at W, b for the coordinates in index."""
    d, K = W.shape
    n = data.n_rows if rows is None else len(rows)
    looked = pool(n, d, rows)
    seen = Rows(data.X, data.y, None, looked, offset=data.offset)
    p = probabilities(seen, *fold(W, b, data.scale, data.shift), n_threads)
    w = np.ones(len(looked)) if data.weights is None else data.weights[looked]
    w = w / w.sum() if w.any() else np.full(len(looked), 1 / len(looked))
    h = w * np.maximum(1 - np.einsum("ki,ki->i", p, p, dtype=float), 0)
    m = max(MIN_ROWS, ROWS_PER_COORDINATE * int(np.count_nonzero(np.append(W, [b], axis=0).ravel()[index])))
    which, stands_for = drawn(h, m)
    w = w[which] * stands_for / h[which]

    order = np.argsort(index % K, kind="stable")  # by class
    features, classes = np.divmod(index[order], K)
    ends = np.searchsorted(classes, np.arange(K + 1))
    groups = [slice(start, stop) for start, stop in itertools.pairwise(ends) if start < stop]
    sample = Sample(data, looked, intercept)
    ridge = np.where(features < d, l2, 0.0)
    B = _matrix(sample, which, w, p, features, classes, groups, n_threads)
    if not np.isfinite(B).all():  # values whose squares overflow float32
        B = _matrix(sample, which, w, p.astype(float), features, classes, groups, n_threads)
    B[np.diag_indices(len(B))] += ridge.astype(B.dtype)

    turned = np.argsort(order)
    members = [order[group] for group in groups]
    blocks = [B[group, group] for group in groups]
    epsilon = float(np.finfo(B.dtype).eps)

    def product(v: Vector) -> Vector:
        result: Vector = (B @ v[order].astype(B.dtype))[turned].astype(float)
        return result

    a_pass = 4 * n * (d + 1) * K  # operations
    passes = 0.5 * len(looked) / n + len(which) * len(index) ** 2 / a_pass
    return Facet(
        product,
        lambda free: _solver(blocks, members, free, epsilon),
        np.diagonal(B)[turned].astype(float),
        passes,
        2 * len(index) ** 2 / a_pass,
    )


@np.errstate(over="ignore", invalid="ignore")  # what comes of it is not finite, and seen
def _matrix(
    sample: Sample,
    which: NDArray[np.int64],
    w: Vector,
    p: NDArray[Any],
    features: NDArray[np.int64],
    classes: NDArray[np.int64],
    groups: list[slice],
    n_threads: int | None,
) -> NDArray[Any]:
    """Return B without the penalty, in the type of the probabilities, its diagonal above 0."""

    def part(start: int) -> tuple[list[NDArray[Any]], NDArray[Any]]:
        some = slice(start, start + BLOCK_ROWS)
        X = sample.columns(which[some], features).astype(p.dtype, copy=False)
        q = p[:, which[some]]
        X *= np.sqrt(w[some, None]).astype(p.dtype)
        own = []
        for group in groups:
            Y = X[:, group] * np.sqrt(q[classes[group.start]])[:, None]
            own.append(Y.T @ Y)
        X *= q[classes].T
        return own, X.T @ X

    B = np.zeros((len(features),) * 2, p.dtype)
    diagonal = np.zeros(len(features))
    for own, joint in in_order(part, range(0, len(which), BLOCK_ROWS), n_threads):
        B -= joint
        for group, block in zip(groups, own, strict=True):
            B[group, group] += block
            diagonal[group] += np.diagonal(block)
    curved: Vector = np.diagonal(B) + RIDGE * float(np.finfo(p.dtype).eps) * diagonal
    # What no row of the sample shows has the largest in the place of its own: the data may show it.
    B[np.diag_indices(len(B))] = np.where(curved > 0, curved, float(curved.max(initial=0.0)) or 1.0)
    return B


def _solver(
    blocks: list[NDArray[Any]], members: list[NDArray[np.int64]], free: NDArray[np.bool_], epsilon: float
) -> Callable[[Vector], Vector]:
    """Return v ↦ M⁻¹ v on the free coordinates and 0 on the others: M has B's blocks of each class."""
    parts: list[tuple[NDArray[np.int64], Callable[[Vector], Vector]]] = []
    for block, member in zip(blocks, members, strict=True):
        inside = np.flatnonzero(free[member])
        if len(inside):
            G = Triangle.of(block[np.ix_(inside, inside)].astype(float))
            parts.append((member[inside], inverse(G, 0.0, epsilon)))

    def solve(v: Vector) -> Vector:
        result = np.zeros_like(v)
        for at, of_block in parts:
            result[at] = of_block(v[at])
        return result

    return solve
