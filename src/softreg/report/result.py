"""Report: everything that was found, to be saved as a web page or as JSON, and shown in a notebook."""

from __future__ import annotations

import datetime
import json
import os
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from softreg.metrics import Evaluation
from softreg.metrics.plain import plain
from softreg.report.figures import Curves, Fit, Row, Rows, Savings, Strongest, Trust
from softreg.report.sections import calibrated
from softreg.report.sprite import Sprite

__all__ = ["FORMAT", "Report"]

FORMAT = 1


@dataclass(frozen=True, eq=False, repr=False)
class Report:
    """What `report` found; see there. Parts that these rows and this model do not have are None, or empty.

    Attributes
    ----------
    fit : Fit
        What was fitted, and how it ended.
    rows : Rows
        The rows that the model is judged by.
    curves : Curves, optional
        Figures after each epoch or step.
    samples, mistakes, kinds : tuples of Row
        The first rows; the most confident mistakes; some of each class and what it was taken for.
    strongest : tuple of Strongest, optional
        Of a model whose features are no image.
    evaluation : Evaluation
        Figures of all rows, with intervals.
    trust : Trust, optional
        What was fitted on some rows and judged on others: calibration, rejection, prediction sets.
    savings : Savings, optional
        Where there are costs.
    when : datetime, optional
    images : Sprite, optional
    weights : tuple of bytes
        A PNG for each class, where the features are an image.
    """

    fit: Fit
    rows: Rows
    curves: Curves | None
    samples: tuple[Row, ...]
    mistakes: tuple[Row, ...]
    kinds: tuple[Row, ...]
    strongest: tuple[Strongest, ...] | None
    evaluation: Evaluation
    trust: Trust | None
    savings: Savings | None
    when: datetime.datetime | None = None
    images: Sprite | None = None
    weights: tuple[bytes, ...] = ()
    counts: tuple[tuple[int, int, int], ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the figures as for JSON; the schema is `softreg.report.schema()`."""
        parts = ("fit", "rows", "curves", "samples", "mistakes", "strongest", "evaluation", "trust", "savings")
        labels = [str(label) for label in self.fit.classes]
        found: dict[str, Any] = {"format": FORMAT, "softreg": version("softreg")}
        found["when"] = None if self.when is None else self.when.isoformat(timespec="seconds")
        for name in parts:
            found[name] = plain(getattr(self, name))
        for name in ("samples", "mistakes"):
            found[name] = [
                {"row": one.row, "true": labels[one.true], "predicted": labels[one.predicted]}
                | {"probability": one.probability}
                for one in getattr(self, name)
            ]
        return found

    def to_json(self) -> str:
        """Return the figures as JSON text."""
        return json.dumps(self.as_dict(), ensure_ascii=False, allow_nan=False, indent=1) + "\n"

    def to_html(self) -> str:
        """Return one web page that loads nothing from anywhere."""
        from softreg.report.page import page  # which needs jinja2 and matplotlib

        return page(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the page to a file. Raises OSError where the disk says no."""
        _write(path, self.to_html())

    def save_json(self, path: str | os.PathLike[str]) -> None:
        """Write the figures to a file. Raises OSError where the disk says no."""
        _write(path, self.to_json())

    def _repr_html_(self) -> str:
        """What a notebook shows: the page, in a frame of its own."""
        from softreg.report.page import frame

        return frame(self)

    def __str__(self) -> str:
        lines = [f"{self.fit.model} on {self.rows.name}", self.fit.sentence, "", str(self.evaluation)]
        if self.trust is not None:
            t, held = self.trust, self.trust.held_out
            lines += ["", f"fitted on {held.fitted:,} rows of {held.name}, judged on {held.judged:,} others:"]
            lines += [f"calibration error {t.before.calibration_error:.4f} as fitted"]
            if t.after is not None:
                lines[-1] += f", {t.after.calibration_error:.4f} with {calibrated(t)}"
            lines += [
                f"sets that promise {one.promised:g}: {one.judged.coverage:.4f} hold the true class, "
                f"{one.judged.mean_size:.2f} classes on average"
                for one in t.sets
            ]
        if self.savings is not None:
            s = self.savings
            lines += ["", f"deciding by costs changes {s.changed:,} of {s.n_rows:,} rows and {_saves(s.saved)} a row"]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return (
            f"Report({self.fit.model} on {self.rows.name}: {self.rows.n_rows:,} rows, {len(self.fit.classes)} classes, "
            f"accuracy {self.evaluation.value('accuracy'):.4f})"
        )


def _saves(saved: float) -> str:
    return f"saves {saved:.4g}" if saved >= 0 else f"costs {-saved:.4g} more"


def _write(path: str | os.PathLike[str], text: str) -> None:
    Path(path).write_text(text, encoding="utf-8", newline="\n")
