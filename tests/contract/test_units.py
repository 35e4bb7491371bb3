"""A column's units make no difference to how a fit goes, and badly scaled data reaches the optimum as given."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from problems import STORAGES, dataset
from softreg import LBFGS, Dataset, Settings, Status, fit
from softreg.objective import SoftmaxObjective
from softreg.objective import preconditioner as preconditioners
from softreg.objective.certificate import ClassMeans, dual_bound, mean_entropy
from softreg.solvers import minimise


def badly_scaled(mean: float = 0.0, K: int = 3) -> tuple[Dataset, NDArray[np.float64]]:
    """Return 300 rows whose columns are of 1e-8 to 1e8, and those sizes; the classes overlap."""
    rng = np.random.default_rng(0)
    Z, B = rng.normal(size=(300, 9)), rng.normal(size=(9, K))
    y = (Z @ B + 2 * rng.gumbel(size=(300, K))).argmax(axis=1)
    sizes = np.logspace(-8, 8, 9)
    return Dataset((Z + mean) * sizes, y, np.arange(K)), sizes


def optimum(data: Dataset, sizes: NDArray[np.float64], l2: float) -> float:
    """Solve for V = sizes · W by Newton's method: the same problem in other units and centred, where it is harmless."""
    X = np.append(data.X / sizes, np.ones((data.n_rows, 1)), axis=1)
    X[:, :-1] -= X[:, :-1].mean(axis=0)
    (n, m), K = X.shape, data.n_classes
    Y = np.eye(K)[data.y]
    penalty = np.append(l2 / sizes**2, 0)[:, None]

    def value(V: NDArray[np.float64]) -> float:
        z = X @ V
        return float(np.mean(np.log(np.exp(z).sum(axis=1)) - (z * Y).sum(axis=1)) + (penalty * V * V).sum() / 2)

    V = np.zeros((m, K))
    for _ in range(30):
        p = np.exp(X @ V)
        p /= p.sum(axis=1, keepdims=True)
        g = X.T @ (p - Y) / n + penalty * V
        H = np.einsum("ia,ik,kl,ib->akbl", X, p, np.eye(K), X) - np.einsum("ia,ik,il,ib->akbl", X, p, p, X)
        H = H.reshape(m * K, m * K) / n + np.diag(np.repeat(penalty, K))
        D = np.sqrt(np.diag(H))
        V = V - (np.linalg.lstsq(H / D / D[:, None], g.ravel() / D, rcond=1e-12)[0] / D).reshape(m, K)
    assert abs(g.ravel() / D).max() < 1e-13
    return value(V)


@pytest.mark.parametrize("C", [1.0, 100.0])
@pytest.mark.parametrize("mean", [0.0, 10.0])
@pytest.mark.parametrize("K", [2, 3])
def test_columns_of_1e_minus_8_beside_1e8_reach_the_certified_optimum(C: float, mean: float, K: int) -> None:
    data, sizes = badly_scaled(mean, K)
    best = optimum(data, sizes, (2 if K == 2 else 1) / (C * data.n_rows))
    _, solution = fit(data, Settings(LBFGS(), C=C, tol=1e-6))
    value = solution.history["value"][-1]
    assert solution.status is Status.CONVERGED
    assert solution.steps < 100
    assert value - best <= solution.gap <= 1e-6 * value
    assert value == pytest.approx(best, rel=1e-13)


@pytest.mark.parametrize("size", [1e2, 1e8, 1e30, 1e150])
def test_one_large_column_reaches_the_certified_optimum(size: float) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100, 4))
    y = (X @ rng.normal(size=(4, 3)) + rng.gumbel(size=(100, 3))).argmax(axis=1)
    sizes = np.array([1, 1, size, 1])
    data = Dataset(X * sizes, y, np.arange(3))
    _, solution = fit(data, Settings(LBFGS(), C=1.0, tol=1e-6))
    if size < 1e10:  # beyond, rounding alone is more gradient than the certificate has room for
        assert solution.status is Status.CONVERGED
    assert solution.history["value"][-1] == pytest.approx(optimum(data, sizes, 1 / 100), rel=1e-6)


@pytest.mark.parametrize("mean", [0.0, 10.0])
def test_without_a_penalty_they_reach_the_optimum_too(mean: float) -> None:
    data, sizes = badly_scaled(mean)
    _, solution = fit(data, Settings(LBFGS()))
    assert solution.steps < 200
    assert solution.history["value"][-1] == pytest.approx(optimum(data, sizes, 0.0), rel=1e-13)


@pytest.mark.parametrize("most", [preconditioners.MAX_BYTES, 0])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [200, preconditioners.MIN_ROWS + 100])
@pytest.mark.parametrize("storage", STORAGES)
def test_without_a_penalty_other_units_give_the_same_bits(
    storage: str, n: int, dtype: str, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preconditioners, "MAX_BYTES", most)
    data = dataset(1, n=n, dtype=dtype)
    sizes = 2.0 ** np.array([-40, 30, 0, 12, -25, 40])  # powers of 2: nothing is rounded
    data, other = (Dataset(STORAGES[storage](X), data.y, data.classes) for X in (data.X, data.X * sizes.astype(dtype)))
    ours, theirs = (minimise(f, LBFGS(), np.zeros(f.size), max_steps=60) for f in map(SoftmaxObjective, (data, other)))
    assert ours.history["value"].tobytes() == theirs.history["value"].tobytes()
    stretch = np.append(sizes, 1.0).repeat(data.n_classes)
    assert ours.theta.tobytes() == (theirs.theta * stretch).tobytes()


def test_a_metric_from_fewer_rows_than_columns_is_positive() -> None:
    rng = np.random.default_rng(0)
    data = Dataset(rng.integers(0, 256, (200, 500), dtype=np.uint8), rng.integers(0, 2, 200), np.arange(2), 1 / 255)
    objective = SoftmaxObjective(data)
    solve = objective.preconditioner(np.zeros(objective.size), coarse=True)
    vectors = np.zeros((501, 501, 2))
    vectors[np.arange(501), np.arange(501), 0] = 1
    M = np.stack([solve(v.ravel())[::2] for v in vectors])
    assert np.linalg.eigvalsh(M).min() > 0


@pytest.mark.parametrize("most", [preconditioners.MAX_BYTES, 0])
def test_a_column_that_the_sample_does_not_show_is_not_divided_by_0(most: int, monkeypatch: Any) -> None:
    monkeypatch.setattr(preconditioners, "MAX_BYTES", most)
    data = dataset(1, n=60)
    X = np.append(data.X, np.zeros((60, 1)), axis=1)
    objective = SoftmaxObjective(Dataset(X, data.y, data.classes))
    for coarse in (True, False):
        solve = objective.preconditioner(np.zeros(objective.size), coarse=coarse)
        assert abs(solve(np.ones(objective.size))).max() < 1e17


def test_what_only_a_row_of_the_sample_shows_is_doubted() -> None:
    data = dataset(1, n=4 * preconditioners.MIN_ROWS)
    X = np.append(data.X, np.zeros((data.n_rows, 1)), axis=1)
    X[2::2000, -1] = 1.0  # 4 rows, which the sample has for 16
    objective = SoftmaxObjective(Dataset(X, data.y, data.classes))
    theta = np.zeros(objective.size)
    rare = np.zeros(objective.size)
    rare[-2 * data.n_classes : -2 * data.n_classes + 2] = 1.0, -1.0  # one class against another
    step = objective.preconditioner(theta, coarse=True)(rare)[-2 * data.n_classes]
    curvature = 1 / data.n_classes * 4 / data.n_rows
    assert 0.01 < step * curvature < 0.1


def test_a_start_that_is_far_off_is_not_certified() -> None:
    data, sizes = badly_scaled()
    objective = SoftmaxObjective(data, 1 / 300)
    best = optimum(data, sizes, objective.l2)
    for size in (1e-2, 1e10, 1e290):
        theta = np.random.default_rng(0).normal(scale=size, size=objective.size)
        solver = LBFGS()
        with np.errstate(all="ignore"):
            state = solver.init(objective, theta)
            gap = objective.gap(state.theta, state.point, np.inf, state.newton)
        assert gap.bound >= state.value - best


@pytest.mark.parametrize("loss", [np.inf, np.nan, 1e9])
def test_no_bound_is_made_of_an_overflow_nor_above_log_k(loss: float) -> None:
    W, b = np.full((2, 3), 1e8), np.zeros(3)
    G, s = np.full((2, 3), 1e-20), np.array([1e-9, 1e-9, -2e-9])
    entropy, _ = mean_entropy(loss, G, s, W, b)
    for l1 in (0.0, 1.0):
        assert dual_bound(entropy, G, s, ClassMeans(np.ones((2, 3)), np.full(3, 1 / 3)), 1.0, l1) <= np.log(3)
