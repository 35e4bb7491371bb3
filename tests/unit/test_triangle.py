"""Triangle: what it does to the half of a matrix is what NumPy does to the whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from softreg.objective.triangle import PANEL_ROWS, WHOLE_ROWS, Triangle

SIZES = [1, 2, 65, WHOLE_ROWS, WHOLE_ROWS + 1, 4 * PANEL_ROWS]


def definite(n: int) -> NDArray[np.float64]:
    X = np.random.default_rng(n).normal(size=(2 * n + 3, n))
    return X.T @ X / len(X)


def lower(triangle: Triangle) -> NDArray[Any]:
    """What the panels hold, in a square, with 0 above them."""
    whole = np.zeros((len(triangle),) * 2, triangle.panels[0][1].dtype)
    for i, panel in triangle.panels:
        whole[i, : i.stop] = panel
    return whole


@pytest.mark.parametrize("n", SIZES)
def test_a_matrix_goes_in_and_comes_out_whole(n: int) -> None:
    A = definite(n)
    triangle = Triangle.of(A)
    np.testing.assert_allclose(triangle.square(), A, rtol=1e-14)
    assert triangle.diagonal.tolist() == np.diagonal(A).tolist()
    triangle.set_diagonal(np.arange(float(n)))
    assert triangle.diagonal.tolist() == list(range(n))


@pytest.mark.parametrize("n", SIZES)
def test_products_and_scales_are_those_of_the_whole(n: int) -> None:
    X, root = np.random.default_rng(n).normal(size=(7, n)), np.linspace(0.5, 2, n)
    triangle = Triangle.zeros(n)
    triangle.add(X)
    triangle.add(X[:2])
    triangle.scale(root)
    np.testing.assert_allclose(triangle.square(), np.outer(root, root) * (X.T @ X + X[:2].T @ X[:2]), atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("n", SIZES)
def test_the_factor_is_choleskys_and_its_inverse_solves(n: int) -> None:
    A = definite(n)
    triangle = Triangle.of(A)
    triangle.factor()
    np.testing.assert_allclose(lower(triangle), np.linalg.cholesky(A), atol=1e-12)
    triangle.invert()
    np.testing.assert_allclose(lower(triangle) @ np.linalg.cholesky(A), np.eye(n), atol=1e-11)
    for v in (np.ones(n), np.random.default_rng(0).normal(size=(n, 3))):
        np.testing.assert_allclose(A @ triangle.squared_product(v), v, atol=1e-10)


def test_a_matrix_all_but_singular_keeps_its_digits() -> None:
    n = 4 * PANEL_ROWS
    t = np.linspace(-1, 1, 3 * n)[:, None]
    X = t ** np.arange(n)  # powers: numerically of a rank far below n
    X /= np.linalg.norm(X, axis=0)
    A = X.T @ X + n / 8 * np.finfo(float).eps * np.eye(n)
    triangle = Triangle.of(A)
    triangle.factor()
    L = lower(triangle)
    np.testing.assert_allclose(L @ L.T, A, atol=1e-14)


@pytest.mark.parametrize("where", [0, PANEL_ROWS, 4 * PANEL_ROWS - 1])
def test_an_indefinite_matrix_has_no_factor(where: int) -> None:
    A = np.eye(4 * PANEL_ROWS)
    A[where, where] = -1e-3
    with pytest.raises(np.linalg.LinAlgError):
        Triangle.of(A).factor()


@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_what_is_not_finite_is_seen(value: float) -> None:
    A = definite(WHOLE_ROWS + 9)
    assert Triangle.of(A).finite
    A[-1, 3] = value
    assert not Triangle.of(A).finite


def test_it_takes_little_more_than_half_the_square() -> None:
    triangle = Triangle.zeros(785, np.float32)
    assert sum(panel.nbytes for _, panel in triangle.panels) < 0.6 * 4 * 785**2
