"""scikit-learn's own tests of the loss of a linear model, run against softreg's objective in its place.

They are those of the installed scikit-learn; nothing is copied. Rows of one class after the other, by which
scikit-learn lays out coefficients, are softreg's theta; of its one row for two classes the first class has 0.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sklearn.linear_model._linear_loss as linear_loss
from numpy.typing import NDArray
from sklearn._loss.loss import HalfBinomialLoss, HalfMultinomialLoss

from softreg import Dataset
from softreg.objective import SoftmaxObjective

FAILING = {  # name of the test, with its parameters: why it cannot hold
    r"test_.*HalfPoissonLoss.*": "the loss of counts by a log link, which is no softmax regression",
    r"test_linear_loss_gradient_hessian_raises_wrong_out_parameters": "the wording of scikit-learn's checks of arrays "
    "that it writes into; the objective returns new ones",
}
LAYOUT = {  # test: why it says nothing here
    "test_init_zero_coef": "zeros in the shape that scikit-learn's solvers take, which the objective does not make",
}

Array = NDArray[np.float64]


class LinearModelLoss(linear_loss.LinearModelLoss):  # type: ignore[misc]  # which has no types
    """softreg's objective by the names of scikit-learn's; the shapes and logits that tests begin with are its own."""

    def _objective(self, X: Any, y: Any, sample_weight: Any, l2_reg_strength: float) -> SoftmaxObjective:
        w = None if sample_weight is None else np.asarray(sample_weight, float)
        if isinstance(self.base_loss, HalfMultinomialLoss):
            data = Dataset(X, y.astype(int), np.arange(self.base_loss.n_classes), weights=w)
        elif isinstance(self.base_loss, HalfBinomialLoss):  # whose y are probabilities
            data = Dataset.from_targets(X, np.column_stack([1 - y, y]), weights=w)
        else:
            raise NotImplementedError(f"{type(self.base_loss).__name__} is no cross-entropy of classes")
        return SoftmaxObjective(data, float(l2_reg_strength), intercept=self.fit_intercept)

    def _theta(self, coef: Array) -> Array:
        K = self.base_loss.n_classes if self.base_loss.is_multiclass else 1
        stacked = coef.reshape((K, -1), order="F").T if coef.ndim == 1 else coef.T
        if K == 1:
            stacked = np.column_stack([np.zeros(len(stacked)), stacked])
        return (stacked if self.fit_intercept else np.vstack([stacked, 0 * stacked[:1]])).ravel()

    def _like(self, theta: NDArray[Any], coef: Array) -> NDArray[Any]:
        """What theta says, in the shape of coef."""
        K = self.base_loss.n_classes if self.base_loss.is_multiclass else 2
        stacked = theta.reshape(-1, K)[: None if self.fit_intercept else -1]
        if not self.base_loss.is_multiclass:
            return stacked[:, 1]
        return stacked.ravel() if coef.ndim == 1 else stacked.T

    def loss(self, coef: Array, X: Any, y: Any, sample_weight: Any = None, l2_reg_strength: float = 0.0) -> float:
        return self._objective(X, y, sample_weight, l2_reg_strength).evaluate(self._theta(coef)).value

    def loss_gradient(
        self, coef: Array, X: Any, y: Any, sample_weight: Any = None, l2_reg_strength: float = 0.0
    ) -> tuple[float, Array]:
        point = self._objective(X, y, sample_weight, l2_reg_strength).evaluate(self._theta(coef))
        return point.value, self._like(point.grad, coef)

    def gradient(self, coef: Array, X: Any, y: Any, sample_weight: Any = None, l2_reg_strength: float = 0.0) -> Array:
        return self.loss_gradient(coef, X, y, sample_weight, l2_reg_strength)[1]

    def gradient_hessian(
        self,
        coef: Array,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        l2_reg_strength: float = 0.0,
        gradient_out: Array | None = None,
        hessian_out: Array | None = None,
    ) -> tuple[Array, Array, bool]:
        objective, theta = self._objective(X, y, sample_weight, l2_reg_strength), self._theta(coef)
        grad, hessian = self._like(objective.evaluate(theta).grad, coef), objective.hessian(theta)
        index = self._like(np.arange(len(theta)), coef).ravel(order="F")
        hessian = hessian[np.ix_(index, index)]
        for out, value in ((gradient_out, grad), (hessian_out, hessian)):
            if out is not None:
                out[...] = value
        return (
            grad if gradient_out is None else gradient_out,
            hessian if hessian_out is None else hessian_out,
            False,
        )

    def gradient_hessian_product(
        self, coef: Array, X: Any, y: Any, sample_weight: Any = None, l2_reg_strength: float = 0.0
    ) -> tuple[Array, Callable[[Array], Array]]:
        objective, theta = self._objective(X, y, sample_weight, l2_reg_strength), self._theta(coef)
        product = objective.curvature(theta).product
        return (
            self._like(objective.evaluate(theta).grad, coef),
            lambda s: self._like(product(self._theta(s)), coef),
        )


def _with_ours() -> Any:
    theirs, linear_loss.LinearModelLoss = linear_loss.LinearModelLoss, LinearModelLoss
    try:
        return importlib.import_module("sklearn.linear_model.tests.test_linear_loss")
    finally:
        linear_loss.LinearModelLoss = theirs


THEIRS = vars(_with_ours())
globals().update({name: value for name, value in THEIRS.items() if name.startswith("test_") and name not in LAYOUT})


@pytest.fixture
def global_random_seed() -> int:
    """The seed that scikit-learn's tests take by default."""
    return 42


def test_what_is_left_out_is_there() -> None:
    assert set(LAYOUT) <= set(THEIRS)
