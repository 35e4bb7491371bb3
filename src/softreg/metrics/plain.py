"""Results as for JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

__all__ = ["plain", "printable", "shown"]


def plain(value: Any) -> Any:
    """Return dicts, lists, numbers and text, None for nan and infinity; of what has an `as_dict`, that.

    Examples
    --------
    >>> plain({"count": np.int64(2), "shares": np.array([1.0, np.nan])})
    {'count': 2, 'shares': [1.0, None]}
    """
    if hasattr(value, "as_dict"):
        return value.as_dict()
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, np.ndarray | tuple | list):
        return [plain(one) for one in (value.tolist() if isinstance(value, np.ndarray) else value)]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def printable(label: Any) -> str:
    r"""Return a label as text on one line: spaces for what moves a line or a cursor.

    Examples
    --------
    >>> printable("a\nb")
    'a b'
    """
    return "".join(c if c.isprintable() else " " for c in str(label))


def shown(value: float) -> str:
    """Return a number with four decimals, or three digits where those say nothing.

    Examples
    --------
    >>> shown(0.25), shown(0.0), shown(5.556e-06), shown(123456.789)
    ('0.2500', '0.0000', '5.56e-06', '123456.7890')
    """
    return f"{value:.4f}" if value == 0 or abs(value) >= 5e-5 else f"{value:.3g}"
