"""`softreg predict`: labels for rows and pictures."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import click

from softreg.cli.source import load_rows, source_options

__all__ = ["predict"]

_AT_ONCE = 1024  # rows: lines appear as they are computed


@click.command()
@click.argument("model", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("data", nargs=-1, required=True)
@source_options(labels=False)
@click.option("--resize", is_flag=True, help="Pictures: stretch or shrink them to the size that the model takes.")
@click.option(
    "--invert", is_flag=True, help="Pictures: black for white, as of ink on paper for Fashion-MNIST or MNIST."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line: index, label, probability.")
@click.option("--csv", "as_csv", is_flag=True, help="A CSV table: label, probability; of pictures the file first.")
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

    \b
    Examples:
      softreg predict fashion-mnist.safetensors t10k-images-idx3-ubyte.gz
      softreg predict fashion-mnist.safetensors t10k-images-idx3-ubyte.gz --json | head -n 3
      softreg predict fashion-mnist.safetensors photos/ shirt.png --resize --invert
      softreg predict wine.safetensors bottles.csv --csv > labels.csv
    """
    from softreg.model import Model

    if as_json and as_csv:
        raise click.UsageError("--json and --csv exclude each other.")
    fitted = Model.load(model)
    rows = load_rows(ctx, data, fitted)
    if as_csv:
        click.echo(_csv_line((["file"] if rows.files else []) + ["label", "probability"]))
    for start in range(0, len(rows.X), _AT_ONCE):
        probs = fitted.predict_proba(rows.X[start : start + _AT_ONCE])
        codes = probs.argmax(axis=1)
        lines = []
        for i, code in enumerate(codes):
            label, probability = fitted.classes[code].item(), float(probs[i, code])
            file = rows.files[start + i] if rows.files else None
            if as_json:
                named = {} if file is None else {"file": file}
                line = {"index": start + i} | named | {"label": label, "probability": probability}
                lines.append(json.dumps(line, ensure_ascii=False))
            elif as_csv:
                lines.append(_csv_line([*([] if file is None else [file]), str(label), repr(probability)]))
            else:
                lines.append(
                    "\t".join(map(_printable, [*([] if file is None else [file]), str(label)])) + f"\t{probability:.4f}"
                )
        click.echo("\n".join(lines))


def _csv_line(values: list[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(values)
    return line.getvalue()


def _printable(label: str) -> str:
    """Return the label with its tabs, newlines and other control characters written out: one line stays one line."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in label)
