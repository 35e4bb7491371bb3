"""Settings: what a fit is asked to do."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

from softreg.errors import SettingError
from softreg.solvers import SGD, SOLVERS, Proximal, Solver
from softreg.solvers.checks import real, whole

__all__ = ["AUTO", "Settings"]

AUTO = "auto"


@dataclass(frozen=True)
class Settings:
    """What a fit is asked to do. The defaults are the chapter's.

    Parameters
    ----------
    solver
        How to go downhill: a solver, its name in softreg.solvers.SOLVERS, or "auto", which chooses one by the problem;
        `Solution.chosen` says which and why.
    max_steps : int, optional
        Steps of the solver, by default its own number; for SGD, epochs.
    C : float
        Inverse strength of the penalty 1/(C Σw) [(1 − l1_ratio)/2 ‖W‖² + l1_ratio ‖W‖₁], as in scikit-learn; inf for
        none.
    l1_ratio : float
        0 for L2 alone, 1 for L1 alone, between them an elastic net; above 0 the solver is Proximal() or "auto".
    label_smoothing : float
        ε from 0 to 1: what a row's probabilities should be is (1 − ε) times its label or targets, and ε/K beside; the
        loss that is minimised and reported is the cross-entropy with that. A score of validation data has none of it.
    tol : float
        Relative gap to the optimum that ends a converging solver, once it is certified.
    fit_intercept : bool
        Whether there is a bias b for each class; else it is 0.
    init_std : float
        W starts from normal noise of this deviation, b from 0. A solver that converges starts from 0: where it ends
        does not depend on it.
    seed : int
        Of that noise. (The order of the batches is the solver's own seed.)
    """

    solver: Solver[Any, Any] | str = field(default_factory=SGD)
    max_steps: int | None = None
    C: float = math.inf
    l1_ratio: float = 0.0
    label_smoothing: float = 0.0
    tol: float = 1e-4
    fit_intercept: bool = True
    init_std: float = 0.01
    seed: int = 0

    def __post_init__(self) -> None:
        if isinstance(self.solver, str) and self.solver != AUTO:
            if self.solver not in SOLVERS:
                raise SettingError("solver", self.solver, f"a solver, such as SGD(), or one of {AUTO, *SOLVERS}")
            object.__setattr__(self, "solver", SOLVERS[self.solver]())
        if not isinstance(self.solver, str):
            if isinstance(self.solver, type) or not hasattr(self.solver, "default_steps"):
                raise SettingError("solver", self.solver, "a solver, such as SGD()")
            if self.max_steps is None:
                object.__setattr__(self, "max_steps", self.solver.default_steps)
        if self.max_steps is not None:
            whole(self, 0, "max_steps")
        whole(self, 0, "seed")
        real(self, "C", "l1_ratio", "label_smoothing", "init_std", "tol")
        if not (self.tol >= 0 and math.isfinite(self.tol)):
            raise SettingError("tol", self.tol, "a finite number, at least 0")
        if not self.C > 0:
            raise SettingError("C", self.C, "a positive number, or inf for no penalty")
        if not 0 <= self.l1_ratio <= 1:
            raise SettingError("l1_ratio", self.l1_ratio, "a number from 0 to 1")
        if not 0 <= self.label_smoothing <= 1:
            raise SettingError("label_smoothing", self.label_smoothing, "a number from 0 to 1")
        if self.l1_ratio > 0 and not math.isinf(self.C) and not isinstance(self.solver, Proximal | str):
            name = type(self.solver).__name__
            raise SettingError(
                "l1_ratio", self.l1_ratio, f"0 with {name}, which needs a smooth penalty; use Proximal()"
            )
        if not (self.init_std >= 0 and math.isfinite(self.init_std)):
            raise SettingError("init_std", self.init_std, "a finite number, at least 0")

    @classmethod
    def for_inference(cls, C: float = math.inf, **fields: Any) -> Settings:
        """Settings for coefficients that statistics are made of: on to the last digits that float64 tells apart.

        The gap to the optimum is second order in the distance from it: of a value that is right to 12 digits, the
        coefficients may have 6. So there is no tolerance here, and the fit ends as PRECISION_LIMIT.

        >>> Settings.for_inference().tol
        0.0
        """
        return cls(**{"solver": AUTO, "tol": 0.0, "C": C, **fields})

    @property
    def converges(self) -> bool:
        """Whether the solver goes to the optimum; one that is chosen does."""
        return isinstance(self.solver, str) or self.solver.converges

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as plain values, for the model's file."""
        fields = asdict(self)
        if not isinstance(self.solver, str):
            fields["solver"] = {"name": type(self.solver).__name__, **fields["solver"]}
        fields["C"] = None if math.isinf(self.C) else self.C  # JSON has no infinity
        return fields
