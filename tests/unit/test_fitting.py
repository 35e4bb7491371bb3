"""fit: what it makes of settings, and how it ends."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from problems import DTYPES, dataset
from softreg import LBFGS, SGD, Dataset, EarlyStopping, Model, Newton, Proximal, Score, Settings, Status, fit
from softreg.errors import DataError, FitError, FitInterrupted, SettingError, ShapeError
from softreg.objective import SoftmaxObjective
from softreg.solvers import SOLVERS, Step, minimise

QUICK = Settings(solver=SGD(batch_size=8), max_steps=3)


@pytest.mark.parametrize("units", [{}, {"scale": 0.5, "shift": -2.0}, {"scale": np.array([0.1, 2.0, 3.0])}])
def test_a_fit_from_the_optimum_has_nothing_left_to_do(units: dict[str, Any]) -> None:
    data = dataset(1, n=100, d=3)
    model, first = fit(data, Settings("lbfgs", C=math.inf, tol=1e-9))
    scaled = Dataset(data.X, data.y, data.classes, **units)
    again, second = fit(scaled, Settings("lbfgs", C=math.inf, tol=1e-9, max_steps=1), start=model)
    assert second.value == pytest.approx(first.value, rel=1e-12)
    np.testing.assert_allclose(again.predict_proba(data.X), model.predict_proba(data.X), atol=1e-6)


def test_a_model_to_start_from_must_fit_the_data() -> None:
    model, _ = fit(dataset(1, d=3), Settings(max_steps=1))
    with pytest.raises(ShapeError, match=r"start\.W has shape \(3, 4\)"):
        fit(dataset(1), Settings("lbfgs"), start=model)
    with pytest.raises(DataError, match="other classes"):
        fit(dataset(1, d=3, K=3), Settings("lbfgs"), start=model)


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
    solver = {"name": "SGD", "learning_rate": 0.1, "batch_size": 8, "seed": 0}
    assert model.settings["solver"] == solver | {"momentum": 0.0, "schedule": "constant", "period": None}


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


def test_ctrl_c_before_the_first_step_raises_again_with_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(self: SoftmaxObjective, theta: Any) -> Any:
        raise KeyboardInterrupt

    settings = Settings(LBFGS(), C=1.0, seed=3)
    monkeypatch.setattr(SoftmaxObjective, "evaluate", interrupt)
    with pytest.raises(FitInterrupted) as caught:
        fit(dataset(1), settings)
    assert caught.value.solution.steps == 0
    assert not caught.value.model.W.any(), "a solver that converges starts from 0"


def test_a_callback_may_say_why_it_stops() -> None:
    _, solution = fit(dataset(1), QUICK, callback=lambda step, score: "that will do" if step.number == 2 else None)
    assert solution.status is Status.STOPPED
    assert "that will do; after step 2" in solution.message


def test_the_gap_and_the_gradient_are_kept_where_they_are_known(tmp_path: Path) -> None:
    model, solution = fit(dataset(1), Settings(LBFGS(), C=1.0))
    assert np.isinf(solution.history["gap"][0])
    assert np.isnan(model.history["gap"][0]), "a file has no infinity"
    assert model.history["gap"][-1] == solution.gap
    assert model.history["grad_norm"][-1] == solution.grad_norm
    model.save(tmp_path / "m")
    again = Model.load(tmp_path / "m").history
    assert set(again) == {"value", "loss", "accuracy", "gap", "grad_norm", "passes"}
    for name, figures in model.history.items():
        np.testing.assert_array_equal(again[name], figures)
    assert "gap" not in fit(dataset(1), Settings(LBFGS(), max_steps=5))[0].history, "nothing was known of it"
    assert set(fit(dataset(1), QUICK)[0].history) == {"value", "loss", "accuracy", "passes"}
    assert set(fit(dataset(1), Settings(max_steps=0))[0].history) == {"value", "loss", "accuracy", "passes"}


def test_running_into_infinity_is_an_error_with_a_remedy() -> None:
    with np.errstate(all="ignore"), pytest.raises(FitError, match=r"in step \d+: .*lower learning rate"):
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


# Every number that can be set: what makes the settings that hold it, what else they need, the name, values outside its
# range. That it is a number, and a whole one, is the same for all.
WHOLE = [
    pytest.param(Settings, {}, "max_steps", [-1], id="Settings.max_steps"),
    pytest.param(Settings, {}, "seed", [-1], id="Settings.seed"),
    pytest.param(SGD, {}, "batch_size", [0], id="SGD.batch_size"),
    pytest.param(SGD, {}, "seed", [-1], id="SGD.seed"),
    pytest.param(SGD, {"schedule": "cosine"}, "period", [0], id="SGD.period"),
    pytest.param(LBFGS, {}, "memory", [0], id="LBFGS.memory"),
    pytest.param(Newton, {}, "inner", [0], id="Newton.inner"),
    pytest.param(Proximal, {}, "first", [0], id="Proximal.first"),
    pytest.param(Proximal, {}, "most", [0], id="Proximal.most"),
    pytest.param(EarlyStopping, {}, "patience", [0], id="EarlyStopping.patience"),
]
REAL = [
    pytest.param(Settings, {}, "C", [0.0, -1.0], id="Settings.C"),
    pytest.param(Settings, {}, "l1_ratio", [-0.1, 1.1, math.inf], id="Settings.l1_ratio"),
    pytest.param(Settings, {}, "label_smoothing", [-0.1, 1.1, math.inf], id="Settings.label_smoothing"),
    pytest.param(Settings, {}, "tol", [-1.0, math.inf], id="Settings.tol"),
    pytest.param(Settings, {}, "init_std", [-1.0, math.inf], id="Settings.init_std"),
    pytest.param(SGD, {}, "learning_rate", [0.0, -1.0, math.inf], id="SGD.learning_rate"),
    pytest.param(SGD, {}, "momentum", [-0.1, 1.0], id="SGD.momentum"),
    pytest.param(Newton, {}, "share", [0.0, 1.5], id="Newton.share"),
    pytest.param(Newton, {}, "accuracy", [0.0, 1.0], id="Newton.accuracy"),
    pytest.param(Newton, {}, "exact_passes", [-1.0], id="Newton.exact_passes"),
    pytest.param(Proximal, {}, "ratio", [1.0, 0.5], id="Proximal.ratio"),
    pytest.param(EarlyStopping, {}, "min_delta", [-1.0, math.inf], id="EarlyStopping.min_delta"),
]
NO_NUMBERS = [True, np.True_, "1", b"1", [1], np.array([1]), 1j, object()]


def refused(make: Any, others: dict[str, Any], name: str, value: object) -> None:
    with pytest.raises(SettingError) as caught:
        make(**others, **{name: value})
    assert caught.value.name == name
    assert caught.value.got is value
    assert str(caught.value) == f"{name} is {value!r}; expected {caught.value.want}"


@pytest.mark.parametrize(("make", "others", "name", "outside"), WHOLE)
def test_a_whole_number_is_taken_as_one_and_nothing_else_is(
    make: Any, others: dict[str, Any], name: str, outside: list[object]
) -> None:
    for value in [*outside, *NO_NUMBERS, 2.0, math.nan]:
        refused(make, others, name, value)
    assert type(getattr(make(**others, **{name: np.uint8(3)}), name)) is int


@pytest.mark.parametrize(("make", "others", "name", "outside"), REAL)
def test_a_number_is_taken_as_one_and_nothing_else_is(
    make: Any, others: dict[str, Any], name: str, outside: list[object]
) -> None:
    for value in [*outside, *NO_NUMBERS, None, math.nan, 10**400]:
        refused(make, others, name, value)
    inside = np.float32(1.5 if make is Proximal else 0.5)
    assert type(getattr(make(**others, **{name: inside}), name)) is float


@pytest.mark.parametrize("make", [LBFGS, Newton])
def test_steps_of_a_refresh_are_whole_numbers_from_0(make: Any) -> None:
    for value in ("31", 3, None, True):
        refused(make, {}, "refresh", value)
    for step in (True, "3", 2.5, -1):
        with pytest.raises(SettingError, match=f"refresh is {step!r}; expected "):
            make(refresh=(3, step))
    assert make(refresh=[np.int64(3)]).refresh == (3,)


def test_no_number_among_the_settings_is_missing_from_the_table() -> None:
    tested = {(param.values[0], param.values[2]) for table in (WHOLE, REAL) for param in table}
    for make in (Settings, EarlyStopping, *SOLVERS.values()):
        for field in dataclasses.fields(make):
            if field.init and re.search(r"\b(int|float)\b", str(field.type)) and field.name != "refresh":
                assert (make, field.name) in tested, f"{make.__name__}.{field.name}"


def test_blas_has_one_thread_during_a_fit_whatever_it_had_before() -> None:
    from threadpoolctl import threadpool_info, threadpool_limits

    def threads() -> set[int]:  # SciPy, once it is loaded, has a BLAS of its own, which no pass of ours calls
        pools = (pool for pool in threadpool_info() if "scipy.libs" not in pool["filepath"])
        return {pool["num_threads"] for pool in pools if pool["user_api"] == "blas"}

    during: list[set[int]] = []

    def note(step: Step, score: Score | None) -> None:
        during.append(threads())

    with threadpool_limits(2):
        fit(dataset(1), QUICK, callback=note)
        assert threads() == {2}
    assert during == [{1}] * 3


def test_the_start_is_noise_of_the_deviation_asked_for() -> None:
    data = dataset(1, n=40, d=500)
    for std in (0.0, 0.02):
        model, _ = fit(data, Settings(max_steps=0, init_std=std, seed=3))
        assert model.W.std() == pytest.approx(std * np.sqrt(3 / 4), rel=0.05)  # a quarter goes with the centring


def test_each_epoch_has_an_order_of_its_own() -> None:
    data = dataset(1, n=64)
    orders = []

    class Recorder(SoftmaxObjective):
        def sweep(self, theta: Any, order: Any, *rest: Any) -> Any:
            orders.append(order.tolist())
            return super().sweep(theta, order, *rest)

    objective = Recorder(data)
    minimise(objective, SGD(batch_size=64, seed=5), np.zeros(objective.size), max_steps=3)
    assert len({tuple(order) for order in orders}) == 3
    assert all(sorted(order) == list(range(64)) for order in orders)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: fit(np.zeros((3, 2))), "Dataset.from_labels"),  # type: ignore[arg-type]
        (lambda: fit(dataset(1), SGD()), "Settings"),  # type: ignore[arg-type]
        (lambda: Settings(solver="adam"), "'auto', 'sgd', 'lbfgs', 'newton'"),
        (lambda: Settings(solver=LBFGS), "a solver, such as"),  # type: ignore[arg-type]
        (lambda: Settings(max_steps=2.5), "whole number"),  # type: ignore[arg-type]
        (lambda: Settings(C="strong"), "C is 'strong'"),  # type: ignore[arg-type]
        (lambda: fit(dataset(1), validation=np.zeros(3)), "validation is a ndarray"),  # type: ignore[arg-type]
        (lambda: fit(dataset(1), validation=dataset(1, d=5)), "validation has shape"),
        (lambda: fit(dataset(1), validation=dataset(1, K=3)), "other classes"),
    ],
)
def test_the_wrong_kind_of_thing_is_told_the_right_one(call: Any, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        call()


def test_settings_of_numpys_numbers_are_kept_as_pythons() -> None:
    solver = SGD(learning_rate=np.float32(0.5), batch_size=np.int64(8), seed=np.uint8(1))  # type: ignore[arg-type]
    model, _ = fit(dataset(1), Settings(solver, max_steps=np.int64(1)))  # type: ignore[arg-type]
    assert json.loads(json.dumps(model.settings)) == model.settings


def test_a_history_is_even_when_ctrl_c_comes_between_a_step_and_its_score(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def interrupted(self: Model, data: Dataset, rows: object) -> Score:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return Score(0.5, 0.5)

    monkeypatch.setattr(Model, "score", interrupted)
    with pytest.raises(FitInterrupted) as caught:
        fit(dataset(1), QUICK, validation=dataset(2))
    history = caught.value.model.history
    assert {len(values) for values in history.values()} == {2}
    assert np.isnan(history["validation_loss"][1])


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        pytest.param({"n": 50}, "Newton", id="a small Hessian"),
        pytest.param({"n": 300, "d": 40, "K": 5, "dtype": "uint8"}, "L-BFGS", id="a large one"),
    ],
)
def test_auto_chooses_by_the_problem_and_says_which_and_why(fields: dict[str, Any], name: str) -> None:
    settings = Settings("auto", C=1.0)
    assert settings.converges
    model, solution = fit(dataset(1, **fields), settings)
    assert solution.status is Status.CONVERGED
    assert solution.chosen.startswith(f"{name}: ")
    assert "Hessian" in solution.chosen
    assert model.settings["solver"]["name"] == name.replace("-", ""), "the file says what was used"
    assert fit(dataset(1), Settings("newton", C=1.0))[1].chosen == "", "nobody chose"


@pytest.mark.parametrize("solver", ["sgd", "lbfgs"])
def test_some_rows_train_as_if_the_others_were_not_there(solver: str) -> None:
    data = dataset(1, n=60, weights=np.arange(60.0))
    rows = np.random.default_rng(0).permutation(60)[:40]
    part = Dataset(data.X[rows], data.y[rows], data.classes, weights=np.arange(60.0)[rows])
    settings = Settings(solver, C=0.1, max_steps=9)
    got, want = fit(data, settings, rows=rows)[0], fit(part, settings)[0]
    np.testing.assert_allclose(got.W, want.W, atol=1e-9)
    others = np.setdiff1d(np.arange(60), rows)
    assert fit(data, settings, rows=rows, validation=others)[0].history["validation_loss"][-1] == pytest.approx(
        got.score(Dataset(data.X[others], data.y[others], data.classes, weights=np.arange(60.0)[others])).loss
    )


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([0, 40], "rows has the number 40; expected rows from 0 to 39"),
        ([-1], "rows has the number -1"),
        ([0.5], "rows is a list of dtype float64"),
        ([[0]], r"rows is a list of dtype int64 and shape \(1, 1\); expected a list of row numbers"),
        ([], "the data has no rows"),
    ],
)
def test_rows_must_be_row_numbers(rows: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        fit(dataset(1), QUICK, rows=rows)


FITTED = """
import os
from pathlib import Path
import numpy as np
from softreg import LBFGS, Dataset, Settings, fit

def resident(name):
    return next(int(line.split()[1]) for line in Path("/proc/self/status").open() if line.startswith(name)) * 1024

os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])  # each thread has some memory of its own
rng = np.random.default_rng(0)
X = np.empty((60_000, 784), np.uint8)
y = np.empty(60_000, np.int32)
W = rng.normal(scale=0.1, size=(784, 10))
for rows in np.split(np.arange(60_000), 60):
    X[rows] = rng.integers(0, 256, (1000, 784)) * (rng.random((1000, 784)) < 0.4)
    y[rows] = (X[rows] / 255 @ W + rng.gumbel(size=(1000, 10))).argmax(axis=1)
data = Dataset(X, y, np.arange(10), scale=1 / 255)
settings = Settings(LBFGS(refresh=(1, 3)), C=1.0, tol=0.0, max_steps=6)
fit(Dataset(X[:20, :3], y[:20], data.classes), settings)  # what is imported and made once
before = resident("VmRSS")
Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts anew
_, solution = fit(data, settings)
assert solution.steps == 6, solution.message
print(resident("VmHWM") - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the high-water mark is Linux's")
def test_a_fit_of_60000_images_takes_little_memory_beyond_them() -> None:
    done = subprocess.run([sys.executable, "-c", FITTED], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 40e6, "two preconditioners at a time, or squares for triangles, would be more"
