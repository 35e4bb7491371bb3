"""Solvers: how to go downhill. They know no rows, labels, files, or penalties by name."""

from softreg.solvers.lbfgs import LBFGS
from softreg.solvers.minimise import Solution, Solver, State, Status, Step, minimise
from softreg.solvers.newton import Newton
from softreg.solvers.sgd import SGD

__all__ = ["LBFGS", "SGD", "Newton", "Solution", "Solver", "State", "Status", "Step", "minimise"]
