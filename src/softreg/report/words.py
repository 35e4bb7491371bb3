"""Numbers as people read them."""

from __future__ import annotations

import math

__all__ = ["duration", "interval", "number", "percent", "plural", "whole"]

NOTHING = "–"
NARROW = "\u202f"  # a narrow space that does not break


def number(value: float | None, digits: int = 4) -> str:
    """Return so many significant digits.

    >>> number(0.48533), number(-12345.6), number(None), number(0.000012345)
    ('0.4853', '−12,346', '–', '1.234e-05')
    """
    if value is None or math.isnan(value):
        return NOTHING
    if value < 0:
        return f"−{number(-value, digits)}"
    if value and (value >= 1e7 or value < 1e-4):
        return f"{value:.{digits - 1}e}"
    if value >= 10 ** (digits - 1):
        return f"{value:,.0f}"
    return f"{value:.{digits}g}" if value >= 1 else f"{value:.{digits}f}"


def percent(value: float | None, places: int = 1) -> str:
    """Return a share in per cent.

    >>> percent(0.8263) == "82.6\u202f%", percent(float("nan"))
    (True, '–')
    """
    return NOTHING if value is None or math.isnan(value) else f"{100 * value:.{places}f}{NARROW}%"


def interval(low: float, high: float, share: bool = False, bare: bool = False) -> str:
    """Return an interval, empty where there is none; of a share in per cent, which a bare one does not say.

    >>> interval(0.81, 0.83), interval(float("nan"), 1.0)
    ('0.8100 – 0.8300', '')
    """
    if not (math.isfinite(low) and math.isfinite(high)):
        return ""
    if bare:
        return f"{100 * low:.1f}–{100 * high:.1f}"
    if share:
        return f"{100 * low:.1f} – {100 * high:.1f}{NARROW}%"
    return f"{number(low)} to {number(high)}" if low < 0 else f"{number(low)} – {number(high)}"


def whole(value: float) -> str:
    """Return a count, or a sum of weights.

    >>> whole(12345), whole(2.5)
    ('12,345', '2.5')
    """
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.4g}"


def plural(n: int, one: str, more: str | None = None) -> str:
    """Return a count with its noun.

    >>> plural(1, "row"), plural(1200, "row"), plural(2, "class", "classes")
    ('1 row', '1,200 rows', '2 classes')
    """
    return f"{n:,} {one if n == 1 else more or one + 's'}"


def duration(seconds: float) -> str:
    """Return a time.

    >>> duration(0.2134), duration(75), duration(8000)
    ('0.21 s', '75 s', '2 h 13 min')
    """
    if seconds < 10:
        return f"{seconds:.2g} s"
    if seconds < 600:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
