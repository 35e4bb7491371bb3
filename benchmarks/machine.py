"""What a figure was measured on: it stands above every table."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parent.parent


def describe(*packages: str) -> str:
    """Return processor, cores, Python, versions of the packages and the commit, in a line or two."""
    versions = ", ".join(f"{package} {version(package)}" for package in packages)
    cores = len(os.sched_getaffinity(0))
    return f"{processor()}, {cores} cores; Python {platform.python_version()}, {versions}\ncommit {commit()}"


def processor() -> str:
    """Return the processor's name, as far as it tells."""
    info = Path("/proc/cpuinfo")
    names = [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    wide = "with AVX-512" if "avx512f" in info.read_text() else "without AVX-512"
    return f"{names[0] if names else platform.processor()} {wide}"


def commit() -> str:
    """Return the commit, and whether files differ from it."""

    def git(*args: str) -> str:
        return subprocess.run(["git", *args], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()

    return git("rev-parse", "--short", "HEAD") + (" with changes" if git("status", "--porcelain") else "")


def peak_memory() -> int:
    """Return this process's high-water mark in bytes; getrusage's is the parent's where that was higher."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024
