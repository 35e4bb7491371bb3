"""The kernels without Python, in a process of their own: `native/isa.cpp` behind `tests/native/driver.cpp`.

Compiled for arm64 they run under an emulator; compiled for this machine they are watched for undefined behaviour. In
both every array ends at a guarded page. A driver stands in for `softreg.kernels.native`, so that whatever is tested of
the kernels on every instruction set is tested of these.
"""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.lib.array_utils import byte_bounds
from numpy.typing import NDArray

from softreg.kernels import native

ROOT = Path(__file__).parent.parent
HERE = ROOT / "tests" / "native"

# As CMake has them from CMakeLists.txt. Not c++20: without GNU's, GCC contracts no products and sums into one rounding,
# which on arm64 is other arithmetic than the wheel's.
FLAGS = ["-O3", "-std=gnu++20", *re.findall(r"-W[a-z-]+", (ROOT / "CMakeLists.txt").read_text())]


@dataclass(frozen=True)
class Build:
    """How a driver is compiled and run."""

    compiler: str
    flags: tuple[str, ...]
    emulator: tuple[str, ...]
    packages: str  # Debian's, that have them


BUILDS = {
    "sanitised": Build("g++", ("-fsanitize=undefined", "-fno-sanitize-recover"), (), "g++"),
    # Static, so that the emulator needs no libraries of that system.
    "arm64": Build("aarch64-linux-gnu-g++", ("-static",), ("qemu-aarch64",), "g++-aarch64-linux-gnu qemu-user"),
}

# What this processor has, and what runs in a process of its own.
INSTRUCTION_SETS = [*native.instruction_sets(), *(pytest.param(name, marks=pytest.mark.slow) for name in BUILDS)]


@dataclass
class Driver:
    """Calls kernels in another process; the same functions with the same arguments as `native`."""

    command: list[str | Path]
    process: subprocess.Popen[bytes] | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def call(self, name: str, *arguments: Any) -> Any:
        """Call a kernel; what it writes is written into the arrays given."""
        described = [_describe(argument) for argument in arguments]
        spans = [span for _, span in described]
        line = " ".join([name, *(words for words, _ in described)])
        request = line.encode() + b"\n" + b"".join(ctypes.string_at(*span) for span in spans)
        with self.lock:
            answer = self._ask(request)
            if not answer:
                raise RuntimeError(f"{name} ended the process with {self.stop()}; what it said is on stderr")
            figures, _, outputs = answer.partition("outputs")
            for i in map(int, outputs.split()):
                start, size = spans[i]
                ctypes.memmove(start, self._read(size), size)
        results = [int(figure) if figure.isdigit() else float.fromhex(figure) for figure in figures.split()]
        return results[0] if len(results) == 1 else tuple(results)

    def _ask(self, request: bytes) -> str:
        if self.process is None:
            self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(request)
            self.process.stdin.flush()
        except BrokenPipeError:
            return ""
        return self.process.stdout.readline().decode()

    def _read(self, size: int) -> bytes:
        assert self.process is not None
        assert self.process.stdout is not None
        return self.process.stdout.read(size)

    def stop(self) -> int:
        """End the process, whose code this returns; the next call starts another."""
        if self.process is None:
            return 0
        self.process.communicate()
        code, self.process = self.process.returncode, None
        return code

    @contextmanager
    def standing_in(self) -> Iterator[None]:
        """Put this in the place of the compiled module: whoever calls a kernel calls this."""
        with pytest.MonkeyPatch.context() as patch:
            for name in set(native.__all__) - {"choose", "instruction_set", "instruction_sets"}:
                patch.setattr(native, name, partial(self.call, name))
            yield


@contextmanager
def chosen(request: pytest.FixtureRequest) -> Iterator[None]:
    """Have kernels run on the instruction set that is a fixture's parameter."""
    if request.param in BUILDS:
        with request.getfixturevalue(request.param).standing_in():
            yield
    else:
        best = native.instruction_set()
        native.choose(request.param)
        yield
        native.choose(best)


@contextmanager
def driver(name: str, folder: Path) -> Iterator[Driver]:
    """Compile a driver in a folder and have it run."""
    build = BUILDS[name]
    for needed in (build.compiler, *build.emulator):
        if shutil.which(needed) is None:
            pytest.skip(f"{needed} is not on this machine: apt-get install {build.packages}")
    program = folder / name
    sources = [ROOT / "native" / "isa.cpp", HERE / "driver.cpp"]
    subprocess.run(
        [build.compiler, *FLAGS, *build.flags, f"-DSOFTREG_ISA={name}", "-I", ROOT / "native", "-o", program, *sources],
        check=True,
    )
    made = Driver([*build.emulator, program])
    yield made
    assert made.stop() == 0


def _describe(argument: Any) -> tuple[str, tuple[int, int]]:
    """An argument in words, and the address and size of the memory that it spans."""
    if argument is None:
        return "none", (0, 0)
    if isinstance(argument, float):
        return f"real {argument!r}", (0, 0)
    if not isinstance(argument, np.ndarray):
        return f"integer {int(argument)}", (0, 0)
    array: NDArray[Any] = argument
    start = array.ctypes.data
    low, high = byte_bounds(array) if array.size else (start, start)
    shape = " ".join(map(str, (array.ndim, *array.shape, *array.strides)))
    return f"array {array.dtype.str[1:]} {high - low} {start - low} {shape}", (low, high - low)
