"""Minibatch stochastic gradient descent, as the chapter does it.

    theta ← theta − learning_rate · (w_B / (batch_size · w̄)) ∇f_B(theta)      for each batch B of a shuffled epoch

f_B is the mean over the batch, w_B its weight and w̄ the mean weight of a row: with weights of 1 that is the batch's
summed gradient over batch_size, so the short last batch of an epoch counts for what it holds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from softreg.errors import SettingError
from softreg.protocols import StochasticObjective, Vector
from softreg.solvers.checks import real, whole

__all__ = ["SGD", "SGDState"]


@dataclass(frozen=True, eq=False)
class SGDState:
    """After `epoch` epochs. The figures are running ones: each batch is measured before the step that it causes."""

    theta: Vector
    epoch: int = 0
    value: float = math.nan
    loss: float = math.nan
    accuracy: float = math.nan

    @property
    def passes(self) -> float:
        """Passes over the data."""
        return float(self.epoch)


@dataclass(frozen=True)
class SGD:
    """Minibatch SGD; a step is one epoch. Each epoch's order comes from (seed, epoch).

    Parameters
    ----------
    learning_rate : float
        Positive and finite.
    batch_size : int
        At least 1.
    seed : int
        Not negative.
    """

    default_steps: ClassVar[int] = 5
    converges: ClassVar[bool] = False

    learning_rate: float = 0.1
    batch_size: int = 256
    seed: int = 0

    def __post_init__(self) -> None:
        real(self, "learning_rate")
        whole(self, 1, "batch_size")
        whole(self, 0, "seed")
        if not (self.learning_rate > 0 and math.isfinite(self.learning_rate)):
            raise SettingError("learning_rate", self.learning_rate, "a positive number")

    def init(self, objective: StochasticObjective, theta: Vector) -> SGDState:
        """Return the state before the first epoch."""
        return SGDState(theta)

    def step(self, objective: StochasticObjective, state: SGDState) -> SGDState:
        """Run one epoch."""
        epoch = state.epoch + 1
        order = np.random.default_rng((self.seed, epoch)).permutation(objective.n_rows)
        sweep = objective.sweep(state.theta, order, self.batch_size, self.learning_rate)
        return SGDState(sweep.theta, epoch, sweep.value, sweep.loss, sweep.n_correct / sweep.weight)

    def resume(self, objective: StochasticObjective, state: SGDState) -> SGDState:
        """Return the state itself: it holds nothing of the objective's."""
        return state
