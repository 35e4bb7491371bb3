"""Settings of all tests, and the instruction sets that kernels are tested on."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

os.environ.setdefault("SCIPY_ARRAY_API", "1")  # before SciPy is imported: arrays of all namespaces

import drivers

# No deadlines: on a shared machine they tell of the neighbours. In CI the same examples each time; elsewhere new ones.
settings.register_profile(
    "softreg", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize="CI" in os.environ
)
settings.load_profile("softreg")


@pytest.fixture(scope="session")
def sanitised(tmp_path_factory: pytest.TempPathFactory) -> Iterator[drivers.Driver]:
    """Return this processor's baseline, watched for undefined behaviour."""
    with drivers.driver("sanitised", tmp_path_factory.mktemp("driver")) as driver:
        yield driver


@pytest.fixture(scope="session")
def arm64(tmp_path_factory: pytest.TempPathFactory) -> Iterator[drivers.Driver]:
    """Return arm64's kernels, emulated."""
    with drivers.driver("arm64", tmp_path_factory.mktemp("driver")) as driver:
        yield driver


@pytest.fixture(params=drivers.INSTRUCTION_SETS)
def instruction_set(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run a test once on each instruction set; the drivers' are slow."""
    with drivers.chosen(request):
        yield request.param
