"""The documents say what is so."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import softreg
from contract.test_layers import MAY_IMPORT
from softreg.decision import Scaling, SplitConformal

ROOT = Path(__file__).parent.parent
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]


def test_the_readmes_ten_lines_of_python_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    code = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[0]
    assert len([line for line in code.splitlines() if line]) <= 10
    exec(compile(code, "README.md", "exec"), {})
    printed = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"loss 0\.\d{3}, test accuracy 0\.[78]\d{2}", printed[1])
    assert (tmp_path / "clothes.safetensors").exists()


def test_the_readmes_make_commands_exist() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in PAGES:
        commands = set(re.findall(r"^make (\w+)", page.read_text(), re.MULTILINE))
        assert commands <= targets, page
    assert "make test" in (ROOT / "README.md").read_text()


def test_ci_calls_the_readmes_test_command() -> None:
    assert (ROOT / ".ci" / "run").read_text().rstrip().endswith("\nmake test")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        assert target.startswith("https://") or (page.parent / target).exists(), target


def test_the_architectures_table_is_the_one_that_is_tested() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    rows = re.findall(r"^\| (`[^|]*) \| [^|]* \| ([^|]*) \|$", text, re.MULTILINE)
    layers = [(set(re.findall(r"`(\w+)`", names)), allowed) for names, allowed in rows]
    assert set.union(*(names for names, _ in layers)) == {name for name in MAY_IMPORT if not name.startswith("__")}
    above: set[str] = set()
    for names, allowed in layers:
        for name in names:
            tested = MAY_IMPORT[name]
            if "nothing" in allowed:
                assert tested == set()
            elif "all above" in allowed:
                assert tested == above
            elif "anything" in allowed:
                assert tested is None
            else:
                existing = (tested or set()) & set(MAY_IMPORT)
                assert existing == set(re.findall(r"`(\w+)`", allowed))
        above |= names


def test_the_changelog_has_this_version_on_top() -> None:
    assert re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[0] == softreg.__version__


def test_the_file_formats_page_names_every_key_that_is_written(tmp_path: Path) -> None:
    import json

    import safetensors

    page = (ROOT / "docs" / "model-file.md").read_text()
    data = softreg.Dataset.from_labels([[0.0], [1.0]], [0, 1])
    model, _ = softreg.fit(data, softreg.Settings(softreg.LBFGS(), C=1.0), validation=data)
    conformal = SplitConformal().fit(model.predict_proba(data.X), data.y)
    replace(model, calibration=Scaling(0.5), conformal=conformal).save(tmp_path / "m")
    with safetensors.safe_open(tmp_path / "m", "np") as file:
        about = json.loads(file.metadata()["softreg"])
        parts = [about[name] for name in ("model", "history", "calibration", "conformal")]
        names = {*file.keys(), *about, *(key for part in parts for key in part)}
    assert "gap" in names
    assert [name for name in sorted(names) if f"`{name}`" not in page] == []


@pytest.mark.slow
def test_the_command_lines_page_runs_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("photos").mkdir()
    for name in ("photos/1.png", "shirt.png"):
        Image.new("L", (40, 40), "white").save(name)
    softreg.Model(np.zeros((784, 2)), np.zeros(2), np.array(["a", "b"]), image_shape=(28, 28)).save(
        "fashion-mnist.safetensors"
    )
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    said, shown = "", 0
    for kind, block in re.findall(
        r"```(python|sh|text)\n(.*?)```", (ROOT / "docs/command-line.md").read_text(), re.DOTALL
    ):
        if kind == "python":
            exec(compile(block, "command-line.md", "exec"), {})
        elif kind == "sh":
            done = subprocess.run(
                ["bash", "-c", block], capture_output=True, text=True, check=False, env=os.environ | {"PATH": path}
            )
            said = done.stdout + done.stderr
            assert (done.returncode == 0) == ("people.csv" not in block), said
        else:
            shown += 1
            assert [line for line in block.splitlines() if line not in said] == [], said
    assert shown == 8


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if ">>>" in page.read_text()], ids=lambda page: page.name)
def test_sessions_in_the_documents_print_what_they_show(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import doctest

    monkeypatch.chdir(tmp_path)  # some leave files
    failed, tried = doctest.testfile(str(page), module_relative=False)
    assert tried > 0
    assert failed == 0
