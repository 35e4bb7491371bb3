"""EarlyStopping: when it stops a fit, which point it keeps, and what it says."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from problems import dataset
from softreg import LBFGS, SGD, EarlyStopping, Model, Score, Settings, Status, fit
from softreg.errors import DataError, FitInterrupted, SettingError
from softreg.solvers import Step, Verdict

NAN = math.nan


def step(number: int) -> Step:
    return Step(number, np.zeros(1), 1.0, 1.0, 0.5, math.inf, NAN, 1.0, 0.0)


def judge(stopping: EarlyStopping, losses: list[float]) -> tuple[list[int], int | None]:
    """Return the steps that are kept, and the one that is the last."""
    kept = []
    for number, loss in enumerate(losses, 1):
        verdict = stopping(step(number), Score(loss, 1 - loss))
        if verdict.keep:
            kept.append(number)
        if verdict.stop:
            return kept, number
    return kept, None


@pytest.mark.parametrize(
    ("settings", "losses", "kept", "last"),
    [
        ({"patience": 2}, [0.5, 0.4, 0.4, 0.41, 0.1], [1, 2], 4),
        ({"patience": 2}, [0.5, 0.6, 0.4, 0.5, 0.3, 0.2], [1, 3, 5, 6], None),
        ({"patience": 1}, [0.5, 0.5], [1], 2),
        ({"patience": 2, "min_delta": 0.1}, [0.5, 0.45, 0.42], [1], 3),
        ({"patience": 2, "min_delta": 0.1}, [0.5, 0.45, 0.39, 0.3, 0.31], [1, 3], 5),
        ({"patience": 2, "score": "accuracy"}, [0.5, 0.4, 0.4, 0.45], [1, 2], 4),
        ({"patience": 2, "restore_best": False}, [0.5, 0.4, 0.4, 0.41], [], 4),
        ({"patience": 2}, [NAN, 0.5, NAN, NAN], [2], 4),
        ({"patience": 2}, [NAN, NAN], [], 2),
        ({"patience": 2}, [math.inf, 0.5, 0.6], [1, 2], None),
    ],
)
def test_it_stops_after_so_many_steps_without_a_better_score(
    settings: dict[str, Any], losses: list[float], kept: list[int], last: int | None
) -> None:
    stopping = EarlyStopping(**settings)
    for _ in range(2):  # the second fit knows nothing of the first
        assert judge(stopping, losses) == (kept, last)


def test_it_tells_the_best_score_and_its_step() -> None:
    stopping = EarlyStopping(patience=2, min_delta=0.05)
    assert math.isnan(stopping.best)
    for number, loss in enumerate([0.5, 0.4, 0.38], 1):
        stopping(step(number), Score(loss, 0.9))
    assert (stopping.best, stopping.best_step) == (0.4, 2)
    assert stopping(step(4), Score(0.5, 0.9)) == Verdict(
        True,
        "early stopping, as the validation loss has not fallen by more than 0.05 for 2 steps "
        "(the best: 0.4000 after step 2)",
    )
    stopping = EarlyStopping(patience=1, score="accuracy")
    stopping(step(1), Score(0.5, 0.75))
    assert "accuracy has not risen for 1 steps (the best: 0.7500" in stopping(step(2), Score(0.1, 0.75)).reason


@pytest.mark.parametrize("solver", [SGD(learning_rate=1.0, batch_size=8), LBFGS()], ids=["sgd", "lbfgs"])
def test_a_fit_of_noise_is_stopped_and_is_the_best_models(solver: Any) -> None:
    train, held_out = dataset(1), dataset(2)  # labels at random: the held-out loss soon rises
    stopping = EarlyStopping(patience=3)
    model, solution = fit(train, Settings(solver, max_steps=50), validation=held_out, callback=stopping)
    assert solution.status is Status.STOPPED
    best = int(np.argmin(model.history["validation_loss"])) + 1
    assert (solution.kept, solution.steps) == (best, best + 3)
    assert model.score(held_out).loss == stopping.best == model.history["validation_loss"].min()
    assert f"after step {best})" in solution.message
    assert f"the point of step {best} of {best + 3} is kept" in solution.message
    last, _ = fit(
        train, Settings(solver, max_steps=50), validation=held_out, callback=EarlyStopping(3, restore_best=False)
    )
    assert last.score(held_out).loss == last.history["validation_loss"][-1] > stopping.best


def test_the_best_model_is_kept_on_ctrl_c_too() -> None:
    stopping = EarlyStopping(patience=100)

    def interrupt_late(step: Step, score: Score | None) -> Verdict:
        if step.number == 40:
            raise KeyboardInterrupt
        return stopping(step, score)

    train, held_out = dataset(1), dataset(2)
    with pytest.raises(FitInterrupted) as caught:
        fit(train, Settings(SGD(1.0, 8), max_steps=50), validation=held_out, callback=interrupt_late)
    solution = caught.value.solution
    assert solution.kept == stopping.best_step < solution.steps == 40
    assert caught.value.model.score(held_out).loss == stopping.best


def test_it_leaves_a_fit_alone_that_gets_better_all_the_time() -> None:
    data, settings = dataset(1), Settings(LBFGS(), C=1.0)
    model, solution = fit(data, settings, validation=data, callback=EarlyStopping(patience=50))
    assert solution.status is Status.CONVERGED
    assert isinstance(model, Model)


def test_without_a_validation_set_there_is_nothing_to_watch() -> None:
    with pytest.raises(DataError, match="validation=Dataset"):
        fit(dataset(1), callback=EarlyStopping())


@pytest.mark.parametrize(
    "settings",
    [
        {"patience": 0},
        {"patience": 1.5},
        {"min_delta": -1},
        {"min_delta": NAN},
        {"min_delta": math.inf},
        {"score": "f1"},
    ],
    ids=str,
)
def test_settings_outside_their_range_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match=next(iter(settings))):
        EarlyStopping(**settings)
