"""What was measured: a frozen result that is a table to read, a dictionary for JSON, and CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from softreg.metrics.plain import plain, printable, shown

__all__ = ["ClassFigures", "Evaluation", "Figure", "title"]

Array = NDArray[np.float64]
Part = tuple[Array, Array, Array]  # value, low, high, (K,) each
Cells = tuple[str, Any, float | None, float | None, float | None, str]  # figure, class, value, low, high, interval
SHOWN = 30  # classes of a printed table
INTERVALS = {
    "exact": "exact (Clopper–Pearson)",
    "bca": "bootstrap (BCa)",
    "percentile": "bootstrap (percentile)",
    "bounded": "by the costs there are (Gaffke)",
    "norm": "bootstrap (of the norm)",
    "none": "none",
}


@dataclass(frozen=True)
class Figure:
    """A number with its interval; nan where there is none."""

    name: str
    value: float
    low: float
    high: float
    interval: str  # "exact", "bounded", "bca", "percentile", "norm" or "none"

    def as_dict(self) -> dict[str, Any]:
        """Return it as for JSON: None for nan and infinity."""
        return {name: plain(value) for name, value in vars(self).items()}


@dataclass(frozen=True, eq=False)
class ClassFigures:
    """Figures of each class; nan where there are no rows that they could be of."""

    classes: NDArray[Any]
    confusion: NDArray[Any]  # (K, K): rows, or their weight, by the true class and what it was taken for
    precision: Part
    recall: Part
    f1: Part
    intervals: tuple[str, ...]  # of precision, recall and F1

    @property
    def support(self) -> NDArray[Any]:
        """Rows of each class, or their weight, (K,)."""
        total: NDArray[Any] = self.confusion.sum(axis=1)
        return total


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation:
    """Figures of a model on labelled rows. Printed, a table; `as_dict` is for JSON, `to_csv` for a spreadsheet.

    >>> from softreg.metrics import measure
    >>> found = measure([[0.9, 0.1], [0.8, 0.2], [0.4, 0.6], [0.7, 0.3]], [0, 1, 1, 0], classes=["cat", "dog"])
    >>> found.value("accuracy"), [figure.name for figure in found][:3]
    (0.75, ['log_loss', 'accuracy', 'balanced_accuracy'])
    """

    figures: tuple[Figure, ...]
    by_class: ClassFigures
    n_rows: int
    weight: float  # Σw
    level: float

    def __iter__(self) -> Iterator[Figure]:
        return iter(self.figures)

    def __getitem__(self, name: str) -> Figure:
        for figure in self.figures:
            if figure.name == name:
                return figure
        raise KeyError(f"{name!r} was not measured; there are {', '.join(figure.name for figure in self.figures)}")

    def value(self, name: str) -> float:
        """Return a figure's number."""
        return self[name].value

    @property
    def classes(self) -> NDArray[Any]:
        """Names of the classes."""
        return self.by_class.classes

    @property
    def confusion(self) -> NDArray[Any]:
        """Rows by the true class and what it was taken for, (K, K)."""
        return self.by_class.confusion

    def as_dict(self) -> dict[str, Any]:
        """Return everything as for JSON: lists, numbers, text, and None for nan and infinity."""
        c = self.by_class
        of_classes = []
        for k, label in enumerate(c.classes.tolist()):
            row: dict[str, Any] = {"class": label, "support": plain(c.support[k])}
            for name, interval in zip(("precision", "recall", "f1"), c.intervals, strict=True):
                value, low, high = (plain(part[k]) for part in getattr(c, name))
                row[name] = {"value": value, "low": low, "high": high, "interval": interval}
            of_classes.append(row)
        return {
            "n_rows": self.n_rows,
            "weight": self.weight,
            "level": self.level,
            "figures": {figure.name: figure.as_dict() for figure in self.figures},
            "classes": of_classes,
            "confusion": c.confusion.tolist(),
        }

    def to_csv(self, more: Iterable[Cells] = ()) -> str:
        """Return the figures as CSV: figure, class (empty for all), predicted, value, low, high, interval.

        The confusion matrix is in it by the pairs of classes that occur, the true one and what was `predicted`. After
        it come other figures, `more`, in the same columns but that.
        """
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["figure", "class", "predicted", "value", "low", "high", "interval"])
        for f in self.figures:
            writer.writerow([f.name, "", "", *_cells(f.value, f.low, f.high), f.interval])
        found = self.as_dict()["classes"]
        for row in found:
            for name in ("precision", "recall", "f1"):
                part = row[name]
                writer.writerow(
                    [name, row["class"], "", *_cells(part["value"], part["low"], part["high"]), part["interval"]]
                )
            writer.writerow(["support", row["class"], "", *_cells(row["support"], None, None), "none"])
        names = self.classes.tolist()
        for k, j in zip(*np.nonzero(self.confusion), strict=True):
            count = plain(self.confusion[k, j])
            writer.writerow(["confusion", names[k], names[j], *_cells(count, None, None), "none"])
        for name, label, value, low, high, interval in more:
            writer.writerow([name, label, "", *_cells(value, low, high), interval])
        return out.getvalue()

    def __str__(self) -> str:
        percent = f"{100 * self.level:g} %"
        count = f"{self.n_rows:,} row{'' if self.n_rows == 1 else 's'}"
        weight = "" if self.weight == self.n_rows else f" of the weight {self.weight:.6g}"
        lines = [f"{count}{weight}, {len(self.classes)} classes; intervals of {percent}", ""]
        rows: list[tuple[str, ...]] = [("", "value", "low", "high", "interval")]
        rows += [
            (title(f.name), *(_figure(v) for v in (f.value, f.low, f.high)), INTERVALS[f.interval])
            for f in self.figures
        ]
        lines += [*_aligned(rows), ""]
        c = self.by_class
        rows = [("class", "support", "precision", "", "recall", "", "F1", "")]
        for k, label in list(enumerate(c.classes.tolist()))[:SHOWN]:
            cells = [_short(str(label)), f"{c.support[k]:.6g}"]
            for value, low, high in (c.precision, c.recall, c.f1):
                cells += [_figure(value[k]), "" if math.isnan(low[k]) else f"{low[k]:.3f}–{high[k]:.3f}"]
            rows.append(tuple(cells))
        lines += _aligned(rows)
        if len(c.classes) > SHOWN:
            lines.append(f"… and {len(c.classes) - SHOWN} classes more")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return (
            f"Evaluation({self.n_rows} rows, {len(self.classes)} classes, log loss {self.value('log_loss'):.4f}, "
            f"accuracy {self.value('accuracy'):.4f}): print it"
        )


def title(name: str) -> str:
    """brier → Brier score, top_5_accuracy → top-5 accuracy."""
    named = {"brier": "Brier score", "macro_f1": "macro F1", "ks_calibration_error": "KS calibration error"}
    return named.get(name, name.replace("top_", "top-").replace("_", " "))


def _cells(*values: float | None) -> list[str]:
    return ["" if v is None or not math.isfinite(v) else repr(plain(v)) for v in values]


def _figure(value: float) -> str:
    return "" if math.isnan(value) else shown(value)


def _short(text: str) -> str:
    text = printable(text)
    return text if len(text) <= 24 else text[:23] + "…"


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    """Lines with the first column to the left, and the others to the right but a last one of words."""
    widths = [max(len(row[j]) for row in rows) for j in range(len(rows[0]))]
    words = rows[0][-1] == "interval"
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        if words:
            cells[-1] = row[-1]
        lines.append("  ".join(cells).rstrip())
    return lines
