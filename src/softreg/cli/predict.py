"""`softreg predict`: labels for rows and pictures."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import click

from softreg.cli.deciding import Tally, decision_options, rule_from
from softreg.cli.prior import prior_options, shifted
from softreg.cli.source import load_rows, source_options

__all__ = ["predict"]

_END = "\r\n"  # cells with either character are quoted, which is why it is not left empty


@click.command()
@click.argument("model", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("data", nargs=-1, required=True)
@source_options(labels=False, fitted=True)
@click.option("--resize", is_flag=True, help="Pictures: stretch or shrink them to the size that the model takes.")
@click.option(
    "--invert", is_flag=True, help="Pictures: black for white, as of ink on paper for Fashion-MNIST or MNIST."
)
@decision_options
@prior_options
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line: index, label, probability, …")
@click.option("--csv", "as_csv", is_flag=True, help="A CSV table: label, probability, …; of pictures the file first.")
@click.pass_context
def predict(
    ctx: click.Context, /, model: Path, data: tuple[str, ...], as_json: bool, as_csv: bool, **_: object
) -> None:
    """Print the most likely label of each row or image and its probability, one line each.

    MODEL is a file that `softreg train` or `tune` wrote. DATA is an IDX file of images; PNG or JPEG files, or a folder
    of them; a table, CSV or Parquet, with the columns that the model was trained on, in any order; an npz file with X;
    - for standard input; or a known name, for its test images. All but pictures may be gzipped. Columns that the model
    does not know are left aside. Pictures are turned to grey and must have the size of the model's images; their lines
    begin with the file.

    With --costs the line goes on with the action of least expected cost and that cost; with --reject-cost or --accept
    the action of a row may be to reject it; with --sets the last column is the set, its classes parted by commas. What
    that comes to is told at the end on standard error.

    \b
    Examples:
      softreg predict fashion-mnist.safetensors t10k-images-idx3-ubyte.gz
      softreg predict fashion-mnist.safetensors t10k-images-idx3-ubyte.gz --json | head -n 3
      softreg predict fashion-mnist.safetensors photos/ shirt.png --resize --invert
      softreg predict wine.safetensors bottles.csv --csv > labels.csv
      softreg predict tumours.safetensors new.csv --costs costs.csv --reject-cost 1
      softreg predict wine-calibrated.safetensors bottles.csv --sets 0.95 --json
    """
    from softreg.model import Model

    if as_json and as_csv:
        raise click.UsageError("--json and --csv exclude each other.")
    fitted = Model.load(model)
    rule = rule_from(ctx, fitted, model)
    rows = load_rows(ctx, data, fitted)
    fitted = shifted(ctx, fitted, rows.X)
    columns = [*(["file"] if rows.files else []), "label", "probability"]
    more = {"action": rule.acts, "cost": rule.costs is not None, "set": rule.sets is not None}
    columns += [name for name, there in more.items() if there]
    if as_csv:
        click.echo(_csv_line(columns))
    tally, n = Tally(rule), 0
    for decisions in rule.decide(fitted, rows.X):
        lines = []
        for row in rule.fields(decisions):
            if rows.files:
                row = {"file": rows.files[n]} | row
            if as_json:
                lines.append(json.dumps({"index": n} | row, ensure_ascii=False))
            elif as_csv:
                lines.append(_csv_line([_cell(row[name]) for name in columns]))
            else:
                lines.append("\t".join(_printable(_cell(row[name], digits=4)) for name in columns))
            n += 1
        tally.add(decisions)
        click.echo("\n".join(lines))
    for line in tally.lines(fitted):
        click.echo(line, err=True)


def _cell(value: Any, digits: int | None = None) -> str:
    """Return what a table shows of a value: of a set its classes as a line of CSV, of nothing nothing."""
    if isinstance(value, list):
        return _csv_line(list(map(str, value)))
    if isinstance(value, float):
        return repr(value) if digits is None else f"{value:.{digits}f}"
    return "" if value is None else str(value)


def _csv_line(values: list[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator=_END).writerow(values)
    return line.getvalue().removesuffix(_END)


def _printable(label: str) -> str:
    """Return the label with its tabs, newlines and other control characters written out: one line stays one line."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in label)
