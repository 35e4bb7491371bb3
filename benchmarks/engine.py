"""One pass over Fashion-MNIST beside what the machine can do, and solves to a certified gap.

    python benchmarks/engine.py [--runs 15] [--sklearn PYTHON]

The roof is measured by the same program: multiply-adds in registers. NumPy's pass has one BLAS thread and float32 in
memory. The solves tell passes, time and gap; scikit-learn's lbfgs, which takes minutes, runs beside them where an
interpreter that has it is named.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import time
from collections.abc import Callable

import numpy as np

from machine import describe
from softreg import LBFGS, Settings, fit
from softreg.data import Dataset, fashion_mnist
from softreg.kernels import Rows, fused, one_blas_thread
from softreg.kernels.native import instruction_set, multiply_add

ROUNDS = 400_000  # of multiply-adds: about 3 ms

SKLEARN = """
import sys, time, numpy as np
from sklearn.linear_model import LogisticRegression
with np.load(sys.argv[1]) as data: X, y = np.float32(data["X"]) / np.float32(255), data["y"]
C, tol, max_iter = float(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
begin = time.perf_counter()
model = LogisticRegression(C=C, tol=tol, max_iter=max_iter).fit(X, y)
seconds = time.perf_counter() - begin
z = X.astype(float) @ model.coef_.T + model.intercept_
z -= z.max(axis=1, keepdims=True)
loss = np.mean(np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(y)), y])
print(seconds, model.n_iter_[0], loss + (model.coef_ ** 2).sum() / (2 * C * len(y)))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--sklearn", metavar="PYTHON", help="an interpreter that has scikit-learn")
    args = parser.parse_args()
    train, _ = fashion_mnist.load()
    print(describe("softreg", "numpy"), f"\ninstruction set {instruction_set()}\n")
    one_pass(train, args.runs)
    for C, tol in ((0.01, 1e-4), (0.01, 1e-6), (1.0, 1e-3), (1.0, 1e-4)):
        solve(train, C, tol)
    if args.sklearn:
        sklearn(train, args.sklearn)


def one_pass(train: Dataset, runs: int) -> None:
    n, d, K = train.n_rows, train.n_features, train.n_classes
    rng = np.random.default_rng(0)
    W, b = rng.normal(scale=0.01, size=(d, K)) / 255, rng.normal(size=K)
    rows = Rows(train.X, train.y)
    X, y, W32, b32 = train.X.astype(np.float32), train.y, W.astype(np.float32), b.astype(np.float32)

    def numpy() -> None:
        z = X @ W32 + b32
        z -= z.max(axis=1, keepdims=True)
        np.exp(z, out=z)
        z /= z.sum(axis=1, keepdims=True)
        z[np.arange(n), y] -= 1
        z.T @ X

    contenders: dict[str, Callable[[], object]] = {
        "multiply-adds, one thread": lambda: multiply_add(True, ROUNDS),
        "NumPy, one BLAS thread, float32": numpy,
        "softreg, one thread, bytes": lambda: fused(rows, W, b, 1),
        "softreg, two threads, bytes": lambda: fused(rows, W, b, 2),
    }
    times: dict[str, list[float]] = {name: [] for name in contenders}
    with one_blas_thread():
        for _ in range(runs):
            for name, run in contenders.items():
                begin = time.perf_counter()
                run()
                times[name].append(time.perf_counter() - begin)
    median = {name: statistics.median(values) for name, values in times.items()}
    peak = multiply_add(True, ROUNDS) / median.pop("multiply-adds, one thread")
    work = 4.0 * n * d * K
    print(f"one pass, {work / 1e9:.2f} GFLOP; the roof of one thread is {peak / 1e9:.0f} GFLOP/s; medians of {runs}")
    numpy_time = median["NumPy, one BLAS thread, float32"]
    for name, seconds in median.items():
        rate, ratio = work / seconds, numpy_time / seconds
        print(f"{name:34}{1000 * seconds:8.1f} ms {rate / 1e9:7.1f} GFLOP/s {rate / peak:6.0%} {ratio:6.2f} x NumPy")
    print()


def solve(train: Dataset, C: float, tol: float) -> None:
    _, solution = fit(train, Settings(LBFGS(), C=C, tol=tol, init_std=0.0))
    value = float(solution.history["value"][-1])
    print(
        f"L-BFGS, C = {C:g}, tol {tol:g}: {solution.status.name}, value {value:.9f}, certified relative gap "
        f"{solution.gap / value:.1e}, {solution.steps} steps, {solution.passes:.0f} passes, {solution.seconds:.2f} s"
    )
    for target in (0.35061, 0.349906) if C == 1 else ():
        reached = np.flatnonzero(solution.history["value"] <= target)
        if len(reached):
            seconds, passes = (solution.history[name][reached[0]] for name in ("seconds", "passes"))
            print(f"    value {target}: {seconds:.2f} s, {passes:.0f} passes")


def sklearn(train: Dataset, python: str) -> None:
    import os
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder, "data.npz")
        np.savez(data, X=train.X, y=train.y)
        for C, tol, max_iter in ((0.01, 1e-4, 1000), (1.0, 1e-4, 1000)):
            call = [python, "-c", SKLEARN, str(data), str(C), str(tol), str(max_iter)]
            environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
            done = subprocess.run(call, capture_output=True, text=True, check=True, env=environment)
            seconds, steps, value = done.stdout.split()
            print(f"scikit-learn lbfgs, C = {C:g}: value {float(value):.9f}, {steps} steps, {float(seconds):.1f} s")


if __name__ == "__main__":
    main()
