"""What follows from estimates and their standard errors where those are normal: tests and intervals (Wald 1943)."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import scipy.special
from numpy.typing import NDArray

__all__ = ["Wald"]

Array = NDArray[np.float64]


class Wald(ABC):
    """Estimates, their standard errors, and the level of their intervals."""

    standard_errors: Array
    level: float

    @property
    @abstractmethod
    def estimates(self) -> Array:
        """What is estimated, an array of the shape of the standard errors."""

    @property
    def z(self) -> Array:
        """Estimates over their standard errors."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(self.estimates / self.standard_errors)

    @property
    def p_values(self) -> Array:
        """Two-sided, of a normal z."""
        return np.asarray(2 * scipy.special.ndtr(-np.abs(self.z)))

    @property
    def intervals(self) -> Array:
        """Confidence intervals of the level: the estimates' shape, and low and high."""
        half = float(scipy.special.ndtri((1 + self.level) / 2)) * self.standard_errors
        return np.stack([self.estimates - half, self.estimates + half], axis=-1)
