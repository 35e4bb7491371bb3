"""Solvers: how to go downhill. They know no rows, labels, files, or penalties by name."""

from typing import Any

from softreg.solvers.lbfgs import LBFGS
from softreg.solvers.minimise import Answer, Solution, Solver, State, Status, Step, Verdict, minimise
from softreg.solvers.newton import Newton
from softreg.solvers.proximal import Proximal
from softreg.solvers.sgd import SGD
from softreg.solvers.trail import Trail

__all__ = [
    "LBFGS",
    "SGD",
    "SOLVERS",
    "Answer",
    "Newton",
    "Proximal",
    "Solution",
    "Solver",
    "State",
    "Status",
    "Step",
    "Trail",
    "Verdict",
    "minimise",
]

# by the names that commands call them
SOLVERS: dict[str, type[Solver[Any, Any]]] = {"sgd": SGD, "lbfgs": LBFGS, "newton": Newton, "proximal": Proximal}
