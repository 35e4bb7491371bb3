"""Marks the tests of other projects that a module lists as FAILING: they must fail, and the reason is told."""

from __future__ import annotations

import re
import sys

import pytest


@pytest.fixture(autouse=True)
def _cuda_is_what_can_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have scikit-learn's tests skip CUDA where there is no device: they look at what PyTorch is built for."""
    torch = sys.modules.get("torch")
    if torch is not None and not torch.cuda.is_available():
        monkeypatch.setattr(torch.backends.cuda, "is_built", lambda: False)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Expect failures where a module's table says so."""
    for item in items:
        for pattern, reason in getattr(getattr(item, "module", None), "FAILING", {}).items():
            if re.fullmatch(pattern, item.name):
                item.add_marker(pytest.mark.xfail(reason=reason, strict=True))
                break
