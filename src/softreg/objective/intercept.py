"""The intercept that is best for given weights, found on the logits without another pass over the data.

    s(δ) = 1/Σw Σ_i w_i softmax(z_i + δ) − π = 0,   π the classes' shares,   ∂s/∂δ = 1/Σw Σ_i w_i (diag(p_i) − p_i p_iᵀ)

by Newton's method; z (K, n) are the logits at hand.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from softreg.kernels import softmax_columns
from softreg.protocols import Vector

__all__ = ["balance"]

MAX_STEPS = 8


def balance(z: NDArray[Any], w: Vector, shares: Vector, n_threads: int | None) -> Vector | None:
    """Return δ (K,), with a mean of 0, that makes the classes' probabilities meet their shares; None where it cannot.

    `w` (n,) are the rows' weights over their sum.
    """
    K = len(z)
    delta = np.zeros(K)
    least = np.inf
    best = delta
    for _ in range(MAX_STEPS):
        p = softmax_columns(z, delta, n_threads)
        weighted = p * w.astype(p.dtype)
        s = weighted.sum(axis=1, dtype=float) - shares
        size = float(np.abs(s).max())
        if not size < least:  # nan too; or as near as rounding lets it come
            break
        least, best = size, delta
        A = np.diag(weighted.sum(axis=1, dtype=float)) - (weighted @ p.T).astype(float)
        step = np.linalg.lstsq(A + np.full((K, K), 1 / K), -s, rcond=None)[0]
        delta = delta + step - step.mean()
        if not np.isfinite(delta).all():
            break
    return best if least < np.inf else None
