"""The estimators in joblib's worker processes: the same bits, one thread each, and the models come back whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from joblib import Parallel, delayed
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV, cross_val_score

from softreg import SoftmaxRegression, SoftmaxRegressionCV
from softreg.kernels.threads import available_threads

pytestmark = pytest.mark.slow

X, Y = load_iris(return_X_y=True)
ESTIMATORS: list[Any] = [
    SoftmaxRegression(C=0.3),
    SoftmaxRegression(l1_ratio=0.5, C=0.1),
    SoftmaxRegression(standardize=True, solver="lbfgs"),
    SoftmaxRegression(solver="sgd", standardize=True, batch_size=20, random_state=1, tol=1e-2),
    SoftmaxRegressionCV(Cs=3, cv=3),
]


@pytest.fixture(scope="module")
def workers() -> Any:
    """Two processes; what is longer than 1000 bytes reaches them as a read-only memory map."""
    with Parallel(n_jobs=2, max_nbytes=1000) as pool:
        yield pool


def test_a_worker_uses_one_thread(workers: Parallel) -> None:
    assert workers(delayed(available_threads)() for _ in range(2)) == [1, 1]


def test_models_of_workers_have_the_same_bits(workers: Parallel) -> None:
    for estimator, back in zip(ESTIMATORS, workers(delayed(one.fit)(X, Y) for one in ESTIMATORS), strict=True):
        here = estimator.fit(X, Y)
        assert back is not here
        for name in ("coef_", "intercept_", "n_iter_", "classes_"):
            np.testing.assert_array_equal(getattr(back, name), getattr(here, name))
        assert (back.certificate_, back.status_, back.solver_) == (here.certificate_, here.status_, here.solver_)
        np.testing.assert_array_equal(back.history_["value"], here.history_["value"])
        np.testing.assert_array_equal(back.predict_proba(X), here.predict_proba(X))


def test_a_fitted_model_predicts_the_same_bits_in_a_worker(workers: Parallel) -> None:
    model = SoftmaxRegression().fit(X, Y)
    for probs in workers(delayed(model.predict_proba)(X) for _ in range(2)):
        np.testing.assert_array_equal(probs, model.predict_proba(X))


@pytest.mark.parametrize("estimator", [ESTIMATORS[0], ESTIMATORS[-1]], ids=["one", "cv"])
def test_scikit_learns_cross_validation_scores_the_same_bits_in_processes(
    workers: Parallel, estimator: SoftmaxRegression
) -> None:
    del workers  # which cross_val_score finds and uses again
    scores = [cross_val_score(estimator, X, Y, cv=4, n_jobs=n, scoring="neg_log_loss") for n in (1, 2)]
    np.testing.assert_array_equal(*scores)


def test_a_grid_search_in_processes_ends_with_the_same_model(workers: Parallel) -> None:
    del workers
    grid = {"C": [0.1, 1.0], "l1_ratio": [0.0, 0.5]}
    one, two = (GridSearchCV(SoftmaxRegression(), grid, cv=3, n_jobs=n).fit(X, Y) for n in (1, 2))
    assert one.best_params_ == two.best_params_
    np.testing.assert_array_equal(one.cv_results_["mean_test_score"], two.cv_results_["mean_test_score"])
    np.testing.assert_array_equal(one.best_estimator_.coef_, two.best_estimator_.coef_)
