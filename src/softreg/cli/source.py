"""DATA, in every command: its options, and what they load.

a known name           its training and test images
IMAGES[,LABELS]        IDX files
FILE                   a table, CSV or Parquet; an npz file; gzipped or not
-                      any of them, from standard input
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from softreg.cli.data import DATASETS, dataset
from softreg.cli.files import argument
from softreg.cli.options import flag, given
from softreg.cli.part import Part, asked, counted
from softreg.cli.progress import download_bar
from softreg.data.source import STDIN, parted

if TYPE_CHECKING:
    from softreg.data import Dataset
    from softreg.data.columns import Columns
    from softreg.data.fashion_mnist import Split
    from softreg.data.files import Rows
    from softreg.model import Model

__all__ = [
    "Loaded",
    "found_again",
    "is_known",
    "load",
    "load_labelled",
    "load_rows",
    "shown",
    "source_options",
]


@dataclass(frozen=True)
class Loaded:
    """What DATA and its options say.

    `tested` is what the rows to judge by are called, "test" or "held-out"; `example` is something to predict.
    """

    train: Part
    test: Part | None
    tested: str
    example: str
    known: bool

    @property
    def of_images(self) -> bool:
        """Whether the rows are images."""
        return self.train.data.image_shape is not None


def is_known(data: str) -> bool:
    """Whether DATA is the name of a known data set."""
    return data in DATASETS


def source_options(
    *, labels: bool = True, share: float | None = None, fitted: bool = False
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command the options of DATA, which `load`, `load_labelled` and `load_rows` read.

    Parameters
    ----------
    labels : bool
        Whether it needs labels: `--weight` too.
    share : float, optional
        What is held out of data without test data of its own, by default; None is no `--test` and no `--test-share`.
    fitted : bool
        Whether the data is for a model, which picks the features by their names.
    """
    weight = click.option("--weight", metavar="COLUMN", help="Table: column of the rows' weights. npz: the array.")
    target = "Table: the column of labels. npz: the array of labels, y."
    features = "Table: columns to learn from, by name or pattern (x*), with ! all but those"
    if fitted:
        features = "Table: columns that are features, for a model without their names"
    if not labels:
        target = "Table: the column of labels, which is left aside."
    options = [
        click.option("--target", metavar="COLUMN", help=target),
        click.option(
            "--features",
            multiple=True,
            metavar="COLUMNS",
            help=f"{features}; separated by commas, may be repeated.  [default: all but the others]",
        ),
        weight,
        click.option("--sample", is_flag=True, help="Known name: use the sample in the package, 4,800 images."),
        click.option(
            "--data-dir",
            type=click.Path(exists=True, file_okay=False, path_type=Path),
            help="Known name: folder to look in first.",
        ),
    ]
    if not labels:
        options = [option for option in options if option is not weight]
    if share is not None:
        options += [
            click.option("--test", metavar="DATA", help="Data to judge the model by, with the same columns."),
            click.option(
                "--test-share",
                type=click.FloatRange(0, 1, max_open=True),
                metavar="SHARE",
                default=share,
                show_default=True,
                help="Share of each class that is held out to judge the model by; 0 for none.",
            ),
        ]

    def give(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return give


def load(ctx: click.Context, data: str) -> Loaded:
    """Load what a command learns from, and what it judges by; say on stderr what that is.

    Raises
    ------
    click.UsageError
        Where an option is not for such data.
    SoftregError
        Where the data cannot be used.
    """
    options = ctx.params
    if is_known(data):
        _refuse(ctx, ("target", "features", "weight", "test", "test_share"), f"{data} has its own labels and test data")
        split, folder = _known(data, options)
        images = folder / f"{dataset(data).TEST_IMAGES}.gz"
        example = str(images if images.exists() else images.with_suffix(""))
        train, test = split.train, split.test
        click.echo(f"data: {folder} ({train.n_rows:,} training and {test.n_rows:,} test images)", err=True)
        return Loaded(Part(train), Part(test), "test", example, known=True)
    _refuse(ctx, ("sample", "data_dir"), f"{shown(data)} is no known data set")
    other = options.get("test")
    if other is not None and given(ctx, "test_share"):
        raise click.UsageError("--test and --test-share exclude each other.")
    if other == STDIN and data == STDIN:
        raise click.UsageError("standard input can be read once: DATA and --test are both -.")
    from softreg.data.files import read_labelled

    _exists(data)
    found, notes = read_labelled(data, _columns(options))
    _tell(notes)
    whole = Part(found)
    if other is not None:
        _exists(other)
        judged, notes = read_labelled(other, _columns(options), like=found)
        _tell(notes)
        loaded = Loaded(whole, Part(judged), "test", other, known=False)
    else:
        train_part, aside = whole.split(options.get("test_share") or 0.0, options.get("seed") or 0)
        held = aside if aside.n_rows else None
        loaded = Loaded(train_part if held else whole, held, "held-out", data, known=False)
    _describe(data, loaded)
    return loaded


def load_labelled(ctx: click.Context, data: str, model: Model) -> Dataset:
    """Load labelled rows for a model that is fitted, of a known name its test images; say on stderr what that is.

    Raises as `load` does.
    """
    if is_known(data):
        _refuse(ctx, ("target", "features", "weight"), f"{data} has its own labels")
        split, folder = _known(data, ctx.params)
        found = asked(ctx, split.test)
        click.echo(f"data: {folder} ({counted(found, split.test)}its {split.test.n_rows:,} test images)", err=True)
        return found
    _refuse(ctx, ("sample", "data_dir"), f"{shown(data)} is no known data set")
    if model.feature_names is not None and ctx.params["features"]:
        raise click.UsageError("--features is for models without names of columns; this one picks its own by them.")
    from softreg.data.files import read_labelled

    _exists(data)
    every, notes = read_labelled(data, _columns(ctx.params), like=model)
    _tell(notes)
    found = asked(ctx, every)
    click.echo(
        f"data: {shown(data)} ({counted(found, every)}{every.n_rows:,} row{'' if every.n_rows == 1 else 's'})", err=True
    )
    return found


def found_again(ctx: click.Context) -> list[str]:
    """Return the options by which another command finds the same data of a known name."""
    folder = ctx.params["data_dir"]
    return ["--sample"] if ctx.params["sample"] else [] if folder is None else ["--data-dir", argument(folder)]


def load_rows(ctx: click.Context, where: Sequence[str], model: Model) -> Rows:
    """Load rows for a model to predict; say on stderr what was left aside."""
    from softreg.data.files import Rows, read_rows

    options = ctx.params
    if is_known(where[0]) and len(where) == 1:
        _refuse(ctx, ("target", "features", "weight", "resize", "invert"), f"{where[0]} is no table, nor of pictures")
        split, _ = _known(where[0], options)
        X = split.test.X
        return Rows(X.reshape(len(X), *split.test.image_shape) if split.test.image_shape else X)
    _refuse(ctx, ("sample", "data_dir"), f"{shown(where[0])} is no known data set")
    for one in where:
        _exists(one)
    rows = read_rows(
        where,
        names=model.feature_names,
        n_features=model.n_features,
        image_shape=model.image_shape,
        columns=_columns(options),
        resize=options.get("resize", False),
        invert=options.get("invert", False),
    )
    _tell(rows.notes)
    return rows


def _known(name: str, options: dict[str, Any]) -> tuple[Split, Path]:
    known, data_dir = dataset(name), options["data_dir"]
    if options["sample"] and data_dir is not None:
        raise click.UsageError("--sample and --data-dir exclude each other.")
    if options["sample"]:
        return known.sample(), known.sample_folder()
    folder = known.find(data_dir)
    if folder is None:
        click.echo(f"downloading {name} …", err=True)
        with download_bar() as progress:
            folder = known.fetch(progressbar=progress)
    return known.load(data_dir, download=False), folder


def _columns(options: dict[str, Any]) -> Columns:
    from softreg.data.columns import Columns

    names = [name.strip() for some in options["features"] for name in some.split(",")]
    return Columns(options["target"], tuple(filter(None, names)), options.get("weight"))


def _refuse(ctx: click.Context, options: tuple[str, ...], why: str) -> None:
    for name in options:
        if name in ctx.params and given(ctx, name):
            raise click.UsageError(f"{why}: {flag(name)} is for other data.")


def _exists(data: str) -> None:
    """Raise click.UsageError where DATA is neither standard input nor a file; IMAGES,LABELS are two."""
    for name in parted(data):
        if name in (None, STDIN) or Path(name).exists():
            continue
        like = difflib.get_close_matches(name, DATASETS)
        folder = Path(name).parent
        if not like and folder.is_dir():
            like = [
                str(folder / n) for n in difflib.get_close_matches(Path(name).name, [p.name for p in folder.iterdir()])
            ]
        hint = f" Did you mean {like[0]}?" if like else ""
        raise click.UsageError(f"{name!r} is not a file, nor a known data set ({', '.join(DATASETS)}).{hint}")


def shown(data: str) -> str:
    """Return DATA as messages call it."""
    return "standard input" if data == STDIN else data


def _tell(notes: Sequence[str]) -> None:
    for note in notes:
        click.echo(note, err=True)


def _describe(data: str, loaded: Loaded) -> None:
    found, n = loaded.train.data, loaded.train.n_rows
    names = [str(label) for label in found.classes.tolist()]
    classes = f"{len(names)} classes: {', '.join(names[:6])}{', …' if len(names) > 6 else ''}"
    rows = f"{n:,} {'images' if loaded.of_images else 'rows'}"
    if loaded.test is not None:
        rows = f"{n:,} training and {loaded.test.n_rows:,} {loaded.tested} {'images' if loaded.of_images else 'rows'}"
    click.echo(f"data: {shown(data)} ({rows}, {found.n_features:,} features, {classes})", err=True)
