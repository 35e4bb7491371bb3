"""Softmax regression from scratch: definitions a learner can read, beside an engine for the same mathematics."""

from importlib.metadata import version as _version

from softreg.data import Dataset
from softreg.functional import cross_entropy, log_softmax, logsumexp, softmax
from softreg.model import EarlyStopping, Model, Score, Settings, fit
from softreg.solvers import LBFGS, SGD, Newton, Proximal, Solution, Status

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
    "Solution",
    "Status",
    "cross_entropy",
    "fit",
    "log_softmax",
    "logsumexp",
    "softmax",
]
