"""The JSON schema of a report's figures."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

__all__ = ["schema"]


def schema() -> dict[str, Any]:
    """Return the schema (JSON Schema 2020-12) of what `Report.to_json` writes; docs/report.schema.json is the same.

    Examples
    --------
    >>> schema()["title"]
    'A report on a softmax regression'
    """
    found: dict[str, Any] = json.loads(files("softreg.report").joinpath("schema.json").read_text("utf-8"))
    return found
