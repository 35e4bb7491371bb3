"""fit: what it makes of settings, and how it ends."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from problems import DTYPES, dataset
from softreg import SGD, Dataset, Score, Settings, Status, fit
from softreg.errors import DataError, FitError, FitInterrupted, SettingError
from softreg.solvers import Step

QUICK = Settings(solver=SGD(batch_size=8), max_steps=3)


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_type_of_x_gives_the_same_model(dtype: str) -> None:
    data = dataset(1, dtype=dtype)
    as_float = Dataset(data.X.astype(float), data.y, data.classes)
    got, want = fit(data, QUICK)[0], fit(as_float, QUICK)[0]
    np.testing.assert_allclose(got.W, want.W, atol=1e-6)


def test_strides_do_not_matter_to_the_bits() -> None:
    data = dataset(1)
    other = Dataset(np.asfortranarray(data.X), data.y, data.classes)
    assert fit(data, QUICK)[0].W.tobytes() == fit(other, QUICK)[0].W.tobytes()


def test_the_weights_are_centred() -> None:
    model, _ = fit(dataset(1), QUICK)
    np.testing.assert_allclose(model.W.sum(axis=1), 0, atol=1e-15)
    assert abs(model.b.sum()) < 1e-15


def test_the_model_carries_what_the_data_says_of_itself() -> None:
    data = dataset(1, scale=0.5, shift=np.arange(6.0), feature_names=list("abcdef"))
    model, _ = fit(data, QUICK)
    assert model.feature_names == tuple("abcdef")
    assert model.scale == 0.5
    assert model.shift is data.shift
    assert model.settings["solver"] == {"name": "SGD", "learning_rate": 0.1, "batch_size": 8, "seed": 0}


def test_validation_is_scored_each_step_and_leaves_the_fit_alone() -> None:
    train, other = dataset(1), dataset(2)
    seen: list[Score | None] = []
    model, _ = fit(train, QUICK, validation=other, callback=lambda step, score: seen.append(score))
    assert model.history["validation_loss"].tolist() == [score.loss for score in seen if score]
    assert seen[-1] == model.score(other)
    assert model.W.tobytes() == fit(train, QUICK)[0].W.tobytes()


def test_a_penalty_shrinks_the_weights_and_not_the_biases() -> None:
    data = Dataset.from_labels(np.zeros((8, 1)), [0, 0, 0, 0, 0, 0, 1, 1])
    model, _ = fit(data, Settings(solver=SGD(0.5, 8), max_steps=500, C=1.0))
    assert abs(model.W).max() < 1e-6
    assert model.predict_proba([[0.0]]) == pytest.approx(np.array([[0.75, 0.25]]), abs=1e-6)


def test_two_classes_are_penalised_as_the_sigmoid_fit_is() -> None:
    data = dataset(3, K=2)
    C, total = 0.5, data.n_rows
    model, _ = fit(data, Settings(solver=SGD(0.3, total), max_steps=5000, C=C))
    w, b = model.W[:, 1] - model.W[:, 0], model.b[1] - model.b[0]
    sigmoid = 1 / (1 + np.exp(-(data.X @ w + b)))
    gradient = data.X.T @ (sigmoid - data.y) + w / C  # of Σ loss + ‖w‖²/2C, scikit-learn's objective
    assert abs(gradient).max() < 1e-6


def test_a_callback_may_stop_a_fit() -> None:
    model, solution = fit(dataset(1), QUICK, callback=lambda step, score: step.number == 2)
    assert (solution.status, solution.steps, len(model.history["loss"])) == (Status.STOPPED, 2, 2)


def test_ctrl_c_raises_again_with_the_model_so_far() -> None:
    def interrupt(step: Step, score: Score | None) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        fit(dataset(1), QUICK, callback=interrupt)
    assert isinstance(caught.value, FitInterrupted)
    assert caught.value.solution.status is Status.INTERRUPTED
    assert caught.value.model.W.tobytes() == fit(dataset(1), Settings(SGD(batch_size=8), 1))[0].W.tobytes()


def test_running_into_infinity_is_an_error_with_a_remedy() -> None:
    with np.errstate(all="ignore"), pytest.raises(FitError, match="lower learning rate"):
        fit(dataset(1), Settings(solver=SGD(1e200), C=1.0))


@pytest.mark.parametrize(
    "data",
    [
        Dataset(np.zeros((0, 2)), np.zeros(0, dtype=int), np.array([0, 1])),
        dataset(1, weights=np.zeros(40)),
    ],
    ids=["no rows", "no weight"],
)
def test_nothing_to_fit_is_an_error(data: Dataset) -> None:
    with pytest.raises(DataError, match="nothing to fit"):
        fit(data)


@pytest.mark.parametrize(
    "fields", [{"C": 0.0}, {"C": np.nan}, {"init_std": -1.0}, {"init_std": np.inf}, {"seed": -1}, {"max_steps": -1}]
)
def test_settings_outside_their_range_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match=next(iter(fields))):
        Settings(**fields)


def test_blas_has_one_thread_during_a_fit_whatever_it_had_before() -> None:
    from threadpoolctl import threadpool_info, threadpool_limits

    def threads() -> set[int]:
        return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}

    during: list[set[int]] = []

    def note(step: Step, score: Score | None) -> None:
        during.append(threads())

    with threadpool_limits(2):
        fit(dataset(1), QUICK, callback=note)
        assert threads() == {2}
    assert during == [{1}] * 3
