"""Certified coefficients and standard errors, and what statsmodels says of the same rows."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import Any, NamedTuple

import mpmath
import numpy as np
import pytest
import statsmodels.api as sm
from numpy.typing import NDArray

from inference_problems import fitted, sample
from softreg import LBFGS, Dataset, Model, Newton, Settings, Solution, fit
from softreg.inference import likelihood_ratio_test, marginal_effects, polish, summary

COLUMNS = ["logpopul", "selfLR", "age", "educ", "income"]

HSBDEMO = os.environ.get("SOFTREG_HSBDEMO", "")
# Of prog ~ ses + write: intercept, ses middle, ses high, write. A Newton solve in 40 digits.
HSBDEMO_LOG_LIKELIHOOD = -179.98172621509271
HSBDEMO_COEFFICIENTS = {
    "general": [2.852186235976285, -0.5332910124780911, -1.162831996428279, -0.05792840971192801],
    "vocation": [5.218200157136728, 0.291393116005183, -0.9826703251888743, -0.1136026397533211],
}
HSBDEMO_STANDARD_ERRORS = {
    "general": [1.1664391355846, 0.44373213569306, 0.51421945374263, 0.021410946027621],
    "vocation": [1.1635489695705, 0.47637370536318, 0.59556693861983, 0.022219899069722],
}


def digits(got: Any, want: Any) -> float:
    """Least number of digits that agree: the log relative error."""
    error = np.abs(np.asarray(got, float) / np.asarray(want, float) - 1)
    return float(-np.log10(max(error.max(), 1e-17)))


@pytest.mark.skipif(
    not HSBDEMO, reason="SOFTREG_HSBDEMO is not set: the path of hsbdemo.csv, which is not ours to give away"
)
@pytest.mark.parametrize("solver", ["auto", LBFGS(), Newton()], ids=["auto", "lbfgs", "newton"])
def test_hsbdemo_is_certified(solver: Any) -> None:
    with Path(HSBDEMO).open() as file:
        rows = list(csv.DictReader(file))
    X = np.array([[r["ses"] == "middle", r["ses"] == "high", float(r["write"])] for r in rows], float)
    y = np.array([r["prog"] for r in rows])
    model, _ = fit(Dataset.from_labels(X, y), Settings.for_inference(solver=solver))
    found = summary(model, X, y, base="academic")
    assert found.classes.tolist() == ["general", "vocation"]
    assert digits(found.coefficients, list(HSBDEMO_COEFFICIENTS.values())) > 11
    assert digits(found.standard_errors, list(HSBDEMO_STANDARD_ERRORS.values())) > 11
    assert digits(found.log_likelihood, HSBDEMO_LOG_LIKELIHOOD) > 14


class Anes96(NamedTuple):
    X: NDArray[np.float64]
    y: NDArray[np.int64]
    model: Model
    solution: Solution


@pytest.fixture(scope="session")
def anes96() -> Anes96:
    """Party identification of 944 voters, seven classes, as statsmodels brings it (public domain)."""
    data = sm.datasets.anes96.load_pandas()
    X, y = data.exog[COLUMNS].to_numpy(), data.endog.to_numpy().astype(int)
    return Anes96(X, y, *fit(Dataset.from_labels(X, y, feature_names=COLUMNS), Settings.for_inference()))


@pytest.fixture(scope="session")
def exact(anes96: Anes96) -> tuple[NDArray[Any], NDArray[Any]]:
    """Coefficients against class 0 and their standard errors, (6, 6) each, from sums in 30 digits."""
    x = np.column_stack([np.ones(len(anes96.X)), anes96.X])
    n, K, p = len(x), 7, x.shape[1]
    with mpmath.workdps(30):
        wide = np.vectorize(mpmath.mpf, otypes=[object])(x)

        def probabilities(B: NDArray[Any]) -> NDArray[Any]:
            e = np.vectorize(mpmath.exp, otypes=[object])(np.column_stack([np.zeros(n, object), wide @ B]))
            return np.asarray(e / e.sum(axis=1)[:, None])[:, 1:]

        def information(P: NDArray[Any], x: NDArray[Any]) -> NDArray[Any]:
            H = np.empty((K - 1, p, K - 1, p), P.dtype)
            for k in range(K - 1):
                for m in range(k + 1):
                    H[k, :, m] = x.T @ (x * (P[:, k] * ((k == m) - P[:, m]))[:, None])
                    H[m, :, k] = H[k, :, m].T
            return H.reshape((K - 1) * p, -1)

        B = np.zeros((p, K - 1), object)
        # Newton's method: what it goes to depends on the gradient alone, which is in 30 digits.
        for _ in range(30):
            P = probabilities(B)
            gradient = (wide.T @ (P - (anes96.y[:, None] == np.arange(1, K)))).T.ravel()
            size = float(max(abs(v) for v in gradient))
            if size < 1e-22:
                break
            rounded = np.array([float(v / size) for v in gradient])
            step = np.linalg.solve(information(P.astype(float), x), rounded)
            B = B - size * np.vectorize(mpmath.mpf, otypes=[object])(step).reshape(K - 1, p).T
        assert size < 1e-22
        H = information(P, wide)
        inverted = mpmath.inverse(mpmath.matrix(H.tolist()))
        errors = np.array([mpmath.sqrt(inverted[i, i]) for i in range(len(H))]).reshape(K - 1, p)
    return B.T, errors


@pytest.mark.slow
@pytest.mark.parametrize(
    "solver", ["auto", LBFGS(), Newton(), Newton(exact_passes=0)], ids=["auto", "lbfgs", "exact", "truncated"]
)
def test_anes96_has_nine_digits_and_more(anes96: Anes96, exact: tuple[Any, Any], solver: Any) -> None:
    model, _ = fit(Dataset.from_labels(anes96.X, anes96.y), Settings.for_inference(solver=solver))
    found = summary(model, anes96.X, anes96.y)
    assert digits(found.coefficients, exact[0]) > 11
    assert digits(found.standard_errors, exact[1]) > 12
    assert found.distance < 1e-9


@pytest.fixture(scope="session")
def judge(anes96: Anes96) -> Any:
    return sm.MNLogit(anes96.y, sm.add_constant(anes96.X)).fit(method="newton", maxiter=100, tol=1e-14, disp=0)


def test_anes96_is_what_statsmodels_says(anes96: Anes96, judge: Any) -> None:
    found = summary(anes96.model, anes96.X, anes96.y)
    assert found.terms == ("intercept", *COLUMNS)
    assert digits(found.coefficients, judge.params.T) > 10
    for ours, theirs in [("standard_errors", "bse"), ("z", "tvalues"), ("p_values", "pvalues")]:
        np.testing.assert_allclose(getattr(found, ours), getattr(judge, theirs).T, rtol=1e-9, err_msg=ours)
    np.testing.assert_allclose(found.intervals, judge.conf_int(), rtol=1e-9)
    np.testing.assert_allclose(found.covariance, judge.cov_params(), rtol=1e-8, atol=1e-14)
    for ours, theirs in [("log_likelihood", "llf"), ("aic", "aic"), ("bic", "bic")]:
        np.testing.assert_allclose(getattr(found, ours), getattr(judge, theirs), rtol=1e-12, err_msg=ours)
    # statsmodels finds the null model by a solver of its own, which stops at some 10 digits
    np.testing.assert_allclose(found.null_log_likelihood, judge.llnull, rtol=1e-9)
    np.testing.assert_allclose(found.pseudo_r2, judge.prsquared, rtol=1e-8)
    assert found.df_residual == judge.df_resid
    test = likelihood_ratio_test(None, found)
    assert test.df == judge.df_model
    np.testing.assert_allclose([test.statistic, test.p_value], [judge.llr, judge.llr_pvalue], rtol=1e-5)


@pytest.mark.parametrize("at", ["overall", "mean", "zero"])
def test_marginal_effects_are_what_statsmodels_says(anes96: Anes96, judge: Any, at: str) -> None:
    ours, theirs = marginal_effects(anes96.model, anes96.X, anes96.y, at=at), judge.get_margeff(at=at)
    np.testing.assert_allclose(ours.effects, theirs.margeff, rtol=1e-8, atol=1e-13)
    np.testing.assert_allclose(ours.standard_errors, theirs.margeff_se, rtol=1e-8, atol=1e-13)


@pytest.mark.parametrize("at", ["overall", "mean"])
def test_discrete_changes_are_what_statsmodels_says(at: str) -> None:
    X, y, _, model = fitted(3)
    judge = sm.MNLogit(np.searchsorted(model.classes, y), sm.add_constant(X)).fit(
        method="newton", maxiter=100, tol=1e-12, disp=0
    )
    ours, theirs = marginal_effects(model, X, y, at=at, discrete=True), judge.get_margeff(at=at, dummy=True)
    assert ours.discrete == (False, False, True)
    np.testing.assert_allclose(ours.effects, theirs.margeff, rtol=1e-8, atol=1e-13)
    np.testing.assert_allclose(ours.standard_errors, theirs.margeff_se, rtol=1e-8, atol=1e-13)


@pytest.mark.parametrize(("covariance", "theirs"), [("observed", "nonrobust"), ("sandwich", "HC0")])
def test_two_classes_are_statsmodels_logit(covariance: str, theirs: str) -> None:
    X, y, _, model = fitted(4, K=2)
    judge = sm.Logit(y == "b", sm.add_constant(X)).fit(method="newton", tol=1e-14, disp=0, cov_type=theirs)
    found = summary(model, X, y, covariance=covariance)
    assert digits(found.coefficients[0], judge.params) > 10
    assert digits(found.standard_errors[0], judge.bse) > 10
    np.testing.assert_allclose([found.log_likelihood, found.aic, found.bic], [judge.llf, judge.aic, judge.bic])
    effects = marginal_effects(model, X, y)
    np.testing.assert_allclose(effects.effects[:, 1], judge.get_margeff().margeff, rtol=1e-8)
    if covariance == "observed":
        np.testing.assert_allclose(effects.standard_errors[:, 1], judge.get_margeff().margeff_se, rtol=1e-8)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_sandwich_of_two_classes_is_a_binomial_glms(weighted: bool) -> None:
    X, y = sample(5, K=2)
    w = np.random.default_rng(0).uniform(0.2, 3, len(X)) if weighted else np.ones(len(X))
    model, _ = fit(Dataset.from_labels(X, y, weights=w), Settings.for_inference())
    found = summary(model, X, y, sample_weight=w, covariance="sandwich")
    judge = sm.GLM(y == "b", sm.add_constant(X), family=sm.families.Binomial(), var_weights=w)
    assert digits(found.standard_errors[0], judge.fit(tol=1e-14, maxiter=100, cov_type="HC0").bse) > 9


def test_a_model_without_an_intercept_is_statsmodels_without_a_constant() -> None:
    X, y = sample(6, K=3)
    model, _ = fit(Dataset.from_labels(X, y), Settings.for_inference(fit_intercept=False))
    found = summary(model, X, y)
    judge = sm.MNLogit(np.searchsorted(model.classes, y), X).fit(method="newton", tol=1e-14, disp=0)
    assert found.terms == ("x0", "x1", "x2")
    assert digits(found.coefficients, judge.params.T) > 10
    assert digits(found.standard_errors, judge.bse.T) > 10
    assert found.n_parameters == 6


def test_what_the_model_shifts_is_an_intercept_to_the_caller() -> None:
    X, y = sample(6, K=3)
    shift = np.array([1.0, -2.0, 3.0])
    start = Model(np.zeros((3, 3)), np.zeros(3), np.unique(y), shift=shift, settings={"fit_intercept": False})
    found = summary(polish(start, X, y), X, y)
    judge = sm.MNLogit(np.searchsorted(start.classes, y), X + shift).fit(method="newton", tol=1e-14, disp=0)
    assert found.terms == ("intercept", "x0", "x1", "x2")
    assert found.n_parameters == 6
    assert digits(found.coefficients[:, 1:], judge.params.T) > 10
    assert digits(found.coefficients[:, 0], judge.params.T @ shift) > 9
    covariance = judge.cov_params().reshape(2, 3, 2, 3)
    variances = [shift @ covariance[k, :, k] @ shift for k in range(2)]
    assert digits(found.standard_errors[:, 0] ** 2, variances) > 9
