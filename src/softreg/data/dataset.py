"""Dataset: rows, labels and what they mean, checked once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from softreg.arrays import admitted, as_rows, dtype_name, is_sparse, kind, non_finite
from softreg.data.targets import checked, divided, floats
from softreg.errors import DataError, LabelError, ShapeError

__all__ = ["Dataset", "check_finite"]


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Rows and their labels. Holding one is the proof that they fit together: nothing after it checks again.

    Parameters
    ----------
    X : (n, d) or (n, height, width) array of numbers
        Kept as it is: no copy, no conversion. Images are seen as rows of pixels, and their shape is remembered (those
        whose pixels do not follow each other evenly in memory are copied for it, in their type).
    y : (n,) array of int
        Codes into `classes`.
    classes : (K,) array
        What the codes stand for; at least two, all different.
    scale, shift : float or (d,) array
        The model sees scale · X + shift.
    feature_names : sequence of str, optional
    weights : (n,) array of float, optional
        Non-negative and finite; 1 each by default.
    targets : (n, K) array of float, optional
        Probabilities of the classes in the place of a label: a row is non-negative and sums to 1, to within 1e-5
        (1e-2 in types of two bytes); what is missing is divided out where it is used. y is then the class of the
        row's largest, the first of equals, and serves accuracies. `from_targets` makes both.
    offset : (n, K) array of float, optional
        Logits that are known beforehand: the model's are added to them. Its predictions are for an offset of 0, or for
        the one that they are given.

    Raises
    ------
    ShapeError
        Where the shapes disagree.
    LabelError
        Where a code is outside the classes, or a row of targets is no distribution or not of that label.
    DataError
        Where X is not numbers, or X or a weight is nan or infinite: the message says where.

    Examples
    --------
    >>> data = Dataset.from_labels([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], ["cat", "dog", "cat"])
    >>> data
    Dataset(3 rows, 2 features, 2 classes, float64)
    >>> data.y, data.classes
    (array([0, 1, 0], dtype=int32), array(['cat', 'dog'], dtype='<U3'))
    """

    X: Any  # of the type and storage that came
    y: NDArray[Any]  # int32, whatever type of integers was given
    classes: NDArray[Any]
    scale: float | NDArray[np.float64] = 1.0
    shift: float | NDArray[np.float64] = 0.0
    feature_names: tuple[str, ...] | None = None
    image_shape: tuple[int, int] | None = None
    weights: NDArray[np.float64] | None = None
    targets: NDArray[Any] | None = None  # float32 as it was given, else float64
    offset: NDArray[Any] | None = None  # as targets

    def __post_init__(self) -> None:
        def put(name: str, value: object) -> None:
            object.__setattr__(self, name, value)

        X = admitted(self.X)
        if X.ndim == 3:
            put("image_shape", X.shape[1:])
            X = as_rows(X)
        if X.ndim != 2:
            raise ShapeError("X", X.shape, "(rows, features), or (rows, height, width) for images")
        if kind(X) not in "buif":
            raise DataError(f"X has dtype {X.dtype}; expected numbers: encode text and categories as columns first")
        n, d = X.shape
        if d == 0:
            raise ShapeError("X", X.shape, "at least one feature")
        check_finite(X)
        put("X", X)

        classes = _plain(self.classes)
        if classes.ndim != 1 or len(classes) < 2:
            raise LabelError(f"classes are {classes.tolist()!r}; expected at least two: classes= says all there are")
        if classes.dtype.kind not in "biuU":
            raise LabelError(f"classes have dtype {classes.dtype}; expected strings, integers or booleans")
        if len(np.unique(classes)) < len(classes):
            raise LabelError("a class is listed twice")
        put("classes", classes)

        y = np.asarray(self.y)
        if y.shape != (n,):
            raise ShapeError("y", y.shape, f"({n},): one label for each row of X")
        if y.dtype.kind not in "iu":
            raise LabelError(f"y has dtype {y.dtype}; expected integer codes: Dataset.from_labels takes labels")
        wrong = np.flatnonzero((y < 0) | (y >= len(classes)))
        if len(wrong):
            raise LabelError(
                f"{len(wrong)} labels are outside the {len(classes)} classes; "
                f"the first is {y[wrong[0]]} in row {wrong[0]}"
            )
        put("y", np.ascontiguousarray(y, dtype=np.int32))

        for name in ("scale", "shift"):
            value = np.asarray(getattr(self, name), dtype=float)
            if value.shape not in ((), (d,)):
                raise ShapeError(name, value.shape, f"a number, or ({d},): one for each feature")
            if not np.isfinite(value).all():
                raise DataError(f"{name} has nan or infinite entries; expected finite numbers")
            put(name, float(value) if value.shape == () else value)

        if self.feature_names is not None:
            put("feature_names", tuple(self.feature_names))
            if not all(isinstance(name, str) for name in self.feature_names):
                raise DataError(f"feature_names are {self.feature_names[:3]!r}, …; expected strings")
            if len(self.feature_names) != d:
                raise ShapeError("feature_names", (len(self.feature_names),), f"({d},): one for each feature")
        if self.image_shape is not None:
            sides: tuple[int, ...] = tuple(int(side) for side in self.image_shape)
            if len(sides) != 2 or sides[0] * sides[1] != d:
                raise ShapeError("image_shape", sides, f"a height and a width of {d} pixels in all")
            put("image_shape", sides)
        if self.weights is not None:
            w = np.ascontiguousarray(self.weights, dtype=float)
            if w.shape != (n,):
                raise ShapeError("weights", w.shape, f"({n},): one for each row of X")
            bad = np.flatnonzero(~(np.isfinite(w) & (w >= 0)))
            if len(bad):
                raise DataError(f"{len(bad)} weights are negative, nan or infinite; the first in row {bad[0]}")
            put("weights", w)
        if self.targets is not None:
            put("targets", checked(self.targets, self.y, len(classes)))
        if self.offset is not None:
            put("offset", floats(self.offset, "offset", (n, len(classes)), "a logit for each row and class"))
            check_finite(self.offset, "offset")

    @classmethod
    def from_labels(cls, X: Any, labels: ArrayLike, **fields: Any) -> Dataset:
        """Make a Dataset from labels of any kind; the classes are the sorted labels unless `classes` is given.

        Raises
        ------
        LabelError
            Where a label is not among the given classes, or the labels are neither strings, integers nor booleans.
        """
        labels = _plain(labels)
        if labels.dtype.kind not in "biuU":
            remedy = "; labels.astype(int) makes integers of whole numbers" if labels.dtype.kind == "f" else ""
            raise LabelError(f"labels have dtype {labels.dtype}; expected strings, integers or booleans{remedy}")
        if labels.ndim != 1:
            raise ShapeError("labels", labels.shape, "(n,): one for each row of X")
        if "classes" not in fields:
            classes, codes = np.unique(labels, return_inverse=True)
            return cls(X, codes, classes, **fields)
        classes = _plain(fields.pop("classes"))
        if classes.ndim != 1 or len(classes) < 2:
            raise LabelError(f"classes are {classes.tolist()!r}; expected a list of at least two")
        order = np.argsort(classes)
        place = np.searchsorted(classes, labels, sorter=order).clip(max=len(classes) - 1)
        codes = order[place]
        unknown = np.flatnonzero(classes[codes] != labels)
        if len(unknown):
            raise LabelError(
                f"{len(unknown)} labels are not among the classes; "
                f"the first is {labels[unknown[0]].item()!r} in row {unknown[0]}"
            )
        return cls(X, codes, classes, **fields)

    @classmethod
    def from_targets(cls, X: Any, Y: ArrayLike, classes: ArrayLike | None = None, **fields: Any) -> Dataset:
        """Make a Dataset from rows of probabilities, or of counts: one number for each class.

        A row is divided by its sum, which becomes a factor of its weight: three votes of four for a class are as four
        rows. A sum that is 1 but for rounding, to within 1e-5 (1e-2 in types of two bytes), leaves the weight exactly
        as it is.

        Parameters
        ----------
        X : (n, d) or (n, height, width) array of numbers
        Y : (n, K) array of numbers
            Non-negative, finite, no row all 0.
        classes : (K,) array, optional
            0 … K − 1 by default.
        **fields
            What else a Dataset has; the weights are multiplied by the sums.

        Raises
        ------
        LabelError
            Where a row is negative, nan, infinite or all 0: the message names the first.
        ShapeError
            Where Y is no table of n rows and K classes.

        Examples
        --------
        >>> data = Dataset.from_targets([[0.0], [1.0]], [[3, 1, 0], [0, 1, 1]])
        >>> data.targets, data.weights, data.y
        (array([[0.75, 0.25, 0.  ],
               [0.  , 0.5 , 0.5 ]]), array([4., 2.]), array([0, 1], dtype=int32))
        """
        X, given = admitted(X), np.asarray(Y)
        if given.ndim != 2:
            raise ShapeError("targets", given.shape, "(n, K): a number for each row of X and each class")
        if given.shape[1] < 2:
            raise ShapeError("targets", given.shape, "(n, K): a column for each of at least two classes")
        K = given.shape[1] if classes is None else len(_plain(classes))
        table, sums = divided(given, (X.shape[0] if X.ndim else 0, K))
        if sums is not None:
            w = np.ones(len(table)) if fields.get("weights") is None else np.asarray(fields["weights"], float)
            fields["weights"] = w * sums if w.shape == sums.shape else w  # checked with the rest
        largest = table.argmax(axis=1) if len(table) else np.empty(0, np.int32)
        return cls(X, largest, np.arange(K) if classes is None else _plain(classes), targets=table, **fields)

    def probabilities(self, rows: NDArray[np.int64] | slice) -> NDArray[np.float64]:
        """Return what these rows' probabilities should be, (m, K): the targets, divided by their sums, or the labels.

        Examples
        --------
        >>> Dataset.from_labels([[0.0], [1.0]], ["cat", "dog"]).probabilities(slice(None))
        array([[1., 0.],
               [0., 1.]])
        """
        if self.targets is None:
            y = self.y[rows]
            onehot = np.zeros((len(y), self.n_classes))
            onehot[np.arange(len(y)), y] = 1.0
            return onehot
        Y = self.targets[rows].astype(float)
        Y /= Y.sum(axis=1, keepdims=True)
        return Y

    def frequencies(self, rows: NDArray[np.int64] | None = None, smoothing: float = 0.0) -> NDArray[np.float64]:
        """Return the share of each class, by weight: of all rows, or of those with these numbers.

        `smoothing` is that of the labels. Without any weight the shares are nan.

        Examples
        --------
        >>> Dataset.from_labels([[0.0], [1.0], [2.0]], ["cat", "dog", "cat"], weights=[1, 2, 1]).frequencies()
        array([0.5, 0.5])
        """
        some = slice(None) if rows is None else rows
        w = None if self.weights is None else self.weights[some]
        if self.targets is None:
            sums = np.asarray(np.bincount(self.y[some], w, self.n_classes), float)
        else:
            Y = self.probabilities(some)
            sums = Y.sum(axis=0) if w is None else w @ Y
        with np.errstate(invalid="ignore"):
            return np.asarray((1 - smoothing) * (sums / sums.sum()) + smoothing / self.n_classes)

    @property
    def weight(self) -> float:
        """Sum of the rows' weights."""
        return float(self.n_rows if self.weights is None else self.weights.sum())

    @property
    def n_rows(self) -> int:
        """Rows of X."""
        return int(self.X.shape[0])

    @property
    def n_features(self) -> int:
        """Columns of X."""
        return int(self.X.shape[1])

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return len(self.classes)

    def __repr__(self) -> str:
        kept = dtype_name(self.X.dtype) + (" CSR" if is_sparse(self.X) else "")
        return f"Dataset({self.n_rows} rows, {self.n_features} features, {self.n_classes} classes, {kept})"


def _plain(labels: ArrayLike) -> NDArray[Any]:
    """Labels as an array; text that came as Python objects as an array of text."""
    labels = np.asarray(labels)
    return labels.astype(str) if labels.dtype.kind == "O" and all(isinstance(v, str) for v in labels) else labels


def check_finite(X: Any, name: str = "X") -> None:
    """Raise DataError with the place of the first nan or infinity in an array of rows."""
    found = non_finite(X)
    if found is not None:
        value, (row, *column) = found
        raise DataError(
            f"{name} holds nan or infinite values; the first is {value} in row {row}, "
            f"column {', '.join(map(str, column))}: fill them in or leave those rows out"
        )
