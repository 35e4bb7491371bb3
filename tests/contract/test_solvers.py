"""What every solver must do: descend, be reproducible, leave what it was given alone, and say how it ended."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from problems import SOLVERS, STORAGES, dataset
from softreg import LBFGS, Dataset, Newton, Status
from softreg.errors import FitError, SettingError
from softreg.objective import SoftmaxObjective
from softreg.solvers import SGD, Step, minimise


def problem(**fields: Any) -> SoftmaxObjective:
    return SoftmaxObjective(dataset(1, **fields), 0.01)


@pytest.mark.slow
@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("solver", SOLVERS)
def test_it_goes_downhill_and_leaves_the_start_alone(solver: Any, storage: str) -> None:
    objective = problem(storage=storage)
    start = np.zeros(objective.size)
    solution = minimise(objective, solver, start, max_steps=20)
    assert objective.evaluate(solution.theta).value < objective.evaluate(start).value
    assert not start.any()
    assert solution.status in (Status.MAX_STEPS, Status.PRECISION_LIMIT)
    assert solution.gap == np.inf, "no certificate was asked for"


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("solver", SOLVERS)
def test_the_same_seed_gives_the_same_bits(solver: Any, storage: str) -> None:
    objective = problem(storage=storage)
    first, second = (minimise(objective, solver, np.zeros(objective.size), max_steps=3) for _ in range(2))
    assert first.theta.tobytes() == second.theta.tobytes()
    assert first.history["value"].tobytes() == second.history["value"].tobytes()


@pytest.mark.parametrize("solver", SOLVERS)
def test_no_steps_give_back_the_start(solver: Any) -> None:
    objective = problem()
    solution = minimise(objective, solver, np.ones(objective.size), max_steps=0)
    assert solution.steps == 0
    assert solution.passes <= 1
    assert (solution.theta == 1).all()
    assert all(len(figures) == 0 for figures in solution.history.values())


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_callback_sees_every_step_and_may_stop(solver: Any) -> None:
    seen: list[Step] = []

    def stop_at_three(step: Step) -> bool:
        seen.append(step)
        return step.number == 3

    objective = problem()
    solution = minimise(objective, solver, np.zeros(objective.size), max_steps=10, callback=stop_at_three)
    assert solution.status is Status.STOPPED
    assert [step.number for step in seen] == [1, 2, 3]
    assert solution.history["loss"].tolist() == [step.loss for step in seen]
    assert seen[0].theta.tolist() != seen[1].theta.tolist(), "a callback may keep what it is given"


@pytest.mark.parametrize("solver", SOLVERS)
def test_ctrl_c_keeps_the_last_whole_step(solver: Any) -> None:
    def interrupt(step: Step) -> None:
        if step.number == 2:
            raise KeyboardInterrupt

    objective = problem()
    solution = minimise(objective, solver, np.zeros(objective.size), max_steps=10, callback=interrupt)
    assert (solution.status, solution.steps) == (Status.INTERRUPTED, 2)
    two = minimise(objective, solver, np.zeros(objective.size), max_steps=2)
    assert solution.theta.tobytes() == two.theta.tobytes()
    assert solution.value == solution.history["value"][1]
    if solver.converges:
        assert solution.value < solution.history["value"][0], "the last point is the lowest"


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("call", [1, 2, 3], ids=["the first", "the second", "the third"])
def test_ctrl_c_in_any_call_of_the_objective_keeps_a_whole_point(
    solver: Any, call: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def interrupted(name: str) -> Any:
        whole = getattr(SoftmaxObjective, name)

        def method(self: SoftmaxObjective, *args: Any, **options: Any) -> Any:
            calls.append(name)
            if len(calls) == call:
                raise KeyboardInterrupt
            return whole(self, *args, **options)

        return method

    objective = problem()
    start = np.full(objective.size, 0.1)
    value = objective.evaluate(start).value
    for name in ("evaluate", "sweep", "preconditioner"):
        monkeypatch.setattr(SoftmaxObjective, name, interrupted(name))
    solution = minimise(objective, solver, start, max_steps=10)
    monkeypatch.undo()
    assert solution.status is Status.INTERRUPTED
    assert objective.evaluate(solution.theta).value <= value
    assert {len(figures) for figures in solution.history.values()} == {solution.steps}


def test_a_step_to_infinity_is_said_and_not_taken() -> None:
    data = dataset(1, n=50)
    objective = SoftmaxObjective(data, 1.0)
    with np.errstate(all="ignore"):
        solution = minimise(objective, SGD(learning_rate=1e200), np.zeros(objective.size), max_steps=9)
    assert solution.status is Status.NON_FINITE
    assert np.isfinite(solution.theta).all()
    with pytest.raises(FitError, match="learning rate"):
        solution.require_finite()


@pytest.mark.parametrize(
    "settings",
    [
        {"learning_rate": 0.0},
        {"learning_rate": np.nan},
        {"learning_rate": np.inf},
        {"batch_size": 0},
        {"seed": -1},
        {"momentum": -0.1},
        {"momentum": 1.0},
        {"momentum": np.nan},
        {"schedule": "linear"},
        {"schedule": ["cosine"]},
        {"period": 5},
        {"period": None, "schedule": "cosine"},
        {"period": 0, "schedule": "inverse"},
        {"period": 2.5, "schedule": "cosine"},
    ],
    ids=str,
)
def test_sgd_refuses_settings_outside_their_range(settings: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match=next(iter(settings))) as caught:
        SGD(**settings)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    ("schedule", "period", "factors"),
    [
        ("constant", None, [1, 1, 1, 1, 1, 1]),
        ("cosine", 4, [1, (1 + np.sqrt(0.5)) / 2, 0.5, (1 - np.sqrt(0.5)) / 2, 1, (1 + np.sqrt(0.5)) / 2]),
        ("inverse", 2, [1, 2 / 3, 1 / 2, 2 / 5, 1 / 3, 2 / 7]),
    ],
)
def test_a_schedule_is_its_formula(schedule: str, period: int | None, factors: list[float]) -> None:
    solver = SGD(0.3, schedule=schedule, period=period)
    assert [solver.rate(epoch) for epoch in range(1, 7)] == pytest.approx([0.3 * factor for factor in factors])


def test_a_constant_rate_is_the_very_number() -> None:
    assert {SGD(0.1).rate(epoch) for epoch in range(1, 100)} == {0.1}


def test_max_steps_below_zero_is_refused() -> None:
    with pytest.raises(SettingError, match="max_steps"):
        minimise(problem(), SGD(), np.zeros(28), max_steps=-1)


def test_an_epoch_of_sgd_is_the_chapters_steps_written_out() -> None:
    data = dataset(4, n=10, scale=0.5)
    objective = SoftmaxObjective(data)
    W, b = np.zeros((6, 4)), np.zeros(4)
    order = np.random.default_rng((3, 1)).permutation(10)
    for start in (0, 4, 8):  # the last batch has two rows and is still divided by four
        rows = order[start : start + 4]
        X = 0.5 * data.X[rows]
        probs = np.exp(X @ W + b)
        probs /= probs.sum(axis=1, keepdims=True)
        residuals = probs - np.eye(4)[data.y[rows]]
        W, b = W - 0.1 / 4 * X.T @ residuals, b - 0.1 / 4 * residuals.sum(axis=0)
    solution = minimise(objective, SGD(0.1, 4, seed=3), np.zeros(objective.size), max_steps=1)
    np.testing.assert_allclose(solution.theta, np.append(W, [b], axis=0).ravel(), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("K", [4, 70], ids=["in the kernel", "batch by batch"])
def test_momentum_and_schedule_are_their_formulas_written_out(K: int) -> None:
    data = dataset(4, n=10, K=K, scale=0.5)
    l2, rates = 0.2, [0.1, 0.1 * (1 + np.cos(np.pi / 3)) / 2, 0.1 * (1 + np.cos(2 * np.pi / 3)) / 2]
    W, b = np.zeros((6, K)), np.zeros(K)
    V, v = np.zeros_like(W), np.zeros_like(b)
    for epoch, rate in enumerate(rates, 1):  # the velocity goes on from epoch to epoch
        order = np.random.default_rng((3, epoch)).permutation(10)
        for start in (0, 4, 8):
            rows = order[start : start + 4]
            X = 0.5 * data.X[rows]
            probs = np.exp(X @ W + b)
            probs /= probs.sum(axis=1, keepdims=True)
            residuals = probs - np.eye(K)[data.y[rows]]
            V = 0.8 * V + (X.T @ residuals + len(rows) * l2 * W) / 4
            v = 0.8 * v + residuals.sum(axis=0) / 4
            W, b = W - rate * V, b - rate * v
    objective = SoftmaxObjective(data, l2)
    solver = SGD(0.1, 4, seed=3, momentum=0.8, schedule="cosine", period=3)
    solution = minimise(objective, solver, np.zeros(objective.size), max_steps=3)
    np.testing.assert_allclose(solution.theta, np.append(W, [b], axis=0).ravel(), rtol=1e-11, atol=1e-13)


def test_weights_in_sgd_scale_a_rows_share_of_the_step() -> None:
    weights = np.arange(1.0, 41)
    weighted = SoftmaxObjective(dataset(1, weights=weights))
    scaled = SoftmaxObjective(dataset(1, weights=7 * weights))
    theta = np.zeros(weighted.size)
    first, second = (minimise(f, SGD(batch_size=9), theta, max_steps=2).theta for f in (weighted, scaled))
    np.testing.assert_allclose(first, second, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("solver", [LBFGS(), Newton(), Newton(exact_passes=0)], ids=["lbfgs", "exact", "truncated"])
def test_where_the_digits_end_a_solve_does_not_wander_off(solver: Any) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 4)) * [1, 3, 30, 10] + [0, 3, 45, 16]
    data = Dataset(X, rng.integers(0, 5, 300).astype(np.int32), np.arange(5))
    solution = minimise(SoftmaxObjective(data), solver, np.zeros(25), max_steps=1000)
    assert solution.status is Status.PRECISION_LIMIT
    assert solution.grad_norm <= 100 * solution.history["grad_norm"].min()
