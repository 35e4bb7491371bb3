"""Options as they are named, and whether one was given."""

from __future__ import annotations

import click
from click.core import ParameterSource

__all__ = ["flag", "given"]


def flag(option: str) -> str:
    """Return an option as the user types it.

    >>> flag("test_share")
    '--test-share'
    """
    return f"--{option.replace('_', '-')}"


def given(ctx: click.Context, option: str) -> bool:
    """Whether the user gave it, be it with its default."""
    return ctx.get_parameter_source(option) is not ParameterSource.DEFAULT
