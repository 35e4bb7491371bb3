"""What a fitted estimator does with rows: labels, probabilities, logits; from coef_ and intercept_ as they stand."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils._array_api import check_same_namespace
from sklearn.utils.validation import check_is_fitted

from softreg.arrays import filled
from softreg.data.targets import offsets
from softreg.errors import DataError
from softreg.estimator import labels, rows
from softreg.model import Model

__all__ = ["Classifier"]

KEPT = ("C", "l1_ratio", "fit_intercept", "label_smoothing", "tol")  # of a Model's settings: an estimator's parameters


class Classifier:
    """Prediction, and the way from a fitted estimator to a `Model` and back."""

    missing: str  # a parameter
    coef_: Any
    intercept_: Any
    classes_: NDArray[Any]
    scale_: float | NDArray[np.float64]
    shift_: float | NDArray[np.float64]
    n_features_in_: int
    feature_names_in_: NDArray[Any]
    n_iter_: NDArray[np.int32]
    history_: dict[str, NDArray[np.float64]]
    settings_: dict[str, Any]
    class_prior_: NDArray[np.float64] | None
    provenance_: dict[str, Any]
    certificate_: float
    status_: str
    status_name_: str
    solver_: str

    def __sklearn_tags__(self) -> Any:
        """Say what the estimators take."""
        tags = super().__sklearn_tags__()  # type: ignore[misc]  # BaseEstimator's, which comes after
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = self.missing != "error"
        return tags

    def predict(self, X: Any, offset: ArrayLike | None = None) -> Any:
        """Most likely class of each row.

        Parameters
        ----------
        X : (n, d) array, table or CSR matrix, in the units of the training data
        offset : (n, K) array, optional
            Added to the logits, as in `fit`; of two classes (n,), that of the second. 0 by default.

        Returns
        -------
        (n,) array of the type of `classes_`
        """
        codes = self._predicting("predict", X, offset)
        return rows.returned(self.classes_[codes], X)

    def predict_proba(self, X: Any, offset: ArrayLike | None = None) -> Any:
        """Probability of each class for each row: (n, K), rows that sum to 1."""
        return rows.probabilities(self._predicting("predict_proba", X, offset), X)

    def predict_log_proba(self, X: Any, offset: ArrayLike | None = None) -> Any:
        """Logarithm of `predict_proba`, (n, K), finite and right where that underflows or rounds to 1."""
        return rows.returned(self._predicting("predict_log_proba", X, offset), X)

    def predict_topk(self, X: Any, k: int, offset: ArrayLike | None = None) -> tuple[Any, Any]:
        """Return the k most likely classes of each row and their probabilities, (n, k) each, the likeliest first.

        Nothing of the size of all classes times all rows is made.
        """
        codes, probs = self._predicting("predict_topk", X, offset, k)
        return rows.returned(self.classes_[codes], X), rows.probabilities(probs, X)

    def decision_function(self, X: Any, offset: ArrayLike | None = None) -> Any:
        """Logits: (n, K), or for two classes (n,), that of the second less that of the first."""
        z = self._predicting("logits", X, offset, name="decision_function")
        return rows.returned(z[:, 1] - z[:, 0] if len(self.classes_) == 2 else z, X)

    @property
    def model_(self) -> Model:
        """The fitted `Model`: it saves to a file, and predicts without scikit-learn."""
        check_is_fitted(self)
        W, b = self._columns()
        if len(self.classes_) == 2:  # ±w/2 rather than 0 and w, as a fit of the Model itself has it
            W, b = W - W.mean(axis=1, keepdims=True), b - b.mean()
        scale, shift = rows.host(self.scale_), rows.host(self.shift_)
        every = np.broadcast_to(scale, len(W))[:, None]
        W = np.divide(W, every, out=np.zeros_like(W), where=every != 0)
        names = getattr(self, "feature_names_in_", None)
        return Model(
            W,
            b - np.broadcast_to(shift, len(W)) @ W,
            labels.plain(self.classes_),
            scale,
            shift,
            None if names is None else tuple(map(str, names)),
            None,
            self.settings_,
            {name: values for name, values in self.history_.items() if name != "seconds"},
            calibration=self.calibration_,
            conformal=self.conformal_,
            class_prior=None if self.class_prior_ is None else rows.host(self.class_prior_),
            provenance=self.provenance_,
        )

    @classmethod
    def from_model(cls, model: Model, **params: Any) -> Self:
        """Make a fitted estimator of a `Model`, such as one that was loaded from a file.

        The penalty, the intercept, smoothing and tolerance are those of its fit, unless `params` say otherwise. Of a
        Model that says nothing of its fit, `certificate_` is inf and `status_name_` "UNKNOWN".

        Examples
        --------
        >>> import numpy as np
        >>> from softreg import Model, SoftmaxRegression
        >>> model = Model(np.array([[1.0, -1.0]]), np.zeros(2), np.array(["up", "down"]))
        >>> SoftmaxRegression.from_model(model).predict([[3.0], [-2.0]])
        array(['up', 'down'], dtype='<U4')
        """
        asked = model.settings
        kept = {name: asked[name] for name in KEPT if name in asked}
        if "C" in kept:
            kept["C"] = math.inf if kept["C"] is None else kept["C"]
        estimator = cls(**{name: kept[name] for name in kept.keys() & set(cls._get_param_names())} | params)  # type: ignore[attr-defined]
        estimator._take(model, model.classes, np.float64)
        estimator.n_features_in_ = model.n_features
        if model.feature_names is not None:
            estimator.feature_names_in_ = np.array(model.feature_names, object)
        estimator.history_ = dict(model.history)
        estimator.n_iter_ = np.array([len(next(iter(model.history.values()), []))], np.int32)
        told = model.provenance
        estimator.certificate_ = math.inf if told.get("certificate") is None else told["certificate"]
        estimator.status_name_ = told.get("status", "UNKNOWN")
        estimator.status_ = told.get("message", "made of a Model that does not say how its fit ended")
        solver = asked.get("solver", "unknown")
        estimator.solver_ = str(solver["name"] if isinstance(solver, Mapping) else solver)
        return estimator

    def _take(self, model: Model, classes: NDArray[Any], dtype: Any) -> None:
        """Take what a model says as coef_ and intercept_, which apply to X as it is."""
        W = model.W * np.broadcast_to(model.scale, len(model.W))[:, None]
        b = model.b + np.broadcast_to(model.shift, len(model.W)) @ model.W
        if len(classes) == 2:
            W, b = W[:, 1:] - W[:, :1], b[1:] - b[:1]
        else:
            b = b - b.mean()
        self.coef_ = np.ascontiguousarray(W.T).astype(dtype)
        self.intercept_ = np.asarray(b, dtype)
        self.classes_ = classes
        self.scale_, self.shift_ = model.scale, model.shift
        self.settings_ = dict(model.settings)
        self.calibration_, self.conformal_ = model.calibration, model.conformal
        self.class_prior_, self.provenance_ = model.class_prior, dict(model.provenance)

    def _lend(self, X: Any, *names: str) -> None:
        """Give these attributes to X's namespace, those of them that are arrays."""
        for name in names:
            value = getattr(self, name, None)
            if isinstance(value, np.ndarray):
                setattr(self, name, rows.returned(value, X))

    def _columns(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """W (d, K) and b (K,), which apply to X as it is; of two classes the first has 0."""
        coef, b = self.coef_, self.intercept_
        if hasattr(coef, "toarray"):
            coef = coef.toarray()
        W, b = np.asarray(rows.host(coef), float).T, np.asarray(rows.host(b), float)
        if len(self.classes_) == 2:
            W, b = np.column_stack([np.zeros(len(W)), W[:, 0]]), np.append(0.0, b)
        return W, b

    def _predicting(self, method: str, X: Any, offset: ArrayLike | None, *args: Any, name: str | None = None) -> Any:
        """What a `Model` with the codes for classes says of X; `name` is what the caller calls the method."""
        check_is_fitted(self)
        check_same_namespace(X, self, attribute="coef_", method=name or method)
        array = rows.read(self, X, reset=False)
        fill = getattr(self, "fill_", None)
        array = array if fill is None else filled(array, rows.host(fill))
        W, b = self._columns()
        if offset is not None:
            offset = offsets(offset, len(b))
        try:
            model = Model(W, b, np.arange(len(b)), calibration=self.calibration_)
            return getattr(model, method)(array, *args, offset=offset)
        except DataError:
            if not rows.finite(array):
                raise rows.explain(array, getattr(self, "feature_names_in_", None)) from None
            raise
