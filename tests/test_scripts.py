"""What make calls before anything can be built: what is missing is named in one line that can be pasted."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parent.parent / "scripts"
TOOLS = ["sh", "id", "echo", "dirname", "mktemp", "rm", "mkdir", "tail", "cp"]


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """Return the folder of programs of a machine that has little more than a shell."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for tool in TOOLS:
        path = shutil.which(tool)
        if path is not None:
            (programs / tool).symlink_to(path)
    return programs


def program(folder: Path, name: str, body: str = "exit 0") -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def real_python(folder: Path, name: str = "python3") -> Path:
    return program(folder, name, f'exec "{sys.executable}" "$@"')


def preflight(programs: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SCRIPTS / "preflight.sh"],
        env={"PATH": str(programs), **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_machine_with_everything_gives_its_python(machine: Path) -> None:
    real_python(machine)
    program(machine, "c++")
    done = preflight(machine)
    assert (done.returncode, done.stdout, done.stderr) == (0, "python3\n", "")


def test_an_empty_machine_is_told_one_line_to_paste(machine: Path) -> None:
    program(machine, "apt-get")
    done = preflight(machine)
    sudo = "" if os.getuid() == 0 else "sudo "
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"{sudo}apt-get install python3 python3-venv python3-dev g++"


def test_a_missing_compiler_alone_is_named_alone(machine: Path) -> None:
    real_python(machine)
    program(machine, "apt-get")
    assert preflight(machine).stderr.splitlines()[-1].endswith("apt-get install g++")


def test_missing_venv_and_headers_are_those_of_the_python_found(machine: Path) -> None:
    program(machine, "python3", 'case "$2" in *version_info\\[*) echo 3.12;; *version_info*) exit 0;; *) exit 1;; esac')
    program(machine, "c++")
    program(machine, "apt-get")
    assert preflight(machine).stderr.splitlines()[-1].endswith("apt-get install python3.12-venv python3.12-dev")


def test_an_old_python_is_passed_over_for_a_newer_beside_it(machine: Path) -> None:
    program(machine, "python3", "exit 1")
    real_python(machine, "python3.12")
    program(machine, "c++")
    assert preflight(machine).stdout == "python3.12\n"


def test_an_old_python_alone_is_said_to_be_too_old(machine: Path) -> None:
    program(machine, "python3", '[ "$1" = --version ] && echo Python 3.9.2 && exit; exit 1')
    program(machine, "c++")
    done = preflight(machine)
    assert done.returncode == 1
    assert "Python 3.9.2 is too old" in done.stderr


def test_an_old_compiler_is_said_to_be_too_old(machine: Path) -> None:
    real_python(machine)
    program(machine, "c++", "exit 1")
    assert "c++ does not know C++20" in preflight(machine).stderr


def test_a_python_that_was_named_is_used_or_refused(machine: Path) -> None:
    program(machine, "c++")
    real_python(machine, "mine")
    program(machine, "old", "exit 1")
    assert preflight(machine, PYTHON="mine").stdout == "mine\n"
    assert "PYTHON=old" in preflight(machine, PYTHON="old").stderr


def test_without_apt_the_data_is_downloaded(machine: Path, tmp_path: Path) -> None:
    program(machine, "python", 'case "$2" in *find*) exit 0;; *) echo "$HOME/cache";; esac')
    program(machine, "softreg", 'echo "$@" > "$HOME/called"')
    call = [SCRIPTS / "fashion-mnist.sh", machine / "python"]
    subprocess.run(call, env={"PATH": str(machine), "HOME": str(tmp_path)}, check=True)
    assert (tmp_path / "called").read_text() == "data fetch fashion-mnist\n"


@pytest.mark.parametrize("lists", ["of the system", "none"])
def test_with_apt_the_package_is_unpacked_into_the_cache_and_nothing_is_installed(
    machine: Path, tmp_path: Path, lists: str
) -> None:
    program(machine, "python", 'case "$2" in *find*) exit 0;; *) echo "$HOME/cache";; esac')
    program(machine, "softreg", 'echo called >> "$HOME/log"')
    program(
        machine,
        "apt-get",
        'echo "$@" >> "$HOME/log"\n'
        'case "$*" in *update*) echo > "$HOME/updated"; exit;; esac\n'
        + ("" if lists == "of the system" else '[ -e "$HOME/updated" ] || exit 100\n')
        + "echo > dataset-fashion-mnist_1_all.deb",
    )
    unpacked = "$3/usr/share/datasets/fashion-mnist"
    program(machine, "dpkg-deb", f'mkdir -p "{unpacked}"; echo images > "{unpacked}/train-images-idx3-ubyte.gz"')
    call = [SCRIPTS / "fashion-mnist.sh", machine / "python"]
    subprocess.run(call, env={"PATH": str(machine), "HOME": str(tmp_path)}, check=True, stderr=subprocess.DEVNULL)
    assert (tmp_path / "cache" / "train-images-idx3-ubyte.gz").read_text() == "images\n"
    log = (tmp_path / "log").read_text()
    assert "install" not in log
    assert "called" not in log
    assert ("update" in log) == (lists == "none")


def test_with_apt_that_fails_the_data_is_downloaded_and_that_is_said(machine: Path, tmp_path: Path) -> None:
    program(machine, "python", 'case "$2" in *find*) exit 0;; *) echo "$HOME/cache";; esac')
    program(machine, "softreg", 'echo "$@" > "$HOME/called"')
    program(machine, "apt-get", "echo E: no such package; exit 100")
    program(machine, "dpkg-deb")
    call = [SCRIPTS / "fashion-mnist.sh", machine / "python"]
    environment = {"PATH": str(machine), "HOME": str(tmp_path)}
    done = subprocess.run(call, env=environment, check=True, capture_output=True, text=True)
    assert "downloading instead" in done.stderr
    assert (tmp_path / "called").exists()
