"""The likelihood-ratio test, and the models that it is not for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.stats

from inference_problems import fitted, sample
from softreg import Dataset, Settings, fit
from softreg.errors import InferenceError, SettingError
from softreg.inference import Summary, likelihood_ratio_test, summary

X, Y = sample(1)
NAMES = ["age", "income", "owns"]


def of(columns: list[int], C: float = np.inf, rows: Any = None, names: bool = True, w: Any = None) -> Summary:
    rows = np.arange(len(X)) if rows is None else rows
    data = Dataset.from_labels(
        X[rows][:, columns], Y[rows], feature_names=[NAMES[j] for j in columns] if names else None, weights=w
    )
    model, _ = fit(data, Settings.for_inference(C=C))
    return summary(model, data.X, Y[rows], sample_weight=w)


LARGE = of([0, 1, 2])


def test_it_is_twice_the_difference_against_chi2() -> None:
    small = of([0, 2])
    found = likelihood_ratio_test(small, LARGE)
    assert found.df == 3
    assert found.statistic == pytest.approx(2 * (LARGE.log_likelihood - small.log_likelihood), rel=1e-12)
    assert found.p_value == pytest.approx(scipy.stats.chi2.sf(found.statistic, 3), rel=1e-12)
    assert str(found).startswith(f"likelihood-ratio test: χ² = {found.statistic:.4f}, df = 3, p ")


def test_none_is_the_model_of_intercepts() -> None:
    found = likelihood_ratio_test(None, LARGE)
    assert found.df == 9
    assert found.statistic == pytest.approx(2 * (LARGE.log_likelihood - LARGE.null_log_likelihood), rel=1e-12)


@pytest.mark.slow
def test_a_column_of_noise_is_found_out_as_often_as_it_should_be() -> None:
    rng = np.random.default_rng(0)
    base = summary(fitted(2, n=200, d=2, K=3).model, *sample(2, 200, 2, 3))
    rows, y = sample(2, 200, 2, 3)
    p_values = []
    for _ in range(80):
        wide = np.column_stack([rows, rng.normal(size=200)])
        model, _ = fit(Dataset.from_labels(wide, y), Settings.for_inference())
        p_values.append(likelihood_ratio_test(base, summary(model, wide, y)).p_value)
    assert scipy.stats.kstest(p_values, "uniform").pvalue > 0.001


def test_columns_without_names_are_counted_only() -> None:
    assert likelihood_ratio_test(of([1], names=False), LARGE).df == 6


OTHER_CLASSES = summary(fitted(1, K=3).model, *sample(1, K=3))
WEIGHTS = np.linspace(0.5, 2, len(X))


@pytest.mark.parametrize(
    ("small", "large", "error", "words"),
    [
        (LARGE, of([0]), InferenceError, "small model has 12 parameters and the large one 6"),
        (LARGE, LARGE, InferenceError, "expected fewer"),
        (of([0]), of([1, 2]), InferenceError, "the terms 'age', which the large one has not: not nested"),
        (OTHER_CLASSES, LARGE, InferenceError, r"other classes, \['a', 'b', 'c'\] and"),
        (of([0], rows=np.arange(250)), LARGE, InferenceError, "not summarised on the same rows"),
        (of([0], w=WEIGHTS), LARGE, InferenceError, "labels or weights"),
        (of([0], C=1.0), LARGE, InferenceError, "fit both with C=inf"),
        (of([0]), of([0, 1], C=1.0), InferenceError, "fitted with a penalty"),
        (0.5, LARGE, SettingError, "small is 0.5; expected a Summary"),
        (LARGE, None, SettingError, "large is None"),
    ],
)
def test_models_that_are_not_nested_are_refused(small: Any, large: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        likelihood_ratio_test(small, large)


def test_a_small_model_with_the_greater_likelihood_was_never_nested() -> None:
    rows, y = sample(1)
    noise = np.random.default_rng(0).normal(size=(len(rows), 2))
    best, _ = fit(Dataset.from_labels(rows[:, [0]], y), Settings.for_inference())
    worse, _ = fit(Dataset.from_labels(noise, y), Settings.for_inference())
    with pytest.raises(InferenceError, match="has the greater likelihood, by "):
        likelihood_ratio_test(summary(best, rows[:, [0]], y), summary(worse, noise, y))
