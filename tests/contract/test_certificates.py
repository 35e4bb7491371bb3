"""The certificate is an upper bound on value − optimum, against optima to 40 digits; and it is worth having."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from exact import optimum
from problems import SOLVERS, STORAGES, dataset, offsets, soft
from softreg import LBFGS, SGD, Dataset, Newton, Proximal, Settings, Status, fit
from softreg.objective import SoftmaxObjective, intercept
from softreg.objective import preconditioner as preconditioners
from softreg.solvers import minimise

PROBLEMS = [
    pytest.param(dataset(1, n=9, d=2, K=3), 0.1, id="plain"),
    pytest.param(dataset(2, n=9, d=2, K=3), 1e-3, id="weak-penalty"),
    pytest.param(dataset(3, n=9, d=1, K=2), 0.05, id="two-classes"),
    pytest.param(dataset(4, n=9, d=2, K=3, weights=np.arange(9.0)), 0.05, id="weights"),
    pytest.param(dataset(5, n=9, d=2, K=3, dtype="uint8", scale=0.3, shift=-0.2), 0.02, id="uint8-scaled"),
    pytest.param(dataset(6, n=9, d=2, K=3, dtype="float32"), 0.05, id="float32"),
    pytest.param(dataset(5, n=9, d=2, K=3, dtype="uint8", storage="csr", scale=0.3, shift=-0.2), 0.02, id="csr"),
    pytest.param(dataset(6, n=9, d=2, K=3, dtype="float32", storage="device"), 0.05, id="device"),
    pytest.param(soft(dataset(1, n=9, d=2, K=3)), 0.05, id="targets"),
    pytest.param(
        soft(dataset(5, n=9, d=2, K=3, dtype="uint8", scale=0.3), weights=np.arange(9.0)), 0.02, id="targets-uint8"
    ),
    pytest.param(dataset(2, n=9, d=2, K=3, offset=offsets(9, 3)), 0.05, id="offset"),
    pytest.param(dataset(6, n=9, d=2, K=3, dtype="float32", offset=3 * offsets(9, 3)), 0.05, id="offset-float32"),
    pytest.param(soft(dataset(3, n=9, d=1, K=2), offset=offsets(9, 2)), 0.05, id="both"),
]


CONVERGING: Any = [param for param in SOLVERS if not isinstance(param.values[0], SGD)]


@pytest.mark.slow
@pytest.mark.parametrize("solver", CONVERGING)
@pytest.mark.parametrize(("data", "l2"), PROBLEMS)
def test_the_bound_holds_at_every_step_and_closes_in(data: Dataset, l2: float, solver: Any) -> None:
    objective = SoftmaxObjective(data, l2)
    best = optimum(data, l2)
    state: Any = solver.init(objective, np.random.default_rng(0).normal(size=objective.size))
    last = np.inf
    for _ in range(100):
        gap = objective.gap(state.theta, state.point, np.inf, state.newton)
        assert float(state.value - best) <= gap.bound
        last = gap.bound
        following = solver.step(objective, state)
        if following is None:
            break
        state = following
    assert last < (1e-12 if objective.finer() is None else 4e-6)


@pytest.mark.slow
@pytest.mark.parametrize("solver", CONVERGING)
@pytest.mark.parametrize(("data", "l2"), PROBLEMS)
def test_converged_means_what_it_says(data: Dataset, l2: float, solver: Any) -> None:
    C = (2 if data.n_classes == 2 else 1) / (l2 * (data.n_rows if data.weights is None else data.weights.sum()))
    best = float(optimum(data, l2))
    for tol in (1e-2, 1e-4, 1e-6):
        _, solution = fit(data, Settings(solver, C=C, tol=tol))
        assert solution.status is Status.CONVERGED
        assert solution.value - best <= solution.gap <= tol * solution.value


@pytest.mark.slow
@pytest.mark.parametrize("solver", CONVERGING)
@pytest.mark.parametrize(("data", "l2"), PROBLEMS[1:])
def test_without_an_intercept_the_certificate_holds_too(data: Dataset, l2: float, solver: Any) -> None:
    C = (2 if data.n_classes == 2 else 1) / (l2 * (data.n_rows if data.weights is None else data.weights.sum()))
    best = float(optimum(data, l2, intercept=False))
    model, solution = fit(data, Settings(solver, C=C, tol=1e-6, fit_intercept=False))
    assert solution.status is Status.CONVERGED
    assert solution.value - best <= solution.gap <= 1e-6 * solution.value
    np.testing.assert_array_equal(model.b, 0)


@pytest.mark.parametrize(
    ("solver", "C", "l1_ratio"),
    [
        (Proximal(), 1.0, 0.5),
        (SGD(0.05, 7, momentum=0.5), 1.0, 0.0),
        *((param.values[0], C, 0.0) for param in CONVERGING for C in (math.inf, 1.0)),
    ],
)
def test_without_an_intercept_there_is_none(solver: Any, C: float, l1_ratio: float) -> None:
    data = dataset(1, n=200, shift=1.0)
    settings = Settings(solver, C=C, l1_ratio=l1_ratio, tol=1e-8, max_steps=200, fit_intercept=False)
    model, solution = fit(data, settings)
    np.testing.assert_array_equal(model.b, 0)
    if isinstance(solver, SGD) or l1_ratio:
        return
    objective = SoftmaxObjective(data, 1 / (C * data.n_rows))
    grad, _ = objective.split(objective.evaluate(solution.theta).grad)
    assert np.abs(grad).max() < 1e-5


@pytest.mark.parametrize("solver", CONVERGING)
@pytest.mark.parametrize("size", [1.0, 1e-4])
def test_a_shift_of_all_intercepts_does_not_run_away_with_a_float32_fit(solver: Any, size: float) -> None:
    rng = np.random.default_rng(3)
    X = rng.normal(size=(30, 2)).astype(np.float32)
    data = Dataset(X, np.append(np.arange(4), rng.integers(0, 4, 26)), np.arange(4), weights=np.full(30, size))
    objective = SoftmaxObjective(data, 1 / (1e-4 * 30), precise=True)
    _, solution = fit(data, Settings(solver, C=1e-4 / size, tol=1e-7))
    assert solution.status is Status.CONVERGED
    assert np.abs(solution.theta[-4:]).max() < 1
    assert objective.evaluate(solution.theta).value == pytest.approx(solution.value, rel=1e-6)
    assert solution.gap > 0, "rounding is never nothing"


def test_a_gap_is_never_more_than_the_value() -> None:
    _, solution = fit(dataset(1, n=200), Settings(LBFGS(), C=100.0, max_steps=0))
    assert solution.gap <= solution.value


@pytest.mark.parametrize("offset", [1e5, 1e7])
@pytest.mark.parametrize("solver", ["auto", "lbfgs"])
def test_columns_far_from_0_reach_the_certified_optimum(solver: str, offset: float) -> None:
    X = np.random.default_rng(0).normal(size=(40, 3))
    y = np.random.default_rng(1).integers(0, 3, 40)
    _, near = fit(Dataset(X, y, np.arange(3)), Settings(solver, C=1.0, tol=1e-8))
    _, far = fit(Dataset(X + offset, y, np.arange(3)), Settings(solver, C=1.0, tol=1e-6))
    assert far.status is Status.CONVERGED
    assert far.value == pytest.approx(near.value, rel=1e-6)


def test_without_a_penalty_nothing_is_certified() -> None:
    _, solution = fit(dataset(1), Settings(LBFGS(), max_steps=30))
    assert solution.status is not Status.CONVERGED
    assert solution.gap == np.inf


def test_running_out_of_steps_is_said_with_the_number() -> None:
    _, solution = fit(dataset(1, n=200), Settings(LBFGS(), C=1.0, tol=1e-9, max_steps=3))
    assert solution.status is Status.MAX_STEPS
    assert 1e-9 < solution.gap < np.inf


def test_where_float32_ends_the_solve_goes_on_in_float64() -> None:
    _, solution = fit(dataset(1, n=200, dtype="float32"), Settings(LBFGS(), C=1.0, tol=1e-13))
    assert solution.status is Status.CONVERGED
    assert 0 < solution.gap <= 1e-13 * solution.history["value"][-1]


@pytest.mark.parametrize("dtype", ["uint8", "float64"])
def test_the_limit_of_float64_is_said_with_the_number(dtype: str) -> None:
    _, solution = fit(dataset(1, n=200, dtype=dtype), Settings(LBFGS(), C=1.0, tol=1e-17))
    assert solution.status is Status.PRECISION_LIMIT
    assert 0 < solution.gap < 1e-13


@pytest.mark.parametrize("n_classes", [2, 3, 30])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_best_intercept_gives_every_class_its_share(n_classes: int, dtype: Any) -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(scale=5, size=(n_classes, 1000)).astype(dtype)
    w = rng.integers(0, 3, 1000) / 1000
    w /= w.sum()
    shares = rng.dirichlet(np.ones(n_classes))
    delta = intercept.balance(z, w, shares, 2)
    assert delta is not None
    assert abs(delta.mean()) < 1e-12
    p = np.exp(z + delta[:, None] - (z + delta[:, None]).max(axis=0))
    np.testing.assert_allclose((p / p.sum(axis=0)) @ w, shares, atol=1e-7 if dtype is np.float32 else 1e-14)
    assert intercept.balance(z * np.inf, w, shares, 1) is None, "there is none for logits that are not finite"


def test_a_wrong_intercept_costs_the_gap_one_try_and_little_of_its_tightness() -> None:
    objective = SoftmaxObjective(dataset(1, n=3000, dtype="uint8"), 0.1)
    best = minimise(objective, LBFGS(), np.zeros(objective.size), max_steps=20)
    theta = best.theta.copy()
    theta[-4:] += [0.01, -0.005, 0.0, -0.005]
    point = objective.evaluate(theta)
    above = point.value - best.history["value"][-1]
    gap = objective.gap(theta, point, 0.01, lambda v: v)
    assert above <= gap.bound <= 1.1 * above
    assert gap.passes == 2 + 1.5, "two for the classes' means, once, and one and a half with a better intercept"


def test_sgd_is_never_certified() -> None:
    assert fit(dataset(1), Settings(SGD(), C=1.0))[1].gap == np.inf


@pytest.mark.parametrize("storage", STORAGES)
def test_the_fit_is_the_same_bits_for_any_number_of_threads(storage: str) -> None:
    data = dataset(1, n=9000, d=12, dtype="uint8", storage=storage)
    thetas = []
    for n_threads in (1, 2, 3):
        objective = SoftmaxObjective(data, 1e-3, n_threads=n_threads)
        thetas.append(minimise(objective, LBFGS(), np.zeros(objective.size), max_steps=15).theta.tobytes())
    assert thetas[0] == thetas[1] == thetas[2]


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
@pytest.mark.parametrize("n", [3, 60, 5000])
@pytest.mark.parametrize("coarse", [True, False])
@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("most", [preconditioners.MAX_BYTES, 0])
def test_a_preconditioner_is_symmetric_and_positive(
    n: int, dtype: str, coarse: bool, most: int, storage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preconditioners, "MAX_BYTES", most)
    rng = np.random.default_rng(0)
    objective = SoftmaxObjective(dataset(1, n=n, dtype=dtype, storage=storage, scale=0.5, shift=0.25), 1e-4)
    solve = objective.preconditioner(rng.normal(size=objective.size), coarse=coarse)
    M = np.stack([solve(e) for e in np.eye(objective.size)])
    np.testing.assert_allclose(M, M.T, rtol=1e-6, atol=1e-6 * np.abs(M).max())
    for _ in range(20):
        v = rng.normal(size=objective.size)
        assert v @ solve(v) > 0


def test_of_all_rows_a_preconditioner_is_the_hessians_blocks_of_each_mode() -> None:
    data = dataset(3, n=50, weights=np.arange(50.0))
    objective = SoftmaxObjective(data, 0.1)
    theta = np.random.default_rng(0).normal(scale=0.3, size=objective.size)
    solve = objective.preconditioner(theta, coarse=False)
    K, size = data.n_classes, objective.size
    H = objective.hessian(theta).reshape(size // K, K, size // K, K)
    no_penalty = SoftmaxObjective(data).hessian(theta).reshape(H.shape)
    _, modes = np.linalg.eigh(no_penalty[-1, :, -1, :])  # the intercepts' block is the mean of diag(p) − p pᵀ
    for mode in modes.T[1:]:  # the first is that of ones
        block = np.einsum("ijkl,j,l->ik", H, mode, mode)
        for v in np.eye(len(block)):
            whole = np.outer(block @ v, mode)
            np.testing.assert_allclose(solve(whole.ravel()), np.outer(v, mode).ravel(), atol=1e-5)


def test_columns_by_the_thousand_and_rows_by_the_hundred_take_no_matrix_of_the_columns() -> None:
    rng = np.random.default_rng(0)
    data = Dataset(rng.normal(size=(150, 1500)), rng.integers(3, size=150), np.arange(3))
    objective = SoftmaxObjective(data, 1 / 150)
    solve = objective.preconditioner(np.zeros(objective.size), coarse=False)
    one = np.zeros(objective.size)
    one[7] = 1.0
    assert np.flatnonzero(solve(one)).tolist() == [7]  # a diagonal


@pytest.mark.parametrize("coarse", [True, False])
def test_a_preconditioner_that_was_let_go_is_made_again_to_the_bit(coarse: bool) -> None:
    objective = SoftmaxObjective(dataset(1, n=5000, dtype="float32"), 1e-4)
    theta, v = np.random.default_rng(0).normal(size=(2, objective.size))
    solve = objective.preconditioner(theta, coarse=coarse)
    before = solve(v)
    solve.let_go()
    assert solve(v).tobytes() == before.tobytes()


@pytest.mark.parametrize("solver", [LBFGS(refresh=(2,)), Newton(refresh=(2,), exact_passes=0)], ids=["lbfgs", "newton"])
def test_a_state_outlives_the_preconditioner_that_the_next_one_replaces(solver: LBFGS | Newton) -> None:
    objective = SoftmaxObjective(dataset(1, n=500), 1e-3)
    state: Any = solver.init(objective, np.zeros(objective.size))
    for _ in range(2):
        state = solver.step(objective, state)
    held, v = state.solve, state.point.grad
    before, first = state.newton(v), solver.step(objective, state)
    assert first is not None
    assert held._made is None, "two at a time would be most of a fit's memory"
    assert state.newton(v).tobytes() == before.tobytes()
    again = solver.step(objective, state)
    assert again is not None
    assert again.theta.tobytes() == first.theta.tobytes()
