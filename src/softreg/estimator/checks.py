"""What an estimator's parameters may be: a table that is looked up before a fit, whether or not the fit needs them."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable
from typing import Any

import numpy as np

from softreg.errors import SettingError

__all__ = ["check"]

Allowed = tuple[Callable[[Any], bool], str]  # whether a value is, and what that is called


def _truth(value: Any) -> bool:
    """Whether the value is True or False, of Python's or of NumPy's; whatever else has a truth of its own is not."""
    return isinstance(value, (bool, np.bool_))


def _number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not _truth(value)


def _is_whole(value: Any, least: int) -> bool:
    return isinstance(value, numbers.Integral) and not _truth(value) and int(value) >= least


def _whole(least: int) -> Allowed:
    return lambda v: _is_whole(v, least), f"a whole number, at least {least}"


def _word(*words: str) -> Allowed:
    return lambda v: isinstance(v, str) and v in words, f"one of {list(words)}"


def _random(value: Any) -> bool:
    return value is None or value is np.random or isinstance(value, np.random.RandomState) or _is_whole(value, 0)


TRUTH: Allowed = _truth, "True or False"
ALLOWED: dict[str, Allowed] = {
    "C": (lambda v: _number(v) and v > 0, "a number above 0, or inf for no penalty"),
    "l1_ratio": (lambda v: v is None or (_number(v) and 0 <= v <= 1), "a number from 0 to 1"),  # None: of old
    "fit_intercept": TRUTH,
    "warm_start": TRUTH,
    "standardize": TRUTH,
    "early_stopping": TRUTH,
    "refit": TRUTH,
    "abandon": TRUTH,
    "use_legacy_attributes": TRUTH,
    "missing": _word("error", "mean", "zero"),
    "rule": _word("best", "one_standard_error"),
    "verbose": (lambda v: _truth(v) or _is_whole(v, 0), "a whole number, at least 0"),
    "max_iter": _whole(0),
    "n_iter_no_change": _whole(1),
    "batch_size": _whole(1),
    "n_threads": (lambda v: v is None or _is_whole(v, 1), "a whole number, at least 1, or None for the CPUs there are"),
    "random_state": (_random, "None, a whole number, at least 0, or a numpy.random.RandomState"),
    "validation_fraction": (lambda v: _number(v) and 0 < v < 1, "a number above 0 and below 1"),
    "learning_rate": (
        lambda v: v == "auto" if isinstance(v, str) else _number(v) and 0 < v < math.inf,
        "a positive number, or 'auto'",
    ),
    "momentum": (lambda v: _number(v) and 0 <= v < 1, "a number from 0 to below 1"),
}


def check(estimator: Any) -> None:
    """Look at those of the estimator's parameters that are in the table.

    Raises
    ------
    SettingError
        Where one of them has no meaning.
    """
    for name, value in estimator.get_params(deep=False).items():
        if name in ALLOWED:
            allowed, want = ALLOWED[name]
            if not allowed(value):
                raise SettingError(name, value, want)
