"""Overflowing input stops with a message that names the column and the magnitude."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from problems import SOLVERS, STORAGES
from softreg import LBFGS, SGD, Dataset, Settings, Status, fit
from softreg.errors import DataError, FitError, MagnitudeError
from softreg.model.overflow import largest
from softreg.objective import SoftmaxObjective
from softreg.solvers import minimise


def overflowing(size: float, dtype: str = "float64", **fields: Any) -> Dataset:
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (50, 4))
    X[7] = -1
    X[:, 2] *= size
    return Dataset(X.astype(dtype), rng.integers(0, 3, 50), np.arange(3), **fields)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(("size", "dtype"), [(1e300, "float64"), (1e160, "float64"), (3e38, "float32")])
@pytest.mark.parametrize("C", [1.0, np.inf])
def test_the_column_and_its_magnitude_are_named(solver: Any, size: float, dtype: str, C: float) -> None:
    if dtype == "float32" and solver.converges:
        return  # it goes on in float64: see below
    data = overflowing(size, dtype, feature_names=["age", "height", "income", "sex"])
    with pytest.raises(MagnitudeError, match=r"column 2 \('income'\) holds values up to [13]e\+\d+ .*scale=") as caught:
        fit(data, Settings(solver, C=C))
    assert isinstance(caught.value, DataError)
    assert (caught.value.column, caught.value.name) == (2, "income")
    assert caught.value.magnitude == pytest.approx(size)


@pytest.mark.parametrize("storage", ["csr", "device"])
@pytest.mark.parametrize("solver", SOLVERS)
def test_they_are_named_in_every_storage(solver: Any, storage: str) -> None:
    data = overflowing(1e300, feature_names=["age", "height", "income", "sex"])
    with pytest.raises(MagnitudeError, match=r"column 2 \('income'\) holds values up to [13]e\+\d+ .*scale="):
        fit(replace(data, X=STORAGES[storage](data.X)), Settings(solver, C=1.0))


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(("size", "dtype"), [(1e300, "float64"), (3e38, "float32")])
def test_the_remedy_helps(solver: Any, size: float, dtype: str) -> None:
    if dtype == "float32" and solver.converges:
        return
    with pytest.raises(MagnitudeError) as caught:
        fit(overflowing(size, dtype), Settings(solver, C=1.0))
    assert ("as float64" in str(caught.value)) == (dtype == "float32")
    scaled = overflowing(size, scale=np.array([1, 1, 1 / size, 1]))
    _, solution = fit(scaled, Settings(solver, C=1.0))
    assert solution.history["value"][-1] < np.log(3)


@pytest.mark.parametrize("size", [1e20, 1e30, 3e38])
def test_float32_values_whose_squares_overflow_are_fitted(size: float) -> None:
    _, solution = fit(overflowing(size, "float32"), Settings(LBFGS()))
    _, want = fit(overflowing(1.0), Settings(LBFGS()))
    assert solution.history["value"][-1] == pytest.approx(want.history["value"][-1], rel=1e-5)


def test_a_step_too_long_for_large_values_is_told_with_the_column() -> None:
    with pytest.raises(FitError, match=r"lower learning rate.*column 2 holds values up to 1e\+05"):
        fit(overflowing(1e5), Settings(SGD(learning_rate=1e200), C=1.0))


def test_the_column_is_not_blamed_where_values_are_small() -> None:
    with pytest.raises(FitError, match="lower learning rate") as caught:
        fit(overflowing(1.0), Settings(SGD(learning_rate=1e200), C=1.0))
    assert "column" not in str(caught.value)


def test_the_largest_is_told_as_given_or_as_scaled_whichever_is_more() -> None:
    assert str(largest(overflowing(5.0))) == "column 2 holds values up to 5 in magnitude"
    assert largest(overflowing(5.0, scale=1e-3)).magnitude == 5
    assert largest(overflowing(5.0, scale=np.array([10.0, 1, 1, 1]))).column == 0
    assert largest(overflowing(5.0, shift=np.array([0.0, 0, 0, -20]))).magnitude == 21
    assert largest(Dataset(np.array([[-128, 3]], np.int8), np.zeros(1, int), np.arange(2))).magnitude == 128


def test_a_fit_that_goes_well_never_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    passes: list[object] = []
    monkeypatch.setattr("softreg.model.overflow.largest", passes.append)
    evaluate = SoftmaxObjective.evaluate

    def counted(self: SoftmaxObjective, theta: Any) -> Any:
        passes.append(theta)
        return evaluate(self, theta)

    monkeypatch.setattr(SoftmaxObjective, "evaluate", counted)
    _, solution = fit(overflowing(1.0), Settings(LBFGS()))
    assert solution.status is Status.PRECISION_LIMIT
    seen = len(passes)
    objective = SoftmaxObjective(overflowing(1.0))
    minimise(objective, LBFGS(), np.zeros(objective.size), max_steps=1000)
    assert seen == len(passes) - seen


def test_data_that_says_nothing_is_no_overflow() -> None:
    data = Dataset(np.zeros((4, 2)), np.array([0, 0, 1, 1]), np.arange(2))
    _, solution = fit(data, Settings(LBFGS(), C=1.0))
    assert solution.steps == 0
