"""Expected calibration error without bins: what the confidence is off, smoothed as far as it says itself.

With c_i the largest probability of row i and h_i whether it is right, what they are off is spread by the heat that a
Gaussian of standard deviation σ stands for, kept within [0, 1] by reflection:

    r_σ(t) = 1/w Σ_i w_i (h_i − c_i) K_σ(t, c_i) = a_0 + Σ_{m≥1} a_m e^{−(π m σ)²/2} cos(π m t)
    a_0 = 1/w Σ_i w_i (h_i − c_i)            a_m = 2/w Σ_i w_i (h_i − c_i) cos(π m c_i)

    smECE = the σ at which ∫ |r_σ(t)| dt = σ                        (Błasiok & Nakkiran 2023, "Smooth ECE", section 3)

The integral falls as σ grows, so there is one. Cosines are eigenfunctions of reflected heat, which is why a cosine
transform does the smoothing; rows are laid on its points first, each on the two next to it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from softreg.metrics.reliability import confidences

__all__ = ["smooth_calibration_error"]

Array = NDArray[np.float64]
POINTS = 1 << 13
STEPS = 40  # of bisection


def smooth_calibration_error(probs: ArrayLike, y: ArrayLike, *, sample_weight: ArrayLike | None = None) -> float:
    """Calibration error of the most likely class, 0 to 1, without bins: SmoothECE.

    Unlike that in bins it moves little where probabilities do. It is right to about 1e-3 of itself at 0.01.

    Parameters
    ----------
    probs : (n, K) array
        Rows that sum to 1.
    y : (n,) array of int
        Labels, as columns of `probs`.
    sample_weight : (n,) array, optional

    Examples
    --------
    >>> round(smooth_calibration_error([[0.9, 0.1], [0.8, 0.2], [0.4, 0.6], [0.7, 0.3]], [0, 1, 1, 0]), 3)
    0.138
    """
    from scipy.fft import dct, idct

    confidence, hit, w = confidences(probs, y, sample_weight)
    place = np.clip(confidence * POINTS - 0.5, 0, POINTS - 1)
    left = np.minimum(place.astype(np.intp), POINTS - 2)
    off, part = w * (hit - confidence) / w.sum(), place - left
    laid = np.bincount(left, off * (1 - part), POINTS) + np.bincount(left + 1, off * part, POINTS)
    spectrum = dct(laid, type=2)
    decay = (np.pi * np.arange(POINTS)) ** 2 / 2

    def error(sigma: float) -> float:
        return float(np.abs(idct(spectrum * np.exp(-decay * sigma**2), type=2)).sum())

    low, high = 0.0, 1.0
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if error(middle) > middle else (low, middle)
    return high if high > 1 / POINTS else error(0.0)
