"""`softreg data`: which data sets there are, and getting them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from softreg.cli.progress import download_bar

__all__ = ["DATASETS", "data"]

DATASETS = ("fashion-mnist",)


@click.group()
def data() -> None:
    """Known data sets: list them, fetch them."""


@data.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def list_(as_json: bool) -> None:
    """List the known data sets and where they are on this machine."""
    from softreg.data import fashion_mnist

    folder = fashion_mnist.find()
    about = "60,000 + 10,000 images of clothes, 28 x 28, in 10 classes"
    if as_json:
        click.echo(json.dumps({"name": "fashion-mnist", "about": about, "folder": folder and str(folder)}))
    else:
        click.echo(f"fashion-mnist   {about}")
        click.echo(f"                {folder or 'not on this machine: softreg data fetch fashion-mnist'}")


@data.command()
@click.argument("name", type=click.Choice(DATASETS))
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where to put the files.  [default: the user's cache, unless they are on this machine already]",
)
@click.option("--mirror", "mirrors", multiple=True, metavar="URL", help="Folder to download from; may be repeated.")
def fetch(name: str, folder: Path | None, mirrors: tuple[str, ...]) -> None:
    """Download a data set, check it, and print the folder it is in.

    \b
    Examples:
      softreg data fetch fashion-mnist
      softreg data fetch fashion-mnist --folder data --mirror https://mirror.example/fashion-mnist
    """
    from softreg.data import fashion_mnist

    found = fashion_mnist.find() if folder is None and not mirrors else None
    if found is None or found == fashion_mnist.cache_folder():  # ours to repair
        with download_bar() as bar:
            found = fashion_mnist.fetch(folder, mirrors=mirrors or fashion_mnist.MIRRORS, progressbar=bar)
    click.echo(os.fspath(found))
