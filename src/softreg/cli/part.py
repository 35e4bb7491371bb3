"""Some rows of a Dataset: to learn from, to judge by."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from softreg.data import Dataset
    from softreg.model import Model, Score

__all__ = ["Part", "only"]


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
