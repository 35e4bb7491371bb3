"""L-BFGS with a preconditioner for its first Hessian (Nocedal & Wright 2006, algorithm 7.4).

    direction = −H ∇f(theta),   H from the last m pairs (s, y) on H₀ = γ M⁻¹,   γ = sᵀy / yᵀM⁻¹y

M is the objective's own: for softmax regression weighted Gram matrices of some rows. It is coarse at first, where all
classes curve alike, and made anew once the solve is under way.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import ClassVar

from softreg.protocols import PreconditionedObjective, Preconditioner, Vector
from softreg.solvers.checks import steps, whole
from softreg.solvers.search import Blind, backtrack
from softreg.solvers.state import PointState
from softreg.solvers.trail import Trail

__all__ = ["LBFGS", "LBFGSState"]

CURVED = 1e-10  # a pair whose γ is below this is noise

MIN_MEMORY, HISTORY_BYTES = 3, 1 << 30  # with very many parameters, fewer pairs are remembered

Pair = tuple[Vector, Vector, float, float]  # s, y, sᵀy, yᵀM⁻¹y


@dataclass(frozen=True, eq=False)
class LBFGSState(PointState):
    """Theta, what is known there, and the curvature seen on the way."""

    solve: Preconditioner
    steps: int = 0
    passes: float = 1.0
    pairs: tuple[Pair, ...] = field(default=(), repr=False)
    blind: Blind = field(default_factory=Blind)
    follows: bool = False  # other solves: the preconditioner was never a coarse one

    def newton(self, v: Vector) -> Vector:
        """Return H v, H what is known of the inverse Hessian."""
        return _two_loop(v, self.pairs, self.solve)

    @property
    def grad_norm(self) -> float:
        """Euclidean norm of the gradient."""
        return self.point.grad_norm


@dataclass(frozen=True)
class LBFGS:
    """Preconditioned L-BFGS: few passes over the data, each of all rows.

    Parameters
    ----------
    memory : int
        Pairs remembered: 2 · memory vectors of theta's size, fewer where they would pass 1 GiB.
    refresh : sequence of int
        Steps before which the preconditioner is made anew.
    """

    default_steps: ClassVar[int] = 1000
    converges: ClassVar[bool] = True

    memory: int = 30
    refresh: tuple[int, ...] = (3, 10, 40)

    def __post_init__(self) -> None:
        whole(self, 1, "memory")
        steps(self, "refresh")

    def init(self, objective: PreconditionedObjective, theta: Vector) -> LBFGSState:
        """Return the state before the first step: one pass."""
        return LBFGSState(theta, objective.evaluate(theta), objective.preconditioner(theta, coarse=True))

    def follow(self, objective: PreconditionedObjective, trail: Trail) -> LBFGSState:
        """Return the state before the first step from where others led: what they saw of the curvature is kept."""
        last: LBFGSState = trail.state
        seen = [(s, objective.secant(s, y, trail.objective), metric) for s, y, _, metric in last.pairs]
        pairs = tuple((s, y, float(s @ y), metric) for s, y, metric in seen)
        pairs = _measured(tuple(pair for pair in pairs if _curved(*pair[2:])), last.solve)
        point = objective.evaluate(trail.theta)
        return LBFGSState(trail.theta, point, last.solve, passes=1 + trail.passes, pairs=pairs, follows=True)

    def resume(self, objective: PreconditionedObjective, state: LBFGSState) -> LBFGSState:
        """Return the same state on an objective that is the same but for its rounding: one pass."""
        return replace(state, point=objective.evaluate(state.theta), passes=state.passes + 1)

    def step(self, objective: PreconditionedObjective, state: LBFGSState) -> LBFGSState | None:
        """Return the state one step down, or None where no lower point can be told from this one."""
        solve, pairs, at = state.solve, state.pairs, (state.theta, state.point)
        if state.steps in self.refresh[state.follows :]:
            solve.let_go()  # two at a time would take most of a fit's memory
            solve = objective.preconditioner(state.theta, coarse=False)
            pairs = _measured(pairs, solve)
        found = backtrack(objective, *at, -_two_loop(state.point.grad, pairs, solve), objective.precision)
        if found is None and pairs:  # rounding has the better of the curvature: start again from M
            pairs = ()
            found = backtrack(objective, *at, -solve(state.point.grad), objective.precision)
        if found is None:
            return None
        theta, point, _, trials, _ = found
        blind = state.blind.after(found, float(point.grad @ solve(point.grad)) if found.blind else math.inf)
        if blind.stalled:
            return None
        s, y = theta - state.theta, point.grad - state.point.grad
        sy, metric = float(s @ y), float(y @ solve(y))
        if _curved(sy, metric):
            memory = min(self.memory, max(MIN_MEMORY, HISTORY_BYTES // (16 * len(theta))))
            pairs = (*pairs, (s, y, sy, metric))[-memory:]
        return LBFGSState(theta, point, solve, state.steps + 1, state.passes + trials, pairs, blind, state.follows)


def _curved(sy: float, metric: float) -> bool:
    """Whether a pair is more than noise, in the metric of M⁻¹: a parameter's units make no difference."""
    return 0 < CURVED * metric < sy


def _measured(pairs: tuple[Pair, ...], solve: Callable[[Vector], Vector]) -> tuple[Pair, ...]:
    """Return the pairs with the last one's yᵀM⁻¹y by this solve: of the others none is asked for γ again."""
    if not pairs:
        return ()
    s, y, sy, _ = pairs[-1]
    metric = float(y @ solve(y))
    return (*pairs[:-1], (s, y, sy, metric)) if metric > 0 else ()


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
