"""scikit-learn's checks of estimators: every converging solver and penalty, and minibatches."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.utils.estimator_checks import estimator_checks_generator

from softreg import SoftmaxRegression, SoftmaxRegressionCV

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]

ESTIMATORS = [
    SoftmaxRegression(),
    SoftmaxRegression(solver="lbfgs"),
    SoftmaxRegression(solver="newton"),
    SoftmaxRegression(solver="newton-cg"),
    SoftmaxRegression(solver="proximal"),
    SoftmaxRegression(l1_ratio=0.5),
    SoftmaxRegression(l1_ratio=1.0, tol=1e-10),  # weights and repetitions are compared to 7 digits
    SoftmaxRegression(C=math.inf),
    SoftmaxRegression(standardize=True),
    SoftmaxRegression(fit_intercept=False),
    SoftmaxRegression(missing="mean"),
    SoftmaxRegression(solver="sgd"),
    SoftmaxRegressionCV(Cs=3, cv=3),
    SoftmaxRegressionCV(Cs=3, cv=3, l1_ratios=(0.5,)),
]
OTHER_HARDWARE = ("cupy", "dpnp", "cuda", "xpu", "mps")  # which cannot be had everywhere

# (what it is of, the check): why it cannot hold
EXPECTED = {
    ("solver='sgd'", "check_sample_weight_equivalence_on_dense_data"): "a batch of rows is not a batch of weights",
    ("solver='sgd'", "check_sample_weight_equivalence_on_sparse_data"): "a batch of rows is not a batch of weights",
}
INTERCEPT = "check_class_weight_classifiers"  # wants 87 % of rows on one side of planes through 0: see below


def expected(estimator: Any, check: str) -> str | None:
    return next((why for (of, name), why in EXPECTED.items() if of in repr(estimator) and name == check), None)


def checks() -> list[Any]:
    found = []
    for estimator in ESTIMATORS:
        for number, (one, check) in enumerate(estimator_checks_generator(estimator)):
            name = getattr(check, "func", check).__name__
            if name == INTERCEPT and not one.fit_intercept:
                continue
            found.append(pytest.param(one, check, id=f"{estimator!r}-{name}-{number}"))
    return found


@pytest.mark.parametrize(("estimator", "check"), checks())
def test_scikit_learns_checks(estimator: Any, check: Callable[[Any], None]) -> None:
    name = getattr(check, "func", check).__name__
    why = expected(estimator, name)
    try:
        check(estimator)
    except AssertionError:
        if why is None:
            raise
        pytest.xfail(why)
    except BaseException as skipped:
        if type(skipped).__name__ != "SkipTest" or not any(word in str(skipped).lower() for word in OTHER_HARDWARE):
            raise
        pytest.skip(str(skipped))
    else:
        assert why is None, "expected to fail, and does not"


@pytest.mark.parametrize("make", [SoftmaxRegression, LogisticRegression])
def test_the_check_that_asks_for_an_intercept_is_one_that_no_fit_without_one_could_pass(make: Any) -> None:
    (check,) = (
        check for _, check in estimator_checks_generator(make()) if getattr(check, "func", check).__name__ == INTERCEPT
    )
    check(make())
    with pytest.raises(AssertionError):
        check(make(fit_intercept=False))
