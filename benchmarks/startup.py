"""Time of `softreg --help`, beyond the interpreter and numpy.

python benchmarks/startup.py [--runs 21]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

from machine import describe

BUDGET = 0.150  # seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=21)
    runs = parser.parse_args().runs
    softreg = str(Path(sys.executable).parent / "softreg")
    calls = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "python -c 'import numpy'": [sys.executable, "-c", "import numpy"],
        "softreg --help": [softreg, "--help"],
        "softreg train --help": [softreg, "train", "--help"],
    }
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(runs):
        for name, call in calls.items():
            begin = time.perf_counter()
            subprocess.run(call, stdout=subprocess.DEVNULL, check=True)
            times[name].append(time.perf_counter() - begin)

    print(describe("softreg", "numpy"))
    print(f"medians of {runs} runs in turns, milliseconds\n")
    medians = {name: statistics.median(values) for name, values in times.items()}
    for name, median in medians.items():
        print(f"{name:28}{1000 * median:8.0f}")
    beyond = medians["softreg --help"] - medians["python -c 'import numpy'"]
    print(f"\nsoftreg --help beyond the interpreter and numpy: {1000 * beyond:.0f} of {1000 * BUDGET:.0f} allowed")
    sys.exit(not beyond <= BUDGET)


if __name__ == "__main__":
    main()
