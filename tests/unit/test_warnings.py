"""Warnings are told of the line that called, not of one within softreg or scikit-learn."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from softreg import SoftmaxRegression, SoftmaxRegressionCV
from softreg.errors import InferenceWarning
from softreg.inference import marginal_effects, summary

X, Y = load_iris(return_X_y=True)
ROUGH = SoftmaxRegression(C=10.0, tol=1e-2, solver="lbfgs").fit(X, Y)


def of(estimator: Any) -> Callable[[], Any]:
    return lambda: estimator.fit(X, Y)


SHORT = SoftmaxRegression(solver="lbfgs", max_iter=1)

WARNED: list[tuple[type[Warning], Callable[[], Any]]] = [
    (FutureWarning, of(SoftmaxRegression(penalty="l2"))),
    (FutureWarning, of(SoftmaxRegression(penalty=None, C=2.0, max_iter=2, solver="lbfgs"))),
    (UserWarning, of(SoftmaxRegression(penalty="l2", l1_ratio=1.0))),
    (FutureWarning, of(SoftmaxRegression(n_jobs=2))),
    (FutureWarning, of(SoftmaxRegression().set_params(l1_ratio=None))),
    (UserWarning, of(SoftmaxRegression(intercept_scaling=2.0))),
    (FutureWarning, of(SoftmaxRegressionCV(Cs=2, cv=2, penalty="l2"))),
    (FutureWarning, of(SoftmaxRegressionCV(Cs=2, cv=2, l1_ratios=None))),
    (ConvergenceWarning, of(SHORT)),
    (ConvergenceWarning, of(SoftmaxRegressionCV(Cs=2, cv=2, solver="lbfgs", max_iter=1))),
    (ConvergenceWarning, of(make_pipeline(StandardScaler(), SHORT))),
    (ConvergenceWarning, lambda: cross_val_score(SHORT, X, Y, cv=2)),
    (ConvergenceWarning, of(GridSearchCV(SHORT, {"C": [1.0]}, cv=2))),
    (FutureWarning, lambda: SoftmaxRegression(n_jobs=2).partial_fit(X, Y)),
    (UserWarning, lambda: SoftmaxRegression().partial_fit(X[:100], Y[:100]).partial_fit(X, Y)),
    (DataConversionWarning, lambda: SoftmaxRegression().fit(X, Y[:, None])),
    (DataConversionWarning, lambda: SoftmaxRegression().partial_fit(X, Y[:, None])),
    (DataConversionWarning, lambda: SoftmaxRegressionCV(Cs=2, cv=2).fit(X, Y[:, None])),
    (InferenceWarning, lambda: summary(ROUGH, X, Y)),
    (InferenceWarning, lambda: marginal_effects(ROUGH, X, Y)),
]


@pytest.mark.parametrize(("category", "act"), WARNED)
def test_a_warning_is_of_the_callers_line(category: type[Warning], act: Callable[[], Any]) -> None:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        act()
    assert category in {one.category for one in told}
    for one in told:
        assert (one.filename, one.lineno) == (__file__, line_of(act)), one.message


def line_of(act: Callable[[], Any]) -> int:
    """The line of a lambda: each stands on one."""
    return int(act.__code__.co_firstlineno)
