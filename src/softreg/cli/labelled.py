"""Labelled rows to judge a model by: DATA, with the model's columns and classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from softreg.cli.source import _columns, _exists, _refuse, _shown, _tell, is_known, load

if TYPE_CHECKING:
    from softreg.data import Dataset
    from softreg.model import Model

__all__ = ["load_labelled"]


def load_labelled(ctx: click.Context, where: str, model: Model) -> Dataset:
    """Load labelled rows for a model, of a known name its test images; say on stderr what they are.

    Raises
    ------
    click.UsageError
        Where an option is not for such data.
    SoftregError
        Where they lack columns that the model needs, or have classes that it has not.
    """
    import numpy as np

    from softreg.data import Dataset
    from softreg.data.files import read_labelled

    if is_known(where):
        loaded = load(ctx, where)
        return (loaded.test or loaded.train).data
    _refuse(ctx, ("sample", "data_dir"), f"{_shown(where)} is no known data set")
    _exists(where)
    none = np.empty(0, np.int32)
    like = Dataset(np.empty((0, model.n_features)), none, model.classes, feature_names=model.feature_names)
    found, notes = read_labelled(where, _columns(ctx.params), like=like)
    _tell(notes)
    click.echo(f"data: {_shown(where)} ({found.n_rows:,} rows, {found.n_features:,} features)", err=True)
    return found
