"""Cross-validation: folds by row numbers, a path for each, and what is chosen from their scores."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import get_scorer, make_scorer
from sklearn.model_selection import check_cv
from sklearn.utils import _metadata_requests as routing
from sklearn.utils.validation import _check_method_params

from softreg.arrays import fill
from softreg.data import Dataset
from softreg.errors import DataError, LabelError, SettingError, warn
from softreg.estimator import checks, increments, labels, monitors, path, problem, results, rows, solves
from softreg.estimator.prediction import Classifier
from softreg.estimator.regression import SoftmaxRegression
from softreg.kernels import in_order
from softreg.kernels.threads import available_threads
from softreg.model import Model, Settings, fit

__all__ = ["run", "score"]

OWN = ("Cs", "l1_ratios", "cv", "scoring", "refit", "use_legacy_attributes", "rule", "abandon")
LOSSES = {"neg_log_loss": "loss", "accuracy": "accuracy", None: "accuracy"}  # scores that the engine gives itself


def run(
    estimator: Any,
    X: Any,
    y: Any,
    sample_weight: ArrayLike | None,
    params: dict[str, Any],
    told: Callable[[path.Entry], None] | None = None,
) -> None:
    """Choose, fit, and set the estimator's attributes; `told` is given each fit of a fold, on whichever thread."""
    routing._raise_for_params(params, estimator, "fit")
    checks.check(estimator)
    Cs, ratios = _grid(estimator)
    common = {k: v for k, v in estimator.get_params(deep=False).items() if k not in OWN}
    try:
        settings = [problem.settings(SoftmaxRegression(C=1.0, l1_ratio=ratio, **common)) for ratio in ratios]
    except SettingError as error:
        if error.name != "l1_ratio":
            raise
        raise SettingError("l1_ratios", ratios.tolist(), error.want) from None
    target = labels.read(y)
    if target.targets is not None:
        raise LabelError(
            f"y has shape {target.targets.shape}; expected (n,) labels, by which folds are made and scored"
        )
    given = rows.read(estimator, X, reset=True)
    array = problem.complete(estimator, given, reset=True)
    data = problem.dataset(estimator, array, target, sample_weight)
    settings = [problem.with_rate(estimator, each, data) for each in settings]
    named = target.classes[target.codes]
    routed = _routed(estimator, sample_weight, params)
    folds = list(check_cv(estimator.cv, named, classifier=True).split(array, named, **routed.splitter.split))
    if not folds:
        raise SettingError("cv", estimator.cv, "at least one fold: (training rows, rows left out)")
    scorer = _scorer(estimator, data, array, target, sample_weight, routed.scorer.score)
    tasks = [(each, np.asarray(train), np.asarray(test)) for train, test in folds for each in settings]
    threads = estimator.n_threads or available_threads()
    gaps = given if array is not given and estimator.missing == "mean" else None
    # A caller's scorer may mind threads; and gaps are filled in place, for one fold after the other.
    together = _by_engine(estimator) and gaps is None
    outer = threads if len(tasks) >= threads and together else 1

    over = threading.Event()

    def walk(task: tuple[Settings, NDArray[np.int64], NDArray[np.int64]]) -> list[path.Entry]:
        return path.walk(
            problem.of_fold(estimator, data, gaps, task[1]),
            task[0],
            Cs,
            task[1],
            task[2],
            scorer,
            lambda model: _flat(model, bool(estimator.fit_intercept)),
            abandon=estimator.abandon,
            n_threads=1 if outer > 1 else threads,
            told=told,
            over=over,
        )

    entries: list[list[path.Entry]] = []
    walks = in_order(walk, tasks, outer, over)
    called = monitors.given(estimator, X, y, sample_weight)
    heard = None if called is None else monitors.Paths(estimator, called, len(tasks))
    for found in walks if heard is None else heard.passed_on(walks):
        if estimator.verbose:
            results.write(len(entries), Cs, ratios, found)
        entries.append(found)
    if gaps is not None:
        fill(array, gaps, rows.host(estimator.fill_))
    _check_scores(entries, len(folds), refit=bool(estimator.refit))
    results.table(estimator, entries, Cs, ratios, len(folds))
    dtype = rows.precision(array)
    if estimator.refit:
        i, j = _chosen(estimator)
        estimator.C_, estimator.l1_ratio_ = float(Cs[j]), float(ratios[i])
        n_iter = estimator.n_iter_
        model, solution = fit(data, replace(settings[i], C=estimator.C_), n_threads=estimator.n_threads)
        solves.store(estimator, model, solution, settings[i], target.classes, dtype, X)
        solves.warn(estimator, solution, settings[i])
        estimator.n_iter_ = n_iter
    else:
        best = [max(fold, key=_known_score) for fold in _by_fold(entries, Cs, ratios)]
        _average(estimator, best, data, target.classes, dtype, X)
    if estimator.use_legacy_attributes:
        results.legacy(estimator)
    increments.forget(estimator)
    if heard is not None:
        heard.close()


def _grid(estimator: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    Cs = estimator.Cs
    if isinstance(Cs, (int, np.integer)) and not isinstance(Cs, bool) and Cs > 0:
        Cs = np.logspace(-4, 4, int(Cs))
    ratios = estimator.l1_ratios
    if ratios is None and estimator.penalty == "elasticnet":
        raise SettingError(
            "l1_ratios", None, "a list of numbers from 0 to 1, as penalty is 'elasticnet': an l1_ratio each"
        )
    if ratios is None:
        message = "'l1_ratios=None' was deprecated in version 1.8 of scikit-learn; use l1_ratios=(0,) instead"
        warn(message, FutureWarning)
        ratios = (0.0,)
    found = []
    positive = np.nextafter(0.0, 1.0)
    for name, value, least, most in (("Cs", Cs, positive, np.inf), ("l1_ratios", ratios, 0.0, 1.0)):
        try:
            array = np.asarray(value, float)
        except (TypeError, ValueError):
            array = np.empty(0)
        if array.ndim != 1 or not len(array) or not ((array >= least) & (array <= most)).all():
            want = (
                "a number of values, or a list of positive numbers" if name == "Cs" else "a list of numbers from 0 to 1"
            )
            raise SettingError(name, value, want)
        found.append(array)
    return found[0], found[1]


def _routed(estimator: Any, sample_weight: Any, params: dict[str, Any]) -> Any:
    if routing._routing_enabled():
        return routing.process_routing(estimator, "fit", sample_weight=sample_weight, **params)
    from sklearn.utils import Bunch

    scores = {} if sample_weight is None else {"sample_weight": sample_weight}
    return Bunch(splitter=Bunch(split={}), scorer=Bunch(score=scores))


def _by_engine(estimator: Any) -> bool:
    return (estimator.scoring is None or isinstance(estimator.scoring, str)) and estimator.scoring in LOSSES


def _scorer(
    estimator: Any, data: Dataset, array: Any, target: labels.Labels, sample_weight: Any, params: dict[str, Any]
) -> path.Scorer:
    """Return what scores a model on rows: the engine where it can, else a scorer of scikit-learn's."""
    if _by_engine(estimator):
        w = params.get("sample_weight")
        judged = replace(data, weights=None if w is None else np.asarray(w, float))
        name = LOSSES[estimator.scoring]
        sign = -1.0 if name == "loss" else 1.0
        return lambda model, rows: sign * float(getattr(model.score(judged, rows), name))
    scorer = _knowing(get_scorer(estimator.scoring), target.classes)
    named = target.classes[target.codes]

    def by_scorer(model: Model, rows: NDArray[np.int64]) -> float:
        fitted = SoftmaxRegression()
        fitted._take(model, target.classes, np.float64)
        fitted.n_features_in_ = data.n_features
        return float(scorer(fitted, array[rows], named[rows], **_check_method_params(array, params, rows)))

    return by_scorer


def _knowing(scorer: Any, classes: NDArray[Any]) -> Any:
    """Return a scorer that is told of all classes: a fold need not have rows of each."""
    takes = inspect.signature(scorer._score_func).parameters if hasattr(scorer, "_score_func") else {}
    if "labels" not in takes:
        return scorer
    told = {"labels": classes}
    if len(classes) == 2 and "pos_label" in takes:
        told["pos_label"] = classes[-1]
    return make_scorer(
        scorer._score_func,
        greater_is_better=scorer._sign == 1,
        response_method=scorer._response_method,
        **(told | scorer._kwargs),
    )


def _flat(model: Model, intercept: bool) -> NDArray[np.float64]:
    """Coefficients on X as it is, (K, d) or of two classes (1, d), with the intercept last where there is one."""
    made: Any = Classifier()
    made._take(model, model.classes, np.float64)
    return np.column_stack([made.coef_, made.intercept_]) if intercept else np.asarray(made.coef_)


def _check_scores(entries: list[list[path.Entry]], n_folds: int, *, refit: bool) -> None:
    """Warn where fits that were made have no score, and raise DataError where there is nothing to choose by."""
    made = [entry.coef is not None for row in entries for entry in row]
    known = np.array([np.isfinite(entry.score) or entry.score == -np.inf for row in entries for entry in row])
    lost = int((np.array(made) & ~known).sum())
    if not lost:
        return
    remedy = (
        "nan is the score of a fold that leaves no rows out, or what the scorer gives: see to it that cv leaves rows "
        "out in each fold, of all classes where the scorer needs them, and that scoring gives numbers for those"
    )
    by_fold = known.reshape(n_folds, -1)
    if not (by_fold.all(axis=0).any() if refit else by_fold.any(axis=1).all()):
        what = "no C and l1_ratio have a score in every fold" if refit else "a fold has no score for any C and l1_ratio"
        raise DataError(f"{what}, so that there is nothing to choose by; {remedy}")
    warn(
        f"{lost} of {sum(made)} fits have no score, and what they were fitted with is not chosen; {remedy}", UserWarning
    )


def _chosen(estimator: Any) -> tuple[int, int]:
    """Return the places of the mixture and the strength that the rule chooses."""
    scores = estimator.scores_
    mean = np.where(np.isnan(scores.mean(axis=0)), -np.inf, scores.mean(axis=0))
    i, j = np.unravel_index(int(mean.argmax()), mean.shape)
    if estimator.rule == "one_standard_error":
        error = scores[:, i, j].std(ddof=1) / np.sqrt(len(scores)) if len(scores) > 1 else 0.0
        good = np.flatnonzero(mean[i] >= mean[i, j] - error)
        j = good[estimator.Cs_[good].argmin()]
    return int(i), int(j)


Placed = tuple[path.Entry, float, float]  # a fit, its C and its l1_ratio


def _by_fold(
    entries: list[list[path.Entry]], Cs: NDArray[np.float64], ratios: NDArray[np.float64]
) -> Iterator[list[Placed]]:
    """Yield all fits of a fold, fold by fold."""
    for start in range(0, len(entries), len(ratios)):
        rows = zip(entries[start : start + len(ratios)], ratios.tolist(), strict=True)
        yield [(entry, C, ratio) for row, ratio in rows for entry, C in zip(row, Cs.tolist(), strict=True)]


def _known_score(placed: Placed) -> float:
    return -np.inf if np.isnan(placed[0].score) else placed[0].score


def _average(estimator: Any, best: list[Placed], data: Dataset, classes: NDArray[Any], dtype: Any, X: Any) -> None:
    """Take the mean of the folds' best coefficients for the model, as scikit-learn does without a refit."""
    w = np.mean([entry.coef for entry, _, _ in best if entry.coef is not None], axis=0)
    estimator.coef_ = w[:, : data.n_features].astype(dtype)
    estimator.intercept_ = np.zeros(len(w), dtype) if not estimator.fit_intercept else w[:, -1].astype(dtype)
    estimator.C_, estimator.l1_ratio_ = (float(np.mean([place[i] for place in best])) for i in (1, 2))
    estimator.classes_, estimator.scale_, estimator.shift_ = classes, data.scale, data.shift
    estimator._lend(X, "coef_", "intercept_", "class_prior_", "scale_", "shift_", "fill_")
    estimator.settings_, estimator.history_ = {}, {}
    estimator.calibration_ = estimator.conformal_ = None
    estimator.class_prior_ = data.frequencies()
    estimator.certificate_, estimator.status_name_, estimator.solver_ = float("inf"), "STOPPED", "mean of folds"
    estimator.status_ = "the mean of the folds' best models, which is the optimum of no penalty"
    estimator.provenance_ = {
        "n_rows": data.n_rows,
        "weight": data.weight,
        "status": "STOPPED",
        "message": estimator.status_,
        "certificate": None,
    }


def score(estimator: Any, X: Any, y: Any, sample_weight: Any, params: dict[str, Any]) -> float:
    """Return the score on labelled rows."""
    routing._raise_for_params(params, estimator, "score")
    if routing._routing_enabled():
        if sample_weight is not None:
            params = {**params, "sample_weight": sample_weight}
        params = routing.process_routing(estimator, "score", **params).scorer.score
    elif sample_weight is not None:
        params = {"sample_weight": sample_weight}
    return float(estimator._get_scorer()(estimator, X, y, **params))
