"""Minibatch stochastic gradient descent, as the chapter does it; with momentum and a schedule where they are asked for.

    g = w_B / (batch_size · w̄) ∇f_B(theta)              for each batch B of a shuffled epoch
    velocity ← momentum · velocity + g                   0 before the first epoch, carried over the epochs
    theta ← theta − rate · velocity

f_B is the mean over the batch, w_B its weight and w̄ the mean weight of a row: with weights of 1, g is the batch's
summed gradient over batch_size, so the short last batch of an epoch counts for what it holds. Momentum is Polyak's
heavy ball (1964), with the rate outside the velocity, as libraries for deep learning have it: a change of the rate acts
on the whole step at once. Where the gradient is steady the steps become 1 / (1 − momentum) times as long.

The rate of epoch e = 0, 1, … over a period of T epochs, times `learning_rate`:

    constant    1
    cosine      (1 + cos(π (e mod T) / T)) / 2           Loshchilov & Hutter 2017, eq. 5, with their warm restarts
    inverse     1 / (1 + e / T)                          Robbins & Monro 1951: Σ rate = ∞, Σ rate² < ∞
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from softreg.errors import SettingError
from softreg.protocols import StochasticObjective, Vector
from softreg.solvers.checks import one_of, real, whole

__all__ = ["SCHEDULES", "SGD", "SGDState"]

# name → the factor of the learning rate in epoch e = 0, 1, …, over a period of T epochs
SCHEDULES: dict[str, Callable[[int, int], float]] = {
    "constant": lambda e, T: 1.0,
    "cosine": lambda e, T: (1 + math.cos(math.pi * (e % T) / T)) / 2,
    "inverse": lambda e, T: 1 / (1 + e / T),
}


@dataclass(frozen=True, eq=False)
class SGDState:
    """After `epoch` epochs. The figures are running ones: each batch is measured before the step that it causes."""

    theta: Vector
    epoch: int = 0
    value: float = math.nan
    loss: float = math.nan
    accuracy: float = math.nan
    velocity: Vector | None = field(default=None, repr=False)  # None without momentum
    grad_norm: ClassVar[float] = math.nan  # no gradient of all rows is ever made

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
    momentum : float
        At least 0, below 1. With 0.9 a learning rate a tenth as large goes about as far.
    schedule : {"constant", "cosine", "inverse"}
        How the learning rate falls from epoch to epoch: not at all, to 0 along a cosine, or as
        1 / (1 + epoch / period).
    period : int, optional
        Epochs of a fall by cosine, from which it starts again; epochs after which the inverse is a half. As a rule, as
        many as the fit has. The constant schedule has none.

    Examples
    --------
    >>> solver = SGD(learning_rate=0.1, schedule="cosine", period=4)
    >>> [round(solver.rate(epoch), 4) for epoch in (1, 2, 3, 4)]
    [0.1, 0.0854, 0.05, 0.0146]
    """

    default_steps: ClassVar[int] = 5
    converges: ClassVar[bool] = False

    learning_rate: float = 0.1
    batch_size: int = 256
    seed: int = 0
    momentum: float = 0.0
    schedule: str = "constant"
    period: int | None = None

    def __post_init__(self) -> None:
        real(self, "learning_rate", "momentum")
        whole(self, 1, "batch_size")
        whole(self, 0, "seed")
        one_of(self, SCHEDULES, "schedule")
        if not (self.learning_rate > 0 and math.isfinite(self.learning_rate)):
            raise SettingError("learning_rate", self.learning_rate, "a positive number")
        if not 0 <= self.momentum < 1:
            raise SettingError("momentum", self.momentum, "a number from 0 to below 1")
        if self.schedule != "constant":
            if self.period is None:
                raise SettingError(
                    "period", None, f"the epochs of the {self.schedule} schedule, as many as the fit has"
                )
            whole(self, 1, "period")
        elif self.period is not None:
            raise SettingError("period", self.period, "None with a constant learning rate")

    def rate(self, epoch: int) -> float:
        """Learning rate of an epoch, counted from 1."""
        return self.learning_rate * SCHEDULES[self.schedule](epoch - 1, self.period or 1)

    def init(self, objective: StochasticObjective, theta: Vector) -> SGDState:
        """Return the state before the first epoch."""
        return SGDState(theta, velocity=np.zeros_like(theta) if self.momentum else None)

    def step(self, objective: StochasticObjective, state: SGDState) -> SGDState:
        """Run one epoch."""
        epoch = state.epoch + 1
        order = np.random.default_rng((self.seed, epoch)).permutation(objective.n_rows)
        sweep = objective.sweep(state.theta, order, self.batch_size, self.rate(epoch), self.momentum, state.velocity)
        accuracy = sweep.n_correct / sweep.weight
        return SGDState(sweep.theta, epoch, sweep.value, sweep.loss, accuracy, sweep.velocity)

    def resume(self, objective: StochasticObjective, state: SGDState) -> SGDState:
        """Return the state itself: it holds nothing of the objective's."""
        return state
