"""A path of fits: one fold's rows, every strength of the penalty, each fit from where the last one ended."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from softreg.data import Dataset
from softreg.model import Model, Path, Score, Settings
from softreg.solvers import Step

__all__ = ["Entry", "Scorer", "walk"]

PATIENCE, WORSE = 3, 0.05  # fits one after another whose score is below the best by this share: hopeless


class Scorer(Protocol):
    """A score of a model on some rows; more is better."""

    def __call__(self, model: Model, rows: NDArray[np.int64]) -> float: ...  # noqa: D102


@dataclass(frozen=True)
class Entry:
    """One fit of a path, and its score on the rows that were left out; nan where it was not made."""

    coef: NDArray[np.float64] | None = None  # (K, d + 1), or (1, d + 1), on X as it is, the intercept last
    score: float = np.nan
    n_iter: int = 0
    certificate: float = np.nan
    status: str = "ABANDONED"
    seconds: float = 0.0


def walk(
    data: Dataset,
    settings: Settings,
    Cs: NDArray[np.float64],
    training: NDArray[np.int64],
    left_out: NDArray[np.int64],
    scorer: Scorer,
    coef: Any,
    *,
    abandon: bool,
    n_threads: int | None,
    told: Callable[[Entry], None] | None = None,
    over: threading.Event | None = None,
) -> list[Entry]:
    """Return the fits in the order of Cs, made from the strongest penalty to the weakest.

    `coef` makes of a model what an entry keeps of it. Where `abandon` is set, the rest of a path is left out once its
    scores have fallen clearly, and for several fits, below the best. `told` is given each fit once it is made. Once
    `over` is set, as where an interrupt has come to another thread, the walk ends after the step it is at.
    """
    entries = [Entry()] * len(Cs)
    fits = Path(data, settings, training, n_threads)
    best, bad = -np.inf, 0

    def on_step(step: Step, score: Score | None) -> str | None:
        return "nobody waits for it" if over is not None and over.is_set() else None

    for i in np.argsort(Cs, kind="stable"):
        begin = time.perf_counter()
        model, solution = fits.fit(float(Cs[i]), callback=on_step)
        if over is not None and over.is_set():
            break
        score = scorer(model, left_out) if len(left_out) else np.nan
        certificate = solution.certificate
        seconds = time.perf_counter() - begin
        entries[i] = Entry(coef(model), score, solution.steps, certificate, solution.status.name, seconds)
        if told is not None:
            told(entries[i])
        bad = bad + 1 if score < best - WORSE * abs(best) else 0
        best = max(best, score)
        if abandon and bad >= PATIENCE:
            break
    return entries
