"""L1 and elastic net: the optimum's conditions, exact zeros, and a certificate held against optima to 40 digits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from exact import optimum
from problems import STORAGES, dataset, in_float64, logits, objectives, offsets, plain, soft
from softreg import LBFGS, SGD, Dataset, Newton, Proximal, Settings, Status, fit
from softreg.errors import SettingError
from softreg.objective import CompositeObjective, SoftmaxObjective
from softreg.solvers import minimise
from softreg.solvers.quadratic import least_subgradient

TIGHT: dict[str, Any] = {"tol": 1e-12, "max_steps": 500}


def strengths(data: Dataset, C: float, l1_ratio: float) -> tuple[float, float]:
    """The L2 and L1 strengths of a fit, as the documents define them."""
    weight = data.n_rows if data.weights is None else data.weights.sum()
    return (2 if data.n_classes == 2 else 1) * (1 - l1_ratio) / (C * weight), l1_ratio / (C * weight)


def solved(data: Dataset, C: float, l1_ratio: float, **fields: Any) -> tuple[Any, Any]:
    return fit(data, Settings(Proximal(), C=C, l1_ratio=l1_ratio, **{**TIGHT, **fields}))


def violation(data: Dataset, W: NDArray[Any], b: NDArray[Any], l2: float, l1: float) -> float:
    """How much the optimum's conditions fail by, from the definition."""
    X = plain(data)
    w = np.ones(data.n_rows) if data.weights is None else data.weights
    z = logits(data, W, b)
    p = np.exp(z - z.max(axis=1, keepdims=True))
    R = (w / w.sum())[:, None] * (p / p.sum(axis=1, keepdims=True) - data.probabilities(slice(None)))
    G = X.T @ R + l2 * W
    fails = np.where(W != 0, np.abs(G + l1 * np.sign(W)), np.maximum(np.abs(G) - l1, 0))
    return float(max(fails.max(initial=0), np.abs(R.sum(axis=0)).max()))


@pytest.mark.slow
@pytest.mark.parametrize("l1_ratio", [0.3, 1.0])
@pytest.mark.parametrize(("data", "_"), objectives())
def test_the_conditions_of_the_optimum_hold(data: Dataset, _: float, l1_ratio: float) -> None:
    model, solution = solved(data, 0.3, l1_ratio)
    assert solution.status in (Status.CONVERGED, Status.PRECISION_LIMIT)
    assert violation(data, model.W, model.b, *strengths(data, 0.3, l1_ratio)) < 1e-5
    if data.n_rows > 1:
        assert solution.gap <= 1e-10 * solution.history["value"][-1]


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
def test_what_does_not_matter_is_exactly_0(dtype: str) -> None:
    rng = np.random.default_rng(0)
    X = rng.integers(0, 5, (300, 12)).astype(dtype)
    data = Dataset(X, np.digitize(X[:, 0] + X[:, 1], [3, 5]).astype(np.int32), np.arange(3))
    model, _ = solved(data, 0.05, 1.0)
    assert model.W[:2].any(axis=1).all()
    assert (model.W[2:] == 0).all()


@pytest.mark.parametrize("l1_ratio", [0.1, 1.0])
def test_of_a_strong_penalty_only_the_classes_shares_are_left(l1_ratio: float) -> None:
    data = dataset(1, n=60, weights=np.arange(60.0))
    model, solution = solved(data, 1e-6, l1_ratio)
    assert solution.status is Status.CONVERGED
    assert (model.W == 0).all()
    shares = np.bincount(data.y, data.weights) / 1770
    np.testing.assert_allclose(np.exp(model.b) / np.exp(model.b).sum(), shares, rtol=1e-7)


@pytest.mark.parametrize("l1_ratio", [0.5, 1.0])
def test_two_classes_are_fitted_as_the_sigmoid_is(l1_ratio: float) -> None:
    data, C = dataset(3, n=80, K=2), 0.2
    model, _ = solved(data, C, l1_ratio)
    w, b = model.W[:, 1] - model.W[:, 0], model.b[1] - model.b[0]
    # The optimum's conditions of C Σ loss + l1_ratio ‖w‖₁ + (1 − l1_ratio)/2 ‖w‖², scikit-learn's objective.
    residual = 1 / (1 + np.exp(-(data.X @ w + b))) - data.y
    slope = C * data.X.T @ residual + (1 - l1_ratio) * w
    assert np.abs(residual.sum()) < 1e-7
    assert (np.abs(slope[w == 0]) <= l1_ratio).all()
    np.testing.assert_allclose(slope[w != 0], -l1_ratio * np.sign(w[w != 0]), atol=1e-7)
    assert 0 < np.count_nonzero(w) < data.n_features


@pytest.mark.parametrize("l1_ratio", [0.5, 1.0])
def test_weights_are_repetitions(l1_ratio: float) -> None:
    data = dataset(3)
    weights = np.random.default_rng(0).integers(0, 4, data.n_rows)
    rows = np.repeat(np.arange(data.n_rows), weights)
    weighted, _ = solved(Dataset(data.X, data.y, data.classes, weights=weights.astype(float)), 0.1, l1_ratio)
    repeated, _ = solved(Dataset(data.X[rows], data.y[rows], data.classes), 0.1, l1_ratio)
    np.testing.assert_allclose(weighted.W, repeated.W, atol=1e-6)


def test_a_constant_column_and_one_of_zeros_get_no_weight() -> None:
    data = dataset(2, n=60)
    X = np.column_stack([data.X, np.ones(60), np.zeros(60)])
    model, solution = solved(Dataset(X, data.y, data.classes), 0.1, 1.0)
    assert solution.status is Status.CONVERGED
    assert (model.W[-2:] == 0).all()


def test_columns_of_all_scales_are_no_trouble() -> None:
    data = dataset(4, n=200)
    scale = np.array([1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0])
    model, solution = solved(Dataset(data.X, data.y, data.classes, scale=scale, shift=np.arange(6.0)), 0.5, 1.0)
    assert solution.status is Status.CONVERGED
    assert (model.W[0] == 0).all(), "it would cost more than it gains"
    assert model.W[-1].any()


def test_a_ratio_of_0_is_the_l2_fit() -> None:
    data = dataset(1, n=100)
    got, _ = fit(data, Settings(Proximal(), C=0.5, tol=1e-13))
    want, _ = fit(data, Settings(LBFGS(), C=0.5, tol=1e-13))
    np.testing.assert_allclose(got.W, want.W, atol=1e-6)


def test_without_a_penalty_the_ratio_does_not_matter() -> None:
    one, other = (fit(dataset(1), Settings(LBFGS(), l1_ratio=ratio, max_steps=9))[0].W for ratio in (0.0, 1.0))
    assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize("solver", [SGD(), LBFGS(), Newton()])
def test_a_solver_for_smooth_penalties_refuses_l1_and_names_the_one_that_takes_it(solver: Any) -> None:
    with pytest.raises(SettingError, match=rf"l1_ratio.*{type(solver).__name__}.*Proximal\(\)"):
        Settings(solver, C=1.0, l1_ratio=0.5)


@pytest.mark.parametrize("l1_ratio", [-0.1, 1.1, np.nan, "all"])
def test_a_ratio_outside_0_to_1_is_refused(l1_ratio: Any) -> None:
    with pytest.raises(SettingError, match="l1_ratio"):
        Settings(Proximal(), C=1.0, l1_ratio=l1_ratio)


@pytest.mark.parametrize("fields", [{"first": 0}, {"most": 0}, {"ratio": 1.0}, {"ratio": np.nan}])
def test_settings_of_proximal_outside_their_range_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match=next(iter(fields))):
        Proximal(**fields)


def test_the_models_file_says_the_ratio() -> None:
    model, _ = fit(dataset(1), Settings(Proximal(), C=1.0, l1_ratio=0.25))
    assert model.settings["l1_ratio"] == 0.25
    assert model.settings["solver"]["name"] == "Proximal"


@pytest.mark.slow
@pytest.mark.parametrize("l1", [0.003, 0.03])
@pytest.mark.parametrize("solver", [Proximal(), Proximal(first=1, ratio=1.5), Proximal(most=5)], ids=str)
def test_however_it_is_set_it_reaches_the_same_optimum(solver: Proximal, l1: float) -> None:
    objective = CompositeObjective(SoftmaxObjective(dataset(1, n=300, d=10)), l1)
    values = [
        minimise(objective, s, np.zeros(objective.size), max_steps=400).history["value"][-1]
        for s in (solver, Proximal())
    ]
    assert values[0] == pytest.approx(values[1], rel=1e-9)


def test_a_start_anywhere_ends_at_the_same_zeros() -> None:
    # Of an even number of classes there may be equal answers: half of a row up, half down, and none at 0.
    objective = CompositeObjective(SoftmaxObjective(dataset(1, n=300, K=3)), 0.02)
    rng = np.random.default_rng(0)
    ends = [
        minimise(objective, Proximal(), start, max_steps=300).theta for start in rng.normal(size=(3, objective.size))
    ]
    assert (ends[0] == 0).any()
    for end in ends[1:]:
        assert ((end == 0) == (ends[0] == 0)).all()


@pytest.mark.slow
@pytest.mark.parametrize("storage", STORAGES)
def test_the_fit_is_the_same_bits_for_any_number_of_threads(storage: str) -> None:
    data = dataset(1, n=9000, d=12, dtype="uint8", storage=storage)
    thetas = []
    for n_threads in (1, 2, 3):
        objective = CompositeObjective(SoftmaxObjective(data, n_threads=n_threads), 1e-3)
        thetas.append(minimise(objective, Proximal(), np.zeros(objective.size), max_steps=9).theta.tobytes())
    assert thetas[0] == thetas[1] == thetas[2]


@pytest.mark.slow
@pytest.mark.parametrize(("data", "l2"), objectives())
def test_a_facet_of_all_rows_is_a_part_of_the_hessian(data: Dataset, l2: float) -> None:
    objective = SoftmaxObjective(in_float64(data), l2)
    rng = np.random.default_rng(0)
    theta = rng.normal(scale=0.3, size=objective.size)
    index = np.sort(rng.choice(objective.size, objective.size // 2, replace=False))
    facet = objective.facet(theta, index)
    H = objective.hessian(theta)[np.ix_(index, index)]
    got = np.stack([facet.product(e) for e in np.eye(len(index))])
    np.testing.assert_allclose(got, H, rtol=1e-5, atol=1e-5 * np.abs(H).max())
    free = rng.choice([True, False], len(index))
    solve = facet.solver(free)
    of_class = free & (index % data.n_classes == index[free][0] % data.n_classes)
    inverse = np.stack([solve(e) for e in np.eye(len(index))])
    assert not inverse[:, ~free].any()
    if data.n_rows > 1:  # of one row the blocks have a rank of 1
        block = np.ix_(of_class, of_class)
        np.testing.assert_allclose(inverse[block] @ got[block], np.eye(of_class.sum()), atol=1e-2)


PROBLEMS = [
    pytest.param(dataset(1, n=9, d=2, K=3), 0.0, 0.05, id="l1"),
    pytest.param(dataset(2, n=9, d=2, K=3), 0.0, 0.1, id="l1-strong"),
    pytest.param(dataset(1, n=9, d=2, K=3), 0.05, 0.05, id="elastic-net"),
    pytest.param(dataset(3, n=9, d=1, K=2), 0.0, 0.05, id="two-classes"),
    pytest.param(dataset(4, n=9, d=2, K=3, weights=np.arange(9.0)), 0.01, 0.05, id="weights"),
    pytest.param(dataset(5, n=9, d=2, K=3, dtype="uint8", scale=0.3, shift=-0.2), 0.0, 0.02, id="uint8-scaled"),
    pytest.param(dataset(6, n=9, d=2, K=3, dtype="float32"), 0.0, 0.05, id="float32"),
    pytest.param(dataset(5, n=9, d=2, K=3, dtype="uint8", storage="csr", scale=0.3, shift=-0.2), 0.0, 0.02, id="csr"),
    pytest.param(soft(dataset(1, n=9, d=2, K=3)), 0.0, 0.05, id="targets"),
    pytest.param(soft(dataset(6, n=9, d=2, K=3, dtype="float32")), 0.05, 0.02, id="targets-float32"),
    pytest.param(dataset(2, n=9, d=2, K=3, offset=offsets(9, 3)), 0.0, 0.05, id="offset"),
    pytest.param(soft(dataset(4, n=9, d=2, K=3), offset=offsets(9, 3)), 0.02, 0.05, id="both"),
]


def best_value(data: Dataset, l2: float, l1: float) -> Any:
    objective = CompositeObjective(SoftmaxObjective(in_float64(data), l2), l1)
    theta = minimise(objective, Proximal(), np.zeros(objective.size), max_steps=300).theta
    signs = np.sign(theta[: -data.n_classes]).astype(int)
    if data.n_classes == 2:  # of all the equal answers the one with opposite weights is isolated enough
        difference = np.sign(theta[:-2:2] - theta[1:-2:2])
        signs = np.column_stack([difference, -difference])
    return optimum(data, l2, l1, tuple(int(s) for s in np.ravel(signs)))


@pytest.mark.slow
@pytest.mark.parametrize("start", ["zeros", "noise"])
@pytest.mark.parametrize(("data", "l2", "l1"), PROBLEMS)
def test_the_bound_holds_at_every_step_and_closes_in(data: Dataset, l2: float, l1: float, start: str) -> None:
    objective = CompositeObjective(SoftmaxObjective(data, l2), l1)
    best = best_value(data, l2, l1)
    solver = Proximal()
    theta = np.zeros(objective.size) if start == "zeros" else np.random.default_rng(0).normal(size=objective.size)
    state: Any = solver.init(objective, theta)
    last = np.inf
    for _ in range(100):
        gap = objective.gap(state.theta, state.point, np.inf, state.newton)
        assert float(state.value - best) <= gap.bound
        last = gap.bound
        following = solver.step(objective, state)
        if following is None:
            break
        state = following
    assert last < (1e-12 if objective.finer() is None else 2e-6)


@pytest.mark.slow
@pytest.mark.parametrize(("data", "l2", "l1"), PROBLEMS)
def test_the_bound_holds_anywhere(data: Dataset, l2: float, l1: float) -> None:
    objective = CompositeObjective(SoftmaxObjective(data, l2), l1)
    best = best_value(data, l2, l1)
    rng = np.random.default_rng(0)
    for scale in (0.0, 0.01, 0.3, 1.0, 5.0, 100.0):
        theta = rng.normal(scale=scale, size=objective.size)
        point = objective.evaluate(theta)
        assert float(point.value - best) <= objective.gap(theta, point, np.inf, lambda v: v).bound


@pytest.mark.slow
@pytest.mark.parametrize(("data", "l2", "l1"), PROBLEMS)
def test_converged_means_what_it_says(data: Dataset, l2: float, l1: float) -> None:
    l2 = l2 / 2 if data.n_classes == 2 else l2
    weight = data.n_rows if data.weights is None else data.weights.sum()
    best = float(best_value(data, 2 * l2 if data.n_classes == 2 else l2, l1))
    for tol in (1e-2, 1e-4, 1e-6):
        _, solution = solved(data, 1 / ((l2 + l1) * weight), l1 / (l2 + l1), tol=tol)
        value = solution.value
        assert solution.status is Status.CONVERGED
        assert value - best <= solution.gap <= tol * value


def test_a_start_that_is_the_optimum_is_known_for_it() -> None:
    data = Dataset(np.array([[1.0], [1.0]]), np.array([0, 1], dtype=np.int32), np.arange(2))
    model, solution = solved(data, 1.0, 1.0)
    assert (solution.status, solution.steps) == (Status.CONVERGED, 0)
    assert (model.W == 0).all()


@pytest.mark.slow
@given(st.integers(0, 2**32 - 1), st.floats(0.01, 10), st.floats(0.01, 1))
def test_any_small_problem_is_solved_and_certified(seed: int, C: float, l1_ratio: float) -> None:
    rng = np.random.default_rng(seed)
    n, d, K = (int(v) for v in rng.integers([2, 1, 2], [40, 8, 5]))
    X = rng.normal(size=(n, d)) * np.exp(rng.normal(size=d))
    data = Dataset(X, rng.integers(0, K, n).astype(np.int32), np.arange(K))
    model, solution = fit(data, Settings(Proximal(), C=C, l1_ratio=l1_ratio, tol=1e-6))
    assert solution.status is Status.CONVERGED, "classes without rows or not"
    assert violation(data, model.W, model.b, *strengths(data, C, l1_ratio)) < 0.01


def test_the_least_subgradient_is_0_where_a_coordinate_is_at_its_best() -> None:
    x, grad, weights = np.array([0, 0, 0, 1, -1, 2.0]), np.array([0.5, 2, -2, -1, 1, 3]), np.array([1.0] * 5 + [0])
    assert least_subgradient(x, grad, weights).tolist() == [0, 1, -1, 0, 0, 3]


@pytest.mark.parametrize("C", [1e16, 1e20, 1e308])
def test_a_penalty_of_next_to_nothing_is_borne(C: float) -> None:
    _, solution = fit(dataset(1, n=60), Settings("auto", C=C, l1_ratio=1.0, max_steps=30))
    assert np.isfinite(solution.value)
    assert solution.chosen.startswith("Proximal")
