"""Fitted estimators as pickles, as skops' files and in MLflow: what comes back is what was saved."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_iris

from softreg import SoftmaxRegression, SoftmaxRegressionCV

X, Y = load_iris(return_X_y=True)
NAMES = load_iris().target_names
ONE, CV = "softreg.estimator.regression.SoftmaxRegression", "softreg.estimator.cv.SoftmaxRegressionCV"

FITTED: dict[str, Any] = {
    "plain": SoftmaxRegression().fit(X, Y),
    "two classes of text": SoftmaxRegression().fit(X[:100], NAMES[Y[:100]]),
    "objects": SoftmaxRegression().fit(X, NAMES[Y].astype(object)),
    "standardised": SoftmaxRegression(standardize=True).fit(X, Y),
    "filled in": SoftmaxRegression(missing="mean").fit(np.where(X > 6, np.nan, X), Y),
    "in parts": SoftmaxRegression(momentum=0.5).partial_fit(X, Y),
    "stopped early": SoftmaxRegression(solver="lbfgs", early_stopping=True, random_state=1).fit(X, Y),
    "sparse": SoftmaxRegression(l1_ratio=1.0).fit(X, Y).sparsify(),
    "of a model": SoftmaxRegression.from_model(SoftmaxRegression().fit(X, NAMES[Y]).model_),
    "cv": SoftmaxRegressionCV(Cs=3, cv=3).fit(X, Y),
    "cv of old": SoftmaxRegressionCV(Cs=3, cv=3, use_legacy_attributes=True).fit(X, NAMES[Y]),
    "cv without a refit": SoftmaxRegressionCV(Cs=3, cv=3, refit=False).fit(X, Y),
}


def same(back: Any, fitted: Any) -> None:
    assert vars(back).keys() == vars(fitted).keys()
    for method in ("predict", "predict_proba", "decision_function"):
        np.testing.assert_array_equal(getattr(back, method)(X), getattr(fitted, method)(X))
    np.testing.assert_array_equal(back.model_.W, fitted.model_.W)


@pytest.mark.parametrize("kind", FITTED)
def test_a_pickle_brings_the_estimator_back(kind: str) -> None:
    same(pickle.loads(pickle.dumps(FITTED[kind])), FITTED[kind])


@pytest.mark.parametrize("kind", FITTED)
def test_skops_needs_to_trust_the_one_type(kind: str) -> None:
    io = pytest.importorskip("skops.io")
    data, types = io.dumps(FITTED[kind]), [CV if kind.startswith("cv") else ONE]
    if kind == "sparse":
        types.insert(0, "scipy.sparse._csr.csr_matrix")  # which scikit-learn's sparsify makes of coef_
    assert io.get_untrusted_types(data=data) == types
    same(io.loads(data, trusted=types), FITTED[kind])


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # MLflow's, of itself
@pytest.mark.parametrize(("kind", "type_"), [("plain", ONE), ("cv", CV)])
def test_mlflow_saves_and_loads_by_skops(kind: str, type_: str, tmp_path: Path) -> None:
    mlflow = pytest.importorskip("mlflow", reason="MLflow is not installed; it brings some thirty packages")
    from mlflow import sklearn as flavor

    how = {"serialization_format": "skops", "pip_requirements": ["softreg"]}
    with pytest.raises(mlflow.exceptions.MlflowException, match="untrusted types"):
        flavor.save_model(FITTED[kind], str(tmp_path / "refused"), **how)
    flavor.save_model(FITTED[kind], str(tmp_path / "model"), skops_trusted_types=[type_], **how)
    same(flavor.load_model(str(tmp_path / "model")), FITTED[kind])
    np.testing.assert_array_equal(mlflow.pyfunc.load_model(str(tmp_path / "model")).predict(X), FITTED[kind].predict(X))
