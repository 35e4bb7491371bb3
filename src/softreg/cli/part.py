"""Some rows of a Dataset: to learn from, to judge by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from softreg.data import Dataset
    from softreg.model import Model, Score

__all__ = ["Part", "asked", "counted", "only", "range_option"]


@dataclass(frozen=True)
class Part:
    """Some rows of a Dataset, or all of them."""

    data: Dataset
    rows: NDArray[np.int64] | None = None

    @property
    def n_rows(self) -> int:
        """How many they are."""
        return self.data.n_rows if self.rows is None else len(self.rows)

    def alone(self) -> Dataset:
        """Return them as a Dataset of their own."""
        return self.data if self.rows is None else only(self.data, self.rows)

    def score(self, model: Model) -> Score:
        """Judge a model by them."""
        return model.score(self.data, self.rows)

    def split(self, share: float, seed: int) -> tuple[Part, Part]:
        """Return them without a share of each class, drawn by the seed, and that share; nothing is copied."""
        import numpy as np

        rows = np.arange(self.data.n_rows) if self.rows is None else self.rows
        y = self.data.y[rows]
        rng = np.random.default_rng((seed, 2))
        aside = np.zeros(len(rows), bool)
        for k in range(self.data.n_classes):
            members = rng.permutation(np.flatnonzero(y == k))
            aside[members[: min(round(share * len(members)), len(members) - 1)]] = True  # one stays to learn from
        return replace(self, rows=rows[~aside]), replace(self, rows=rows[aside])


def only(data: Dataset, rows: NDArray[np.int64] | slice) -> Dataset:
    """Return these rows as a Dataset; of a slice nothing is copied."""
    fields = {name: getattr(data, name) for name in ("weights", "targets", "offset")}
    some: Any = {name: None if value is None else value[rows] for name, value in fields.items()}
    return replace(data, X=data.X[rows], y=data.y[rows], **some)


def _range(ctx: click.Context, param: click.Parameter, value: str | None) -> slice | None:
    """Read FROM:TO."""
    if value is None:
        return None
    first, colon, last = value.partition(":")
    try:
        found = slice(int(first or 0), int(last) if last else None)
    except ValueError:
        colon = ""
    if not colon or found.start < 0 or (found.stop is not None and found.stop <= found.start):
        raise click.BadParameter(f"{value!r} is not FROM:TO, two numbers of rows from 0, as 0:500, 500: or :500")
    return found


def range_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--rows`, which `asked` reads."""
    return click.option(
        "--rows",
        "some",
        callback=_range,
        metavar="FROM:TO",
        help="Use these rows of DATA alone, counted from 0: :5000 are the first 5,000, 5000: are the others.",
    )(command)


def asked(ctx: click.Context, data: Dataset) -> Dataset:
    """Return the rows that `--rows` asks for; all of them without it."""
    wanted: slice | None = ctx.params.get("some")
    if wanted is None:
        return data
    if wanted.start >= data.n_rows or (wanted.stop or 0) > data.n_rows:
        shown = f"{wanted.start}:{'' if wanted.stop is None else wanted.stop}"
        raise click.UsageError(f"--rows {shown}: there are {data.n_rows:,} rows, from 0.")
    return only(data, wanted)


def counted(found: Dataset, every: Dataset) -> str:
    """Return "5 of " for 5 of all rows, in a sentence that goes on with all; nothing where they are all."""
    return "" if found.n_rows == every.n_rows else f"{found.n_rows:,} of "
