"""Standard errors belong to an optimum: what is not at one is said, taken there, or refused with the reason."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from inference_problems import fitted, sample
from softreg import SGD, Dataset, Model, Settings, fit
from softreg.errors import InferenceWarning, NotAtOptimumError, SeparatedError, SingularInformationError
from softreg.inference import marginal_effects, polish, summary


def moved(model: Model, t: float) -> Model:
    """The model with one class's weights a little larger."""
    W = model.W.copy()
    W[:, 1] += t
    return replace(model, W=W)


def distance(model: Model, X: Any, y: Any) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InferenceWarning)
        return summary(model, X, y).distance


@pytest.mark.parametrize("C", [np.inf, 0.1])
def test_the_distance_is_in_standard_errors(C: float) -> None:
    X, y, _, model = fitted(1, C=C)
    found = summary(model, X, y)
    assert found.distance < 1e-9
    # the most that any combination is off: √(δᵀ covariance⁻¹ δ), to first order
    step = np.zeros((3, 4))
    step[0, 1:] = 1e-3  # of class b
    expected = np.sqrt(step.ravel() @ np.linalg.solve(found.covariance, step.ravel()))
    assert 0.01 < expected < 1
    with pytest.warns(InferenceWarning, match=f"up to {expected:.1g}.* standard errors from those .*polish"):
        off = summary(moved(model, 1e-3), X, y)
    assert off.distance == pytest.approx(expected, rel=0.1)
    assert "standard errors from the best ones" in str(off)
    assert "standard errors from the best ones" not in str(found)


def test_the_coefficients_are_those_of_the_model_that_was_given() -> None:
    X, y, _, model = fitted(1)
    with pytest.warns(InferenceWarning):
        off = summary(moved(model, 1e-3), X, y)
    np.testing.assert_allclose(off.coefficients[0, 1:] - summary(model, X, y).coefficients[0, 1:], 1e-3, rtol=1e-6)


def test_a_hundredth_of_a_standard_error_is_not_worth_a_warning() -> None:
    X, y, _, model = fitted(1)
    near = moved(model, 1e-5)
    assert 1e-4 < summary(near, X, y).distance < 0.01


@pytest.mark.parametrize("what", [summary, marginal_effects])
def test_other_rows_than_the_fits_are_refused(what: Any) -> None:
    X, y, _, model = fitted(1)
    with pytest.raises(
        NotAtOptimumError, match="either these are not the rows, labels, weights and offsets of the fit"
    ) as error:
        what(model, X[::-1], y)
    assert error.value.distance > 1
    with pytest.raises(NotAtOptimumError):
        what(model, X, y, sample_weight=np.where(y == "a", 5.0, 1.0))


STARTS = [
    pytest.param(Settings(SGD(0.001), max_steps=2), np.inf, id="a few epochs of sgd"),
    pytest.param(Settings("auto", C=0.1), 0.1, id="the default tolerance"),
    pytest.param(Settings("auto", C=1e-4), 1e-4, id="a strong penalty"),
    pytest.param(Settings("auto", max_steps=0), np.inf, id="nothing"),
    pytest.param(Settings(SGD(1e3), max_steps=3), np.inf, id="worse than nothing"),
]


@pytest.mark.parametrize("fields", [{}, {"scale": 0.1, "shift": 2.0}], ids=["plain", "scaled"])
@pytest.mark.parametrize(("settings", "C"), STARTS)
def test_polish_goes_to_the_optimum_from_anywhere(settings: Settings, C: float, fields: dict[str, Any]) -> None:
    X, y = sample(1)
    start, _ = fit(Dataset.from_labels(X, y, **fields), settings)
    best = fitted(1, C=C, **fields).model
    found = polish(start, X, y)
    assert summary(found, X, y).distance < 1e-10
    np.testing.assert_allclose(found.W, best.W, rtol=1e-8, atol=1e-11)
    np.testing.assert_allclose(found.b, best.b, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(found.predict_proba(X), best.predict_proba(X), rtol=1e-9, atol=1e-12)
    assert found.settings == start.settings


def test_settings_for_inference_go_further_than_a_tolerance() -> None:
    X, y = sample(1)
    data = Dataset.from_labels(X, y)
    loose = fit(data, Settings("auto", C=0.1))[0]
    tight = fit(data, Settings.for_inference(C=0.1))[0]
    assert distance(tight, X, y) < 1e-9 < 1e-7 < distance(loose, X, y)
    assert Settings.for_inference(0.5, max_steps=7) == Settings("auto", C=0.5, tol=0.0, max_steps=7)


def test_wide_rows_of_few_digits_are_fitted_to_the_last_of_float64() -> None:
    X, y = sample(1)
    X = X.astype(np.float32)
    model, _ = fit(Dataset.from_labels(X, y), Settings.for_inference())
    assert summary(model, X, y).distance < 1e-7


NAMES = ["age", "height", "inches", "year"]


@pytest.mark.parametrize("what", [summary, marginal_effects, polish])
@pytest.mark.parametrize(
    ("column", "columns", "words"),
    [
        (lambda x: x[:, 1] / 2.54, {"height", "inches"}, "'height', 'inches' are linearly dependent"),
        (lambda x: 3 - x[:, 0] + 1e-3 * x[:, 1], {"age", "height", "inches"}, "leave 1 of them out"),
        (lambda x: 0 * x[:, 0] + 7.1, {"inches"}, "'inches' are constant, as the intercept is"),
    ],
    ids=["two", "three", "constant"],
)
def test_columns_that_depend_on_each_other_are_named(what: Any, column: Any, columns: set[str], words: str) -> None:
    X, y = sample(1)
    X = np.column_stack([X[:, :2], column(X), 2000 + X[:, 2]])
    data = Dataset.from_labels(X, y, feature_names=NAMES)
    model, _ = fit(data, Settings("auto"))
    with pytest.raises(SingularInformationError, match=words) as error:
        what(model, X, y)
    assert set(error.value.columns) == columns
    penalised, _ = fit(data, Settings.for_inference(C=1.0))
    assert what(penalised, X, y) is not None


def test_columns_that_are_nearly_dependent_are_not_taken_for_it() -> None:
    X, y = sample(1)
    X = np.column_stack([X, X[:, 0] + 1e-4 * np.random.default_rng(0).normal(size=len(X))])
    model = polish(fit(Dataset.from_labels(X, y), Settings("auto"))[0], X, y)
    assert summary(model, X, y).standard_errors.max() > 1e2


def test_dummies_for_every_group_are_one_too_many() -> None:
    X, y = sample(1)
    X = np.column_stack([X, 1 - X[:, 2]])
    model, _ = fit(Dataset.from_labels(X, y), Settings("auto"))
    with pytest.raises(SingularInformationError, match=r"dependent \(with the intercept\)") as error:
        summary(model, X, y)
    assert error.value.columns == ("x2", "x3")


@pytest.mark.parametrize(
    ("X", "y", "words"),
    [
        ([1, 2, 3, 4], "aabb", "completely separated, 'a' from 'b'"),
        ([1, 2, 3, 3, 4], "aaabb", "quasi-completely separated, 'a' from 'b'"),
        ([1, 2, 1, 2, 1.5, 8, 9], "abbabcc", "quasi-completely separated, 'a' from 'c', 'b' from 'c'"),
    ],
)
@pytest.mark.parametrize("what", [summary, polish])
def test_separated_classes_are_named(what: Any, X: Any, y: str, words: str) -> None:
    X = np.array(X, float)[:, None]
    model, _ = fit(Dataset.from_labels(X, list(y)), Settings("auto"))
    with pytest.raises(SeparatedError, match=f"there are no standard errors: the classes are {words}") as error:
        what(model, X, list(y))
    assert error.value.separation.apart.any()
    penalised, _ = fit(Dataset.from_labels(X, list(y)), Settings.for_inference(C=1.0))
    assert what(penalised, X, list(y)) is not None


@pytest.mark.parametrize("C", [np.inf, 1.0])
def test_a_class_without_rows_has_no_intercept(C: float) -> None:
    X, y = sample(1)
    model, _ = fit(Dataset.from_labels(X, y, classes=list("abcdz")), Settings("auto", C=C, max_steps=5))
    with pytest.raises(SingularInformationError, match=r"no rows .* of the classes 'z'") as error:
        summary(model, X, y)
    assert error.value.classes == ("z",)


def test_information_of_few_digits_is_not_inverted() -> None:
    X, y = sample(1)
    near = X[:, 0] + 5e-7 * X[:, 0].std() * np.random.default_rng(0).normal(size=len(X))
    X = np.column_stack([X, near])
    model, _ = fit(Dataset.from_labels(X, y), Settings("auto"))
    with pytest.raises(SingularInformationError, match="cannot be inverted in float64: of 'x0', 'x3'"):
        summary(model, X, y)


def test_information_beyond_float64_is_not_inverted() -> None:
    """A penalty too weak to tell apart what the columns do not."""
    X, y = sample(1)
    X = np.column_stack([X, X[:, 0]])
    start, _ = fit(Dataset.from_labels(X, y), Settings("auto"))
    model = replace(start, settings={"C": 1e18})
    with pytest.raises(SingularInformationError, match="cannot be inverted in float64: of 'x0', 'x3'") as error:
        summary(model, X, y)
    assert error.value.columns == ("x0", "x3")
    assert set(error.value.classes) < set("abcd")
