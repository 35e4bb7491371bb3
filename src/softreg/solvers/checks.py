"""Numbers in settings: checked, and made Python's own, so that a file can keep them whatever type they came in."""

from __future__ import annotations

import numbers
import operator
from collections.abc import Iterable
from typing import Any

from softreg.errors import SettingError

__all__ = ["one_of", "real", "steps", "whole"]


def one_of(settings: Any, choices: Iterable[str], *names: str) -> None:
    """Raise SettingError unless these fields are among the choices."""
    choices = list(choices)
    for name in names:
        value = getattr(settings, name)
        if value not in choices:
            raise SettingError(name, value, f"one of {', '.join(map(repr, choices))}")


def whole(settings: Any, least: int, *names: str) -> None:
    """Make these fields of a frozen dataclass ints of at least `least`, or raise SettingError."""
    for name in names:
        object.__setattr__(settings, name, _whole(name, getattr(settings, name), least))


def steps(settings: Any, name: str) -> None:
    """Make this field of a frozen dataclass a tuple of steps, counted from 0, or raise SettingError."""
    value = getattr(settings, name)
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise SettingError(name, value, "a sequence of steps, such as (3, 10)")
    object.__setattr__(settings, name, tuple(_whole(name, step, 0) for step in value))


def real(settings: Any, *names: str) -> None:
    """Make these fields of a frozen dataclass floats, or raise SettingError."""
    for name in names:
        value = getattr(settings, name)
        if not isinstance(value, numbers.Real) or isinstance(value, bool):  # nor text that float() would read
            raise SettingError(name, value, "a number")
        try:
            object.__setattr__(settings, name, float(value))
        except OverflowError:
            raise SettingError(name, value, "a number within float64's range") from None


def _whole(name: str, value: object, least: int) -> int:
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise SettingError(name, value, "a whole number") from None
    if isinstance(value, bool):  # an index too, to Python
        raise SettingError(name, value, "a whole number")
    if number < least:
        raise SettingError(name, value, f"at least {least}")
    return number
