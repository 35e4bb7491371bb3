"""Model: predictions from every input type, scores, and errors at its door."""

import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from problems import DTYPES, dataset, features
from softreg import Dataset, Model, log_softmax
from softreg.errors import DataError, SettingError, ShapeError


def model(d: int = 6, K: int = 4, **fields: Any) -> Model:
    rng = np.random.default_rng(0)
    return Model(rng.normal(size=(d, K)), rng.normal(size=K), np.array([f"class {k}" for k in range(K)]), **fields)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [0, 1, 5, 2500])
def test_probabilities_are_the_softmax_of_the_logits(dtype: str, n: int) -> None:
    fitted = model(scale=0.5, shift=-1.0)
    X = features(np.random.default_rng(1), n, 6, dtype)
    z = (0.5 * X.astype(float) - 1.0) @ fitted.W + fitted.b
    want = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    probs = fitted.predict_proba(X)
    np.testing.assert_allclose(probs, want, rtol=1e-5, atol=1e-12)
    np.testing.assert_allclose(probs.sum(axis=1), 1, rtol=1e-14)
    assert fitted.predict(X).tolist() == fitted.classes[want.argmax(axis=1)].tolist()


@given(hnp.arrays(np.float64, (3, 6), elements=st.floats(-1e6, 1e6)))
def test_probabilities_sum_to_one_whatever_the_size_of_the_logits(X: Any) -> None:
    probs = model().predict_proba(X)
    assert np.isfinite(probs).all()
    np.testing.assert_allclose(probs.sum(axis=1), 1, rtol=1e-14)


def test_images_are_taken_as_rows_of_pixels() -> None:
    fitted = model()
    X = np.arange(12, dtype=np.uint8)
    assert fitted.predict(X.reshape(2, 2, 3)).tolist() == fitted.predict(X.reshape(2, 6)).tolist()


@pytest.mark.parametrize("X", [np.zeros((2, 5)), np.zeros(6), np.zeros((2, 2, 2))])
def test_other_features_than_the_models_are_refused(X: Any) -> None:
    for predict in (model().predict, model().predict_proba):
        with pytest.raises(ShapeError, match="6 features"):
            predict(X)


def test_text_and_nan_are_refused_with_the_row() -> None:
    with pytest.raises(DataError, match="numbers"):
        model().predict([["a"] * 6])
    X = np.zeros((2000, 6))
    X[1500, 3] = np.nan
    with pytest.raises(DataError, match="row 1500"):
        model().predict(X)


@pytest.mark.parametrize("weights", [None, np.arange(40.0)])
def test_score_is_the_weighted_mean_loss_and_accuracy(weights: Any) -> None:
    data, fitted = dataset(1, weights=weights), model()
    probs = fitted.predict_proba(data.X)
    w = np.ones(40) if weights is None else weights
    score = fitted.score(data)
    assert score.loss == pytest.approx(np.average(-np.log(probs[np.arange(40), data.y]), weights=w))
    assert score.accuracy == pytest.approx(np.average(probs.argmax(axis=1) == data.y, weights=w))


def test_logits_beyond_numbers_are_an_error_and_not_a_nan() -> None:
    huge = Model(np.array([[1e308, -1e308]]), np.zeros(2), np.array(["up", "down"]))
    with np.errstate(over="ignore", invalid="ignore"), pytest.raises(DataError, match="row 0"):
        huge.predict_proba(np.array([[0], [200]], dtype=np.uint8))


def test_lists_and_integers_are_made_arrays_of_float() -> None:
    plain = Model([[1, -1]], [0, 0], ["up", "down"])  # type: ignore[arg-type]  # as a beginner would
    assert plain.predict([[3]]).tolist() == ["up"]
    assert plain.W.dtype == np.float64


def test_a_score_of_nothing_is_nan() -> None:
    data = Dataset(np.zeros((0, 6)), np.zeros(0, dtype=int), model().classes)
    assert np.isnan(model().score(data)).all()


def test_a_score_on_other_classes_is_refused() -> None:
    data = dataset(1)
    with pytest.raises(DataError, match="classes"):
        model().score(Dataset(data.X, data.y, data.classes[::-1]))


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"W": np.zeros((0, 2))}, ShapeError),
        ({"W": np.zeros((3, 1)), "b": np.zeros(1), "classes": np.array([0])}, ShapeError),
        ({"b": np.zeros(3)}, ShapeError),
        ({"classes": np.array([0, 1, 2])}, ShapeError),
        ({"classes": np.array([1, 1])}, DataError),
        ({"W": np.array([[np.nan, 0]] * 3)}, DataError),
        ({"b": np.array([np.inf, 0])}, DataError),
        ({"scale": np.ones(2)}, ShapeError),
        ({"shift": np.nan}, DataError),
        ({"feature_names": ("one",)}, ShapeError),
        ({"image_shape": (2, 2)}, DataError),
        ({"W": np.zeros((3, 2), dtype=complex)}, DataError),
        ({"classes": np.array([0.5, 1.5])}, DataError),
    ],
)
def test_parts_that_do_not_fit_together_are_no_model(fields: dict[str, Any], error: type) -> None:
    with pytest.raises(error):
        Model(**({"W": np.zeros((3, 2)), "b": np.zeros(2), "classes": np.array([0, 1])} | fields))


def test_repr_names_the_first_classes() -> None:
    assert repr(model()) == "Model(6 features, 4 classes: class 0, class 1, class 2, class 3)"
    assert repr(model(K=5)).endswith("class 3, …)")


@pytest.mark.parametrize("dtype", ["uint8", "float16", "float32", "float64", "int64"])
@pytest.mark.parametrize(("n", "K"), [(0, 3), (1, 2), (1500, 4), (70, 90)])
def test_topk_and_log_probabilities_are_those_of_the_definition(n: int, K: int, dtype: str) -> None:
    rng = np.random.default_rng(0)
    fitted = Model(rng.normal(size=(5, K)), rng.normal(size=K), np.arange(K))
    X = rng.integers(0, 5, (n, 5)).astype(dtype)
    log_probs = log_softmax(X.astype(float) @ fitted.W + fitted.b, axis=1)
    np.testing.assert_allclose(fitted.predict_log_proba(X), log_probs, atol=2e-5)
    np.testing.assert_allclose(fitted.predict_proba(X), np.exp(log_probs), atol=2e-5)
    for k in (1, 2, K):
        classes, probs = fitted.predict_topk(X, k)
        assert classes.shape == probs.shape == (n, k)
        best = -np.sort(-log_probs, axis=1)[:, :k]
        np.testing.assert_allclose(probs, np.exp(best), atol=2e-5)
        np.testing.assert_allclose(np.take_along_axis(log_probs, classes, axis=1), best, atol=2e-5)
    assert (fitted.predict(X) == fitted.predict_topk(X, 1)[0][:, 0]).all()


def test_of_equal_classes_the_first_is_predicted_and_comes_first() -> None:
    fitted = Model(np.zeros((1, 3)), np.array([0.0, 1.0, 1.0]), np.array(["a", "b", "c"]))
    assert fitted.predict([[1.0]]).tolist() == ["b"]
    assert fitted.predict_topk([[1.0]], 3)[0].tolist() == [["b", "c", "a"]]


def test_log_probabilities_keep_what_probabilities_lose() -> None:
    fitted = Model(np.array([[1.0, 0.0, -1.0]]), np.zeros(3), np.arange(3))
    np.testing.assert_allclose(fitted.predict_log_proba([[50.0]])[0], [-1.9287498479639178e-22, -50, -100], rtol=1e-14)
    assert fitted.predict_log_proba([[2000.0]])[0].tolist() == [0.0, -2000.0, -4000.0]


@pytest.mark.parametrize("k", [0, 4, -1, 2.5, "2", None])
def test_more_classes_than_there_are_cannot_be_asked_for(k: Any) -> None:
    with pytest.raises(SettingError, match="from 1 to 3"):
        Model(np.zeros((1, 3)), np.zeros(3), np.arange(3)).predict_topk([[1.0]], k)


@pytest.mark.parametrize("what", ["predict", "predict_topk"])
def test_labels_and_the_likeliest_are_had_without_a_matrix_of_all_classes(what: str) -> None:
    rng = np.random.default_rng(0)
    fitted = Model(rng.normal(size=(3, 2000)), rng.normal(size=2000), np.arange(2000))
    X = rng.integers(0, 200, (30_000, 3)).astype(np.uint8)
    tracemalloc.start()
    _ = fitted.predict(X) if what == "predict" else fitted.predict_topk(X, 3)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 30_000 * 2000, "an eighth of the bytes that all probabilities take, for blocks on every thread"
