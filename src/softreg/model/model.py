"""Model: weights, biases and what they apply to. Frozen, NumPy only."""

from __future__ import annotations

import operator
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from softreg.data import Dataset
from softreg.decision import Decisions, Rejection, Scaling, SplitConformal, decide
from softreg.decision.prior import frequencies
from softreg.errors import DataError, SettingError, ShapeError
from softreg.kernels import Rows, loss, native, one_blas_thread
from softreg.model.prediction import Logits, Offset, rows_of
from softreg.objective.targets import Targets

__all__ = ["Model", "Score", "Section"]


class Score(NamedTuple):
    """Weighted mean cross-entropy, and weighted share of right labels."""

    loss: float
    accuracy: float


# Every other key of a file is a section that is kept as it came.
FILE_KEYS = ("format", "requires", "model", "settings", "history", "provenance", "calibration", "conformal")


@dataclass(frozen=True, eq=False)
class Section:
    """A part of a model file that this version has no use for, kept as it came."""

    fields: Any
    tensors: Mapping[str, NDArray[Any]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False, repr=False)
class Model:
    """Softmax regression, fitted: p(class | x) = softmax((scale · x + shift) W + b).

    Attributes
    ----------
    W : (d, K) float64
        Weights in scaled units: a fit centres each row, since adding a constant to it changes no probability.
    b : (K,) float64
        A fit centres those of the classes that it had rows of.
    classes : (K,) array
        In the type that the labels had.
    scale, shift : float or (d,) float64
    feature_names : tuple of str, optional
    image_shape : (height, width), optional
    settings : mapping
        What the fit was asked to do, as plain values.
    history : mapping of str to (steps,) float64
        Loss, accuracy and what else was measured after each step; no times, so that equal fits make equal files.
    sections : mapping of str to Section
        Parts of the file that another version wrote; saved again as they came.
    calibration : Scaling, optional
        Applied to the logits wherever probabilities, or labels, are made; `softreg.decision.calibrate` finds it. W, b
        and `logits` are as they were fitted.
    conformal : SplitConformal, optional
        Held-out rows' scores under these probabilities, for prediction sets.
    class_prior : (K,) float64, optional
        The share of each class where the probabilities hold: among the rows of the fit, by weight.
    provenance : mapping
        Of the fit: `n_rows`, the rows it was of, and `weight`, the sum of theirs; `status` and `message`, how it ended;
        `certificate`, how far above the optimum that is at most, relative to the value, or None; and `class_prior`,
        where the model's own is of other rows. Empty where nobody said.
    """

    W: NDArray[np.float64]
    b: NDArray[np.float64]
    classes: NDArray[Any]
    scale: float | NDArray[np.float64] = 1.0
    shift: float | NDArray[np.float64] = 0.0
    feature_names: tuple[str, ...] | None = None
    image_shape: tuple[int, int] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    history: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    sections: Mapping[str, Section] = field(default_factory=dict)
    calibration: Scaling | None = None
    conformal: SplitConformal | None = None
    class_prior: NDArray[np.float64] | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("W", "b"):
            array = np.asarray(getattr(self, name))
            if array.dtype.kind not in "iuf":
                raise DataError(f"{name} has dtype {array.dtype}; expected numbers")
            object.__setattr__(self, name, array.astype(float, copy=False))
        object.__setattr__(self, "classes", np.asarray(self.classes))
        if self.classes.dtype.kind not in "biuU":
            raise DataError(f"classes have dtype {self.classes.dtype}; expected strings, integers or booleans")
        if self.W.ndim != 2 or self.W.shape[0] == 0 or self.W.shape[1] < 2:
            raise ShapeError("W", self.W.shape, "(features, classes), at least one feature and two classes")
        d, K = self.W.shape
        for name, value, shapes in (
            ("b", self.b, [(K,)]),
            ("classes", self.classes, [(K,)]),
            ("scale", np.asarray(self.scale), [(), (d,)]),
            ("shift", np.asarray(self.shift), [(), (d,)]),
        ):
            if value.shape not in shapes:
                raise ShapeError(name, value.shape, " or ".join(map(str, shapes)))
            if name != "classes" and not np.isfinite(value).all():
                raise DataError(f"{name} has nan or infinite entries")
        if not np.isfinite(self.W).all():
            raise DataError("W has nan or infinite entries")
        if len(np.unique(self.classes)) < K:
            raise DataError("a class is listed twice")
        for section, content in self.sections.items():
            if not section or "." in section or section in FILE_KEYS:
                raise DataError(f"a section is called {section!r}; expected a name without dots, none of {FILE_KEYS}")
            if not all(content.tensors):
                raise DataError(f"a tensor of the section {section!r} has no name")
        scaling, conformal = self.calibration, self.conformal
        if scaling is not None and {np.shape(scaling.scale), np.shape(scaling.bias)} - {(), (K,)}:
            raise ShapeError("calibration", np.shape(scaling.scale), f"a number, or one for each of {K} classes")
        if conformal is not None and (conformal.scores is None or conformal.n_classes != K):
            raise DataError(f"conformal has not the scores of rows with {K} classes")
        if self.class_prior is not None:
            object.__setattr__(self, "class_prior", frequencies(self.class_prior, "class_prior"))
            if np.shape(self.class_prior) != (K,):
                raise ShapeError("class_prior", np.shape(self.class_prior), f"({K},), a share for each class")
        if self.feature_names is not None and len(self.feature_names) != d:
            raise ShapeError("feature_names", (len(self.feature_names),), f"({d},)")
        if self.image_shape is not None and np.prod(self.image_shape) != d:
            raise DataError(f"images of {self.image_shape} have other than {d} pixels")

    @property
    def n_features(self) -> int:
        """Columns that X must have."""
        return int(self.W.shape[0])

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return len(self.classes)

    def predict(self, X: Any, offset: Offset = None) -> NDArray[Any]:
        """Most likely class of each row.

        Parameters
        ----------
        X : (n, d) or (n, height, width) array of numbers, in the units of the training data
        offset : (n, K) array of numbers, optional
            Added to the logits; 0 by default.

        Returns
        -------
        (n,) array of the type of `classes`

        Raises
        ------
        ShapeError
            Where the features are not as many as the model's.
        DataError
            Where X is not numbers, or gives a row nan for its logits.

        Examples
        --------
        >>> model = Model(np.array([[1.0, -1.0]]), np.zeros(2), np.array(["up", "down"]))
        >>> model.predict([[3.0], [-2.0]])
        array(['up', 'down'], dtype='<U4')
        """
        return self.classes[self._calibrated().largest(X, 1, offset)[0][:, 0]]

    def logits(self, X: Any, offset: Offset = None) -> NDArray[np.float64]:
        """Logits of each class for each row: (n, K). Raises what `predict` raises."""
        return self._uncalibrated().all_classes(X, offset, lambda z, n: None)

    def predict_proba(self, X: Any, offset: Offset = None) -> NDArray[np.float64]:
        """Probability of each class for each row: (n, K), rows that sum to 1. Raises what `predict` raises."""
        return self._calibrated().all_classes(X, offset, native.softmax)

    def predict_log_proba(self, X: Any, offset: Offset = None) -> NDArray[np.float64]:
        """Logarithm of `predict_proba`, finite and right where that underflows or rounds to 1.

        It is as precise as the logits: to about 1e-6 of a row's largest logit where float32, which holds X's type
        exactly, is what they are computed in, and to 3e-15 for float64 and integers of 32 or 64 bits. (What is lost is
        2e-7 of the largest Σ_j |x_j W_jk|, more of a logit that cancels.) `X.astype(float)` is what a caller who needs
        the last digits gives.

        Examples
        --------
        >>> model = Model(np.array([[1.0, -1.0]]), np.zeros(2), np.array(["up", "down"]))
        >>> model.predict_log_proba([[400.0]])
        array([[   0., -800.]])
        """
        return self._calibrated().all_classes(X, offset, native.log_softmax)

    def predict_topk(self, X: Any, k: int, offset: Offset = None) -> tuple[NDArray[Any], NDArray[np.float64]]:
        """Return the k most likely classes of each row and their probabilities, (n, k) each, the likeliest first.

        Nothing of the size of all classes times all rows is made. Raises what `predict` raises, and SettingError
        where k is not in 1 … K.

        Examples
        --------
        >>> model = Model(np.array([[1.0, -1.0, 0.0]]), np.zeros(3), np.array(["up", "down", "level"]))
        >>> classes, probs = model.predict_topk([[3.0]], 2)
        >>> classes.tolist(), probs.round(3).tolist()
        ([['up', 'level']], [[0.95, 0.047]])
        """
        if not hasattr(k, "__index__") or not 1 <= operator.index(k) <= self.n_classes:
            raise SettingError("k", k, f"a whole number from 1 to {self.n_classes}, the classes of the model")
        k = operator.index(k)
        codes, log_probs = self._calibrated().largest(X, k, offset, native.log_softmax)
        return self.classes[codes], np.exp(log_probs)

    def score(self, data: Dataset, rows: NDArray[np.int64] | None = None) -> Score:
        """Loss and accuracy on rows with labels or targets, all or those with these numbers; nan without any weight.

        Raises
        ------
        DataError
            Where the classes of the data are not the model's, in its order.
        """
        if not np.array_equal(data.classes, self.classes):
            raise DataError(
                f"the data has the classes {data.classes.tolist()}; expected the model's, {self.classes.tolist()}"
            )
        at = self._calibrated()
        part = Rows(rows_of(data.X, self.n_features), data.y, data.weights, rows, offset=at.scaled(data.offset))
        soft = None if data.targets is None else Targets(data, part).columns
        with one_blas_thread():
            total, n_correct = loss(part, *at.folded(), columns=soft)
        weight = part.weight or float("nan")
        return Score(total / weight, n_correct / weight)

    def decide(
        self,
        X: Any,
        *,
        costs: Any = None,
        reject: float | None = None,
        accept: float | Rejection | None = None,
        sets: float | None = None,
        offset: Offset = None,
    ) -> Decisions:
        """What to do with each row: `softreg.decision.decide` with the model's probabilities, which see for the rest.

        Examples
        --------
        >>> model = Model(np.array([[1.0, -1.0]]), np.zeros(2), np.array(["ill", "well"]))
        >>> model.decide([[-2.0], [-0.5]], costs={"ill": {"treat": 1, "wait": 50}, "well": {"treat": 5, "wait": 0}})
        Decisions(2 rows: 1 treat, 1 wait)
        """
        given = {"costs": costs, "reject": reject, "accept": accept, "sets": sets, "conformal": self.conformal}
        return decide(self.predict_proba(X, offset), self.classes, **given)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to one file, which is either whole or as it was before.

        Equal models make equal files. Raises OSError where the disk says no.
        """
        from softreg.model import storage  # safetensors is needed here alone

        storage.save(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Model:
        """Read a model that `save` wrote. No code in the file can run.

        Raises
        ------
        ModelFileError
            Where the file is not whole, not ours, of a newer format, or holds non-finite weights.
        OSError
            Where it cannot be read.
        """
        from softreg.model import storage

        return storage.load(path)

    def _uncalibrated(self) -> Logits:
        return Logits(self.W, self.b, self.scale, self.shift)

    def _calibrated(self) -> Logits:
        return Logits(self.W, self.b, self.scale, self.shift, self.calibration)

    def _repr_html_(self) -> str:
        from softreg.model import display

        return display.as_html(self)

    def __repr__(self) -> str:
        return (
            f"Model({self.n_features} features, {self.n_classes} classes: {', '.join(map(str, self.classes[:4]))}"
            + (", …)" if self.n_classes > 4 else ")")
        )
