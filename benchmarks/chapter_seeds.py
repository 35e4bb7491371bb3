"""Do the chapter's figures come out? Means over the seeds 0 to 19 beside those of its own code on MXNet.

    python benchmarks/chapter_seeds.py

Both are means over 20 seeds: they may differ by 4 √2 deviation/√20 and half a unit of the table's last digit.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from machine import describe
from softreg import SGD, Settings, fit
from softreg.data import fashion_mnist

sys.path.append(str(Path(__file__).parent.parent / "tests"))
from reference_table import DEVIATION, MEAN, SEEDS, allowance


def main() -> None:
    train, test = fashion_mnist.load()
    runs = []
    for seed in range(SEEDS):
        model, _ = fit(train, Settings(SGD(seed=seed), seed=seed), validation=test)
        runs.append(np.stack([model.history[name] for name in ("loss", "accuracy", "validation_accuracy")], axis=1))
    mean, deviation = np.mean(runs, axis=0), np.std(runs, axis=0, ddof=1)
    share = (mean - MEAN) / allowance()

    print(describe("softreg", "numpy"))
    print(f"means over the seeds 0 to {SEEDS - 1}; the reference; the difference as a share of what is allowed\n")
    print("{:8}{:40}{:40}{:40}".format("epoch", "loss", "train acc", "test acc"))
    for epoch in range(5):
        cells = []
        for m, d, M, D, s in zip(
            mean[epoch], deviation[epoch], MEAN[epoch], DEVIATION[epoch], share[epoch], strict=True
        ):
            cells.append(f"{m:.4f} ± {d:.4f} | {M:.4f} ± {D:.4f} {s:+.2f}")
        print(f"{epoch + 1:<8}" + "".join(f"{cell:40}" for cell in cells))
    worst = float(np.abs(share).max())
    print(f"\nlargest share {worst:.2f}: {'all within' if worst <= 1 else 'OUTSIDE'}")
    sys.exit(not worst <= 1)


if __name__ == "__main__":
    main()
