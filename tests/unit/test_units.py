"""Columns brought to mean 0 and deviation 1."""

from __future__ import annotations

import numpy as np
import pytest

from softreg import Dataset
from softreg.data.units import standardized


@pytest.mark.parametrize("value", [0.0, 0.1, -7.3e8, 1e-200])
@pytest.mark.parametrize("n", [2, 3, 5001])
def test_a_column_of_one_value_is_moved_to_0_whatever_its_mean_rounds_to(value: float, n: int) -> None:
    data = standardized(Dataset(np.full((n, 1), value), np.arange(n) % 2, np.arange(2)))
    seen = data.scale * data.X + data.shift
    assert data.scale == 1.0
    assert np.abs(seen).max() <= 1e-12 * max(abs(value), 1e-300)


def test_a_column_far_from_0_has_its_deviation_all_the_same() -> None:
    X = 1e9 + np.random.default_rng(0).normal(size=(400, 1))
    data = standardized(Dataset(X, np.arange(400) % 2, np.arange(2)))
    seen = data.scale * X + data.shift
    assert abs(seen.mean()) < 1e-5
    assert seen.std() == pytest.approx(1.0, rel=1e-6)
