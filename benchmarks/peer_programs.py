"""One fit or pass by a peer: run by peers.py as a program of its own, in the peer's own environment.

    python peer_programs.py PROGRAM '{"option": …}' DATA OUT

DATA holds X.npy and y.npy, loaded before the clock starts, in the type that the peer likes best (a conversion costs it
nothing here). Under OUT it leaves parameters, [W; b] of (d + 1, K), as NUMBER.npy, one for each of the `marks` in the
JSON that it prints: how many steps and passes over the data, wall and processor seconds to get there. Saving them
stops both clocks. What is reached is computed by the caller.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

Result = dict[str, Any]
LADDER = [5, 10, 20, 30, 40, 50, 75, *range(100, 1001, 50)]  # steps after which parameters are kept


class Watch:
    """Wall and processor seconds, less what was spent on keeping parameters."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.marks: list[dict[str, float | None]] = []
        self.rest()

    def rest(self) -> None:
        """Start anew: memory's high-water mark as well, where the system has that."""
        if Path("/proc/self/clear_refs").exists():
            Path("/proc/self/clear_refs").write_text("5")
        self.memory = peak_memory()
        self.begin, self.cpu_begin = time.perf_counter(), time.process_time()

    def seconds(self) -> tuple[float, float]:
        """Return wall and processor seconds since the start."""
        return time.perf_counter() - self.begin, time.process_time() - self.cpu_begin

    def mark(self, theta: np.ndarray[Any, Any], steps: float, passes: float | None) -> None:
        """Keep parameters and when they were reached."""
        wall, cpu = self.seconds()
        np.save(self.out / f"{len(self.marks)}.npy", theta)
        self.marks.append({"steps": steps, "passes": passes, "seconds": wall, "cpu_seconds": cpu})
        now, cpu_now = self.seconds()
        self.begin += now - wall
        self.cpu_begin += cpu_now - cpu

    def result(self, **more: object) -> Result:
        """Return what the program prints; memory is that of everything since the start."""
        return {"marks": self.marks, "memory_bytes": peak_memory() - self.memory, **more}


def peak_memory() -> int:
    """Return the process's high-water mark in bytes; ru_maxrss alone would begin at its parent's."""
    status = Path("/proc/self/status")
    if status.exists():
        return 1024 * next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def load(data: Path) -> tuple[Any, Any]:
    return np.load(data / "X.npy"), np.load(data / "y.npy")


def repeat(run: Callable[[], object], runs: int, watch: Watch) -> list[dict[str, float | None]]:
    """Return the medians of some runs after one that is not counted, as one mark; memory is that of all."""
    watch.rest()
    run()
    walls, cpus = [], []
    for _ in range(runs):
        begin, cpu_begin = time.perf_counter(), time.process_time()
        run()
        walls.append(time.perf_counter() - begin)
        cpus.append(time.process_time() - cpu_begin)
    return [{"steps": None, "passes": 1, "seconds": median(walls), "cpu_seconds": median(cpus)}]


def lbfgs(data: Path, out: Path, *, C: float, max_iter: int, cpu_limit: float, accelerated: bool = False) -> Result:
    """scikit-learn's lbfgs, or scikit-learn-intelex's in its place, watched by the callback of SciPy's L-BFGS-B."""
    import scipy.optimize

    if accelerated:
        from daal4py import daalinit
        from sklearnex import patch_sklearn

        daalinit(1)
        patch_sklearn(verbose=False)
    from sklearn.linear_model import LogisticRegression

    X, y = load(data)
    watch = Watch(out)
    shape = (len(np.unique(y)), X.shape[1] + 1)
    evaluations, steps = 0, 0
    minimize = scipy.optimize.minimize

    def counted(function: Callable[..., Any], start: Any, *args: Any, **options: Any) -> Any:
        def evaluate(*arguments: Any) -> Any:
            nonlocal evaluations
            evaluations += 1
            return function(*arguments)

        def after_step(x: Any) -> None:
            nonlocal steps
            steps += 1
            if steps in LADDER:
                rows = np.roll(np.reshape(x, shape), -1, axis=1) if accelerated else np.reshape(x, shape, order="F")
                watch.mark(rows.T, steps, evaluations)
            if watch.seconds()[1] > cpu_limit:
                raise StopIteration

        return minimize(evaluate, start, *args, **(options | {"callback": after_step}))

    scipy.optimize.minimize = counted
    watch.rest()
    model = LogisticRegression(C=C, max_iter=max_iter).fit(X, y)
    stopped = watch.seconds()[1] > cpu_limit
    watch.mark(parameters(model), steps, evaluations)
    if len(watch.marks) > 1:  # the callback's flat vector was read as the library lays it out
        kept = np.load(out / f"{len(watch.marks) - 2}.npy")
        assert np.corrcoef(kept.ravel(), parameters(model).ravel())[0, 1] > 0.9
    end = "processor time was up" if stopped else "max_iter" if steps >= max_iter else "its own tolerance"
    package = "scikit-learn-intelex" if accelerated else "scikit-learn"
    return watch.result(version=version(package), end=end)


def newton_cg(data: Path, out: Path, *, C: float) -> Result:
    from sklearn.linear_model import LogisticRegression

    X, y = load(data)
    watch = Watch(out)
    model = LogisticRegression(C=C, solver="newton-cg").fit(X, y)
    watch.mark(parameters(model), int(model.n_iter_[0]), None)
    return watch.result(version=version("scikit-learn"), end="its own tolerance")


def saga(data: Path, out: Path, *, C: float, l1_ratio: float, cpu_limit: float) -> Result:
    """scikit-learn's saga, taken up again where it stopped, table of gradients and all, until time or progress ends."""
    from sklearn.linear_model._sag import sag_solver

    X, y = load(data)
    watch = Watch(out)
    rng = np.random.RandomState(0)
    memory: dict[str, Any] = {"coef": np.zeros((X.shape[1] + 1, len(np.unique(y))), X.dtype)}
    epochs, stop, end = 0, 5, "processor time was up"
    tol, default_stop = 1e-4, None
    target = y.astype(X.dtype)
    while watch.seconds()[1] < cpu_limit:
        cpu = watch.seconds()[1]
        _, done, memory = sag_solver(
            X, target, None, "multinomial", (1 - l1_ratio) / C, l1_ratio / C, stop - epochs, tol, 0, rng, False, None,
            memory, is_saga=True,
        )  # fmt: skip
        epochs += int(done)
        watch.mark(memory["coef"], epochs, epochs)
        if epochs < stop:  # it says it has converged: note where the default tolerance stops, and go on to a tighter
            if tol < 1e-4:
                end = f"tolerance {tol:g}"
                break
            default_stop, tol = epochs, 1e-7
        each = (watch.seconds()[1] - cpu) / max(int(done), 1)
        left = int((cpu_limit - watch.seconds()[1]) / each)
        stop = epochs + max(1, min(max(epochs // 2, 5), 100, left))
    return watch.result(version=version("scikit-learn"), end=end, default_stop=default_stop)


def cyanure(data: Path, out: Path, *, C: float, l1_ratio: float, tol: float) -> Result:
    """Cyanure's true multinomial loss; its penalties are per class, so that their sum is ours."""
    from cyanure.estimators import Classifier

    X, y = load(data)
    watch = Watch(out)
    strength = 1 / (C * len(y))
    penalties: dict[float, dict[str, Any]] = {
        0.0: {"penalty": "l2", "lambda_1": strength},
        1.0: {"penalty": "l1", "lambda_1": strength},
    }
    mixed = {"penalty": "elasticnet", "lambda_1": l1_ratio * strength, "lambda_2": (1 - l1_ratio) * strength}
    model = Classifier(
        loss="multiclass-logistic",
        fit_intercept=True,
        tol=tol,
        max_iter=4000,
        n_threads=1,
        verbose=False,
        **penalties.get(l1_ratio, mixed),
    )
    model.fit(X, y)
    theta = np.vstack([model.coef_, np.reshape(model.intercept_, (1, -1))])
    watch.mark(theta, float(np.max(model.n_iter_)), None)
    return watch.result(version=version("cyanure"), end=f"tolerance {tol:g}")


def predict(data: Path, out: Path, *, runs: int) -> Result:
    """Labels of all rows by scikit-learn; the weights are handed over, so that nothing is fitted."""
    from sklearn.linear_model import LogisticRegression

    X, _ = load(data)
    theta = np.load(data / "theta.npy")
    model = LogisticRegression()
    model.classes_ = np.arange(theta.shape[1])
    model.coef_, model.intercept_ = theta[:-1].T.astype(X.dtype), theta[-1].astype(X.dtype)
    watch = Watch(out)
    marks = repeat(lambda: model.predict(X), runs, watch)
    return watch.result(version=version("scikit-learn")) | {"marks": marks}


def torch_pass(data: Path, out: Path, *, dtype: str, rows: int, runs: int, chunked: bool = False) -> Result:
    """Loss and gradient of a linear layer: logits of `rows` at a time, or as linear_cross_entropy cuts them."""
    import torch
    from torch.nn import functional

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    arrays, labels = load(data)
    kind = getattr(torch, dtype)
    X, y = torch.from_numpy(arrays), torch.from_numpy(labels.astype(np.int64))
    X = X.view(kind) if arrays.dtype == np.uint16 else X.to(kind)
    theta = torch.from_numpy(np.load(data / "theta.npy"))
    W, b = theta[:-1].T.to(kind).contiguous().requires_grad_(), theta[-1].to(kind).requires_grad_()
    loss = 0.0

    def once() -> None:
        nonlocal loss
        W.grad = b.grad = None
        loss = 0.0
        for start in range(0, len(y), rows):
            part, target = X[start : start + rows], y[start : start + rows]
            if chunked:
                options = torch.nn.LinearCrossEntropyOptions()
                value = functional.linear_cross_entropy(
                    part, W, target, linear_bias=b, reduction="sum", options=options
                )
            else:
                value = functional.cross_entropy(functional.linear(part, W, b), target, reduction="sum")
            value = value / len(y)
            value.backward()
            loss += float(value.detach())

    watch = Watch(out)
    marks = repeat(once, runs, watch)
    result = watch.result(version=version("torch"), loss=loss) | {"marks": marks}
    assert W.grad is not None
    assert b.grad is not None
    np.save(out / "grad.npy", torch.cat([W.grad.T, b.grad[None]]).float().numpy())
    return result


def parameters(model: Any) -> np.ndarray[Any, Any]:
    return np.vstack([model.coef_.T, model.intercept_])


PROGRAMS: dict[str, Callable[..., Result]] = {
    "lbfgs": lbfgs,
    "newton-cg": newton_cg,
    "saga": saga,
    "cyanure": cyanure,
    "predict": predict,
    "torch": torch_pass,
}


def main() -> None:
    program, options, data, out = sys.argv[1:]
    warnings.simplefilter("ignore")  # of not having converged: the marks say how far it came
    print(json.dumps(PROGRAMS[program](Path(data), Path(out), **json.loads(options))))


if __name__ == "__main__":
    main()
