"""What commands write: checked before the work, and named so that the next command can be pasted."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path

import click

from softreg.data.source import STDIN, parted

__all__ = ["argument", "check_targets", "program", "say_next", "stem"]

PICTURES = (".png", ".svg", ".pdf", ".jpg", ".webp")


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


def check_targets(out: Path, picture: Path | None) -> None:
    """Raise click.UsageError where a file cannot be written."""
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
