"""What is fitted on some held-out rows and judged on others: a temperature, prediction sets; and when not to answer."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from softreg.decision import SplitConformal, risk_coverage, temperature_scaling
from softreg.errors import DataError
from softreg.functional import log_softmax
from softreg.metrics import measure, reliability
from softreg.report.answers import Answers
from softreg.report.figures import HeldOut, Quality, Sets, Threshold, Trust

if TYPE_CHECKING:
    from softreg.model import Model

__all__ = ["divided", "thresholds", "trust"]

Array = NDArray[np.float64]
PROMISES = (0.9, 0.95, 0.99)
STEPS = 100  # thresholds between 0 and 1


def divided(given: Answers, other: Answers | None, seed: int, name: str) -> tuple[Answers, Answers, HeldOut] | None:
    """Return the rows to fit to, those to judge, and which they are; None where a half would be empty.

    Raises
    ------
    DataError
        Where there are other rows to fit to, and they are none.
    """
    if other is not None:
        if not other.n_rows:
            raise DataError(f"{name} has no rows: calibration needs some")
        return other, given, HeldOut("other", name, other.n_rows, given.n_rows, None)
    if given.n_rows < 2:
        return None
    order = np.random.default_rng(seed).permutation(given.n_rows)
    fitted, judged = (given.take(np.sort(part)) for part in np.array_split(order, [given.n_rows // 2]))
    return fitted, judged, HeldOut("half", name, fitted.n_rows, judged.n_rows, seed)


def trust(model: Model, fitted: Answers, judged: Answers, held_out: HeldOut) -> tuple[Trust, Array]:
    """Return the figures, and the probabilities of the judged rows by the temperature where there is one.

    Before is the model as it was fitted; after is that with the temperature. Sets and thresholds are of the
    probabilities that the model gives, a calibration of its own included, and no temperature: what the sets' promise
    needs is rows that nothing was fitted to.
    """
    note, scaling = "", None
    try:
        scaling = temperature_scaling(fitted.logits, fitted.y, sample_weight=fitted.weights)
    except DataError as none:
        note = str(none)
    before = np.asarray(log_softmax(judged.logits))
    after = None if scaling is None else np.asarray(log_softmax(scaling.logits(judged.logits)))
    curve = risk_coverage(judged.probs, judged.y, sample_weight=judged.weights)
    conformal = SplitConformal("lac").fit(fitted.probs, fitted.y, sample_weight=fitted.weights)
    absent = np.flatnonzero(np.bincount(fitted.y, minlength=model.n_classes) == 0)
    figures = Trust(
        held_out,
        None if scaling is None else scaling.temperature,
        note,
        _quality(before, judged),
        None if after is None else _quality(after, judged),
        reliability(np.exp(before), judged.y, sample_weight=judged.weights),
        None if after is None else reliability(np.exp(after), judged.y, sample_weight=judged.weights),
        curve.area,
        thresholds(judged),
        tuple(_sets(conformal, judged, promised) for promised in PROMISES),
        tuple(model.classes[absent].tolist()),
    )
    return figures, judged.probs if after is None else np.exp(after)


def thresholds(rows: Answers) -> tuple[Threshold, ...]:
    """Return what comes of every threshold 0, 0.01 … 1 on the largest probability; shares are by weight.

    Examples
    --------
    >>> z, y = np.log([[0.9, 0.1], [0.4, 0.6]]), np.array([0, 0])
    >>> thresholds(Answers(z, z, y, None))[90]
    Threshold(threshold=0.9, answered=1, wrong=0, coverage=0.5, risk=0.0)
    """
    confidence, mistaken = rows.probs.max(axis=1), rows.probs.argmax(axis=1) != rows.y
    w = np.ones(len(rows.y)) if rows.weights is None else rows.weights
    found = []
    for step in range(STEPS + 1):
        sure = confidence >= step / STEPS
        answered = float(w[sure].sum())
        found.append(
            Threshold(
                step / STEPS,
                int(sure.sum()),
                int(mistaken[sure].sum()),
                answered / float(w.sum()),
                float(w[sure & mistaken].sum()) / answered if answered else None,
            )
        )
    return tuple(found)


def _quality(log_probs: Array, rows: Answers) -> Quality:
    P = np.exp(log_probs)
    found = measure(P, rows.y, log_probs=log_probs, sample_weight=rows.weights, resamples=0)
    return Quality(*(found.value(name) for name in Quality.__dataclass_fields__))


def _sets(conformal: SplitConformal, judged: Answers, promised: float) -> Sets:
    limit = float(conformal.thresholds(promised)[0])
    found = conformal.evaluate(judged.probs, judged.y, coverage=promised, sample_weight=judged.weights)
    return Sets(promised, 1 - limit if math.isfinite(limit) else None, found)
