"""The rows of a fitted model as inference sees them: centred columns of unit deviation, a block at a time.

    z = (scale · X + shift) W + b + offset = x V + offset,      x = (1, (scale · X + shift − centre) / unit)

    x (n, p)   V (p, K), with V[:, base] = 0   p = d + 1, or d without an intercept

Columns far from 0, or of units far apart, would leave the information matrix few digits; these do not. The base is the
class with the most weight, so that what is estimated against it is estimated as well as can be; `report` turns that
into the contrasts that a person asks for.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from softreg.arrays import dense
from softreg.data import Dataset
from softreg.errors import InferenceError, SingularInformationError
from softreg.inference.observed import fitted, observed
from softreg.model import Model

__all__ = ["Block", "Design", "design", "table_names"]

BLOCK_CELLS = 1 << 21  # numbers made of a block's rows, at once
MAX_BYTES = 2 << 30
MATRICES = 6  # as large as the information, at once, at most
RANK = 64 * np.finfo(float).eps  # of the columns' correlations, for each column: what rounding leaves of a 0
INVOLVED = 1e-5  # a column's part in a dependence, relative to the largest

Vector = NDArray[np.float64]


class Block(NamedTuple):
    """Some rows: x (m, p), what their probabilities should be (m, K), weights (m,), and offsets (m, K) or 0."""

    x: Vector
    targets: Vector
    w: Vector
    offset: Vector | float = 0.0


@dataclass(frozen=True, eq=False)
class Design:
    """A model and rows, checked, and the coordinates above."""

    model: Model
    data: Dataset
    intercept: bool
    names: tuple[str, ...]  # of the columns of X
    penalty: float  # κ in κ/2 ‖W‖² beside Σ w CE, W in the model's units and centred over the classes
    counts: Vector  # (K,) weight of each class
    centre: Vector  # (d,)
    unit: Vector  # (d,)
    correlations: Vector  # (d, d)

    @property
    def n_terms(self) -> int:
        """Parameters of a class."""
        return self.data.n_features + self.intercept

    @property
    def n_rows(self) -> int:
        """Rows with a weight."""
        w = self.data.weights
        return self.data.n_rows if w is None else int(np.count_nonzero(w))

    @property
    def base(self) -> int:
        """Code of the class that the others are compared with."""
        return int(self.counts.argmax())

    @property
    def free(self) -> NDArray[np.int64]:
        """Codes of the others."""
        return np.delete(np.arange(self.data.n_classes), self.base)

    @property
    def weight(self) -> float:
        """Σw."""
        return float(self.counts.sum())

    @property
    def ridge(self) -> Vector:
        """κ of each term, in the units of V: (p,)."""
        return np.append(np.zeros(int(self.intercept)), self.penalty / self.unit**2)

    @property
    def V(self) -> Vector:
        """The model's parameters in these coordinates, (p, K)."""
        W, b = (v - v[..., [self.base]] for v in (self.model.W, self.model.b))
        slopes = W * self.unit[:, None]
        return np.vstack([b + self.centre @ W, slopes]) if self.intercept else slopes

    def moved(self, V: Vector) -> tuple[Vector, Vector]:
        """W and b of the model for these parameters, centred over the classes."""
        W = V[int(self.intercept) :] / self.unit[:, None]
        b = V[0] - self.centre @ W if self.intercept else np.zeros(V.shape[1])
        return W - W.mean(axis=1, keepdims=True), b - b.mean()

    def standardised(self, X: NDArray[Any]) -> Vector:
        """Rows (m, d) as x (m, p)."""
        x = np.ones((len(X), self.n_terms))
        x[:, int(self.intercept) :] = (self.data.scale * X.astype(float) + self.data.shift - self.centre) / self.unit
        return x

    def blocks(self, columns: int) -> Iterator[Block]:
        """Blocks of the rows that have weight, few enough that `columns` numbers of each are not many."""
        data = self.data
        for rows in _spans(data, columns):
            w = np.ones(rows.stop - rows.start) if data.weights is None else data.weights[rows]
            has = w > 0
            offset = 0.0 if data.offset is None else data.offset[rows][has].astype(float)
            yield Block(self.standardised(dense(data.X, rows)[has]), data.probabilities(rows)[has], w[has], offset)

    def check_rank(self) -> None:
        """Raise SingularInformationError where columns are constant or linearly dependent, and no penalty chooses."""
        if self.penalty > 0:
            return
        one = np.diagonal(self.correlations) == 0
        if one.any():
            which = tuple(np.array(self.names)[one].tolist())
            means = "are constant, as the intercept is" if self.intercept else "are 0 throughout"
            raise SingularInformationError(
                which, (), f"columns {_listed(which)} {means}: leave them out, or fit with a penalty (C finite)"
            )
        values, vectors = np.linalg.eigh(self.correlations)
        null = np.abs(vectors[:, values <= RANK * len(values)])
        if null.shape[1]:
            which = tuple(np.array(self.names)[(null > INVOLVED * null.max(axis=0)).any(axis=1)].tolist())
            also = " (with the intercept)" if self.intercept else ""
            raise SingularInformationError(
                which,
                (),
                f"columns {_listed(which)} are linearly dependent{also}, so that their coefficients cannot be told "
                f"apart: leave {null.shape[1]} of them out, or fit with a penalty (C finite)",
            )


def design(
    model: Any,
    X: ArrayLike,
    y: ArrayLike,
    sample_weight: ArrayLike | None,
    offset: ArrayLike | None,
    max_bytes: int,
) -> Design:
    """Check that these rows are such as the model was fitted on, and look at their columns: two passes.

    Raises
    ------
    SettingError
        Where there is no model.
    DataError
        Where the rows or labels do not suit the model.
    InferenceError
        Where the penalty is L1, there is no weight, or the information matrix would not fit into `max_bytes`.
    """
    data, model = observed(model, X, y, sample_weight, offset), fitted(model)
    penalty = _penalty(model)
    columns = getattr(X, "columns", None)
    intercept = bool(model.settings.get("fit_intercept", True)) or bool(np.ptp(model.b))
    wanted = MATRICES * 8 * ((data.n_features + intercept) * data.n_classes) ** 2
    if wanted > max_bytes:
        raise InferenceError(
            f"the information matrix of {data.n_features} columns and {data.n_classes} classes takes "
            f"{wanted / 2**30:.3g} GiB, above the limit of {max_bytes / 2**30:.3g}: take fewer columns, or give "
            f"max_bytes={wanted} where there is that memory"
        )
    counts = _counts(data)
    if not counts.sum() > 0:
        raise InferenceError("there is no row with a weight above 0: there is nothing to learn from")
    centre, unit, correlations = _columns(data, intercept=intercept)
    return Design(model, data, intercept, table_names(model, columns), penalty, counts, centre, unit, correlations)


def table_names(model: Model, columns: Any = None) -> tuple[str, ...]:
    """Names of the columns: the model's, else those of the table that X came as, else their places."""
    if model.feature_names is not None:
        return tuple(model.feature_names)
    if columns is not None and all(isinstance(name, str) for name in columns):
        return tuple(map(str, columns))
    return tuple(f"x{j}" for j in range(model.n_features))


def _penalty(model: Model) -> float:
    C = model.settings.get("C")
    if C is None or math.isinf(C):
        return 0.0
    l1_ratio = model.settings.get("l1_ratio") or 0.0
    if l1_ratio > 0:
        raise InferenceError(
            f"the model was fitted with an L1 penalty (l1_ratio={l1_ratio:g}), which puts some coefficients at exactly "
            "0: what chose them has no standard error that a Hessian could give; fit with l1_ratio=0, or bootstrap"
        )
    return float((2 if model.n_classes == 2 else 1) / C)  # of two classes ‖W‖² is half of the one row's


def _counts(data: Dataset) -> Vector:
    """Weight of each class."""
    if data.targets is None:
        return np.bincount(data.y, data.weights, minlength=data.n_classes).astype(float)
    total = np.zeros(data.n_classes)
    for span in _spans(data, data.n_classes):
        Y = data.probabilities(span)
        total += Y.sum(axis=0) if data.weights is None else data.weights[span] @ Y
    return total


def _columns(data: Dataset, *, intercept: bool) -> tuple[Vector, Vector, Vector]:
    """Means, deviations and correlations of the columns as the model sees them; about 0 without an intercept.

    A column without deviation has correlation 0 with all, itself included, and the unit 1.
    """
    d = data.n_features
    centre, total = np.zeros(d), 0.0

    def rows() -> Iterator[tuple[Vector, Vector]]:
        for span in _spans(data, d):
            w = np.ones(span.stop - span.start) if data.weights is None else data.weights[span]
            yield data.scale * dense(data.X, span).astype(float) + data.shift, w

    largest = np.zeros(d)
    for x, w in rows():
        total += w.sum()
        centre += w @ x
        np.maximum(largest, np.abs(x).max(axis=0, initial=0.0), out=largest)
    centre = centre / total if intercept else np.zeros(d)
    gram = np.zeros((d, d))
    for x, w in rows():
        x -= centre
        gram += x.T @ (x * w[:, None])
    deviation = np.sqrt(np.diagonal(gram) / total)
    constant = deviation <= 1e3 * np.finfo(float).eps * largest
    unit = np.where(constant, 1.0, deviation)
    correlations = gram / total / np.outer(unit, unit)
    correlations[constant] = correlations[:, constant] = 0.0
    return centre, unit, correlations


def _spans(data: Dataset, columns: int) -> Iterator[slice]:
    size = max(1, BLOCK_CELLS // columns)
    for start in range(0, data.n_rows, size):
        yield slice(start, min(start + size, data.n_rows))


def _listed(names: tuple[str, ...], most: int = 6) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(repr, names[:most])) + more
