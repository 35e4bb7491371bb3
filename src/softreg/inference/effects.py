"""marginal_effects: what a column does to the probabilities, with standard errors by the delta method.

    ∂p_k/∂x_j = p_k δ_jk,                    δ_jk = V_jk − Σ_l p_l V_jl
    ∂/∂V_mc of it = [k = c] p_k δ_jk x_m − p_k p_c (δ_jk + δ_jc) x_m + [j = m] p_k ([k = c] − p_c)

averaged over rows, or at one; a discrete change is p_k at 1 less p_k at 0, and ∂p_k/∂V_mc = p_k ([k = c] − p_c) x_m.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from softreg.arrays import dense
from softreg.errors import DataError, SettingError, ShapeError
from softreg.inference.design import MAX_BYTES, Block, Design, design
from softreg.inference.information import probabilities
from softreg.inference.layout import Layout, figures, p_figure, plain
from softreg.inference.optimum import at_optimum
from softreg.inference.table import Table
from softreg.inference.wald import Wald, check_level
from softreg.kernels import one_blas_thread

__all__ = ["MarginalEffects", "marginal_effects"]

BLOCK_ROWS = 4096
PLACES = ("overall", "mean", "zero")
WHERE = {"overall": "averaged over the rows", "mean": "at the mean of the rows", "zero": "where all columns are 0"}

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class MarginalEffects(Wald):
    """Changes of the probabilities with the columns. Arrays are (columns, classes); the classes sum to 0."""

    effects: Array  # dp/dx in the units of the caller's X, or the change from 0 to 1
    standard_errors: Array
    columns: tuple[str, ...]
    classes: NDArray[Any]
    discrete: tuple[bool, ...]  # which columns' are changes from 0 to 1
    at: str  # where they were taken
    level: float

    @property
    def estimates(self) -> Array:
        """The effects."""
        return self.effects

    @property
    def table(self) -> Table:
        """One row for each class and column, class by class."""
        d, K = self.effects.shape
        low, high = (self.intervals[..., i].T.ravel() for i in (0, 1))
        columns = {
            "class": np.repeat(self.classes, d),
            "column": np.tile(np.array(self.columns), K),
            "effect": self.effects.T.ravel(),
            "std_error": self.standard_errors.T.ravel(),
            "z": self.z.T.ravel(),
            "p_value": self.p_values.T.ravel(),
            "low": low,
            "high": high,
        }
        return Table(columns)

    @property
    def layout(self) -> Layout:
        """What is printed."""
        sections = []
        for k, label in enumerate(self.classes.tolist()):
            rows = []
            for j, name in enumerate(self.columns):
                low, high = self.intervals[j, k]
                error, z, p = self.standard_errors[j, k], self.z[j, k], self.p_values[j, k]
                first, second, third, fourth = figures(error, self.effects[j, k], error, low, high)
                change = " (0 to 1)" if self.discrete[j] else ""
                rows.append((plain(name) + change, first, second, f"{z:.2f}", p_figure(p), third, fourth))
            sections.append((plain(label), tuple(rows)))
        columns = ("", "dp/dx", "std. error", "z", "p", f"{100 * self.level:g} % low", "high")
        return Layout(f"Marginal effects on the probabilities, {self.at}", (), columns, tuple(sections))

    def __str__(self) -> str:
        return self.layout.text()

    def __repr__(self) -> str:
        d, K = self.effects.shape
        return f"MarginalEffects({d} columns, {K} classes, {self.at}): print it, or take its table"

    def _repr_html_(self) -> str:
        return self.layout.html()


def marginal_effects(
    model: Any,
    X: ArrayLike,
    y: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    offset: ArrayLike | None = None,
    at: str | ArrayLike = "overall",
    columns: Sequence[str | int] | None = None,
    discrete: bool = False,
    level: float = 0.95,
    max_bytes: int = MAX_BYTES,
) -> MarginalEffects:
    """What one unit more of a column does to the probability of each class, at first order.

    Parameters
    ----------
    model, X, y, sample_weight, offset, max_bytes
        As for `summary`: the model, and the rows that it was fitted on.
    at : {"overall", "mean", "zero"} or (d,) array
        The weighted average over the rows; or at their weighted mean (of offsets too), where all columns are 0, or at
        this row, both without an offset.
    columns : sequence of names or places, optional
        All by default.
    discrete : bool
        Whether columns that hold only 0 and 1 get the change of the probability from 0 to 1 instead of a slope.
    level : float
        Of the confidence intervals, in (0, 1).

    Returns
    -------
    MarginalEffects
        Standard errors are the delta method's, from the observed information; X is taken as given.

    Raises
    ------
    InferenceError, DataError, SettingError
        As `summary`; SettingError too where there is no such column, or no such place.

    Examples
    --------
    >>> import numpy as np
    >>> from softreg import Dataset, Settings, fit
    >>> hours = np.array([[0.5], [1.0], [1.5], [2.0], [2.5], [3.0], [3.5], [4.0]])
    >>> passed = np.array(["no", "no", "yes", "no", "yes", "no", "yes", "yes"])
    >>> model, _ = fit(Dataset.from_labels(hours, passed), Settings.for_inference())
    >>> found = marginal_effects(model, hours, passed)
    >>> found.effects.round(4), found.standard_errors.round(4)
    (array([[-0.208,  0.208]]), array([[0.0674, 0.0674]]))
    """
    check_level(level)
    if isinstance(at, str) and at not in PLACES:
        raise SettingError("at", at, f"one of {', '.join(map(repr, PLACES))}, or a row of X")
    rows = design(model, X, y, sample_weight, offset, max_bytes)
    which = _which(rows, columns)
    covariance = at_optimum(rows).covariance
    steps = [discrete and _is_binary(rows, j) for j in which]
    sums = [_Change(rows, j) if step else _Slope(rows, j) for j, step in zip(which, steps, strict=True)]
    with one_blas_thread():
        for block in _place(rows, at):
            probs, _ = probabilities(block.x @ rows.V + block.offset)
            products = _products(probs, block.x)
            for one in sums:
                one.add(block, probs, products)
    results = [one.result(covariance) for one in sums]
    where = WHERE[at] if isinstance(at, str) else "at the given row"
    names = tuple(rows.names[j] for j in which)
    effects, errors = (np.array(part) for part in zip(*results, strict=True))
    return MarginalEffects(effects, errors, names, rows.data.classes, tuple(steps), where, level)


class _Sums(ABC):
    """Weighted sums over rows of the effects of a column, (K,), and their Jacobian, (K, K, p) for all classes c."""

    def __init__(self, rows: Design, j: int) -> None:
        K = rows.data.n_classes
        self.rows, self.j, self.term = rows, j, j + rows.intercept
        self.weight, self.effect, self.jacobian = 0.0, np.zeros(K), np.zeros((K, K, rows.n_terms))
        self.unit = 1.0  # of the result: what x changes by where the caller's X changes by 1

    @abstractmethod
    def add(self, block: Block, probs: Array, products: Array) -> None:
        """Take in a block of rows, their probabilities (m, K) and p_c x_m, (m, K · p)."""

    def result(self, covariance: Array) -> tuple[Array, Array]:
        """Effects and their standard errors, (K,) each."""
        J = self.jacobian[:, self.rows.free].reshape(len(self.effect), -1)
        variance = np.einsum("kd,kd->k", J @ covariance, J)
        factor = self.unit / self.weight
        return factor * self.effect, abs(factor) * np.sqrt(np.maximum(variance, 0.0))


class _Slope(_Sums):
    def __init__(self, rows: Design, j: int) -> None:
        super().__init__(rows, j)
        self.unit = float(np.broadcast_to(rows.data.scale, rows.data.n_features)[j] / rows.unit[j])

    def add(self, block: Block, probs: Array, products: Array) -> None:
        x, w = block.x, block.w
        slopes = self.rows.V[self.term]
        deviation = slopes - (probs @ slopes)[:, None]
        weighted = w[:, None] * probs
        K, every = probs.shape[1], np.arange(probs.shape[1])
        E = ((weighted * deviation).T @ products).reshape(K, K, -1)
        self.jacobian -= E + E.transpose(1, 0, 2)
        self.jacobian[every, every] += (weighted * deviation).T @ x
        self.jacobian[:, :, self.term] += np.diag(weighted.sum(axis=0)) - weighted.T @ probs
        self.effect += (weighted * deviation).sum(axis=0)
        self.weight += float(w.sum())


class _Change(_Sums):
    def add(self, block: Block, probs: Array, products: Array) -> None:
        del probs, products  # of the rows as they are, and here they are changed
        data, every = self.rows.data, np.arange(self.rows.data.n_classes)
        scale, shift = (np.broadcast_to(v, data.n_features)[self.j] for v in (data.scale, data.shift))
        for sign, value in ((1.0, scale + shift), (-1.0, shift)):
            x = block.x.copy()
            x[:, self.term] = (value - self.rows.centre[self.j]) / self.rows.unit[self.j]
            p, _ = probabilities(x @ self.rows.V + block.offset)
            weighted = sign * block.w[:, None] * p
            self.jacobian -= (weighted.T @ _products(p, x)).reshape(self.jacobian.shape)
            self.jacobian[every, every] += weighted.T @ x
            self.effect += weighted.sum(axis=0)
        self.weight += float(block.w.sum())


def _products(probs: Array, x: Array) -> Array:
    return np.asarray((probs[:, :, None] * x[:, None, :]).reshape(len(x), -1))


def _place(rows: Design, at: str | ArrayLike) -> Any:
    """Blocks of the rows, or the one row."""
    d = rows.data.n_features
    if isinstance(at, str) and at == "overall":
        return rows.blocks(rows.n_terms * rows.data.n_classes)
    if isinstance(at, str) and at == "mean":
        total, offset = np.zeros(rows.n_terms), np.zeros((1, rows.data.n_classes))
        for block in rows.blocks(rows.n_terms):
            total += block.w @ block.x
            offset += block.w @ np.broadcast_to(block.offset, block.targets.shape)
        x, offset = total[None] / rows.weight, offset / rows.weight
    else:
        row = np.zeros(d) if isinstance(at, str) else np.asarray(at, dtype=float)
        if row.shape != (d,):
            raise ShapeError("at", row.shape, f"({d},): a value for each column")
        if not np.isfinite(row).all():
            raise DataError("at has nan or infinite values; expected finite numbers")
        x, offset = rows.standardised(row[None]), np.zeros((1, rows.data.n_classes))
    return [Block(x, np.zeros_like(offset), np.ones(1), offset)]


def _which(rows: Design, columns: Sequence[str | int] | None) -> list[int]:
    if columns is None:
        return list(range(rows.data.n_features))
    if isinstance(columns, str) or not len(columns):
        raise SettingError("columns", columns, "a list of names or places of columns, at least one")
    out = []
    for column in columns:
        if column in rows.names:
            out.append(rows.names.index(str(column)))
        elif hasattr(column, "__index__") and 0 <= int(column) < rows.data.n_features:
            out.append(int(column))
        else:
            raise SettingError("columns", column, f"names or places of the {rows.data.n_features} columns")
    return out


def _is_binary(rows: Design, j: int) -> bool:
    X = rows.data.X
    parts = (dense(X, slice(start, start + BLOCK_ROWS))[:, j] for start in range(0, X.shape[0], BLOCK_ROWS))
    return all(bool(((part == 0) | (part == 1)).all()) for part in parts)
