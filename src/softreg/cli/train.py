"""`softreg train`: the chapter's table, a model and a picture."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from softreg.cli.files import check_targets, say_next, stem
from softreg.cli.part import Part, only
from softreg.cli.progress import bar
from softreg.cli.report import report_fit
from softreg.cli.settings import settings_from, settings_options, solver_name
from softreg.cli.source import Loaded, is_known, load, source_options
from softreg.cli.table import Table, accuracy_of, number
from softreg.solvers import Status

if TYPE_CHECKING:
    from softreg.model import Model, Score
    from softreg.solvers import Solution, Step, Verdict

__all__ = ["INTERRUPTED", "train"]

INTERRUPTED = 130  # 128 + SIGINT
SHARE = 0.2  # of a table's rows, held out to judge by
STOPPING_SHARE = 0.1  # of the rows that train, held out to stop by


@click.command()
@click.argument("data")
@source_options(share=SHARE)
@settings_options
@click.option("--standardize", is_flag=True, help="Bring each column to mean 0 and deviation 1, in the model too.")
@click.option(
    "--early-stopping",
    "patience",
    type=click.IntRange(min=1),
    metavar="STEPS",
    help="Hold a tenth of the training rows out, the last of a known name's; stop once their loss has not fallen for "
    "so long, and keep the best model.",
)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Model file.  [default: DATA.safetensors]")
@click.option(
    "--picture",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Picture of predictions, of images.  [default: DATA.png]",
)
@click.option("--no-picture", is_flag=True, help="Draw none.")
@click.option("--report", "as_report", is_flag=True, help="Leave a web page about the model, named as --out but .html.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line: each step, then how it ended.")
@click.pass_context
def train(
    ctx: click.Context,
    /,
    data: str,
    standardize: bool,
    patience: int | None,
    out: Path | None,
    picture: Path | None,
    no_picture: bool,
    as_report: bool,
    as_json: bool,
    **_: Any,  # the options of source_options and settings_options, which are read from the context
) -> None:
    """Fit softmax regression; leave a model file, and of images a picture.

    DATA is a known name (`softreg data list`); a table, CSV or Parquet, whose column --target has the labels; IDX
    files, IMAGES or IMAGES,LABELS; an npz file with X and y; or - for a table or npz from standard input. Without
    --test a fifth of each class, drawn by --seed, is held out to judge the model by.

    Images are trained as in the chapter, by minibatch SGD, which prints one line an epoch: the loss and accuracy on the
    training data, as they ran, and the accuracy on the test data after it. Tables go to the optimum with a penalty of
    C = 1: a line now and then, and at the end how near it came, which only a penalty lets it prove. The picture shows
    the first nine test images and nine mistakes, the true label above the predicted one.

    \b
    Examples:
      softreg train fashion-mnist
      softreg train fashion-mnist --epochs 20 --momentum 0.9 --learning-rate 0.02 --schedule cosine
      softreg train fashion-mnist --solver lbfgs --C 0.01 --tol 1e-3 --out optimum.safetensors
      softreg train fashion-mnist --sample --no-picture --json
      softreg train wine.csv --target class --standardize
      softreg train survey.parquet --target vote --features 'age,income,q*' --weight w --test later.parquet
      softreg train train-images-idx3-ubyte.gz --test t10k-images-idx3-ubyte.gz
      zcat big.csv.gz | softreg train - --target label --test-share 0
    """
    from softreg.errors import FitInterrupted
    from softreg.model import EarlyStopping, fit

    if no_picture and picture is not None:
        raise click.UsageError("--picture and --no-picture exclude each other.")
    known = is_known(data)
    out = Path(f"{stem(data)}.safetensors") if out is None else out
    drawn = None if no_picture else Path(f"{stem(data)}.png") if known and picture is None else picture
    page = out.with_suffix(".html") if as_report else None
    targets = {"--out": out, "--picture": drawn, "the report": page}
    check_targets(ctx, targets)  # before the work, not after it
    settings = settings_from(ctx, images=True) if known else None

    loaded = load(ctx, data)
    if settings is None:
        settings = settings_from(ctx, images=loaded.of_images)
        drawn = _to_draw(loaded, drawn, Path(f"{stem(data)}.png"), no_picture)
        check_targets(ctx, targets | {"--picture": drawn})
    converges = settings.converges
    if standardize:
        loaded = _standardized(loaded)
    train_part, scored = loaded.train, loaded.test
    stopping = None
    if patience is not None:
        train_part, scored = _hold_out(loaded, ctx.params["seed"])
        stopping = EarlyStopping(patience)
    if converges and math.isinf(settings.C):
        name = solver_name(ctx, images=loaded.of_images)
        steps = f"{name} goes on for up to {settings.max_steps or 'its own number of'} steps"
        click.echo(f"without a penalty (--C) nothing can be proved of the optimum: {steps}", err=True)
    with bar("training", settings.max_steps or 0) as progress:
        tested = "held-out" if stopping is not None else loaded.tested
        table = Table(progress, tested, converges=converges, as_json=as_json)

        def on_step(step: Step, score: Score | None) -> Verdict | None:
            table(step, score)
            return None if stopping is None else stopping(step, score)

        validation: Any = None
        if scored is not None:
            validation = scored.data if scored.rows is None else scored.rows  # which are of the data that trains
        try:
            model, solution = fit(
                train_part.data, settings, rows=train_part.rows, validation=validation, callback=on_step
            )
        except FitInterrupted as interruption:
            if not interruption.solution.steps:
                raise  # nothing was learnt: what lies at --out is worth more
            model, solution = interruption.model, interruption.solution
    table.close()
    if solution.chosen:
        click.echo(f"chosen: {solution.chosen}", err=True)

    _write(model, loaded, out, drawn)
    accuracy = None if loaded.test is None else loaded.test.score(model).accuracy
    if as_json:
        paths = {"model": str(out), "picture": drawn and str(drawn)}
        click.echo(json.dumps(_ending(solution) | {accuracy_of(loaded.tested): accuracy} | paths))
    elif stopping is not None:
        judged = "" if accuracy is None else f": {loaded.tested} acc {accuracy:.3f}"
        click.echo(f"the model of {'step' if converges else 'epoch'} {solution.kept}{judged}")
    elif not known and loaded.test is not None:
        click.echo(f"{loaded.tested} acc {accuracy:.3f} on {loaded.test.n_rows:,} rows")
    if converges or solution.status is not Status.MAX_STEPS or solution.kept != solution.steps:
        click.echo(solution.message, err=True)
    for path in filter(None, (out, drawn)):
        click.echo(f"wrote {path}", err=True)
    if page is not None:
        report_fit(model, solution, loaded, page, data, out.name, ctx.params["seed"])
    say_next(ctx, out, loaded.example)
    if solution.status is Status.INTERRUPTED:
        ctx.exit(INTERRUPTED)


def _to_draw(loaded: Loaded, asked: Path | None, default: Path, no_picture: bool) -> Path | None:
    """Return where a picture is to be drawn of data that is not known by name."""
    if not loaded.of_images:
        if asked is not None:
            raise click.UsageError(f"--picture {asked}: pictures are of images, and {loaded.example} has none.")
        return None
    return None if no_picture else asked or default


def _standardized(loaded: Loaded) -> Loaded:
    from softreg.data.units import standardized

    part = loaded.train
    data = standardized(part.data, part.rows)
    test = loaded.test
    if test is not None and test.data is part.data:
        test = replace(test, data=data)
    return replace(loaded, train=replace(part, data=data), test=test)


def _hold_out(loaded: Loaded, seed: int) -> tuple[Part, Part]:
    """Return the rows that train without a tenth, and that tenth; nothing is copied."""
    train = loaded.train
    if not loaded.known:
        rest, aside = train.split(STOPPING_SHARE, seed)
        if not aside.n_rows:
            raise click.UsageError(f"--early-stopping: a tenth of {train.n_rows} rows leaves none to stop by.")
        return rest, aside
    data = train.data
    k = data.n_rows - max(1, data.n_rows // 10)
    return Part(only(data, slice(k))), Part(only(data, slice(k, None)))


def _write(model: Model, loaded: Loaded, out: Path, picture: Path | None) -> None:
    model.save(out)
    if picture is None:
        return
    from softreg.plots import sample_predictions

    data = (loaded.test or loaded.train).alone()
    assert data.image_shape is not None  # noqa: S101 - else there is no picture
    images = data.X.reshape(-1, *data.image_shape)
    figure = sample_predictions(images, data.classes[data.y].tolist(), model.predict(data.X).tolist())
    figure.savefig(picture, dpi=150)


def _ending(solution: Solution) -> dict[str, Any]:
    figures = {name: number(getattr(solution, name)) for name in ("value", "gap", "grad_norm", "passes", "seconds")}
    steps = {"steps": solution.steps, "kept": solution.kept}
    return {"status": solution.status.name, "message": solution.message} | steps | figures
