"""`softreg report`: one web page about a model, and its figures as JSON."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from softreg.cli.deciding import costs_option
from softreg.cli.files import argument, check_targets
from softreg.cli.source import Loaded, is_known, load_labelled, shown, source_options
from softreg.data.source import STDIN

if TYPE_CHECKING:
    from softreg.data import Dataset
    from softreg.model import Model
    from softreg.solvers import Solution

__all__ = ["report", "report_fit"]

FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("model", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("data")
@source_options(fitted=True)
@click.option("-o", "--out", type=FILE, help="The page to write; - for standard output.  [default: MODEL.html]")
@click.option(
    "--json",
    "as_json",
    type=FILE,
    help="Its figures too, as JSON, - for standard output; docs/report.schema.json says what is where.",
)
@click.option(
    "--calibration",
    metavar="DATA",
    help="Rows to fit a temperature and prediction sets on, where the model has none.  [default: half of DATA]",
)
@costs_option
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the half, and of the intervals."
)
@click.pass_context
def report(
    ctx: click.Context,
    /,
    model: Path,
    data: str,
    out: Path | None,
    as_json: Path | None,
    calibration: str | None,
    costs: Path | None,
    seed: int,
    **_: Any,  # the options of source_options
) -> None:
    """Write a web page about a model, judged by labelled rows: one file that loads nothing from anywhere.

    MODEL is a file that `softreg train` or `tune` wrote. DATA is what `softreg train` takes, of a known name its test
    images; it should be rows that the model was not fitted on. The page shows how the fit went, predictions and the
    most confident mistakes, the weights, what is taken for what, whether probabilities are as frequent as they say,
    when better not to answer, and with --costs what deciding by them saves.

    A calibration and scores for sets that the model has of its own are what is judged. What it has not, a temperature
    and sets, is fitted on one half of DATA, drawn by --seed, or on the rows of --calibration, and judged by the others.

    \b
    Examples:
      softreg report fashion-mnist.safetensors fashion-mnist -o report.html
      softreg report wine.safetensors bottles.csv --target class --json report.json
      softreg report tumours.safetensors later.csv --target kind --calibration earlier.csv --costs costs.csv
    """
    from softreg.model import Model

    out = model.with_suffix(".html") if out is None else out
    if str(out) == str(as_json) == STDIN:
        raise click.UsageError("--out and --json are both -: standard output has room for one.")
    check_targets(ctx, {"--out": out, "--json": as_json}, streams=True)
    if calibration is not None and _same(calibration, data):
        raise click.UsageError(
            f"--calibration {calibration} is DATA: what is fitted on rows says nothing of itself on the same. Without "
            "--calibration, one half of DATA is what is fitted on, and the other what is judged by."
        )
    if calibration == STDIN and data == STDIN:
        raise click.UsageError("standard input can be read once: DATA and --calibration are both -.")
    fitted = Model.load(model)
    judged = load_labelled(ctx, data, fitted)
    other = None if calibration is None else load_labelled(ctx, calibration, fitted)
    _write(
        fitted,
        judged,
        out,
        as_json,
        calibration=other,
        costs=costs,
        seed=seed,
        name=model.name,
        data_name=f"the test images of {data}" if is_known(data) else shown(data),
        calibration_name=calibration or "",
    )


def _write(model: Model, data: Dataset, out: Path, as_json: Path | None = None, **about: Any) -> None:
    """Make a report of now, write it, and say so."""
    from softreg.report import report as made

    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    found = made(model, data, when=now, **about)
    for path, text, save in ((out, found.to_html, found.save), (as_json, found.to_json, found.save_json)):
        if str(path) == STDIN:
            click.echo(text())
        elif path is not None:
            save(path)
            click.echo(f"wrote {argument(path)}", err=True)


def report_fit(model: Model, solution: Solution, loaded: Loaded, out: Path, data: str, name: str, seed: int) -> None:
    """Make a report of a fit that has just ended, judged by what was held out, or by its own rows where nothing was."""
    part = loaded.test or loaded.train
    kind = "images" if loaded.of_images else "rows"
    judged = f"the {kind} of {shown(data)} that it was fitted on"
    if loaded.test is not None:
        where = data if loaded.known or loaded.tested != "test" else loaded.example
        judged = f"the {loaded.tested} {kind} of {shown(where)}"
    own = f"{'the training images of ' if loaded.known else ''}{shown(data)}"
    about: dict[str, Any] = {"name": name, "data_name": judged, "trained_on": own}
    _write(model, part.alone(), out, solution=solution, seed=seed, **about)


def _same(one: str, other: str) -> bool:
    """Whether both are the same rows; standard input is no rows yet."""
    if one == STDIN or is_known(one):
        return one == other != STDIN
    return Path(one).exists() and Path(other).exists() and Path(one).samefile(other)
