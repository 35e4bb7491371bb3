"""What the template is filled with: a report's parts in the words and the order of the page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from softreg.metrics.result import title
from softreg.report.sections import left_out, of_classes, of_figure, of_savings, of_trust
from softreg.report.words import duration, interval, number, percent, plural, whole

if TYPE_CHECKING:
    from softreg.report.result import Report

__all__ = ["contents"]

UNFOLDED = 12  # classes whose strongest features are seen at once
STEPS = 200  # rows of the table of learning curves


def contents(report: Report) -> dict[str, Any]:
    """Return values for the template, all text still to be escaped."""
    labels = [str(label) for label in report.fit.classes]
    strongest = report.strongest or ()
    values: dict[str, Any] = {
        "fit": report.fit,
        "rows": report.rows,
        "classes": labels,
        "curves": report.curves,
        "images": report.images,
        "samples": report.samples,
        "mistakes": report.mistakes,
        "kinds": report.kinds,
        "strongest": strongest,
        "unfolded": UNFOLDED,
        "strongest_left": left_out(0 if len(labels) == 2 else len(strongest), len(labels), "features are shown"),
        "unit": "weight" if report.rows.weighted else "rows",
        "largest_effect": max((abs(e.effect) for one in strongest for e in one.effects), default=0.0) or 1.0,
        "evaluation": report.evaluation,
        "trust": report.trust,
        "savings": report.savings,
        "tiles": list(_tiles(report)),
        "contents": list(_sections(report)),
        "facts": list(_facts(report)),
        "settings": list(_settings(report.fit.settings)),
        "figures": [of_figure(figure) for figure in report.evaluation],
        "weights_left": left_out(len(report.weights), len(labels), "weights are drawn"),
        "footer": _footer(report),
    }
    return values | _curves(report) | of_classes(report, labels) | of_trust(report) | of_savings(report)


def _tiles(report: Report) -> Iterator[dict[str, str]]:
    e = report.evaluation
    for name in ("accuracy", "log_loss", "calibration_error"):
        figure, share = e[name], name != "log_loss"
        value = percent(figure.value) if share else number(figure.value, 3)
        low_high = interval(figure.low, figure.high, share) if share else _short_interval(figure.low, figure.high)
        yield {"what": title(name), "value": value, "more": low_high or "no interval"}
    kind = plural(report.rows.n_rows, "image" if report.images else "row").split()[1]
    yield {
        "what": "judged by",
        "value": whole(report.rows.n_rows),
        "more": f"{kind} of {plural(len(report.fit.classes), 'class', 'classes')}",
    }


def _short_interval(low: float, high: float) -> str:
    return f"{number(low, 3)} – {number(high, 3)}" if np.isfinite([low, high]).all() else ""


def _sections(report: Report) -> Iterator[tuple[str, str]]:
    yield "fit", "What was fitted"
    if report.curves is not None:
        yield "curves", "Learning curves"
    yield "predictions", "Predictions"
    yield "weights", "What each class looks for" if report.weights else "The strongest features"
    yield "classes", "How well it does"
    yield "trust", "How far to trust it"
    if report.savings is not None:
        yield "decisions", "What to do"


def _facts(report: Report) -> Iterator[tuple[str, str]]:
    fit, rows = report.fit, report.rows
    shape = "" if fit.image_shape is None else f", images of {fit.image_shape[0]} × {fit.image_shape[1]}"
    yield "model", fit.model
    yield "features", f"{fit.n_features:,}{shape}"
    yield "classes", str(len(fit.classes))
    if fit.trained_on is not None or fit.n_rows is not None:
        count = None if fit.n_rows is None else plural(fit.n_rows, "row")
        yield "fitted on", ", ".join(filter(None, (fit.trained_on, count)))
    if fit.solver is not None:
        yield "solver", fit.solver
    if fit.steps:
        yield ("epochs" if fit.solver == "SGD" else "steps"), _steps(report)
    if fit.passes is not None:
        yield "passes over the training rows", f"{fit.passes:,.4g}"
    yield "penalty", _penalty(fit.settings)
    if fit.loss is not None:
        yield "training loss", number(fit.loss)
    yield (
        "certificate",
        (
            "none: nothing is claimed about the optimum"
            if fit.relative_gap is None
            else f"at most {fit.relative_gap:.1e} above the optimum, relatively"
        ),
    )
    if fit.seconds is not None:
        yield "time of the fit", duration(fit.seconds)
    else:
        yield "time of the fit", "not in a model file"
    if fit.calibrated:
        yield "calibration", "the model has one of its own"
    yield "judged by", f"{rows.name}, {plural(rows.n_rows, 'row')}"
    if report.when is not None:
        yield "report made", report.when.strftime("%Y-%m-%d %H:%M %Z").strip()


def _steps(report: Report) -> str:
    fit = report.fit
    kept = f", the model of {fit.kept:,} is kept" if fit.kept is not None and fit.kept != fit.steps else ""
    return f"{fit.steps:,}{kept}"


def _penalty(settings: Mapping[str, Any]) -> str:
    if "C" not in settings:
        return "not known"
    if settings["C"] is None:
        return "none"
    l1 = settings.get("l1_ratio") or 0.0
    kind = "L2" if not l1 else "L1" if l1 == 1 else f"elastic net, {percent(l1, 0)} L1"
    return f"{kind}, C = {settings['C']:g}"


def _settings(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _settings(value, f"{prefix}{name} ")
        else:
            shown = "inf" if name == "C" and value is None else value
            yield f"{prefix}{name}".replace("_", " "), "none" if shown is None else str(shown)


def _curves(report: Report) -> dict[str, Any]:
    curves = report.curves
    if curves is None:
        return {"curves_text": "", "curve_names": [], "curve_rows": []}
    held = curves.validation_accuracy is not None
    text = f"{'Epoch by epoch' if curves.by == 'epoch' else 'By passes over the training rows'}. " + (
        "Training figures run along: each batch is measured before the step that it causes."
        if report.fit.solver == "SGD"
        else ""
    )
    if held:
        text += " Validation figures are of rows that the fit never saw."
    measured = {
        "training loss": curves.loss,
        "training accuracy": curves.accuracy,
        "validation loss": curves.validation_loss,
        "validation accuracy": curves.validation_accuracy,
    }
    columns = {name: values for name, values in measured.items() if values is not None}
    rows = [
        [f"{curves.at[i]:,.6g}"]
        + [percent(v[i], 2) if name.endswith("accuracy") else number(v[i]) for name, v in columns.items()]
        for i in curves.some(STEPS)
    ]
    return {"curves_text": text.strip(), "curve_names": list(columns), "curve_rows": rows}


def _footer(report: Report) -> str:
    when = "" if report.when is None else f", {report.when.strftime('%Y-%m-%d %H:%M %Z').strip()}"
    return f"Made by softreg {version('softreg')}{when}. This page is one file, and loads nothing from anywhere."
