"""From probabilities to actions: costs, rejection, prediction sets, calibration, other class frequencies.

>>> from softreg.decision import Rejection, SplitConformal, least_cost, reweight, temperature_scaling
"""

from softreg.decision.calibration import Scaling, temperature_scaling, vector_scaling
from softreg.decision.conformal import SplitConformal, conformal_quantile
from softreg.decision.costs import CostMatrix, least_cost
from softreg.decision.prior import PriorEstimate, estimate_prior, reweight
from softreg.decision.rejection import Rejection, RiskCoverage, risk_coverage
from softreg.decision.sets import SetReport

__all__ = [
    "CostMatrix",
    "PriorEstimate",
    "Rejection",
    "RiskCoverage",
    "Scaling",
    "SetReport",
    "SplitConformal",
    "conformal_quantile",
    "estimate_prior",
    "least_cost",
    "reweight",
    "risk_coverage",
    "temperature_scaling",
    "vector_scaling",
]
