"""What every solver must do: descend, be reproducible, leave what it was given alone, and say how it ended."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from problems import SOLVERS, dataset
from softreg import Status
from softreg.errors import FitError, SettingError
from softreg.objective import SoftmaxObjective
from softreg.solvers import SGD, Step, minimise


def problem(**fields: Any) -> SoftmaxObjective:
    return SoftmaxObjective(dataset(1, **fields), 0.01)


@pytest.mark.parametrize("solver", SOLVERS)
def test_it_goes_downhill_and_leaves_the_start_alone(solver: Any) -> None:
    objective = problem()
    start = np.zeros(objective.size)
    solution = minimise(objective, solver, start, max_steps=20)
    assert objective.evaluate(solution.theta).value < objective.evaluate(start).value
    assert not start.any()
    assert solution.status in (Status.MAX_STEPS, Status.PRECISION_LIMIT)
    assert solution.gap == np.inf, "no certificate was asked for"


@pytest.mark.parametrize("solver", SOLVERS)
def test_the_same_seed_gives_the_same_bits(solver: Any) -> None:
    objective = problem()
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
    [{"learning_rate": 0.0}, {"learning_rate": np.nan}, {"learning_rate": np.inf}, {"batch_size": 0}, {"seed": -1}],
)
def test_sgd_refuses_settings_outside_their_range(settings: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match=next(iter(settings))) as caught:
        SGD(**settings)
    assert isinstance(caught.value, ValueError)


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


def test_weights_in_sgd_scale_a_rows_share_of_the_step() -> None:
    weights = np.arange(1.0, 41)
    weighted = SoftmaxObjective(dataset(1, weights=weights))
    scaled = SoftmaxObjective(dataset(1, weights=7 * weights))
    theta = np.zeros(weighted.size)
    first, second = (minimise(f, SGD(batch_size=9), theta, max_steps=2).theta for f in (weighted, scaled))
    np.testing.assert_allclose(first, second, rtol=1e-12, atol=1e-15)
