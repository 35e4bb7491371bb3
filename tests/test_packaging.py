"""The package as others get it: built from what is committed, installed alone, used from elsewhere."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the source distribution and the wheel that was built from it."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: what is committed cannot be told from what lies about")
    source = tmp_path_factory.mktemp("source")
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, files.split("\0")):
        if (ROOT / name).exists():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, source / name)
    out = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-m", "build", "--outdir", out, source], check=True, stdout=subprocess.DEVNULL)
    return out


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of programs of an environment with the wheel and what it asks for, and nothing else."""
    environment = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    (wheel,) = built.glob("*.whl")
    subprocess.run([environment / "bin" / "pip", "install", "--quiet", wheel], check=True)
    return environment / "bin"


def test_the_wheel_has_the_package_and_nothing_else(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {"softreg", f"softreg-{wheel.name.split('-')[1]}.dist-info"}
    assert "softreg/py.typed" in names
    assert {f"softreg/report/{name}" for name in ("page.html", "schema.json", "script.js", "style.css")} <= set(names)
    assert "softreg/data/sample/train-images-idx3-ubyte.gz" in names
    assert any(name.startswith("softreg/kernels/_native.") and name.endswith((".so", ".pyd")) for name in names)
    assert wheel.stat().st_size < 4e6


def test_the_source_distribution_has_what_a_build_needs(built: Path) -> None:
    (source,) = built.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "CMakeLists.txt", "native/bindings.cpp", "LICENSE", "README.md"} <= names


def test_the_installed_command_trains_and_predicts(installed: Path, tmp_path: Path) -> None:
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}

    def softreg(*args: str) -> str:
        call = [str(installed / "softreg"), *args]
        done = subprocess.run(call, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
        return done.stdout

    assert "Examples:" in softreg("--help")
    assert len(softreg("train", "fashion-mnist", "--sample").splitlines()) == 5
    images = subprocess.run(
        [installed / "python", "-c", "from softreg.data import fashion_mnist as f; print(f.sample_folder())"],
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    labels = softreg("predict", "fashion-mnist.safetensors", f"{images}/t10k-images-idx3-ubyte.gz")
    assert len(labels.splitlines()) == 800
    assert (tmp_path / "fashion-mnist.png").exists()


def test_types_are_seen_by_those_who_use_the_package(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "user.py").write_text("import softreg\nreveal_type(softreg.Model.load('m').predict([[1.0]]))\n")
    call = [sys.executable, "-m", "mypy", "--strict", "--python-executable", str(installed / "python"), "user.py"]
    done = subprocess.run(
        call, cwd=tmp_path, capture_output=True, text=True, check=False, env=os.environ | {"MYPYPATH": ""}
    )
    assert "ndarray" in done.stdout
    assert "error" not in done.stdout
