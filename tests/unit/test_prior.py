"""Other class frequencies: reweighting, and finding them from unlabelled rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from softreg import Dataset, Model, Settings, SoftmaxRegression, fit
from softreg.decision import Scaling, SplitConformal, calibrate, estimate_prior, reweight, shift_prior
from softreg.errors import DataError, LabelError, SettingError, ShapeError

OLD, NEW = np.array([0.5, 0.3, 0.2]), np.array([0.1, 0.2, 0.7])
MEANS = np.array([[0.0, 0.0], [1.5, 0.0], [0.0, 1.5]])


def place(n: int, prior: NDArray[np.float64], seed: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Rows of three normal classes in these shares, and their classes."""
    rng = np.random.default_rng(seed)
    y = rng.choice(3, n, p=prior)
    return MEANS[y] + rng.normal(size=(n, 2)), y


def posterior(X: NDArray[np.float64], prior: NDArray[np.float64]) -> NDArray[np.float64]:
    density = np.exp(-((X[:, None] - MEANS) ** 2).sum(axis=2) / 2) * prior
    return np.asarray(density / density.sum(axis=1, keepdims=True), float)


def test_reweighting_is_bayes_rule_at_the_other_place() -> None:
    X, _ = place(50, NEW, 0)
    assert reweight(posterior(X, OLD), OLD, NEW) == pytest.approx(posterior(X, NEW), rel=1e-12)
    back = reweight(reweight(posterior(X, OLD), OLD, NEW), NEW, OLD)
    assert back == pytest.approx(posterior(X, OLD), rel=1e-12)


def test_a_class_that_does_not_occur_gets_nothing() -> None:
    probs = reweight([[0.5, 0.25, 0.25]], OLD, [0.5, 0.5, 0.0])
    assert probs == pytest.approx(np.array([[0.5, 0.25 / 0.6, 0.0]]) / (0.5 + 0.25 / 0.6))


def test_unlabelled_rows_tell_the_frequencies() -> None:
    X, y = place(20000, NEW, 1)
    found = estimate_prior(posterior(X, OLD), OLD)
    assert found.converged
    assert found.prior == pytest.approx(NEW, abs=0.02)
    assert found.prior == pytest.approx(np.bincount(y) / len(y), abs=0.02)


def likelihood(probs: NDArray[np.float64], prior: NDArray[np.float64]) -> float:
    return float(np.log((probs / OLD) @ prior).mean())


def test_the_gap_is_proved_and_the_end_is_told() -> None:
    X, _ = place(400, NEW, 2)
    probs = posterior(X, OLD)
    best = estimate_prior(probs, OLD, tol=1e-12)
    for steps in (1, 5, 20):
        early = estimate_prior(probs, OLD, tol=1e-12, max_steps=steps)
        assert (early.converged, early.steps) == (False, steps)
        assert "did not converge" in early.message
        short = likelihood(probs, best.prior) - likelihood(probs, early.prior)
        assert 0 < short <= early.gap
    assert best.gap <= 1e-12
    assert "EM converged" in best.message
    trials = np.random.default_rng(0).dirichlet(np.ones(3), 2000)
    assert max(likelihood(probs, t) for t in trials) <= likelihood(probs, best.prior) + 1e-12


def test_a_class_that_is_not_there_goes_to_0() -> None:
    X, _ = place(3000, np.array([0.5, 0.5, 0.0]), 3)
    assert estimate_prior(posterior(X, OLD), OLD, tol=1e-7, max_steps=50_000).prior[2] < 0.02


BAD: list[tuple[Any, type[Exception], str]] = [
    (lambda: reweight([[0.5, 0.5]], [0.5, 0.4], [0.5, 0.5]), DataError, "old holds frequencies that sum to 0.9"),
    (lambda: reweight([[0.5, 0.5]], [0.5, 0.5], [1.5, -0.5]), DataError, "new holds negative"),
    (lambda: reweight([[0.5, 0.5]], OLD, NEW), ShapeError, r"\(2,\): a frequency for each class"),
    (lambda: reweight([[0.5, 0.5]], [0.0, 1.0], [0.5, 0.5]), DataError, "old has not"),
    (lambda: reweight([[1.0, 0.0]], [0.5, 0.5], [0.0, 1.0]), DataError, "the first is 0"),
    (lambda: reweight([[0.5, 0.5]], [[0.5, 0.5]], [0.5, 0.5]), ShapeError, "a frequency for each"),
    (lambda: estimate_prior([[0.5, 0.5]], [0.0, 1.0]), DataError, "frequency 0"),
    (lambda: estimate_prior(np.empty((0, 2)), [0.5, 0.5]), DataError, "no rows"),
    (lambda: estimate_prior([[0.5, 0.5]], [0.5, 0.5], tol=0), SettingError, "above 0"),
    (lambda: estimate_prior([[0.5, 0.5]], [0.5, 0.5], max_steps=0), SettingError, "from 1"),
]


@pytest.mark.parametrize(("use", "error", "message"), BAD)
def test_frequencies_that_are_none_are_refused(use: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        use()


# --- a model for the other place -------------------------------------------------------------------------------------


def here(n: int = 2000) -> Model:
    """A model of the place where classes are as OLD, calibrated in it."""
    X, y = place(n, OLD, 3)
    return calibrate(fit(Dataset.from_labels(X, y), Settings("auto"))[0], Dataset.from_labels(X, y))


def test_a_model_knows_how_frequent_its_classes_were_by_weight() -> None:
    X, y = place(300, OLD, 4)
    w = np.where(y == 2, 3.0, 1.0)
    share = np.bincount(y, w) / w.sum()
    model = fit(Dataset.from_labels(X, y, weights=w), Settings("auto", label_smoothing=0.1))[0]
    assert model.class_prior == pytest.approx(0.9 * share + 0.1 / 3)
    assert model.predict_proba(X).T @ w / w.sum() == pytest.approx(model.class_prior, abs=1e-4)
    some = np.arange(0, 300, 2)
    part = fit(Dataset.from_labels(X, y, weights=w), Settings("auto"), rows=some)[0]
    assert part.class_prior == pytest.approx(np.bincount(y[some], w[some]) / w[some].sum())


def test_a_shifted_model_gives_reweighted_probabilities() -> None:
    model, (X, _) = here(), place(100, NEW, 5)
    there = shift_prior(model, NEW)
    assert model.class_prior is not None
    assert there.predict_proba(X) == pytest.approx(reweight(model.predict_proba(X), model.class_prior, NEW), rel=1e-9)
    assert there.class_prior == pytest.approx(NEW)
    assert shift_prior(there, OLD).predict_proba(X) == pytest.approx(shift_prior(model, OLD).predict_proba(X), rel=1e-9)
    given = shift_prior(model, NEW, [0.2, 0.3, 0.5])
    assert given.predict_proba(X) == pytest.approx(reweight(model.predict_proba(X), [0.2, 0.3, 0.5], NEW), rel=1e-9)


def test_a_shift_knows_more_than_the_model_it_was_made_of() -> None:
    model, (X, y) = here(), place(5000, NEW, 6)
    found = estimate_prior(model.predict_proba(X), model.class_prior)  # type: ignore[arg-type]  # it has one
    there = shift_prior(model, found.prior).score(Dataset.from_labels(X, y))
    assert there.loss < model.score(Dataset.from_labels(X, y)).loss - 0.1
    assert there.accuracy > model.score(Dataset.from_labels(X, y)).accuracy


def test_scores_of_sets_are_gone_where_the_classes_are_otherwise_frequent() -> None:
    X, y = place(200, OLD, 7)
    model = calibrate(here(), Dataset.from_labels(X, y), method=None, sets=SplitConformal("lac"))
    assert shift_prior(model, NEW).conformal is None


def test_a_calibration_takes_the_place_of_a_shift_and_its_frequencies(tmp_path: Path) -> None:
    X, y = place(2000, OLD, 7)
    held, model = Dataset.from_labels(X, y), here()
    shift_prior(model, NEW).save(tmp_path / "m")
    for shifted in (shift_prior(model, NEW), Model.load(tmp_path / "m"), calibrate(model, held, method="vector")):
        again = calibrate(shifted, held)
        assert again.predict_proba(X) == pytest.approx(calibrate(model, held).predict_proba(X))
        assert again.class_prior == pytest.approx(model.class_prior)
        assert "class_prior" not in again.provenance
    unknown = replace(model, class_prior=None)
    assert calibrate(shift_prior(unknown, NEW, OLD), held).class_prior is None


def test_partial_fit_goes_on_from_what_was_fitted_and_not_from_a_shift() -> None:
    X, y = place(300, OLD, 11)
    model = SoftmaxRegression().fit(X, y).model_
    plain, shifted = (SoftmaxRegression.from_model(m).partial_fit(X, y) for m in (model, shift_prior(model, NEW)))
    assert shifted.class_prior_ == pytest.approx(plain.class_prior_)
    bare = SoftmaxRegression.from_model(replace(model, class_prior=None)).partial_fit(X[:3], y[:3])
    assert bare.class_prior_ is None


def test_biases_of_a_calibration_are_for_the_frequencies_of_its_rows() -> None:
    X, y = place(4000, NEW, 8)
    model = calibrate(here(), Dataset.from_labels(X, y), method="vector")
    assert model.class_prior == pytest.approx(np.bincount(y) / len(y), abs=2e-3)
    assert model.predict_proba(X).mean(axis=0) == pytest.approx(model.class_prior)
    some = Dataset.from_labels(X[y < 2], y[y < 2])
    absent = calibrate(here(), some, method="vector", allow_absent=True)
    assert absent.class_prior is not None
    assert 0 < absent.class_prior[2] < 0.2
    with pytest.raises(LabelError, match="no held-out rows of 2"):
        calibrate(absent, some)


def test_a_class_that_the_fit_had_no_rows_of_has_no_share_anywhere() -> None:
    X, y = place(300, OLD, 9)
    model = fit(Dataset.from_labels(X, y, classes=[0, 1, 2, 3]), Settings("auto"))[0]
    assert model.class_prior is not None
    assert model.class_prior[3] == 0
    found = estimate_prior(model.predict_proba(X), model.class_prior)
    assert (found.prior[3], found.converged) == (0, True)
    assert shift_prior(model, found.prior).predict_proba(X)[:, 3].max() == 0
    with pytest.raises(DataError, match="new has a class that old has not"):
        shift_prior(model, [0.25] * 4)


def test_a_class_may_have_no_share_at_the_other_place() -> None:
    probs = shift_prior(here(), [0.5, 0.5, 0.0]).predict_proba(place(50, OLD, 10)[0])
    assert probs[:, 2].max() < 1e-290
    assert probs.sum(axis=1) == pytest.approx(np.ones(50))


def test_a_model_that_does_not_know_its_frequencies_says_so() -> None:
    bare = Model(np.ones((2, 3)), np.zeros(3), np.arange(3), calibration=Scaling(0.5))
    with pytest.raises(DataError, match="does not say how frequent its classes were"):
        shift_prior(bare, NEW)
    assert shift_prior(bare, NEW, OLD).class_prior == pytest.approx(NEW)
    with pytest.raises(ShapeError, match="3"):
        shift_prior(bare, [0.5, 0.5], OLD)


@pytest.mark.parametrize("prior", [[0.5, 0.5], [0.5, 0.6, -0.1], [0.5, 0.5, 0.5], [np.nan, 0.5, 0.5]])
def test_a_model_cannot_have_frequencies_that_are_none(prior: list[float]) -> None:
    with pytest.raises((ShapeError, DataError), match="class_prior"):
        Model(np.ones((2, 3)), np.zeros(3), np.arange(3), class_prior=np.array(prior))
