"""What other libraries need for the same fits and passes, measured once and kept in peers.json.

    python benchmarks/peers.py                          everything: about an hour and a half, of one core
    python benchmarks/peers.py --only 'sklearn-*,torch-probe-*'
    python benchmarks/peers.py --list

Each peer runs by itself, in an environment of its own under build/peers/ (made the first time), on arrays that are in
memory and in the type it likes best before the clock starts. It keeps its parameters on the way; what they are worth is
computed here, in float64, from one definition:

    value = mean cross-entropy + (1 − r)/(2 C n) ‖W‖² + r/(C n) ‖W‖₁       r = l1_ratio, the intercept free

peer_results.py reads the results and says what each figure means.
"""

from __future__ import annotations

import argparse
import fnmatch
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from machine import ROOT, processor
from peer_problems import PROBLEMS, Problem
from peer_results import Mark, Result, load, save
from softreg.kernels import one_blas_thread
from softreg.kernels.native import multiply_add

ENVIRONMENTS = {
    "sklearn": ["scikit-learn==1.9.1"],
    "intelex": ["scikit-learn==1.9.1", "scikit-learn-intelex==2026.2.0"],
    "cyanure": ["scikit-learn==1.9.1", "cyanure==1.2.2"],
}
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
FASHION, BYTES, PROBE, PROBE16, MANY = PROBLEMS


@dataclass(frozen=True)
class Run:
    """A program of peer_programs.py with its options, in an environment, on a problem."""

    peer: str
    environment: str
    problem: str
    program: str
    options: dict[str, Any]
    threads: int | None = 1  # None: whatever the library takes by itself


def lbfgs(problem: str, C: float, *, max_iter: int = 1000) -> Run:
    return Run("scikit-learn lbfgs", "sklearn", problem, "lbfgs", {"C": C, "max_iter": max_iter, "cpu_limit": 300})


def intelex(C: float) -> Run:
    options = lbfgs(FASHION, C).options | {"accelerated": True}
    return Run("scikit-learn-intelex lbfgs", "intelex", FASHION, "lbfgs", options)


def cyanure(C: float, tol: float, l1_ratio: float = 0.0) -> Run:
    return Run("cyanure", "cyanure", FASHION, "cyanure", {"C": C, "l1_ratio": l1_ratio, "tol": tol})


def saga(l1_ratio: float) -> Run:
    options = {"C": 0.01, "l1_ratio": l1_ratio, "cpu_limit": 600}
    return Run("scikit-learn saga", "sklearn", FASHION, "saga", options)


def predict(threads: int | None) -> Run:
    return Run("scikit-learn predict", "sklearn", FASHION, "predict", {"runs": 15}, threads)


def torch(peer: str, problem: str, dtype: str = "float32", **options: object) -> Run:
    return Run(peer, "torch", problem, "torch", {"dtype": dtype, "rows": 20_000, "runs": 5} | options)


RUNS = {
    "sklearn-lbfgs-fashion-0.01": lbfgs(FASHION, 0.01),
    "sklearn-lbfgs-fashion-1": lbfgs(FASHION, 1.0),
    "sklearn-newton-cg-fashion-0.01": Run("scikit-learn newton-cg", "sklearn", FASHION, "newton-cg", {"C": 0.01}),
    "intelex-lbfgs-fashion-0.01": intelex(0.01),
    "intelex-lbfgs-fashion-1": intelex(1.0),
    "cyanure-fashion-0.01-tol1e-3": cyanure(0.01, 1e-3),
    "cyanure-fashion-0.01-tol1e-6": cyanure(0.01, 1e-6),
    "cyanure-fashion-1-tol1e-3": cyanure(1.0, 1e-3),
    "cyanure-fashion-1-tol1e-6": cyanure(1.0, 1e-6),
    "sklearn-saga-fashion-l1": saga(1.0),
    "sklearn-saga-fashion-elastic": saga(0.5),
    "cyanure-fashion-l1": cyanure(0.01, 1e-6, 1.0),
    "cyanure-fashion-elastic": cyanure(0.01, 1e-6, 0.5),
    "sklearn-lbfgs-probe-0.01": lbfgs(PROBE, 0.01),
    "sklearn-lbfgs-probe-1": lbfgs(PROBE, 1.0),
    "torch-probe-float32": torch("PyTorch float32", PROBE),
    "torch-probe-bfloat16": torch("PyTorch bfloat16", PROBE16, "bfloat16"),
    # All 20,000 rows at once would take 12 to 16 GB for logits, their logarithms and their gradient.
    "torch-many": torch("PyTorch, logits of 5000 rows at a time", MANY, rows=5000, runs=1),
    "torch-many-linear_cross_entropy": torch("PyTorch linear_cross_entropy", MANY, runs=1, chunked=True),
    "sklearn-predict": predict(1),
    "sklearn-predict-threads": predict(None),
    "sklearn-lbfgs-memory": lbfgs(BYTES, 1.0, max_iter=5),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="*", help="names or patterns of them, with commas between")
    parser.add_argument("--list", action="store_true", help="print the names and what is kept of each")
    args = parser.parse_args()
    wanted = args.only.split(",")
    if unknown := [pattern for pattern in wanted if not fnmatch.filter(RUNS, pattern)]:
        parser.error(f"--only: {', '.join(unknown)} is not among {', '.join(RUNS)}")
    names = [name for name in RUNS if any(fnmatch.fnmatch(name, pattern) for pattern in wanted)]
    for problem in PROBLEMS:
        if args.list:
            break
        measure(problem, [name for name in names if RUNS[name].problem == problem])
    kept = load()
    for name in names:
        print(kept[name].describe() if name in kept else f"{name:40} not measured")


def measure(problem: str, names: list[str]) -> None:
    """Run the peers of one problem, one after the other, and keep each result as it comes."""
    pythons = {name: python for name in names if (python := interpreter(RUNS[name].environment)) is not None}
    if not pythons:
        return
    data = PROBLEMS[problem]()
    with tempfile.TemporaryDirectory() as folder:
        data.hand_over(Path(folder))
        for name, python in pythons.items():
            result = once(name, python, data, Path(folder))
            kept = load() | {name: result}
            save(kept[name] for name in RUNS if name in kept)
            print(result.describe(), flush=True)


def interpreter(environment: str) -> str | None:
    """Return the Python that has what a peer needs, or None, having said why."""
    if environment == "torch":
        if importlib.util.find_spec("torch") is None:
            print("torch: PyTorch is not installed here (`make test` installs it on Python 3.11): left out")
            return None
        return sys.executable
    folder = ROOT / "build" / "peers" / environment
    python, done = folder / "bin" / "python", folder / "installed"
    packages = ENVIRONMENTS[environment]
    if not done.exists() or done.read_text() != " ".join(packages):
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        call: list[str | Path] = [python, "-m", "pip", "install", "-q", *packages]
        if subprocess.run(call, check=False).returncode:
            print(f"{environment}: {', '.join(packages)} could not be installed: left out")
            return None
        done.write_text(" ".join(packages))
    return str(python)


def once(name: str, python: str, data: Problem, folder: Path) -> Result:
    run = RUNS[name]
    threads = run.threads or len(os.sched_getaffinity(0))
    variables = {key: value for key, value in os.environ.items() if key not in THREADS}
    variables |= dict.fromkeys(THREADS, str(threads)) if run.threads else {}
    program: list[str | Path] = [
        python,
        str(Path(__file__).parent / "peer_programs.py"),
        run.program,
        json.dumps(run.options),
    ]
    peak = roof()
    with tempfile.TemporaryDirectory() as out:
        done = subprocess.run([*program, folder, out], capture_output=True, text=True, env=variables, check=False)
        if done.returncode:
            sys.exit(f"{name} failed:\n{done.stderr}")
        told = json.loads(done.stdout.splitlines()[-1])
        C, l1_ratio = run.options.get("C"), run.options.get("l1_ratio", 0.0)
        marks, error = [], None
        with one_blas_thread():
            for number, mark in enumerate(told["marks"]):
                kept = Path(out, f"{number}.npy")
                value = None if C is None else data.value(np.load(kept), C, l1_ratio)
                marks.append(Mark(**mark, value=value))
            if data.n_classes <= 1000 and data.theta is not None and Path(out, "grad.npy").exists():
                exact = data.loss_and_grad(data.theta, with_grad=True)[1]
                error = float(np.linalg.norm(np.load(Path(out, "grad.npy")) - exact) / np.linalg.norm(exact))
    return Result(
        name=name,
        peer=run.peer,
        version=told["version"],
        problem=run.problem,
        C=C,
        l1_ratio=l1_ratio,
        threads=threads,
        end=told.get("end", "one pass"),
        marks=tuple(marks),
        memory_bytes=told["memory_bytes"],
        flop_per_pass=(2.0 if run.program == "predict" else 4.0) * data.X.size * data.n_classes,
        roof=peak,
        gradient_error=error,
        default_stop=told.get("default_stop"),
        machine=processor(),
        cores=len(os.sched_getaffinity(0)),
    )


def roof() -> float:
    """Return FLOP/s of multiply-adds in registers; by processor time, for neighbours may be about."""
    times = []
    for _ in range(15):
        begin = time.process_time()
        work = multiply_add(True, 400_000)
        times.append(time.process_time() - begin)
    return work / statistics.median(times)


if __name__ == "__main__":
    main()
