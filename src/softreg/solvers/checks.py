"""Numbers in settings: checked, and made Python's own, so that a file can keep them whatever type they came in."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Any

from softreg.errors import SettingError

__all__ = ["one_of", "real", "whole"]


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
        value = getattr(settings, name)
        try:
            number = operator.index(value)
        except TypeError:
            raise SettingError(name, value, "a whole number") from None
        if number < least:
            raise SettingError(name, value, f"at least {least}")
        object.__setattr__(settings, name, number)


def real(settings: Any, *names: str) -> None:
    """Make these fields of a frozen dataclass floats, or raise SettingError."""
    for name in names:
        value = getattr(settings, name)
        try:
            object.__setattr__(settings, name, float(value))
        except (TypeError, ValueError):
            raise SettingError(name, value, "a number") from None
