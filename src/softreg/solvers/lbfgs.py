"""L-BFGS with a preconditioner for its first Hessian (Nocedal & Wright 2006, algorithm 7.4).

    direction = −H ∇f(theta),   H from the last m pairs (s, y) on H₀ = γ M⁻¹,   γ = sᵀy / yᵀM⁻¹y

M is the objective's own: for softmax regression weighted Gram matrices of some rows. It is coarse at first, where all
classes curve alike, and made anew once the solve is under way.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from softreg.errors import SettingError
from softreg.protocols import Point, PreconditionedObjective, Vector
from softreg.solvers.checks import whole

__all__ = ["LBFGS", "LBFGSState"]

SUFFICIENT = 1e-4  # share of the descent that the slope promises (Armijo)
MAX_TRIALS = 25
DOUBT = 32  # times the noise: a fall of less is not searched for
MAX_BLIND = 30  # steps whose fall is lost in the rounding of the values
CURVED = 1e-10  # a pair whose γ is below this is noise

Pair = tuple[Vector, Vector, float, float]  # s, y, sᵀy, yᵀM⁻¹y


@dataclass(frozen=True, eq=False)
class LBFGSState:
    """Theta, what is known there, and the curvature seen on the way."""

    theta: Vector
    point: Point
    solve: Callable[[Vector], Vector]  # v ↦ M⁻¹ v
    steps: int = 0
    passes: float = 1.0
    pairs: tuple[Pair, ...] = field(default=(), repr=False)
    blind: int = 0  # steps so far that no value could judge

    def newton(self, v: Vector) -> Vector:
        """Return H v, H what is known of the inverse Hessian."""
        return _two_loop(v, self.pairs, self.solve)

    @property
    def value(self) -> float:
        """Loss + penalty."""
        return self.point.value

    @property
    def loss(self) -> float:
        """Weighted mean cross-entropy."""
        return self.point.loss

    @property
    def accuracy(self) -> float:
        """On the training rows."""
        return self.point.accuracy


@dataclass(frozen=True)
class LBFGS:
    """Preconditioned L-BFGS: few passes over the data, each of all rows.

    Parameters
    ----------
    memory : int
        Pairs remembered: 2 · memory vectors of theta's size.
    refresh : sequence of int
        Steps before which the preconditioner is made anew.
    """

    default_steps: ClassVar[int] = 1000
    converges: ClassVar[bool] = True

    memory: int = 20
    refresh: tuple[int, ...] = (10,)

    def __post_init__(self) -> None:
        whole(self, 1, "memory")
        object.__setattr__(self, "refresh", tuple(self.refresh))
        if any(step < 0 for step in self.refresh):
            raise SettingError("refresh", self.refresh, "steps from 0")

    def init(self, objective: PreconditionedObjective, theta: Vector) -> LBFGSState:
        """Return the state before the first step: one pass."""
        return LBFGSState(theta, objective.evaluate(theta), objective.preconditioner(theta, coarse=True))

    def step(self, objective: PreconditionedObjective, state: LBFGSState) -> LBFGSState | None:
        """Return the state one step down, or None where no lower point can be told from this one."""
        solve, pairs = state.solve, state.pairs
        if state.steps in self.refresh:
            solve = objective.preconditioner(state.theta, coarse=False)
            if pairs:
                s, y, sy, _ = pairs[-1]  # of the others none is asked for γ again
                pairs = (*pairs[:-1], (s, y, sy, float(y @ solve(y))))
        noise = objective.precision * abs(state.value)  # a fall of less cannot be told from none
        direction = -_two_loop(state.point.grad, pairs, solve)
        blind = 0 < -float(direction @ state.point.grad) <= DOUBT * noise and state.blind < MAX_BLIND
        moved = (_whole if blind else _search)(objective, state, direction, noise)
        if moved is None and pairs:  # rounding has the better of the curvature: start again from M
            pairs, blind = (), False
            moved = _search(objective, state, -solve(state.point.grad), noise)
        if moved is None:
            return None
        theta, point, trials = moved
        s, y = theta - state.theta, point.grad - state.point.grad
        sy = float(s @ y)
        metric = float(y @ solve(y))
        if sy > CURVED * metric:  # in the metric of M⁻¹: a parameter's units make no difference
            pairs = (*pairs, (s, y, sy, metric))[-self.memory :]
        return LBFGSState(theta, point, solve, state.steps + 1, state.passes + trials, pairs, state.blind + blind)


def _two_loop(grad: Vector, pairs: tuple[Pair, ...], solve: Callable[[Vector], Vector]) -> Vector:
    q = grad.copy()
    shares = []
    for s, y, sy, _ in reversed(pairs):
        share = float(s @ q) / sy
        shares.append(share)
        q -= share * y
    r = solve(q)
    if pairs:
        r *= pairs[-1][2] / pairs[-1][3]  # γ
    for (s, y, sy, _), share in zip(pairs, reversed(shares), strict=True):
        r += (share - float(y @ r) / sy) * s
    return r


def _whole(
    objective: PreconditionedObjective, state: LBFGSState, direction: Vector, noise: float
) -> tuple[Vector, Point, int] | None:
    """Take the step without a search: values no longer tell a fall from none, gradients still do.

    The certificate is made of gradients. None where the value clearly rises.
    """
    theta = state.theta + direction
    point = objective.evaluate(theta)
    if point.value <= state.value + DOUBT * noise and np.isfinite(point.grad).all():  # false for nan
        return theta, point, 1
    return None


def _search(
    objective: PreconditionedObjective, state: LBFGSState, direction: Vector, noise: float
) -> tuple[Vector, Point, int] | None:
    """Shorten the step until the value falls as the slope promises, by the parabola through what is known.

    None where the fall that the slope promises is lost in the noise.
    """
    slope = float(direction @ state.point.grad)
    t = 1.0
    for trial in range(1, MAX_TRIALS + 1):
        if not -t * slope > noise:  # true for nan
            return None
        theta = state.theta + t * direction
        point = objective.evaluate(theta)
        if point.value <= state.value + SUFFICIENT * t * slope and np.isfinite(point.grad).all():  # false for nan
            return theta, point, trial
        excess = point.value - state.value - t * slope
        best = -slope * t * t / (2 * excess) if excess > 0 and math.isfinite(excess) else 0.0
        t = min(max(best, 0.1 * t), 0.5 * t)
    return None
