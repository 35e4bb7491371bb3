"""`softreg train`: the chapter's table, a model and a picture."""

from __future__ import annotations

import json
import math
import os
import shlex
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from softreg.cli.data import DATASETS, dataset
from softreg.cli.progress import bar, download_bar
from softreg.cli.settings import settings_from, settings_options
from softreg.cli.table import Table, number
from softreg.solvers import Status

if TYPE_CHECKING:
    from softreg.data import Dataset
    from softreg.data.fashion_mnist import Split
    from softreg.model import Model, Score
    from softreg.solvers import Solution, Step, Verdict

__all__ = ["INTERRUPTED", "train"]

INTERRUPTED = 130  # 128 + SIGINT

PICTURES = (".png", ".svg", ".pdf", ".jpg", ".webp")


@click.command()
@click.argument("data", type=click.Choice(list(DATASETS)))
@click.option("--sample", is_flag=True, help="Use the sample in the package: 4,000 training and 800 test images.")
@click.option(
    "--data-dir", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Folder to look in first."
)
@settings_options
@click.option(
    "--early-stopping",
    "patience",
    type=click.IntRange(min=1),
    metavar="STEPS",
    help="Hold the last tenth of the training images out; stop once their loss has not fallen for so long, and keep "
    "the best model.",
)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Model file.  [default: DATA.safetensors]")
@click.option(
    "--picture", type=click.Path(dir_okay=False, path_type=Path), help="Picture of predictions.  [default: DATA.png]"
)
@click.option("--no-picture", is_flag=True, help="Draw none.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line: each step, then how it ended.")
@click.pass_context
def train(
    ctx: click.Context,
    /,
    data: str,
    sample: bool,
    data_dir: Path | None,
    patience: int | None,
    out: Path | None,
    picture: Path | None,
    no_picture: bool,
    as_json: bool,
    **_: Any,  # the options of settings_options, which settings_from reads
) -> None:
    """Fit softmax regression; leave a model file and a picture.

    Minibatch SGD prints one line an epoch: the loss and accuracy on the training data, as they ran, and the accuracy on
    the test data after it. A solver that goes to the optimum prints a line now and then, and at the end how near it
    came, which only a penalty (--C) lets it prove. The picture shows the first nine test images and nine mistakes, the
    true label above the predicted one.

    \b
    Examples:
      softreg train fashion-mnist
      softreg train fashion-mnist --epochs 20 --momentum 0.9 --learning-rate 0.02 --schedule cosine
      softreg train fashion-mnist --solver lbfgs --C 0.01 --tol 1e-3 --out optimum.safetensors
      softreg train fashion-mnist --sample --no-picture --json
    """
    from softreg.errors import FitInterrupted
    from softreg.model import EarlyStopping, fit

    if sample and data_dir is not None:
        raise click.UsageError("--sample and --data-dir exclude each other.")
    if no_picture and picture is not None:
        raise click.UsageError("--picture and --no-picture exclude each other.")
    out = Path(f"{data}.safetensors") if out is None else out
    picture = None if no_picture else Path(f"{data}.png") if picture is None else picture
    _check_targets(out, picture)  # before the work, not after it
    settings = settings_from(ctx)
    converges = settings.converges

    split, folder = _load(data, sample, data_dir)
    train_part, scored = (split.train, split.test) if patience is None else _hold_out(split.train)
    stopping = None if patience is None else EarlyStopping(patience)
    if converges and math.isinf(settings.C):
        steps = f"{ctx.params['solver']} goes on for up to {settings.max_steps or 'its own number of'} steps"
        click.echo(f"without a penalty (--C) nothing can be proved of the optimum: {steps}", err=True)
    with bar("training", settings.max_steps or 0) as progress:
        table = Table(progress, "test" if stopping is None else "held-out", converges=converges, as_json=as_json)

        def on_step(step: Step, score: Score | None) -> Verdict | None:
            assert score is not None  # noqa: S101 - there is a validation set
            table(step, score)
            return None if stopping is None else stopping(step, score)

        try:
            model, solution = fit(train_part, settings, validation=scored, callback=on_step)
        except FitInterrupted as interruption:
            if not interruption.solution.steps:
                raise  # nothing was learnt: what lies at --out is worth more
            model, solution = interruption.model, interruption.solution
    table.close()
    if solution.chosen:
        click.echo(f"chosen: {solution.chosen}", err=True)

    _write(model, split, out, picture)
    accuracy = model.score(split.test).accuracy
    if as_json:
        paths = {"model": str(out), "picture": picture and str(picture)}
        click.echo(json.dumps(_ending(solution) | {"test_accuracy": accuracy} | paths))
    elif stopping is not None:
        click.echo(f"the model of {'step' if converges else 'epoch'} {solution.kept}: test acc {accuracy:.3f}")
    if converges or solution.status is not Status.MAX_STEPS or solution.kept != solution.steps:
        click.echo(solution.message, err=True)
    for path in filter(None, (out, picture)):
        click.echo(f"wrote {path}", err=True)
    images = folder / f"{dataset(data).TEST_IMAGES}.gz"
    images = images if images.exists() else images.with_suffix("")
    click.echo(f"next:  {_program(ctx)} predict {_argument(out)} {_argument(images)}", err=True)
    if solution.status is Status.INTERRUPTED:
        ctx.exit(INTERRUPTED)


def _load(name: str, sample: bool, data_dir: Path | None) -> tuple[Split, Path]:
    known = dataset(name)
    if sample:
        split, folder = known.sample(), known.sample_folder()
    else:
        folder = known.find(data_dir)
        if folder is None:
            click.echo(f"downloading {name} …", err=True)
            with download_bar() as progress:
                folder = known.fetch(progressbar=progress)
        split = known.load(data_dir, download=False)
    click.echo(f"data: {folder} ({split.train.n_rows:,} training and {split.test.n_rows:,} test images)", err=True)
    return split, folder


def _hold_out(train: Dataset) -> tuple[Dataset, Dataset]:
    """Return the data without its last tenth, and that tenth; nothing is copied."""
    k = train.n_rows - max(1, train.n_rows // 10)
    return replace(train, X=train.X[:k], y=train.y[:k]), replace(train, X=train.X[k:], y=train.y[k:])


def _write(model: Model, split: Split, out: Path, picture: Path | None) -> None:
    model.save(out)
    if picture is None:
        return
    from softreg.plots import sample_predictions

    test = split.test
    assert test.image_shape is not None  # noqa: S101 - every known data set is of images
    images = test.X.reshape(-1, *test.image_shape)
    figure = sample_predictions(images, test.classes[test.y].tolist(), model.predict(test.X).tolist())
    figure.savefig(picture, dpi=150)


def _ending(solution: Solution) -> dict[str, Any]:
    figures = {name: number(getattr(solution, name)) for name in ("value", "gap", "grad_norm", "passes", "seconds")}
    steps = {"steps": solution.steps, "kept": solution.kept}
    return {"status": solution.status.name, "message": solution.message} | steps | figures


def _check_targets(out: Path, picture: Path | None) -> None:
    for path in filter(None, (out, picture)):
        if not path.name:
            raise click.UsageError("a file to write needs a name.")
        if not path.parent.is_dir():
            raise click.UsageError(f"{path} cannot be written: there is no folder {path.parent}.")
        if not os.access(path.parent, os.W_OK):
            raise click.UsageError(f"{path} cannot be written: the folder {path.parent.absolute()} is read-only.")
        if path.exists() and not path.is_file():
            raise click.UsageError(f"{path} cannot be written: it is a folder or device.")
    if picture is not None and picture.suffix.lower() not in PICTURES:
        raise click.UsageError(f"--picture {picture}: the name must end in {', '.join(PICTURES)}.")
    if picture is not None and picture.resolve() == out.resolve():
        raise click.UsageError(f"--out and --picture are both {out}: the picture would replace the model.")


def _argument(path: Path) -> str:
    return shlex.quote(f"./{path}" if str(path).startswith("-") else str(path))


def _program(ctx: click.Context) -> str:
    """Return the command as the user can type it again: its name where that finds it, else its path."""
    name = ctx.find_root().info_name or "softreg"
    called = sys.executable if " " in name else sys.argv[0]  # "python -m softreg" has a space
    found = shutil.which(name.split()[0])
    if found is not None and Path(found).resolve() == Path(called).resolve():
        return name
    return " ".join([shlex.quote(called), *name.split()[1:]])
