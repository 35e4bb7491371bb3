"""Other class frequencies at the place of use than where the model was fitted.

    p'_ik ∝ p_ik new_k / old_k

holds where the classes look the same in both places and only their shares differ. Unlabelled rows tell the new shares
π: EM on the mixture's likelihood L(π) = 1/n Σ_i log Σ_k p_ik π_k / old_k, whose step is π ← the mean of p' (Saerens,
Latinne & Decaestecker 2002). L is concave, and its slope towards all of class k is g_k − 1, so that

    max L − L(π) ≤ max_k g_k − 1,   g_k = 1/n Σ_i (p_ik / old_k) / Σ_m (p_im π_m / old_m)

is proof of how near an estimate is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from softreg.errors import DataError, ShapeError
from softreg.metrics.checks import positive, probabilities, whole

__all__ = ["PriorEstimate", "estimate_prior", "frequencies", "paired", "reweight"]

Array = NDArray[np.float64]
UNIT = 1e-6  # that a sum of frequencies may be off 1


@dataclass(frozen=True, eq=False)
class PriorEstimate:
    """Class frequencies estimated from unlabelled rows, and how near to the best ones they are."""

    prior: Array  # (K,)
    steps: int  # of EM
    gap: float  # at most so far is the mean log-likelihood below the highest
    converged: bool
    message: str  # that in a sentence


def frequencies(values: ArrayLike, name: str) -> Array:
    """Return class frequencies that sum to 1; raise where they are none.

    Examples
    --------
    >>> frequencies([0.25, 0.75], "new")
    array([0.25, 0.75])
    """
    try:
        f = np.asarray(values, float)
    except (TypeError, ValueError):
        raise DataError(f"{name} is {values!r:.80}; expected frequencies in the order of the classes") from None
    if f.ndim != 1 or len(f) < 2:
        raise ShapeError(name, f.shape, "a frequency for each of at least two classes")
    if not (np.isfinite(f).all() and (f >= 0).all()):
        raise DataError(f"{name} holds negative, nan or infinite frequencies: {f.tolist()}")
    if not abs(f.sum() - 1) <= UNIT:
        raise DataError(f"{name} holds frequencies that sum to {f.sum():.6g}; expected 1: divide counts by their sum")
    return np.asarray(f / f.sum(), float)


def reweight(probs: ArrayLike, old: ArrayLike, new: ArrayLike) -> Array:
    """Probabilities for the class frequencies of another place.

    Parameters
    ----------
    probs : (n, K) array
        Rows that sum to 1, of a model that holds where classes have the frequencies `old`.
    old, new : (K,) arrays
        Class frequencies that sum to 1: where the model was fitted, and where it is used.

    Raises
    ------
    DataError
        Where `old` has a class that never occurs and `new` has not; or where a row has no probability for any class
        that is left.

    Examples
    --------
    A test that is right on 9 of 10, tried on as many ill as healthy, where 1 of 10 is ill:

    >>> reweight([[0.1, 0.9]], [0.5, 0.5], [0.9, 0.1])
    array([[0.5, 0.5]])
    """
    P = probabilities(probs)
    old, new = paired(old, new, P.shape[1])
    weighted = P * np.divide(new, old, out=np.zeros_like(new), where=new > 0)
    sums = weighted.sum(axis=1, keepdims=True)
    lost = np.flatnonzero(~(sums > 0))
    if len(lost):
        raise DataError(
            f"{len(lost)} rows have no probability for any class of frequency above 0; the first is {lost[0]}"
        )
    return np.asarray(weighted / sums, float)


def estimate_prior(probs: ArrayLike, old: ArrayLike, *, tol: float = 1e-8, max_steps: int = 10_000) -> PriorEstimate:
    """Class frequencies of unlabelled rows, by EM.

    It takes the probabilities at their word: calibrate first.

    Parameters
    ----------
    probs : (n, K) array
        Of the unlabelled rows, by a model that holds where classes have the frequencies `old`.
    old : (K,) array
        Summing to 1: class frequencies where the model was fitted. A class of 0 must have no probability, and gets no
        share.
    tol : float
        Mean log-likelihood that the estimate may be short of the highest.
    max_steps : int

    Returns
    -------
    PriorEstimate
        `converged` is false, and `message` says so, where `max_steps` did not reach `tol`.

    Examples
    --------
    >>> found = estimate_prior([[0.9, 0.1], [0.8, 0.2], [0.9, 0.1], [0.2, 0.8]], [0.5, 0.5])
    >>> found.prior.round(3), found.converged
    (array([0.953, 0.047]), True)
    """
    tol, max_steps = positive("tol", tol), whole("max_steps", max_steps)
    P = probabilities(probs)
    old, prior = paired(old, old, P.shape[1])
    if not len(P):
        raise DataError("there are no rows to estimate class frequencies from")
    if P[:, old == 0].any():
        raise DataError("old has a class of frequency 0 that is probable: nothing tells how its rows would look")
    ratio = np.divide(P, old, out=np.zeros_like(P), where=old > 0)
    steps = 0
    while True:
        slope = (ratio / (ratio @ prior)[:, None]).mean(axis=0)
        gap = max(float(slope.max()) - 1, 0.0)
        if gap <= tol or steps == max_steps:
            break
        prior, steps = prior * slope, steps + 1
    met = gap <= tol
    how = "converged" if met else "did not converge"
    message = (
        f"EM {how} in {steps} steps: the mean log-likelihood is within {gap:.1e} of the highest (asked for: {tol:.1e})"
    )
    return PriorEstimate(prior / prior.sum(), steps, gap, met, message)


def paired(old: ArrayLike, new: ArrayLike, n_classes: int) -> tuple[Array, Array]:
    """Return frequencies of both places; raise where they are not those of so many classes, or cannot be."""
    old, new = frequencies(old, "old"), frequencies(new, "new")
    for name, values in (("old", old), ("new", new)):
        if len(values) != n_classes:
            raise ShapeError(name, values.shape, f"({n_classes},): a frequency for each class")
    if (new[old == 0] > 0).any():
        raise DataError("new has a class that old has not: nothing tells how probable it should be")
    return old, new
