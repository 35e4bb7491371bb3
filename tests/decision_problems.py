"""Probabilities with labels for the tests of decisions and metrics: seeded, and off in a known way."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from softreg import softmax

Array = NDArray[np.float64]


def logits_and_labels(n: int, K: int, seed: int, sharper: float = 1.0) -> tuple[Array, NDArray[np.int64]]:
    """Logits that are `sharper` than those that the labels are drawn from: a temperature of that is right."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, K)) * 1.5
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    y = (p.cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)
    return z * sharper, y


def overconfident(n: int, K: int = 6, seed: int = 1) -> tuple[Array, NDArray[np.int64]]:
    """Probabilities of logits 1.7 times too large."""
    z, y = logits_and_labels(n, K, seed, 1.7)
    return softmax(z), y


def tied(n: int, K: int = 4, seed: int = 3) -> tuple[Array, NDArray[np.int64]]:
    """Probabilities in quarters, most with equal ones among them."""
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(4, np.full(K, 1 / K), size=n)
    P = counts / 4
    return P, (P.cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)
