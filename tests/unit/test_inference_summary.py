"""summary: coefficients in the caller's units with the standard errors of the formula, however they are asked for."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, reject
from hypothesis import strategies as st
from numpy.typing import NDArray

from inference_problems import Problem, fitted, sample
from softreg import Dataset, Model, Settings, SoftmaxRegression, fit
from softreg.errors import DataError, InferenceError, LabelError, SeparatedError, SettingError, ShapeError, SoftregError
from softreg.inference import Summary, summary
from softreg.objective import SoftmaxObjective


def summed(problem: Problem, **settings: Any) -> Summary:
    return summary(problem.model, problem.X, problem.y, sample_weight=problem.w, **settings)


def by_hand(problem: Problem, *, meat: bool = False) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """θ [b; W] minus its mean over the classes, (K, d + 1), and its covariance, from the Hessian of the engine."""
    X, y, w, model = problem
    C = model.settings["C"] or np.inf
    data = Dataset.from_labels(X, y, classes=model.classes, weights=w)
    weight = len(X) if w is None else w.sum()
    objective = SoftmaxObjective(data, (2 if model.n_classes == 2 else 1) / C / weight)
    d, K = model.W.shape
    H = objective.hessian(np.append(model.W, [model.b], axis=0).ravel()) * weight
    # Class by class, the intercept first, and in an orthonormal basis of what sums to 0 over the classes.
    order = np.arange((d + 1) * K).reshape(d + 1, K)[[d, *range(d)]].T.ravel()
    Q = np.linalg.svd(np.eye(K) - 1 / K)[0][:, : K - 1]
    B = np.kron(Q, np.eye(d + 1))
    covariance = B @ np.linalg.inv(B.T @ H[np.ix_(order, order)] @ B) @ B.T
    if meat:
        residuals = model.predict_proba(X) - (y[:, None] == model.classes)
        S = np.zeros_like(covariance)
        for x, r, v in zip(X, residuals, np.ones(len(X)) if w is None else w, strict=True):
            s = np.kron(r, [1, *x])
            S += v**2 * np.outer(s, s)
        covariance = covariance @ S @ covariance
    theta = np.column_stack([model.b, model.W.T])
    return theta - theta.mean(axis=0), covariance


PROBLEMS = [
    pytest.param({}, id="plain"),
    pytest.param({"weighted": True}, id="weighted"),
    pytest.param({"C": 0.1}, id="penalised"),
    pytest.param({"C": 0.1, "weighted": True, "K": 2}, id="two classes, penalised and weighted"),
]


@pytest.mark.parametrize("meat", [False, True], ids=["observed", "sandwich"])
@pytest.mark.parametrize("fields", PROBLEMS)
def test_it_is_the_formula_with_the_engines_hessian(fields: dict[str, Any], meat: bool) -> None:
    problem = fitted(1, **fields)
    theta, covariance = by_hand(problem, meat=meat)
    found = summed(problem, contrasts="sum", covariance="sandwich" if meat else "observed")
    np.testing.assert_allclose(found.coefficients, theta, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(found.covariance, covariance, rtol=1e-7, atol=1e-10)
    assert found.base is None
    assert found.classes.tolist() == problem.model.classes.tolist()


@pytest.mark.parametrize("C", [np.inf, 0.1])
def test_a_base_is_a_choice_of_differences(C: float) -> None:
    problem = fitted(1, C=C)
    sums = summed(problem, contrasts="sum")
    K, q = sums.coefficients.shape
    theta, cov = sums.coefficients, sums.covariance.reshape(K, q, K, q)
    for code, base in enumerate("abcd"):
        found = summed(problem, base=base)
        others = [k for k in range(K) if k != code]
        assert found.classes.tolist() == ["abcd"[k] for k in others]
        np.testing.assert_allclose(found.coefficients, theta[others] - theta[code], rtol=1e-9)
        variances = [np.diagonal(cov[k, :, k] + cov[code, :, code] - cov[k, :, code] - cov[code, :, k]) for k in others]
        np.testing.assert_allclose(found.standard_errors**2, variances, rtol=1e-8)
        assert found.log_likelihood == sums.log_likelihood
    assert summed(problem).base == "a"


@pytest.mark.parametrize(
    "fields",
    [
        {"scale": 0.25},
        {"scale": 0.25, "shift": -1.5},
        {"scale": np.array([2.0, 0.1, 3.0]), "shift": np.array([-10.0, 1.0, 0.5])},
    ],
    ids=["scale", "shift", "columns"],
)
@pytest.mark.parametrize("covariance", ["observed", "sandwich"])
def test_what_the_model_scales_makes_no_difference_to_the_callers_units(
    fields: dict[str, Any], covariance: str
) -> None:
    plain = summed(fitted(2), covariance=covariance)
    found = summed(fitted(2, **fields), covariance=covariance)
    np.testing.assert_allclose(found.coefficients, plain.coefficients, rtol=1e-9)
    np.testing.assert_allclose(found.covariance, plain.covariance, rtol=1e-8, atol=1e-12)


def test_a_penalty_applies_in_the_models_units() -> None:
    X, y, _, model = fitted(2, C=0.1, scale=0.25, shift=-1.5)
    other = fitted(2, C=0.1 * 0.25**2)  # ‖W‖² in units four times as large
    found, plain = summary(model, X, y), summed(other)
    np.testing.assert_allclose(found.coefficients, plain.coefficients, rtol=1e-8)
    np.testing.assert_allclose(found.standard_errors, plain.standard_errors, rtol=1e-8)


def test_units_far_apart_keep_their_digits() -> None:
    X, y = sample(7)
    plain = summed(Problem(X, y, None, fit(Dataset.from_labels(X, y), Settings.for_inference())[0]))
    unit, far = np.array([1e-8, 1e8, 1.0]), np.array([0.0, 0.0, 1e4])
    other = X * unit + far
    model, _ = fit(Dataset.from_labels(other, y), Settings.for_inference())
    found = summary(model, other, y)
    np.testing.assert_allclose(found.coefficients[:, 1:] * unit, plain.coefficients[:, 1:], rtol=1e-7)
    np.testing.assert_allclose(found.standard_errors[:, 1:] * unit, plain.standard_errors[:, 1:], rtol=1e-9)


@pytest.mark.slow
@given(seed=st.integers(0, 1000), data=st.data())
def test_a_weight_is_a_row_that_often(seed: int, data: st.DataObject) -> None:
    X, y = sample(seed, n=60, d=2, K=3)
    times = np.array(data.draw(st.lists(st.integers(0, 3), min_size=60, max_size=60)))
    X, y, times = np.tile(X, (2, 1)), np.append(y, y[::-1]), np.append(times, times + 1)  # overlapping classes
    many = np.repeat(np.arange(120), times)
    model, _ = fit(Dataset.from_labels(X, y, weights=times), Settings.for_inference())
    try:
        found = summary(model, X, y, sample_weight=times)
    except SeparatedError:
        reject()
    repeated = summary(model, X[many], y[many])
    for name in ("standard_errors", "log_likelihood", "null_log_likelihood", "aic", "bic", "weight", "df"):
        np.testing.assert_allclose(getattr(found, name), getattr(repeated, name), rtol=1e-10, err_msg=name)
    assert [found.n_rows, repeated.n_rows] == [int((times > 0).sum()), len(many)]


def test_the_null_model_has_the_shares_of_the_classes() -> None:
    problem = fitted(1, weighted=True)
    assert problem.w is not None
    shares = np.array([problem.w[problem.y == k].sum() for k in "abcd"]) / problem.w.sum()
    by_rows = np.log(shares)[np.searchsorted(list("abcd"), problem.y)] @ problem.w
    assert summed(problem).null_log_likelihood == pytest.approx(by_rows, rel=1e-12)


def test_a_penalty_leaves_fewer_degrees_of_freedom() -> None:
    frees = [summed(fitted(1, C=C)).df for C in (1e-9, 0.1, 10.0, 1e8, np.inf)]
    assert frees == sorted(frees)
    assert frees[0] == pytest.approx(3, abs=0.05), "the intercepts are not penalised"
    assert frees[-2] == pytest.approx(12, abs=1e-4)
    assert frees[-1] == 12
    assert not summed(fitted(1)).penalised
    assert "drawn towards 0" in str(summed(fitted(1, C=0.1)))


def test_the_level_is_that_of_the_intervals() -> None:
    found = summed(fitted(1), level=0.9)
    half = 1.6448536269514722 * found.standard_errors  # qnorm(0.95)
    np.testing.assert_allclose(found.intervals[..., 0], found.coefficients - half, rtol=1e-12)
    np.testing.assert_allclose(found.intervals[..., 1], found.coefficients + half, rtol=1e-12)
    assert "90 % low" in str(found)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # no certificate without a penalty
@pytest.mark.parametrize("C", [np.inf, 0.1])
@pytest.mark.parametrize("K", [2, 4])
def test_an_estimator_holds_its_model(K: int, C: float) -> None:
    X, y, _, model = fitted(1, K=K, C=C)
    found = summary(SoftmaxRegression(C=C, tol=0.0).fit(X, y), X, y)
    want = summary(model, X, y)
    np.testing.assert_allclose(found.coefficients, want.coefficients, rtol=1e-8)
    np.testing.assert_allclose(found.standard_errors, want.standard_errors, rtol=1e-8)


def test_terms_have_the_models_names_or_the_tables() -> None:
    pandas = pytest.importorskip("pandas")
    X, y, _, model = fitted(1)
    assert summary(model, X, y).terms == ("intercept", "x0", "x1", "x2")
    frame = pandas.DataFrame(X, columns=["age", "income", "owns"])
    found = summary(model, frame, pandas.Series(y))
    assert found.terms == ("intercept", "age", "income", "owns")
    named = fitted(1, feature_names=["u", "v", "w"]).model
    assert summary(named, frame, y).terms == ("intercept", "u", "v", "w")


@pytest.mark.parametrize("dtype", ["float32", "uint8", "float16"])
def test_every_type_of_rows_is_summed_in_float64(dtype: str) -> None:
    rng = np.random.default_rng(0)
    X = rng.integers(0, 9, (400, 3)).astype(dtype)
    y = (X @ rng.normal(size=(3, 3)) / 3 + rng.gumbel(size=(400, 3))).argmax(axis=1)
    settings = Settings.for_inference()
    narrow, wide = (fit(Dataset.from_labels(rows, y), settings)[0] for rows in (X, X.astype(float)))
    found, want = summary(narrow, X, y), summary(wide, X.astype(float), y)
    np.testing.assert_allclose(found.coefficients, want.coefficients, rtol=1e-9)
    np.testing.assert_allclose(found.standard_errors, want.standard_errors, rtol=1e-9)


def test_the_order_of_rows_in_blocks_is_the_order_of_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    from softreg.inference import design

    whole = summed(fitted(1, weighted=True), covariance="sandwich")
    monkeypatch.setattr(design, "BLOCK_CELLS", 16 * 17)
    parts = summed(fitted(1, weighted=True), covariance="sandwich")
    np.testing.assert_allclose(parts.covariance, whole.covariance, rtol=1e-9, atol=1e-13)


def test_memory_is_that_of_a_few_information_matrices() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(1200, 60)), rng.integers(0, 20, 1200)
    model, _ = fit(Dataset.from_labels(X, y), Settings.for_inference(C=0.01))
    size = 8 * (61 * 20) ** 2
    tracemalloc.start()
    summary(model, X, y, covariance="sandwich")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 6 * size + (40 << 20)  # and the blocks of rows
    with pytest.raises(InferenceError, match=r"takes 0\.0665 GiB, above the limit of 0\.0625: .* max_bytes=71443200"):
        summary(model, X, y, max_bytes=1 << 26)


X, Y, _, MODEL = fitted(1)
L1 = fit(Dataset.from_labels(X, Y), Settings("auto", C=1.0, l1_ratio=0.5))[0]


@pytest.mark.parametrize(
    ("model", "rows", "labels", "settings", "error", "words"),
    [
        (object(), X, Y, {}, SettingError, "expected a Model"),
        (L1, X, Y, {}, InferenceError, r"L1 penalty \(l1_ratio=0.5\), which puts some coefficients at exactly 0"),
        (MODEL, X[:, :2], Y, {}, ShapeError, "the model has 3 features"),
        (MODEL, X, Y[:-1], {}, ShapeError, "one label for each row"),
        (MODEL, X, np.where(Y == "a", "z", Y), {}, LabelError, "not among the classes; the first is 'z'"),
        (MODEL, np.where(X[7, 1] == X, np.nan, X), Y, {}, DataError, "row 7, column 1"),
        (MODEL, X, Y, {"sample_weight": np.zeros(300)}, InferenceError, "nothing to learn from"),
        (MODEL, X, Y, {"base": "z"}, SettingError, "one of the classes, 'a', 'b', 'c', 'd'"),
        (MODEL, X, Y, {"base": "a", "contrasts": "sum"}, SettingError, "mean of all classes"),
        (MODEL, X, Y, {"contrasts": "helmert"}, SettingError, "'base' or 'sum'"),
        (MODEL, X, Y, {"covariance": "robust"}, SettingError, "'observed', 'sandwich'"),
        (MODEL, X, Y, {"level": 95}, SettingError, "between 0 and 1"),
    ],
)
def test_what_cannot_be_is_refused_with_what_would(
    model: Model, rows: Any, labels: Any, settings: Any, error: type[SoftregError], words: str
) -> None:
    with pytest.raises(error, match=words):
        summary(model, rows, labels, **settings)
