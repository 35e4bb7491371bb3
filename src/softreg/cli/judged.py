"""What `softreg evaluate` tells of prediction sets and decisions: as lines to read, and as cells of its CSV table."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from softreg.metrics.plain import printable, shown

if TYPE_CHECKING:
    from softreg.decision import Outcome, SetReport
    from softreg.metrics.result import Cells
    from softreg.model import Model

__all__ = ["decision_cells", "decision_lines", "set_cells", "set_lines"]

SHOWN = 30  # classes of lines


def set_lines(report: SetReport, model: Model, asked: float, weighted: bool) -> Iterator[str]:
    """Say how often sets hold the true class and how large they are; by class, where that is what they promise."""
    ends = _ends(report.low, report.high, ", by weight" if weighted else ", exact")
    yield (
        f"sets of {100 * asked:g} %: {report.coverage:.4f} hold the true class{ends}; {report.mean_size:.3f} classes "
        f"on average, {100 * report.single:.1f} % single, {100 * report.empty:.1f} % empty"
    )
    if model.conformal is None or not model.conformal.class_conditional:
        return
    for k in _present(report)[:SHOWN]:
        ends = _ends(report.class_low[k], report.class_high[k])
        coverage, size = report.class_coverage[k], report.class_mean_size[k]
        yield f"  of {printable(model.classes[k])}: {coverage:.4f}{ends}; {size:.3f} classes on average"
    if len(_present(report)) > SHOWN:
        yield f"  … and {len(_present(report)) - SHOWN} classes more"


def set_cells(report: SetReport, model: Model, asked: float, weighted: bool) -> Iterator[Cells]:
    """Return the figures of all sets, and of those of each class that has rows."""
    kind = _kind(weighted)
    yield "set_promise", "", asked, None, None, "none"
    yield "set_coverage", "", report.coverage, report.low, report.high, kind
    yield "set_size", "", report.mean_size, None, None, "none"
    for k in _present(report):
        label, ends = model.classes[k], (report.class_low[k], report.class_high[k])
        yield "set_coverage", label, report.class_coverage[k], *ends, kind
        yield "set_size", label, report.class_mean_size[k], None, None, "none"


def decision_lines(outcome: Outcome, in_mistakes: bool) -> Iterator[str]:
    """Say what was decided and what it cost; `in_mistakes` where a mistake costs 1."""
    counts = zip(outcome.actions, outcome.counts.sum(axis=0).tolist(), strict=True)
    yield "decided: " + ", ".join(f"{count:,} {printable(name)}" for name, count in counts)
    if outcome.accepted < 1:
        of = "of the weight" if outcome.weighted else "of the rows"
        yield f"accepted: {outcome.accepted:.4f} {of}{_ends(outcome.accepted_low, outcome.accepted_high)}"
    if not math.isnan(outcome.cost):
        of = f"{'accepted ' if outcome.of_accepted else ''}row{', by weight' if outcome.weighted else ''}"
        unit = "mistakes" if in_mistakes else "paid"
        yield f"cost: {shown(outcome.cost)} {unit} for each {of}{_ends(outcome.low, outcome.high)}"


def decision_cells(outcome: Outcome) -> Iterator[Cells]:
    """Return the figures: how often each action was taken, the share accepted, and the cost."""
    for name, count in zip(outcome.actions, outcome.counts.sum(axis=0).tolist(), strict=True):
        yield "decided", name, count, None, None, "none"
    ends = outcome.accepted_low, outcome.accepted_high
    yield "accepted", "", outcome.accepted, *ends, _kind(outcome.weighted)
    what = "cost_of_accepted" if outcome.of_accepted else "decision_cost"
    yield what, "", outcome.cost, outcome.low, outcome.high, "none" if math.isnan(outcome.low) else "bounded"


def _present(report: SetReport) -> list[int]:
    found: list[int] = report.class_rows.nonzero()[0].tolist()
    return found


def _ends(low: float, high: float, more: str = "") -> str:
    if math.isnan(low):
        return ""
    return f" ({shown(low)}{' to ' if low < 0 else '–'}{shown(high)}{more})"


def _kind(weighted: bool) -> str:
    return "effective" if weighted else "exact"
