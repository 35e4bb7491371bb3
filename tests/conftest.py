"""Settings of all tests."""

import os

from hypothesis import HealthCheck, settings

# No deadlines: on a shared machine they tell of the neighbours. In CI the same examples each time; elsewhere new ones.
settings.register_profile(
    "softreg", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize="CI" in os.environ
)
settings.load_profile("softreg")
