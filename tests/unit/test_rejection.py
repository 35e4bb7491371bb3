"""Costs, rejection and what is decided by them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from decision_problems import overconfident, tied
from softreg import Model
from softreg.decision import CostMatrix, Rejection, SplitConformal, decide, least_cost, risk_coverage
from softreg.errors import DataError, LabelError, SettingError, ShapeError

P, Y = overconfident(500, 4)
TREAT = {"ill": {"treat": 1, "wait": 50}, "well": {"treat": 5, "wait": 0}}


def test_the_action_is_the_one_of_least_expected_cost() -> None:
    costs = np.random.default_rng(0).normal(size=(4, 7))
    actions, expected = least_cost(P, costs, return_costs=True)
    by_hand = np.array([[sum(p[k] * costs[k, a] for k in range(4)) for a in range(7)] for p in P])
    assert expected == pytest.approx(by_hand)
    assert np.array_equal(actions, by_hand.argmin(axis=1))
    assert np.array_equal(least_cost(P, costs), actions)


def test_equal_mistakes_make_it_the_most_likely_class() -> None:
    assert np.array_equal(least_cost(P, CostMatrix.of_mistakes(np.arange(4))), P.argmax(axis=1))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_probabilities_of_any_precision_are_taken(dtype: str) -> None:
    low = P.astype(dtype)
    assert (least_cost(low, 1 - np.eye(4)) == P.argmax(axis=1)).mean() > 0.98


NOT_PROBABILITIES: list[tuple[Any, type[Exception], str]] = [
    (P * 1.001, DataError, "500 rows of probs do not sum to 1; the first is row 0, to 1.001"),
    (P.astype(np.float32) * np.float32(1.001), DataError, "do not sum to 1"),
    ((P * 1.05).astype(np.float16), DataError, "do not sum to 1"),
    (np.log(P), DataError, "negative"),
    (np.where(P[3, 0] == P, np.nan, P), DataError, "first is row 3"),
    (P[0], ShapeError, r"shape \(4,\)"),
    (P.astype(str), DataError, "expected numbers"),
]


@pytest.mark.parametrize(("probs", "error", "message"), NOT_PROBABILITIES)
def test_rows_that_are_no_probabilities_are_refused_everywhere(
    probs: Any, error: type[Exception], message: str
) -> None:
    for use in (
        lambda: least_cost(probs, 1 - np.eye(4)),
        lambda: Rejection(0.5).accept(probs),
        lambda: risk_coverage(probs, Y),
        lambda: SplitConformal().fit(probs, Y),
        lambda: decide(probs, np.arange(4)),
    ):
        with pytest.raises(error, match=message):
            use()


NOT_COSTS: list[tuple[Any, type[Exception], str]] = [
    (np.ones((3, 2)), ShapeError, r"\(3, 2\); expected \(4, actions\)"),
    (np.ones((4, 0)), ShapeError, "a column for each action"),
    (np.ones(4), ShapeError, "a row for each class"),
    (np.full((4, 2), np.nan), DataError, "nan for action 0 where the class is 0"),
    (np.full((4, 2), np.inf), DataError, "inf"),
    ([["1", "2"]] * 4, DataError, "from_table"),
]


@pytest.mark.parametrize(("costs", "error", "message"), NOT_COSTS)
def test_costs_that_are_none_are_refused(costs: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        least_cost(P, costs)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_a_csv_file_and_a_mapping_give_the_same_costs(tmp_path: Path, delimiter: str, bom: str) -> None:
    lines = [["true class", "treat", "wait"], ["well", " 5", "0"], [], ["ill", "1", "5e1"]]
    path = tmp_path / "costs.csv"
    path.write_text(bom + "\n".join(delimiter.join(line) for line in lines) + "\n", encoding="utf-8")
    for costs in (CostMatrix.from_table(path, ["ill", "well"]), CostMatrix.from_table(TREAT, ["ill", "well"])):
        assert costs.costs.tolist() == [[1, 50], [5, 0]]
        assert costs.actions == ("treat", "wait")
        assert np.array_equal(np.asarray(costs), costs.costs)


def test_classes_of_any_type_are_matched_by_their_text(tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text("y,a\n10,1\n9,2\n")
    assert CostMatrix.from_table(tmp_path / "c.csv", np.array([9, 10])).costs.tolist() == [[2], [1]]
    assert CostMatrix.from_table({True: {"a": 1}, False: {"a": 2}}, np.array([False, True])).costs.tolist() == [
        [2],
        [1],
    ]


# a table, what is said of it
TABLES: list[tuple[Any, type[Exception], str]] = [
    ({"ill": {"a": 1}}, LabelError, "has no class 'well'"),
    ({"ill": {"a": 1}, "wel": {"a": 1}}, LabelError, "'wel' may be meant for 'well'"),
    ({"ill": {"a": 1}, "well": {"a": 1}, "dead": {"a": 1}}, LabelError, "has 'dead', which the model has not"),
    ({"ill": {"a": 1, "b": 2}, "well": {"a": 1}}, DataError, "no cost of action 'b' where the class is 'well'"),
    ({"ill": {"a": 1}, "well": {"a": math.nan}}, DataError, "is nan; expected a finite number"),
    ({"ill": {"a": 1}, "well": {"a": "x"}}, DataError, "is 'x'; expected a finite number"),
    ({"ill": {}, "well": {}}, DataError, "has no actions"),
    ({"ill": 1, "well": 2}, DataError, r"expected \{action: cost"),
    ("y,a\nill,1\nwell,\n", DataError, "no cost of action 'a' where the class is 'well'"),
    ("y,a\nill,1\nwell,inf\n", DataError, "is 'inf'; expected a finite number"),
    ("y,a\nill,1,2\nwell,1\n", DataError, "line of class 'ill' has 2 costs; expected 1"),
    ("y,a,a\nill,1,2\nwell,1,2\n", LabelError, "actions are listed twice: 'a'"),
    ("y,a\nill,1\nill,1\nwell,1\n", LabelError, "classes are listed twice: 'ill'"),
    ("y,a,\nill,1,2\nwell,1,2\n", DataError, "action 2 has no name"),
    ("y\nill\nwell\n", DataError, "names of actions"),
    ("", DataError, "names of actions"),
    (b"y,a\nill,\xff\n", DataError, "not a CSV file"),
    ("ill,1,2\nwell,1,2\n", DataError, "first line is of class 'ill'; expected one of actions' names before it"),
    ("y,ill,well\na,1,2\nb,1,2\n", LabelError, "has the classes for columns"),
    (7, DataError, "costs are a int; expected a file"),
    (pl.DataFrame({"ill": [0, 1], "well": [1, 0]}), DataError, "no column of classes"),
    (pl.LazyFrame({"class": ["ill", "well"], "a": [1, 0]}), DataError, "collect"),
    (pd.DataFrame({"a": pd.array([1, None], "Int64")}, index=["ill", "well"]), DataError, "expected a finite number"),
    (pd.DataFrame({"a": [1, 2]}), DataError, "no column of classes and one of each action"),
    (pd.DataFrame({"a": [1, 2]}, index=["ill", "wel"]), LabelError, "'wel' may be meant for 'well'"),
    (pd.DataFrame({"a": [1, np.nan]}, index=["ill", "well"]), DataError, "is nan; expected a finite number"),
]


NUMBERS = [[0, 50, 9], [1, 0, 9], [9, 9, 0]]


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame(NUMBERS),
        pd.DataFrame(NUMBERS, columns=list("xyz")),
        pd.DataFrame(NUMBERS, columns=list("xyz"), index=[0, 1, 2]),
        pl.DataFrame({"label": [0, 1, 2]} | {f"a{k}": [row[k] for row in NUMBERS] for k in range(3)}),
    ],
)
def test_classes_that_are_numbers_are_found_in_a_dataframe(frame: Any) -> None:
    assert CostMatrix.from_table(frame, [0, 1, 2]).costs.tolist() == NUMBERS


def test_a_dataframe_that_may_have_its_classes_in_two_places_is_asked_about() -> None:
    frame = pd.DataFrame({"label": [1, 0], "x": [5, 0], "y": [0, 1]})
    with pytest.raises(DataError, match="set_index"):
        CostMatrix.from_table(frame, [0, 1])
    assert CostMatrix.from_table(frame.set_index("label"), [0, 1]).costs.tolist() == [[0, 1], [5, 0]]


@pytest.mark.parametrize("make", ["index", "column", "polars"])
def test_costs_of_a_dataframe_go_by_its_names(make: str) -> None:
    indexed = pd.DataFrame(TREAT).T.loc[["well", "ill"]]
    frame = {
        "index": lambda: indexed,
        "column": lambda: indexed.reset_index(names="class"),
        "polars": lambda: pl.from_pandas(indexed.reset_index(names="class")),
    }[make]()
    costs = CostMatrix.from_table(frame, ["ill", "well"])
    assert (costs.costs.tolist(), costs.actions) == ([[1, 50], [5, 0]], ("treat", "wait"))
    probs = [[0.3, 0.7], [0.01, 0.99]]
    assert decide(probs, ["ill", "well"], costs=frame).names.tolist() == ["treat", "wait"]
    for lost in (frame, TREAT):
        with pytest.raises(DataError, match="from_table"):
            least_cost(probs, lost)  # type: ignore[arg-type]  # which is what is refused


@pytest.mark.parametrize(("table", "error", "message"), TABLES)
def test_a_table_that_does_not_fit_says_where(tmp_path: Path, table: Any, error: type[Exception], message: str) -> None:
    if isinstance(table, (str, bytes)):
        (tmp_path / "costs.csv").write_bytes(table if isinstance(table, bytes) else table.encode())
        table = tmp_path / "costs.csv"
    with pytest.raises(error, match=message):
        CostMatrix.from_table(table, ["ill", "well"])


def test_a_missing_file_is_the_systems_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        CostMatrix.from_table(tmp_path / "none.csv", ["ill", "well"])


@pytest.mark.parametrize("cost", [0.0, 0.1, 0.3, 0.5, 0.75, 1.0])
def test_chows_rule_is_the_action_of_least_cost_with_rejection_among_them(cost: float) -> None:
    costs = CostMatrix.of_mistakes(np.arange(4)).with_reject(cost)
    # a distance from the threshold that rounding cannot bridge
    clear = np.abs(P.max(axis=1) - (1 - cost)) > 1e-12
    assert np.array_equal((least_cost(P, costs) < 4)[clear], Rejection.of_cost(cost).accept(P)[clear])
    if cost >= 0.75:
        assert Rejection.of_cost(cost).accept(P).all()


def test_no_other_threshold_costs_less_than_chows() -> None:
    z = overconfident(20000, 4, 5)[0]
    y = np.array(
        [np.searchsorted(p.cumsum(), u) for p, u in zip(z, np.random.default_rng(1).random(len(z)), strict=True)]
    )
    wrong = (z.argmax(axis=1) != np.minimum(y, 3)).astype(float)
    paid = {t: float(np.where(z.max(axis=1) >= t, wrong, 0.3).mean()) for t in np.linspace(0.3, 1.0, 15)}
    best = float(np.where(Rejection.of_cost(0.3).accept(z), wrong, 0.3).mean())
    assert best <= min(paid.values()) + 0.004


@pytest.mark.parametrize("share", [0.07, 0.5, 0.9, 1.0, 1e-9])
def test_a_share_accepts_as_many_rows(share: float) -> None:
    rule = Rejection.of_share(P, share)
    assert rule.accept(P).sum() == max(1, math.ceil(round(share * 500, 6)))
    worst = P.max(axis=1)[rule.accept(P)].min()
    assert (P.max(axis=1)[~rule.accept(P)] < worst).all()


def test_a_share_of_each_class_accepts_as_many_of_each() -> None:
    rule = Rejection.of_share(P, 0.5, per_class=True)
    top, accepted = P.argmax(axis=1), rule.accept(P)
    for k in range(4):
        assert accepted[top == k].sum() == math.ceil((top == k).sum() / 2)
    never = np.column_stack([P[:, :1] / 4, P[:, 1:], P[:, :1] * 3 / 4])
    never = np.column_stack([never, np.zeros(len(P))])
    assert Rejection.of_share(never, 0.5, per_class=True).threshold[5] == Rejection.of_share(never, 0.5).threshold  # type: ignore[index]  # by class


def test_equal_probabilities_are_accepted_together() -> None:
    probs = np.array([[0.5, 0.5], [0.75, 0.25], [0.75, 0.25]])
    assert Rejection.of_share(probs, 0.1).accept(probs).tolist() == [False, True, True]


BAD: list[tuple[Any, type[Exception], str]] = [
    (lambda: Rejection(1.5), SettingError, "from 0 to 1"),
    (lambda: Rejection(math.nan), SettingError, "from 0 to 1"),
    (lambda: Rejection(np.ones((2, 2))), ShapeError, "one for each class"),
    (lambda: Rejection(np.full(2, 0.5)).accept(P), ShapeError, r"\(4,\): one for each class"),
    (lambda: Rejection.of_cost(-0.1), SettingError, "cost of a mistake"),
    (lambda: Rejection.of_cost(math.nan), SettingError, "cost of a mistake"),
    (lambda: Rejection.of_share(P, 0.0), SettingError, r"\(0, 1\]"),
    (lambda: Rejection.of_share(P, 1.1), SettingError, r"\(0, 1\]"),
    (lambda: Rejection.of_share(P[:0], 0.5), DataError, "no rows"),
    (lambda: risk_coverage(P[:0], []), DataError, "no rows"),
    (lambda: risk_coverage(P, Y, losses=[1.0]), ShapeError, "one for each row"),
    (lambda: risk_coverage(P, Y, losses=np.full(500, np.nan)), DataError, "nan"),
    (lambda: decide(P, np.arange(4), reject=0.1, accept=0.5), SettingError, "None with reject"),
    (lambda: decide(P, np.arange(3)), ShapeError, "one for each column"),
    (lambda: decide(P, np.arange(4), sets=0.9), DataError, "calibrate"),
    (lambda: decide(P, np.arange(4), reject=-1), SettingError, "from 0 to 1, in units of the cost of a mistake"),
    (lambda: decide(P, np.arange(4), reject="0.3"), SettingError, "from 0 to 1"),  # type: ignore[arg-type]
    (lambda: decide(P, np.arange(4), reject=math.inf, costs=np.eye(4)), SettingError, "a finite number"),
    (lambda: decide(P, np.arange(4), accept="x"), SettingError, "a share"),  # type: ignore[arg-type]
    (lambda: decide(P, np.arange(4)).judged(Y[:3]), ShapeError, "a label for each row"),
    (lambda: decide(P[:0], np.arange(4)).judged([]), DataError, "no rows"),
    (lambda: decide(P, np.arange(4), costs=CostMatrix.of_mistakes(list("abcd"))), DataError, "for the classes"),
]


@pytest.mark.parametrize(("use", "error", "message"), BAD)
def test_bad_settings_are_refused(use: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        use()


@pytest.mark.parametrize("problem", [overconfident, tied])
def test_the_curve_is_its_definition(problem: Any) -> None:
    probs, y = problem(300, 4)
    curve = risk_coverage(probs, y)
    confidence, wrong = probs.max(axis=1), probs.argmax(axis=1) != y
    for t, coverage, risk in zip(curve.threshold, curve.coverage, curve.risk, strict=True):
        kept = Rejection(t).accept(probs)
        assert (coverage, risk) == pytest.approx((kept.mean(), wrong[kept].mean()))
    assert np.array_equal(curve.threshold, np.unique(confidence)[::-1])
    orders = [np.lexsort((np.random.default_rng(s).random(300), -confidence)) for s in range(400)]
    areas = [np.mean(np.cumsum(wrong[order]) / np.arange(1, 301)) for order in orders]
    assert curve.area == pytest.approx(np.mean(areas), abs=0.002)
    assert curve.at(1.0) == pytest.approx(wrong.mean())
    assert curve.at(curve.coverage[3]) == curve.risk[3]


def test_losses_take_the_place_of_mistakes() -> None:
    losses = np.random.default_rng(2).random(500)
    assert risk_coverage(P, Y, losses=losses).risk[-1] == pytest.approx(losses.mean())


@given(st.lists(st.integers(0, 4), min_size=1, max_size=30).filter(any), st.integers(0, 2**32 - 1))
def test_weights_of_a_curve_are_rows_that_are_repeated(counts: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    P = rng.choice([0.1, 0.25, 0.4, 0.45], len(counts))
    P, y = np.column_stack([P, 1 - P]), rng.integers(0, 2, len(counts))
    weighted = risk_coverage(P, y, sample_weight=np.array(counts, float))
    repeated = risk_coverage(np.repeat(P, counts, axis=0), np.repeat(y, counts))
    for name in ("threshold", "coverage", "risk"):
        np.testing.assert_allclose(getattr(weighted, name), getattr(repeated, name), rtol=1e-12)
    order = rng.permutation(len(counts))
    again = risk_coverage(P[order], y[order], sample_weight=np.array(counts, float)[order])
    assert again.area == pytest.approx(weighted.area, rel=1e-12)
    alike = risk_coverage(P, y, sample_weight=np.full(len(counts), 3.0))
    assert alike.area == pytest.approx(risk_coverage(P, y).area, rel=1e-12)


def test_rows_of_the_least_expected_cost_are_accepted() -> None:
    costs = np.array([[0.0, 10.0], [1.0, 0.0]])
    probs = np.array([[0.08, 0.92], [0.6, 0.4], [0.95, 0.05]])  # expected: 0.8 for b, then 0.4 and 0.05 for a
    found = decide(probs, ["a", "b"], costs=costs, accept=0.5)
    assert found.names.tolist() == ["reject", "a", "a"]
    assert found.cost == pytest.approx([np.nan, 0.4, 0.05], nan_ok=True)


def test_a_rule_that_was_learnt_elsewhere_is_followed() -> None:
    found = decide(P, list("abcd"), accept=Rejection(0.9))
    assert np.array_equal(found.accepted, P.max(axis=1) >= 0.9)
    assert (found.names[~found.accepted] == "reject").all()


def test_rejecting_is_one_more_action_at_its_price() -> None:
    found = decide(P, list("abcd"), costs=10 * (1 - np.eye(4)), reject=3.0)
    assert np.array_equal(found.names, decide(P, list("abcd"), reject=0.3).names)
    assert found.cost[~found.accepted] == pytest.approx(3.0)
    assert (found.cost[found.accepted] <= 3.0).all()
    assert 0 < found.accepted.mean() < 1


def test_classes_that_are_numbers_stay_numbers_beside_a_rejection() -> None:
    plain, found = decide(P, np.array([3, 1, 2, 7])), decide(P, np.array([3, 1, 2, 7]), reject=0.3)
    assert found.names[found.accepted].tolist() == plain.names[found.accepted].tolist()
    assert (found.names == plain.names).tolist() == found.accepted.tolist()
    assert set(found.names[~found.accepted]) == {"reject"}


SETTINGS: list[dict[str, Any]] = [
    {},
    {"reject": 0.3},
    {"accept": 0.7},
    {"costs": 10 * (1 - np.eye(4)), "reject": 3.0},
    {"costs": 10 * (1 - np.eye(4)), "accept": 0.7},
]


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("weighted", [False, True])
def test_what_decisions_come_to_is_what_was_paid(settings: dict[str, Any], weighted: bool) -> None:
    w = np.random.default_rng(0).integers(0, 3, len(Y)).astype(float) if weighted else None
    found = decide(P, np.arange(4), **settings)
    judged = found.judged(Y, sample_weight=w)
    unit = 10.0 if "costs" in settings else 1.0
    paid = np.where(found.accepted, unit * (found.action != Y), settings.get("reject", np.nan))
    known = ~np.isnan(paid)
    weight = np.ones(len(Y)) if w is None else w
    assert judged.cost == pytest.approx(np.average(paid[known], weights=weight[known]))
    assert judged.accepted == pytest.approx(np.average(found.accepted, weights=weight))
    assert judged.of_accepted == ("accept" in settings)
    assert judged.counts.sum() == len(Y)
    assert judged.counts[2, 1] == np.count_nonzero((Y == 2) & (found.action == 1))
    assert judged.low < judged.cost < judged.high
    assert judged.accepted_low <= judged.accepted <= judged.accepted_high
    if w is None:
        alike = found.judged(Y, sample_weight=np.full(len(Y), 7.0))
        assert (alike.low, alike.high) == pytest.approx((judged.low, judged.high))
        assert (alike.accepted_low, alike.accepted_high) == pytest.approx((judged.accepted_low, judged.accepted_high))
    else:
        plain = found.judged(Y)
        assert judged.high - judged.low > plain.high - plain.low, "unequal weights tell less"


def test_rows_that_are_all_rejected_cost_nothing_that_is_known() -> None:
    judged = decide(P, np.arange(4), accept=Rejection(1.0)).judged(Y)
    assert (judged.accepted, math.isnan(judged.cost)) == (0, True)
    assert judged.as_dict()["cost"] is None


def test_a_class_called_reject_stays_one() -> None:
    found = decide(P[:, :2] / P[:, :2].sum(axis=1, keepdims=True), ["reject", "keep"], reject=0.2)
    assert found.actions.tolist() == ["reject", "keep", "(reject)"]


def test_a_model_decides_as_its_probabilities_say() -> None:
    rng = np.random.default_rng(3)
    model = Model(rng.normal(size=(3, 2)), np.zeros(2), np.array(["ill", "well"]))
    X: NDArray[Any] = rng.normal(size=(40, 3))
    found = model.decide(X, costs=TREAT, reject=2.0)
    want = decide(model.predict_proba(X), model.classes, costs=TREAT, reject=2.0)
    assert found.names.tolist() == want.names.tolist()
    assert set(found.names) <= {"treat", "wait", "reject"}
    assert model.decide(X).names.tolist() == model.predict(X).tolist()
    with pytest.raises(DataError, match=r"softreg\.decision\.calibrate"):
        model.decide(X, sets=0.9)
