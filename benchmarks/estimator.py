"""The estimator against scikit-learn's: its defaults on real tables, fits to the same value, a path of C, small data.

    python benchmarks/estimator.py                     all of it: about half an hour, most of it scikit-learn's
    python benchmarks/estimator.py --only tables,small

    tables   18 real tables as they come, both libraries by default: time, and how far above the optimum each ends
    fits     digits, Fashion-MNIST, 50,000 x 54 with seven classes, a probe of 1000 classes: how long until the value at
             which scikit-learn's lbfgs ends, certified or not; scikit-learn-intelex and liblinear beside
    path     45 values of C from 1e-6 to 1e5, the protocol of DINOv2's linear evaluation, against cold fits
    small    a fit of iris, a prediction for one row

    value = mean cross-entropy + 1/(2 C n) ‖W‖²

Values are computed here, in float64, from one definition. scikit-learn runs on one BLAS thread, which is its best on
two cores, and softreg on as many as there are; processor seconds of all threads stand beside those of the clock.
"""

from __future__ import annotations

import argparse
import functools
import statistics
import subprocess
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import PredefinedSplit
from sklearn.multiclass import OneVsRestClassifier

from features import overlapping
from machine import describe
from softreg import SoftmaxRegression, SoftmaxRegressionCV
from softreg.data import fashion_mnist
from softreg.kernels import one_blas_thread
from tables import tables

Arrays = tuple[NDArray[Any], NDArray[Any]]


def main() -> None:
    sections: dict[str, Callable[[argparse.Namespace], None]] = {
        "small": small,
        "tables": defaults,
        "fits": fits,
        "path": path,
    }
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(sections), help="sections, separated by commas")
    parser.add_argument("--runs", type=int, default=5, help="medians are shown; fits of more than 5 seconds run once")
    parser.add_argument("--probe", default="10000,384,100", help="rows, features and classes of the path's data")
    args = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    print(f"{describe('softreg', 'scikit-learn', 'numpy')}\n")
    for name in args.only.split(","):
        sections[name](args)
        print()


def value(X: NDArray[Any], y: NDArray[Any], model: Any, C: float = 1.0) -> float:
    """Return what a fitted model is worth: two classes have one row of coefficients, whose penalty is whole."""
    codes = np.searchsorted(model.classes_, y)
    W, b = np.asarray(model.coef_, float), np.asarray(model.intercept_, float)
    loss = 0.0
    for start in range(0, len(y), 5000):
        z = X[start : start + 5000].astype(float) @ W.T + b
        z = np.hstack([np.zeros_like(z), z]) if len(W) == 1 else z
        z -= z.max(axis=1, keepdims=True)
        at = np.arange(len(z)), codes[start : start + 5000]
        loss += float((np.log(np.exp(z).sum(axis=1)) - z[at]).sum())
    return loss / len(y) + float((W**2).sum()) / (2 * C * len(y))


def _fitted(kind: Any, X: NDArray[Any], y: NDArray[Any], **params: Any) -> Any:
    return kind(**params).fit(X, y)


def timed(run: Callable[[], Any], runs: int) -> tuple[float, float, Any]:
    """Return median seconds by the clock and of the processor, and what the last run returned."""
    clock, processor = [], []
    for _ in range(runs):
        begin, cpu = time.perf_counter(), time.process_time()
        result = run()
        clock.append(time.perf_counter() - begin)
        processor.append(time.process_time() - cpu)
        if clock[0] > 5:
            break
    return statistics.median(clock), statistics.median(processor), result


# ---- small data -----------------------------------------------------------------------------------------------------


def small(args: argparse.Namespace) -> None:
    X, y = load_iris(return_X_y=True)
    rows: dict[str, Any] = {"softreg": SoftmaxRegression, "scikit-learn": LogisticRegression}
    for name, kind in rows.items():
        fit = timed(functools.partial(_fitted, kind, X, y), 200)
        model = fit[2]
        proba = timed(functools.partial(model.predict_proba, X[:1]), 2000)
        print(
            f"{name:13} a fit of iris {1e3 * fit[0]:6.2f} ms ({1e3 * fit[1]:.2f} of processor), value "
            f"{value(X, y, model):.10f}; predict_proba of a row {1e6 * proba[0]:6.1f} us"
        )


# ---- defaults -------------------------------------------------------------------------------------------------------


def defaults(args: argparse.Namespace) -> None:
    columns = f"{'softreg':>12}{'gap':>9}{'scikit-learn':>14}{'gap':>9}{'sooner':>8}"
    print(f"{'table':20}{'rows x columns, classes':>26}{columns}")
    ratios = []
    for name, (X, y) in tables().items():
        best = value(X, y, SoftmaxRegression(tol=1e-9).fit(X, y))
        ours = timed(functools.partial(_fitted, SoftmaxRegression, X, y), args.runs)
        with one_blas_thread():
            theirs = timed(functools.partial(_fitted, LogisticRegression, X, y), args.runs)
        gaps = [value(X, y, run[2]) / best - 1 for run in (ours, theirs)]
        ratios.append(theirs[0] / ours[0])
        shape = f"{X.shape[0]:,} x {X.shape[1]}, {len(ours[2].classes_)}"
        told = "" if ours[2].certificate_ <= 1e-4 else f"  {ours[2].status_name_}"
        print(
            f"{name:20}{shape:>26}{1e3 * ours[0]:9.1f} ms{gaps[0]:9.0e}{1e3 * theirs[0]:11.1f} ms{gaps[1]:9.0e}"
            f"{ratios[-1]:7.1f}x{told}",
            flush=True,
        )
    print(f"median {statistics.median(ratios):.1f} x sooner, least {min(ratios):.2f} x")


# ---- fits to the same value -----------------------------------------------------------------------------------------


def fits(args: argparse.Namespace) -> None:
    problems: dict[str, Callable[[], Arrays]] = {
        "digits": lambda: load_digits(return_X_y=True),
        "Fashion-MNIST": _fashion,
        "50,000 x 54, 7 classes": lambda: _float64(overlapping(50_000, 54, 7, distance=2.0)),
        "probe, 20,000 x 768, 1000 classes": lambda: overlapping(20_000, 768, 1000),
    }
    for name, make in problems.items():
        X, y = make()
        for C in (1.0, 0.01):
            _fits(f"{name}, C = {C:g}", X, y, C, args.runs)


def _fits(name: str, X: NDArray[Any], y: NDArray[Any], C: float, runs: int) -> None:
    big = X.size * len(np.unique(y)) > 10**9
    with one_blas_thread():
        peers: dict[str, Any] = {"scikit-learn lbfgs": LogisticRegression(C=C, max_iter=300 if big else 1000)}
        if not big:
            binary = LogisticRegression(C=C, max_iter=1000, solver="liblinear")
            peers["liblinear, one against the rest"] = OneVsRestClassifier(binary)
        found = {key: timed(functools.partial(peer.fit, X, y), runs) for key, peer in peers.items()}
    patched = None if big else _patched(X, y, C)
    target = value(X, y, found["scikit-learn lbfgs"][2], C)
    print(name)
    for key, (clock, cpu, model) in found.items():
        worth = f"value {value(X, y, model, C):.9f}" if hasattr(model, "coef_") else "another objective"
        print(f"    {key:34}{clock:9.3f} s{cpu:9.3f} s of processor   {worth}", flush=True)
    if patched is not None:
        print(f"    {'scikit-learn-intelex':34}{patched[0]:9.3f} s{patched[1]:9.3f} s of processor")
    for tol in (1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8):
        clock, cpu, model = timed(functools.partial(_fitted, SoftmaxRegression, X, y, C=C, tol=tol), runs)
        reached = value(X, y, model, C)
        if reached <= target or tol == 1e-4:
            peer = found["scikit-learn lbfgs"]
            print(
                f"    {f'softreg, tol {tol:g}':34}{clock:9.3f} s{cpu:9.3f} s of processor   value {reached:.9f}, "
                f"certified {model.certificate_:.0e}; {peer[0] / clock:.1f} x sooner, {peer[1] / cpu:.1f} x by it",
                flush=True,
            )
        if reached <= target and tol <= 1e-4:
            break


PATCHED = """
import sys, time
import numpy as np
from sklearnex import patch_sklearn
patch_sklearn(verbose=False)
from sklearn.linear_model import LogisticRegression
data = np.load(sys.argv[1])
for _ in range(2):  # what is made once is not counted
    begin, cpu = time.perf_counter(), time.process_time()
    LogisticRegression(C=float(sys.argv[2]), max_iter=1000).fit(data["X"], data["y"])
    print(time.perf_counter() - begin, time.process_time() - cpu)
"""


def _patched(X: NDArray[Any], y: NDArray[Any], C: float) -> tuple[float, float] | None:
    """Return the seconds of scikit-learn-intelex, which patches scikit-learn, from the environment of peers.py."""
    python = Path(__file__).parent.parent / "build" / "peers" / "intelex" / "bin" / "python"
    if not python.exists():
        print("    (no scikit-learn-intelex: benchmarks/peers.py makes its environment)")
        return None
    file = python.parent.parent / "data.npz"
    np.savez(file, X=X, y=y)
    done = subprocess.run(
        [str(python), "-W", "ignore", "-c", PATCHED, str(file), str(C)], capture_output=True, text=True, check=True
    )
    file.unlink()
    clock, cpu = map(float, done.stdout.split()[-2:])
    return clock, cpu


def _fashion() -> Arrays:
    train, _ = fashion_mnist.load()
    return train.X.astype(np.float32) / np.float32(255), train.y


def _float64(arrays: Arrays) -> Arrays:
    return arrays[0].astype(float), arrays[1]


# ---- a path ---------------------------------------------------------------------------------------------------------


def path(args: argparse.Namespace) -> None:
    """One split, nine parts to train and one to choose C by, then a fit of all rows, as DINOv2's evaluation does."""
    n, d, K = map(int, args.probe.split(","))
    X, y = overlapping(n, d, K)
    Cs = 10 ** np.linspace(-6, 5, 45)
    cut = n - n // 10
    split = PredefinedSplit(np.where(np.arange(n) < cut, -1, 0))
    print(
        f"45 values of C on {n:,} x {d} float32, {K} classes: nine tenths train, one chooses, and all are fitted again"
    )
    chosen: dict[float, Any] = {}
    for tol in (1e-4, 1e-3):
        model = SoftmaxRegressionCV(Cs=Cs, cv=split, tol=tol, scoring="accuracy", use_legacy_attributes=False)
        clock, cpu, chosen[tol] = timed(functools.partial(model.fit, X, y), 1)
        print(f"softreg, tol {tol:g}: {clock:.1f} s, {cpu:.1f} s of processor; C = {model.C_:.3g}", flush=True)
    seconds = processor = 0.0
    worst = dict.fromkeys(chosen, -np.inf)
    lower = dict.fromkeys(chosen, 0)
    scores = []
    with one_blas_thread():
        for i, C in enumerate(Cs):
            cold = LogisticRegression(C=C, tol=1e-12, max_iter=1000)
            clock, cpu, _ = timed(functools.partial(cold.fit, X[:cut], y[:cut]), 1)
            seconds, processor = seconds + clock, processor + cpu
            theirs = value(X[:cut], y[:cut], cold, C)
            scores.append(cold.score(X[cut:], y[cut:]))
            for tol in chosen:
                ours = SoftmaxRegression(C=C)
                flat = chosen[tol].coefs_paths_[0, 0, i]
                ours.coef_, ours.intercept_, ours.classes_ = flat[:, :-1], flat[:, -1], np.arange(K)
                above = value(X[:cut], y[:cut], ours, C) / theirs - 1
                worst[tol], lower[tol] = max(worst[tol], above), lower[tol] + (above <= 0)
        best = Cs[int(np.argmax(scores))]
        clock, cpu, _ = timed(functools.partial(_fitted, LogisticRegression, X, y, C=best, tol=1e-12, max_iter=1000), 1)
    seconds, processor = seconds + clock, processor + cpu
    print(
        f"scikit-learn, cold fits, tol 1e-12, at most 1000 steps: {seconds:.1f} s, {processor:.1f} s of processor; "
        f"C = {best:.3g}"
    )
    for tol in chosen:
        print(f"    values of softreg with tol {tol:g}: lower for {lower[tol]} of 45, at most {worst[tol]:.1e} above")


if __name__ == "__main__":
    main()
