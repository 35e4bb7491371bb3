"""Other class frequencies: reweighting, and finding them from unlabelled rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from softreg.decision import estimate_prior, reweight
from softreg.errors import DataError, SettingError, ShapeError

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
    (lambda: reweight([[0.5, 0.5]], OLD, NEW), ShapeError, r"\(2,\): a frequency for each column"),
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
