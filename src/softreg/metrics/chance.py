"""How large calibration errors are by chance alone: of rows whose labels are drawn from their own probabilities.

Of few rows the bootstrap makes too little of chance, as a bin with one row is the same in every resample. Drawn labels
are exactly as uncertain as a calibrated model says (consistency resampling: Bröcker & Smith 2007).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from softreg.metrics.reliability import bins_of
from softreg.metrics.sums import CLASSWISE, ECE, KS, MANY, Problem, Sums

__all__ = ["by_chance"]

Array = NDArray[np.float64]
FEW = 20_000  # rows × classes: beyond, the bootstrap is near enough
BLOCK = 1 << 22  # rows × classes × draws at a time


def by_chance(problem: Problem, sums: Sums, w: Array, resamples: int, level: float, seed: int) -> dict[str, float]:
    """Return what a calibrated model's errors are not above, at this level; nothing of many rows, or of 0 resamples."""
    import scipy.sparse

    P, predicted = problem.probs, problem.predicted
    n, K = P.shape
    if not resamples or n * K > FEW:
        return {}
    rng = np.random.default_rng((seed, 3))
    at, share = np.arange(n), (w / w.sum())[:, None]
    cumulative = np.cumsum(P, axis=1)[:, None]
    confidence = P[at, predicted][:, None]

    def binned(values: Array) -> scipy.sparse.csr_array:
        index, edges = bins_of(values, problem.bins)
        return scipy.sparse.csr_array((np.ones(n), (index, at)), shape=(len(edges) - 1, n))

    top = binned(confidence[:, 0])
    of_class = [binned(values) for values in P.T] if K <= MANY else []
    size, errors = max(1, BLOCK // (n * K)), {name: list[Array]() for name in (ECE, CLASSWISE, KS)}
    for start in range(0, resamples, size):
        b = min(size, resamples - start)
        drawn = np.minimum((cumulative < rng.random((n, b, 1))).sum(axis=2), K - 1)
        off = share * (confidence - (drawn == predicted[:, None]))
        errors[ECE].append(np.abs(top @ off).sum(axis=0))
        errors[KS].append(np.abs(np.cumsum(off[sums.order], axis=0)[sums.last]).max(axis=0))
        each = [np.abs(bins @ (share * (P[:, [k]] - (drawn == k)))).sum(axis=0) for k, bins in enumerate(of_class)]
        errors[CLASSWISE].append(np.mean(each, axis=0) if each else np.zeros(b))
    return {name: float(np.quantile(np.concatenate(parts), level)) for name, parts in errors.items()}
