"""Temperature and vector scaling, and the model that carries them."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import scipy.optimize
from numpy.typing import NDArray

from decision_problems import logits_and_labels
from softreg import Dataset, Model, Settings, SoftmaxRegression, cross_entropy, fit, softmax
from softreg.decision import Scaling, SplitConformal, calibrate, temperature_scaling, vector_scaling
from softreg.decision.scaling import ScalingObjective, _second_order
from softreg.errors import DataError, LabelError, SettingError, ShapeError

Array = NDArray[np.float64]


@pytest.mark.parametrize("sharper", [0.3, 1.0, 1.7, 40.0])
def test_the_temperature_that_labels_were_drawn_at_is_found(sharper: float) -> None:
    z, y = logits_and_labels(4000, 5, 0, sharper)
    found = temperature_scaling(z, y).temperature
    assert found is not None
    assert found == pytest.approx(sharper, rel=0.1)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_temperature_is_the_minimum(weighted: bool) -> None:
    z, y = logits_and_labels(300, 4, 1, 2.0)
    w = np.random.default_rng(0).integers(0, 4, len(y)).astype(float) if weighted else np.ones(len(y))

    def slope(beta: float) -> float:
        p = softmax(beta * z)
        return float(w @ ((p * z).sum(axis=1) - z[np.arange(len(y)), y]))

    expected = scipy.optimize.brentq(slope, 0.01, 10.0, xtol=1e-14)
    scaling = temperature_scaling(z, y, sample_weight=w if weighted else None)
    assert scaling.scale == pytest.approx(expected, rel=1e-10)
    assert scaling.loss_after < scaling.loss_before
    assert scaling.loss_after == pytest.approx(
        float(w @ cross_entropy(expected * z, y, reduction="none")) / w.sum(), rel=1e-12
    )


def test_scikit_learns_temperature_is_ours() -> None:
    calibration = pytest.importorskip("sklearn.calibration")
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.frozen import FrozenEstimator

    class Given(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # which have no types
        def fit(self, X: Any, y: Any) -> Any:
            self.classes_ = np.unique(y)
            return self

        def predict(self, X: Any) -> Any:
            return self.classes_[np.argmax(X, axis=1)]

        def decision_function(self, X: Any) -> Any:
            return X

    z, y = logits_and_labels(500, 4, 2, 1.7)
    peer = calibration.CalibratedClassifierCV(FrozenEstimator(Given().fit(z, y)), method="temperature").fit(z, y)
    assert temperature_scaling(z, y).probabilities(z) == pytest.approx(peer.predict_proba(z), abs=1e-5)


def test_log_probabilities_serve_as_logits() -> None:
    z, y = logits_and_labels(200, 4, 3, 1.7)
    logs = np.log(softmax(z))
    assert temperature_scaling(logs, y).scale == pytest.approx(temperature_scaling(z, y).scale, rel=1e-10)
    ours, theirs = vector_scaling(z, y), vector_scaling(logs, y)
    assert theirs.scale == pytest.approx(ours.scale, rel=1e-8)
    assert theirs.probabilities(logs) == pytest.approx(ours.probabilities(z), rel=1e-8)


@pytest.mark.parametrize("prior", [1e-3, 1.0])
def test_vector_scaling_is_the_minimum(prior: float) -> None:
    z, y = logits_and_labels(300, 3, 4, 1.7)
    z = z - z.mean(axis=1, keepdims=True)

    def value(theta: Array) -> float:
        away = theta - np.repeat([1.0, 0.0], 3)
        loss = float(cross_entropy(z * theta[:3] + theta[3:], y, reduction="sum"))
        return (loss + prior / 2 * float(away @ away)) / len(y)

    best = scipy.optimize.minimize(value, np.repeat([1.0, 0.0], 3), method="BFGS", options={"gtol": 1e-9}).x
    found = vector_scaling(z, y, prior=prior)
    assert np.append(found.scale, found.bias) == pytest.approx(best, abs=2e-4)
    assert value(np.append(found.scale, found.bias)) <= value(best) + 1e-14


def test_vector_scaling_of_absent_and_separated_classes_is_finite() -> None:
    z = np.array([[5.0, 0.0, 0.0], [0.0, 5.0, 0.0]])
    found = vector_scaling(z, [0, 1])
    assert np.isfinite(found.scale).all()
    assert found.probabilities(z)[:, 2].max() < softmax(z)[:, 2].max()


def differences(objective: ScalingObjective, theta: Array, h: float = 1e-5) -> tuple[Array, Array]:
    """Gradient and Hessian from values and gradients beside theta."""
    steps = h * np.eye(len(theta))
    grad = [(objective.evaluate(theta + s).value - objective.evaluate(theta - s).value) / (2 * h) for s in steps]
    H = [(objective.evaluate(theta + s).grad - objective.evaluate(theta - s).grad) / (2 * h) for s in steps]
    return np.array(grad), np.array(H)


@pytest.mark.parametrize("per_class", [False, True])
@pytest.mark.parametrize("l2", [0.0, 0.3])
def test_the_objective_has_the_derivatives_of_its_value(per_class: bool, l2: float) -> None:
    z, y = logits_and_labels(50, 4, 5)
    w = np.random.default_rng(1).random(50)
    objective = ScalingObjective(z, y, w, per_class, l2)
    theta = objective.identity + 0.2 * np.random.default_rng(2).normal(size=objective.size)
    grad, H = differences(objective, theta)
    assert objective.evaluate(theta).grad == pytest.approx(grad, abs=1e-8)
    assert objective.hessian(theta) == pytest.approx(H, abs=1e-7)
    s, other = theta - objective.identity, ScalingObjective(z, y, w, per_class, 0.7)
    along = [f.evaluate(theta).grad - f.evaluate(objective.identity).grad for f in (objective, other)]
    assert objective.secant(s, along[1], other) == pytest.approx(along[0])
    assert objective.curvature(theta).product(grad) == pytest.approx(H @ grad, abs=1e-6)


@pytest.mark.parametrize(("per_class", "l2"), [(False, 0.0), (False, 0.2), (True, 0.2)])
def test_the_bound_is_above_the_gap_everywhere_and_near_it_at_the_end(per_class: bool, l2: float) -> None:
    z, y = logits_and_labels(200, 3, 6, 1.7)
    objective = ScalingObjective(z, y, np.ones(200), per_class, l2)
    scaling = vector_scaling(z, y, prior=0.2 * 200) if per_class else temperature_scaling(z, y)
    best = np.append(scaling.scale, scaling.bias) if per_class else np.array([scaling.scale])
    if l2 and not per_class:
        best = scipy.optimize.minimize(lambda v: objective.evaluate(v).value, best, tol=1e-12).x
    value = objective.evaluate(best).value
    finite = 0
    for t in np.random.default_rng(3).normal(size=(50, objective.size)) * np.logspace(-4, 0, 50)[:, None]:
        theta = best + t
        point = objective.evaluate(theta)
        bound = objective.gap(theta, point).bound
        assert bound >= point.value - value - 1e-12
        finite += math.isfinite(bound)
    assert finite > 10
    assert _second_order(1e-3) == pytest.approx(1e-3 + (1 - 1e-3) * math.log1p(-1e-3), rel=1e-6)


ALL_RIGHT = np.array([[3.0, 0.0], [0.0, 3.0]]), [0, 1]
WRONG: list[tuple[Any, Any, type[Exception], str]] = [
    (np.empty((0, 3)), [], DataError, "no rows to calibrate on"),
    (*ALL_RIGHT, DataError, "right on all 2 rows"),
    (ALL_RIGHT[0], [1, 0], DataError, "tell nothing of these labels"),
    (np.zeros((2, 2)), [0, 1], DataError, "tell nothing of these labels"),
    (np.array([[0.0, np.inf], [0.0, 1.0]]), [0, 1], DataError, "first is row 0"),
    (np.zeros(3), [0, 1, 0], ShapeError, "classes"),
    (ALL_RIGHT[0], [0, 2], LabelError, "outside the 2 classes"),
]


@pytest.mark.parametrize(("z", "y", "error", "message"), WRONG)
def test_rows_without_a_best_temperature_are_refused(z: Any, y: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        temperature_scaling(z, y)


@pytest.mark.parametrize("prior", [0, -1.0, math.nan, math.inf, True, "1"])
def test_a_prior_is_above_0(prior: Any) -> None:
    with pytest.raises(SettingError, match="above 0"):
        vector_scaling(*ALL_RIGHT, prior=prior)


def test_a_shift_of_the_prior_is_a_bias() -> None:
    from softreg.decision import reweight

    z, _ = logits_and_labels(20, 3, 7)
    old, new = [0.2, 0.3, 0.5], [0.6, 0.3, 0.1]
    for scaling in (Scaling(0.5), Scaling(np.array([0.5, 1.0, 2.0]), np.array([0.1, 0.0, -0.2]))):
        want = reweight(scaling.probabilities(z), old, new)
        assert scaling.shifted(old, new).probabilities(z) == pytest.approx(want, rel=1e-12)
    with pytest.raises(DataError, match="frequency 0"):
        Scaling().shifted(old, [0.5, 0.5, 0.0])


# --- the model -------------------------------------------------------------------------------------------------------


def problem(n: int = 1500, seed: int = 8) -> Dataset:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 5)).astype(np.float32)
    y = (X @ rng.normal(size=(5, 3)) + rng.gumbel(size=(n, 3))).argmax(axis=1)
    return Dataset.from_labels(X, np.array(["a", "b", "c"])[y])


def overtrained() -> tuple[Model, Dataset]:
    """A model with logits three times too large, and held-out rows."""
    data = problem()
    model, _ = fit(data, Settings("auto", C=10.0), rows=np.arange(300))
    return Model(3 * model.W, 3 * model.b, model.classes), Dataset(data.X[300:], data.y[300:], data.classes)


SCALINGS = [Scaling(0.4), Scaling(np.array([0.4, 0.5, 0.6]), np.array([0.3, -0.3, 0.1]))]


@pytest.mark.parametrize("scaling", SCALINGS, ids=["temperature", "vector"])
@pytest.mark.parametrize("with_offset", [False, True])
def test_a_calibrated_model_predicts_what_the_scaling_makes_of_its_logits(scaling: Scaling, with_offset: bool) -> None:
    from dataclasses import replace

    plain, data = overtrained()
    X = data.X.astype(float)
    offset = np.random.default_rng(9).normal(size=(len(X), 3)) if with_offset else None
    model = replace(plain, calibration=scaling, scale=0.5, shift=0.1)
    z = model.logits(X, offset)
    assert np.array_equal(z, replace(plain, scale=0.5, shift=0.1).logits(X, offset))
    want = scaling.probabilities(z)
    assert model.predict_proba(X, offset) == pytest.approx(want, rel=1e-9)
    assert np.exp(model.predict_log_proba(X, offset)) == pytest.approx(want, rel=1e-9)
    assert np.array_equal(model.predict(X, offset), model.classes[want.argmax(axis=1)])
    classes, probs = model.predict_topk(X, 2, offset)
    assert probs == pytest.approx(np.sort(want, axis=1)[:, :0:-1], rel=1e-9)
    assert np.array_equal(classes[:, 0], model.predict(X, offset))
    score = model.score(replace(data, X=X, offset=offset))
    assert score.loss == pytest.approx(-np.log(want[np.arange(len(X)), data.y]).mean(), rel=1e-9)


@pytest.mark.parametrize("method", ["temperature", "vector"])
def test_calibration_makes_the_loss_of_other_rows_smaller(method: str) -> None:
    model, data = overtrained()
    held, new = (Dataset(data.X[part], data.y[part], data.classes) for part in (slice(0, 600), slice(600, None)))
    better = calibrate(model, held, method=method)
    assert better.score(new).loss < 0.9 * model.score(new).loss
    assert better.calibration is not None
    assert better.calibration.loss_after == pytest.approx(better.score(held).loss, rel=1e-5)
    assert better.conformal is None


def test_sets_are_calibrated_on_other_rows_than_the_temperature() -> None:
    model, data = overtrained()
    both = calibrate(model, data, sets=SplitConformal("aps"), share=0.25, seed=3)
    order = np.random.default_rng(3).permutation(data.n_rows)
    first, rest = order[:300], order[300:]
    assert both.calibration is not None
    assert both.conformal is not None
    assert both.calibration.scale == temperature_scaling(model.logits(data.X)[first], data.y[first]).scale
    want = SplitConformal("aps").fit(both.predict_proba(data.X)[rest], data.y[rest])
    assert np.array_equal(np.asarray(both.conformal.scores), np.asarray(want.scores))
    only_sets = calibrate(model, data, method=None, sets=SplitConformal())
    named = calibrate(model, data, method=None, sets="lac").conformal
    assert named is not None
    assert repr(named) == repr(only_sets.conformal)
    assert only_sets.conformal is not None
    assert np.asarray(only_sets.conformal.scores).shape == (data.n_rows,)
    assert only_sets.calibration is None
    assert calibrate(both, data).conformal is None, "they were scores of other probabilities"


def test_classes_are_matched_by_name() -> None:
    model, data = overtrained()
    order = np.array([2, 0, 1])
    shuffled = Dataset(data.X, np.argsort(order)[data.y], data.classes[order])
    assert calibrate(model, shuffled).calibration.scale == calibrate(model, data).calibration.scale  # type: ignore[union-attr]  # both have one
    priors = [calibrate(model, rows, method="vector").class_prior for rows in (shuffled, data)]
    assert priors[0] == pytest.approx(priors[1])
    assert priors[0] == pytest.approx(data.frequencies(), abs=0.02)


REFUSED: list[tuple[dict[str, Any], dict[str, Any], type[Exception], str]] = [
    ({"X": np.empty((0, 5)), "y": []}, {}, DataError, "no held-out rows"),
    ({"X": np.zeros((3, 4)), "y": ["a", "b", "c"]}, {}, ShapeError, "5 features"),
    ({"X": np.zeros((2, 5)), "y": ["a", "bb"]}, {}, LabelError, "'bb'.*may be meant for 'b'"),
    ({"X": np.zeros((2, 5)), "y": ["a", "b"]}, {"method": "platt"}, SettingError, "'temperature', 'vector'"),
    ({"X": np.zeros((2, 5)), "y": ["a", "b"]}, {"sets": 0.9}, SettingError, "SplitConformal"),
    ({"X": np.zeros((2, 5)), "y": ["a", "b"]}, {"share": 1.0}, SettingError, "between 0 and 1"),
    (
        {"X": np.zeros((4, 5)), "y": ["a", "b", "a", "b"]},
        {"method": None, "sets": SplitConformal(class_conditional=True), "allow_absent": True},
        LabelError,
        "none of 'c'",
    ),
    ({"X": np.zeros((2, 5)), "y": ["a", "a"]}, {}, LabelError, "no held-out rows of 'b', 'c'"),
    (
        {"X": np.zeros((3, 5)), "y": ["a", "b", "c"], "weights": [1.0, 1.0, 0.0]},
        {"method": "vector"},
        LabelError,
        "no held-out rows of 'c'",
    ),
]


@pytest.mark.parametrize(("rows", "settings", "error", "message"), REFUSED)
def test_rows_that_a_model_cannot_be_calibrated_on_are_refused(
    rows: dict[str, Any], settings: dict[str, Any], error: type[Exception], message: str
) -> None:
    model, _ = overtrained()
    classes = {"classes": ["a", "b"]} if not len(rows["y"]) else {}
    y = np.array(rows["y"], dtype=str)
    if len(np.unique(y)) == 1:
        classes = {"classes": ["a", "b"]}
    more = {name: rows[name] for name in rows if name == "weights"}
    with pytest.raises(error, match=message):
        calibrate(model, Dataset.from_labels(rows["X"], y, **classes, **more), **settings)


def test_a_class_may_be_absent_where_that_is_allowed_or_the_model_knew_none() -> None:
    model, data = overtrained()
    two = Dataset.from_labels(data.X[data.y < 2], data.classes[data.y[data.y < 2]])
    with pytest.raises(LabelError, match=r"no held-out rows of 'c'.*allow_absent"):
        calibrate(model, two)
    found = calibrate(model, two, allow_absent=True).calibration
    assert found is not None
    left_out = replace(model, class_prior=np.array([0.5, 0.5, 0.0]))
    assert calibrate(left_out, two).calibration.scale == found.scale  # type: ignore[union-attr]  # it has one


def test_logits_of_any_size_have_a_temperature() -> None:
    z, y = logits_and_labels(300, 4, 3)
    want = temperature_scaling(z, y)
    for factor in (1e-12, 1e-3, 1e6, 1e12):
        found = temperature_scaling(factor * z, y)
        assert found.temperature == pytest.approx(factor * want.temperature, rel=1e-8)  # type: ignore[operator]  # a number
        assert found.loss_after == pytest.approx(want.loss_after, rel=1e-9)


def test_rows_of_probabilities_are_no_labels() -> None:
    model, data = overtrained()
    soft = Dataset.from_targets(data.X, np.full((data.n_rows, 3), 1 / 3), classes=data.classes)
    with pytest.raises(DataError, match="needs labels"):
        calibrate(model, soft)


def test_what_does_not_fit_a_model_is_refused() -> None:
    with pytest.raises(ShapeError, match="calibration"):
        Model(np.zeros((2, 3)), np.zeros(3), np.arange(3), calibration=Scaling(np.ones(2)))
    with pytest.raises(DataError, match="conformal"):
        Model(np.zeros((2, 3)), np.zeros(3), np.arange(3), conformal=SplitConformal())


@pytest.mark.parametrize("scaling", SCALINGS, ids=["temperature", "vector"])
@pytest.mark.parametrize("K", [2, 3])
def test_an_estimator_of_a_calibrated_model_is_calibrated_until_it_is_fitted_again(scaling: Scaling, K: int) -> None:
    rng = np.random.default_rng(10)
    if isinstance(scaling.scale, np.ndarray):
        scaling = Scaling(scaling.scale[:K], np.asarray(scaling.bias)[:K])
    model = Model(rng.normal(size=(4, K)), rng.normal(size=K), np.arange(K), calibration=scaling)
    X = rng.normal(size=(30, 4))
    estimator = SoftmaxRegression.from_model(model)
    assert estimator.predict_proba(X) == pytest.approx(model.predict_proba(X), rel=1e-9)
    assert np.array_equal(estimator.predict(X), model.predict(X))
    assert estimator.model_.predict_proba(X) == pytest.approx(model.predict_proba(X), rel=1e-9)
    estimator.fit(X, rng.integers(0, K, 30))
    assert estimator.model_.calibration is None


def test_polishing_forgets_a_calibration() -> None:
    from softreg.inference import polish

    rng = np.random.default_rng(11)
    X = rng.normal(size=(200, 2))
    data = Dataset.from_labels(X, (X[:, 0] + rng.logistic(size=200) > 0).astype(int))
    model, _ = fit(data, Settings("auto", C=math.inf))
    assert polish(calibrate(model, data), X, data.y).calibration is None
