"""What is told of paths of fits: a table, a line for each, a picture, and scikit-learn's shapes of old."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from softreg.estimator import path

__all__ = ["draw", "legacy", "table", "write"]

PATH_BYTES = 1 << 28  # of coefs_paths_, beyond which they are not kept


def table(
    estimator: Any, entries: list[list[path.Entry]], Cs: NDArray[np.float64], ratios: NDArray[np.float64], folds: int
) -> None:
    """Set what the scores and figures of all fits are."""
    shape = folds, len(ratios), len(Cs)

    def grid(name: str, dtype: Any = float) -> NDArray[Any]:
        return np.array([[getattr(entry, name) for entry in row] for row in entries], dtype).reshape(shape)

    estimator.Cs_, estimator.l1_ratios_ = Cs, ratios
    estimator.scores_, estimator.n_iter_ = grid("score"), grid("n_iter", np.int32)
    known = next(entry.coef for entry in entries[0] if entry.coef is not None)
    estimator.__dict__.pop("coefs_paths_", None)
    if known.nbytes * np.prod(shape) <= PATH_BYTES:
        nothing = np.full(known.shape, np.nan)
        coefs = [[nothing if entry.coef is None else entry.coef for entry in row] for row in entries]
        estimator.coefs_paths_ = np.array(coefs).reshape(*shape, *known.shape)
    flat = estimator.scores_.reshape(folds, -1)
    mean = flat.mean(axis=0)
    order = np.argsort(np.argsort(-np.where(np.isnan(mean), -np.inf, mean), kind="stable"), kind="stable")
    seconds = grid("seconds").reshape(folds, -1)
    estimator.cv_results_ = {
        "param_C": np.tile(Cs, len(ratios)),
        "param_l1_ratio": np.repeat(ratios, len(Cs)),
        **{f"split{k}_test_score": flat[k] for k in range(folds)},
        "mean_test_score": mean,
        "std_test_score": flat.std(axis=0),
        "rank_test_score": (order + 1).astype(np.int32),
        "mean_fit_time": seconds.mean(axis=0),
        "max_certificate": grid("certificate").reshape(folds, -1).max(axis=0),
    }


def legacy(estimator: Any) -> None:
    """Give the attributes the shapes that scikit-learn is about to leave: repeated by class, mixtures last."""
    classes = estimator.classes_ if len(estimator.classes_) > 2 else estimator.classes_[1:]
    alone = estimator.l1_ratios is None
    scores = np.moveaxis(estimator.scores_, 1, 2)
    n_iter = np.moveaxis(estimator.n_iter_, 1, 2)[None]
    estimator.scores_ = dict.fromkeys(classes.tolist(), scores[:, :, 0] if alone else scores)
    estimator.n_iter_ = n_iter[..., 0] if alone else n_iter
    if hasattr(estimator, "coefs_paths_"):
        paths = np.moveaxis(estimator.coefs_paths_, 1, 2)
        paths = paths[:, :, 0] if alone else paths
        estimator.coefs_paths_ = {label: paths[..., k, :] for k, label in enumerate(classes.tolist())}
    estimator.C_ = np.full(len(classes), estimator.C_)
    estimator.l1_ratio_ = np.full(len(classes), estimator.l1_ratio_)


def draw(estimator: Any, ax: Any = None) -> Any:
    """Draw the mean score against C, a line for each mixture, with its standard error and what was chosen."""
    check_is_fitted(estimator)
    import matplotlib.pyplot as plt

    if ax is None:
        _, ax = plt.subplots(figsize=(7, 4), layout="constrained")
    table = estimator.cv_results_
    folds = sum(name.startswith("split") for name in table)
    for ratio in estimator.l1_ratios_:
        some = np.flatnonzero(table["param_l1_ratio"] == ratio)
        some = some[np.argsort(table["param_C"][some])]
        Cs, mean = table["param_C"][some], table["mean_test_score"][some]
        error = table["std_test_score"][some] / np.sqrt(max(folds - 1, 1))
        (line,) = ax.plot(Cs, mean, marker="o", markersize=3, label=f"l1_ratio = {ratio:g}")
        ax.fill_between(Cs, mean - error, mean + error, color=line.get_color(), alpha=0.2, linewidth=0)
    C = float(np.ravel(estimator.C_)[0])
    ax.axvline(C, color="0.3", linestyle="--", linewidth=1, label=f"chosen: C = {C:.3g}")
    scoring = estimator.scoring or "accuracy"
    ax.set(xscale="log", xlabel="C, the inverse strength of the penalty", ylabel=f"mean {scoring} over {folds} folds")
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False)
    return ax


def write(number: int, Cs: NDArray[np.float64], ratios: NDArray[np.float64], found: list[path.Entry]) -> None:
    """Write a line for each fit of a path, the number-th, where a fold has one for each mixture."""
    fold, i = divmod(number, len(ratios))
    for C, entry in zip(Cs, found, strict=True):
        figures = f"score {entry.score:.6g}, {entry.n_iter} steps, {entry.status}, {entry.seconds:.2f} s"
        sys.stdout.write(f"fold {fold + 1}, l1_ratio {ratios[i]:g}, C {C:.4g}: {figures}\n")
