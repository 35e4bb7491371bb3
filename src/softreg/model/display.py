"""What a notebook shows of a model: a small table. The plain text beside it is the model's repr."""

from __future__ import annotations

import html
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from softreg.model.model import Model

__all__ = ["as_html"]

SHOWN = 12  # classes
FIGURES = ("value", "loss", "accuracy", "validation_loss", "validation_accuracy")


def as_html(model: Model) -> str:
    """Return a table of what the model is and how its fit went, all text escaped.

    Examples
    --------
    >>> import numpy as np
    >>> from softreg import Model
    >>> text = as_html(Model(np.zeros((3, 2)), np.zeros(2), np.array(["<b>", "c"])))
    >>> "<td>&lt;b&gt;, c</td>" in text, "<b>" in text
    (True, False)
    """
    rows = "".join(
        f'<tr><th scope="row">{html.escape(name)}</th><td>{html.escape(value)}</td></tr>'
        for name, value in _rows(model)
    )
    return f"<table><caption>softmax regression</caption><tbody>{rows}</tbody></table>"


def _rows(model: Model) -> Iterator[tuple[str, str]]:
    labels = [str(label) for label in model.classes[:SHOWN].tolist()]
    yield "classes", ", ".join(labels) + (f", … ({model.n_classes:,})" if model.n_classes > SHOWN else "")
    shape = "" if model.image_shape is None else f", images of {model.image_shape[0]} × {model.image_shape[1]}"
    yield "features", f"{model.n_features:,}{shape}"
    if "C" in model.settings:
        C = model.settings["C"]
        yield "penalty", "none" if C is None else f"C = {C:g}"
    for name in FIGURES:
        values = model.history.get(name)
        if values is not None and len(values) and math.isfinite(values[-1]):
            yield name.replace("_", " "), f"{values[-1]:.4f} after {len(values):,} steps"
    if model.calibration is not None:
        yield "calibration", repr(model.calibration)
    if model.conformal is not None:
        yield "prediction sets", repr(model.conformal)
