"""Without a penalty, separated classes have no optimum: it is proved, named, and never called a convergence."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from problems import STORAGES, dataset, offsets, soft
from softreg import LBFGS, SGD, Dataset, Newton, Settings, Solution, Status, fit
from softreg.errors import FitInterrupted
from softreg.objective import programme, separation
from softreg.objective.overlap import Near
from softreg.protocols import Separated, Separation

COMPLETE, QUASI, SUSPECTED = Separated.COMPLETE, Separated.QUASI, Separated.SUSPECTED
FREE = Settings(LBFGS())
SOLVERS = [LBFGS(), Newton(), Newton(exact_passes=0.0)]


def solved(data: Dataset, settings: Settings = FREE) -> tuple[Solution, Any]:
    _, solution = fit(data, settings)
    return solution, solution.separation


def pairs(data: Dataset, found: Separation) -> set[str]:
    labels = data.classes.tolist()
    return {f"{labels[i]}{labels[k]}" for i, k in np.argwhere(np.triu(found.apart))}


def of(*groups: tuple[str, list[Any]], **fields: Any) -> Dataset:
    """Rows by their labels."""
    X = np.array([row for _, rows in groups for row in rows], dtype=float)
    labels = [label for label, rows in groups for _ in rows]
    return Dataset.from_labels(X.reshape(len(labels), -1), labels, **fields)


A, B = [1.0, 2, 3, 4], [5.0, 6, 7, 8]
MIXED = [[0, 0], [0, 1], [1, 0], [1, 1], [2, 1]]  # labelled with two classes alike, these overlap

CASES = [
    pytest.param(of(("a", A), ("b", B)), COMPLETE, {"ab"}, id="two classes, apart"),
    pytest.param(of(("a", [*A, 5.0]), ("b", B)), QUASI, {"ab"}, id="two classes that touch"),
    pytest.param(of(("a", [*A, 6.0]), ("b", B)), None, None, id="two classes that overlap"),
    pytest.param(of(("a", A), ("b", A)), None, None, id="the same rows under two labels"),
    pytest.param(of(("a", [0.0] * 3), ("b", [0.0] * 2)), None, None, id="an intercept only"),
    pytest.param(of(("a", A), ("b", B), ("c", [9.0, 10])), COMPLETE, {"ab", "ac", "bc"}, id="three classes, apart"),
    pytest.param(of(("a", MIXED), ("b", MIXED), ("c", [[9, 9], [8, 9]])), QUASI, {"ac", "bc"}, id="one of three apart"),
    pytest.param(
        of(("a", MIXED), ("b", MIXED), ("c", [[9, 9], [9, 8]]), ("d", [[9, 9], [9, 8]])),
        QUASI,
        {"ac", "ad", "bc", "bd"},
        id="two pairs apart, each mixed",
    ),
    pytest.param(of(("a", A), ("b", A), classes=["a", "b", "c"]), None, None, id="a class without rows"),
    pytest.param(of(("a", A), ("b", B), classes=["a", "c", "b"]), COMPLETE, {"ab"}, id="apart, but for one without"),
    pytest.param(
        of(("a", [*A, 6.0]), ("b", B), weights=[1.0] * 4 + [0.0] + [1.0] * 4), COMPLETE, {"ab"}, id="but for no weight"
    ),
    pytest.param(
        of(("a", [*A, 6.0]), ("b", B), weights=[1.0] * 4 + [1e-3] + [1.0] * 4), None, None, id="but for little weight"
    ),
    pytest.param(
        of(("a", [[0, 1], [1, 0], [0, 0]]), ("b", [[1, 5], [0, 6]]), scale=[1.0, 0.0]), None, None, id="times 0"
    ),
    pytest.param(
        of(("a", [*A, 5.0]), ("b", B), scale=-2.0, shift=[30.0]), QUASI, {"ab"}, id="two that touch, scaled and shifted"
    ),
]  # fmt: skip


@pytest.mark.parametrize("solver", SOLVERS, ids=["lbfgs", "newton", "newton by products"])
@pytest.mark.parametrize("most", [separation.LP_SIZE, 0])
@pytest.mark.parametrize(("data", "kind", "apart"), CASES)
def test_a_fit_tells_how_its_classes_are_separated(
    data: Dataset, kind: Separated | None, apart: Any, most: int, solver: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(separation, "LP_SIZE", most)
    solution, found = solved(data, Settings(solver))
    if kind is None:
        assert solution.status in (Status.PRECISION_LIMIT, Status.MAX_STEPS)
        assert found is None
        return
    assert solution.status is Status.SEPARABLE
    assert solution.steps < 300
    assert (found.kind, pairs(data, found)) == (kind, apart)
    along = np.append(data.scale * data.X + data.shift, np.ones((data.n_rows, 1)), axis=1) @ found.direction
    m = along[np.arange(data.n_rows), data.y][:, None] - along
    m = m[np.ones(data.n_rows, bool) if data.weights is None else data.weights > 0]
    assert m.min() > -1e-9
    assert m.max() > 1e-3
    assert abs(found.direction).max() == 1


@pytest.mark.slow
@pytest.mark.parametrize("storage", ["csr", "device"])
@pytest.mark.parametrize("solver", SOLVERS, ids=["lbfgs", "newton", "newton by products"])
@pytest.mark.parametrize(("data", "kind", "apart"), CASES)
def test_every_storage_of_x_tells_the_same(
    data: Dataset, kind: Separated | None, apart: Any, solver: Any, storage: str
) -> None:
    solution, found = solved(replace(data, X=STORAGES[storage](data.X)), Settings(solver))
    assert (solution.status is Status.SEPARABLE) == (kind is not None)
    if kind is not None:
        assert (found.kind, pairs(data, found)) == (kind, apart)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "float16", "float32", "int64"])
@pytest.mark.parametrize("touch", [[], [5]])
@pytest.mark.parametrize("scale", [1.0, 1 / 255, np.array([1e5])])
def test_every_type_and_scale_of_x_tells_the_same(dtype: str, touch: list[float], scale: Any) -> None:
    data = of(("a", [*A, *touch]), ("b", B))
    other = Dataset(data.X.astype(dtype), data.y, data.classes, scale=scale, shift=-0.5)
    solution, found = solved(other)
    assert solution.status is Status.SEPARABLE
    assert found.kind is (QUASI if touch else COMPLETE)


def test_the_sentence_names_the_classes_and_the_remedy() -> None:
    _, found = solved(of(("setosa", [[0, 0], [0, 1]]), ("other", MIXED), ("third", MIXED)))
    assert str(found) == (
        "the classes are quasi-completely separated, 'other' from 'setosa', 'setosa' from 'third': "
        "without a penalty the weights grow for ever; give C a finite value"
    )
    many = dataset(1, n=12, K=12)
    _, found = solved(Dataset(np.eye(12), np.arange(12), many.classes))
    assert str(found).startswith("the classes are completely separated, 'class 0' from 'class 1', ")
    assert " and 63 more pairs: " in str(found)


def test_the_model_is_kept_and_gets_every_row_right() -> None:
    data = of(("a", A), ("b", B))
    model, solution = fit(data, FREE)
    assert model.score(data).accuracy == 1
    assert solution.message.startswith(
        "there is no optimum to go to: the classes are completely separated, 'a' from 'b'"
    )
    assert len(solution.history["value"]) == solution.steps


@pytest.mark.parametrize("settings", [Settings(LBFGS(), C=1.0), Settings(SGD(), max_steps=50)])
def test_a_penalty_or_a_solver_that_only_walks_is_left_alone(settings: Settings) -> None:
    solution, found = solved(of(("a", A), ("b", B)), settings)
    assert solution.status is not Status.SEPARABLE
    assert found is None


def test_a_solve_too_short_to_separate_them_is_told_all_the_same() -> None:
    data = of(("a", [0.0, 0.99]), ("b", [1.0, 100.0]))
    model, solution = fit(data, Settings(LBFGS(), max_steps=1))
    assert model.score(data).accuracy < 1
    assert solution.status is Status.SEPARABLE
    assert solution.separation is not None
    assert solution.separation.kind is COMPLETE


def test_a_stop_that_was_asked_for_stays_one() -> None:
    _, solution = fit(of(("a", A), ("b", B)), FREE, callback=lambda step, score: True)
    assert (solution.status, solution.separation) == (Status.STOPPED, None)


def test_ctrl_c_during_the_programme_keeps_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*args: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(separation, "solve", interrupt)
    with pytest.raises(FitInterrupted) as caught:
        fit(of(("a", [*A, 5.0]), ("b", B)), FREE)
    assert caught.value.solution.steps > 3


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (of(("a", MIXED), ("b", MIXED), ("c", [[9, 9], [8, 9]])), SUSPECTED),
        (of(("a", [*A, 5.0]), ("b", B)), SUSPECTED),
        (of(("a", A), ("b", B)), COMPLETE),
        (of(("a", [*A, 6.0]), ("b", B)), None),
        (dataset(1, n=400), None),
    ],
)
def test_what_is_too_large_for_a_proof_is_suspected(data: Dataset, kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(separation, "LP_CELLS", 0)
    solution, found = solved(data)
    assert (solution.status is Status.SEPARABLE) == (kind in (COMPLETE, QUASI))
    assert (found and found.kind) == kind
    if kind is SUSPECTED:
        assert "without a proof" in str(found)
        assert str(found) in solution.message
        assert pairs(data, found) == pairs(data, solved_exactly(data, monkeypatch))


def solved_exactly(data: Dataset, monkeypatch: pytest.MonkeyPatch) -> Separation:
    monkeypatch.setattr(separation, "LP_CELLS", 10**7)
    found: Separation = solved(data)[1]
    return found


def test_right_by_rounding_alone_is_no_proof() -> None:
    data = Dataset(np.array([[0.1], [0.3]]), np.array([0, 1]), np.arange(2))
    theta = np.array([[0.0, 10.0], [0.0, -2.0]])  # the boundary is at 0.2
    assert separation.complete(data, None, theta) is not None
    on_it = Dataset(np.array([[0.1], [0.2 + 3e-17]]), np.array([0, 1]), np.arange(2))
    assert separation.complete(on_it, None, theta) is None
    touching = Dataset(np.array([[0.1], [np.nextafter(0.2, 1)]]), np.array([0, 1]), np.arange(2))
    assert separation.complete(touching, None, theta) is None


def margins_of(X: list[list[int]], y: list[int], K: int) -> list[list[int]]:
    """Rows of the matrix that takes D to its margins."""
    rows = []
    for x, label in zip(X, y, strict=True):
        for k in range(K):
            if k != label:
                row = [0] * ((len(x) + 1) * K)
                for j, v in enumerate([*x, 1]):
                    row[j * K + label] += v
                    row[j * K + k] -= v
                rows.append(row)
    return rows


def positive_at_best(A: list[list[int]]) -> list[bool]:
    """Which margins can be positive while none is negative: max Σ t, t ≤ A D, 0 ≤ t ≤ 1, by Bland's rule, exactly."""
    P, N = len(A), len(A[0])
    width = 2 * N + P  # D⁺, D⁻, t; then the slacks
    table = []
    for p, row in enumerate(A):
        t = [int(p == q) for q in range(P)]
        table.append([*(-v for v in row), *row, *t])
    table += [[*([0] * 2 * N), *(int(p == q) for q in range(P))] for p in range(P)]
    M = len(table)
    rows = [[Fraction(v) for v in (*row, *(int(r == s) for s in range(M)))] for r, row in enumerate(table)]
    right = [Fraction(int(r >= P)) for r in range(M)]
    cost = [Fraction(int(2 * N <= j < width)) for j in range(width + M)]
    basis = list(range(width, width + M))
    while True:
        entering = next((j for j, c in enumerate(cost) if c > 0), None)
        if entering is None:
            break
        ratios = [(right[r] / rows[r][entering], basis[r], r) for r in range(M) if rows[r][entering] > 0]
        _, _, r = min(ratios)
        pivot = rows[r][entering]
        rows[r] = [v / pivot for v in rows[r]]
        right[r] /= pivot
        for other in range(M):
            if other != r and rows[other][entering]:
                factor = rows[other][entering]
                rows[other] = [v - factor * u for v, u in zip(rows[other], rows[r], strict=True)]
                right[other] -= factor * right[r]
        factor = cost[entering]
        cost = [v - factor * u for v, u in zip(cost, rows[r], strict=True)]
        basis[r] = entering
    value = dict(zip(basis, right, strict=True))
    return [value.get(2 * N + p, 0) == 1 for p in range(P)]


def test_columns_that_repeat_the_intercept_do_not_divide_by_0() -> None:
    data = Dataset(np.array([[1.0, 1], [1, 1], [1, 1], [0, -2]]), np.array([0, 1, 1, 2]), np.arange(3))
    assert solved(data)[0].status is Status.SEPARABLE


def told(*rows: tuple[float, list[float]], **fields: Any) -> Dataset:
    """Rows of one column by their targets."""
    return Dataset.from_targets([[x] for x, _ in rows], [target for _, target in rows], **fields)


TOLD = [
    pytest.param(told((0, [1, 0]), (1, [0, 1])), COMPLETE, id="hard"),
    pytest.param(told((0, [0.9, 0.1]), (1, [0.1, 0.9])), None, id="soft"),
    pytest.param(told((0, [1, 0]), (1, [0.5, 0.5]), (2, [0, 1])), QUASI, id="one on the boundary"),
    pytest.param(told((0, [1, 0]), (1, [0.5, 0.5]), (1.5, [0.4, 0.6]), (2, [0, 1])), None, id="two that hold it"),
    pytest.param(told((0, [1, 0]), (1, [0.5, 0.5]), (2, [1, 0])), None, id="between others"),
    pytest.param(told((0, [1, 0, 0]), (1, [0, 1, 0])), COMPLETE, id="a class that no row has anything of"),
    pytest.param(told((0, [0.5, 0.5, 0]), (1, [0.5, 0.5, 0])), None, id="such a class, beside soft rows"),
    pytest.param(told((0, [1, 0]), (1, [0.5, 0.5]), (2, [0, 1]), weights=[1, 0, 1]), COMPLETE, id="but for no weight"),
    pytest.param(
        told((0, [1, 0]), (1, [1, 0]), (2, [0, 1]), offset=[[0, 9], [0, 9], [9, 0.0]]), COMPLETE, id="with an offset"
    ),
    pytest.param(
        told((0, [1, 0]), (2, [0, 1]), (1, [0, 1]), (1.5, [1, 0]), offset=[[9, 0], [0, 9], [0, 9], [9, 0.0]]),
        None,
        id="right by the offset alone",
    ),
]


@pytest.mark.parametrize("solver", SOLVERS, ids=["lbfgs", "newton", "newton by products"])
@pytest.mark.parametrize(("data", "kind"), TOLD)
def test_targets_separate_as_rows_of_the_labels_that_they_give_something_to(
    data: Dataset, kind: Separated | None, solver: Any
) -> None:
    solution, found = solved(data, Settings(solver))
    assert (solution.status is Status.SEPARABLE) == (kind is not None)
    assert (None if found is None else found.kind) is kind


@st.composite
def small(draw: st.DrawFn) -> tuple[list[list[int]], list[int], int]:
    n, d, K = draw(st.integers(2, 7)), draw(st.integers(1, 2)), draw(st.integers(2, 3))
    X = draw(st.lists(st.lists(st.integers(-2, 2), min_size=d, max_size=d), min_size=n, max_size=n))
    return X, draw(st.lists(st.integers(0, K - 1), min_size=n, max_size=n)), K


@pytest.mark.slow
@given(small())
def test_small_data_is_told_as_exact_arithmetic_tells_it(problem: tuple[list[list[int]], list[int], int]) -> None:
    X, y, K = problem
    kept, codes = np.unique(y, return_inverse=True)  # classes without rows are left out
    positive = positive_at_best(margins_of(X, codes.tolist(), len(kept))) if len(kept) > 1 else []
    against = [(label, k) for label in y for k in kept if k != label]
    apart = np.zeros((K, K), bool)
    for (label, k), yes in zip(against, positive, strict=True):
        apart[label, k] |= yes
    data = Dataset(np.array(X, float), np.array(y), np.arange(K))
    solution, found = solved(data)
    assert (solution.status is Status.SEPARABLE) == any(positive)
    assert (solution.status is Status.CONVERGED) == (len(kept) == 1), "what there is is one class"
    if found is not None:
        assert found.kind is (COMPLETE if all(positive) else QUASI)
        if found.kind is QUASI:
            np.testing.assert_array_equal(found.apart, apart | apart.T)


@pytest.mark.slow
@given(small(), st.integers(0, 2**32 - 1))
def test_small_targets_are_told_as_exact_arithmetic_tells_them(
    problem: tuple[list[list[int]], list[int], int], seed: int
) -> None:
    X, y, K = problem
    given = np.random.default_rng(seed).integers(0, 2, (len(X), K)) * (np.arange(len(X)) % 2)[:, None]
    given[np.arange(len(X)), y] = 1
    kept = given.any(axis=0)  # the other classes are left out
    rows, labels = np.nonzero(given[:, kept])
    positive = positive_at_best(margins_of([X[i] for i in rows], labels.tolist(), kept.sum())) if kept.sum() > 1 else []
    data = Dataset.from_targets(X, given, offset=np.random.default_rng(seed).normal(size=given.shape))
    solution, found = solved(data)
    assert (solution.status is Status.SEPARABLE) == any(positive)
    if found is not None:
        assert found.kind is (COMPLETE if all(positive) else QUASI)


def theta_of(data: Dataset) -> NDArray[np.float64]:
    model, _ = fit(data, FREE)
    return np.append(model.W, [model.b], axis=0)


def centred(data: Dataset) -> tuple[Any, ...]:
    X, centre, unit = programme.normalised(data.X)
    theta = theta_of(data)
    return X, data.y, np.append(theta[:-1] * unit[:, None], [theta[-1] + centre @ theta[:-1]], axis=0)


@pytest.mark.slow
@given(small())
def test_a_proof_of_overlap_is_never_wrong(problem: tuple[list[list[int]], list[int], int]) -> None:
    X, y, K = problem
    data = Dataset(np.array(X, float), np.array(y), np.arange(K))
    found, labels, theta = centred(data)
    if Near.at(found, labels, theta).proves_overlap(np.ones(len(y))):
        assert not any(positive_at_best(margins_of(X, y, K)))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("told", ["labels", "targets", "offset"])
def test_classes_that_overlap_are_proved_to_without_a_programme(
    dtype: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(separation, "solve", None)
    data = dataset(1, n=300, dtype=dtype)
    data = soft(data) if told == "targets" else data
    more: dict[str, Any] = {"offset": 3 * offsets(300)} if told == "offset" else {"targets": data.targets}
    X = np.append(data.X, data.X[:, :1] + data.X[:, 1:2], axis=1)  # a column that tells nothing new
    solution, found = solved(Dataset(X, data.y, data.classes, weights=np.arange(300.0), **more))
    assert solution.status is Status.PRECISION_LIMIT
    assert found is None


@pytest.mark.slow
@given(small())
def test_the_few_directions_lead_to_no_other_answer(problem: tuple[list[list[int]], list[int], int]) -> None:
    X, y, K = problem
    data = Dataset(np.array(X, float), np.array(y), np.arange(K))
    found, labels, theta = centred(data)
    directions = Near.at(found, labels, theta).unmoved()
    on_its_way = separation.complete(data, None, theta_of(data))  # ended there, far from any limit
    if directions is not None and on_its_way is None:
        few = programme.solve(found, labels, programme.margins(found, labels, theta), directions)
        whole = programme.solve(found, labels, programme.margins(found, labels, theta))
        assert (few is None) == (whole is None)
        if few is not None and whole is not None:
            np.testing.assert_array_equal(few[1], whole[1])


def test_constraints_are_added_until_none_is_violated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programme, "MIN_ADDED", 1)
    rng = np.random.default_rng(0)
    X = rng.integers(-9, 10, (400, 3)).astype(float)
    y = np.where(X[:, 0] + X[:, 1] > 0, 0, rng.integers(1, 3, 400))
    touching = np.flatnonzero(X[:, 0] + X[:, 1] == 0)
    y[touching] = rng.integers(0, 3, len(touching))
    normal, _, _ = programme.normalised(X)
    found = programme.solve(normal, y, rng.normal(size=(400, 3)))
    assert found is not None
    want = (np.eye(3)[np.minimum(y, 1)] @ np.eye(3)[:, [1, 0, 0]] > 0) & (X[:, 0] + X[:, 1] != 0)[:, None]
    np.testing.assert_array_equal(found[1], want)
    y[0] = 1 if y[0] == 0 else 0  # one row on the wrong side
    assert programme.solve(normal, y, rng.normal(size=(400, 3))) is None


def test_separation_is_noticed_on_the_way_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*args: Any) -> NDArray[Any]:
        raise AssertionError

    monkeypatch.setattr(separation, "examine", never)
    data = dataset(1, n=20, d=30)
    solution, found = solved(data)
    assert (solution.status, found.kind) == (Status.SEPARABLE, COMPLETE)
    assert solution.steps < 10
