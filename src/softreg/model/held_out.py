"""What held-out rows have told of a model, as sections of its file, and read from them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from softreg.decision import Scaling, SplitConformal
from softreg.errors import DataError, SoftregError
from softreg.model.model import Model, Section

__all__ = ["CALIBRATION", "CONFORMAL", "calibration", "conformal", "sections"]

CALIBRATION, CONFORMAL = "calibration", "conformal"
TENSORS: dict[type[Any], tuple[str, ...]] = {
    Scaling: ("scale", "bias"),
    SplitConformal: ("scores", "codes", "weights"),
}
OPTIONAL = {"weights"}

T = TypeVar("T")


def sections(model: Model) -> dict[str, Section]:
    """Return the sections that a model's file has of them."""
    found = {CALIBRATION: model.calibration, CONFORMAL: model.conformal}
    return {name: _section(value) for name, value in found.items() if value is not None}


def calibration(section: Section | None) -> Scaling | None:
    """Read a calibration; raise DataError where it is none."""
    return _read(Scaling, CALIBRATION, section)


def conformal(section: Section | None) -> SplitConformal | None:
    """Read settings and scores of prediction sets; raise DataError where they are none."""
    return _read(SplitConformal, CONFORMAL, section)


def _section(value: Any) -> Section:
    tensors = TENSORS[type(value)]
    plain = {f.name: getattr(value, f.name) for f in fields(value) if f.name not in tensors}
    return Section(
        {name: None if isinstance(v, float) and not math.isfinite(v) else v for name, v in plain.items()},
        {name: getattr(value, name) for name in tensors if getattr(value, name) is not None},
    )


def _read(kind: type[T], name: str, section: Section | None) -> T | None:
    if section is None:
        return None
    tensors, plain = TENSORS[kind], section.fields
    wanted = {f.name for f in fields(kind) if f.name not in tensors}  # type: ignore[arg-type]
    if (
        not isinstance(plain, Mapping)
        or set(plain) != wanted
        or set(section.tensors) | OPTIONAL != {*tensors, *OPTIONAL}
    ):
        raise DataError(f"{name} has not what it should have: {', '.join(sorted(wanted | set(tensors)))}")
    values = {key: math.nan if value is None else value for key, value in plain.items()}
    try:
        return kind(**values, **section.tensors)
    except (SoftregError, TypeError, ValueError) as problem:
        raise DataError(f"{name} is not whole ({problem})") from None
