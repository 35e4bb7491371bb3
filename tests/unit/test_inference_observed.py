"""What inference takes for the rows of a fit: targets, counts, offsets, weights of classes, whole numbers as floats."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import scipy.optimize
import scipy.sparse
from scipy.special import log_softmax

from inference_problems import fitted, sample
from softreg import Dataset, Settings, SoftmaxRegression, fit
from softreg.errors import (
    ColumnError,
    DataError,
    InferenceError,
    LabelError,
    NotAtOptimumError,
    SettingError,
    ShapeError,
)
from softreg.inference import likelihood_ratio_test, marginal_effects, polish, summary

X, Y = sample(3, n=120, K=3)
CODES = np.searchsorted(np.unique(Y), Y)
RNG = np.random.default_rng(7)
COUNTS = RNG.multinomial(6, [0.3, 0.3, 0.4], size=120)
OFFSET = RNG.normal(size=(120, 3))
FIGURES = ("coefficients", "standard_errors", "covariance", "log_likelihood", "null_log_likelihood", "bic", "weight")


def same(found: Any, want: Any, names: Any = FIGURES) -> None:
    for name in names:
        np.testing.assert_allclose(getattr(found, name), getattr(want, name), rtol=1e-8, atol=1e-12, err_msg=name)


def test_a_row_of_counts_is_as_many_labelled_rows() -> None:
    model, _ = fit(Dataset.from_targets(X, COUNTS, classes=["a", "b", "c"]), Settings.for_inference())
    rows, labels = np.repeat(X, 3, axis=0), np.tile(["a", "b", "c"], 120)
    want = summary(model, rows, labels, sample_weight=COUNTS.ravel())
    same(summary(model, X, COUNTS), want)
    same(
        marginal_effects(model, X, COUNTS),
        marginal_effects(model, rows, labels, sample_weight=COUNTS.ravel()),
        ("effects", "standard_errors"),
    )


def test_probabilities_are_taken_as_the_estimator_takes_them() -> None:
    shares = COUNTS / COUNTS.sum(axis=1, keepdims=True)
    model = SoftmaxRegression(C=math.inf, tol=0).fit(X, shares)
    found = summary(model, X, shares)
    assert found.distance < 1e-6
    assert found.weight == pytest.approx(120)
    np.testing.assert_allclose(found.log_likelihood, -120 * model.history_["loss"][-1], rtol=1e-12)


def test_onehot_targets_are_labels_to_the_last_digits() -> None:
    model = fitted(3, n=120, K=3).model
    same(summary(model, X, np.eye(3)[CODES]), summary(model, X, Y))
    rough = SoftmaxRegression(C=math.inf, solver="lbfgs", tol=1e-3).fit(X, Y)
    np.testing.assert_allclose(polish(rough, X, np.eye(3)[CODES]).W, polish(rough, X, Y).W, rtol=1e-9, atol=1e-12)


def test_a_linear_offset_is_what_is_taken_off_the_coefficients() -> None:
    """z = x V + x U: with the offset x U the same fit has V, the same standard errors and the same effects."""
    U = RNG.normal(size=(3, 3)) / X.std(axis=0)[:, None]
    plain = fitted(3, n=120, K=3).model
    moved, _ = fit(Dataset.from_labels(X, Y, offset=X @ U), Settings.for_inference())
    one, other = summary(plain, X, Y), summary(moved, X, Y, offset=X @ U)
    same(other, one, ("standard_errors", "covariance", "log_likelihood"))
    shift = (U - U[:, :1])[:, 1:].T
    np.testing.assert_allclose(other.coefficients[:, 1:], one.coefficients[:, 1:] - shift, rtol=1e-7, atol=1e-9)
    with pytest.raises(NotAtOptimumError, match="weights and offsets of the fit"):
        summary(moved, X, Y)


@pytest.mark.parametrize("soft", [False, True])
def test_the_null_model_has_the_offsets_too(soft: bool) -> None:
    data = Dataset.from_targets(X, COUNTS, offset=OFFSET) if soft else Dataset(X, CODES, np.arange(3), offset=OFFSET)
    model, _ = fit(data, Settings.for_inference())
    found = summary(model, X, COUNTS if soft else CODES, offset=OFFSET)
    T = COUNTS if soft else np.eye(3)[CODES]

    def minus(b: Any) -> float:
        return -float((T * log_softmax(OFFSET + np.append(0.0, b), axis=1)).sum())

    best = scipy.optimize.minimize(minus, np.zeros(2), method="BFGS", options={"gtol": 1e-9})
    assert found.null_log_likelihood == pytest.approx(-best.fun, rel=1e-10)
    assert likelihood_ratio_test(None, found).df == 6


@pytest.mark.parametrize("at", ["overall", "mean", "zero"])
@pytest.mark.parametrize("discrete", [False, True])
def test_effects_are_differences_of_the_probabilities_with_offsets(at: str, discrete: bool) -> None:
    model, _ = fit(Dataset.from_labels(X, Y, offset=OFFSET), Settings.for_inference())
    found = marginal_effects(model, X, Y, offset=OFFSET, at=at, discrete=discrete)
    rows, offset = X, OFFSET
    if at == "mean":
        rows, offset = X.mean(axis=0)[None], OFFSET.mean(axis=0)[None]
    elif at == "zero":
        rows, offset = np.zeros((1, 3)), np.zeros((1, 3))
    for j in range(3):
        up, down, step = rows.copy(), rows.copy(), 1.0
        if found.discrete[j]:
            up[:, j], down[:, j] = 1.0, 0.0
        else:
            h = 1e-5 * X[:, j].std()
            up[:, j], down[:, j], step = rows[:, j] + h, rows[:, j] - h, 2 * h
        change = (model.predict_proba(up, offset) - model.predict_proba(down, offset)).mean(axis=0) / step
        np.testing.assert_allclose(found.effects[j], change, rtol=1e-6, atol=1e-9)


def test_models_on_other_offsets_are_not_compared() -> None:
    small, _ = fit(Dataset.from_labels(X[:, :1], Y), Settings.for_inference())
    large, _ = fit(Dataset.from_labels(X, Y, offset=OFFSET), Settings.for_inference())
    with pytest.raises(InferenceError, match="not summarised on the same rows"):
        likelihood_ratio_test(summary(small, X[:, :1], Y), summary(large, X, Y, offset=OFFSET))


def test_of_two_classes_an_offset_of_one_column_is_the_seconds() -> None:
    model = SoftmaxRegression(C=math.inf, tol=0).fit(X, Y == "a", offset=OFFSET[:, 0])
    both = np.column_stack([np.zeros(120), OFFSET[:, 0]])
    same(summary(model, X, Y == "a", offset=OFFSET[:, 0]), summary(model, X, Y == "a", offset=both))


@pytest.mark.parametrize("class_weight", ["balanced", {"a": 3.0, "c": 0.5}])
@pytest.mark.parametrize("weighted", [False, True])
def test_weights_of_classes_are_taken_from_the_estimator(class_weight: Any, weighted: bool) -> None:
    w = np.arange(1.0, 121.0) if weighted else None
    model = SoftmaxRegression(C=math.inf, tol=0, class_weight=class_weight).fit(X, Y, w)
    ones = np.ones(120) if w is None else w
    total = np.array([ones[label == Y].sum() for label in "abc"])
    of_class = total.sum() / (3 * total) if class_weight == "balanced" else np.array([3.0, 1.0, 0.5])
    found = summary(model, X, Y, sample_weight=w, covariance="sandwich")
    assert found.distance < 1e-6
    same(found, summary(model.model_, X, Y, sample_weight=of_class[CODES] * ones, covariance="sandwich"))


def test_weights_of_classes_are_those_of_counts_too() -> None:
    weights = {0: 1.0, 1: 2.0, 2: 0.5}
    model = SoftmaxRegression(C=math.inf, tol=0, class_weight=weights).fit(X, COUNTS)
    same(summary(model, X, COUNTS), summary(model.model_, X, COUNTS * [1.0, 2.0, 0.5]))
    balanced = SoftmaxRegression(C=math.inf, tol=0, class_weight="balanced").fit(X, COUNTS)
    assert summary(balanced, X, COUNTS).distance < 1e-6


def test_whole_numbers_that_came_as_floats_are_labels() -> None:
    """As pandas has them after a merge that left gaps."""
    by_float, by_int = (SoftmaxRegression(C=math.inf, tol=0).fit(X, CODES.astype(kind)) for kind in (float, int))
    want = summary(by_int, X, CODES)
    for model, y in ((by_float, CODES.astype(float)), (by_int, CODES.astype(float)), (by_float, CODES)):
        same(summary(model, X, y), want)
    same(summary(by_int, X, CODES.astype(float)[:, None].ravel()), want)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.where(np.arange(120) == 5, np.nan, CODES), "labels that are missing; the first is nan in row 5: leave"),
        (CODES + 0.5, r"labels have dtype float64; expected .*labels.astype\(int\) makes integers"),
        (CODES + 1, "labels are not among the classes; the first is 3"),
    ],
)
def test_floats_that_are_no_labels_are_refused_with_what_helps(y: Any, message: str) -> None:
    with pytest.raises(LabelError, match=message):
        summary(SoftmaxRegression(C=math.inf).fit(X, CODES), X, y)


def test_smoothed_labels_are_refused_with_what_helps() -> None:
    model = SoftmaxRegression(C=math.inf, tol=0, label_smoothing=0.1).fit(X, CODES)
    with pytest.raises(InferenceError, match=r"label_smoothing=0\.1, .*give rows of probabilities for y"):
        summary(model, X, CODES)
    assert summary(model, X, 0.9 * np.eye(3)[CODES] + 0.1 / 3).distance < 1e-6


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"offset": OFFSET[:, :2]}, ShapeError, r"offset has shape \(120, 2\); expected \(120, 3\)"),
        ({"offset": "none"}, DataError, r"offset is 'none'; expected an array of numbers, \(n, 3\)"),
        ({"sample_weight": np.ones(3)}, ShapeError, r"sample_weight has shape \(3,\); expected \(120,\)"),
    ],
)
def test_what_does_not_fit_the_rows_is_refused(given: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        summary(fitted(3, n=120, K=3).model, X, Y, **given)


def test_other_words_for_weights_of_classes_are_refused() -> None:
    model = SoftmaxRegression(C=math.inf, tol=0).fit(X, CODES).set_params(class_weight="auto")
    with pytest.raises(SettingError, match="class_weight is 'auto'; expected None, 'balanced' or a dict"):
        summary(model, X, CODES)


@pytest.mark.parametrize("method", [summary, marginal_effects, polish])
def test_columns_of_other_names_or_in_another_order_are_refused_by_name(method: Any) -> None:
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(X, columns=list("uvw"))
    model = SoftmaxRegression(C=np.inf, tol=1e-14).fit(table, Y)
    method(model, table, Y)
    for other in (table[["w", "v", "u"]], table.rename(columns={"u": "w", "w": "u"})):
        with pytest.raises(ColumnError, match=r"X has column 'w' where the fit had 'u'"):
            method(model, other, Y)


def test_a_model_may_call_a_tables_columns_otherwise_but_not_by_one_anothers_names() -> None:
    pandas = pytest.importorskip("pandas")
    model, _ = fit(Dataset.from_labels(X, Y, feature_names=["u", "v", "w"]), Settings.for_inference())
    assert summary(model, pandas.DataFrame(X, columns=list("abc")), Y).terms == ("intercept", "u", "v", "w")
    with pytest.raises(ColumnError, match=r"X\[list\(model\.feature_names\)\]"):
        summary(model, pandas.DataFrame(X, columns=list("vuw")), Y)


def test_an_estimators_columns_have_its_names() -> None:
    pandas = pytest.importorskip("pandas")
    model = SoftmaxRegression(C=np.inf, tol=1e-14).fit(pandas.DataFrame(X, columns=list("uvw")), Y)
    with pytest.raises(ColumnError, match=r"column 'a' where the fit had 'u'.*X\[list\(model\.feature_names_in_\)\]"):
        summary(model, pandas.DataFrame(X, columns=list("avw")), Y)


@pytest.mark.parametrize("missing", ["mean", "zero"])
def test_what_is_missing_is_filled_as_in_the_fit(missing: str) -> None:
    holed = X.copy()
    holed[::7, 1] = np.nan
    model = SoftmaxRegression(C=np.inf, tol=1e-14, missing=missing).fit(holed, Y)
    filled = np.where(np.isnan(holed), model.fill_, holed)
    same(summary(polish(model, holed, Y), filled, Y), summary(polish(model, filled, Y), filled, Y))
    same(summary(model, holed, Y), summary(model, filled, Y))
    same(summary(model, scipy.sparse.csr_array(holed), Y), summary(model, filled, Y))


@pytest.mark.parametrize("method", [summary, marginal_effects])
@pytest.mark.parametrize("level", ["a", None, 1.0, 0, np.nan])
def test_levels_are_numbers_between_0_and_1(method: Any, level: Any) -> None:
    model, _ = fit(Dataset.from_labels(X, Y), Settings.for_inference())
    with pytest.raises(SettingError, match=r"level is .*; expected a number between 0 and 1"):
        method(model, X, Y, level=level)
