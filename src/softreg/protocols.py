"""The contracts between objectives and solvers.

A solver sees the parameters as one flat vector theta of float64; only the objective knows that it is [W; b].
Each protocol adds one ability: ask for the least.
"""

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "BoundedObjective",
    "CompositeObjective",
    "Curvature",
    "CurvedObjective",
    "Facet",
    "Gap",
    "HessianObjective",
    "Matrix",
    "Objective",
    "Penalty",
    "Point",
    "PreconditionedObjective",
    "Preconditioner",
    "Separated",
    "Separation",
    "StochasticObjective",
    "Sweep",
    "Vector",
]

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Point:
    """What one pass over the data tells about theta."""

    value: float  # loss + penalty
    loss: float  # weighted mean cross-entropy
    grad: Vector  # of value
    n_correct: float  # weighted
    weight: float  # Σ w over the rows of the pass

    @property
    def accuracy(self) -> float:
        """Weighted share of rows whose largest logit is the label's; nan without rows."""
        return self.n_correct / self.weight if self.weight > 0 else float("nan")

    @property
    def grad_norm(self) -> float:
        """Euclidean norm of the gradient."""
        return float(np.sqrt(self.grad @ self.grad))


@dataclass(frozen=True)
class Gap:
    """An upper bound on value − optimum, and what it cost."""

    bound: float  # inf where nothing is known
    passes: float = 0.0  # over the data


class Separated(enum.Enum):
    """How classes are separated; the value says what it means."""

    COMPLETE = "every row can be on its class's side of all boundaries at once"
    QUASI = "no row need be on the wrong side of a boundary, but some can only lie on it"
    SUSPECTED = "it looks like one of the others, without a proof"


@dataclass(frozen=True, eq=False)
class Separation:
    """That the loss has no minimum, and why. Its `str` is the sentence for a person, with the classes."""

    kind: Separated
    direction: Matrix  # (d + 1, K), [W; b], the largest entry 1: along it the loss falls for ever
    apart: NDArray[np.bool_]  # (K, K): the pairs of classes that it tells apart
    sentence: str

    def __str__(self) -> str:
        return self.sentence


class Objective(Protocol):
    """A function of theta that can be evaluated with its gradient."""

    @property
    def size(self) -> int:
        """Length of theta."""
        ...

    def evaluate(self, theta: Vector) -> Point:
        """Value, loss, gradient and running counts, in one pass over the data."""
        ...


@dataclass(frozen=True, eq=False)
class Sweep:
    """Where minibatch steps led, and running figures: each batch is measured before the step that it causes."""

    theta: Vector
    value: float
    loss: float
    n_correct: float  # weighted
    weight: float
    velocity: Vector | None = None  # where momentum led


class StochasticObjective(Objective, Protocol):
    """An objective that is a mean over rows and can be descended by batches of them."""

    @property
    def n_rows(self) -> int:
        """Rows of the data."""
        ...

    def sweep(
        self,
        theta: Vector,
        order: NDArray[np.int64],
        batch_size: int,
        learning_rate: float,
        momentum: float = 0.0,
        velocity: Vector | None = None,
    ) -> Sweep:
        """Go through the rows in this order, a step for each batch.

        theta ← theta − learning_rate · g, g = w_B / (batch_size · w̄) ∇f_B(theta), w_B the weight of the batch, w̄ the
        mean weight of a row. From a velocity on, velocity ← momentum · velocity + g takes the place of g.
        """
        ...


class Preconditioner(Protocol):
    """v ↦ M⁻¹ v, M positive definite and like the Hessian at some point. A value, though what it is made of may go."""

    def __call__(self, v: Vector) -> Vector:
        """Return M⁻¹ v."""
        ...

    def let_go(self) -> None:
        """Free the memory it takes; asked for a product after all, it is made again, to the bit."""
        ...


class PreconditionedObjective(Objective, Protocol):
    """An objective that knows roughly how it curves, and how finely it tells one value from another."""

    @property
    def precision(self) -> float:
        """Relative rounding of a value."""
        ...

    def preconditioner(self, theta: Vector, *, coarse: bool) -> Preconditioner:
        """Return that of theta; a coarse one costs less."""
        ...

    def secant(self, s: Vector, y: Vector, before: Any) -> Vector:
        """Return the difference of gradients along s, where it was y in `before`: one with another smooth penalty."""
        ...


@dataclass(frozen=True)
class Curvature:
    """The Hessian at a point, or that of some of the rows there, as a product; and what it costs in passes."""

    product: Callable[[Vector], Vector]  # (size,) ↦ (size,), or (size, m) ↦ (size, m)
    passes: float  # to make it
    passes_each: float  # for the product with each vector


class CurvedObjective(PreconditionedObjective, Protocol):
    """An objective that can be multiplied by its Hessian."""

    def curvature(self, theta: Vector, share: float = 1.0) -> Curvature:
        """Return the Hessian at theta, of the data or as estimated from a share of them."""
        ...


class HessianObjective(CurvedObjective, Protocol):
    """An objective small enough for its Hessian to be written down."""

    @property
    def hessian_passes(self) -> float:
        """What writing it down and solving with it cost, in passes over the data."""
        ...

    @property
    def flat(self) -> Vector | None:
        """A direction in which it never changes, where there is one."""
        ...

    def hessian(self, theta: Vector) -> Matrix:
        """Return the Hessian at theta, (size, size)."""
        ...


@dataclass(frozen=True)
class Facet:
    """The Hessian of m coordinates of theta, as a part of the data tells it; and what it costs in passes."""

    product: Callable[[Vector], Vector]  # (m,) ↦ (m,)
    solver: Callable[[NDArray[np.bool_]], Callable[[Vector], Vector]]  # which are free ↦ v ↦ M⁻¹ v, 0 on the others
    diagonal: Vector
    passes: float  # to make it
    passes_each: float  # for the product with each vector


class Penalty(Protocol):
    """A weighted sum of absolute values: Σ_j weights_j |theta_j|."""

    @property
    def weights(self) -> Vector:
        """What each |theta_j| costs, (size,); 0 for one that is not penalised."""
        ...

    def value(self, theta: Vector) -> float:
        """Return the penalty at theta."""
        ...


class CompositeObjective(Objective, Protocol):
    """A smooth function plus a penalty that is not; a `Point` has the sum's value, the smooth one's gradient."""

    @property
    def penalty(self) -> Penalty:
        """What is not smooth in it."""
        ...

    @property
    def precision(self) -> float:
        """Relative rounding of a value."""
        ...

    def facet(self, theta: Vector, index: NDArray[np.int64]) -> Facet:
        """Return the smooth part's Hessian at theta, of the coordinates in index."""
        ...


class BoundedObjective(Objective, Protocol):
    """An objective that can say how far from its optimum a point is at most."""

    def gap(self, theta: Vector, point: Point, wanted: float, solve: Callable[[Vector], Vector]) -> Gap:
        """Bound value − optimum at theta, where `point` was evaluated; work for it only if `wanted` may be reached.

        `solve` is what the solver knows of the inverse Hessian there.
        """
        ...
