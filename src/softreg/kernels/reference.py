"""Every kernel in plain NumPy: the definition that the native ones are held to. Never tuned for speed."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["curvature", "softmax_xent"]


def softmax_xent(
    logits: NDArray[np.floating[Any]], labels: NDArray[np.int32], weights: NDArray[np.float64] | None = None
) -> tuple[float, float]:
    """Cross-entropy of a block of logits, which become the weighted residuals in place.

    With p = softmax(z_i): loss_i = logsumexp(z_i) − z_i[y_i], and z_i becomes w_i (p − onehot(y_i)).

    Parameters
    ----------
    logits : (K, n) float32 or float64, overwritten
        Class by class, as the passes keep them.
    labels : (n,) int32 in [0, K)
    weights : (n,) float64, optional
        A row of weight 0 counts as absent, whatever it holds.

    Returns
    -------
    loss, correct : float
        Σ w_i loss_i, and Σ w_i over the rows whose first largest logit is the label's.

    Notes
    -----
    The maximum is split off before exp (Blanchard, Higham & Higham 2021, section 4), and the entry that has it is kept
    out of the sum: log1p of the others' mass stays exact where log(1 + mass) would round to 0.

    Examples
    --------
    >>> z = np.log([[0.1, 0.3], [0.3, 0.2], [0.6, 0.5]])
    >>> loss, correct = softmax_xent(z, np.array([0, 2], dtype=np.int32))
    >>> round(loss, 6), correct
    (2.995732, 1.0)
    >>> z.round(6)
    array([[-0.9,  0.3],
           [ 0.3,  0.2],
           [ 0.6, -0.5]])
    """
    rows = np.arange(len(labels))
    w = np.ones(len(labels)) if weights is None else weights
    with np.errstate(invalid="ignore", over="ignore"):
        top = logits.argmax(axis=0) if len(labels) else np.empty(0, dtype=np.intp)
        peak = logits[top, rows]
        below = peak.astype(float) - logits[labels, rows].astype(float)

        z = np.exp(logits - peak)
        z[top, rows] = peak - peak  # 0, or nan where the maximum is nan or infinite
        others = z.sum(axis=0, dtype=float)
        z[top, rows] = 1.0
        total = 1.0 + others
        residual = z * (w / total).astype(z.dtype)
        residual[labels, rows] = np.where(labels == top, -w * others / total, residual[labels, rows] - w)
        loss = np.log1p(others) + below
        correct = (labels == top) & ~np.isnan(loss)

    present = w != 0
    logits[...] = np.where(present, residual, 0.0)
    return float(np.sum((w * loss)[present])), float(np.sum((w * correct)[present]))


def curvature(
    X: NDArray[np.floating[Any]],
    probs: NDArray[np.floating[Any]],
    V: NDArray[np.floating[Any]],
    v: NDArray[np.floating[Any]],
    weights: NDArray[np.float64] | None = None,
) -> tuple[NDArray[np.floating[Any]], NDArray[np.floating[Any]]]:
    """Hessian of the summed losses times one direction: Σ_i x_i t_iᵀ (d, K) and Σ_i t_i (K,).

    t_i = w_i (diag(p_i) − p_i p_iᵀ) (Vᵀ x_i + v), the derivative of the residuals along the direction.

    Parameters
    ----------
    X : (n, d)
    probs : (K, n)
    V : (d, K)
    v : (K,)
    weights : (n,), optional
    """
    u = (X @ V + v).T
    t = probs * (u - (probs * u).sum(axis=0))
    if weights is not None:
        t = np.where(weights != 0, t * weights, 0.0)
    return (t @ X).T, t.sum(axis=1)
