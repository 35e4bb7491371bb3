"""The figures of other libraries that benchmarks/peers.py measured and keeps in peers.json.

`load()` gives them by name; `Result` says what each figure means. Wall time is the machine's, neighbours included;
processor seconds are what a quiet machine would need at least with one thread, and what a fair ratio takes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

KEPT = Path(__file__).parent / "peers.json"


@dataclass(frozen=True)
class Mark:
    """How far a peer was, and when."""

    steps: float | None  # of its solver; epochs of saga and cyanure; None where one pass was timed
    passes: float | None  # evaluations of loss and gradient over all rows, where they can be counted
    seconds: float  # wall time since the fit began; of one pass: the median
    cpu_seconds: float  # processor time of all threads
    value: float | None  # in float64, by peers.py's definition; None where nothing was fitted


@dataclass(frozen=True)
class Result:
    """One peer on one problem. The last mark is where it ended."""

    name: str
    peer: str
    version: str
    problem: str  # a name in peer_problems.PROBLEMS
    C: float | None
    l1_ratio: float
    threads: int
    end: str  # why it stopped
    marks: tuple[Mark, ...]
    memory_bytes: int  # the process's high-water mark during the fit, less that before it with X loaded
    flop_per_pass: float  # 4 n d K: the multiply-adds of logits and gradient; 2 n d K where labels are predicted
    roof: float  # FLOP/s of multiply-adds in float32 registers, one thread, measured just before
    gradient_error: float | None  # ‖grad − exact‖/‖exact‖ of one pass, exact: float64 at the same X and W
    default_stop: float | None  # the epoch at which saga's default tolerance, 1e-4, was met
    machine: str
    cores: int

    def reached(self, value: float) -> Mark | None:
        """Return the first mark at or below a value, or None."""
        return next((mark for mark in self.marks if mark.value is not None and mark.value <= value), None)

    def describe(self) -> str:
        """Return the last mark in a line."""
        last = self.marks[-1]
        value = "" if last.value is None else f"value {last.value:.9f}, "
        steps = "" if last.steps is None else f"{last.steps:.0f} steps, "
        error = "" if self.gradient_error is None else f"gradient's error {self.gradient_error:.1e}, "
        return (
            f"{self.name:40}{value}{error}{steps}{last.seconds:.3f} s, {last.cpu_seconds:.3f} s of processor, "
            f"{self.memory_bytes / 1e6:.0f} MB; {self.end}"
        )


def load(path: Path = KEPT) -> dict[str, Result]:
    """Return the results that were kept, by name."""
    kept = json.loads(path.read_text()) if path.exists() else []
    return {r["name"]: Result(**(r | {"marks": tuple(Mark(*mark) for mark in r["marks"])})) for r in kept}


def save(results: Iterable[Result], path: Path = KEPT) -> None:
    """Write results, one a line; marks as lists in the order of `Mark`."""
    records = [asdict(result) for result in results]
    for record in records:
        record["marks"] = [list(mark.values()) for mark in record["marks"]]
    path.write_text("[\n" + ",\n".join(map(json.dumps, records)) + "\n]\n")
