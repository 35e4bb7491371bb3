"""`softreg tune`: the penalty chosen by cross-validation, and the model with it."""

from __future__ import annotations

import json
import math
import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from softreg.cli.files import check_targets, say_next, stem
from softreg.cli.progress import bar
from softreg.cli.source import Loaded, load, source_options
from softreg.cli.table import accuracy_of, number

if TYPE_CHECKING:
    from softreg.data import Dataset
    from softreg.model import Model

__all__ = ["tune"]


def _numbers(ctx: click.Context, param: click.Parameter, value: str) -> tuple[float, ...]:
    """Read numbers separated by commas."""
    try:
        return tuple(float(part) for part in value.split(","))
    except ValueError:
        raise click.BadParameter(f"{value!r} is not a number, nor numbers separated by commas") from None


def _strengths(ctx: click.Context, param: click.Parameter, value: str) -> int | tuple[float, ...]:
    """Read them, or one whole number above 1: how many."""
    return int(value) if value.isdecimal() and int(value) > 1 else _numbers(ctx, param, value)


@click.command()
@click.argument("data")
@source_options(share=0.0)
@click.option(
    "--Cs",
    "Cs",
    callback=_strengths,
    default="10",
    show_default=True,
    metavar="NUMBERS",
    help="Inverse strengths of the penalty to try, separated by commas; or how many between 1e-4 and 1e4, one "
    "whole number above 1.",
)
@click.option(
    "--l1-ratios",
    callback=_numbers,
    default="0",
    show_default=True,
    metavar="NUMBERS",
    help="Shares of L1 in the penalty to try, separated by commas.",
)
@click.option("--cv", type=click.IntRange(min=2), default=5, show_default=True, help="Folds, each class in all alike.")
@click.option(
    "--scoring",
    default="neg_log_loss",
    show_default=True,
    metavar="NAME",
    help="What is to be large: neg_log_loss, accuracy, or another of scikit-learn's scorers, such as f1_macro.",
)
@click.option(
    "--one-standard-error",
    is_flag=True,
    help="Choose the strongest penalty whose score is within a standard error of the best.",
)
@click.option("--standardize", is_flag=True, help="Bring each column to mean 0 and deviation 1, in the model too.")
@click.option(
    "--tol", type=float, default=1e-4, show_default=True, help="Relative gap to the optimum that is near enough."
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the folds and --test-share.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Model file.  [default: DATA.safetensors]")
@click.option(
    "--picture",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Picture of the scores against C.  [default: none]",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line: each penalty, then how it ended.")
@click.pass_context
def tune(
    ctx: click.Context,
    /,
    data: str,
    Cs: int | tuple[float, ...],
    l1_ratios: tuple[float, ...],
    cv: int,
    scoring: str,
    one_standard_error: bool,
    standardize: bool,
    tol: float,
    seed: int,
    out: Path | None,
    picture: Path | None,
    as_json: bool,
    **_: Any,  # the options of source_options, which are read from the context
) -> None:
    """Choose the penalty by cross-validation, fit with it to all rows, and leave a model file.

    DATA is what it is for `softreg train`. The table has a line for each penalty: C, the mean score over the folds and
    its standard error, and which was chosen. Every fit goes to the optimum, each from where the one before it ended.
    The test rows, of a known name, --test or --test-share, have no part in the choice.

    \b
    Examples:
      softreg tune wine.csv --target class --standardize
      softreg tune survey.parquet --target vote --Cs 0.01,0.1,1 --l1-ratios 0,0.5,1 --one-standard-error
      softreg tune fashion-mnist --sample --Cs 5 --scoring accuracy --picture path.png
    """
    out = Path(f"{stem(data)}.safetensors") if out is None else out
    check_targets(ctx, {"--out": out, "--picture": picture})  # before the work, not after it
    loaded = load(ctx, data)
    whole = loaded.train.alone()
    X, y, w = whole.X, _labels(whole), whole.weights

    from sklearn.model_selection import StratifiedKFold

    from softreg.errors import SoftregError
    from softreg.estimator import SoftmaxRegressionCV, selection

    estimator = SoftmaxRegressionCV(
        Cs=Cs,
        l1_ratios=l1_ratios,
        cv=StratifiedKFold(cv, shuffle=True, random_state=seed),
        scoring=scoring,
        rule="one_standard_error" if one_standard_error else "best",
        scale=whole.scale,
        shift=whole.shift,
        standardize=standardize,
        tol=tol,
    )
    fits = cv * len(l1_ratios) * (Cs if isinstance(Cs, int) else len(Cs))
    with warnings.catch_warnings(record=True) as heard, bar("tuning", fits) as progress:
        warnings.simplefilter("always")
        try:
            selection.run(estimator, X, y, w, {}, told=lambda entry: progress.advance(f"score {entry.score:.4f}"))
        except SoftregError:
            raise
        except ValueError as error:  # what scikit-learn says of folds and scorers
            raise click.UsageError(str(error)) from error
    for text in dict.fromkeys(str(warning.message) for warning in heard):
        click.echo(f"warning: {text}", err=True)
    _print(estimator, cv, scoring, as_json)
    model: Model = replace(
        estimator.model_, classes=whole.classes, feature_names=whole.feature_names, image_shape=whole.image_shape
    )
    model.save(out)
    if picture is not None:
        from matplotlib.figure import Figure

        figure = Figure(figsize=(7, 4), layout="constrained")
        estimator.plot_path(figure.subplots())
        figure.savefig(picture, dpi=150)
    _end(ctx, estimator, model, loaded, out, picture, as_json)


def _labels(data: Dataset) -> Any:
    """Return labels, or their codes where the classes are not sorted: scikit-learn knows no other order."""
    import numpy as np

    return data.classes[data.y] if np.array_equal(data.classes, np.unique(data.classes)) else data.y


def _print(estimator: Any, folds: int, scoring: str, as_json: bool) -> None:
    table, mixtures = estimator.cv_results_, len(estimator.l1_ratios_) > 1
    rows = zip(
        table["param_C"].tolist(),
        table["param_l1_ratio"].tolist(),
        table["mean_test_score"].tolist(),
        (table["std_test_score"] / math.sqrt(folds - 1)).tolist(),
        strict=True,
    )
    if not as_json:
        click.echo(f"{'C':>10}  {'l1_ratio  ' if mixtures else ''}{scoring}, mean of {folds} folds ± standard error")
    for C, ratio, mean, error in rows:
        chosen = (estimator.C_, estimator.l1_ratio_) == (C, ratio)
        if as_json:
            line = {
                "C": number(C),
                "l1_ratio": ratio,
                "mean": number(mean),
                "standard_error": number(error),
                "chosen": chosen,
            }
            click.echo(json.dumps(line))
        else:
            mixture = f"{ratio:>8.4g}  " if mixtures else ""
            click.echo(f"{C:>10.4g}  {mixture}{mean:.4f} ± {error:.4f}{'  chosen' if chosen else ''}")


def _end(
    ctx: click.Context,
    estimator: Any,
    model: Model,
    loaded: Loaded,
    out: Path,
    picture: Path | None,
    as_json: bool,
) -> None:
    accuracy = None if loaded.test is None else loaded.test.score(model).accuracy
    if as_json:
        ending = {"C": number(estimator.C_), "l1_ratio": estimator.l1_ratio_, "status": estimator.status_name_}
        ending |= {"message": estimator.status_, "certificate": number(estimator.certificate_)}
        paths = {"model": str(out), "picture": picture and str(picture)}
        click.echo(json.dumps(ending | {accuracy_of(loaded.tested): accuracy} | paths))
    elif loaded.test is not None:
        click.echo(f"{loaded.tested} acc {accuracy:.3f} on {loaded.test.n_rows:,} rows")
    edge = "" if len(estimator.Cs_) == 1 else _edge(estimator)
    click.echo(f"chosen: C = {estimator.C_:.4g}{edge}; {estimator.status_}", err=True)
    for path in filter(None, (out, picture)):
        click.echo(f"wrote {path}", err=True)
    say_next(ctx, out, loaded.example)


def _edge(estimator: Any) -> str:
    """Say where the best of those that were tried may not be the best there is."""
    C, Cs = estimator.C_, estimator.Cs_
    if Cs.max() == C < math.inf and estimator.rule == "best":
        return ", the largest that was tried: larger ones may be better"
    return ", the smallest that was tried: smaller ones may be better" if Cs.min() == C else ""
