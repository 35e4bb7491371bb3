"""What commands write: checked before the work, and named so that the next command can be pasted."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from softreg.data.source import STDIN, parted

__all__ = ["argument", "check_targets", "is_file", "program", "say_next", "stem"]

PICTURE = "--picture"
PICTURES = (".png", ".svg", ".pdf", ".jpg", ".webp")
WRITTEN = ("out", "picture", "as_json")  # parameters


def stem(data: str) -> str:
    """Return what the files that are made of DATA are called.

    >>> stem("fashion-mnist"), stem("some/wine.csv.gz"), stem("train-images,train-labels"), stem("-")
    ('fashion-mnist', 'wine', 'train-images', 'model')
    """
    path = Path(parted(data)[0])
    name = path.name.removesuffix(".gz")
    pipe = path.exists() and not path.is_file()  # whose name is a number
    return "model" if name in ("", STDIN) or pipe else Path(name).stem


def say_next(ctx: click.Context, model: Path, data: str, *options: str) -> None:
    """Say on stderr which command predicts by the model; of DATA that came through a pipe nothing is left."""
    path = Path(parted(data)[0])
    again = "FILE" if data == STDIN or (path.exists() and not path.is_file()) else argument(data)
    click.echo(f"next:  {' '.join([program(ctx), 'predict', argument(model), again, *options])}", err=True)


def check_targets(
    ctx: click.Context, targets: Mapping[str, Path | None], *, streams: bool = False, replaced: str = ""
) -> None:
    """Raise click.UsageError where a file cannot be written, or is one that the command reads, or another target.

    Targets are by what a message calls them; those that are None are not written. `streams` is whether "-" is standard
    output; `replaced` is the parameter of what the command reads that it may replace.
    """
    read = {path.resolve() for path in _read(ctx, replaced)}
    written: dict[Path, str] = {}
    for what, path in targets.items():
        if path is None or (streams and str(path) == STDIN):
            continue
        if not path.name:
            raise click.UsageError("a file to write needs a name.")
        if str(path) == STDIN:
            raise click.UsageError(f"{what} -: it is a file that is written, and not standard output.")
        if not path.parent.is_dir():
            raise click.UsageError(f"{path} cannot be written: there is no folder {path.parent}.")
        if not os.access(path.parent, os.W_OK):
            raise click.UsageError(f"{path} cannot be written: the folder {path.parent.absolute()} is read-only.")
        if path.exists() and not path.is_file():
            raise click.UsageError(f"{path} cannot be written: it is a folder or device.")
        if what == PICTURE and path.suffix.lower() not in PICTURES:
            raise click.UsageError(f"--picture {path}: the name must end in {', '.join(PICTURES)}.")
        place = path.resolve()
        if place in read:
            raise click.UsageError(f"{path} is what the command reads: {what} would replace it.")
        if place in written:
            raise click.UsageError(f"{written[place]} and {what} are both {path}: one would replace the other.")
        written[place] = what


def _read(ctx: click.Context, replaced: str) -> Iterator[Path]:
    """Return the files that are named in the command to be read: of all arguments but those of what it writes."""
    for name, value in ctx.params.items():
        for one in value if isinstance(value, tuple) else (value,):
            if name not in (*WRITTEN, replaced) and isinstance(one, (str, Path)):
                yield from (Path(part) for part in parted(str(one)) if part and is_file(part))


def is_file(text: str) -> bool:
    """Whether it is the name of a file; Path.is_file raises where a text is too long for one, as many shares are."""
    return os.path.isfile(text)  # noqa: PTH113 - see above


def argument(path: Path | str) -> str:
    """Return a file's name as the user can type it."""
    return shlex.quote(f"./{path}" if str(path).startswith("-") else str(path))


def program(ctx: click.Context) -> str:
    """Return the command as the user can type it again: its name where that finds it, else its path."""
    name = ctx.find_root().info_name or "softreg"
    called = sys.executable if " " in name else sys.argv[0]  # "python -m softreg" has a space
    found = shutil.which(name.split()[0])
    if found is not None and Path(found).resolve() == Path(called).resolve():
        return name
    return " ".join([shlex.quote(called), *name.split()[1:]])
