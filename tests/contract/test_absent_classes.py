"""Classes without rows of any weight: a fit to the optimum is that of the others, and its certificate too."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from exact import optimum
from problems import SOLVERS, dataset
from softreg import (
    LBFGS,
    SGD,
    Dataset,
    EarlyStopping,
    Model,
    Newton,
    Proximal,
    Settings,
    SoftmaxRegression,
    Solution,
    Status,
    fit,
)
from softreg.errors import FitInterrupted
from softreg.model.present import Present
from softreg.objective import CompositeObjective, SoftmaxObjective
from softreg.protocols import Separated, Separation
from softreg.solvers import Step

CONVERGING: Any = [param for param in SOLVERS if not isinstance(param.values[0], SGD)]
PENALTIES = [(0.3, 0.0), (0.3, 0.5), (0.3, 1.0), (np.inf, 0.0)]  # C, l1_ratio


def with_absent(data: Dataset, kept: list[int], K: int, **fields: Any) -> Dataset:
    """The same rows where their classes are called by these codes, of K."""
    fields = {"scale": data.scale, "shift": data.shift, "weights": data.weights} | fields
    return Dataset(data.X, np.array(kept)[data.y], np.array([f"class {k}" for k in range(K)]), **fields)


def value(data: Dataset, theta: NDArray[np.float64], C: float, l1_ratio: float) -> float:
    """Return the function that a fit to all classes minimises, in float64."""
    weight = data.n_rows if data.weights is None else data.weights.sum()
    l2, l1 = (2 if data.n_classes == 2 else 1) * (1 - l1_ratio) / (C * weight), l1_ratio / (C * weight)
    return CompositeObjective(SoftmaxObjective(data, l2, precise=True), l1).evaluate(theta).value


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["uint8", "float64"])
@pytest.mark.parametrize(("C", "l1_ratio"), PENALTIES)
@pytest.mark.parametrize("solver", CONVERGING)
def test_the_others_are_fitted_as_if_it_was_not_there(solver: Any, C: float, l1_ratio: float, dtype: str) -> None:
    if l1_ratio and not isinstance(solver, Proximal):
        return
    kept, asked = [1, 2, 4, 5], Settings(solver, C=C, l1_ratio=l1_ratio, tol=1e-6)
    data = dataset(1, n=60, dtype=dtype)
    whole = with_absent(data, kept, 7)
    want, alone = fit(data, asked)
    model, solution = fit(whole, asked)
    assert model.W[:, kept].tobytes() == want.W.tobytes()
    assert model.b[kept].tobytes() == want.b.tobytes()
    assert (solution.status, solution.steps, solution.value, solution.gap) == (
        alone.status,
        alone.steps,
        alone.value,
        alone.gap,
    )
    assert solution.status is (Status.CONVERGED if np.isfinite(C) else Status.PRECISION_LIMIT)
    assert not np.delete(model.W, kept, axis=1).any()
    assert (np.delete(model.predict_proba(data.X), kept, axis=1) == 0).all()
    assert (np.delete(model.predict_log_proba(data.X), kept, axis=1) < -740).all()
    assert value(whole, solution.theta, C, l1_ratio) == pytest.approx(solution.value, rel=1e-6)
    assert solution.message == f"{alone.message}; left out, without rows of any weight: 'class 0', 'class 3', 'class 6'"


@pytest.mark.parametrize(("C", "l1_ratio"), PENALTIES)
def test_rows_of_weight_0_are_no_rows(C: float, l1_ratio: float) -> None:
    data = dataset(1, n=60)
    asked = Settings("auto", C=C, l1_ratio=l1_ratio, tol=1e-8)
    model, solution = fit(with_absent(data, [0, 1, 2, 3], 4, weights=(data.y != 2).astype(float)), asked)
    left = data.y != 2
    want, _ = fit(with_absent(Dataset(data.X[left], data.y[left], data.classes), [0, 1, 2, 3], 4), asked)
    np.testing.assert_allclose(model.W, want.W, atol=1e-4)
    assert not model.W[:, 2].any()
    assert solution.message.endswith("; left out, without rows of any weight: 'class 2'")


@pytest.mark.slow
@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.5, 1.0]), st.floats(0.03, 10))
def test_a_gap_is_above_the_infimum_at_every_step_and_closes(seed: int, l1_ratio: float, C: float) -> None:
    rng = np.random.default_rng(seed)
    n, d, present = 9, int(rng.integers(1, 3)), int(rng.integers(2, 4))
    kept = sorted(rng.permutation(5)[:present].tolist())
    weights = None if rng.integers(2) else rng.integers(0, 3, n).astype(float)
    y = np.append(np.arange(present), rng.integers(0, present, n - present))
    if weights is not None:
        weights[:present] = 1.0
    data = Dataset(rng.normal(size=(n, d)), y, np.arange(present), weights=weights)
    weight = n if weights is None else weights.sum()
    l2, l1 = (1 - l1_ratio) / (C * weight), l1_ratio / (C * weight)  # of five classes: nothing is doubled
    asked = Settings("auto", C=C, l1_ratio=l1_ratio, tol=1e-6)
    tight, _ = fit(with_absent(data, kept, 5), Settings("auto", C=C, l1_ratio=l1_ratio, tol=1e-13, max_steps=500))
    W = tight.W[:, kept]
    signs = tuple(int(s) for s in np.sign(np.where(np.abs(W) > 1e-9, W, 0)).ravel()) if l1 else None
    best = float(optimum(data, l2, l1, signs))
    _, solution = fit(with_absent(data, kept, 5), asked)
    assert solution.status is Status.CONVERGED
    assert solution.steps < 60
    assert solution.value - best <= solution.gap <= 1e-6 * solution.value
    assert (solution.history["value"] - best <= solution.history["gap"]).all()


def test_what_is_certified_is_the_infimum_of_the_whole_problem() -> None:
    whole = with_absent(dataset(1, n=9, d=1, K=2), [0, 2], 3)
    _, solution = fit(whole, Settings("auto", C=1 / (0.1 * 9), tol=1e-13))
    # Sixty steps of Newton's method towards an optimum at infinity: e⁻⁶⁰ are left.
    assert solution.value == pytest.approx(float(optimum(whole, 0.1)), rel=1e-13)


@pytest.mark.parametrize("solver", [LBFGS(), Newton(), Proximal(), "auto"])
@pytest.mark.parametrize("C", [0.1, np.inf])
@pytest.mark.parametrize("K", [2, 5])
@pytest.mark.parametrize("weighted", [False, True])
def test_one_class_alone_is_right_and_certified_at_once(K: int, C: float, solver: Any, weighted: bool) -> None:
    y = np.where(np.arange(40) < 30, 1, 0)
    weights = (y == 1).astype(float) if weighted else None
    data = Dataset(dataset(1).X, y if weighted else np.ones(40, int), np.arange(K), weights=weights)
    model, solution = fit(data, Settings(solver, C=C))
    assert (solution.status, solution.steps, solution.value, solution.gap) == (Status.CONVERGED, 0, 0.0, 0.0)
    assert (model.predict_proba(data.X) == np.eye(K)[1]).all()
    assert not model.W.any()
    assert model.b[1] == 0
    assert "left out, without rows of any weight: 0" in solution.message


def test_a_fit_by_minibatches_knows_all_classes() -> None:
    model, solution = fit(with_absent(dataset(1), [0, 1, 3, 4], 5), Settings(SGD()))
    assert (model.predict_proba(dataset(1).X) > 1e-4).all()
    assert "left out" not in solution.message
    assert abs(model.b.sum()) < 1e-15


@pytest.mark.parametrize("C", [0.3, np.inf])
def test_whoever_watches_is_told_of_all_classes(C: float) -> None:
    kept, seen = [0, 2, 3, 4], []
    data = with_absent(dataset(1, n=60), kept, 5)
    other = with_absent(dataset(2, n=40), [0, 1, 2, 3], 5)

    def note(step: Step, score: Any) -> None:
        seen.append((step.theta.reshape(-1, 5), score))

    model, solution = fit(data, Settings("lbfgs", C=C, max_steps=3), validation=other, callback=note)
    theta = solution.theta.reshape(-1, 5)
    assert (seen[-1][0] == theta).all()
    centred = theta - theta[:, kept].mean(axis=1, keepdims=True)
    np.testing.assert_allclose(centred, np.append(model.W, [model.b], axis=0), atol=1e-11)
    assert seen[-1][1] == model.score(other)
    assert 100 < seen[-1][1].loss < np.inf, "of rows of a class that no row had"


def test_early_stopping_and_ctrl_c_leave_a_model_of_all_classes() -> None:
    data = with_absent(dataset(1, n=60), [0, 2, 3, 4], 5)
    model, solution = fit(
        data, Settings("lbfgs", C=100.0), validation=data, callback=EarlyStopping(patience=1, score="accuracy")
    )
    assert (model.W.shape, solution.theta.shape) == ((6, 5), (35,))

    def interrupt(step: Step, score: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(FitInterrupted) as caught:
        fit(data, Settings("lbfgs", C=1.0), callback=interrupt)
    assert caught.value.model.W.shape == (6, 5)
    assert caught.value.solution.theta.shape == (35,)


def test_it_is_improbable_in_every_row_where_an_l1_fit_lets_all_logits_fall() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 60)
    X = np.column_stack([(y == 0) + rng.normal(scale=0.5, size=60), rng.normal(size=60)]) - 1e6
    data = Dataset(X, y, np.arange(4))
    model, solution = fit(data, Settings("auto", C=1.0, l1_ratio=1.0, max_steps=100))
    logits = X @ model.W + model.b
    assert (logits[:, :3].max(axis=1) < -1000).any(), "or there is nothing to see"
    assert (model.predict_proba(X)[:, 3] == 0).all()
    assert np.isfinite(solution.value)


@pytest.mark.parametrize(("solver", "C", "l1_ratio"), [("auto", 1.0, 0.0), ("auto", 0.1, 1.0), ("newton", 1.0, 0.0)])
@pytest.mark.parametrize("present", [1, 2, 70])
def test_thousands_of_classes_most_of_them_without_rows(present: int, solver: str, C: float, l1_ratio: float) -> None:
    K = 3000
    data = dataset(1, n=300, d=8, K=present if present > 1 else 2, dtype="float32")
    kept = np.linspace(5, K - 5, present).astype(int).tolist()
    whole = with_absent(Dataset(data.X, np.arange(300) % present, data.classes), kept * (2 // present or 1), K)
    model, solution = fit(whole, Settings(solver, C=C, l1_ratio=l1_ratio, tol=1e-4))
    told(model, solution, K - present)
    assert solution.status is Status.CONVERGED
    assert model.predict_proba(data.X)[:, kept].sum(axis=1) == pytest.approx(1)


def told(model: Model, solution: Solution, absent: int) -> None:
    assert np.isfinite(model.b).all()
    assert f" and {absent - 3} more" in solution.message
    assert int((model.b < -700).sum()) == absent


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_where_the_others_are_separated_the_direction_is_one_of_all_classes(order: tuple[int, ...]) -> None:
    a, b, never = order
    data = Dataset(np.arange(8.0)[:, None], np.repeat([a, b], 4), np.arange(3))
    _, solution = fit(data, Settings("lbfgs"))
    assert solution.status is Status.SEPARABLE
    assert solution.separation is not None
    along = np.append(data.X, np.ones((8, 1)), axis=1) @ solution.separation.direction
    assert (along[np.arange(8), data.y] >= along[:, never]).all()
    assert np.argwhere(solution.separation.apart).tolist() == sorted([[a, b], [b, a]])


def test_a_direction_is_as_good_where_all_of_it_is_shifted() -> None:
    data = Dataset(np.arange(8.0)[:, None], np.repeat([0, 2], 4), np.arange(3))
    D = np.array([[0.0, 1.0], [0.0, -3.5]]) - 10.0  # of the two classes that have rows, and all logits fall
    found = Present.of(data).separation(Separation(Separated.COMPLETE, D, ~np.eye(2, dtype=bool), ""))
    along = np.append(data.X, np.ones((8, 1)), axis=1) @ found.direction
    assert (along[np.arange(8), data.y] >= along[:, 1]).all()
    assert np.abs(found.direction).max() == 1


@pytest.mark.parametrize("solver", CONVERGING)
@pytest.mark.parametrize("dtype", ["uint8", "float64"])
def test_without_an_intercept_it_is_a_class_like_any_other(solver: Any, dtype: str) -> None:
    whole = with_absent(dataset(1, n=60, dtype=dtype), [0, 1, 3, 4], 5)
    model, solution = fit(whole, Settings(solver, C=0.3, fit_intercept=False, tol=1e-6))
    assert solution.status is Status.CONVERGED
    assert "left out" not in solution.message
    assert model.W[:, 2].any()
    assert not model.b.any()
    best, _ = fit(whole, Settings("newton", C=0.3, fit_intercept=False, tol=1e-13))
    least = value(whole, np.append(best.W.ravel(), np.zeros(5)), 0.3, 0.0)
    assert solution.value - least <= solution.gap


@pytest.mark.slow
@pytest.mark.parametrize("solver", [SGD(0.05, 8), LBFGS(), Newton(), Newton(exact_passes=0.0), Proximal()], ids=str)
@pytest.mark.parametrize("C", [0.3, np.inf])
def test_a_class_that_was_left_out_comes_back_with_its_rows(solver: Any, C: float) -> None:
    data = dataset(1, n=60, K=5)
    for gone in ([2], [1, 2, 4], [0, 1, 2, 3]):
        weights = (~np.isin(data.y, gone)).astype(float)
        start, before = fit(
            Dataset(data.X, data.y, data.classes, weights=weights), Settings("lbfgs", C=C, max_steps=99)
        )
        assert "left out" in before.message
        asked = Settings(solver, C=C, max_steps=None if solver.converges else 40)
        _, plain = fit(data, asked)
        _, again = fit(data, asked, start=start)
        assert again.value == pytest.approx(plain.value, rel=1e-4 if solver.converges else 0.05)
        assert again.steps < plain.steps + 10


def test_a_class_that_stays_out_stays_where_it_is() -> None:
    data = with_absent(dataset(1, n=60), [0, 1, 3, 4], 5)
    start, _ = fit(data, Settings("lbfgs", C=0.3))
    model, _ = fit(data, Settings(SGD(), max_steps=1), start=start)
    assert (model.predict_proba(data.X)[:, 2] == 0).all()


@pytest.mark.parametrize("weighted", [False, True])
def test_rows_that_do_not_train_are_no_rows(weighted: bool) -> None:
    data = dataset(1, n=80)
    weights = np.where(np.arange(80) < 70, 1.0, 0.0) if weighted else None
    data = Dataset(data.X, data.y, data.classes, weights=weights)
    rows = np.flatnonzero((data.y != 1) | (np.arange(80) >= 70)) if weighted else np.flatnonzero(data.y != 1)
    asked = Settings("lbfgs", C=0.3, tol=1e-8)
    others = np.flatnonzero(data.y == 1)
    model, solution = fit(data, asked, rows=rows, validation=others)
    assert solution.status is Status.CONVERGED
    assert solution.message.endswith("left out, without rows of any weight: 'class 1'")
    assert model.history["validation_accuracy"][-1] == 0
    used = rows[rows < 70] if weighted else rows
    want, _ = fit(Dataset(data.X[used], data.y[used], data.classes), asked)
    np.testing.assert_allclose(model.W, want.W, atol=1e-5)
    assert fit(data, asked, start=model)[1].steps < 20, "all rows are there again"


def test_an_estimator_takes_a_class_back_by_parts() -> None:
    data = dataset(1, n=60)
    estimator = SoftmaxRegression(C=1.0).fit(data.X, data.y, sample_weight=(data.y != 2).astype(float))
    assert estimator.status_name_ == "CONVERGED"
    assert (estimator.predict_proba(data.X)[:, 2] == 0).all()
    estimator.partial_fit(data.X, data.y)
    assert (estimator.predict_proba(data.X)[:, 2] > 0.01).all()
