"""Marginal effects: derivatives of the probabilities as finite differences find them, and so their errors."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from inference_problems import Problem, fitted
from softreg.errors import DataError, SettingError, ShapeError, SoftregError
from softreg.inference import marginal_effects, summary

PROBLEMS = [
    pytest.param({}, id="plain"),
    pytest.param({"weighted": True}, id="weighted"),
    pytest.param({"C": 0.1, "K": 2}, id="two classes, penalised"),
    pytest.param({"scale": np.array([2.0, 0.1, 3.0]), "shift": np.array([-10.0, 1.0, 0.5])}, id="scaled"),
    pytest.param({"C": 1.0, "scale": 0.5, "shift": 2.0, "weighted": True}, id="all at once"),
]


def rows_at(problem: Problem, at: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    w = np.ones(len(problem.X)) if problem.w is None else problem.w
    if isinstance(at, str) and at == "overall":
        return problem.X, w / w.sum()
    row = {"mean": w @ problem.X / w.sum(), "zero": np.zeros(3)}[at] if isinstance(at, str) else at
    return row[None], np.ones(1)


def by_differences(problem: Problem, at: Any, discrete: bool) -> NDArray[np.float64]:
    X, share = rows_at(problem, at)
    out = []
    for j in range(X.shape[1]):
        low, high, h = X.copy(), X.copy(), 1e-5
        if discrete and j == 2:
            low[:, j], high[:, j], h = 0, 1, 0.5
        else:
            low[:, j] -= h
            high[:, j] += h
        out.append(share @ (problem.model.predict_proba(high) - problem.model.predict_proba(low)) / (2 * h))
    return np.array(out)


@pytest.mark.slow
@pytest.mark.parametrize("discrete", [False, True], ids=["slopes", "changes"])
@pytest.mark.parametrize("at", ["overall", "mean", "zero", np.array([5.0, 30.0, 1.0])], ids=str)
@pytest.mark.parametrize("fields", PROBLEMS)
def test_effects_and_errors_are_those_of_finite_differences(fields: Any, at: Any, discrete: bool) -> None:
    problem = fitted(1, **fields)
    X, y, w, model = problem
    found = marginal_effects(model, X, y, sample_weight=w, at=at, discrete=discrete)
    np.testing.assert_allclose(found.effects, by_differences(problem, at, discrete), rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(found.effects.sum(axis=1), 0, atol=1e-14)

    # the delta method, with the coefficients of the classes but the first moved one by one
    coefficients = summary(model, X, y, sample_weight=w)
    jacobian = []
    scale, shift = (np.broadcast_to(v, 3) for v in (model.scale, model.shift))
    for k in range(1, model.n_classes):
        for term in range(4):
            ends = []
            for h in (1e-5, -1e-5):
                W, b = model.W.copy(), model.b.copy()
                if term:
                    W[term - 1, k] += h / scale[term - 1]
                    b[k] -= h * shift[term - 1] / scale[term - 1]
                else:
                    b[k] += h
                other = problem._replace(model=replace(model, W=W, b=b))
                ends.append(exact_effects(other, at, discrete))
            jacobian.append((ends[0] - ends[1]) / 2e-5)
    J = np.array(jacobian)  # (parameters, columns, classes)
    variance = np.einsum("ijk,il,ljk->jk", J, coefficients.covariance, J)
    np.testing.assert_allclose(found.standard_errors, np.sqrt(variance), rtol=1e-4, atol=1e-9)


def exact_effects(problem: Problem, at: Any, discrete: bool) -> NDArray[np.float64]:
    X, share = rows_at(problem, at)
    model = problem.model
    coefficients = np.broadcast_to(model.scale, 3)[:, None] * model.W
    p = model.predict_proba(X)
    out = np.array([share @ (p * (row - (p @ row)[:, None])) for row in coefficients])
    if discrete:
        low, high = X.copy(), X.copy()
        low[:, 2], high[:, 2] = 0, 1
        out[2] = share @ (model.predict_proba(high) - model.predict_proba(low))
    return out


def test_columns_are_taken_by_name_or_place() -> None:
    X, y, _, model = fitted(1, feature_names=["age", "income", "owns"])
    whole = marginal_effects(model, X, y)
    part = marginal_effects(model, X, y, columns=["owns", 0])
    assert part.columns == ("owns", "age")
    np.testing.assert_array_equal(part.effects, whole.effects[[2, 0]])
    np.testing.assert_array_equal(part.standard_errors, whole.standard_errors[[2, 0]])


def test_the_table_has_a_row_for_each_class_and_column() -> None:
    X, y, _, model = fitted(1)
    found = marginal_effects(model, X, y, discrete=True, level=0.9)
    table = found.table
    assert table["class"].tolist() == [k for k in "abcd" for _ in range(3)]
    assert table["column"].tolist() == ["x0", "x1", "x2"] * 4
    np.testing.assert_array_equal(table["effect"], found.effects.T.ravel())
    np.testing.assert_allclose(table["effect"] / table["std_error"], table["z"], rtol=1e-14)
    half = 1.6448536269514722 * table["std_error"]
    np.testing.assert_allclose(table["high"] - table["effect"], half, rtol=1e-12)
    np.testing.assert_allclose(table["effect"] - table["low"], half, rtol=1e-12)
    assert "x2 (0 to 1)" in str(found)
    assert "90 % low" in str(found)


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"at": "median"}, SettingError, "'overall', 'mean', 'zero', or a row"),
        ({"at": [1.0, 2.0]}, ShapeError, "a value for each column"),
        ({"at": [1.0, np.nan, 0.0]}, DataError, "at has nan"),
        ({"columns": ["weight"]}, SettingError, "columns is 'weight'"),
        ({"columns": [3]}, SettingError, "names or places of the 3 columns"),
        ({"columns": "x0"}, SettingError, "a list of names"),
        ({"columns": []}, SettingError, "at least one"),
        ({"level": 1.0}, SettingError, "between 0 and 1"),
    ],
)
def test_what_cannot_be_is_refused(settings: dict[str, Any], error: type[SoftregError], words: str) -> None:
    X, y, _, model = fitted(1)
    with pytest.raises(error, match=words):
        marginal_effects(model, X, y, **settings)
