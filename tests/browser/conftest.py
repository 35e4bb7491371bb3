"""A real browser: Debian's Chromium, driven by Playwright. Tests skip where either is missing, and say so."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent
KEPT = ROOT / "build" / "browser"  # screenshots, for people to look at
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Start the browser."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("there is no chromium on this machine: apt-get install chromium")
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed: pip install playwright"
    )
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def axe() -> str:
    """Return axe-core's source, which npm brings."""
    KEPT.mkdir(parents=True, exist_ok=True)
    source = KEPT / "node_modules" / "axe-core" / "axe.min.js"
    if not source.exists():
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip("axe-core comes by npm, which is not on this machine")
        shutil.copy(Path(__file__).parent / "package.json", KEPT)
        call = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts"]
        done = subprocess.run(call, cwd=KEPT, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"npm could not install axe-core: {done.stderr[-200:]}")
    return source.read_text()
