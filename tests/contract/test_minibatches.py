"""Minibatch steps in the kernel are the steps written out, on every instruction set and for every type."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from numpy.typing import NDArray

from problems import features
from softreg import kernels
from softreg.kernels import reference

N = 150


def steps(
    rows: kernels.Rows,
    W: NDArray[Any],
    b: NDArray[Any],
    scale: NDArray[Any],
    shift: NDArray[Any],
    *,
    batch: int,
    rate: float,
    mean_weight: float,
    l2: float,
    momentum: float,
    velocity: tuple[NDArray[Any], NDArray[Any]] | None,
    intercept: bool,
) -> tuple[float, float, float, float]:
    """Step W and b, and the velocity, in place as the kernel does: its definition."""
    index = np.arange(len(rows.y)) if rows.index is None else rows.index
    loss = correct = weight = penalty = 0.0
    for start in range(0, len(index), batch):
        which = index[start : start + batch]
        X = rows.X[which].astype(float) * scale + shift
        w = np.ones(len(which)) if rows.weights is None else rows.weights[which]
        residuals = (X @ W + b).T.copy()
        its_loss, its_correct = reference.softmax_xent(residuals, rows.y[which], w)
        loss, correct, weight = loss + its_loss, correct + its_correct, weight + w.sum()
        penalty += w.sum() * l2 / 2 * np.sum(W**2)
        g = [part / (batch * mean_weight) for part in (X.T @ residuals.T + w.sum() * l2 * W, residuals.sum(axis=1))]
        for parameter, part, v in zip((W, b), g, velocity or g, strict=True):
            if velocity is not None:
                v[...] = momentum * v + part
            if parameter is W or intercept:
                parameter -= rate * v
    return loss, correct, weight, penalty


@pytest.mark.parametrize("dtype", ["uint8", "int8", "float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize(("d", "K", "batch"), [(1, 2, 150), (17, 3, 7), (33, 10, 64), (5, 64, 70)])
@pytest.mark.parametrize("picked", [False, True])
@pytest.mark.parametrize("momentum", [None, 0.8])
def test_an_epoch_in_the_kernel_is_its_steps_written_out(
    instruction_set: str, dtype: str, d: int, K: int, batch: int, picked: bool, momentum: float | None
) -> None:
    rng = np.random.default_rng(3)
    X = features(rng, N, d, "int8" if dtype == "bfloat16" else dtype)
    if dtype == "bfloat16":
        X = X.astype(ml_dtypes.bfloat16)
    rows = kernels.Rows(X, rng.integers(0, K, N).astype(np.int32))
    if picked:
        rows = kernels.Rows(rows.X, rows.y, rng.integers(0, 3, N).astype(float), rng.permutation(N)[:101])
    scale, shift = rng.uniform(0.1, 0.5, d), rng.normal(size=d) if picked else np.zeros(d)
    W, b = rng.normal(size=(d, K)), rng.normal(size=K)
    W_, b_ = W.copy(), b.copy()
    velocity = None if momentum is None else (rng.normal(size=(d, K)), rng.normal(size=K))
    how: dict[str, Any] = {"batch": batch, "rate": 0.1, "mean_weight": 1.25, "l2": 0.5 if picked else 0.0}
    how["momentum"], how["intercept"] = momentum or 0.0, not (picked and K == 10)
    velocity_ = velocity and (velocity[0].copy(), velocity[1].copy())
    expected = steps(rows, W_, b_, scale, shift, **how, velocity=velocity_)
    figures = kernels.sgd(rows, W, b, scale, shift, **how, velocity=velocity)
    tolerance = 1e-5 if kernels.arithmetic(rows.X.dtype) is np.float32 else 1e-12
    assert figures is not None
    np.testing.assert_allclose(figures, expected, rtol=tolerance)
    np.testing.assert_allclose(W, W_, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(b, b_, rtol=tolerance, atol=tolerance)
    for got, want in zip(velocity or (), velocity_ or (), strict=True):
        np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance)
