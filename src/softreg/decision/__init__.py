"""From probabilities to actions: costs, rejection, prediction sets, calibration, other class frequencies.

>>> from softreg.decision import CostMatrix, Rejection, SplitConformal, calibrate, decide, least_cost, reweight
"""

from softreg.decision.calibration import Scaling, temperature_scaling, vector_scaling
from softreg.decision.conformal import SplitConformal, conformal_quantile
from softreg.decision.costs import CostMatrix, least_cost
from softreg.decision.deciding import Decisions, decide
from softreg.decision.held_out import calibrate
from softreg.decision.outcome import Outcome
from softreg.decision.prior import PriorEstimate, estimate_prior, reweight
from softreg.decision.rejection import Rejection, RiskCoverage, risk_coverage
from softreg.decision.sets import SetReport
from softreg.decision.shift import shift_prior

__all__ = [
    "CostMatrix",
    "Decisions",
    "Outcome",
    "PriorEstimate",
    "Rejection",
    "RiskCoverage",
    "Scaling",
    "SetReport",
    "SplitConformal",
    "calibrate",
    "conformal_quantile",
    "decide",
    "estimate_prior",
    "least_cost",
    "reweight",
    "risk_coverage",
    "shift_prior",
    "temperature_scaling",
    "vector_scaling",
]
