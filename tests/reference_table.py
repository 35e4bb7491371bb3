"""The chapter's own code on MXNet 1.9.1 over Zalando's files, 20 seeds: what training here must reproduce.

Batch 256, learning rate 0.1, W ~ N(0, 0.01²), b = 0; loss and training accuracy are running figures over the epoch.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# epoch → mean of loss, training accuracy, test accuracy
MEAN = np.array(
    [
        [0.7863, 0.7487, 0.7915],
        [0.5709, 0.8128, 0.8103],
        [0.5254, 0.8255, 0.8185],
        [0.5012, 0.8322, 0.8223],
        [0.4855, 0.8367, 0.8261],
    ]
)
DEVIATION = np.array(
    [
        [0.0015, 0.0013, 0.0028],
        [0.0006, 0.0005, 0.0024],
        [0.0006, 0.0006, 0.0016],
        [0.0006, 0.0005, 0.0035],
        [0.0006, 0.0006, 0.0019],
    ]
)
SEEDS = 20
LAST_DIGIT = 1e-4


def deviations(figures: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how far one run's figures (5, 3) are from the mean, in standard deviations of a run."""
    difference: NDArray[np.float64] = (figures - MEAN) / DEVIATION
    return difference


def allowance() -> NDArray[np.float64]:
    """Return how far the mean over as many seeds may be: four deviations of a difference of means, and the rounding."""
    allowed: NDArray[np.float64] = 4 * np.sqrt(2 / SEEDS) * DEVIATION + LAST_DIGIT / 2
    return allowed
