"""What follows from estimates and their standard errors where those are normal: tests and intervals (Wald 1943)."""

from __future__ import annotations

import numbers
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import scipy.special
from numpy.typing import NDArray

from softreg.errors import SettingError

__all__ = ["Wald", "check_level"]

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


def check_level(level: Any) -> None:
    """Raise SettingError where this is no level of an interval."""
    if not isinstance(level, numbers.Real) or not 0 < float(level) < 1:
        raise SettingError("level", level, "a number between 0 and 1")
