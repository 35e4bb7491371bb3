"""How good probabilities are: figures with their intervals, and whether they are as frequent as they say.

>>> from softreg.metrics import brier, evaluate, measure, reliability
"""

from softreg.metrics.checks import labels, probabilities
from softreg.metrics.evaluation import evaluate, measure
from softreg.metrics.intervals import clopper_pearson
from softreg.metrics.labelled import codes_of
from softreg.metrics.reliability import (
    Brier,
    Reliability,
    brier,
    calibration_error,
    classwise_calibration_error,
    ks_calibration_error,
    reliability,
)
from softreg.metrics.result import ClassFigures, Evaluation, Figure
from softreg.metrics.smooth import smooth_calibration_error

__all__ = [
    "Brier",
    "ClassFigures",
    "Evaluation",
    "Figure",
    "Reliability",
    "brier",
    "calibration_error",
    "classwise_calibration_error",
    "clopper_pearson",
    "codes_of",
    "evaluate",
    "ks_calibration_error",
    "labels",
    "measure",
    "probabilities",
    "reliability",
    "smooth_calibration_error",
]
