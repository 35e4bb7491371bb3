"""EarlyStopping: a callback of `fit` that watches the validation score."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from softreg.errors import DataError, SettingError
from softreg.model.model import Score
from softreg.solvers import Step, Verdict
from softreg.solvers.checks import one_of, real, whole

__all__ = ["EarlyStopping"]

_BETTER = {"loss": -1.0, "accuracy": 1.0}  # score → which way is better
_WORDS = {"loss": "fallen", "accuracy": "risen"}


@dataclass
class EarlyStopping:
    """Stop a fit once its validation score has not become better for some steps (Prechelt 1998).

    It begins anew with the first step of each fit, so that one may serve several fits, one after the other.

    Parameters
    ----------
    patience : int
        Steps without a better score, one after another, that end the fit.
    min_delta : float
        What a score must be better by to count.
    score : {"loss", "accuracy"}
        Of the validation set.
    restore_best : bool
        Whether the model is that of the best score, however the fit ended, rather than that of the last step.

    Attributes
    ----------
    best : float
        The best score so far; `best_step` is the step that had it, 0 before there is one.

    Examples
    --------
    >>> from softreg import Dataset, Settings, fit
    >>> data = Dataset.from_labels([[0.0], [1.0], [2.0], [3.0]], ["low", "low", "high", "high"])
    >>> stopping = EarlyStopping(patience=3, score="accuracy")
    >>> _, solution = fit(data, Settings(max_steps=100), validation=data, callback=stopping)
    >>> solution.status.name, solution.steps - solution.kept
    ('STOPPED', 3)
    """

    patience: int = 5
    min_delta: float = 0.0
    score: str = "loss"
    restore_best: bool = True
    best: float = field(default=math.nan, init=False)
    best_step: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        whole(self, 1, "patience")
        real(self, "min_delta")
        one_of(self, _BETTER, "score")
        if not (self.min_delta >= 0 and math.isfinite(self.min_delta)):
            raise SettingError("min_delta", self.min_delta, "a finite number, at least 0")

    def __call__(self, step: Step, score: Score | None) -> Verdict:
        """Judge a step.

        Raises
        ------
        DataError
            Where there is no validation set.
        """
        if score is None:
            raise DataError(
                "early stopping needs a score to watch: fit(…, validation=Dataset, callback=EarlyStopping())"
            )
        if step.number == 1:
            self.best, self.best_step = math.nan, 0
        now: float = getattr(score, self.score)
        gain = _BETTER[self.score] * (now - self.best)
        if gain > self.min_delta or (math.isnan(self.best) and not math.isnan(now)):  # a score of nan is never better
            self.best, self.best_step = now, step.number
            return Verdict(keep=self.restore_best)
        if step.number - self.best_step < self.patience:
            return Verdict()
        by = f" by more than {self.min_delta:g}" if self.min_delta else ""
        reason = f"the validation {self.score} has not {_WORDS[self.score]}{by} for {self.patience} steps"
        return Verdict(True, f"early stopping, as {reason} (the best: {self.best:.4f} after step {self.best_step})")
