"""`softreg report` and `softreg train --report` from outside: the files, what is said, and the exit codes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from command import good, run
from softreg import Model
from softreg.data import fashion_mnist
from softreg.report import report, schema

pytest.importorskip("pyarrow")

COSTS = "true,treat,wait\nill,1,50\nwell,5,0\n"


def table(n: int, seed: int) -> str:
    rng = np.random.default_rng(seed)
    ill = rng.random(n) < 0.4
    x = rng.normal(ill * 1.5, 1.0)
    lines = [f"{a:.3f},{b:.3f},{'ill' if k else 'well'}" for a, b, k in zip(x, rng.normal(size=n), ill, strict=True)]
    return "\n".join(["fever,noise,kind", *lines]) + "\n"


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave a folder with a model of a table, the table, another one, and costs."""
    monkeypatch.chdir(tmp_path)
    Path("first.csv").write_text(table(120, 0))
    Path("later.csv").write_text(table(80, 1))
    Path("costs.csv").write_text(COSTS)
    done = run("train", "first.csv", "--target", "kind", "--out", "m.safetensors")
    assert done.exit_code == 0, done.output


def test_a_page_and_its_figures_are_left() -> None:
    done = run("report", "m.safetensors", "later.csv", "--target", "kind", "-o", "r.html", "--json", "r.json")
    assert done.exit_code == 0, done.output
    assert done.stdout == ""
    assert "data: later.csv (80 rows)\nwrote r.html\nwrote r.json\n" in done.stderr
    page, said = Path("r.html").read_text(), json.loads(Path("r.json").read_text())
    assert 'm.safetensors</bdi> <span class="on">on</span> <bdi>later.csv</bdi></h1>' in page
    jsonschema.validate(said, schema())
    assert said["evaluation"]["n_rows"] == 80
    assert said["trust"]["held_out"] == {"where": "half", "name": "later.csv", "fitted": 40, "judged": 40, "seed": 0}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", said["when"])
    assert [one["feature"] for one in said["strongest"][0]["effects"]] == ["fever", "noise"]
    assert said["savings"] is None


def test_the_page_is_called_as_the_model_unless_it_is_named() -> None:
    assert run("report", "m.safetensors", "later.csv", "--target", "kind").exit_code == 0
    assert Path("m.html").exists()


@pytest.mark.slow
def test_costs_other_rows_and_a_seed() -> None:
    args = ("report", "m.safetensors", "later.csv", "--target", "kind", "--json", "r.json", "--costs", "costs.csv")
    done = run(*args, "--calibration", "first.csv")
    assert done.exit_code == 0, done.output
    said = json.loads(Path("r.json").read_text())
    assert said["trust"]["held_out"] == {
        "where": "other",
        "name": "first.csv",
        "fitted": 120,
        "judged": 80,
        "seed": None,
    }
    assert (said["savings"]["actions"], said["savings"]["n_rows"]) == (["treat", "wait"], 80)
    assert said["savings"]["cost_likeliest"] > said["savings"]["cost_least"] > 0
    assert run(*args, "--seed", 7).exit_code == 0
    assert json.loads(Path("r.json").read_text())["trust"]["held_out"]["seed"] == 7


@pytest.mark.slow
def test_rows_come_through_a_pipe_too() -> None:
    done = run("report", "m.safetensors", "-", "--target", "kind", stdin=table(50, 2))
    assert done.exit_code == 0, done.output
    assert "on</span> <bdi>standard input</bdi></h1>" in Path("m.html").read_text()


@pytest.mark.slow
def test_of_a_known_name_the_test_images_judge() -> None:
    done = run("train", "fashion-mnist", "--sample", "--epochs", 2, "--no-picture", "--out", "f.safetensors")
    assert done.exit_code == 0, done.output
    done = run("report", "f.safetensors", "fashion-mnist", "--sample", "--json", "f.json")
    assert done.exit_code == 0, done.output
    _, test = fashion_mnist.sample()
    said = json.loads(Path("f.json").read_text())
    model = Model.load("f.safetensors")
    assert said["evaluation"] == json.loads(report(model, test).to_json())["evaluation"]
    assert said["rows"]["name"] == "the test images of fashion-mnist"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("share", "judged", "rows"),
    [(None, "the held-out rows of first.csv", 24), ("0", "the rows of first.csv that it was fitted on", 120)],
)
def test_train_leaves_a_report_that_knows_how_the_fit_ended(share: str | None, judged: str, rows: int) -> None:
    given = [] if share is None else ["--test-share", share]
    done = run("train", "first.csv", "--target", "kind", "--out", "t.model", "--report", *given)
    assert done.exit_code == 0, done.output
    assert "wrote t.html\nnext:" in done.stderr
    page = Path("t.html").read_text()
    assert f't.model</bdi> <span class="on">on</span> <bdi>{judged}</bdi></h1>' in page
    assert "The value is within the tolerance of the optimum, by the certificate: after step" in page
    assert f"{rows} rows" in page
    assert "time of the fit" in page


def test_train_in_json_keeps_its_lines_with_a_report() -> None:
    done = run(
        "train", "fashion-mnist", "--sample", "--epochs", 1, "--no-picture", "--report", "--json", "--out", "f.x"
    )
    assert [json.loads(line) for line in done.stdout.splitlines()][-1]["status"] == "MAX_STEPS"
    assert "the test images of fashion-mnist" in Path("f.html").read_text()


GOOD = ["report", "m.safetensors", "later.csv", "--target", "kind"]
OWN = ["report", "m.safetensors", "d.csv", "--target", "kind"]
CSV, HEAD = "true,treat", "fever,noise,kind\n"
BAD: dict[str, tuple[dict[str, str], list[str], str]] = {
    "no such model": ({}, ["report", "none.safetensors", "later.csv"], "does not exist"),
    "a model that is none": ({"x": "x"}, ["report", "x", "later.csv", "--target", "kind"], "cut short, or not"),
    "no such data": ({}, ["report", "m.safetensors", "latter.csv"], "Did you mean later.csv?"),
    "no target": ({}, ["report", "m.safetensors", "later.csv"], "needs --target"),
    "other columns": ({"d.csv": "a,kind\n1,ill\n"}, OWN, "'fever'"),
    "another class": (
        {"d.csv": HEAD + "1,2,il\n1,2,ill\n"}, OWN, "'il' in row 0",
    ),
    "no rows": ({"d.csv": HEAD}, OWN, "no rows"),
    "images for columns": ({}, ["report", "m.safetensors", "fashion-mnist", "--sample"], "2 features"),
    "no calibration rows": ({"d.csv": HEAD}, [*GOOD, "--calibration", "d.csv"], "no rows"),
    "calibration by other columns": ({"d.csv": "fever,kind\n1,ill\n"}, [*GOOD, "--calibration", "d.csv"], "'noise'"),
    "costs of the wrong size": ({"c.csv": COSTS[:-3] + "\n"}, [*GOOD, "--costs", "c.csv"], "expected 2"),
    "costs without a class": ({"c.csv": CSV + "\nill,1\n"}, [*GOOD, "--costs", "c.csv"], "has no class 'well'"),
    "costs of other classes": ({"c.csv": CSV + "\nill,1\nwel,2\n"}, [*GOOD, "--costs", "c.csv"], "meant for 'well'"),
    "costs that are none": ({"c.csv": CSV + "\nill,nan\nwell,2\n"}, [*GOOD, "--costs", "c.csv"], "expected a finite"),
    "the model for the page": ({}, [*GOOD, "-o", "m.safetensors"], "would replace it"),
    "the data for the page": ({}, [*GOOD, "-o", "later.csv"], "later.csv is what the command reads: --out would"),
    "the costs for the figures": ({"c.csv": COSTS}, [*GOOD, "--costs", "c.csv", "--json", "./c.csv"], "--json would"),
    "the same rows for both": ({}, [*GOOD, "--calibration", "./later.csv"], "--calibration ./later.csv is DATA"),
    "both through one pipe": ({}, [*GOOD, "-o", "-", "--json", "-"], "has room for one"),
    "one file twice": ({}, [*GOOD, "-o", "r", "--json", "r"], "both r"),
    "no such folder": ({}, [*GOOD, "-o", "nowhere/r.html"], "no folder nowhere"),
    "standard input twice": ({}, ["report", "m.safetensors", "-", "--calibration", "-"], "read once"),
    "a seed below 0": ({}, [*GOOD, "--seed", "-1"], "--seed"),
    "options of others": ({}, [*GOOD, "--sample"], "--sample is for other data"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_is_to_be_put_right_is_said_with_exit_code_2_and_nothing_is_written(case: str) -> None:
    made, args, said = BAD[case]
    for name, text in made.items():
        Path(name).write_text(text)
    before = {path.name: path.read_bytes() for path in Path().iterdir()}
    done = run(*args)
    assert done.exit_code == 2, done.output
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert {path.name: path.read_bytes() for path in Path().iterdir()} == before


@pytest.mark.parametrize(("option", "start"), [("-o", "<!doctype html>"), ("--json", "{")])
def test_the_page_or_its_figures_come_on_standard_output(option: str, start: str) -> None:
    done = good(*GOOD, option, "-")
    assert done.stdout.lower().startswith(start)
    assert not Path("-").exists()
    if option == "--json":
        json.loads(done.stdout)


def test_a_report_of_a_fit_names_the_rows_of_another_file() -> None:
    good("train", "first.csv", "--target", "kind", "--test", "later.csv", "--out", "t.safetensors", "--report")
    assert "the test rows of later.csv" in Path("t.html").read_text()
    assert "the test rows of first.csv" not in Path("t.html").read_text()


def test_a_disk_that_says_no_is_exit_code_1() -> None:
    done = run(*GOOD, "--json", "/dev/full")
    assert done.exit_code == 2
    assert "folder or device" in done.stderr


def test_train_says_before_the_work_that_a_report_cannot_be_written() -> None:
    done = run("train", "first.csv", "--target", "kind", "--out", "t.html", "--report")
    assert done.exit_code == 2
    assert "--out and the report are both t.html" in done.stderr
    assert not Path("t.html").exists()
