"""The softreg command in this process, for the tests that look at it from outside."""

from __future__ import annotations

from click.testing import CliRunner, Result

from softreg.cli import main


def run(*args: object, stdin: str | bytes | None = None) -> Result:
    return CliRunner().invoke(main, [str(arg) for arg in args], input=stdin)


def good(*args: object, stdin: str | bytes | None = None) -> Result:
    result = run(*args, stdin=stdin)
    assert result.exit_code == 0, result.output
    return result
