"""Softmax regression from scratch: definitions a learner can read, beside an engine for the same mathematics."""

from importlib.metadata import version as _version
from typing import TYPE_CHECKING as _TYPE_CHECKING

from softreg.data import Dataset
from softreg.functional import cross_entropy, log_softmax, logsumexp, softmax
from softreg.model import EarlyStopping, Model, Score, Settings, fit
from softreg.solvers import LBFGS, SGD, Newton, Proximal, Solution, Status

if _TYPE_CHECKING:
    from softreg.estimator import SoftmaxRegression, SoftmaxRegressionCV

__version__ = _version("softreg")

__all__ = [
    "LBFGS",
    "SGD",
    "Dataset",
    "EarlyStopping",
    "Model",
    "Newton",
    "Proximal",
    "Score",
    "Settings",
    "SoftmaxRegression",
    "SoftmaxRegressionCV",
    "Solution",
    "Status",
    "cross_entropy",
    "fit",
    "log_softmax",
    "logsumexp",
    "softmax",
]

_ESTIMATORS = (
    "SoftmaxRegression",
    "SoftmaxRegressionCV",
)  # which import scikit-learn, a second's work: only where they are asked for


def __getattr__(name: str) -> object:
    if name in _ESTIMATORS:
        from softreg import estimator

        return getattr(estimator, name)
    raise AttributeError(f"module 'softreg' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
