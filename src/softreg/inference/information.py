"""What one pass over the rows tells: log-likelihood, score and information, with the penalty's part.

    F(V) = Σ_i w_i [logsumexp(z_i) − ⟨T_i, z_i⟩] + κ/2 ‖W − mean over the classes‖²,   z = x V + offset

    ∂F/∂V_k = Σ_i w_i (p_ik − T_ik) x_i + κ …
    ∂²F/∂V_k ∂V_l = Σ_i w_i p_ik ([k = l] − p_il) x_i x_iᵀ + κ …

T is onehot(y) for labels; k, l are the classes other than the base. Flat, the order is class by class, (k, term).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from softreg.errors import SingularInformationError
from softreg.inference.design import Design
from softreg.kernels import one_blas_thread

__all__ = ["Moments", "inverse", "moments", "null_log_likelihood", "probabilities"]

# A parameter's variance beside the others, over its variance alone: above that, its digits are rounding's.
INFLATED = 1e12
NULL_STEPS, NULL_SHORTEST = 50, 1e-10

Vector = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Moments:
    """Sums over the rows at V."""

    log_likelihood: float  # Σ w log p(y), without the penalty
    value: float  # F
    gradient: Vector  # (D,) of F
    likelihood_information: Vector  # (D, D), without the penalty; (0, 0) where it was not asked for
    information: Vector  # (D, D) of F
    meat: Vector  # (D, D) Σ w² s sᵀ, s a row's score; (0, 0) where it was not asked for
    longest: float  # |x| of all rows


def probabilities(z: Vector) -> tuple[Vector, Vector]:
    """Softmax of each row (m, K), and logsumexp (m,)."""
    top = z.max(axis=1, keepdims=True)
    e = np.exp(z - top)
    total = e.sum(axis=1, keepdims=True)
    return e / total, (top + np.log(total))[:, 0]


def moments(design: Design, V: Vector, *, information: bool = True, meat: bool = False) -> Moments:
    """Go through the rows once."""
    p, K, free = design.n_terms, design.data.n_classes, design.free
    D = p * len(free)
    losses, gradient, longest = [], np.zeros(D), 0.0
    H, S = (np.zeros((D, D) if asked else (0, 0)) for asked in (information, meat))
    diagonal = np.zeros((len(free), p, p))
    with one_blas_thread():
        for x, T, w, offset in design.blocks(p * K):
            z = x @ V + offset
            probs, lse = probabilities(z)
            others = _others(probs)
            longest = max(longest, math.sqrt(np.einsum("ij,ij->i", x, x).max(initial=0.0)))
            losses.append(float(w @ (lse - (T * z).sum(axis=1))))
            residuals = np.where(T > 0.5, (1 - T) - others, probs - T)  # to the last digits where both are nearly 1
            gradient += ((w[:, None] * residuals[:, free]).T @ x).ravel()
            if information:
                root = np.sqrt(w)[:, None] * probs[:, free]
                A = (root[:, :, None] * x[:, None, :]).reshape(len(w), D)
                H -= A.T @ A
                spread = w[:, None] * probs[:, free] * others[:, free]
                for k in range(len(free)):
                    diagonal[k] += x.T @ (x * spread[:, [k]])
            if meat:
                A = ((w[:, None] * residuals[:, free])[:, :, None] * x[:, None, :]).reshape(len(w), D)
                S += A.T @ A
    if information:  # p (1 − p) without the cancellation that p − p² would have
        blocks = H.reshape(len(free), p, len(free), p)
        for k in range(len(free)):
            blocks[k, :, k] = diagonal[k]
    log_likelihood = -math.fsum(losses)
    value, slope, curvature = _penalty(design, V)
    penalised = H
    if information and design.penalty > 0:
        penalised = H.copy()
        blocks = penalised.reshape(len(free), p, len(free), p)
        for j in range(p):
            blocks[:, j, :, j] += curvature[j]
    return Moments(log_likelihood, value - log_likelihood, gradient + slope, H, penalised, S, longest)


def null_log_likelihood(design: Design) -> float:
    """Return Σ w ⟨T, log p⟩ of the best intercepts alone; beside offsets, where there are any."""
    share = design.counts
    has = share > 0
    b = np.log(share[has] / design.weight)
    if design.data.offset is None:
        return float(share[has] @ b)

    def sums(b: Vector) -> tuple[float, Vector, Vector]:
        value, p_sum, H = -float(share[has] @ b), np.zeros(len(b)), np.zeros((len(b), len(b)))
        for _, T, w, offset in design.blocks(len(share)):
            z = np.asarray(offset)[:, has]
            probs, lse = probabilities(z + b)
            value += float(w @ (lse - (T[:, has] * z).sum(axis=1)))
            p_sum += w @ probs
            H -= probs.T @ (w[:, None] * probs)
        return value, p_sum - share[has], H + np.diag(p_sum)

    value, gradient, H = sums(b)
    for _ in range(NULL_STEPS):
        step = np.linalg.lstsq(H, gradient, rcond=None)[0]  # flat along a shift of all classes
        t = 1.0
        while t > NULL_SHORTEST and not (new := sums(b - t * step))[0] <= value - 1e-4 * t * float(step @ gradient):
            t /= 2
        if not t > NULL_SHORTEST:  # what is left is rounding
            break
        b, (value, gradient, H) = b - t * step, new
    return -value


def _others(probs: Vector) -> Vector:
    """1 − p, as the sum of the other classes' probabilities: good to the last digits where p is nearly 1."""
    out = np.zeros_like(probs)
    out[:, 1:] = np.cumsum(probs[:, :-1], axis=1)
    out[:, :-1] += np.cumsum(probs[:, :0:-1], axis=1)[:, ::-1]
    return out


def _penalty(design: Design, V: Vector) -> tuple[float, Vector, Vector]:
    """Value, gradient (D,) and, for each term, the Hessian (p, K − 1, K − 1) of the penalty."""
    K, ridge = V.shape[1], design.ridge
    centred = V - V.mean(axis=1, keepdims=True)
    value = float(ridge @ (centred**2).sum(axis=1)) / 2
    slope = (ridge[:, None] * centred)[:, design.free].T.ravel()
    return value, slope, ridge[:, None, None] * (np.eye(K - 1) - 1 / K)


def inverse(design: Design, information: Vector) -> Vector:
    """Return the inverse of an information matrix.

    Raises
    ------
    SingularInformationError
        Where it has none, or none that its digits allow.
    """
    root = np.sqrt(np.diagonal(information))
    if np.isfinite(root).all() and (root > 0).all():
        scaled = _scaled(information, root)
        factor, failed = scipy.linalg.lapack.dpotrf(scaled.T, lower=1, overwrite_a=1)
        if failed:
            bad = _flattest(_scaled(information, root))
        else:
            out, _ = scipy.linalg.lapack.dpotri(factor, lower=1, overwrite_c=1)
            bad = np.diagonal(out) > INFLATED
            if not bad.any():
                for i in range(len(out)):  # row by row: matrices as large as this one are counted
                    out[i, i + 1 :] = out[i + 1 :, i]
                return _scaled(out, root)
    else:
        bad = ~(np.isfinite(root) & (root > 0))
    k, j = np.unravel_index(np.flatnonzero(bad), (len(design.free), design.n_terms))
    terms = [*(["intercept"] if design.intercept else []), *design.names]
    columns = tuple(terms[i] for i in np.unique(j))
    classes = tuple(design.data.classes[design.free[np.unique(k)]].tolist())
    base = design.data.classes[design.base].item()
    raise SingularInformationError(
        columns,
        classes,
        f"the information matrix cannot be inverted in float64: of {', '.join(map(repr, columns))} in the classes "
        f"{', '.join(map(repr, classes))} against {base!r} these rows tell nothing: join classes, leave columns "
        "out, or fit with a (stronger) penalty",
    )


def _scaled(matrix: Vector, root: Vector) -> Vector:
    out = matrix / root
    out /= root[:, None]
    return out


def _flattest(scaled: Vector) -> NDArray[np.bool_]:
    """Return which parameters have a part in the flattest direction."""
    _, vectors = scipy.linalg.eigh(scaled, subset_by_index=[0, 0])
    part = np.abs(vectors[:, 0])
    return np.asarray(part > 0.1 * part.max())
