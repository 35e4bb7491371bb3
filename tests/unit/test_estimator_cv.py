"""SoftmaxRegressionCV: paths, what is chosen from them, and what is told of them."""

from __future__ import annotations

import functools
import threading
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegressionCV
from sklearn.metrics import get_scorer
from sklearn.model_selection import StratifiedKFold

import softreg
from softreg import SoftmaxRegression, SoftmaxRegressionCV
from softreg.errors import DataError, LabelError, SettingError
from softreg.estimator import path
from softreg.model import Path

mpl.use("Agg")

X, Y = load_iris(return_X_y=True)
CS = [0.001, 0.1, 10.0]


@pytest.mark.slow
def test_scores_and_paths_are_those_of_scikit_learn() -> None:
    theirs = LogisticRegressionCV(
        Cs=CS, l1_ratios=(0,), scoring="neg_log_loss", use_legacy_attributes=False, tol=1e-10, max_iter=10_000
    ).fit(X, Y)
    ours = SoftmaxRegressionCV(Cs=CS, tol=1e-12).fit(X, Y)
    assert (ours.C_, ours.l1_ratio_) == (theirs.C_, theirs.l1_ratio_)
    assert ours.scores_.shape == theirs.scores_.shape == (5, 1, 3)
    assert ours.n_iter_.shape == theirs.n_iter_.shape
    np.testing.assert_allclose(ours.scores_, theirs.scores_, atol=1e-5)
    np.testing.assert_allclose(ours.coefs_paths_, theirs.coefs_paths_, atol=1e-3)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-3)


def test_the_model_is_the_fit_with_what_was_chosen() -> None:
    model = SoftmaxRegressionCV(Cs=CS, tol=1e-12).fit(X, Y)
    np.testing.assert_allclose(model.coef_, SoftmaxRegression(C=model.C_, tol=1e-12).fit(X, Y).coef_, atol=1e-9)
    assert model.certificate_ <= 1e-12
    assert model.cv_results_["max_certificate"].max() <= 1e-12


@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_threads_make_no_difference_to_the_bits(n_threads: int) -> None:
    one = SoftmaxRegressionCV(Cs=CS, n_threads=1).fit(X, Y)
    np.testing.assert_array_equal(SoftmaxRegressionCV(Cs=CS, n_threads=n_threads).fit(X, Y).scores_, one.scores_)


def test_folds_that_are_scored_in_several_parts_come_to_an_end() -> None:
    many = np.tile(X, (100, 1)) + np.random.default_rng(0).normal(size=(15_000, 4))
    one, two = (SoftmaxRegressionCV(Cs=[0.01], cv=3, n_threads=n).fit(many, np.tile(Y, 100)) for n in (1, 2))
    np.testing.assert_array_equal(two.scores_, one.scores_)


def test_a_fold_is_fitted_to_its_rows_alone() -> None:
    folds = list(StratifiedKFold(3).split(X, Y))
    model = SoftmaxRegressionCV(Cs=CS, cv=folds, tol=1e-12).fit(X, Y)
    train, test = folds[1]
    alone = SoftmaxRegression(C=0.1, tol=1e-12).fit(X[train], Y[train])
    np.testing.assert_allclose(model.coefs_paths_[1, 0, 1, :, :-1], alone.coef_, atol=1e-5)
    log_probs = alone.predict_log_proba(X[test])
    assert model.scores_[1, 0, 1] == pytest.approx(log_probs[np.arange(len(test)), Y[test]].mean(), abs=1e-6)


UNITS = X * [1.0, 100.0, 0.01, 1.0]
UNITS[:10] *= 1.5  # rows of one fold, whose units are others than those of the rest
HOLED = np.where(np.random.default_rng(0).random(X.shape) < 0.1, np.nan, X)


@pytest.mark.slow
@pytest.mark.parametrize("form", [np.asarray, csr_array, np.asfortranarray])
@pytest.mark.parametrize("scoring", ["neg_log_loss", "neg_brier_score"])
@pytest.mark.parametrize(
    ("given", "params"),
    [
        (UNITS, {"standardize": True}),
        (HOLED, {"missing": "mean"}),
        (HOLED * [1.0, 100.0, 0.01, 1.0], {"missing": "mean", "standardize": True}),
    ],
    ids=["units", "gaps", "both"],
)
def test_a_fold_has_the_units_and_means_of_its_training_rows_alone(
    given: Any, params: dict[str, Any], scoring: str, form: Any
) -> None:
    folds, w = list(StratifiedKFold(3).split(X, Y)), np.arange(1.0, 151.0)
    kept = given.copy()
    model = SoftmaxRegressionCV(Cs=CS, cv=folds, tol=1e-12, scoring=scoring, n_threads=2, **params)
    model.fit(form(given), Y, w)
    for k, (train, test) in enumerate(folds):
        for j, C in enumerate(CS):
            alone = SoftmaxRegression(C=C, tol=1e-12, **params).fit(given[train], Y[train], w[train])
            np.testing.assert_allclose(model.coefs_paths_[k, 0, j, :, :-1], alone.coef_, rtol=1e-5, atol=1e-4)
            probs = alone.predict_proba(given[test])
            want = get_scorer(scoring)._score_func(Y[test], probs, sample_weight=w[test], labels=[0, 1, 2])
            assert model.scores_[k, 0, j] == pytest.approx(-want, abs=1e-6)
    every = SoftmaxRegression(C=model.C_, tol=1e-12, **params).fit(given, Y, w)
    np.testing.assert_allclose(model.coef_, every.coef_, rtol=1e-6)
    np.testing.assert_allclose(model.predict_proba(given), every.predict_proba(given), atol=1e-8)
    np.testing.assert_array_equal(given, kept)


def test_the_rule_of_one_standard_error_takes_the_strongest_penalty_that_is_as_good() -> None:
    best, strong = (SoftmaxRegressionCV(Cs=20, rule=rule).fit(X, Y) for rule in ("best", "one_standard_error"))
    assert strong.C_ < best.C_
    mean, i = best.cv_results_["mean_test_score"], int(best.cv_results_["mean_test_score"].argmax())
    error = best.scores_[:, 0, i].std(ddof=1) / np.sqrt(5)
    assert best.Cs_[mean >= mean[i] - error].min() == strong.C_


def test_hopeless_penalties_are_left_out_where_that_is_asked_for() -> None:
    rng = np.random.default_rng(0)
    noise, labels = rng.normal(size=(60, 20)), rng.integers(0, 3, 60)
    some = SoftmaxRegressionCV(Cs=np.logspace(-4, 4, 9), abandon=True).fit(noise, labels)
    every = SoftmaxRegressionCV(Cs=np.logspace(-4, 4, 9)).fit(noise, labels)
    assert np.isnan(some.scores_).any()
    assert not np.isnan(every.scores_).any()
    unknown = np.isnan(some.cv_results_["max_certificate"])
    np.testing.assert_array_equal(unknown, np.isnan(some.cv_results_["mean_test_score"]))
    assert some.C_ == every.C_
    known = ~np.isnan(some.scores_)
    np.testing.assert_array_equal(some.scores_[known], every.scores_[known])


def test_the_table_has_a_row_for_each_pair_of_parameters() -> None:
    model = SoftmaxRegressionCV(Cs=CS, l1_ratios=(0.0, 0.5), cv=3, scoring="accuracy").fit(X, Y)
    table = model.cv_results_
    assert {len(column) for column in table.values()} == {6}
    assert table["param_l1_ratio"].tolist() == [0.0] * 3 + [0.5] * 3
    np.testing.assert_allclose(table["mean_test_score"], model.scores_.mean(axis=0).ravel())
    assert table["rank_test_score"][table["mean_test_score"].argmax()] == 1
    assert model.score(X, Y) == SoftmaxRegression(C=model.C_, l1_ratio=model.l1_ratio_).fit(X, Y).score(X, Y)


def test_without_a_refit_the_model_is_the_mean_of_the_folds_best() -> None:
    model = SoftmaxRegressionCV(Cs=CS, refit=False).fit(X, Y)
    best = model.scores_[:, 0].argmax(axis=1)
    want = np.mean([model.coefs_paths_[k, 0, j] for k, j in enumerate(best)], axis=0)
    np.testing.assert_allclose(model.coef_, want[:, :-1])
    np.testing.assert_allclose(model.intercept_, want[:, -1])


@pytest.mark.parametrize("scoring", ["roc_auc_ovr", lambda model, X, y: float((model.predict(X) == y).mean())])
def test_any_scorer_may_judge(scoring: Any) -> None:
    assert SoftmaxRegressionCV(Cs=CS, scoring=scoring).fit(X, Y).scores_.min() > 0.5


def test_the_path_is_drawn_with_what_was_chosen() -> None:
    axes = SoftmaxRegressionCV(Cs=CS, l1_ratios=(0.0, 1.0)).fit(X, Y).plot_path()
    words = [text.get_text() for text in axes.get_legend().get_texts()]
    assert words == ["l1_ratio = 0", "l1_ratio = 1", "chosen: C = 10"]
    assert axes.get_xscale() == "log"


def test_a_line_is_written_for_each_fit(capsys: pytest.CaptureFixture[str]) -> None:
    SoftmaxRegressionCV(Cs=CS, cv=2, l1_ratios=(0.0, 0.5), verbose=1).fit(X, Y)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 * 2 * 3
    assert lines[-1].startswith("fold 2, l1_ratio 0.5, C 10: score ")


def test_rows_of_probabilities_are_no_labels_to_make_folds_of() -> None:
    with pytest.raises(LabelError, match=r"y has shape \(150, 3\); expected \(n,\) labels"):
        SoftmaxRegressionCV().fit(X, np.eye(3)[Y])


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"Cs": 0}, "Cs is 0"),
        ({"Cs": [1.0, -1.0]}, "Cs is .*expected a number of values, or a list of positive numbers"),
        ({"Cs": []}, "Cs is"),
        ({"l1_ratios": [2]}, r"l1_ratios is \[2\]; expected a list of numbers from 0 to 1"),
        ({"l1_ratios": "all"}, "l1_ratios is 'all'; expected a list of numbers from 0 to 1"),
        ({"rule": "worst"}, "rule is 'worst'; expected one of"),
        ({"solver": "lbfgs", "l1_ratios": (1.0,)}, r"l1_ratios is \[1\.0\]; expected 0 with this.* use solver='auto'"),
        ({"refit": "x"}, "refit is 'x'; expected True or False"),
        ({"abandon": "x"}, "abandon is 'x'; expected True or False"),
        ({"fit_intercept": "no"}, "fit_intercept is 'no'; expected True or False"),
        ({"n_threads": 0}, "n_threads is 0; expected a whole number, at least 1"),
        ({"max_iter": -1}, "max_iter is -1; expected"),
        ({"cv": []}, r"cv is \[\]; expected at least one fold"),
        ({"use_legacy_attributes": "warn"}, "use_legacy_attributes is 'warn'; expected True or False"),
    ],
)
def test_parameters_without_meaning_are_refused(params: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        SoftmaxRegressionCV(**params).fit(X, Y)


class Heard:
    """Follows scikit-learn's protocol, and asks for an end at once."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.fitted: list[Any] = []

    def setup(self, estimator: Any, context: Any) -> None:
        self.said.append("setup")

    def teardown(self, estimator: Any, context: Any) -> None:
        self.said.append("teardown")

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        self.said.append(f"begin {context.task_name} of {context.max_subtasks}")

    def on_fit_task_end(self, estimator: Any, context: Any, *, fitted_estimator: Any = None) -> bool:
        self.said.append("end")
        self.fitted.append(fitted_estimator)
        return True


@pytest.mark.parametrize("n_threads", [1, 2])
def test_scikit_learns_callbacks_are_told_of_the_fit_and_of_each_path(n_threads: int) -> None:
    heard = Heard()
    model = SoftmaxRegressionCV(Cs=CS, cv=2, l1_ratios=(0.0, 0.5), n_threads=n_threads).set_callbacks(heard).fit(X, Y)
    paths = ["begin softreg-path of 0", "end"] * 4
    assert heard.said == ["setup", "begin fit of 4", *paths, "end", "teardown"]
    np.testing.assert_array_equal(heard.fitted[-1].coef_, model.coef_)


def test_callbacks_are_let_go_of_where_a_fit_fails() -> None:
    heard = Heard()
    with pytest.raises(DataError):
        SoftmaxRegressionCV(Cs=CS, scoring=_nan).set_callbacks(heard).fit(X, Y)
    assert heard.said[-1] == "teardown"


def _nan(model: Any, X: Any, y: Any) -> float:
    return np.nan


def _nan_of_weak_penalties(model: Any, X: Any, y: Any) -> float:
    return np.nan if np.abs(model.coef_).max() > 1 else 1.0


EMPTY = (np.arange(150), np.arange(0))


@pytest.mark.parametrize("refit", [True, False])
@pytest.mark.parametrize("params", [{"scoring": _nan}, {"cv": [EMPTY]}, {"cv": [EMPTY, (np.arange(150),) * 2]}])
def test_nothing_is_chosen_without_scores(params: dict[str, Any], refit: bool) -> None:
    with pytest.raises(DataError, match=r"nothing to choose by; nan is the score of a fold that leaves no rows out"):
        SoftmaxRegressionCV(Cs=CS, refit=refit, **params).fit(X, Y)


def test_fits_without_a_score_are_said_and_not_chosen() -> None:
    with pytest.warns(UserWarning, match=r"^10 of 15 fits have no score"):
        model = SoftmaxRegressionCV(Cs=CS, scoring=_nan_of_weak_penalties).fit(X, Y)
    assert model.C_ == 0.001


def test_an_unfitted_path_is_not_drawn() -> None:
    with pytest.raises(NotFittedError, match="not fitted yet"):
        SoftmaxRegressionCV().plot_path()


def test_a_path_that_nobody_waits_for_ends_after_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    data, rows = softreg.Dataset.from_labels(X, Y), np.arange(len(Y))
    steps: list[int] = []

    class Counted(Path):
        def fit(self, *args: Any, **options: Any) -> Any:
            model, solution = super().fit(*args, **options)
            steps.append(solution.steps)
            return model, solution

    monkeypatch.setattr(path, "Path", Counted)
    over = threading.Event()
    walk = functools.partial(path.walk, data, softreg.Settings("lbfgs"), np.array([0.1, 1.0, 10.0]), rows, rows)
    options: Any = {"coef": lambda model: model.W, "abandon": False, "n_threads": 1, "over": over}
    entries = walk(lambda model, rows: 0.0, told=lambda entry: over.set(), **options)
    assert [entry.status for entry in entries] == ["CONVERGED", "ABANDONED", "ABANDONED"]
    assert steps[0] > 1
    walk(lambda model, rows: 0.0, **options)
    assert steps[-1] == 1
