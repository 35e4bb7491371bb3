"""The likelihood-ratio test of nested models.

    2 (log-likelihood of the large − that of the small) ~ χ² with as many degrees of freedom as it has parameters more

where the small model is true (Wilks 1938).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.special

from softreg.errors import InferenceError, SettingError
from softreg.inference.layout import p_figure
from softreg.inference.summary import Summary

__all__ = ["LikelihoodRatio", "likelihood_ratio_test"]

ROUNDING = 1e-9  # of a log-likelihood: what a small model may be ahead by


@dataclass(frozen=True)
class LikelihoodRatio:
    """The test's figures; printed, a sentence."""

    statistic: float
    df: int
    p_value: float

    def __str__(self) -> str:
        p = p_figure(self.p_value)
        return f"likelihood-ratio test: χ² = {self.statistic:.4f}, df = {self.df}, p {p if p[0] == '<' else f'= {p}'}"


def likelihood_ratio_test(small: Summary | None, large: Summary) -> LikelihoodRatio:
    """Test whether the columns that the large model has more tell anything.

    Parameters
    ----------
    small, large : Summary
        Of models fitted without a penalty on the same rows, the columns of the small one among those of the large. None
        is the model of intercepts alone.

    Raises
    ------
    InferenceError
        Where the models are not nested, as far as can be seen: other classes, labels or weights, columns that the large
        one has not, or no fewer parameters; or where one was fitted with a penalty.

    Examples
    --------
    >>> import numpy as np
    >>> from softreg import Dataset, Settings, fit
    >>> from softreg.inference import summary
    >>> hours = np.array([[0.5], [1.0], [1.5], [2.0], [2.5], [3.0], [3.5], [4.0]])
    >>> passed = np.array(["no", "no", "yes", "no", "yes", "no", "yes", "yes"])
    >>> model, _ = fit(Dataset.from_labels(hours, passed), Settings.for_inference())
    >>> print(likelihood_ratio_test(None, summary(model, hours, passed)))
    likelihood-ratio test: χ² = 2.6408, df = 1, p = 0.104
    """
    for name, part in (("small", small), ("large", large)):
        if not isinstance(part, Summary) and (name == "large" or part is not None):
            raise SettingError(name, part, "a Summary: softreg.inference.summary(model, X, y)")
    if large.penalised or (small is not None and small.penalised):
        raise InferenceError(
            "a model was fitted with a penalty, and its likelihood is not the greatest that it could have: the ratio "
            "has no χ² distribution; fit both with C=inf"
        )
    if small is None:
        if not large.intercept:
            raise InferenceError("the large model has no intercept: that of intercepts alone is not nested in it")
        parameters, log_likelihood = len(large.all_classes) - 1, large.null_log_likelihood
    else:
        _check_nested(small, large)
        parameters, log_likelihood = small.n_parameters, small.log_likelihood
    statistic = 2 * (large.log_likelihood - log_likelihood)
    if statistic < -ROUNDING * abs(log_likelihood):
        raise InferenceError(
            f"the small model has the greater likelihood, by {-statistic / 2:.3g}: it is not nested in the large one"
        )
    statistic, df = max(statistic, 0.0), large.n_parameters - parameters
    return LikelihoodRatio(statistic, df, float(scipy.special.chdtrc(df, statistic)))


def _check_nested(small: Summary, large: Summary) -> None:
    if not np.array_equal(small.all_classes, large.all_classes):
        raise InferenceError(
            f"the models have other classes, {small.all_classes.tolist()} and {large.all_classes.tolist()}"
        )
    if small.outcome != large.outcome:
        raise InferenceError("the models were not summarised on the same rows: labels or weights are others")
    if small.n_parameters >= large.n_parameters:
        raise InferenceError(
            f"the small model has {small.n_parameters} parameters and the large one {large.n_parameters}: expected "
            "fewer in the small one"
        )
    named = all(not _unnamed(part.terms) for part in (small, large))
    extra = [term for term in small.terms if term not in large.terms]
    if extra and named:
        raise InferenceError(
            f"the small model has the terms {', '.join(map(repr, extra))}, which the large one has not: not nested"
        )


def _unnamed(terms: tuple[str, ...]) -> bool:
    """Whether columns go by their places, which say nothing of what they are."""
    return any(term[:1] == "x" and term[1:].isdigit() for term in terms)
