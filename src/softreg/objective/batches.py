"""Minibatch steps: in the kernel for them, or one evaluation at a time where it is not made for what they need."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from softreg.kernels import sgd
from softreg.protocols import Sweep, Vector

if TYPE_CHECKING:
    from softreg.objective.softmax import SoftmaxObjective

__all__ = ["sweep"]


def sweep(
    objective: SoftmaxObjective,
    theta: Vector,
    order: NDArray[np.int64],
    batch_size: int,
    learning_rate: float,
    momentum: float,
    velocity: Vector | None,
) -> Sweep:
    """Step theta, and the velocity, in place; see `softreg.protocols.StochasticObjective`."""
    mean_weight = objective.weight / objective.n_rows
    if objective.targets.hard:
        data = objective.data
        figures = sgd(
            replace(objective.kernel_rows, index=order if objective.rows is None else objective.rows[order]),
            *objective.split(theta),
            data.scale,
            data.shift,
            batch=batch_size,
            rate=learning_rate,
            mean_weight=mean_weight,
            l2=objective.l2,
            momentum=momentum,
            velocity=None if velocity is None else objective.split(velocity),
            intercept=objective.intercept,
        )
        if figures is not None:
            loss, n_correct, weight, penalty = figures
            return Sweep(theta, (loss + penalty) / weight, loss / weight, n_correct, weight, velocity)
    value = loss = n_correct = weight = 0.0
    for start in range(0, len(order), batch_size):
        point = objective.batch(order[start : start + batch_size], theta)
        if velocity is None:
            theta -= learning_rate * point.weight / (batch_size * mean_weight) * point.grad
        else:
            velocity *= momentum
            velocity += point.weight / (batch_size * mean_weight) * point.grad
            theta -= learning_rate * velocity
        value += point.weight * point.value
        loss += point.weight * point.loss
        n_correct += point.n_correct
        weight += point.weight
    return Sweep(theta, value / weight, loss / weight, n_correct, weight, velocity)
