"""`softreg data`: which data sets there are, and getting them."""

from __future__ import annotations

import importlib
import json
import os
from pathlib import Path
from typing import Any

import click

from softreg.cli.progress import download_bar

__all__ = ["DATASETS", "data", "dataset"]

DATASETS = {"fashion-mnist": "softreg.data.fashion_mnist"}  # name → module; see CONTRIBUTING.md


def dataset(name: str) -> Any:
    """Return the module of a known data set."""
    return importlib.import_module(DATASETS[name])


@click.group()
def data() -> None:
    """Known data sets: list them, fetch them."""


@data.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def list_(as_json: bool) -> None:
    """List the known data sets and where they are on this machine."""
    for name in DATASETS:
        known = dataset(name)
        folder = known.find()
        if as_json:
            click.echo(json.dumps({"name": name, "about": known.ABOUT, "folder": folder and str(folder)}))
        else:
            click.echo(f"{name:15} {known.ABOUT}")
            click.echo(f"{'':15} {folder or f'not on this machine: softreg data fetch {name}'}")


@data.command()
@click.argument("name", type=click.Choice(list(DATASETS)))
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where to put the files.  [default: the user's cache, unless they are on this machine already]",
)
@click.option(
    "--mirror",
    "mirrors",
    multiple=True,
    metavar="URL",
    help="Folder to download from; may be repeated.  [default: the mirrors that softreg knows]",
)
def fetch(name: str, folder: Path | None, mirrors: tuple[str, ...]) -> None:
    """Download a data set, check it, and print the folder it is in.

    \b
    Examples:
      softreg data fetch fashion-mnist
      softreg data fetch fashion-mnist --folder data --mirror https://mirror.example/fashion-mnist
    """
    known = dataset(name)
    found = known.find() if folder is None and not mirrors else None
    if found is None or found == known.cache_folder():  # ours to repair
        with download_bar() as bar:
            found = known.fetch(folder, mirrors=mirrors or known.MIRRORS, progressbar=bar)
    click.echo(os.fspath(found))
