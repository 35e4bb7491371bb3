"""What the benchmarks stand on: data made the same every time, and other libraries' figures in one definition."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from features import overlapping
from peer_problems import PROBLEMS, Problem
from peer_results import Mark, load, save
from peers import RUNS


def test_fewer_rows_are_the_first_of_more() -> None:
    X, y = overlapping(5200, 96, 7)
    fewer = overlapping(5100, 96, 7)
    np.testing.assert_array_equal(fewer[0], X[:5100])
    np.testing.assert_array_equal(fewer[1], y[:5100])


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_the_narrow_types_are_float32_rounded_once(dtype: str) -> None:
    X, _ = overlapping(300, 96, 7)
    narrow, _ = overlapping(300, 96, 7, dtype=dtype)
    assert narrow.dtype.name == dtype
    np.testing.assert_array_equal(narrow, X.astype(narrow.dtype))


def test_later_rows_are_fresh_ones_of_the_same_classes() -> None:
    X, y = overlapping(5000, 96, 7, distance=50)
    later, labels = overlapping(5000, 96, 7, distance=50, first=5000)
    np.testing.assert_array_equal(later, overlapping(10_000, 96, 7, distance=50)[0][5000:])
    means = np.stack([X[y == k].mean(axis=0) for k in range(7)])
    nearest = ((later[:, None] - means) ** 2).sum(axis=2).argmin(axis=1)
    assert (nearest == labels).mean() > 0.99
    with pytest.raises(ValueError, match="first is 12"):
        overlapping(1, first=12)


def problem() -> Problem:
    rng = np.random.default_rng(0)
    X, y = rng.integers(256, size=(4100, 5), dtype=np.uint8), rng.integers(3, size=4100)
    return Problem(X, y, 3, 1 / 255)


@pytest.mark.parametrize("l1_ratio", [0.0, 0.3, 1.0])
def test_the_value_is_the_definition_at_one_go(l1_ratio: float) -> None:
    data, theta = problem(), np.random.default_rng(1).normal(size=(6, 3))
    z = data.X / 255 @ theta[:-1] + theta[-1]
    loss = np.log(np.exp(z).sum(axis=1)) - z[np.arange(4100), data.y]
    W = theta[:-1]
    penalty = (1 - l1_ratio) / 2 * (W**2).sum() + l1_ratio * np.abs(W).sum()
    assert data.value(theta, 0.1, l1_ratio) == pytest.approx(loss.mean() + penalty / (0.1 * 4100), rel=1e-13)


def test_the_gradient_is_the_slope_of_the_loss() -> None:
    data, rng = problem(), np.random.default_rng(1)
    theta, direction = rng.normal(size=(6, 3)), rng.normal(size=(6, 3))
    slope = (data.loss_and_grad(theta + 1e-5 * direction)[0] - data.loss_and_grad(theta - 1e-5 * direction)[0]) / 2e-5
    assert float((data.loss_and_grad(theta, with_grad=True)[1] * direction).sum()) == pytest.approx(slope, rel=1e-8)


def test_what_is_kept_is_read_back_as_it_was(tmp_path: Path) -> None:
    kept = load()
    save(kept.values(), tmp_path / "again.json")
    assert load(tmp_path / "again.json") == kept


def test_the_kept_figures_are_those_of_the_table() -> None:
    kept = load()
    assert set(kept) <= set(RUNS)
    for name, result in kept.items():
        assert result.problem in PROBLEMS
        assert (result.peer, result.C) == (RUNS[name].peer, RUNS[name].options.get("C")), name
        assert all(mark.cpu_seconds > 0 and mark.seconds > 0 for mark in result.marks)
        if result.C is not None:
            assert result.reached(np.inf) == result.marks[0]
            assert result.reached(result.marks[-1].value or 0.0) is not None
            assert result.reached(0.0) is None


def test_a_mark_is_found_by_its_value() -> None:
    name = next(iter(load()))
    result = load()[name]
    marks = tuple(Mark(step, step, 1.0, 1.0, value) for step, value in enumerate((3.0, 2.0, 1.0)))
    found = type(result)(**(vars(result) | {"marks": marks})).reached(2.5)
    assert found == marks[1]
