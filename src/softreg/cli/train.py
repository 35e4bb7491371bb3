"""`softreg train`: the chapter's table, a model and a picture."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from softreg.cli.data import DATASETS, dataset
from softreg.cli.progress import bar, download_bar
from softreg.model import Settings
from softreg.solvers import SGD, Status

if TYPE_CHECKING:
    from softreg.data.fashion_mnist import Split
    from softreg.model import Model, Score
    from softreg.solvers import Solution, Step

__all__ = ["INTERRUPTED", "train"]

INTERRUPTED = 130  # 128 + SIGINT

_SGD, _SETTINGS = asdict(SGD()), asdict(Settings())  # the defaults stand there, once
PICTURES = (".png", ".svg", ".pdf", ".jpg", ".webp")


@click.command()
@click.argument("data", type=click.Choice(list(DATASETS)))
@click.option("--sample", is_flag=True, help="Use the sample in the package: 4,000 training and 800 test images.")
@click.option(
    "--data-dir", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Folder to look in first."
)
@click.option(
    "--epochs",
    type=click.IntRange(min=0),
    default=_SETTINGS["max_steps"],
    show_default=True,
    help="How often each training image is seen.",
)
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    default=_SGD["batch_size"],
    show_default=True,
    help="Images in each step.",
)
@click.option(
    "--learning-rate",
    type=float,
    default=_SGD["learning_rate"],
    show_default=True,
    help="Factor of the gradient in each step.",
)
@click.option(
    "--C",
    "C",
    type=float,
    default=_SETTINGS["C"],
    show_default=True,
    help="Inverse strength of the L2 penalty; inf for none.",
)
@click.option(
    "--init-std",
    type=float,
    default=_SETTINGS["init_std"],
    show_default=True,
    help="Deviation of the weights' first values.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=_SETTINGS["seed"],
    show_default=True,
    help="Of the first weights and the order of the batches.",
)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Model file.  [default: DATA.safetensors]")
@click.option(
    "--picture", type=click.Path(dir_okay=False, path_type=Path), help="Picture of predictions.  [default: DATA.png]"
)
@click.option("--no-picture", is_flag=True, help="Draw none.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line: each epoch, then how it ended.")
@click.pass_context
def train(
    ctx: click.Context,
    data: str,
    sample: bool,
    data_dir: Path | None,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    C: float,
    init_std: float,
    seed: int,
    out: Path | None,
    picture: Path | None,
    no_picture: bool,
    as_json: bool,
) -> None:
    """Fit softmax regression by minibatch SGD; leave a model file and a picture.

    Prints one line an epoch: the loss and accuracy on the training data, as they ran, and the accuracy on the test data
    after it. The picture shows the first nine test images and nine mistakes, the true label above the predicted one.

    \b
    Examples:
      softreg train fashion-mnist
      softreg train fashion-mnist --epochs 20 --learning-rate 0.2 --out longer.safetensors
      softreg train fashion-mnist --sample --no-picture --json
    """
    from softreg.errors import FitInterrupted
    from softreg.model import fit

    if sample and data_dir is not None:
        raise click.UsageError("--sample and --data-dir exclude each other.")
    if no_picture and picture is not None:
        raise click.UsageError("--picture and --no-picture exclude each other.")
    out = Path(f"{data}.safetensors") if out is None else out
    picture = None if no_picture else Path(f"{data}.png") if picture is None else picture
    _check_targets(out, picture)  # before the work, not after it
    solver = SGD(learning_rate=learning_rate, batch_size=batch_size, seed=seed)
    settings = Settings(solver=solver, max_steps=epochs, C=C, init_std=init_std, seed=seed)

    split, folder = _load(data, sample, data_dir)
    with bar("training", epochs) as progress:

        def on_step(step: Step, score: Score | None) -> None:
            assert score is not None  # noqa: S101 - there is a validation set
            with progress.aside():
                click.echo(_line(step, score, as_json))
            progress.advance(f"loss {step.loss:.4f}")

        try:
            model, solution = fit(split.train, settings, validation=split.test, callback=on_step)
        except FitInterrupted as interruption:
            if not interruption.solution.steps:
                raise  # nothing was learnt: what lies at --out is worth more
            model, solution = interruption.model, interruption.solution

    _write(model, split, out, picture)
    _tell(solution, out, picture, as_json)
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


def _line(step: Step, score: Score, as_json: bool) -> str:
    if as_json:
        figures = {"loss": step.loss, "train_accuracy": step.accuracy, "test_accuracy": score.accuracy}
        return json.dumps({"epoch": step.number} | figures)
    return f"epoch {step.number}, loss {step.loss:.4f}, train acc {step.accuracy:.3f}, test acc {score.accuracy:.3f}"


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


def _tell(solution: Solution, out: Path, picture: Path | None, as_json: bool) -> None:
    if as_json:
        ending: dict[str, Any] = {"status": solution.status.name, "seconds": solution.seconds}
        click.echo(json.dumps(ending | {"model": str(out), "picture": picture and str(picture)}))
    if solution.status is not Status.MAX_STEPS:
        click.echo(f"after {solution.steps} epochs: {solution.status.value}", err=True)
    for path in filter(None, (out, picture)):
        click.echo(f"wrote {path}", err=True)


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
