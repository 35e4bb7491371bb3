"""What the sections with figures are filled with: of all rows, of classes, of the judged rows, of decisions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from softreg.metrics.result import title
from softreg.report.figures import Trust
from softreg.report.words import interval, number, percent, plural

if TYPE_CHECKING:
    from softreg.metrics import Figure
    from softreg.report.result import Report

__all__ = ["calibrated", "left_out", "of_classes", "of_figure", "of_savings", "of_trust"]

MATRIX = 40  # classes of a confusion matrix; with more, the most frequent mistakes are listed
PAIRS = 40
CLASSES = 200  # of the table by class
MISTAKES = 10  # of the judged rows, below which what is said of them is little
FEW = (0, 50, 60, 70, 80, 90, 95, 99)  # thresholds of the table, in per cent
ABOUT = {
    "log_loss": "mean of −log of the true class's probability; lower is better",
    "accuracy": "share of rows whose likeliest class is the true one",
    "balanced_accuracy": "mean of the classes' recalls",
    "macro_f1": "mean of the classes' F1, of precision and recall",
    "brier": "mean squared error of the probabilities, 0 to 2; lower is better",
    "calibration_error": "how far sureness and rightness are apart, in 15 bins",
    "classwise_calibration_error": "the same of every class's probability",
    "ks_calibration_error": "the same without bins",
    "expected_cost": "mean cost of a row, decided by the costs",
}
SHARES = ("accuracy", "balanced_accuracy", "macro_f1")


def of_figure(figure: Figure) -> dict[str, Any]:
    """Return a figure with its name and what it is."""
    about = ABOUT.get(figure.name, "")
    if figure.name.startswith("top_"):
        about = f"share of rows whose true class is among the {figure.name.split('_')[1]} likeliest"
    share = figure.name in SHARES or figure.name.startswith("top_")
    return {
        "name": title(figure.name),
        "about": about,
        "value": percent(figure.value, 2) if share else number(figure.value),
        "interval": interval(figure.low, figure.high, share),
        "raw": figure.value,
        "low": figure.low,
    }


def of_classes(report: Report, labels: list[str]) -> dict[str, Any]:
    """Return the confusion matrix, or the most frequent mistakes, and the table of classes."""
    c = report.evaluation.by_class
    K = len(labels)
    total = c.confusion.sum(axis=1)
    shares = c.confusion / np.where(total > 0, total, 1)[:, None]
    matrix = [
        {
            "total": total[i],
            "cells": [{"count": c.confusion[i, j], "share": shares[i, j]} for j in range(K)],
        }
        for i in (range(K) if K <= MATRIX else ())
    ]
    off = c.confusion * (1 - np.eye(K, dtype=c.confusion.dtype))
    worst = [divmod(int(at), K) for at in np.argsort(-off, axis=None, kind="stable")[:PAIRS]]
    pairs = [{"true": i, "said": j, "count": off[i, j], "share": shares[i, j]} for i, j in worst if off[i, j] > 0]
    order = np.arange(K) if K <= CLASSES else np.sort(np.argsort(-c.support, kind="stable")[:CLASSES])
    by_class = [
        {
            "code": k,
            "name": labels[k],
            "support": c.support[k],
            "figures": [
                {
                    "raw": value[k],
                    "value": percent(value[k]),
                    "interval": interval(low[k], high[k], share=True, bare=True),
                }
                for value, low, high in (c.precision, c.recall, c.f1)
            ],
        }
        for k in order.tolist()
    ]
    left = left_out(len(by_class), K, "rows stand in the table, the most frequent", "JSON has all")
    kinds = int(np.count_nonzero(off))
    more = f"{PAIRS} of {kinds:,} kinds of mistake; JSON has all." if kinds > PAIRS else ""
    return {"confusion": matrix, "pairs": pairs, "pairs_left": more, "by_class": by_class, "classes_left": left}


def left_out(shown: int, of: int, what: str, more: str = "") -> str:
    """Return a sentence where not all classes are shown, else nothing."""
    if not shown or shown >= of:
        return ""
    return f"Of {shown:,} of {of:,} classes the {what}{'; ' + more if more else ''}."


def of_trust(report: Report) -> dict[str, Any]:
    """Return who was fitted to and judged, and what came of it."""
    trust = report.trust
    if trust is None:
        return {"held_out": "", "temperature": "", "absent": "", "few_thresholds": [], "quality": []} | dict.fromkeys(
            ("after_name", "probabilities", "sets_text", "few_mistakes", "by_weight", "set_classes"), ""
        )
    h = trust.held_out
    judged = f"Judged by {report.rows.name}: {plural(h.judged, 'row')}."
    which = {
        "none": f"The model brings its calibration, and nothing is fitted here. {judged}",
        "other": f"Fitted on {h.name}: {plural(h.fitted, 'row')}. {judged}",
        "half": f"Fitted on one half of {h.name}: {plural(h.fitted, 'row')}, drawn by seed {h.seed}. Judged by the "
        f"other half: {plural(h.judged, 'row')}.",
    }[h.where]
    absent = ""
    if trust.absent:
        names = ", ".join(map(str, trust.absent[:8])) + (", …" if len(trust.absent) > 8 else "")
        absent = (
            f"Among the rows fitted to there are none of {names}: nothing tells how right their probabilities are, and "
            "sets promise what they do for all rows together."
        )
    quality = [
        (
            title(name),
            *(
                ""
                if part is None
                else percent(getattr(part, name))
                if name == "accuracy"
                else number(getattr(part, name))
                for part in (trust.before, trust.after)
            ),
        )
        for name in vars(trust.before)
    ]
    return {
        "held_out": which,
        "temperature": _temperature(trust),
        "absent": absent,
        "few_thresholds": [trust.thresholds[at] for at in FEW],
        "quality": quality,
        "after_name": calibrated(trust),
        "probabilities": f"Probabilities are with {calibrated(trust)}. " if trust.after is not None else "",
        "sets_text": _sets_text(trust),
        "few_mistakes": _few(trust),
        "by_weight": "Shares are by weight. " if report.rows.weighted else "",
        "set_classes": _set_classes(report),
    }


def _few(trust: Trust) -> str:
    """Return a warning where the judged rows have few mistakes to speak of."""
    wrong = trust.thresholds[0].wrong
    if wrong >= MISTAKES:
        return ""
    count = (
        f"Only {plural(wrong, 'judged row')} {'is' if wrong == 1 else 'are'} mistaken"
        if wrong
        else "No judged row is mistaken"
    )
    return f"{count}: what is said of mistakes, and of what they cost, rests on little. More rows would tell more."


def _set_classes(report: Report) -> list[tuple[str, list[str]]]:
    """Return how often sets hold the true class, of the rows of each class, where that is what they promise."""
    trust = report.trust
    if trust is None or not trust.sets_by_class or len(report.fit.classes) > CLASSES:
        return []
    rows = trust.sets[0].judged.class_rows
    return [
        (str(label), [percent(one.judged.class_coverage[k]) for one in trust.sets])
        for k, label in enumerate(report.fit.classes)
        if rows[k]
    ]


def _sets_text(trust: Trust) -> str:
    of = "that the model has kept of rows held out" if trust.own_sets else "of the rows fitted to"
    plainly = trust.own or trust.after is None
    more = "" if plainly else ", by probabilities without the temperature, which was fitted to them"
    text = f"The scores are those {of} ({trust.set_score}{more})."
    if trust.sets_by_class:
        return f"{text} The promise is for the rows of each class."
    text = f"{text} The promise is for an average over such rows:"
    low, high = trust.sets[0].kept_low, trust.sets[0].kept_high
    if low is None or high is None:
        return f"{text} of few rows, what is kept may be less."
    kept = f"keep between {percent(low)} and {percent(high)}, 19 times of 20"
    return (
        f"{text} with {plural(trust.set_rows, 'row')}, sets that promise {percent(trust.sets[0].promised, 0)} {kept}."
    )


def calibrated(trust: Trust) -> str:
    """Return what the probabilities after calibration are called."""
    if trust.temperature is None:
        return "its own calibration" if trust.own else ""
    return f"{'its own ' if trust.own else ''}temperature {number(trust.temperature, 3)}"


def _temperature(trust: Trust) -> str:
    T = trust.temperature
    if trust.after is None:
        return f"No temperature was fitted: {trust.note.rstrip('?')}."
    before, after = trust.before.log_loss, trust.after.log_loss
    verdict = "better" if after < before else "no better"
    if trust.own:
        how = f"a temperature of {number(T, 3)}" if T is not None else "a factor and a bias for each class"
        return (
            f"The model comes with a calibration, {how}. It is {verdict} on the judged rows: their log loss is "
            f"{number(after)}, and {number(before)} without it."
        )
    assert T is not None  # noqa: S101 - what is fitted here is one
    how = (
        "too sure of itself"
        if T > 1.02
        else "less sure than it could be"
        if T < 0.98
        else "about as sure as it is right"
    )
    return (
        f"By the rows fitted to, the model is {how}: dividing its logits by a temperature of {number(T, 3)} suits them "
        f"best. That is {verdict} on the judged rows: their log loss goes from {number(before)} to {number(after)}. "
        "The likeliest class stays the same."
    )


def of_savings(report: Report) -> dict[str, Any]:
    """Return what deciding by costs saves, in words."""
    s = report.savings
    if s is None:
        return {"savings_text": "", "savings_about": ""}
    saves = s.saved >= 0
    ends = interval(s.saved_low, s.saved_high) if saves else interval(0.0 - s.saved_high, 0.0 - s.saved_low)
    sure = f" (interval of {percent(s.level, 0)}: {ends})" if ends else ""
    relative = f", {percent(s.saved / s.cost_likeliest)} of what that costs" if saves and s.cost_likeliest > 0 else ""
    amount = f"{number(abs(s.saved))} a row{'' if saves else ' more'}{sure}{relative}"
    saved = f"{'saves' if saves else 'costs'} {amount}." if s.changed else "saves nothing."
    assert report.trust is not None  # noqa: S101 - there are savings only of judged rows
    by = f"with {calibrated(report.trust)}" if report.trust.after is not None else "as they were fitted"
    return {
        "savings_text": saved,
        "savings_about": f"Judged by the same {plural(s.n_rows, 'row')} as above, with their true classes; "
        f"probabilities are {by}. (The expected cost above is of all rows, by the model's own probabilities.)",
    }
