"""Standard errors, tests and marginal effects of a fitted model.

>>> from softreg.inference import likelihood_ratio_test, marginal_effects, polish, summary
"""

from softreg.inference.effects import MarginalEffects, marginal_effects
from softreg.inference.optimum import polish
from softreg.inference.ratio import LikelihoodRatio, likelihood_ratio_test
from softreg.inference.summary import Summary, summary
from softreg.inference.table import Table

__all__ = [
    "LikelihoodRatio",
    "MarginalEffects",
    "Summary",
    "Table",
    "likelihood_ratio_test",
    "marginal_effects",
    "polish",
    "summary",
]
