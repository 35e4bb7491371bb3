"""fit: from a Dataset and settings to a Model, by way of an objective and a solver."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from softreg.data import Dataset
from softreg.errors import DataError, FitInterrupted, SettingError, ShapeError
from softreg.kernels import fold, one_blas_thread
from softreg.model import overflow
from softreg.model.choice import choose
from softreg.model.model import Model, Score
from softreg.objective import CompositeObjective, SoftmaxObjective, separation
from softreg.protocols import Gap, Matrix, Separation, Vector
from softreg.solvers import SGD, SOLVERS, Answer, Proximal, Solution, Solver, Status, Step, minimise
from softreg.solvers.checks import real, whole

__all__ = ["AUTO", "Settings", "fit"]

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
        real(self, "C", "l1_ratio", "init_std", "tol")
        if not (self.tol >= 0 and math.isfinite(self.tol)):
            raise SettingError("tol", self.tol, "a finite number, at least 0")
        if not self.C > 0:
            raise SettingError("C", self.C, "a positive number, or inf for no penalty")
        if not 0 <= self.l1_ratio <= 1:
            raise SettingError("l1_ratio", self.l1_ratio, "a number from 0 to 1")
        if self.l1_ratio > 0 and not math.isinf(self.C) and not isinstance(self.solver, Proximal | str):
            name = type(self.solver).__name__
            raise SettingError(
                "l1_ratio", self.l1_ratio, f"0 with {name}, which needs a smooth penalty; use Proximal()"
            )
        if not (self.init_std >= 0 and math.isfinite(self.init_std)):
            raise SettingError("init_std", self.init_std, "a finite number, at least 0")

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


def fit(
    data: Dataset,
    settings: Settings | None = None,
    *,
    start: Model | None = None,
    validation: Dataset | None = None,
    callback: Callable[[Step, Score | None], Answer] | None = None,
) -> tuple[Model, Solution]:
    """Fit softmax regression to a Dataset.

    Parameters
    ----------
    data : Dataset
    settings : Settings, optional
    start : Model, optional
        Where to start: the parameters of this model, of the same features and classes. Its scale and shift may differ.
    validation : Dataset, optional
        Scored after each step, for the history and the callback; the fit itself never sees it.
    callback : callable, optional
        Told of each step and its validation score. What is true stops the fit, and a text says why; a `Verdict` of
        softreg.solvers may also have this point kept. `EarlyStopping` is one.

    Returns
    -------
    model : Model
    solution : Solution
        How the solve ended, in a word and in a sentence, and its figures with their times. Without a penalty it may
        end as SEPARABLE: there is no optimum, `separation` says why, and the model is that of the last point.

    Raises
    ------
    DataError
        Where there is nothing to learn from, or values are so large that their products overflow.
    FitError
        Where the solve ran into infinities.
    FitInterrupted
        On Ctrl-C; it carries the model of the last whole step, which for a converging solver is the lowest, or of the
        point that a callback had kept.

    Examples
    --------
    >>> data = Dataset.from_labels([[0.0], [1.0], [2.0], [3.0]], ["low", "low", "high", "high"])
    >>> model, solution = fit(data, Settings(solver=SGD(learning_rate=1.0, batch_size=2), max_steps=200))
    >>> model.predict([[0.2], [2.9]])
    array(['low', 'high'], dtype='<U4')
    >>> solution.status.name
    'MAX_STEPS'
    """
    settings = Settings() if settings is None else settings
    if not isinstance(settings, Settings):
        raise SettingError("settings", settings, "Settings(…)")
    for name, part in (("data", data), ("validation", validation)):
        if not isinstance(part, Dataset) and (name == "data" or part is not None):
            raise DataError(
                f"{name} is a {type(part).__name__}; expected a Dataset: Dataset.from_labels(X, y) makes one"
            )
    if validation is not None:
        if validation.n_features != data.n_features:
            raise ShapeError("validation", validation.X.shape, f"(rows, {data.n_features}), as the data")
        if not np.array_equal(validation.classes, data.classes):
            raise DataError("the validation data has other classes than the data, or in another order")
    if start is not None:
        if start.n_features != data.n_features:
            raise ShapeError("start.W", start.W.shape, f"({data.n_features}, {data.n_classes}), as the data")
        if not np.array_equal(start.classes, data.classes):
            raise DataError("the model to start from has other classes than the data, or in another order")
    if data.n_rows == 0:
        raise DataError("the data has no rows: there is nothing to fit")
    if data.weights is not None and not data.weights.any():
        raise DataError("all weights are 0: there is nothing to fit")

    total = float(data.n_rows if data.weights is None else data.weights.sum())
    objective = _objective(data, settings, total)
    chosen = ""
    if settings.solver == AUTO:
        choice = choose(objective)
        settings, chosen = replace(settings, solver=choice.solver), choice.reason
    solver = settings.solver
    assert not isinstance(solver, str)  # noqa: S101 - a name was resolved when the settings were made
    scores: list[Score] = []

    def on_step(step: Step) -> Answer:
        score = None
        if validation is not None:
            score = _model(data, objective, step.theta, settings).score(validation)
            scores.append(score)
        return callback(step, score) if callback is not None else None

    def certify(objective: _Objective, state: Any, wanted: float) -> Gap:
        return objective.gap(state.theta, state.point, wanted, state.newton)

    def separated(objective: SoftmaxObjective, state: Any, moved: Vector | None) -> Separation | None:
        return separation.find(objective.data, objective.rows, state.theta, moved, settings.fit_intercept)

    theta = _start(objective, settings, start)
    with one_blas_thread(), np.errstate(over="ignore", invalid="ignore"):  # an overflow is told by the status
        solution = minimise(
            objective,
            solver,
            theta,
            max_steps=settings.max_steps or 0,
            finer=objective.finer() if settings.converges else None,
            certify=certify if settings.converges else None,
            tol=settings.tol,
            separation=separated if settings.converges and math.isinf(settings.C) else None,
            callback=on_step,
        )
        smooth = objective.smooth if isinstance(objective, CompositeObjective) else objective
        overflow.explain(smooth, theta, solution)
    solution = replace(solution, chosen=chosen)
    model = _model(data, objective, solution.theta, settings, solution, scores)
    if solution.status is Status.INTERRUPTED:
        raise FitInterrupted(model, solution)
    return model, solution


_ALWAYS = ("value", "loss", "accuracy", "passes")


_Objective = SoftmaxObjective | CompositeObjective


def _objective(data: Dataset, settings: Settings, total: float) -> _Objective:
    strength, l1_ratio = 1 / settings.C / total, settings.l1_ratio
    # Two classes are fitted as a softmax. Of all W with one difference of rows w = w1 − w0, ±w/2 has the least ‖W‖²,
    # ‖w‖²/2, and the least ‖W‖₁, ‖w‖₁: with the L2 penalty doubled this is exactly the fit of one row of weights.
    smooth = SoftmaxObjective(
        data, (2 if data.n_classes == 2 else 1) * (1 - l1_ratio) * strength, intercept=settings.fit_intercept
    )
    return CompositeObjective(smooth, l1_ratio * strength) if l1_ratio * strength > 0 else smooth


def _start(objective: _Objective, settings: Settings, model: Model | None) -> Vector:
    theta = np.zeros(objective.size)
    if model is not None:
        data = (objective.smooth if isinstance(objective, CompositeObjective) else objective).data
        W, b = objective.split(theta)
        W[...], b[...] = _rescaled(model, data)
        if not settings.fit_intercept:
            b[...] = 0.0
        return theta
    if settings.converges:  # noise on a column of large values would be logits that no step can leave
        return theta
    W, _ = objective.split(theta)
    # Entry 0 of the seed's sequence; the solver's epochs take 1, 2, …
    W[...] = np.random.default_rng((settings.seed, 0)).normal(scale=settings.init_std, size=W.shape)
    return theta


def _rescaled(model: Model, data: Dataset) -> tuple[Matrix, Vector]:
    """W and b of a model in the units of the data: (scale · X + shift) W + b gives the same logits."""
    if np.array_equal(model.scale, data.scale) and np.array_equal(model.shift, data.shift):
        return model.W, model.b
    W, b = fold(model.W, model.b, model.scale, model.shift)  # on X as it is
    scale = np.broadcast_to(data.scale, data.n_features)[:, None]
    W = np.divide(W, scale, out=np.zeros_like(W), where=scale != 0)
    return W, b - np.broadcast_to(data.shift, data.n_features) @ W


def _model(
    data: Dataset,
    objective: _Objective,
    theta: Vector,
    settings: Settings,
    solution: Solution | None = None,
    scores: list[Score] | None = None,
) -> Model:
    W, b = objective.split(theta)
    history = {}
    if solution is not None:
        # No times, so that equal fits make equal files; what is unknown is nan there, and what always was is left out.
        known = {name: np.where(np.isinf(v), np.nan, v) for name, v in solution.history.items() if name != "seconds"}
        history = {name: v for name, v in known.items() if name in _ALWAYS or not np.isnan(v).all()}
        if scores:  # one short where Ctrl-C came between a step and its score
            scores = [*scores, *[Score(math.nan, math.nan)] * (solution.steps - len(scores))]
            history |= {f"validation_{name}": np.array([getattr(s, name) for s in scores]) for name in Score._fields}
    # Adding a constant to a row of W, or to b, changes no probability: choose the one with mean 0. Not where it is the
    # L1 penalty that chose, and zeros would be lost; of two classes both would choose the same.
    if not (isinstance(objective, CompositeObjective) and data.n_classes > 2):
        W = W - W.mean(axis=1, keepdims=True)
    return Model(
        W,
        b - b.mean(),
        data.classes,
        data.scale,
        data.shift,
        data.feature_names,
        data.image_shape,
        settings.as_dict(),
        history,
    )
