"""Figures of probabilities: scikit-learn's, the definitions, the intervals, and the forms they come in."""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.optimize
import scipy.stats
import sklearn.metrics as peer
from numpy.typing import NDArray

from decision_problems import logits_and_labels, overconfident, tied
from softreg import Dataset, Model, softmax
from softreg.decision import CostMatrix, least_cost
from softreg.errors import DataError, LabelError, SettingError, ShapeError
from softreg.metrics import (
    brier,
    calibration_error,
    classwise_calibration_error,
    clopper_pearson,
    evaluate,
    ks_calibration_error,
    measure,
    probabilities,
    reliability,
    smooth_calibration_error,
)
from softreg.metrics.intervals import bootstrap, bounded_mean
from softreg.metrics.reliability import bins_of
from softreg.metrics.sums import Problem, Sums, figures

P, Y = overconfident(400)
W = np.random.default_rng(0).integers(0, 3, 400).astype(float)
K = 6


@pytest.mark.parametrize("w", [None, W], ids=["rows", "weights"])
def test_figures_are_scikit_learns(w: Any) -> None:
    found = measure(P, Y, sample_weight=w, resamples=0)
    predicted, given = P.argmax(axis=1), {"sample_weight": w}
    assert found.value("accuracy") == pytest.approx(peer.accuracy_score(Y, predicted, **given))
    assert found.value("balanced_accuracy") == pytest.approx(peer.balanced_accuracy_score(Y, predicted, **given))
    assert found.value("macro_f1") == pytest.approx(peer.f1_score(Y, predicted, average="macro", **given))
    assert found.value("log_loss") == pytest.approx(peer.log_loss(Y, P, **given))
    assert found.value("brier") == pytest.approx(peer.brier_score_loss(Y, P, scale_by_half=False, **given))
    assert found.value("top_5_accuracy") == pytest.approx(peer.top_k_accuracy_score(Y, P, k=5, **given))
    assert np.array_equal(found.confusion, peer.confusion_matrix(Y, predicted, **given))
    parts = peer.precision_recall_fscore_support(Y, predicted, **given)
    for name, want in zip(("precision", "recall", "f1"), parts, strict=False):
        assert getattr(found.by_class, name)[0] == pytest.approx(want)


@pytest.mark.parametrize("w", [None, W], ids=["rows", "weights"])
def test_calibration_errors_of_a_measure_are_those_of_the_functions(w: Any) -> None:
    found = measure(P, Y, sample_weight=w, resamples=0, bins=7)
    assert found.value("calibration_error") == pytest.approx(calibration_error(P, Y, bins=7, sample_weight=w))
    assert found.value("ks_calibration_error") == pytest.approx(ks_calibration_error(P, Y, sample_weight=w))
    classwise = classwise_calibration_error(P, Y, bins=7, sample_weight=w)
    assert found.value("classwise_calibration_error") == pytest.approx(classwise)
    assert found.value("brier") == pytest.approx(brier(P, Y, sample_weight=w).score)


@pytest.mark.parametrize("problem", [overconfident, tied])
def test_what_is_resampled_is_what_is_told(problem: Any) -> None:
    """Sums of the rows as they are give the figures; of rows drawn again, those of the drawn rows."""
    probs, y = problem(200, 4)
    costs = np.random.default_rng(1).random((4, 3))
    paid = costs[y, least_cost(probs, costs)]
    with np.errstate(divide="ignore"):
        sums = Sums.of(Problem(probs, np.log(probs), y, probs.argmax(axis=1), (2,), 15, paid))
    rows = np.random.default_rng(2).integers(0, 200, (3, 200))
    C = np.stack([np.bincount(r, minlength=200) for r in rows], axis=1).astype(float)
    overall, by_class = figures(sums, C, 4)
    for b, r in enumerate(rows):
        want = measure(probs[r], y[r], resamples=0, costs=costs)
        for name in overall:
            value = want.value("expected_cost" if name == "cost" else name)
            assert overall[name][b] == pytest.approx(value, rel=1e-9, nan_ok=True), name
        for name in by_class:
            assert by_class[name][:, b] == pytest.approx(getattr(want.by_class, name)[0], nan_ok=True)


def test_rows_that_are_let_pass_are_measured_without_a_word() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        measure([[0.9, 0.1 + 4e-6], [0.2, 0.8 - 4e-6]], [0, 1], resamples=0)


def test_of_equally_likely_classes_the_first_is_likelier_as_in_predict() -> None:
    probs = np.array([[0.25, 0.25, 0.25, 0.25]] * 4)
    found = measure(probs, [0, 1, 2, 3], top_k=(1, 2, 3), resamples=0)
    assert [found.value(f"top_{k}_accuracy") for k in (1, 2, 3)] == [0.25, 0.5, 0.75]
    assert found.value("top_1_accuracy") == found.value("accuracy")


def test_the_log_loss_is_not_clipped() -> None:
    z = np.array([[0.0, 800.0], [0.0, 1.0]])
    model = Model(np.array([[0.0, 1.0]]), np.zeros(2), np.array(["a", "b"]))
    data = Dataset.from_labels(z[:, 1:], ["a", "b"])
    assert evaluate(model, data, resamples=0).value("log_loss") == pytest.approx((800 + math.log1p(math.exp(-1))) / 2)
    assert measure(softmax(z), [0, 1], resamples=0).value("log_loss") == math.inf
    assert measure(softmax(z), [0, 1], resamples=0).as_dict()["figures"]["log_loss"]["value"] is None


def test_the_expected_cost_is_that_of_deciding_by_the_costs() -> None:
    costs = CostMatrix(np.random.default_rng(3).random((K, 4)), np.arange(K), tuple("wxyz"))
    paid = costs.costs[Y, least_cost(P, costs)].mean()
    assert measure(P, Y, costs=costs, resamples=0).value("expected_cost") == pytest.approx(paid)


# --- calibration errors ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("binning", ["width", "mass"])
def test_the_calibration_error_is_its_definition(binning: str) -> None:
    confidence, hit = P.max(axis=1), P.argmax(axis=1) == Y
    if binning == "width":
        groups = [(confidence > i / 15) & (confidence <= (i + 1) / 15) for i in range(15)]
    else:
        ends = [0.0, *np.sort(confidence)[[400 * i // 15 - 1 for i in range(1, 15)]].tolist(), 1.0]
        groups = [(confidence > a) & (confidence <= b) for a, b in itertools.pairwise(ends)]
        assert max(g.sum() for g in groups) - min(g.sum() for g in groups) <= 1
    want = sum(g.mean() * abs(confidence[g].mean() - hit[g].mean()) for g in groups if g.any())
    assert calibration_error(P, Y, binning=binning) == pytest.approx(want)


def test_values_on_an_edge_are_in_the_bin_below_it_and_equal_ones_together() -> None:
    assert bins_of(np.array([0.0, 0.2, 0.4, 1.0]), 5)[0].tolist() == [0, 0, 1, 4]
    assert bins_of(np.array([0.3] * 9 + [0.7]), 5, "mass")[0].tolist() == [0] * 9 + [1]
    assert bins_of(np.array([0.3, 0.7]), 5, "mass")[0].tolist() == [0, 1]


def test_a_calibrated_model_has_small_errors_and_a_sharpened_one_large_ones() -> None:
    z, y = logits_and_labels(20000, 5, 4)
    for error in (calibration_error, classwise_calibration_error, ks_calibration_error, smooth_calibration_error):
        assert error(softmax(z), y) < 0.02
        assert error(softmax(2 * z), y) > 2 * error(softmax(z), y)
    assert ks_calibration_error(softmax(2 * z), y) > 0.15


def test_the_ks_error_is_the_largest_sum_up_to_a_confidence() -> None:
    confidence, hit = P.max(axis=1), P.argmax(axis=1) == Y
    sums = [abs((confidence - hit)[confidence <= t].sum()) / 400 for t in confidence]
    assert ks_calibration_error(P, Y) == pytest.approx(max(sums))
    probs, y = tied(300)
    order = np.random.default_rng(5).permutation(300)
    assert ks_calibration_error(probs, y) == pytest.approx(ks_calibration_error(probs[order], y[order]))


def spread(c: NDArray[np.float64], h: NDArray[np.float64], sigma: float) -> float:
    """What confidences are off, each spread by a Gaussian and by its reflections at 0 and at 1: the mean size."""
    t = (np.arange(800) + 0.5) / 800
    density = scipy.stats.norm(scale=sigma).pdf
    kernel = sum(density(t[:, None] - mean) for k in range(-2, 3) for mean in (2 * k + c, 2 * k - c))
    return float(np.abs((kernel * (h - c)).mean(axis=1)).mean())


@pytest.mark.parametrize(("n", "factor"), [(1, 1.0), (40, 1.0), (150, 2.0), (150, 0.3)])
def test_the_smooth_error_is_as_large_as_the_kernel_is_wide(n: int, factor: float) -> None:
    z, y = logits_and_labels(n, 4, 6)
    probs = softmax(factor * z)
    confidence, hit = probs.max(axis=1), (probs.argmax(axis=1) == y).astype(float)
    want = scipy.optimize.brentq(lambda sigma: spread(confidence, hit, sigma) - sigma, 0.005, 1, xtol=1e-7)
    assert smooth_calibration_error(probs, y) == pytest.approx(want, rel=1e-4)


def test_the_smooth_error_is_that_of_its_authors() -> None:
    """relplot 1.0.3 (with the reflected Gaussian) has 0.0711, 0.0407 and 0.1087, to its grid of 1/1024."""
    rng = np.random.default_rng(0)
    for n, power, want in ((50, 1.0, 0.0710998), (300, 1.0, 0.0407681), (300, 2.0, 0.1086996)):
        P = softmax(2 * rng.normal(size=(n, 4)))
        y = (P.cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)
        sharpened = P**power / (P**power).sum(axis=1, keepdims=True)
        assert smooth_calibration_error(sharpened, y) == pytest.approx(want, abs=2 / 1024)


def test_the_smooth_error_of_answers_that_are_sure_and_right_is_0_and_of_wrong_ones_large() -> None:
    sure = np.eye(3)[[0, 1, 2, 0]]
    assert smooth_calibration_error(sure, [0, 1, 2, 0]) == 0
    assert smooth_calibration_error(sure, [1, 2, 0, 1]) > 0.5
    rng = np.random.default_rng(1)
    P = softmax(rng.normal(size=(200_000, 3)))
    y = (P.cumsum(axis=1) > rng.random((len(P), 1))).argmax(axis=1)
    assert smooth_calibration_error(P, y) < 0.01


def test_an_error_of_two_classes_whose_bins_are_known() -> None:
    probs, y = np.array([[0.9, 0.1]] * 10 + [[0.6, 0.4]] * 10), [0] * 7 + [1] * 3 + [0] * 6 + [1] * 4
    assert calibration_error(probs, y) == pytest.approx(0.1)  # 0.9 is right 7 times of 10, 0.6 is right 6 times
    found = reliability(probs, y)
    assert found.accuracy == pytest.approx([0.6, 0.7])
    assert found.count.tolist() == [10, 10]
    exact = scipy.stats.binomtest(7, 10).proportion_ci(0.95, "exact")
    assert (found.low[1], found.high[1]) == pytest.approx((exact.low, exact.high))


def test_the_diagram_of_one_class_judges_its_probability() -> None:
    found = reliability(P, Y, label=2, bins=5)
    assert (found.accuracy * found.count).sum() == pytest.approx((Y == 2).sum())
    assert (found.confidence * found.count).sum() == pytest.approx(P[:, 2].sum())
    weighted = reliability(P, Y, sample_weight=W)
    assert np.isnan(weighted.low).all()
    assert json.loads(json.dumps(weighted.as_dict(), allow_nan=False))["low"][0] is None


@pytest.mark.parametrize("w", [None, W], ids=["rows", "weights"])
@pytest.mark.parametrize("problem", [overconfident, tied])
def test_the_parts_of_the_brier_score_add_up(problem: Any, w: Any) -> None:
    probs, y = problem(400)
    found = brier(probs, y, sample_weight=w)
    hit = y[:, None] == np.arange(probs.shape[1])
    assert found.score == pytest.approx(np.average(((probs - hit) ** 2).sum(axis=1), weights=w))
    total = found.reliability - found.resolution + found.uncertainty + found.within
    assert total == pytest.approx(found.score)
    if problem is tied:  # quarters, which bins of one width keep apart
        assert found.within == pytest.approx(0, abs=1e-12)
    shares = np.average(hit, axis=0, weights=w)
    assert found.uncertainty == pytest.approx((shares * (1 - shares)).sum())


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_what_short_types_are_off_is_divided_out_and_float64_is_left_alone(dtype: str) -> None:
    rounded = probabilities(P.astype(dtype))
    assert np.abs(rounded.sum(axis=1) - 1).max() < 1e-15
    assert rounded == pytest.approx(P, abs=1e-3 if dtype == "float16" else 1e-7)
    assert np.array_equal(probabilities(P), P)


def test_repeating_rows_is_weighting_them() -> None:
    times = W.astype(int)
    many = np.repeat(np.arange(400), times)
    ours = measure(P, Y, sample_weight=W, resamples=0)
    theirs = measure(P[many], Y[many], resamples=0)
    for figure in theirs:
        assert ours.value(figure.name) == pytest.approx(figure.value)


# --- intervals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("k", "n"), [(0, 10), (10, 10), (3, 10), (97, 100), (0, 1), (500, 1000)])
@pytest.mark.parametrize("level", [0.5, 0.95, 0.9999])
def test_exact_intervals_are_scipys(k: int, n: int, level: float) -> None:
    want = scipy.stats.binomtest(k, n).proportion_ci(level, "exact")
    low, high = clopper_pearson(k, n, level)
    assert (float(low), float(high)) == pytest.approx((want.low, want.high), abs=1e-12)


def test_no_rows_say_nothing() -> None:
    assert [float(v) for v in clopper_pearson(0, 0)] == [0, 1]


def mean_and_resamples(x: NDArray[np.float64], n_draws: int = 4000) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(0)
    draws = x[rng.integers(0, len(x), (n_draws, len(x)))]
    left = np.array([np.delete(x, i).var() for i in range(len(x))])
    return np.array([x.var()]), draws.var(axis=1)[None], left[None]


@pytest.mark.parametrize("method", ["bca", "percentile"])
def test_bootstrap_intervals_are_scipys(method: str) -> None:
    x = np.random.default_rng(1).exponential(size=60)
    low, high = bootstrap(*mean_and_resamples(x), 0.9, method)
    want = scipy.stats.bootstrap(
        (x,), lambda v, axis: v.var(axis=axis), n_resamples=4000, confidence_level=0.9,
        method=method.replace("bca", "BCa"), rng=np.random.default_rng(3),
    ).confidence_interval  # fmt: skip
    assert (low[0], high[0]) == pytest.approx((want.low, want.high), rel=0.06)


def test_groups_of_rows_give_the_acceleration_of_single_ones() -> None:
    x = np.random.default_rng(2).exponential(size=3000)
    values, draws, _ = mean_and_resamples(x, 500)
    groups = np.random.default_rng(3).permutation(3000) % 200
    left = [np.array([x[groups != g].mean() for g in range(200)]), (x.sum() - x) / 2999]
    a = [float(((v.mean() - v) ** 3).sum() / (6 * ((v.mean() - v) ** 2).sum() ** 1.5)) for v in left]
    assert a[0] == pytest.approx(a[1], abs=0.006)  # of 200 groups, three of its deviations
    assert bootstrap(values, draws, np.full((1, 5), 1.0), 0.9)[0][0] > 0, "no spread, no acceleration"


@pytest.mark.slow
@pytest.mark.parametrize("method", ["bca", "percentile"])
def test_intervals_hold_the_truth_about_as_often_as_they_say(method: str) -> None:
    """Of many samples from one source; the truth is that of a large one."""
    truth = measure(*overconfident(60_000, 4, seed=99), resamples=0)
    names = ["log_loss", "accuracy", "balanced_accuracy", "macro_f1", "brier"]
    names += ["calibration_error", "classwise_calibration_error", "ks_calibration_error"]
    held = dict.fromkeys(names, 0)
    for seed in range(60):
        found = measure(*overconfident(300, 4, seed=seed), resamples=200, level=0.9, method=method, seed=seed)
        for name in names:
            held[name] += found[name].low <= truth.value(name) <= found[name].high
    low, high = scipy.stats.binom(60, 0.9).ppf([0.0005, 0.9999])
    assert all(low <= count for count in held.values()), held
    assert high == 60


@pytest.mark.slow
def test_intervals_of_calibration_errors_hold_0_of_a_calibrated_model() -> None:
    names = ("calibration_error", "classwise_calibration_error", "ks_calibration_error")
    lows = dict.fromkeys(names, 0)
    for seed in range(60):
        z, y = logits_and_labels(300, 4, seed)
        found = measure(softmax(z), y, resamples=200, level=0.9, seed=seed)
        for name in names:
            lows[name] += found[name].low == 0
            assert found[name].low <= found.value(name) <= found[name].high
    assert all(count >= scipy.stats.binom(60, 0.9).ppf(0.0005) for count in lows.values()), lows
    sharp = measure(*overconfident(300, 4), resamples=200)
    assert all(sharp[name].low > 0 for name in names)


@pytest.mark.slow
@pytest.mark.parametrize(("K", "n"), [(2, 50), (3, 100)])
def test_of_few_rows_too_a_calibrated_model_is_called_so(K: int, n: int) -> None:
    """At 95 % at most 8.3 % of 300, which chance makes less than one time in 100 of 5 %."""
    above = dict.fromkeys(("calibration_error", "classwise_calibration_error", "ks_calibration_error"), 0)
    for seed in range(300):
        rng = np.random.default_rng(seed)
        probs = softmax(1.5 * rng.normal(size=(n, K)))
        y = (probs.cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)
        found = measure(probs, y, resamples=200, seed=seed)
        for name in above:
            above[name] += int(found[name].low > 0)
            assert found[name].high <= 1
    assert max(above.values()) <= 25, above


@pytest.mark.parametrize(("k", "n"), [(0, 20), (3, 100), (9, 10)])
def test_the_interval_of_a_mean_of_zeros_and_ones_is_clopper_and_pearsons(k: int, n: int) -> None:
    x = np.repeat([1.0, 0.0], [k, n - k])
    assert bounded_mean(x, 0, 1) == pytest.approx([float(end) for end in clopper_pearson(k, n)], abs=0.006)
    assert bounded_mean(10 * x - 3, -3, 7) == pytest.approx([10 * end - 3 for end in bounded_mean(x, 0, 1)], abs=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("n", [20, 100, 400])
def test_an_interval_of_costs_holds_their_mean_also_where_the_dear_one_is_rare(n: int) -> None:
    """Of costs 0, 1, 5 and 100, the last paid by 2 of 1,000: resamples of 100 rows hold the mean 3 times of 10."""
    costs, shares = np.array([0.0, 1.0, 5.0, 100.0]), [0.9, 0.08, 0.018, 0.002]
    mean, held = float(costs @ shares), 0
    for seed in range(200):
        low, high = bounded_mean(np.random.default_rng(seed).choice(costs, n, p=shares), 0, 100, seed=seed)
        held += int(low <= mean <= high)
    assert held >= 185
    assert bounded_mean(np.zeros(n), 0, 100)[1] == pytest.approx(100 * (1 - 0.025 ** (1 / n)), rel=0.1)


def test_a_cost_that_no_row_had_to_pay_is_in_the_interval_and_resamples_that_agree_are_none() -> None:
    probs, y = [[0.9, 0.1]] * 30, [0] * 30
    found = measure(probs, y, costs=[[0, 1], [5, 0]])
    cost, f1 = found["expected_cost"], found["macro_f1"]
    assert (cost.value, cost.low, cost.interval) == (0, 0, "bounded")
    assert 0.4 < cost.high < 0.8
    assert (f1.value, f1.interval) == (1, "none")
    assert math.isnan(f1.low)
    weighted = measure(probs, y, costs=[[0, 1], [5, 0]], sample_weight=np.full(30, 2.0))["expected_cost"]
    assert weighted.interval == "bounded"
    assert weighted.high == pytest.approx(cost.high)
    half = measure(probs, y, costs=[[0, 1], [5, 0]], sample_weight=np.repeat([1.0, 0.0], 15))["expected_cost"]
    assert half.high > 1.5 * cost.high, "rows without weight tell nothing"


def test_costs_with_names_are_for_the_classes_by_their_names() -> None:
    table = {"ill": {"a": 0, "b": 100}, "well": {"a": 5, "b": 0}}
    matrix = CostMatrix.from_table(table, ["ill", "well"])
    call: dict[str, Any] = {"costs": matrix, "resamples": 0}
    assert measure([[0.4, 0.6]], [1], classes=["ill", "well"], **call).value("expected_cost") == 5
    with pytest.raises(DataError, match=r"costs are for the classes \['ill', 'well'\]"):
        measure([[0.4, 0.6]], [1], classes=["well", "ill"], **call)
    for lost in (table, "costs.csv", pd.DataFrame(table)):
        with pytest.raises(DataError, match="from_table"):
            measure([[0.4, 0.6]], [1], costs=lost)  # type: ignore[arg-type]  # which is what is refused


def test_shares_of_rows_have_exact_intervals_and_others_resampled_ones() -> None:
    found = measure(P, Y, resamples=100)
    kinds = {figure.name: figure.interval for figure in found}
    assert {name for name in kinds if kinds[name] == "exact"} == {"accuracy", "top_5_accuracy"}
    assert {name for name in kinds if kinds[name] == "norm"} == {name for name in kinds if "calibration" in name}
    assert set(kinds.values()) == {"exact", "bca", "norm"}
    assert found.by_class.intervals == ("exact", "exact", "bca")
    assert all(f.low <= f.value <= f.high for f in found if f.interval == "exact")
    assert all(f.low < f.high for f in found)
    weighted = measure(P, Y, sample_weight=W, resamples=100, method="percentile")
    assert {figure.interval for figure in weighted} == {"percentile", "norm"}
    assert {f.interval for f in measure(P, Y, resamples=0)} == {"exact", "none"}


def test_a_seed_gives_the_same_intervals_whatever_the_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    first = measure(P, Y, resamples=100, seed=4)
    assert first.as_dict() == measure(P, Y, resamples=100, seed=4).as_dict()
    assert first.as_dict() != measure(P, Y, resamples=100, seed=5).as_dict()
    monkeypatch.setattr("softreg.metrics.sums.BLOCK", 400 * 7)
    assert first["log_loss"].low == pytest.approx(measure(P, Y, resamples=100, seed=4)["log_loss"].low)


def test_a_class_without_rows_has_no_recall_and_one_never_answered_no_precision() -> None:
    probs, y = np.array([[0.8, 0.1, 0.1], [0.6, 0.3, 0.1], [0.1, 0.8, 0.1]]), [0, 0, 0]
    found = measure(probs, y, resamples=100).by_class
    assert np.isnan(found.recall[0]).tolist() == [False, True, True]
    assert np.isnan(found.precision[0]).tolist() == [False, False, True]
    assert np.isnan(found.recall[1]).tolist() == [False, True, True]
    assert found.support.tolist() == [3, 0, 0]


def test_very_many_classes_are_measured_without_the_intervals_that_take_minutes() -> None:
    probs, y = overconfident(300, 130)
    found = measure(probs, y, resamples=100)
    assert found["classwise_calibration_error"].interval == "none"
    assert found.value("classwise_calibration_error") == pytest.approx(classwise_calibration_error(probs, y))


# --- what comes out --------------------------------------------------------------------------------------------------


def test_the_same_figures_are_a_table_json_and_csv() -> None:
    found = measure(P, Y, classes=["a", "b", "c", "d", "<i>", 'q"'], resamples=100, costs=1 - np.eye(K))
    text = str(found)
    assert "accuracy" in text
    assert "<i>" in text
    plain = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert plain["figures"]["accuracy"]["value"] == found.value("accuracy")
    assert plain["classes"][4]["class"] == "<i>"
    assert plain["confusion"] == found.confusion.tolist()
    rows = list(csv.DictReader(io.StringIO(found.to_csv())))
    assert len(rows) == len(found.figures) + 4 * K + np.count_nonzero(found.confusion)
    pairs = [row for row in rows if row["figure"] == "confusion"]
    assert all(row["predicted"] == "" for row in rows if row not in pairs)
    names = found.classes.tolist()
    for row in pairs:
        k, j = names.index(row["class"]), names.index(row["predicted"])
        assert float(row["value"]) == found.confusion[k, j]
    by_name = {(row["figure"], row["class"]): row for row in rows}
    assert float(by_name["expected_cost", ""]["value"]) == found.value("expected_cost")
    assert float(by_name["recall", 'q"']["low"]) == found.by_class.recall[1][5]
    assert "print it" in repr(found)
    with pytest.raises(KeyError, match="accuracy"):
        found["acuracy"]


def test_names_that_would_break_a_table_do_not() -> None:
    text = str(measure(P, Y, classes=["a\nb", "x" * 100, "c", "d", "e", "\x1b[31m"], resamples=0))
    assert "\x1b" not in text
    assert "x" * 25 not in text
    assert len(text.splitlines()) == 3 + len(measure(P, Y, resamples=0).figures) + 2 + K


def test_rows_of_one_class_are_measured_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = measure([[0.9, 0.1], [0.8, 0.2]], [0, 0], resamples=100)
    assert (found.value("accuracy"), found.value("balanced_accuracy")) == (1.0, 1.0)


def test_many_classes_are_cut_short_and_said_so() -> None:
    assert "and 20 classes more" in str(measure(*overconfident(300, 50), resamples=0))


def test_a_models_rows_are_matched_by_name_and_weighted() -> None:
    model = Model(np.array([[1.0, -1.0, 0.0]]), np.zeros(3), np.array(["a", "b", "c"]))
    X = np.linspace(-2, 2, 50)[:, None]
    y, w = np.where(X[:, 0] > 0, "a", "b"), np.arange(50.0)
    ours = evaluate(model, Dataset.from_labels(X, y, weights=w), resamples=0)
    theirs = evaluate(model, Dataset.from_labels(X, y, classes=["c", "b", "a"], weights=w), resamples=0)
    assert ours.as_dict() == theirs.as_dict()
    assert ours.weight == w.sum()
    assert ours.value("accuracy") == model.score(Dataset.from_labels(X, y, classes=["a", "b", "c"], weights=w)).accuracy


BAD: list[tuple[Any, type[Exception], str]] = [
    (lambda: measure(P[:0], []), DataError, "no rows"),
    (lambda: measure(P, Y[:5]), ShapeError, r"\(5,\)"),
    (lambda: measure(P, Y + 1), LabelError, "outside the 6 classes"),
    (lambda: measure(2 * P, Y), DataError, "sum to 1"),
    (lambda: measure(P, Y, classes=["a"]), ShapeError, "one for each column"),
    (lambda: measure(P, Y, log_probs=P[:3]), ShapeError, "as probs"),
    (lambda: measure(P, Y, sample_weight=-W), DataError, "negative"),
    (lambda: measure(P, Y, sample_weight=0 * W), DataError, "no rows of any weight"),
    (lambda: measure(P, Y, sample_weight=W[:3]), ShapeError, "one for each row"),
    (lambda: measure(P, Y, costs=np.ones((2, 2))), ShapeError, r"\(6, actions\)"),
    (lambda: measure(P, Y, level=95), SettingError, "between 0 and 1"),
    (lambda: measure(P, Y, resamples=-1), SettingError, "from 0"),
    (lambda: measure(P, Y, resamples=100, method="normal"), SettingError, "'bca' or 'percentile'"),
    (lambda: measure(P, Y, top_k=0), SettingError, "from 1"),
    (lambda: measure(P, Y, top_k=7), SettingError, "at most 6"),
    (lambda: measure(P, Y, resamples=99), SettingError, "at least 100"),
    (lambda: measure(P, Y, classes=list("abcdea")), LabelError, "expected different ones"),
    (lambda: measure(P, Y, bins=0), SettingError, "from 1"),
    (lambda: calibration_error(P, Y, binning="log"), SettingError, "'width' or 'mass'"),
    (lambda: reliability(P, Y, label=9), LabelError, "outside"),
]


@pytest.mark.parametrize(("use", "error", "message"), BAD)
def test_what_cannot_be_measured_is_refused(use: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        use()


def test_a_model_and_data_that_disagree_are_refused() -> None:
    model = Model(np.zeros((2, 2)), np.zeros(2), np.array(["cat", "dog"]))
    with pytest.raises(ShapeError, match="2 features"):
        evaluate(model, Dataset.from_labels(np.zeros((2, 3)), ["cat", "dog"]))
    with pytest.raises(LabelError, match="'dogs' may be meant for 'dog'"):
        evaluate(model, Dataset.from_labels(np.zeros((2, 2)), ["cat", "dogs"]))
    with pytest.raises(DataError, match="need labels"):
        evaluate(model, Dataset.from_targets(np.zeros((2, 2)), np.full((2, 2), 0.5)))
