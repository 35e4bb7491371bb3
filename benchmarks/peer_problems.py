"""The problems that other libraries are given, and what their answers are worth by the definition.

    value = mean cross-entropy + (1 − r)/(2 C n) ‖W‖² + r/(C n) ‖W‖₁       r = l1_ratio, the intercept free

Plain NumPy in float64, on parameters theta = [W; b] of (d + 1, K).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features import overlapping
from softreg.data import fashion_mnist


@dataclass(frozen=True)
class Problem:
    """X as it is valued, labels, what X is to be multiplied with; and X and parameters as the peer gets them."""

    X: NDArray[Any]
    y: NDArray[Any]
    n_classes: int
    scale: float = 1.0
    given: NDArray[Any] | None = None
    theta: NDArray[np.float32] | None = None

    def hand_over(self, folder: Path) -> None:
        """Write what the peer's program loads."""
        np.save(folder / "X.npy", self.X if self.given is None else self.given)
        np.save(folder / "y.npy", self.y)
        if self.theta is not None:
            np.save(folder / "theta.npy", self.theta)

    def value(self, theta: NDArray[Any], C: float, l1_ratio: float) -> float:
        """Return the value by the definition above."""
        W = theta[:-1].astype(np.float64)
        smooth, absolute = float((W**2).sum()), float(abs(W).sum())
        return self.loss_and_grad(theta)[0] + ((1 - l1_ratio) / 2 * smooth + l1_ratio * absolute) / (C * len(self.y))

    def loss_and_grad(self, theta: NDArray[Any], *, with_grad: bool = False) -> tuple[float, NDArray[np.float64]]:
        """Return the mean cross-entropy and, if wanted, its gradient in [W; b], in float64."""
        W, b = self.scale * theta[:-1].astype(np.float64), theta[-1].astype(np.float64)
        loss, grad = 0.0, np.zeros(theta.shape)
        for start in range(0, len(self.y), 2000):
            X, y = self.X[start : start + 2000].astype(np.float64), self.y[start : start + 2000]
            z = X @ W + b
            z -= z.max(axis=1, keepdims=True)
            at = np.arange(len(y))
            true = z[at, y]
            np.exp(z, out=z)
            sums = z.sum(axis=1, keepdims=True)
            loss += float((np.log(sums[:, 0]) - true).sum())
            if with_grad:
                z /= sums
                z[at, y] -= 1
                grad[:-1] += self.scale * (X.T @ z)
                grad[-1] += z.sum(axis=0)
        return loss / len(self.y), grad / len(self.y)


def fashion(given: str) -> Problem:
    train, _ = fashion_mnist.load()
    if given == "uint8":
        return Problem(train.X, train.y, 10)
    pixels = train.X.astype(np.float32) / np.float32(255)
    return Problem(train.X, train.y, 10, 1 / 255, pixels, start(784, 10))


def probe(dtype: str) -> Problem:
    """Return the first 20,000 of the probe's 100,000 rows; λ is 1/(20,000 C)."""
    X, y = overlapping(20_000, dtype=dtype)
    theta = start(768, 1000)
    if dtype != "bfloat16":
        return Problem(X, y, 1000, theta=theta)
    return Problem(X, y, 1000, given=X.view(np.uint16), theta=theta.astype(X.dtype).astype(np.float32))


def many() -> Problem:
    X, y = overlapping(20_000, 512, 50_000)
    return Problem(X, y, 50_000, theta=start(512, 50_000))


def start(d: int, K: int) -> NDArray[np.float32]:
    """Return parameters [W; b] at which a pass is timed."""
    return np.random.default_rng(0).standard_normal((d + 1, K), dtype=np.float32) * np.float32(d**-0.5)


PROBLEMS: dict[str, Callable[[], Problem]] = {
    "fashion-mnist": lambda: fashion("float32"),
    "fashion-mnist uint8": lambda: fashion("uint8"),
    "probe 20000x768, 1000 classes": lambda: probe("float32"),
    "probe 20000x768, 1000 classes, bfloat16": lambda: probe("bfloat16"),
    "20000x512, 50000 classes": many,
}
