"""Prediction sets: other people's numbers, the definitions written out, and the promise."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import scipy.stats
from numpy.typing import NDArray

from decision_problems import overconfident, tied
from softreg.decision import SplitConformal, conformal_quantile
from softreg.decision.conformity import Drawn
from softreg.errors import DataError, LabelError, SettingError, ShapeError

HELD_OUT, NEW = overconfident(200), overconfident(300, seed=2)

# Of these rows, classes in all sets together and sets that hold the label, by MAPIE 1.6.0 (SplitConformalClassifier,
# "lac", prefit) and crepes 0.9.1 (ConformalClassifier on hinge scores, smoothing=False; by class with bins = classes),
# which agree; and MAPIE's quantile. (crepes keeps a class whose p-value is exactly 1 − coverage, one score more than
# the proof asks for: these have no such.)
LAC = [(0.8, 0.89663363, 618, 238), (0.9, 0.94769389, 782, 255), (0.95, 0.97659842, 990, 275)]
BY_CLASS = [
    (0.83, [125, 138, 109, 105, 105, 124], 247),
    (0.9, [166, 157, 123, 129, 181, 149], 266),
    (0.95, [226, 173, 133, 170, 240, 162], 278),
]


def hits(sets: NDArray[np.bool_], y: NDArray[np.int64]) -> int:
    return int(sets[np.arange(len(y)), y].sum())


@pytest.mark.parametrize(("coverage", "quantile", "classes", "right"), LAC)
def test_lac_has_the_figures_of_mapie_and_crepes(coverage: float, quantile: float, classes: int, right: int) -> None:
    conformal = SplitConformal("lac", coverage).fit(*HELD_OUT)
    sets = conformal.predict(NEW[0])
    assert conformal.thresholds() == pytest.approx([quantile] * 6, abs=5e-9)
    assert (int(sets.sum()), hits(sets, NEW[1])) == (classes, right)


@pytest.mark.parametrize(("coverage", "classes", "right"), BY_CLASS)
def test_lac_by_class_has_the_figures_of_crepes(coverage: float, classes: list[int], right: int) -> None:
    sets = SplitConformal("lac", coverage, class_conditional=True).fit(*HELD_OUT).predict(NEW[0])
    assert (sets.sum(axis=0).tolist(), hits(sets, NEW[1])) == (classes, right)


@pytest.mark.parametrize("coverage", [0.8, 0.9, 0.95])
def test_the_installed_mapie_agrees(coverage: float) -> None:
    classification = pytest.importorskip("mapie.classification", reason="MAPIE is not installed: pip install mapie")
    scores = pytest.importorskip("mapie.conformity_scores")
    from sklearn.base import BaseEstimator, ClassifierMixin

    class Given(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # which have no types
        def fit(self, X: Any, y: Any = None) -> Any:
            self.classes_, self.n_features_in_ = np.arange(6), 6
            return self

        def predict_proba(self, X: Any) -> Any:
            return np.asarray(X)

        def predict(self, X: Any) -> Any:
            return np.asarray(X).argmax(axis=1)

    def peer(score: Any) -> Any:
        return classification.SplitConformalClassifier(
            Given().fit(None), confidence_level=coverage, conformity_score=score, random_state=0
        ).conformalize(*HELD_OUT)

    ours = SplitConformal("lac", coverage).fit(*HELD_OUT).predict(NEW[0])
    assert np.array_equal(peer("lac").predict_set(NEW[0])[1][:, :, 0], ours)

    # APS with u of its own: each score is between those for u = 0 and u = 1, and of the scores the quantile is ours.
    aps = scores.APSConformityScore()
    fitted = peer(aps)
    fitted.predict_set(NEW[0])  # which sets the quantile
    theirs = fitted._mapie_classifier
    s = np.ravel(theirs.conformity_scores_)
    P, y = HELD_OUT
    ones = SplitConformal("aps", randomised=False)._all_scores(P, 0)[np.arange(len(y)), y]
    assert ((s <= ones + 1e-12) & (s >= ones - P[np.arange(len(y)), y] - 1e-12)).all()
    assert np.ravel(theirs.conformity_score_function_.quantiles_)[0] == conformal_quantile(s, coverage)


def test_the_installed_crepes_agrees() -> None:
    crepes = pytest.importorskip("crepes", reason="crepes is not installed: pip install crepes")
    from crepes.extras import hinge

    (P, y), (Q, _) = HELD_OUT, NEW
    theirs = crepes.ConformalClassifier().fit(hinge(P, np.arange(6), y))
    sets = np.asarray(theirs.predict_set(hinge(Q), confidence=0.9, smoothing=False), bool)
    assert np.array_equal(SplitConformal("lac").fit(P, y).predict(Q), sets)


# Published figures are for one model on ImageNet; these are the definitions, row by row.
def scores_as_defined(p: NDArray[np.float64], u: float, score: str, lam: float = 0.01, k_reg: int = 5) -> list[float]:
    """Of each class in one row without equal probabilities."""
    found = []
    for y in range(len(p)):
        likelier = float(p[p > p[y]].sum())
        place = int((p > p[y]).sum()) + 1
        penalty = lam * max(0, place - k_reg) if score == "raps" else 0.0
        found.append(1 - p[y] if score == "lac" else likelier + u * p[y] + penalty)
    return found


@pytest.mark.parametrize("score", ["lac", "aps", "raps"])
@pytest.mark.parametrize("randomised", [True, False])
def test_scores_are_those_of_the_papers(score: str, randomised: bool) -> None:
    P, y = HELD_OUT
    conformal = SplitConformal(score, randomised=randomised, lam=0.2, k_reg=2, seed=5).fit(P, y)
    u = Drawn(P, 5, 0).one_a_row()[:, 0] if randomised else np.ones(len(P))
    expected = [scores_as_defined(p, v, score, 0.2, 2) for p, v in zip(P, u, strict=True)]
    of_labels = np.array(expected)[np.arange(len(y)), y]
    assert conformal.scores == pytest.approx(np.sort(of_labels), abs=1e-12)
    v = Drawn(NEW[0], 5, 1).one_a_row()[:, 0] if randomised else np.ones(len(NEW[0]))
    new = np.array([scores_as_defined(p, x, score, 0.2, 2) for p, x in zip(NEW[0], v, strict=True)])
    limit = np.sort(of_labels)[math.ceil(201 * 0.9) - 1]
    assert np.array_equal(conformal.predict(NEW[0]), new <= limit)


# coverage, n → the place of the quantile, from 1; None where there are too few. 100 · 0.07 is 7.000000000000001.
PLACES = [(0.9, 9, 9), (0.9, 8, None), (0.95, 19, 19), (0.95, 18, None), (0.99, 99, 99), (0.99, 98, None)]
PLACES += [(0.07, 99, 7), (0.28, 24, 7), (0.55, 99, 55), (0.5, 1, 1), (0.5, 2, 2)]


@pytest.mark.parametrize(("coverage", "n", "place"), PLACES)
def test_the_quantile_is_the_one_that_the_proof_asks_for(coverage: float, n: int, place: int | None) -> None:
    scores = np.random.default_rng(0).permutation(np.arange(1.0, n + 1))
    assert conformal_quantile(scores, coverage) == (math.inf if place is None else place)


def test_too_few_held_out_rows_give_every_class_and_say_so() -> None:
    P, y = HELD_OUT
    conformal = SplitConformal("lac", 0.99).fit(P[:98], y[:98])
    assert conformal.predict(NEW[0]).all()
    assert "too few rows" in repr(conformal)
    assert "too few rows" not in repr(SplitConformal("lac", 0.99).fit(P[:99], y[:99]))


def test_one_fit_serves_any_coverage() -> None:
    conformal = SplitConformal("raps", 0.9).fit(*HELD_OUT)
    sizes = [conformal.predict(NEW[0], coverage=c).sum() for c in (0.5, 0.9, 0.99)]
    assert sizes == sorted(sizes)
    assert np.array_equal(
        conformal.predict(NEW[0], coverage=0.5), SplitConformal("raps", 0.5).fit(*HELD_OUT).predict(NEW[0])
    )


@pytest.mark.parametrize("score", ["lac", "aps", "raps"])
def test_a_seed_gives_the_same_sets_and_another_seed_others_where_something_is_drawn(score: str) -> None:
    first, same, other = (SplitConformal(score, seed=s).fit(*HELD_OUT).predict(NEW[0]) for s in (1, 1, 2))
    assert np.array_equal(first, same)
    assert np.array_equal(first, other) == (score == "lac")


def test_what_is_drawn_is_uniform_and_of_no_two_rows_seeds_or_uses_alike() -> None:
    P = np.random.default_rng(0).dirichlet(np.ones(4), 20_000)
    P[:500] = P[0]  # rows that are alike too
    draws = [Drawn(P, seed, stream).one_a_row()[:, 0] for seed in (0, 1) for stream in (0, 1)]
    draws += list(Drawn(P, 0, 0).one_a_class(np.arange(len(P)), 4).T)
    for u in draws:
        assert scipy.stats.kstest(u, "uniform").pvalue > 1e-4
        assert scipy.stats.kstest(u[:500], "uniform").pvalue > 1e-4
        assert len(np.unique(u)) == len(u)
        assert abs(np.corrcoef(u[:-1], u[1:])[0, 1]) < 0.03
    assert np.abs(np.corrcoef(draws) - np.eye(len(draws))).max() < 0.03
    assert Drawn(P[:0], 0, 0).one_a_row().shape == (0, 1)


@pytest.mark.parametrize("score", ["lac", "aps", "raps"])
def test_rows_are_given_the_same_sets_one_by_one_in_parts_and_in_any_order(score: str) -> None:
    conformal = SplitConformal(score, 0.9, seed=4).fit(*HELD_OUT)
    sets = conformal.predict(NEW[0])
    assert np.array_equal(np.concatenate([conformal.predict(row[None]) for row in NEW[0]]), sets)
    assert np.array_equal(np.concatenate([conformal.predict(NEW[0][:7]), conformal.predict(NEW[0][7:])]), sets)
    nearly = NEW[0] * (1 + 1e-13 * np.random.default_rng(1).normal(size=NEW[0].shape))  # as another machine rounds
    assert np.array_equal(conformal.predict(nearly), sets)
    order = np.random.default_rng(0).permutation(len(sets))
    assert np.array_equal(conformal.predict(NEW[0][order]), sets[order])
    again = SplitConformal(score, 0.9, seed=4).fit(HELD_OUT[0][::-1], HELD_OUT[1][::-1])
    assert np.array_equal(again.predict(NEW[0]), sets)


# --- weights ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("score", ["lac", "aps"])
@pytest.mark.parametrize("class_conditional", [False, True])
def test_equal_weights_change_nothing_and_rows_of_none_are_not_there(score: str, class_conditional: bool) -> None:
    P, y = HELD_OUT
    settings = SplitConformal(score, 0.8, class_conditional=class_conditional)
    for coverage in (0.5, 0.8, 0.95):
        plain = settings.fit(P, y).predict(NEW[0], coverage=coverage)
        assert np.array_equal(settings.fit(P, y, None, np.full(len(y), 0.3)).predict(NEW[0], coverage=coverage), plain)
    some = np.arange(len(y)) % 3 > 0
    assert np.array_equal(
        settings.fit(P, y, None, some).predict(NEW[0]), settings.fit(P[some], y[some]).predict(NEW[0])
    )


def test_what_is_promised_is_promised_by_weight() -> None:
    """Rows of one class weigh ten times as much: sets are for a place where it is ten times as frequent."""
    P, y = overconfident(20_000)
    w = np.where(y == 0, 10.0, 1.0)
    half = np.arange(len(y)) % 2 == 0
    conformal = SplitConformal("lac", 0.9).fit(P[half], y[half], None, w[half])
    report = conformal.evaluate(P[~half], y[~half], sample_weight=w[~half])
    assert report.coverage == pytest.approx(0.9, abs=0.015)
    sets = conformal.predict(P[~half])
    held = sets[np.arange(len(sets)), y[~half]]
    assert report.coverage == pytest.approx(np.average(held, weights=w[~half]))
    assert report.mean_size == pytest.approx(np.average(sets.sum(axis=1), weights=w[~half]))
    assert report.low < report.coverage < report.high
    plain = conformal.evaluate(P[~half], y[~half])
    assert report.high - report.low > plain.high - plain.low
    alike = conformal.evaluate(P[~half], y[~half], sample_weight=np.full(len(P[~half]), 0.5))
    assert (alike.low, alike.high) == pytest.approx((plain.low, plain.high))
    assert alike.class_low == pytest.approx(plain.class_low)
    assert abs(SplitConformal("lac", 0.9).fit(P[half], y[half]).evaluate(P[~half], y[~half]).coverage - 0.9) < 0.015
    assert conformal.thresholds()[0] != SplitConformal("lac", 0.9).fit(P[half], y[half]).thresholds()[0]


def test_a_weighted_quantile_is_its_definition() -> None:
    assert conformal_quantile([0.1, 0.2, 0.3, 0.4], 0.5, [1, 1, 1, 1]) == 0.3
    assert conformal_quantile([0.4, 0.3, 0.1, 0.2], 0.5, [1, 1, 9, 1]) == 0.1  # 9 of 12 is more than 5/4 · 0.5
    assert conformal_quantile([0.1, 0.2], 0.9, [1, 1]) == math.inf


def test_classes_of_equal_probability_are_in_no_order() -> None:
    P, y = np.full((4000, 4), 0.25), np.arange(4000) % 4
    sets = SplitConformal("aps", 0.5).fit(P, y).predict(P)
    shares = sets.mean(axis=0)
    assert shares == pytest.approx(
        [0.5] * 4, abs=0.04
    )  # by place, the first class would be in all and the last in none
    assert sets.mean() == pytest.approx(0.5, abs=0.02)


# What the exchangeability of rows promises, over many splits: exact intervals, not "about 90 %".
@pytest.mark.parametrize("problem", ["plain", "tied"])
@pytest.mark.parametrize("score", ["lac", "aps", "raps"])
@pytest.mark.parametrize("class_conditional", [False, True])
def test_coverage_is_what_was_asked_for(problem: str, score: str, class_conditional: bool) -> None:
    P, y = (overconfident if problem == "plain" else tied)(1200)
    n, m, level = 400, 800, 1 - 1e-4
    covered = []
    for seed in range(40):
        order = np.random.default_rng(seed).permutation(len(y))
        held, new = order[:n], order[n:]
        settings = SplitConformal(score, 0.8, class_conditional=class_conditional, seed=seed)
        sets = settings.fit(P[held], y[held]).predict(P[new])
        covered.append(hits(sets, y[new]))
    low, high = coverage_band(0.8, n, m, level)
    assert min(covered) >= low
    if problem == "plain" and not class_conditional:
        assert max(covered) <= high
    if problem == "plain":
        assert np.mean(covered) / m == pytest.approx(0.8, abs=0.02)


def coverage_band(coverage: float, n: int, m: int, level: float) -> tuple[float, float]:
    """Interval of the number of m new rows that sets of n held-out ones cover: Beta(k, n + 1 − k) and binomial."""
    k = math.ceil(coverage * (n + 1) - 1e-9)
    spread = scipy.stats.betabinom(m, k, n + 1 - k)
    return float(spread.ppf((1 - level) / 2)), float(spread.ppf(1 - (1 - level) / 2))


def test_a_report_counts_what_the_sets_hold() -> None:
    report = SplitConformal("lac", 0.9).fit(*HELD_OUT).evaluate(*NEW)
    sets, y = SplitConformal("lac", 0.9).fit(*HELD_OUT).predict(NEW[0]), NEW[1]
    assert report.coverage == hits(sets, y) / 300
    assert report.mean_size == sets.sum() / 300
    assert report.sizes.tolist() == [int((sets.sum(axis=1) == k).sum()) for k in range(7)]
    assert (report.empty, report.single) == (report.sizes[0] / 300, report.sizes[1] / 300)
    assert (report.class_coverage * report.class_rows).sum() == pytest.approx(hits(sets, y))
    exact = scipy.stats.binomtest(hits(sets, y), 300).proportion_ci(0.95, "exact")
    assert (report.low, report.high) == pytest.approx((exact.low, exact.high))
    assert report.as_dict()["class_rows"] == report.class_rows.tolist()


def test_settings_without_held_out_rows_say_what_fit_returns() -> None:
    settings = SplitConformal()
    settings.fit(*HELD_OUT)
    with pytest.raises(DataError, match=r"conformal = SplitConformal\(…\)\.fit"):
        settings.predict(NEW[0])


P3 = np.array([[0.5, 0.25, 0.25], [0.2, 0.3, 0.5]])
WRONG: list[tuple[dict[str, Any], Any, Any, type[Exception], str]] = [
    ({}, np.empty((0, 3)), [], DataError, "no held-out rows"),
    ({}, P3 * 1.1, [0, 1], DataError, "do not sum to 1; the first is row 0, to 1.1"),
    ({}, -P3, [0, 1], DataError, "negative"),
    ({}, P3[:, :1], [0, 0], ShapeError, "at least two classes"),
    ({}, P3, [0, 3], LabelError, "outside the 3 classes"),
    ({}, P3, [0], ShapeError, r"\(1,\); expected \(2,\)"),
    ({}, P3, ["a", "b"], LabelError, "integer codes"),
    ({"class_conditional": True}, P3, [0, 2], LabelError, "there are none of 1"),
    ({"score": "las"}, P3, [0, 1], SettingError, "'lac', 'aps', 'raps'"),
    ({"coverage": 1.0}, P3, [0, 1], SettingError, "between 0 and 1"),
    ({"coverage": math.nan}, P3, [0, 1], SettingError, "between 0 and 1"),
    ({"coverage": "0.9"}, P3, [0, 1], SettingError, "between 0 and 1"),
    ({"class_conditional": "no"}, P3, [0, 1], SettingError, "True or False"),
    ({"lam": -1.0}, P3, [0, 1], SettingError, "from 0"),
    ({"k_reg": 1.5}, P3, [0, 1], SettingError, "whole number"),
]


@pytest.mark.parametrize(("settings", "probs", "y", "error", "message"), WRONG)
def test_what_cannot_be_calibrated_on_is_refused(
    settings: dict[str, Any], probs: Any, y: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        SplitConformal(**settings).fit(probs, y)


def test_a_class_without_rows_is_called_by_its_name() -> None:
    with pytest.raises(LabelError, match="none of 'coat'"):
        SplitConformal(class_conditional=True).fit(P3, [0, 2], classes=["shirt", "coat", "dress"])


def test_other_classes_than_the_held_out_rows_had_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"\(rows, 6\), as of the held-out rows"):
        SplitConformal().fit(*HELD_OUT).predict(P3)
