"""How good probabilities are: figures with their intervals, and whether they are as frequent as they say.

>>> from softreg.metrics import brier, calibration_error, reliability
"""

from softreg.metrics.checks import labels, probabilities
from softreg.metrics.intervals import clopper_pearson
from softreg.metrics.reliability import (
    Brier,
    Reliability,
    brier,
    calibration_error,
    classwise_calibration_error,
    ks_calibration_error,
    reliability,
)

__all__ = [
    "Brier",
    "Reliability",
    "brier",
    "calibration_error",
    "classwise_calibration_error",
    "clopper_pearson",
    "ks_calibration_error",
    "labels",
    "probabilities",
    "reliability",
]
