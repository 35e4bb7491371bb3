"""`softreg evaluate`: how good a model is on labelled rows, each figure with its interval."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from softreg.cli.deciding import decision_options, rule_from
from softreg.cli.part import range_option
from softreg.cli.prior import prior_options, shifted
from softreg.cli.source import load_labelled, source_options

if TYPE_CHECKING:
    from softreg.metrics import Evaluation

__all__ = ["evaluate"]

SHOWN = 12  # classes of a printed confusion matrix
COLUMNS = 100  # that it may take on a line


@click.command()
@click.argument("model", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("data")
@source_options(fitted=True)
@range_option
@click.option(
    "--top-k",
    type=click.IntRange(min=1),
    multiple=True,
    help="Whether the label is among the k likeliest; may be repeated.  [default: 5; 2 of 3 to 5 classes]",
)
@decision_options
@prior_options
@click.option(
    "--resamples",
    type=click.IntRange(min=0),
    default=1000,
    show_default=True,
    help="Of the rows, for intervals that are not exact: at least 100, or 0 for none.",
)
@click.option("--level", type=float, default=0.95, show_default=True, help="Of the intervals.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the resamples.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.option(
    "--csv", "as_csv", is_flag=True, help="A CSV table: figure, class, predicted class, value, low, high, interval."
)
@click.pass_context
def evaluate(
    ctx: click.Context,
    /,
    model: Path,
    data: str,
    top_k: tuple[int, ...],
    resamples: int,
    level: float,
    seed: int,
    as_json: bool,
    as_csv: bool,
    **_: Any,  # the options of other modules, which are read from the context
) -> None:
    """Print how good a model is on labelled rows that it was not fitted on.

    Log loss, accuracy, the label among the k likeliest, balanced accuracy, F1, Brier score, calibration errors;
    precision, recall and F1 of each class; and how many rows of each class were taken for which. Each has its interval:
    exact for shares of rows, by resamples for the rest. With the options by which `softreg predict` decides, what was
    decided and what that cost, a mistake being 1 without --costs; with --sets, how often sets hold the true class and
    how large they are.

    MODEL is a file that `softreg train`, `tune` or `calibrate` wrote. DATA is what it is for `softreg train`; of a
    known name, its test images. Rows may lack classes of the model's, but have no others.

    \b
    Examples:
      softreg evaluate fashion-mnist.safetensors fashion-mnist
      softreg evaluate wine.safetensors other.csv --target class --top-k 2 --resamples 10000 --level 0.99
      softreg evaluate tumours.safetensors new.csv --target diagnosis --costs costs.csv --reject-cost 1 --json
    """
    from softreg import metrics
    from softreg.cli import judged
    from softreg.model import Model

    if as_json and as_csv:
        raise click.UsageError("--json and --csv exclude each other.")
    if not 0 < level < 1:  # nor nan
        raise click.UsageError(f"--level {level:g}: expected a number between 0 and 1.")
    fitted = Model.load(model)
    if top_k and max(top_k) > fitted.n_classes:
        raise click.UsageError(f"--top-k {max(top_k)}: the model has {fitted.n_classes} classes.")
    rule = rule_from(ctx, fitted, model)
    rows = load_labelled(ctx, data, fitted)
    fitted = shifted(ctx, fitted, rows.X)
    asked: dict[str, Any] = {"level": level, "seed": seed}
    found = metrics.evaluate(fitted, rows, costs=rule.costs, top_k=top_k or None, resamples=resamples, **asked)
    codes, report, outcome = metrics.codes_of(rows, fitted.classes), None, None
    if rule.sets is not None or rule.acts:
        decisions = fitted.decide(rows.X, costs=rule.costs, reject=rule.reject, accept=rule.accept)
        if rule.sets is not None and fitted.conformal is not None:
            of: dict[str, Any] = {"coverage": rule.sets, "level": level, "sample_weight": rows.weights}
            report = fitted.conformal.evaluate(decisions.probs, codes, **of)
        if rule.acts:
            outcome = decisions.judged(codes, sample_weight=rows.weights, **asked)
    if as_json:
        more: dict[str, Any] = {}
        if report is not None:
            more["sets"] = {"asked": rule.sets} | report.as_dict()
        if outcome is not None:
            more["decisions"] = outcome.as_dict()
        if ctx.params["prior"] is not None and fitted.class_prior is not None:
            more["prior"] = fitted.class_prior.tolist()
        click.echo(json.dumps(found.as_dict() | more, ensure_ascii=False))
        return
    sets = rule.sets or 0.0
    if as_csv:
        cells = [] if report is None else [*judged.set_cells(report, fitted, sets, rows.weights is not None)]
        cells += [] if outcome is None else judged.decision_cells(outcome)
        click.echo(found.to_csv(cells), nl=False)
        return
    click.echo(f"{found}\n\n{_confusion(found)}")
    for lines in (
        () if report is None else judged.set_lines(report, fitted, sets, rows.weights is not None),
        () if outcome is None else judged.decision_lines(outcome, rule.costs is None),
    ):
        told = "\n".join(lines)
        if told:
            click.echo(f"\n{told}")


def _confusion(found: Evaluation) -> str:
    """Return the matrix as a table: rows are true classes, columns what they were taken for, in the same order."""
    from softreg.metrics.plain import printable

    K = len(found.classes)
    if K > SHOWN:
        return f"the confusion matrix of {K} classes is in --json and --csv"
    names = [printable(label) for label in found.classes.tolist()]
    cells = [[f"{count:.6g}" for count in row] for row in found.confusion.tolist()]
    width = max(len(cell) for row in cells for cell in row)
    first = max(len("taken for"), *(min(len(name), 24) for name in names))
    room = max(6, (COLUMNS - first) // K - 2)
    widths = [max(width, min(len(name), room)) for name in names]
    heads = [name if len(name) <= w else f"{name[: w - 1]}…" for name, w in zip(names, widths, strict=True)]
    lines = ["  ".join(["taken for".ljust(first), *(head.rjust(w) for head, w in zip(heads, widths, strict=True))])]
    for name, row in zip(names, cells, strict=True):
        short = name if len(name) <= 24 else f"{name[:23]}…"
        lines.append("  ".join([short.ljust(first), *(cell.rjust(w) for cell, w in zip(row, widths, strict=True))]))
    return "\n".join(lines)
