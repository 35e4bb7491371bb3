"""What is fitted on some held-out rows and judged on others: a temperature, prediction sets; and when not to answer."""

from __future__ import annotations

import math
from dataclasses import replace
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


def divided(
    model: Model, given: Answers, other: Answers | None, seed: int, name: str
) -> tuple[Answers, Answers, HeldOut] | None:
    """Return the rows to fit to, those to judge, and which they are; None where a half would be empty.

    A model with a calibration and scores for sets of its own needs none to fit to.

    Raises
    ------
    DataError
        Where there are other rows to fit to, and they are none.
    """
    if other is not None:
        if not other.n_rows:
            raise DataError(f"{name} has no rows: calibration needs some")
        return other, given, HeldOut("other", name, other.n_rows, given.n_rows, None)
    if model.calibration is not None and model.conformal is not None:
        return given.take(np.empty(0, np.intp)), given, HeldOut("none", name, 0, given.n_rows, None)
    if given.n_rows < 2:
        return None
    order = np.random.default_rng(seed).permutation(given.n_rows)
    fitted, judged = (given.take(np.sort(part)) for part in np.array_split(order, [given.n_rows // 2]))
    return fitted, judged, HeldOut("half", name, fitted.n_rows, judged.n_rows, seed)


def trust(model: Model, fitted: Answers, judged: Answers, held_out: HeldOut) -> tuple[Trust, Array]:
    """Return the figures, and the calibrated probabilities of the judged rows.

    Before is the model as it was fitted; after is that with its own calibration, or else with a temperature for the
    rows fitted to, and what thresholds and decisions are of. Sets are by the model's own scores, or else by those of
    the rows fitted to: of the probabilities that the model gives, since their promise needs rows that nothing was
    fitted to.
    """
    note, scaling, own = "", model.calibration, model.calibration is not None
    if scaling is None:
        try:
            scaling = temperature_scaling(fitted.logits, fitted.y, sample_weight=fitted.weights)
        except DataError as none:
            note = str(none)
    before = np.asarray(log_softmax(judged.logits))
    after = None if scaling is None else np.asarray(log_softmax(scaling.logits(judged.logits)))
    known = replace(judged, log_probs=before if after is None else after)
    conformal = model.conformal or SplitConformal("lac").fit(fitted.probs, fitted.y, sample_weight=fitted.weights)
    absent = np.empty(0, np.intp)
    if model.conformal is None:
        absent = np.flatnonzero(np.bincount(fitted.y, minlength=model.n_classes) == 0)
    figures = Trust(
        held_out,
        own,
        None if scaling is None else scaling.temperature,
        note,
        _quality(before, judged),
        None if after is None else _quality(after, judged),
        reliability(np.exp(before), judged.y, sample_weight=judged.weights),
        None if after is None else reliability(np.exp(after), judged.y, sample_weight=judged.weights),
        risk_coverage(known.probs, judged.y, sample_weight=judged.weights).area,
        thresholds(known),
        conformal.score,
        model.conformal is not None,
        0 if conformal.scores is None else len(conformal.scores),
        conformal.class_conditional,
        tuple(_sets(conformal, judged, promised) for promised in PROMISES),
        tuple(model.classes[absent].tolist()),
    )
    return figures, known.probs


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
    ends = conformal.spread(promised) or (None, None)
    return Sets(promised, 1 - limit if math.isfinite(limit) else None, found, *ends)
