"""How strange a class would be for a row: the scores of `softreg.decision.conformal`, and what they draw.

    lac     s = 1 − p_y                                                     Sadinle, Lei & Wasserman 2019
    aps     s = ρ_y + u p_y                                                 Romano, Sesia & Candès 2020
    raps    s = ρ_y + u p_y + λ max(0, rank_y − k_reg)                      Angelopoulos et al. 2021, equation 4

ρ_y is the probability of the classes that are likelier than y, rank_y its place among them from 1, and u uniform on
[0, 1], one for each row (or 1, where not randomised: larger sets). Classes of equal probability are in random order.

What is drawn for a row comes from the seed and from the row's own probabilities, not from its place: rows that are
predicted one by one are given what they would be given together. (A generator that began anew with each call would
give each of them the same u, and what the sets promise would hold over seeds alone.) Rows that are alike in one call,
to a part in a million, are told apart by their order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["SCORES", "Drawn"]

Array = NDArray[np.float64]
Hashes = NDArray[np.uint64]
STEP = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio


class _Settings(Protocol):
    """What scores need of a `SplitConformal`."""

    @property
    def randomised(self) -> bool: ...
    @property
    def lam(self) -> float: ...
    @property
    def k_reg(self) -> int: ...


class Drawn:
    """Uniform numbers for rows of probabilities, by the seed and a number for what they are for."""

    def __init__(self, P: Array, seed: int, stream: int) -> None:
        (start,) = np.random.SeedSequence([seed, stream]).generate_state(1, np.uint64)
        places = np.arange(1, P.shape[1] + 1, dtype=np.uint64) * STEP
        bits = (P + 0.0).view(np.uint64)  # + 0: there is a −0 too
        rounded = (bits + np.uint64(1 << 31)) >> np.uint64(32)  # to 1e-6 of itself, as far as any machine agrees
        h = _mixed(rounded + places).sum(axis=1, dtype=np.uint64)
        order = np.argsort(h, kind="stable")
        first = np.flatnonzero(np.diff(h[order], prepend=~h[order[:1]]))
        again = np.empty(len(h), np.uint64)
        again[order] = np.arange(len(h)) - np.repeat(first, np.diff(first, append=len(h)))
        self._hashes: Hashes = _mixed(_mixed(h ^ start) + again * STEP)

    def one_a_row(self) -> Array:
        """Return (n, 1) in [0, 1)."""
        return _uniform(self._hashes)[:, None]

    def one_a_class(self, rows: NDArray[np.intp], K: int) -> Array:
        """Return (m, K) for these rows."""
        return _uniform(_mixed(self._hashes[rows, None] + np.arange(1, K + 1, dtype=np.uint64) * STEP))


def _mixed(x: Hashes) -> Hashes:
    """Mix the bits of 64-bit numbers: the finaliser of SplitMix64 (Steele, Lea & Flood 2014)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(x ^ (x >> np.uint64(31)))


def _uniform(x: Hashes) -> Array:
    return np.asarray((x >> np.uint64(11)) * 2.0**-53, float)


def _lac(settings: _Settings, P: Array, drawn: Callable[[], Drawn]) -> Array:
    return 1 - P


def _aps(settings: _Settings, P: Array, drawn: Callable[[], Drawn]) -> Array:
    return _cumulative(settings, P, drawn())[0]


def _raps(settings: _Settings, P: Array, drawn: Callable[[], Drawn]) -> Array:
    scores, rank = _cumulative(settings, P, drawn())
    return scores + settings.lam * np.maximum(rank - settings.k_reg, 0)


SCORES: dict[str, Callable[[_Settings, Array, Callable[[], Drawn]], Array]] = {"lac": _lac, "aps": _aps, "raps": _raps}


def _cumulative(settings: _Settings, P: Array, drawn: Drawn) -> tuple[Array, Array]:
    """ρ + u p, and the ranks from 1, of each class in each row."""
    u = drawn.one_a_row() if settings.randomised else 1.0
    order = np.argsort(-P, axis=1, kind="stable")
    ordered = np.take_along_axis(P, order, axis=1)
    tied = np.flatnonzero((ordered[:, 1:] == ordered[:, :-1]).any(axis=1))
    if len(tied):
        order[tied] = np.lexsort((drawn.one_a_class(tied, P.shape[1]), -P[tied]), axis=1)
    before = np.cumsum(ordered, axis=1) - (1 - u) * ordered
    scores, ranks = np.empty_like(P), np.empty_like(P)
    np.put_along_axis(scores, order, before, axis=1)
    np.put_along_axis(ranks, order, np.arange(1.0, P.shape[1] + 1)[None], axis=1)
    return scores, ranks
