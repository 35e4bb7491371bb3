"""Labels of a Dataset as codes into a model's classes."""

from __future__ import annotations

import difflib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from softreg.data import Dataset
from softreg.errors import LabelError

__all__ = ["codes_of"]

SHOWN = 8  # names in a message


def codes_of(data: Dataset, classes: NDArray[Any]) -> NDArray[np.intp]:
    """Return the labels' places in `classes`, (n,). The data may lack classes, or have them in another order.

    Raises
    ------
    LabelError
        Where rows have classes that are not there: the message names them, and what they may be meant for.

    Examples
    --------
    >>> codes_of(Dataset.from_labels([[0.0], [1.0]], ["b", "c"]), np.array(["a", "b", "c"]))
    array([1, 2])
    """
    if np.array_equal(data.classes, classes):
        return data.y.astype(np.intp)
    known = classes.tolist()
    places = np.array([known.index(label) if label in known else -1 for label in data.classes.tolist()], np.intp)
    codes = places[data.y]
    unknown = np.unique(data.y[codes < 0])
    if len(unknown):
        names = data.classes[unknown].tolist()[:SHOWN]
        near = [(n, difflib.get_close_matches(str(n), list(map(str, known)), 1)) for n in names]
        hints = [f"; {name!r} may be meant for {match[0]!r}" for name, match in near if match]
        more = ", …" if len(known) > SHOWN else ""
        raise LabelError(
            f"{np.count_nonzero(codes < 0)} rows have classes that the model has not, {', '.join(map(repr, names))}"
            f"{''.join(hints)}; the model's are {', '.join(map(repr, known[:SHOWN]))}{more}"
        )
    return np.asarray(codes, np.intp)
