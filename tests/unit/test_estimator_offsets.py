"""Offsets of the estimator's logits: the same in a fit and in predictions, and by scikit-learn's metadata routing."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import sklearn
from scipy.special import log_softmax
from sklearn.datasets import load_iris
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from softreg import SoftmaxRegression, SoftmaxRegressionCV
from softreg.errors import DataError, ShapeError

X, _ = load_iris(return_X_y=True)
Y = np.random.default_rng(1).integers(0, 3, 150)
V = np.random.default_rng(2).normal(size=(4, 3))
OFFSET = X @ V


@pytest.fixture(params=[2, 3], ids=["two classes", "three classes"])
def classes(request: pytest.FixtureRequest) -> int:
    return int(request.param)


def labels(K: int) -> Any:
    return Y if K == 3 else Y > 0


def test_predictions_with_the_offset_of_the_fit_are_those_of_the_sum(classes: int) -> None:
    """Unpenalised, a linear offset is taken off the weights: with it, predictions are what they are without both."""
    y, offset = labels(classes), OFFSET[:, :classes]
    plain = SoftmaxRegression(C=math.inf, tol=1e-12).fit(X, y)
    moved = SoftmaxRegression(C=math.inf, tol=1e-12).fit(X, y, offset=offset)
    assert np.abs(moved.coef_ - plain.coef_).max() > 0.5
    np.testing.assert_allclose(moved.predict_proba(X, offset=offset), plain.predict_proba(X), atol=1e-7)
    np.testing.assert_array_equal(moved.predict(X, offset=offset), plain.predict(X))
    assert moved.score(X, y, offset=offset) == plain.score(X, y) != moved.score(X, y)


@pytest.mark.parametrize("estimator", [SoftmaxRegression(), SoftmaxRegressionCV(Cs=2, cv=2)], ids=["one", "cv"])
def test_every_prediction_adds_the_offset_to_the_logits(estimator: Any, classes: int) -> None:
    model, offset = estimator.fit(X, labels(classes)), OFFSET[:, :classes]
    z = model.decision_function(X)
    want = (np.column_stack([np.zeros(150), z]) if classes == 2 else z) + offset
    got = model.decision_function(X, offset=offset)
    np.testing.assert_allclose(got, want[:, 1] - want[:, 0] if classes == 2 else want, atol=1e-12)
    log_probs = log_softmax(want, axis=1)
    np.testing.assert_allclose(model.predict_log_proba(X, offset=offset), log_probs, atol=1e-12)
    np.testing.assert_allclose(model.predict_proba(X, offset=offset), np.exp(log_probs), atol=1e-12)
    np.testing.assert_array_equal(model.predict(X, offset=offset), model.classes_[log_probs.argmax(axis=1)])
    likeliest, probs = model.predict_topk(X, 2, offset=offset)
    np.testing.assert_array_equal(likeliest[:, 0], model.predict(X, offset=offset))
    np.testing.assert_allclose(probs, np.exp(np.sort(log_probs)[:, :-3:-1]), atol=1e-12)


def test_of_two_classes_one_column_is_that_of_the_second() -> None:
    model, one = SoftmaxRegression().fit(X, Y > 0), OFFSET[:, 0]
    np.testing.assert_array_equal(model.decision_function(X, one), model.decision_function(X, one[:, None]))
    np.testing.assert_allclose(model.decision_function(X, one), model.decision_function(X) + one, atol=1e-12)
    both = np.column_stack([np.zeros(150), one])
    np.testing.assert_array_equal(
        SoftmaxRegression().fit(X, Y > 0, offset=one).coef_, SoftmaxRegression().fit(X, Y > 0, offset=both).coef_
    )


def test_an_offset_in_another_library_is_read() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    model = SoftmaxRegression().fit(torch.tensor(X), torch.tensor(Y), offset=torch.tensor(OFFSET))
    probs = model.predict_proba(torch.tensor(X), offset=torch.tensor(OFFSET))
    assert isinstance(probs, torch.Tensor)
    want = SoftmaxRegression().fit(X, Y, offset=OFFSET).predict_proba(X, offset=OFFSET)
    np.testing.assert_array_equal(probs.numpy(), want)


@pytest.mark.parametrize("offset", [OFFSET[:, :2], OFFSET[:10], OFFSET[:, 0], 1.0])
def test_offsets_of_other_shapes_are_refused(offset: Any) -> None:
    with pytest.raises(ShapeError, match=r"offset has shape .*; expected \(150, 3\): a logit for each row and class"):
        SoftmaxRegression().fit(X, Y).predict(X, offset=offset)


def test_offsets_go_where_metadata_routing_says() -> None:
    with sklearn.config_context(enable_metadata_routing=True):
        asking = SoftmaxRegression(C=math.inf).set_fit_request(offset=True)
        for name in ("predict", "predict_proba", "predict_log_proba", "decision_function", "score"):
            getattr(asking, f"set_{name}_request")(offset=True)
        pipeline = make_pipeline(FunctionTransformer(), asking).fit(X, Y, offset=OFFSET)
        alone = SoftmaxRegression(C=math.inf).fit(X, Y, offset=OFFSET)
        for name in ("predict", "predict_proba", "predict_log_proba", "decision_function"):
            want = getattr(alone, name)(X, offset=OFFSET)
            np.testing.assert_array_equal(getattr(pipeline, name)(X, offset=OFFSET), want, err_msg=name)
        assert pipeline.score(X, Y, offset=OFFSET) == alone.score(X, Y, offset=OFFSET)
        with pytest.raises(ValueError, match=r"\[offset\] are passed but are not explicitly set as requested"):
            make_pipeline(SoftmaxRegression().fit(X, Y)).predict(X, offset=OFFSET)


def test_cross_validation_hands_each_fold_its_offsets() -> None:
    with sklearn.config_context(enable_metadata_routing=True):
        asking = SoftmaxRegression(C=math.inf, tol=1e-12).set_fit_request(offset=True)
        asking.set_score_request(offset=True)
        plain = SoftmaxRegression(C=math.inf, tol=1e-12)
        np.testing.assert_allclose(
            cross_val_score(asking, X, Y, cv=3, params={"offset": OFFSET}), cross_val_score(plain, X, Y, cv=3)
        )


def test_an_offset_that_is_no_numbers_is_refused() -> None:
    with pytest.raises(DataError, match=r"offset is 'a'; expected an array of numbers, \(n, 3\)"):
        SoftmaxRegression().fit(X, Y, offset="a")
