"""scikit-learn's words for what softreg's settings say: solvers, penalties, and arguments that are on their way out."""

from __future__ import annotations

import math
from typing import Any

from softreg.errors import SettingError, warn
from softreg.solvers import LBFGS, SGD, Newton, Proximal, Solver

__all__ = ["penalty", "solver"]

LEAST_C = 1e-200  # whose inverse still is a number

# name → what makes the solver, given whether there is an L1 penalty; None chooses by the problem
SOLVERS: dict[str, Any] = {
    "auto": lambda l1: None,
    "lbfgs": lambda l1: LBFGS(),
    "newton": lambda l1: Newton(),
    "newton-cholesky": lambda l1: Newton(),
    "newton-cg": lambda l1: Newton(exact_passes=0),
    "proximal": lambda l1: Proximal(),
    "sag": lambda l1: LBFGS(),
    "saga": lambda l1: Proximal() if l1 else LBFGS(),
    "sgd": lambda l1: SGD(),
}
SMOOTH = ("lbfgs", "newton", "newton-cholesky", "newton-cg", "sag", "sgd")  # whose penalty must be


def solver(name: Any, l1_ratio: float) -> Solver[Any, Any] | None:
    """Return the solver of this name, None for one that is chosen by the problem.

    Raises
    ------
    SettingError
        Where there is none, or it cannot have an L1 penalty.
    """
    if not isinstance(name, str):
        if isinstance(name, type) or not hasattr(name, "default_steps"):
            raise SettingError("solver", name, f"a solver, such as SGD(), or one of {list(SOLVERS)}")
        found: Solver[Any, Any] = name
        return found
    if name == "liblinear":
        raise SettingError(
            "solver",
            name,
            f"one of {list(SOLVERS)}. The 'liblinear' solver does not support multiclass classification and penalises "
            "the intercept; leave solver out and softreg chooses one",
        )
    if name not in SOLVERS:
        raise SettingError("solver", name, f"one of {list(SOLVERS)}")
    if l1_ratio > 0 and name in SMOOTH:
        raise SettingError(
            "l1_ratio",
            l1_ratio,
            f"0 with this solver. Solver {name} supports only 'l2' or None penalties, which are smooth; "
            "use solver='auto', 'proximal' or 'saga'",
        )
    made: Solver[Any, Any] | None = SOLVERS[name](l1_ratio > 0)
    return made


def penalty(estimator: Any) -> tuple[float, float]:
    """Return C and l1_ratio, from parameters that were looked at, and what scikit-learn still takes beside them.

    Raises
    ------
    SettingError
        Where an argument has no meaning here.
    """
    C, l1_ratio = max(float(estimator.C), LEAST_C), estimator.l1_ratio
    if l1_ratio is None:
        message = "'l1_ratio=None' was deprecated in version 1.8 of scikit-learn; use 0<=l1_ratio<=1 instead"
        warn(message, FutureWarning)
        if estimator.penalty == "elasticnet":
            raise SettingError("l1_ratio", None, "a number from 0 to 1, as penalty is 'elasticnet'")
        l1_ratio = 0.0
    if estimator.n_jobs is not None:
        warn(
            f"'n_jobs' has no effect since version 1.8 of scikit-learn. You provided 'n_jobs={estimator.n_jobs}', "
            "please leave it unspecified; n_threads sets the number of threads",
            FutureWarning,
        )
    if estimator.dual is not False:
        raise SettingError(
            "dual",
            estimator.dual,
            f"False. Solver {estimator.solver} supports only dual=False, got dual={estimator.dual}",
        )
    if estimator.intercept_scaling != 1:
        message = "'intercept_scaling' has no effect: the intercept is not penalised"
        warn(message, UserWarning)
    if isinstance(estimator.penalty, str) and estimator.penalty == "deprecated":
        return C, float(l1_ratio)
    return _from_penalty(estimator.penalty, C, float(l1_ratio))


def _from_penalty(name: Any, C: float, l1_ratio: float) -> tuple[float, float]:
    warn(
        "'penalty' was deprecated in version 1.8 of scikit-learn. Leave it to its default value and use l1_ratio=0 "
        "instead of penalty='l2', l1_ratio=1 instead of penalty='l1', l1_ratio between 0 and 1 instead of "
        "penalty='elasticnet', and C=np.inf instead of penalty=None",
        FutureWarning,
    )
    if name is None:
        if C != 1.0:
            message = "Setting penalty=None will ignore the C and l1_ratio parameters"
            warn(message, UserWarning)
        return math.inf, 0.0
    ratios = {"l1": 1.0, "l2": 0.0, "elasticnet": l1_ratio}
    if name not in ratios:
        raise SettingError("penalty", name, f"one of {list(ratios)} or None")
    if name != "elasticnet" and 0 < l1_ratio < 1:
        message = f"l1_ratio parameter is only used when penalty is 'elasticnet'. Got (penalty={name})"
        warn(message, UserWarning)
    elif l1_ratio != ratios[name]:
        message = f"Inconsistent values: penalty={name} with l1_ratio={l1_ratio}. Please use l1_ratio only."
        warn(message, UserWarning)
    return C, ratios[name]
