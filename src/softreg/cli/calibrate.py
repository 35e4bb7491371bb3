"""`softreg calibrate`: a model whose probabilities are as frequent as they say, and that can make sets."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from softreg.cli.files import check_targets, say_next
from softreg.cli.options import flag, given
from softreg.cli.part import range_option
from softreg.cli.source import found_again, load_labelled, source_options

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from softreg.data import Dataset
    from softreg.decision import SplitConformal
    from softreg.model import Model

__all__ = ["calibrate"]

FIGURES = ("log_loss", "accuracy", "calibration_error")
COVERAGES = (0.9, 0.95, 0.99)
NONE = "none"


@click.command()
@click.argument("model", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("data")
@source_options(fitted=True)
@range_option
@click.option(
    "--method",
    type=click.Choice(["temperature", "vector", NONE]),
    default="temperature",
    show_default=True,
    help="One number for all classes; a factor and a bias for each, for many rows; or probabilities as they are.",
)
@click.option(
    "--sets",
    type=click.Choice(["lac", "aps", "raps"]),
    help="Keep scores for prediction sets too: lac makes the smallest sets, the others larger ones for harder rows.",
)
@click.option("--class-conditional", is_flag=True, help="With --sets: keep their promise for the rows of each class.")
@click.option(
    "--share",
    type=float,
    default=0.5,
    show_default=True,
    help="With --sets: share of the rows for the probabilities; the others are for the sets.",
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of that division, and of what sets draw."
)
@click.option(
    "--out",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Model file.  [default: MODEL-calibrated.safetensors]",
)
@click.option("--allow-absent", is_flag=True, help="Take rows that have none of some of the model's classes.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.pass_context
def calibrate(
    ctx: click.Context,
    /,
    model: Path,
    data: str,
    method: str,
    sets: str | None,
    class_conditional: bool,
    share: float,
    seed: int,
    out: Path | None,
    allow_absent: bool,
    as_json: bool,
    **_: Any,  # the options of source_options, which are read from the context
) -> None:
    """Calibrate a model on labelled rows that it was not fitted on, and write the model that is.

    Of the rows for which a calibrated model says 0.8, about 8 of 10 are right. The table says what it changed: with
    --sets on rows that had no part in it, without on those it was fitted to. Judge by others with `softreg evaluate`:
    --rows parts a file, or the images of a known name, for both.

    MODEL is a file that `softreg train` or `tune` wrote. DATA is what it is for `softreg train`; of a known name, its
    test images. Everything that predicts by the new file has the new probabilities.

    \b
    Examples:
      softreg calibrate fashion-mnist.safetensors fashion-mnist --rows :5000 -o clothes.safetensors
      softreg evaluate clothes.safetensors fashion-mnist --rows 5000:
      softreg calibrate wine.safetensors held-out.csv --target class --sets lac
      softreg predict wine-calibrated.safetensors bottles.csv --sets 0.95
    """
    import numpy as np

    from softreg import decision
    from softreg.decision.held_out import divided
    from softreg.model import Model

    out = Path(f"{model.stem}-calibrated.safetensors") if out is None else out
    check_targets(ctx, {"--out": out}, replaced="model")  # before the work, not after it
    how = None if method == NONE else method
    if sets is None:
        for option in ("class_conditional", "share"):
            if given(ctx, option):
                raise click.UsageError(f"{flag(option)} is for --sets.")
        if how is None:
            raise click.UsageError("--method none without --sets leaves nothing to do.")
    if not 0 < share < 1:  # nor nan
        raise click.UsageError(f"--share {share:g}: expected a number between 0 and 1.")
    fitted = Model.load(model)
    rows = load_labelled(ctx, data, fitted)
    conformal = None if sets is None else decision.SplitConformal(sets, class_conditional=class_conditional, seed=seed)
    better = decision.calibrate(
        fitted, rows, method=how, sets=conformal, share=share, seed=seed, allow_absent=allow_absent
    )
    if fitted.conformal is not None and sets is None:
        click.echo("its scores for sets were of the old probabilities, and are gone: --sets takes new ones", err=True)
    told: dict[str, Any] = {"method": method, "temperature": None, "rows": rows.n_rows, "judged": None, "sets": None}
    everything = np.arange(rows.n_rows)
    aside = everything if how is None or sets is None else divided(rows.n_rows, share, seed)[1]
    if how is not None and better.calibration is not None:
        told["temperature"] = better.calibration.temperature
        told["judged"] = {"rows": len(aside), "others": sets is not None}
        told["judged"] |= {"before": _figures(fitted, rows, aside), "after": _figures(better, rows, aside)}
    if better.conformal is not None and sets is not None:
        told["sets"] = _sizes(better.conformal, better.predict_proba(rows.X)[aside])
        judged = told["judged"]
        if judged is not None and judged["after"]["log_loss"] > judged["before"]["log_loss"]:
            click.echo("the log loss of rows that had no part in it rose: more rows may do better", err=True)
    better.save(out)
    click.echo(json.dumps(told | {"model": str(out)}) if as_json else "\n".join(_table(told)))
    click.echo(f"wrote {out}", err=True)
    say_next(ctx, out, data, *found_again(ctx), *(["--sets", "0.95"] if sets else []))


def _figures(model: Model, rows: Dataset, some: NDArray[np.intp]) -> dict[str, float]:
    """Measure some of the rows."""
    import numpy as np

    from softreg.metrics import codes_of, measure

    log_probs = model.predict_log_proba(rows.X)[some]
    w = None if rows.weights is None else rows.weights[some]
    codes = codes_of(rows, model.classes)[some]
    found = measure(np.exp(log_probs), codes, log_probs=log_probs, sample_weight=w, resamples=0)
    return {name: found.value(name) for name in FIGURES}


def _sizes(conformal: SplitConformal, probs: NDArray[np.float64]) -> dict[str, Any]:
    """How large sets are, by what they promise, and whether there are the rows for such a promise."""
    sizes = {
        f"{coverage:g}": float(conformal.predict(probs, coverage=coverage).sum(axis=1).mean()) for coverage in COVERAGES
    }
    enough = {
        f"{coverage:g}": all(map(math.isfinite, conformal.thresholds(coverage).tolist())) for coverage in COVERAGES
    }
    about = {"score": conformal.score, "class_conditional": conformal.class_conditional, "rows": len(probs)}
    return about | {"mean_size": sizes, "enough_rows": enough}


def _table(told: dict[str, Any]) -> list[str]:
    lines = []
    judged, sets = told["judged"], told["sets"]
    if judged is not None:
        what = f"{judged['rows']:,} {'other ' if judged['others'] else ''}rows"
        lines.append(f"{what:20}  {'before':>8}  {'after':>8}")
        for name in FIGURES:
            before, after = judged["before"][name], judged["after"][name]
            lines.append(f"{name.replace('_', ' '):20}  {before:8.4f}  {after:8.4f}")
        if told["temperature"] is not None:
            lines.append(f"{'temperature':20}  {'':8}  {told['temperature']:8.4f}")
    if sets is not None:
        by = ", for each class" if sets["class_conditional"] else ""
        lines += ["", f"{sets['score']} sets{by}: classes on average, by {sets['rows']:,} rows"]
        for coverage, size in sets["mean_size"].items():
            few = "" if sets["enough_rows"][coverage] else "   too few rows to promise so much: all classes"
            lines.append(f"{100 * float(coverage):g} %{size:10.4f}{few}")
    return lines[1:] if judged is None else lines
