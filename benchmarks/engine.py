"""The engine against the field: one pass, converging solves, many classes, L1, prediction, memory.

    python benchmarks/engine.py                     everything but the slowest, a few minutes
    python benchmarks/engine.py --only pass,l2      some of: pass, l2, bound, l1, probe, many, predict, memory
    python benchmarks/engine.py --only probe --rows 100000

What other libraries need was measured once and lies in peers.json (peers.py makes it); NumPy and scikit-learn's predict
run beside. Two times stand for each fit of ours: wall, with as many threads as there are, and processor seconds of all
of them, which neighbours on the machine disturb less and with which peers' processor seconds are compared.
"""

from __future__ import annotations

import argparse
import functools
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from features import overlapping
from machine import describe, peak_memory
from peer_problems import start
from peer_results import Mark, Result, load
from softreg import LBFGS, Dataset, Newton, Proximal, Settings, Solution, fit
from softreg.data import fashion_mnist
from softreg.kernels import Rows, fused, one_blas_thread
from softreg.kernels.native import instruction_set, multiply_add
from softreg.objective import SoftmaxObjective

ROUNDS = 1 << 22
RESULTS = load()


def main() -> None:
    sections: dict[str, Callable[[argparse.Namespace], None]] = {
        "pass": one_pass,
        "l2": converging,
        "probe": probe,
        "many": many,
        "bound": bounds,
        "l1": absolute,
        "predict": predicting,
        "memory": memory,
    }
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(sections), help="sections, separated by commas")
    parser.add_argument("--runs", type=int, default=7, help="of passes and predictions; medians are shown")
    parser.add_argument("--rows", type=int, default=20_000, help="of the probe")
    args = parser.parse_args()
    print(f"{describe('softreg', 'numpy')}; {instruction_set()}\n")
    for name in args.only.split(","):
        sections[name](args)
        print()


# ---- passes ---------------------------------------------------------------------------------------------------------


def one_pass(args: argparse.Namespace) -> None:
    train, _ = fashion_mnist.load()
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

    table = timed(
        {
            "multiply-adds, one thread": lambda: multiply_add(True, ROUNDS),
            "NumPy, one BLAS thread, float32": numpy,
            "softreg, one thread, bytes": lambda: fused(rows, W, b, 1),
            "softreg, two threads, bytes": lambda: fused(rows, W, b, 2),
        },
        args.runs,
    )
    peak = multiply_add(True, ROUNDS) / table.pop("multiply-adds, one thread")[0]
    work = 4.0 * n * d * K
    print(
        f"one pass, {work / 1e9:.2f} GFLOP; the roof of one thread is {peak / 1e9:.0f} GFLOP/s; medians of {args.runs}"
    )
    for name, (seconds, cpu) in table.items():
        ratio = table["NumPy, one BLAS thread, float32"][0] / seconds
        print(
            f"{name:34}{1000 * seconds:8.1f} ms{1000 * cpu:8.1f} ms of processor {work / cpu / 1e9:7.1f} GFLOP/s "
            f"{work / cpu / peak:5.0%} {ratio:6.2f} x NumPy"
        )


def many(args: argparse.Namespace) -> None:
    X, y = overlapping(20_000, 512, 50_000)
    theta = start(512, 50_000).astype(float)
    rows = Rows(X, y)
    for name in ("torch-many", "torch-many-linear_cross_entropy"):
        print(RESULTS[name].describe())
    for n_threads in (1, 2):
        used = peak_memory()
        begin, cpu = time.perf_counter(), time.process_time()
        with one_blas_thread():
            sums = fused(rows, theta[:-1], theta[-1], n_threads)
        cpu, seconds = time.process_time() - cpu, time.perf_counter() - begin
        beyond = peak_memory() - used - sums.grad.nbytes
        ratio = cpu / RESULTS["torch-many"].marks[-1].cpu_seconds
        print(
            f"softreg, {n_threads} threads: {seconds:.2f} s, {cpu:.2f} s of processor ({ratio:.2f} of PyTorch's), "
            f"{max(beyond, 0) / 1e6:.0f} MB beyond X, W and the gradient"
        )
        del sums


# ---- solves ---------------------------------------------------------------------------------------------------------


def converging(args: argparse.Namespace) -> None:
    train, _ = fashion_mnist.load()
    for C, tols in ((0.01, (1e-4, 1e-6)), (1.0, (1e-3, 1e-6))):
        peers = [r for r in RESULTS.values() if r.problem == "fashion-mnist" and r.C == C and r.l1_ratio == 0]
        for peer in peers:
            print(f"C = {C:g}  {peer.describe()}")
        for tol in tols:
            solution, cpu = solve(train, Settings(LBFGS(), C=C, tol=tol, init_std=0.0))
            print(f"C = {C:g}  softreg, tol {tol:g}: {told(solution, cpu)}")
        compare(solution, cpu, peers)


def bounds(args: argparse.Namespace) -> None:
    """How much the certificate claims too little: its bound over the gap to the best value known."""
    train, _ = fashion_mnist.load()
    for C, best in ((0.01, 0.47815377266), (1.0, 0.34989280504)):
        for solver in (LBFGS(), Newton()):
            objective = SoftmaxObjective(train, 1 / (C * train.n_rows))
            state: Any = solver.init(objective, np.zeros(objective.size))
            told = []
            with one_blas_thread():
                while state is not None and state.value - best > 1e-6 * best:
                    bound = objective.gap(state.theta, state.point, np.inf, state.newton).bound
                    if state.steps % 8 == 0:
                        gap = state.value - best
                        told.append(f"{bound / gap:.0f} at {gap / best:.0e}")
                    state = solver.step(objective, state)
            print(f"bound over relative gap, C = {C:g}, {type(solver).__name__}: {', '.join(told)}")


def absolute(args: argparse.Namespace) -> None:
    train, _ = fashion_mnist.load()
    for ratio in (1.0, 0.5):
        peers = [r for r in RESULTS.values() if r.problem == "fashion-mnist" and r.l1_ratio == ratio]
        for peer in peers:
            print(f"l1_ratio = {ratio:g}  {peer.describe()}")
        model_and = Settings(Proximal(), C=0.01, l1_ratio=ratio, tol=1e-6, init_std=0.0)
        solution, cpu = solve(train, model_and)
        print(f"l1_ratio = {ratio:g}  softreg, tol 1e-6: {told(solution, cpu)}")
        for peer in peers:
            last = peer.marks[-1]
            if last.value is not None:
                gap = last.value / (solution.value - solution.gap) - 1
                print(f"    {peer.name}: relative gap {gap:.1e} where it ended")
        compare(solution, cpu, peers)


def probe(args: argparse.Namespace) -> None:
    for dtype in ("float32", "float16", "bfloat16"):
        X, y = overlapping(args.rows, dtype=dtype)
        theta = start(768, 1000).astype(float)
        run = functools.partial(fused, Rows(X, y), theta[:-1], theta[-1], 1)
        cpu = timed({"pass": run}, 3)["pass"][1] * 20_000 / args.rows
        torch = RESULTS["torch-probe-float32"].marks[-1].cpu_seconds
        print(
            f"{dtype}: a pass over 20,000 rows takes {cpu:.3f} s of processor, PyTorch's in float32 {torch / cpu:.2f} x"
        )
    for C in (1.0, 0.01):
        peers = [r for r in RESULTS.values() if r.problem.startswith("probe") and r.C == C]
        for peer in peers:
            print(f"C = {C:g}  {peer.describe()}")
        X, y = overlapping(args.rows)
        before = peak_memory()
        data = Dataset(X, y, np.arange(1000))
        solution, cpu = solve(data, Settings(LBFGS(), C=C, tol=1e-4, init_std=0.0, max_steps=args.runs * 30))
        beyond = peak_memory() - before
        history = 2 * min(LBFGS().memory, solution.steps) * 8 * 769 * 1000
        space = f"{beyond / 1e6:.0f} MB beyond X, {history / 1e6:.0f} of it history"
        print(f"C = {C:g}  softreg: {told(solution, cpu)}; {space}")
        if args.rows == 20_000:
            compare(solution, cpu, peers)


def solve(data: Dataset, settings: Settings) -> tuple[Solution, float]:
    cpu = time.process_time()
    _, solution = fit(data, settings)
    return solution, time.process_time() - cpu


def told(solution: Solution, cpu: float) -> str:
    return (
        f"{solution.status.name}, value {solution.value:.9f}, certified gap {solution.gap / solution.value:.1e}, "
        f"{solution.steps} steps, {solution.passes:.0f} passes, {solution.seconds:.2f} s, {cpu:.2f} s of processor"
    )


def compare(solution: Solution, cpu: float, peers: list[Result]) -> None:
    """How long each peer took to the value where it ended, and how long we took to the same value."""
    for peer in peers:
        last: Mark = peer.marks[-1]
        if last.value is None:
            continue
        reached = np.flatnonzero(solution.history["value"] <= last.value)
        if not len(reached):
            print(f"    {peer.name} ended lower, at {last.value:.9f}: {last.cpu_seconds / cpu:.1f} x our whole solve")
            continue
        seconds = solution.history["seconds"][reached[0]]
        ours = seconds * cpu / solution.seconds
        passes = solution.history["passes"][reached[0]]
        print(
            f"    {peer.name}'s {last.value:.9f}: {seconds:.2f} s, {ours:.2f} s of processor, {passes:.0f} passes; "
            f"{last.cpu_seconds / ours:.1f} x sooner by processor, {last.cpu_seconds / seconds:.1f} x by the clock; "
            f"its end against our whole solve {last.cpu_seconds / solution.seconds:.1f} x by the clock"
        )


# ---- prediction and memory ------------------------------------------------------------------------------------------


def predicting(args: argparse.Namespace) -> None:
    train, _ = fashion_mnist.load()
    model, _ = fit(train, Settings(max_steps=1))
    used = peak_memory()
    model.predict(train.X)
    beyond = peak_memory() - used
    seconds, cpu = timed({"predict": lambda: model.predict(train.X)}, args.runs)["predict"]
    print(f"predict of 60,000 images: {1000 * seconds:.1f} ms, {1000 * cpu:.1f} ms of processor, {beyond / 1e6:.1f} MB")
    for name in ("sklearn-predict", "sklearn-predict-threads"):
        last = RESULTS[name].marks[-1]
        print(f"    {name}: {1000 * last.cpu_seconds:.1f} ms of processor, {last.cpu_seconds / cpu:.1f} x")


FITTED = """
import json, sys
sys.path.insert(0, sys.argv[1])
from machine import peak_memory as peak
from softreg import LBFGS, Dataset, Settings, fit
from softreg.data import fashion_mnist
train, _ = fashion_mnist.load()
tiny = Dataset(train.X[:20, :3], train.y[:20], train.classes)
fit(tiny, Settings(LBFGS(), C=1.0, max_steps=1))  # what is imported and made once
before = peak()
_, solution = fit(train, Settings(LBFGS(), C=1.0, tol=1e-4))
print(json.dumps([peak() - before, solution.steps]))
"""


def memory(args: argparse.Namespace) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FITTED, str(Path(__file__).parent)], capture_output=True, text=True, check=True
    )
    beyond, steps = json.loads(done.stdout)
    vectors = 2 * min(LBFGS().memory, steps) * 8 * 7850
    history = f"{vectors / 1e6:.0f} of it the solver's history"
    print(f"a fit of 60,000 images in bytes: {beyond / 1e6:.0f} MB beyond X, {history}")
    print(f"    {RESULTS['sklearn-lbfgs-memory'].describe()}")


def timed(contenders: dict[str, Any], runs: int) -> dict[str, tuple[float, float]]:
    """Return the median wall and processor seconds of each, taken in turns."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in contenders}
    with one_blas_thread():
        for _ in range(runs):
            for name, run in contenders.items():
                begin, cpu = time.perf_counter(), time.process_time()
                run()
                times[name].append((time.perf_counter() - begin, time.process_time() - cpu))
    return {
        name: (statistics.median(wall for wall, _ in values), statistics.median(cpu for _, cpu in values))
        for name, values in times.items()
    }


if __name__ == "__main__":
    main()
