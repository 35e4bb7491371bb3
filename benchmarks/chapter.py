"""Time of the chapter's five epochs, from arrays in memory, beside the ways people have today.

    python benchmarks/chapter.py [--runs 7] [--only softreg,numpy]

Contenders take turns, each run in a process of its own, so that a noisy neighbour hits all alike; medians are told,
with the loss and accuracies reached beside them. MXNet 1.9.1 gets an environment of its own under build/ the first time
(Python 3.11 and older; it needs numpy<1.24); what cannot be had is named and left out.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from machine import ROOT, describe
from softreg.data import fashion_mnist

MXNET = ROOT / "build" / "mxnet"
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

# name → how it is called in the table, its environment variables
CONTENDERS = {
    "softreg": ("softreg, from bytes", {}),
    "numpy": ("plain NumPy loop, one BLAS thread", ONE_THREAD),
    "torch-1": ("PyTorch eager, one thread", ONE_THREAD),
    "torch": ("PyTorch eager, default threads", {}),
    "mxnet": ("the chapter on MXNet 1.9.1, arrays in memory", {}),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--only", default=",".join(CONTENDERS), help="contenders, with commas between")
    args = parser.parse_args()
    if unknown := set(args.only.split(",")) - set(CONTENDERS):
        parser.error(f"--only: {', '.join(sorted(unknown))} is not among {', '.join(CONTENDERS)}")
    pythons = {name: python for name in args.only.split(",") if (python := interpreter(name)) is not None}

    print(describe("softreg", "numpy"))
    print(f"five epochs with evaluation, {args.runs} runs in turns; seconds\n")
    results: dict[str, list[dict[str, float]]] = {name: [] for name in pythons}
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder, "data.npz")
        train, test = fashion_mnist.load()
        np.savez(data, X=train.X, y=train.y, Xt=test.X, yt=test.y)
        for seed in range(args.runs):
            for name, python in pythons.items():
                results[name].append(once(python, name, data, seed))
    table(results)


def interpreter(name: str) -> str | None:
    """Return the Python that has what a contender needs, or None, having said why."""
    if name.startswith("torch") and importlib.util.find_spec("torch") is None:
        print(f"{name}: PyTorch is not installed here (`make test` installs it on Python 3.11): left out")
        return None
    if name != "mxnet":
        return sys.executable
    python = MXNET / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", MXNET], check=True)
    ready = [str(python), "-c", "import mxnet"]
    if subprocess.run(ready, capture_output=True, check=False).returncode:
        subprocess.run(
            [python, "-m", "pip", "install", "-q", "numpy<1.24", "mxnet==1.9.1"], capture_output=True, check=False
        )
    if subprocess.run(ready, capture_output=True, check=False).returncode:
        print("mxnet: MXNet 1.9.1 could not be installed: left out")
        return None
    return str(python)


def once(python: str, name: str, data: Path, seed: int) -> dict[str, float]:
    call = [python, str(Path(__file__).parent / "contenders.py"), name, str(data), str(seed)]
    done = subprocess.run(call, capture_output=True, text=True, env=os.environ | CONTENDERS[name][1], check=False)
    if done.returncode:
        sys.exit(f"{name} failed:\n{done.stderr}")
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def table(results: dict[str, list[dict[str, float]]]) -> None:
    def median(name: str, figure: str) -> float:
        return statistics.median(run[figure] for run in results[name])

    ours = median("softreg", "seconds") if "softreg" in results else float("nan")
    head = ("", "median", "min", "max", "times ours", "loss", "train acc", "test acc")
    print("{:46}{:>8}{:>8}{:>8}{:>12}{:>9}{:>11}{:>10}".format(*head))
    for name in results:
        times = [run["seconds"] for run in results[name]]
        row: tuple[Any, ...] = (CONTENDERS[name][0], median(name, "seconds"), min(times), max(times))
        row += (median(name, "seconds") / ours, *(median(name, f) for f in ("loss", "train_accuracy", "test_accuracy")))
        print("{:46}{:8.3f}{:8.3f}{:8.3f}{:12.2f}{:9.4f}{:11.4f}{:10.4f}".format(*row))


if __name__ == "__main__":
    main()
