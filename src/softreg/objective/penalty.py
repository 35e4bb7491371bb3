"""The L1 penalty: strength · Σ |theta_j| over the weights; the intercept, at the end of theta, is left alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from softreg.protocols import Vector

__all__ = ["L1"]


@dataclass(frozen=True)
class L1:
    """What is not smooth in an objective; see `softreg.protocols.Penalty`."""

    strength: float
    n_weights: int
    n_intercepts: int

    @property
    def weights(self) -> Vector:
        """What each |theta_j| costs."""
        return np.repeat([self.strength, 0.0], [self.n_weights, self.n_intercepts])

    def value(self, theta: Vector) -> float:
        """Return the penalty at theta."""
        return self.strength * float(np.abs(theta[: self.n_weights]).sum()) if self.strength else 0.0
