"""How far a point is from the optimum at most, by duality.

For any q_i in the simplex with Σ_i w_i (q_i − y_i) = 0 (y_i one-hot) the optimum is at least

    D(q) = 1/Σw Σ_i w_i H(q_i) − 1/(2 l2) ‖G(q)‖²,   G(q) = 1/Σw Σ_i w_i x_i (q_i − y_i)ᵀ

with H the entropy (the Fenchel dual of the softmax-regression objective with an L2 penalty; Collins et al. 2008,
"Exponentiated gradient algorithms for conditional random fields and max-margin Markov networks", section 3). The
probabilities p at a point meet the condition where the intercept's gradient s is 0, and then value − D(p) is
‖∇_W‖²/(2 l2). Where it is not, a mixture meets it exactly:

    q_i = (1 − τ) p_i + τ t_i
    t_i = (1 − a_k) e_k + a_k r for a row of class k,   a_k = (1 − τ)/τ · max(s_k, 0)/π_k

with π the classes' shares, r the distribution ∝ max(−s, 0), and the least τ that leaves every a_k at most 1: rows of
classes that p has too much of give some of their label away to those it has too little of. Entropy is concave and G is
linear, so D(q) needs only what is known of p and of t: the mean entropy of p is loss − ⟨G(p), W⟩ − ⟨s, b⟩, and G(t)
follows from the classes' means of x. A bound costs no pass over the data; making s small enough for a good one does.
That difference may lose all its digits far from the optimum; so log K, which no entropy passes, is taken where it is
less, and what it may have lost is the caller's allowance for rounding.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from softreg.protocols import Matrix, Vector

__all__ = ["ClassMeans", "dual_bound"]


@dataclass(frozen=True, eq=False)
class ClassMeans:
    """Weighted means over the rows: of x one-hot(y)ᵀ, (d, K), and of one-hot(y), (K,)."""

    xy: Matrix
    y: Vector

    @classmethod
    def of(cls, uniform: Matrix, tilted: Matrix, tilt: Vector, shares: Vector) -> ClassMeans:
        """From G(q) for two constant q, the uniform one and `tilt`: G(q) = x̄ qᵀ − xy."""
        K = len(tilt)
        k = int(np.abs(tilt - 1 / K).argmax())
        x = (tilted[:, k] - uniform[:, k]) / (tilt[k] - 1 / K)
        return cls(np.outer(x, np.full(K, 1 / K)) - uniform, shares)


def dual_bound(loss: float, G: Matrix, s: Vector, W: Matrix, b: Vector, l2: float, means: ClassMeans) -> float:
    """Return a lower bound of the optimum from what is known at W, b; −inf where the condition cannot be met."""
    entropy = min(loss - float(np.vdot(G, W)) - float(s @ b), math.log(len(b)))
    if not math.isfinite(loss) or not math.isfinite(entropy):
        return -np.inf
    over, under = np.maximum(s, 0.0), np.maximum(-s, 0.0)
    if not under.any():
        return entropy - float(np.vdot(G, G)) / (2 * l2)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(over > 0, over / means.y, 0.0)  # inf where p gives probability to a class without rows
    need = float(ratio.max())
    if not np.isfinite(need):
        return -np.inf
    tau = need / (1 + need)
    given = ratio / max(need, np.finfo(float).tiny)  # a
    r = under / under.sum()
    entropy_t = float(means.y @ (_plogp(1 - given) + _plogp(given) + given * float(_plogp(r).sum())))
    scaled = means.xy * given
    G_t = np.outer(scaled.sum(axis=1), r) - scaled
    mixed = (1 - tau) * G + tau * G_t
    return (1 - tau) * entropy + tau * entropy_t - float(np.vdot(mixed, mixed)) / (2 * l2)


def _plogp(p: Vector) -> Vector:
    """−p log p, 0 at 0."""
    return -p * np.log(np.where(p > 0, p, 1.0))
