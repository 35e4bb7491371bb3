"""What the states of all solvers that converge have in common."""

from __future__ import annotations

from dataclasses import dataclass

from softreg.protocols import Point, Vector

__all__ = ["PointState"]


@dataclass(frozen=True, eq=False)
class PointState:
    """Theta, and what one pass over the data told of it."""

    theta: Vector
    point: Point

    @property
    def value(self) -> float:
        """Loss + penalty."""
        return self.point.value

    @property
    def loss(self) -> float:
        """Weighted mean cross-entropy."""
        return self.point.loss

    @property
    def accuracy(self) -> float:
        """On the training rows."""
        return self.point.accuracy
