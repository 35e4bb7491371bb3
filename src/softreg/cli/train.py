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

from softreg.cli.data import DATASETS
from softreg.cli.progress import bar
from softreg.model import Settings
from softreg.solvers import SGD

if TYPE_CHECKING:
    from softreg.data.fashion_mnist import Split
    from softreg.model import Model, Score
    from softreg.solvers import Solution, Step

__all__ = ["train"]

_SGD, _SETTINGS = asdict(SGD()), asdict(Settings())  # the defaults stand there, once
_INTERRUPTED = 130


@click.command()
@click.argument("data", type=click.Choice(DATASETS))
@click.option("--sample", is_flag=True, help="Use the sample in the package: 4,000 training and 800 test images.")
@click.option(
    "--data-dir", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Folder to look in first."
)
@click.option("--epochs", type=click.IntRange(min=0), default=_SETTINGS["max_steps"], show_default=True)
@click.option("--batch-size", type=click.IntRange(min=1), default=_SGD["batch_size"], show_default=True)
@click.option("--learning-rate", type=float, default=_SGD["learning_rate"], show_default=True)
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
    "--seed", type=click.IntRange(min=0), default=_SETTINGS["seed"], show_default=True,
    help="Of the first weights and the order of the batches.",
)  # fmt: skip
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
    out = out or Path(f"{data}.safetensors")
    picture = None if no_picture else picture or Path(f"{data}.png")
    solver = SGD(learning_rate=learning_rate, batch_size=batch_size, seed=seed)
    settings = Settings(solver=solver, max_steps=epochs, C=C, init_std=init_std, seed=seed)
    _check_writable(out, picture)  # before the work, not after it

    split, folder = _load(sample, data_dir)
    with bar("training", epochs) as progress:

        def on_step(step: Step, score: Score | None) -> None:
            assert score is not None  # noqa: S101 - there is a validation set
            with progress.aside():
                click.echo(_line(step, score, as_json))
            progress.advance(f"loss {step.loss:.4f}")

        try:
            model, solution = fit(split.train, settings, validation=split.test, callback=on_step)
        except FitInterrupted as interruption:
            model, solution = interruption.model, interruption.solution

    _finish(ctx, model, solution, split, folder, out, picture, as_json)
    if solution.status.name == "INTERRUPTED":
        ctx.exit(_INTERRUPTED)


def _load(sample: bool, data_dir: Path | None) -> tuple[Split, Path]:
    from softreg.data import fashion_mnist

    if sample:
        split, folder = fashion_mnist.sample(), fashion_mnist.sample_folder()
    else:
        place = fashion_mnist.find(data_dir)
        if place is None:
            from softreg.cli.progress import download_bar

            click.echo("downloading Fashion-MNIST (31 MB) …", err=True)
            with download_bar() as progress:
                place = fashion_mnist.fetch(progressbar=progress)
        split, folder = fashion_mnist.load(data_dir, download=False), place
    click.echo(f"data: {folder} ({split.train.n_rows:,} training and {split.test.n_rows:,} test images)", err=True)
    return split, folder


def _line(step: Step, score: Score, as_json: bool) -> str:
    if as_json:
        figures = {"loss": step.loss, "train_accuracy": step.accuracy, "test_accuracy": score.accuracy}
        return json.dumps({"epoch": step.number} | figures)
    return f"epoch {step.number}, loss {step.loss:.4f}, train acc {step.accuracy:.3f}, test acc {score.accuracy:.3f}"


def _finish(
    ctx: click.Context,
    model: Model,
    solution: Solution,
    split: Split,
    folder: Path,
    out: Path,
    picture: Path | None,
    as_json: bool,
) -> None:
    model.save(out)
    if picture is not None:
        _draw(model, split, picture)
    if as_json:
        ending: dict[str, Any] = {"status": solution.status.name, "seconds": solution.seconds}
        click.echo(json.dumps(ending | {"model": str(out), "picture": picture and str(picture)}))
    if solution.status.name != "MAX_STEPS":
        click.echo(f"after {solution.steps} epochs: {solution.status.value}", err=True)
    click.echo(f"wrote {out}", err=True)
    if picture is not None:
        click.echo(f"wrote {picture}", err=True)
    images = folder / "t10k-images-idx3-ubyte.gz"
    if not images.exists():
        images = images.with_suffix("")
    click.echo(f"next:  {_program(ctx)} predict {shlex.quote(str(out))} {shlex.quote(str(images))}", err=True)


def _draw(model: Model, split: Split, picture: Path) -> None:
    from softreg.plots import sample_predictions

    test = split.test
    predicted = model.predict(test.X)
    assert test.image_shape is not None  # noqa: S101 - every known data set is of images
    images = test.X.reshape(-1, *test.image_shape)
    figure = sample_predictions(images, test.classes[test.y].tolist(), predicted.tolist())
    figure.savefig(picture, dpi=150)


def _check_writable(out: Path, picture: Path | None) -> None:
    for path in filter(None, (out, picture)):
        if not path.parent.is_dir():
            raise click.UsageError(f"{path} cannot be written: there is no folder {path.parent}.")
        if not os.access(path.parent, os.W_OK):
            raise click.UsageError(f"{path} cannot be written: the folder {path.parent.absolute()} is read-only.")
    if picture is not None:
        from matplotlib.backend_bases import FigureCanvasBase

        known = sorted(FigureCanvasBase.get_supported_filetypes())
        if picture.suffix[1:].lower() not in known:
            raise click.UsageError(f"--picture {picture}: the name must end in one of .{', .'.join(known)}.")


def _program(ctx: click.Context) -> str:
    """Return the command as the user can type it again: its name where that finds it, else its path."""
    name = ctx.find_root().info_name or "softreg"
    on_path = shutil.which(name)
    if " " in name or (on_path is not None and Path(on_path).resolve() == Path(sys.argv[0]).resolve()):
        return name
    return shlex.quote(sys.argv[0])
