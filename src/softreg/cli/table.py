"""What `softreg train` prints of each step: a line for a person, or JSON for a program."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from softreg.cli.progress import Bar
    from softreg.model import Score
    from softreg.solvers import Step

__all__ = ["Table", "accuracy_of", "number"]


def number(figure: float) -> float | None:
    """A figure for JSON, which has no infinity and no nan."""
    return figure if math.isfinite(figure) else None


def accuracy_of(scored: str) -> str:
    """The name in JSON of the accuracy on "test" or "held-out" rows."""
    return f"{scored.replace('-', '_')}_accuracy"


class Table:
    """A callback that prints the steps.

    Epochs are few, and each has its line. The steps of a solver that converges may be hundreds: of those a person gets
    the first ten, then every tenth, then every hundredth, and the last.

    Parameters
    ----------
    scored : str
        What the score is of: "test" or "held-out".
    converges : bool
        Whether the solver does.
    """

    def __init__(self, bar: Bar, scored: str, *, converges: bool, as_json: bool) -> None:
        self.bar, self.scored, self.converges, self.as_json = bar, scored, converges, as_json
        self._waiting: str | None = None

    def __call__(self, step: Step, score: Score | None) -> None:
        """Print the step, or keep its line for `close`."""
        line = self._json(step, score) if self.as_json else self._line(step, score)
        if self.as_json or not self.converges or _is_round(step.number):
            self._waiting = None
            with self.bar.aside():
                click.echo(line)
        else:
            self._waiting = line
        self.bar.advance(f"value {step.value:.4f}" if self.converges else f"loss {step.loss:.4f}")

    def close(self) -> None:
        """Print the last step, if it has not been."""
        if self._waiting is not None:
            click.echo(self._waiting)
            self._waiting = None

    def _line(self, step: Step, score: Score | None) -> str:
        accuracies = f"train acc {step.accuracy:.3f}"
        if score is not None:
            accuracies += f", {self.scored} acc {score.accuracy:.3f}"
        if not self.converges:
            return f"epoch {step.number}, loss {step.loss:.4f}, {accuracies}"
        gap = f", gap {step.gap:.1e}" if math.isfinite(step.gap) else ""
        return f"step {step.number}, value {step.value:.6f}{gap}, gradient {step.grad_norm:.1e}, {accuracies}"

    def _json(self, step: Step, score: Score | None) -> str:
        figures: dict[str, Any] = {"step" if self.converges else "epoch": step.number, "loss": step.loss}
        figures |= {name: number(getattr(step, name)) for name in ("value", "gap", "grad_norm")}
        figures["train_accuracy"] = step.accuracy
        if score is not None:
            figures[accuracy_of(self.scored)] = score.accuracy
        return json.dumps(figures)


def _is_round(n: int) -> bool:
    return n % int(10 ** (len(str(n)) - 1)) == 0
