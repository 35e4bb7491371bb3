"""How far a point is from the optimum at most, by duality.

For any q_i in the simplex with Σ_i w_i (q_i − y_i) = 0, y_i the row's target (one-hot for a label), the optimum is at
least

    D(q) = 1/Σw Σ_i w_i H(q_i) − 1/(2 l2) ‖G(q)‖²,   G(q) = 1/Σw Σ_i w_i x_i (q_i − y_i)ᵀ

with H the entropy (the Fenchel dual of the softmax-regression objective with an L2 penalty; Collins et al. 2008,
"Exponentiated gradient algorithms for conditional random fields and max-margin Markov networks", section 3). The
probabilities p at a point meet the condition where the intercept's gradient s is 0, and then value − D(p) is
‖∇_W‖²/(2 l2). Where it is not, a mixture meets it exactly:

    q_i = (1 − τ) p_i + τ t_i,   t_i = Σ_k y_ik t^k
    t^k = (1 − a_k) e_k + a_k r,   a_k = (1 − τ)/τ · max(s_k, 0)/π_k

with π the classes' shares, the means of y, r the distribution ∝ max(−s, 0), and the least τ that leaves every a_k at
most 1: rows of classes that p has too much of give some of their label away to those it has too little of. Entropy is
concave, H(t_i) ≥ Σ_k y_ik H(t^k) as well, and G is linear, so D(q) needs only what is known of p and of t: the mean
entropy of p is loss − ⟨G(p), W⟩ − ⟨s, b⟩, and G(t) follows from the means of x yᵀ. A bound costs no pass over the data;
making s small enough for a good one does. That difference may lose all its digits far from the optimum; so log K, which
no entropy passes, is taken where it is less, and what it may have lost is the caller's allowance for rounding.

Offsets o_i, z_i = Wᵀ x_i + b + o_i, are in the dual beside the entropy, as logsumexp(z) = max_q H(q) + ⟨q, z⟩:

    D(q) = 1/Σw Σ_i w_i [ H(q_i) + ⟨q_i − y_i, o_i⟩ ] − 1/(2 l2) ‖G(q)‖²

Of p, loss − ⟨G(p), W⟩ − ⟨s, b⟩ is now the mean of both, and log K + 1/Σw Σ_i w_i (max_k o_ik − ⟨y_i, o_i⟩) is what it
cannot pass; t has Σ_k a_k (Σ_m r_m O_km − O_kk) of the second, from the means O of y oᵀ, (K, K). Both together are what
is called entropy below.

With an L1 penalty beside it, l1 ‖W‖₁, only what of G is beyond l1 counts:

    D(q) = 1/Σw Σ_i w_i H(q_i) − 1/(2 l2) Σ_jk max(|G_jk(q)| − l1, 0)²

and without an L2 penalty there must be nothing beyond. That is so after a step towards the targets, for which G is 0:
q' = (1 − τ) q + τ y has G(q') = (1 − τ) G(q), and s too becomes no larger. The entropy is at least 1 − τ times that of
q; summed up over the rows, which takes half a pass, it falls only by about τ l1 ‖W‖₁. What offsets have in it is
linear, 1 − τ times what it was.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from softreg.protocols import Matrix, Vector

__all__ = ["ClassMeans", "dual_bound", "label_entropy", "mean_entropy", "plogp", "shrinkage"]


@dataclass(frozen=True, eq=False)
class ClassMeans:
    """Weighted means over the rows: of x yᵀ, (d, K), of y, (K,), and of y oᵀ, (K, K), where there are offsets."""

    xy: Matrix
    y: Vector
    offset: Matrix | None = None

    @classmethod
    def of(
        cls, uniform: Matrix, tilted: Matrix, tilt: Vector, shares: Vector, offset: Matrix | None = None
    ) -> ClassMeans:
        """From G(q) for two constant q, the uniform one and `tilt`: G(q) = x̄ qᵀ − xy."""
        K = len(tilt)
        k = int(np.abs(tilt - 1 / K).argmax())
        x = (tilted[:, k] - uniform[:, k]) / (tilt[k] - 1 / K)
        return cls(np.outer(x, np.full(K, 1 / K)) - uniform, shares, offset)


def mean_entropy(loss: float, G: Matrix, s: Vector, W: Matrix, b: Vector, excess: float = 0.0) -> tuple[float, float]:
    """Return that of p from what is known at W, b, and the sum of the magnitudes that it is made of.

    `excess` is what offsets can have in it at most.
    """
    if not math.isfinite(loss):
        return -math.inf, math.inf
    entropy = min(loss - float(np.vdot(G, W)) - float(s @ b), math.log(len(b)) + excess)
    return entropy, abs(loss) + float(np.abs(G * W).sum() + np.abs(s * b).sum())


def dual_bound(entropy: float, G: Matrix, s: Vector, means: ClassMeans, l2: float, l1: float = 0.0) -> float:
    """Return a lower bound of the optimum from the mean entropy of q, G(q) and s; −inf where there is none."""
    if not math.isfinite(entropy):
        return -np.inf
    over, under = np.maximum(s, 0.0), np.maximum(-s, 0.0)
    if under.any():
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(over > 0, over / means.y, 0.0)  # inf where p gives probability to a class without rows
        need = float(ratio.max())
        if not np.isfinite(need):
            return -np.inf
        tau = need / (1 + need)
        given = ratio / max(need, np.finfo(float).tiny)  # a
        r = under / under.sum()
        entropy_t = float(means.y @ (plogp(1 - given) + plogp(given) + given * float(plogp(r).sum())))
        if means.offset is not None:
            entropy_t += float(given @ (means.offset @ r - np.diagonal(means.offset)))
        scaled = means.xy * given
        G_t = np.outer(scaled.sum(axis=1), r) - scaled
        G = (1 - tau) * G + tau * G_t
        entropy = (1 - tau) * entropy + tau * entropy_t
    bounds = [-np.inf]
    if l2 > 0:
        excess = np.maximum(np.abs(G) - l1, 0.0)
        bounds.append(entropy - float(np.vdot(excess, excess)) / (2 * l2))
    if l1 > 0:
        bounds.append(shrinkage(G, l1) * entropy)
    return max(bounds)


def shrinkage(G: Matrix, l1: float) -> float:
    """Return the most, up to 1, by which G can be multiplied with no entry above l1; 0 where there is none."""
    largest = float(np.abs(G).max(initial=0.0))
    return 1.0 if largest <= l1 else l1 / largest if largest < np.inf else 0.0  # 0 for nan


def label_entropy(p: Vector, w: Vector, tau: float) -> float:
    """Return what (1 − τ) p + τ y has of mean entropy more than (1 − τ) times that of p has.

    p (n,) are the labels' probabilities, w (n,) the rows' weights over their sum.
    """
    if not tau < 1:
        return 0.0  # of y alone, whose entropy is 0
    q = p + tau * (1 - p)
    return float(w @ (plogp(q) - (1 - tau) * plogp(p)) - (1 - tau) * math.log1p(-tau) * (w @ (1 - p)))


def plogp(p: Vector) -> Vector:
    """−p log p, 0 at 0."""
    return -p * np.log(np.where(p > 0, p, 1.0))
