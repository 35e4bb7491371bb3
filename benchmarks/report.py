"""Time and size of the report on Fashion-MNIST: five epochs of SGD on 60,000 images, judged by the 10,000 test images.

python benchmarks/report.py [--runs 5] [--out report.html]

The figures, the page and the JSON are timed apart, in a process that has made one report before. `first` is that one,
with what it imports (scikit-learn's metrics, matplotlib, jinja2); `command` is `softreg report` as a user runs it.
There is no peer that makes such a page of a model.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from machine import describe
from softreg import Settings, fit
from softreg.data import fashion_mnist
from softreg.report import report

SECONDS, BYTES = 5.0, 500_000  # allowed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--out", type=Path, help="keep the page")
    args = parser.parse_args()
    train, test = fashion_mnist.load()
    model, solution = fit(train, Settings(max_steps=5), validation=test)
    times: dict[str, list[float]] = {"figures": [], "page": [], "JSON": []}
    begin = time.perf_counter()
    page = report(model, test, solution=solution).to_html()
    first = time.perf_counter() - begin
    for _ in range(args.runs):
        begin = time.perf_counter()
        found: Any = report(model, test, solution=solution)
        times["figures"].append(time.perf_counter() - begin)
        for name, make in (("page", found.to_html), ("JSON", found.to_json)):
            begin = time.perf_counter()
            make()
            times[name].append(time.perf_counter() - begin)
    command = []
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder, "m.safetensors"))
        for _ in range(args.runs):
            begin = time.perf_counter()
            call = [str(Path(sys.executable).parent / "softreg"), "report", "m.safetensors", "fashion-mnist"]
            subprocess.run(call, cwd=folder, capture_output=True, check=True)
            command.append(time.perf_counter() - begin)

    print(describe("softreg", "numpy", "matplotlib", "jinja2", "scikit-learn"))
    print(f"medians of {args.runs} runs, seconds\n")
    for name, values in times.items():
        print(f"{name:10}{statistics.median(values):8.2f}")
    print(f"{'first':10}{first:8.2f}\n{'command':10}{statistics.median(command):8.2f} of {SECONDS:.0f} allowed")
    size = len(page.encode())
    images = 0 if found.images is None else found.images.count
    print(f"\n{size:,} bytes of {BYTES:,} allowed, with {images} images; JSON {len(found.to_json().encode()):,} bytes")
    if args.out is not None:
        args.out.write_text(page, encoding="utf-8")
    sys.exit(not (statistics.median(command) <= SECONDS and size <= BYTES))


if __name__ == "__main__":
    main()
