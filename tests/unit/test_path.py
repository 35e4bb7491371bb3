"""Fits that follow each other along the strengths of a penalty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest

from softreg import LBFGS, Dataset, Newton, Settings, fit
from softreg.errors import DataError
from softreg.model import Path

CS = np.logspace(-4, 4, 17)


def data(dtype: str = "float64", n: int = 300, d: int = 6, K: int = 4) -> Dataset:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, d))
    y = (X[:, :K] + rng.gumbel(size=(n, K))).argmax(axis=1)
    return Dataset(X.astype(dtype), y, np.arange(K))


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("solver", "l1_ratio"), [("auto", 0.0), ("auto", 0.5), ("lbfgs", 0.0)])
def test_every_fit_of_a_path_is_as_near_to_its_optimum_as_was_asked(dtype: str, solver: str, l1_ratio: float) -> None:
    settings = Settings(solver, l1_ratio=l1_ratio, tol=1e-5)
    path = Path(data(dtype), settings)
    for C in CS:
        _, followed = path.fit(C)
        _, cold = fit(data(dtype), Settings(solver, C=C, l1_ratio=l1_ratio, tol=1e-5))
        assert followed.status.name == "CONVERGED"
        assert abs(followed.value - cold.value) <= 1e-5 * cold.value


def test_following_takes_fewer_steps_than_beginning_again() -> None:
    path = Path(data(K=5, d=20), Settings(LBFGS(), tol=1e-6))
    followed = sum(path.fit(C)[1].steps for C in CS)
    cold = sum(fit(data(K=5, d=20), Settings(LBFGS(), C=C, tol=1e-6))[1].steps for C in CS)
    assert followed < 0.7 * cold


@dataclass(frozen=True)
class Alone:
    """A solver with what all must have, and no more."""

    default_steps: ClassVar[int] = 200
    converges: ClassVar[bool] = True
    inner: ClassVar[LBFGS] = LBFGS()

    def init(self, objective: Any, theta: Any) -> Any:
        return self.inner.init(objective, theta)

    def step(self, objective: Any, state: Any) -> Any:
        return self.inner.step(objective, state)

    def resume(self, objective: Any, state: Any) -> Any:
        return self.inner.resume(objective, state)


def test_a_solver_that_keeps_nothing_of_other_solves_starts_where_they_led() -> None:
    path = Path(data(), Settings(Alone(), tol=1e-6))
    before, _ = path.fit(1.0)
    same, solution = path.fit(1.0)
    assert solution.steps <= 1
    assert np.allclose(same.W, before.W, atol=1e-3)
    assert path.fit(10.0)[1].status.name == "CONVERGED"


def test_the_first_fit_of_a_path_is_the_fit_alone_to_the_bit() -> None:
    alone, _ = fit(data(), Settings(LBFGS(), C=0.1))
    first, _ = Path(data(), Settings(LBFGS(), C=7.0)).fit(0.1)
    assert np.array_equal(alone.W, first.W)


def test_the_bits_of_a_path_are_the_same_for_any_number_of_threads() -> None:
    ends = []
    for n_threads in (1, 2, 3):
        path = Path(data(n=5000), Settings(LBFGS(), tol=1e-6), n_threads=n_threads)
        ends.append([path.fit(C)[0].W.tobytes() for C in CS[::4]])
    assert ends[0] == ends[1] == ends[2]


def test_nothing_of_the_solve_is_left_in_what_a_fit_returns() -> None:
    _, solution = Path(data(), Settings(LBFGS())).fit(1.0)
    assert solution.trail is None


def test_a_path_of_no_rows_is_refused() -> None:
    with pytest.raises(DataError, match="no rows"):
        Path(data(), Settings(LBFGS()), np.zeros(0, np.int64))


@pytest.mark.parametrize("solver", [Newton(), LBFGS()], ids=["newton", "lbfgs"])
def test_a_constant_column_beside_the_intercept_leads_nowhere(solver: Newton | LBFGS) -> None:
    plain = data()
    both = Dataset(np.column_stack([np.ones(plain.n_rows), plain.X]), plain.y, plain.classes)
    _, want = fit(plain, Settings(solver, C=np.inf, tol=0.0))
    model, found = fit(both, Settings(solver, C=np.inf, tol=0.0))
    assert found.steps < 100
    assert abs(found.value - want.value) <= 1e-12
    assert np.abs(model.W).max() < 100
