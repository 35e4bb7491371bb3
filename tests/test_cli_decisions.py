"""From probabilities to actions by the softreg command: calibrate, evaluate, and predict that decides."""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import Result
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer

from command import good, run
from idx_files import idx
from softreg import Dataset, Model, metrics
from softreg.data import fashion_mnist
from softreg.decision import CostMatrix, SplitConformal, calibrate, estimate_prior, reweight

COSTS = "true class,biopsy,send home\nmalignant,0,100\nbenign,5,0\n"
TARGET = ("--target", "diagnosis")


def tumours() -> list[pd.DataFrame]:
    """Thirds of scikit-learn's patients: to fit a model, to calibrate it, to decide about."""
    bunch = load_breast_cancer(as_frame=True)
    table = bunch.data.assign(diagnosis=bunch.target_names[bunch.target])
    return [table.iloc[rows] for rows in np.array_split(np.random.default_rng(0).permutation(len(table)), 3)]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the patients, the costs, a model, and the same model calibrated with scores for sets."""
    folder = tmp_path_factory.mktemp("made")
    for name, table in zip(("fit", "held", "new"), tumours(), strict=True):
        table.to_csv(folder / f"{name}.csv", index=False)
    (folder / "costs.csv").write_text(COSTS)
    model = folder / "m.safetensors"
    options = ("--standardize", "--C", 10, "--tol", 1e-8, "--test-share", 0)
    good("train", folder / "fit.csv", *TARGET, *options, "--out", model)
    good("calibrate", model, folder / "held.csv", *TARGET, "--sets", "aps", "-o", folder / "s.safetensors")
    return folder


@pytest.fixture(autouse=True)
def in_a_folder_with_them(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in made.iterdir():
        shutil.copy(path, tmp_path)
    monkeypatch.chdir(tmp_path)


def read(name: str) -> tuple[NDArray[np.float64], NDArray[Any]]:
    table = pd.read_csv(name)
    return table.drop(columns="diagnosis").to_numpy(), table["diagnosis"].to_numpy(str)


def held() -> Dataset:
    return Dataset.from_labels(*read("held.csv"))


# --- calibrate -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["temperature", "vector"])
def test_calibrate_writes_the_model_that_the_library_makes_and_says_what_it_changed(method: str) -> None:
    result = good("calibrate", "m.safetensors", "held.csv", *TARGET, "--method", method, "-o", "c.safetensors")
    before, after = Model.load("m.safetensors"), Model.load("c.safetensors")
    want = calibrate(before, held(), method=method)
    assert want.calibration is not None
    assert after.calibration is not None
    np.testing.assert_array_equal(after.calibration.scale, want.calibration.scale)
    np.testing.assert_array_equal(after.calibration.bias, want.calibration.bias)
    table = dict(re.findall(r"^(.*?) {2,}(\d.*)$", result.stdout, re.MULTILINE))
    for name in ("log_loss", "accuracy", "calibration_error"):
        told = [float(cell) for cell in table[name.replace("_", " ")].split()]
        found = [metrics.evaluate(model, held(), resamples=0).value(name) for model in (before, after)]
        assert told == pytest.approx(found, abs=6e-5)
    assert ("temperature" in table) == (method == "temperature")
    assert "190 rows" in result.stdout
    assert "wrote c.safetensors" in result.stderr


def test_with_sets_half_of_the_rows_are_for_them_and_it_is_those_that_judge() -> None:
    options = ("--sets", "raps", "--class-conditional", "--share", 0.25, "--seed", 3)
    result = good("calibrate", "m.safetensors", "held.csv", *TARGET, *options, "--json", "-o", "c.safetensors")
    settings = SplitConformal("raps", class_conditional=True, seed=3)
    want = calibrate(Model.load("m.safetensors"), held(), sets=settings, share=0.25, seed=3)
    got = Model.load("c.safetensors").conformal
    assert want.conformal is not None
    assert got is not None
    np.testing.assert_array_equal(got.scores, want.conformal.scores)
    assert (got.score, got.class_conditional, got.seed) == ("raps", True, 3)
    told = json.loads(result.stdout)
    rows = np.random.default_rng(3).permutation(190)[48:]
    part = Dataset.from_labels(held().X[rows], held().classes[held().y[rows]])
    assert (told["judged"]["rows"], told["judged"]["others"], told["sets"]["rows"]) == (142, True, 142)
    for when, model in (("before", Model.load("m.safetensors")), ("after", want)):
        figures = metrics.evaluate(model, part, resamples=0)
        assert told["judged"][when] == pytest.approx({name: figures.value(name) for name in told["judged"][when]})
    assert want.calibration is not None
    assert told["temperature"] == want.calibration.temperature
    sizes = {f"{c:g}": want.conformal.predict(want.predict_proba(part.X), coverage=c).sum() / 142 for c in (0.9, 0.95)}
    assert told["sets"]["mean_size"] == pytest.approx(sizes | {"0.99": 2.0})
    assert told["sets"]["enough_rows"] == {"0.9": True, "0.95": True, "0.99": False}, "99 of each class"
    assert told["model"] == "c.safetensors"


def test_without_a_method_probabilities_stay_and_all_rows_are_for_the_sets() -> None:
    result = good("calibrate", "m.safetensors", "held.csv", *TARGET, "--method", "none", "--sets", "lac")
    model = Model.load("m-calibrated.safetensors")
    assert model.calibration is None
    assert model.conformal is not None
    assert model.conformal.scores is not None
    assert len(model.conformal.scores) == 190
    assert result.stdout.startswith("lac sets: classes on average, by 190 rows\n90 % ")
    assert "log loss" not in result.stdout


def test_too_few_rows_for_a_promise_is_said() -> None:
    tumours()[1].head(30).to_csv("few.csv", index=False)
    result = good("calibrate", "m.safetensors", "few.csv", *TARGET, "--method", "none", "--sets", "lac", "-o", "c")
    lines = {line[:4]: "too few rows" in line for line in result.stdout.splitlines()[1:]}
    assert lines == {"90 %": False, "95 %": False, "99 %": True}
    result = good("predict", "c", "new.csv", "--sets", 0.99)
    assert all(line.endswith("benign,malignant") for line in result.stdout.splitlines())
    assert "too few held-out rows for that coverage" in result.stderr
    assert "too few" not in good("predict", "c", "new.csv", "--sets", 0.9).stderr


@pytest.mark.parametrize(
    "call",
    [
        ("calibrate", "m.safetensors", "held.csv", *TARGET, "-o", "held.csv"),
        ("train", "fit.csv", *TARGET, "--out", "./fit.csv"),
        ("train", "fit.csv", *TARGET, "--test", "new.csv", "--out", "new.csv"),
        ("tune", "fit.csv", *TARGET, "--out", "fit.csv"),
    ],
)
def test_what_a_command_reads_is_never_replaced_by_what_it_writes(call: tuple[str, ...]) -> None:
    before = {path.name: path.read_bytes() for path in Path().iterdir()}
    result = run(*call)
    assert (result.exit_code, "is what the command reads: --out would replace it" in result.stderr) == (2, True)
    assert {path.name: path.read_bytes() for path in Path().iterdir()} == before


def test_a_model_may_be_calibrated_in_its_place_and_again() -> None:
    for _ in range(2):
        good("calibrate", "m.safetensors", "held.csv", *TARGET, "-o", "m.safetensors")
        scaling = Model.load("m.safetensors").calibration
        assert scaling is not None
        assert scaling.temperature == pytest.approx(2.2191, abs=1e-3)


def test_the_three_commands_on_the_sample_of_a_known_name() -> None:
    known = ("fashion-mnist", "--sample")
    good("train", *known, "--epochs", 2, "--no-picture", "--out", "f")
    result = good("calibrate", "f", *known, "--sets", "aps", "--share", 0.3, "-o", "g")
    assert "(its 800 test images)" in result.stderr
    assert "560 other rows" in result.stdout
    told = json.loads(good("evaluate", "g", *known, "--sets", 0.9, "--resamples", 0, "--json").stdout)
    test = fashion_mnist.sample().test
    model = Model.load("g")
    assert told["figures"]["accuracy"]["value"] == model.score(test).accuracy
    assert list(told["figures"])[2] == "top_5_accuracy"
    result = good("predict", "g", *known, "--sets", 0.9, "--accept", 0.8, "--json")
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    sets = [[label in row["set"] for label in test.classes.tolist()] for row in rows]
    np.testing.assert_array_equal(sets, model.decide(test.X, sets=0.9).sets)
    assert sum(row["accepted"] for row in rows) == 640
    hit = np.mean([label in row["set"] for label, row in zip(test.classes[test.y].tolist(), rows, strict=True)])
    assert told["sets"]["coverage"] == pytest.approx(hit)
    assert "accepted: 640 of 800 rows" in result.stderr


# --- predict ---------------------------------------------------------------------------------------------------------

RULES: dict[str, tuple[list[object], dict[str, Any], list[str]]] = {
    "costs": (["--costs", "costs.csv"], {"costs": "costs.csv"}, ["action", "cost"]),
    "a price of rejection": (["--reject-cost", 0.1], {"reject": 0.1}, ["action"]),
    "costs and a price": (
        ["--costs", "costs.csv", "--reject-cost", 1],
        {"costs": "costs.csv", "reject": 1},
        ["action", "cost"],
    ),
    "a share": (["--accept", 0.95], {"accept": 0.95}, ["action"]),
    "all": (["--accept", 1], {"accept": 1}, ["action"]),
    "costs and a share": (
        ["--costs", "costs.csv", "--accept", 0.5],
        {"costs": "costs.csv", "accept": 0.5},
        ["action", "cost"],
    ),
    "sets": (["--sets", 0.95], {"sets": 0.95}, ["set"]),
    "all of it": (
        ["--costs", "costs.csv", "--reject-cost", 1, "--sets", 0.9],
        {"costs": "costs.csv", "reject": 1, "sets": 0.9},
        ["action", "cost", "set"],
    ),
}


@pytest.mark.parametrize("rule", RULES)
def test_predict_decides_as_the_library_does_in_lines_csv_and_json(rule: str) -> None:
    options, settings, columns = RULES[rule]
    model, (X, _) = Model.load("s.safetensors"), read("new.csv")
    want = model.decide(X, **settings)
    call = ("predict", "s.safetensors", "new.csv", *TARGET, *options)
    result = good(*call)
    rows = [json.loads(line) for line in good(*call, "--json").stdout.splitlines()]
    table = list(csv.DictReader(io.StringIO(good(*call, "--csv").stdout)))
    lines = [line.split("\t") for line in result.stdout.splitlines()]
    assert list(table[0]) == ["label", "probability", *columns]
    assert len(rows) == len(table) == len(lines) == len(X) == 189
    for i, (row, cells, line) in enumerate(zip(rows, table, lines, strict=True)):
        assert (row["index"], row["label"]) == (i, model.classes[want.probs[i].argmax()])
        assert row["probability"] == float(cells["probability"]) == want.probs[i].max()
        told = [row["label"], f"{row['probability']:.4f}"]
        if "action" in columns:
            assert (row["action"], row["accepted"]) == (want.names[i], want.accepted[i])
            assert cells["action"] == row["action"]
            told.append(row["action"])
        if "cost" in columns:
            assert row["cost"] == (None if np.isnan(want.cost[i]) else want.cost[i])
            assert cells["cost"] == ("" if row["cost"] is None else repr(row["cost"]))
            told.append("" if row["cost"] is None else f"{row['cost']:.4f}")
        if want.sets is not None:
            assert row["set"] == model.classes[want.sets[i]].tolist()
            assert cells["set"] == ",".join(row["set"])
            told.append(cells["set"])
        assert line == told
    if "action" in columns:
        for count, name in zip(np.bincount(want.action), want.actions, strict=False):
            assert f"{count} {name}" in result.stderr
        assert (f"accepted: {want.accepted.sum()} of 189 rows" in result.stderr) == (not want.accepted.all())
    if "cost" in columns:
        assert f"expected cost {np.nanmean(want.cost):.4g} for each" in result.stderr
    if want.sets is not None:
        assert f"{want.sets.sum(axis=1).mean():.3f} classes on average" in result.stderr


@pytest.mark.parametrize("rule", ["a share", "sets"])
def test_shares_and_sets_are_of_all_rows_however_many(rule: str) -> None:
    X = np.repeat(read("new.csv")[0], 12, axis=0)
    np.savez("many.npz", X=X)
    options, settings, _ = RULES[rule]
    model = Model.load("s.safetensors")
    told = good("predict", "s.safetensors", "many.npz", *options, "--json").stdout
    rows = [json.loads(line) for line in told.splitlines()]
    want = model.decide(X, **settings)
    assert len(rows) > 2 * 1024
    if want.sets is None:
        assert [row["accepted"] for row in rows] == want.accepted.tolist()
    else:
        assert [row["set"] for row in rows] == [model.classes[members].tolist() for members in want.sets]


def test_what_is_decided_keeps_the_type_of_the_labels_and_names_stay_apart() -> None:
    model = Model(np.array([[1.0, -1.0]]), np.zeros(2), np.array([3, 7]))
    model.save("i")
    np.savez("x.npz", X=[[2.0], [0.1]])
    rows = [
        json.loads(line) for line in good("predict", "i", "x.npz", "--reject-cost", 0.2, "--json").stdout.splitlines()
    ]
    assert [row["action"] for row in rows] == [3, "reject"]
    Model(model.W, model.b, np.array(["a,b", "reject\n"])).save("n")
    np.savez("h.npz", X=[[2.0], [-2.0], [-0.1], [0.1]] * 5, y=["a,b", "reject\n"] * 10)
    good("calibrate", "n", "h.npz", "--sets", "lac", "--method", "none", "-o", "n")
    told = good("predict", "n", "x.npz", "--sets", 0.9, "--accept", 1, "--csv").stdout
    first, second = csv.DictReader(io.StringIO(told, newline=""))
    for row, classes in ((first, ["a,b"]), (second, ["a,b", "reject\n"])):
        assert list(csv.reader(io.StringIO(row["set"], newline=""))) == [classes]
    lines = good("predict", "n", "x.npz", "--sets", 0.9).stdout.splitlines()
    assert [line.split("\t")[2] for line in lines] == ['"a,b"', '"a,b","reject\\n"']


def test_the_command_that_is_named_where_there_are_no_scores_makes_them() -> None:
    result = run("predict", "m.safetensors", "new.csv", "--sets", 0.95)
    assert result.exit_code == 2
    assert result.stdout == ""
    named = shlex.split(result.stderr.splitlines()[-1])
    assert named[1:3] == ["calibrate", "m.safetensors"]
    good(*["held.csv" if word == "HELD_OUT" else word for word in named[1:]], *TARGET)
    good("predict", named[-1], "new.csv", "--sets", 0.95)


# --- some rows -------------------------------------------------------------------------------------------------------


def test_rows_part_a_file_for_two_commands() -> None:
    table = pd.read_csv("new.csv")
    table[:90].to_csv("first.csv", index=False)
    table[90:].to_csv("rest.csv", index=False)
    for some, whole in ((("new.csv", "--rows", ":90"), ("first.csv",)), (("new.csv", "--rows", "90:"), ("rest.csv",))):
        told = [good("evaluate", "s.safetensors", *data, *TARGET, "--json") for data in (some, whole)]
        assert told[0].stdout == told[1].stdout
    assert "data: new.csv (99 of 189 rows)" in told[0].stderr
    good("calibrate", "m.safetensors", "new.csv", *TARGET, "--rows", "0:90", "-o", "one")
    good("calibrate", "m.safetensors", "first.csv", *TARGET, "-o", "two")
    assert Path("one").read_bytes() == Path("two").read_bytes()


def test_rows_part_the_images_of_a_known_name_and_the_next_command_finds_them() -> None:
    good("train", "fashion-mnist", "--sample", "--epochs", 1, "--no-picture", "--out", "f")
    told = good("calibrate", "f", "fashion-mnist", "--sample", "--rows", ":500", "-o", "g")
    assert "(500 of its 800 test images)" in told.stderr
    command = told.stderr.splitlines()[-1].removeprefix("next:").split()
    assert command[-4:] == ["predict", "g", "fashion-mnist", "--sample"]
    assert len(good(*command[-4:]).stdout.splitlines()) == 800
    rest = json.loads(good("evaluate", "g", "fashion-mnist", "--sample", "--rows", "500:", "--json").stdout)
    assert rest["n_rows"] == 300


@pytest.mark.parametrize("rows", ["5", "a:b", "5:5", "7:3", "-3:", "0:190", "189:", ":", "1:2:3"])
@pytest.mark.parametrize("command", ["calibrate", "evaluate"])
def test_rows_that_are_none_are_refused(command: str, rows: str) -> None:
    result = run(command, "m.safetensors", "new.csv", *TARGET, f"--rows={rows}")
    if rows == ":":
        assert result.exit_code == 0
    else:
        assert result.exit_code == 2
        assert rows.split(":")[0] in result.stderr.split("--rows")[-1]


# --- other class frequencies -----------------------------------------------------------------------------------------

OLD = np.array([0.6, 0.4])  # benign, malignant


@pytest.mark.parametrize("form", ["text", "file"])
def test_probabilities_follow_the_class_frequencies_of_the_place(form: str) -> None:
    Path("p.csv").write_text("class,share\nmalignant,0.05\nbenign,0.95\n")
    prior = "p.csv" if form == "file" else "malignant=0.05, benign=0.95"
    options = ("--prior", prior, "--old-prior", "benign=0.6,malignant=0.4")
    told = good("predict", "s.safetensors", "new.csv", *options, "--costs", "costs.csv", "--json").stdout
    X, _ = read("new.csv")
    want = reweight(Model.load("s.safetensors").predict_proba(X), OLD, np.array([0.95, 0.05]))
    rows = [json.loads(line) for line in told.splitlines()]
    assert [row["probability"] for row in rows] == pytest.approx(want.max(axis=1), abs=1e-9)
    cost = (want @ CostMatrix.from_table("costs.csv", ["benign", "malignant"]).costs).min(axis=1)
    assert [row["cost"] for row in rows] == pytest.approx(cost, abs=1e-7)
    told = good("evaluate", "s.safetensors", "new.csv", *TARGET, *options, "--resamples", 0, "--json").stdout
    found = metrics.measure(
        want, metrics.codes_of(Dataset.from_labels(*read("new.csv")), np.array(["benign", "malignant"]))
    )
    assert json.loads(told)["figures"]["log_loss"]["value"] == pytest.approx(found.value("log_loss"), rel=1e-6)


def test_class_frequencies_are_estimated_from_the_rows() -> None:
    options = ("--prior", "estimate", "--old-prior", "equal")
    result = good("predict", "s.safetensors", "new.csv", *options, "--json")
    probs = Model.load("s.safetensors").predict_proba(read("new.csv")[0])
    found = estimate_prior(probs, [0.5, 0.5])
    assert (
        f"estimated prior: benign={found.prior[0]:.4f},malignant={found.prior[1]:.4f}; {found.message}" in result.stderr
    )
    told = json.loads(good("evaluate", "s.safetensors", "new.csv", *TARGET, *options, "--json").stdout)
    assert told["prior"] == pytest.approx(found.prior.tolist())
    assert "prior" not in json.loads(good("evaluate", "s.safetensors", "new.csv", *TARGET, "--json").stdout)
    want = reweight(probs, [0.5, 0.5], found.prior).max(axis=1)
    assert [json.loads(line)["probability"] for line in result.stdout.splitlines()] == pytest.approx(want, abs=1e-9)


def test_the_model_file_says_how_frequent_classes_were_where_it_was_fitted() -> None:
    y = read("fit.csv")[1]
    share = f"benign={np.mean(y == 'benign')},malignant={np.mean(y == 'malignant')}"
    for prior in ("estimate", "equal"):
        told = good("predict", "s.safetensors", "new.csv", "--prior", prior, "--old-prior", share)
        assert good("predict", "s.safetensors", "new.csv", "--prior", prior).stdout == told.stdout
    Model(np.zeros((1, 2)), np.zeros(2), np.array(["a", "b"])).save("bare")
    Path("one.csv").write_text("x\n1\n")
    result = run("predict", "bare", "one.csv", "--prior", "equal")
    assert result.exit_code == 2
    assert "--prior needs --old-prior" in result.stderr


def test_shares_of_many_classes_may_be_longer_than_a_files_name() -> None:
    K = 300
    Model(np.zeros((1, K)), np.zeros(K), np.arange(K)).save("k")
    np.savez("k.npz", X=[[1.0]])
    prior = ",".join(["0=0.701", *(f"{k}=0.001" for k in range(1, K))])
    assert good("predict", "k", "k.npz", "--prior", prior, "--old-prior", "equal").stdout == "0\t0.7010\n"


def test_a_class_without_a_share_is_never_predicted() -> None:
    options = ("--prior", "benign=1,malignant=0", "--old-prior", "equal")
    lines = good("predict", "s.safetensors", "new.csv", *options).stdout.splitlines()
    assert lines == ["benign\t1.0000"] * 189


# --- evaluate --------------------------------------------------------------------------------------------------------


def test_evaluate_prints_the_librarys_figures_as_a_table_json_and_csv() -> None:
    options = ("--resamples", 100, "--seed", 2, "--level", 0.9, "--top-k", 1, "--top-k", 2)
    call = ("evaluate", "s.safetensors", "new.csv", *TARGET, *options)
    model, data = Model.load("s.safetensors"), Dataset.from_labels(*read("new.csv"))
    want = metrics.evaluate(model, data, resamples=100, seed=2, level=0.9, top_k=(1, 2))
    table = good(*call).stdout
    assert table.startswith(f"{want}\n\ntaken for")
    confusion = [line.split() for line in table.splitlines()[-3:]]
    assert confusion[0] == ["taken", "for", "benign", "malignant"]
    assert [list(map(int, row[1:])) for row in confusion[1:]] == want.confusion.tolist()
    assert json.loads(good(*call, "--json").stdout) == want.as_dict()
    assert good(*call, "--csv").stdout == want.to_csv()


def test_sets_are_judged_where_they_are_asked_for() -> None:
    call = ("evaluate", "s.safetensors", "new.csv", *TARGET, "--sets", 0.9, "--level", 0.8, "--resamples", 0)
    model, (X, y) = Model.load("s.safetensors"), read("new.csv")
    assert model.conformal is not None
    want = model.conformal.evaluate(model.predict_proba(X), (y == "malignant").astype(int), coverage=0.9, level=0.8)
    assert json.loads(good(*call, "--json").stdout)["sets"] == {"asked": 0.9} | want.as_dict()
    rows = list(csv.DictReader(io.StringIO(good(*call, "--csv").stdout)))
    found = {(row["figure"], row["class"]): row for row in rows}
    assert float(found["set_promise", ""]["value"]) == 0.9
    coverage, size = found["set_coverage", ""], found["set_size", ""]
    assert [float(coverage[name]) for name in ("value", "low", "high")] == [want.coverage, want.low, want.high]
    assert (float(size["value"]), coverage["interval"]) == (want.mean_size, "exact")
    for k, name in enumerate(model.classes):
        assert float(found["set_coverage", name]["value"]) == want.class_coverage[k]
    told = good(*call).stdout
    assert f"sets of 90 %: {want.coverage:.4f} hold the true class ({want.low:.4f}–{want.high:.4f}, exact)" in told
    assert "  of benign" not in told, "what is promised is promised for all rows"


def test_sets_that_promise_by_class_are_judged_by_class() -> None:
    good("calibrate", "m.safetensors", "held.csv", *TARGET, "--sets", "lac", "--class-conditional", "-o", "k")
    model, (X, y) = Model.load("k"), read("new.csv")
    assert model.conformal is not None
    want = model.conformal.evaluate(model.predict_proba(X), (y == "malignant").astype(int), coverage=0.9)
    told = good("evaluate", "k", "new.csv", *TARGET, "--sets", 0.9, "--resamples", 0).stdout.splitlines()[-2:]
    for k, name in enumerate(("benign", "malignant")):
        ends = f"({want.class_low[k]:.4f}–{want.class_high[k]:.4f})"
        assert told[k].startswith(f"  of {name}: {want.class_coverage[k]:.4f} {ends}; {want.class_mean_size[k]:.3f}")


DECIDING: list[tuple[tuple[object, ...], dict[str, Any]]] = [
    (("--costs", "costs.csv"), {"costs": "costs.csv"}),
    (("--costs", "costs.csv", "--reject-cost", 1), {"costs": "costs.csv", "reject": 1.0}),
    (("--reject-cost", 0.1), {"reject": 0.1}),
    (("--accept", 0.9), {"accept": 0.9}),
    (("--costs", "costs.csv", "--accept", 0.8), {"costs": "costs.csv", "accept": 0.8}),
]


@pytest.mark.parametrize(("options", "settings"), DECIDING)
def test_decisions_are_judged_by_what_they_cost(options: tuple[object, ...], settings: dict[str, Any]) -> None:
    call = ("evaluate", "s.safetensors", "new.csv", *TARGET, "--resamples", 0, "--level", 0.9, *options)
    model, (X, y) = Model.load("s.safetensors"), read("new.csv")
    codes = (y == "malignant").astype(int)
    decisions = model.decide(X, **settings)
    want = decisions.judged(codes, level=0.9)
    found = json.loads(good(*call, "--json").stdout)
    assert found["decisions"] == want.as_dict()
    assert ("expected_cost" in found["figures"]) == ("costs" in settings)
    told = good(*call).stdout
    for count, name in zip(want.counts.sum(axis=0), want.actions, strict=True):
        assert f"{count} {name}" in told
    of = "accepted row" if "accept" in settings else "row"
    unit = "paid" if "costs" in settings else "mistakes"
    assert f"cost: {want.cost:.4f} {unit} for each {of} ({want.low:.4f}–{want.high:.4f})" in told
    assert ("accepted:" in told) == (want.accepted < 1)
    rows = {row["figure"]: row for row in csv.DictReader(io.StringIO(good(*call, "--csv").stdout))}
    assert float(rows["cost_of_accepted" if "accept" in settings else "decision_cost"]["value"]) == want.cost
    assert int(rows["decided"]["value"]) == want.counts.sum(axis=0)[-1]
    assert rows["decided"]["class"] == want.actions[-1]
    assert float(rows["accepted"]["value"]) == want.accepted == decisions.accepted.mean()
    paid = {"biopsy": (5.0, 0.0), "send home": (0.0, 100.0), "benign": (0.0, 1.0), "malignant": (1.0, 0.0)}
    paid |= {"reject": (settings.get("reject", np.nan),) * 2}
    cost = np.array([paid[str(name)][k] for name, k in zip(decisions.names, codes, strict=True)])
    assert want.cost == pytest.approx(np.nanmean(cost))


def npz(**more: Any) -> None:
    table = tumours()[2]
    names = table.columns[:-1][::-1]
    np.savez("d.npz", X=table[names].to_numpy(), y=table["diagnosis"].to_numpy(str), feature_names=list(names), **more)


def test_rows_are_matched_with_the_model_by_names_whatever_their_order() -> None:
    want = good("evaluate", "s.safetensors", "new.csv", *TARGET).stdout
    table = tumours()[2]
    table[table.columns[::-1]].assign(id="x").to_csv("o.csv", index=False)
    result = good("evaluate", "s.safetensors", "o.csv", *TARGET)
    assert result.stdout == want
    assert "left aside, as the model does not know them: 'id'" in result.stderr
    npz()
    assert good("evaluate", "s.safetensors", "d.npz").stdout == want


def test_rows_of_one_class_or_a_single_row_can_be_judged() -> None:
    ill = tumours()[2].query("diagnosis == 'malignant'")
    ill.to_csv("ill.csv", index=False)
    np.savez("ill.npz", X=ill.iloc[:, :-1].to_numpy(), y=ill["diagnosis"].to_numpy(str))
    ill.head(1).to_csv("one.csv", index=False)
    Path("three.csv").write_text("x,y\n1,a\n2,b\n-1,c\n")
    Model(np.array([[1.0, -1.0, 0.0]]), np.zeros(3), np.array(["a", "b", "c"])).save("abc")
    for name, data, n in (
        ("s.safetensors", "ill.csv", 74),
        ("s.safetensors", "ill.npz", 74),
        ("s.safetensors", "one.csv", 1),
    ):
        told = json.loads(good("evaluate", name, data, *(TARGET if "csv" in data else ()), "--json").stdout)
        assert [row["support"] for row in told["classes"]] == [0, n]
    assert json.loads(good("evaluate", "abc", "three.csv", "--target", "y", "--json").stdout)["n_rows"] == 3


def test_weights_count() -> None:
    table = tumours()[1]
    w = np.where(np.arange(len(table)) % 3, 1.0, 20.0)
    table.assign(w=w).to_csv("w.csv", index=False)
    call = ("w.csv", *TARGET, "--weight", "w", "--json")
    told = json.loads(good("evaluate", "m.safetensors", *call).stdout)
    assert told["weight"] == w.sum()
    changed = json.loads(good("calibrate", "m.safetensors", *call, "-o", "c").stdout)
    for when, name in (("before", "m.safetensors"), ("after", "c")):
        score = Model.load(name).score(Dataset.from_labels(*read("held.csv"), weights=w))
        assert changed["judged"][when]["log_loss"] == pytest.approx(score.loss, rel=1e-9)


def test_the_matrix_of_many_classes_is_where_it_has_room() -> None:
    K = 13
    Model(np.linspace(0.0, 1.0, K)[None], np.zeros(K), np.array([f"class number {k}" for k in range(K)])).save("k")
    np.savez("k.npz", X=[[1.0], [-1.0]], y=["class number 3", "class number 12"])
    result = good("evaluate", "k", "k.npz", "--resamples", 0)
    assert result.stdout.endswith("the confusion matrix of 13 classes is in --json and --csv\n")
    rows = csv.DictReader(io.StringIO(good("evaluate", "k", "k.npz", "--resamples", 0, "--csv").stdout))
    pairs = {(row["class"], row["predicted"]): row["value"] for row in rows if row["figure"] == "confusion"}
    assert pairs == {("class number 3", "class number 12"): "1", ("class number 12", "class number 0"): "1"}


# --- mistakes --------------------------------------------------------------------------------------------------------


def table(text: str, name: str = "t.csv") -> str:
    Path(name).write_text(text)
    return name


def some(n: int, query: str | None = None, **more: Any) -> str:
    """Held-out patients, some of them."""
    rows = tumours()[1] if query is None else tumours()[1].query(query)
    rows.head(n).assign(**more).to_csv("t.csv", index=False)
    return "t.csv"


def right() -> str:
    """Held-out patients on whom the model is right."""
    model, (X, y) = Model.load("m.safetensors"), read("held.csv")
    tumours()[1][model.predict(X) == y].to_csv("t.csv", index=False)
    return "t.csv"


def without(column: str) -> str:
    tumours()[1].drop(columns=column).to_csv("t.csv", index=False)
    return "t.csv"


def wide() -> str:
    np.savez("t.npz", X=np.zeros((4, 31)), y=["benign", "malignant"] * 2)
    return "t.npz"


def images(n: int = 0, height: int = 5) -> str:
    Path("i").write_bytes(idx(np.zeros((n, height, 6), np.uint8)))
    Path("l").write_bytes(idx(np.zeros(n, np.uint8)))
    return "i,l"


def digits_model() -> str:
    Model(np.zeros((30, 2)), np.zeros(2), np.array([0, 1]), image_shape=(5, 6)).save("digits")
    return "digits"


CALIBRATE: dict[str, tuple[Callable[[], list[object]], list[str]]] = {
    "no rows": (lambda: ["m.safetensors", some(0), *TARGET], ["no rows"]),
    "no images": (lambda: [digits_model(), images(), "-o", "c"], ["there are no held-out rows"]),
    "a class without rows, by class": (
        lambda: ["m.safetensors", some(99, "diagnosis == 'benign'"), *TARGET, "--sets", "lac", "--class-conditional",
                 "--method", "none", "--allow-absent"],
        ["every class needs held-out rows, and there are none of 'malignant'", "or not by class"],
    ),
    "a class without rows": (
        lambda: ["m.safetensors", some(99, "diagnosis == 'benign'"), *TARGET],
        ["there are no held-out rows of 'malignant'", "--allow-absent"],
    ),
    "rows that are all right": (
        lambda: ["m.safetensors", right(), *TARGET],
        ["the model is right on all 185 rows", "rows that it is wrong on"],
    ),
    "labels that the model knows nothing of": (
        lambda: ["m.safetensors", some(9, "diagnosis == 'benign'", diagnosis="malignant"), *TARGET, "--allow-absent"],
        ["the logits tell nothing of these labels"],
    ),
    "a feature that is not there": (
        lambda: ["m.safetensors", without("mean area"), *TARGET],
        ["t.csv lacks columns that the model was trained on: 'mean area'"],
    ),
    "images of another size": (
        lambda: [digits_model(), images(2, 7), "-o", "c"],
        ["i,l has shape (2, 7, 6); expected (rows, 30)"],
    ),
    "a width that is not the model's": (
        lambda: ["m.safetensors", wide()],
        ["t.npz has shape (4, 31); expected (rows, 30)"],
    ),
    "images for a model of a table": (
        lambda: ["m.safetensors", "fashion-mnist", "--sample"],
        ["rows have classes that the model has not", "'t-shirt'"],
    ),
    "classes that the model has not": (
        lambda: ["m.safetensors", some(9, diagnosis="maligant"), *TARGET],
        ["9 labels in 'diagnosis' are none of 'benign' and 'malignant'", "the first is 'maligant' in row 0"],
    ),
    "no target": (lambda: ["m.safetensors", "held.csv"], ["needs --target"]),
    "a target of a known name": (lambda: ["m.safetensors", "fashion-mnist", *TARGET], ["--target is for other data"]),
    "features of a model with names": (
        lambda: ["m.safetensors", "held.csv", *TARGET, "--features", "mean*"],
        ["--features is for models without names"],
    ),
    "a share without sets": (lambda: ["m.safetensors", "held.csv", *TARGET, "--share", 0.5], ["--share is for --sets"]),
    "by class without sets": (
        lambda: ["m.safetensors", "held.csv", *TARGET, "--class-conditional"],
        ["--class-conditional is for --sets"],
    ),
    "a share of all": (
        lambda: ["m.safetensors", "held.csv", *TARGET, "--sets", "lac", "--share", 1],
        ["--share 1: expected a number between 0 and 1"],
    ),
    "a share of nan": (lambda: ["m.safetensors", "held.csv", *TARGET, "--sets", "lac", "--share", "nan"], ["nan: exp"]),
    "a share of nobody": (
        lambda: ["m.safetensors", some(3), *TARGET, "--sets", "lac", "--share", 0.1],
        ["3 held-out rows cannot be parted, 0.1 of them"],
    ),
    "nothing to do": (lambda: ["m.safetensors", "held.csv", *TARGET, "--method", "none"], ["leaves nothing to do"]),
    "another method": (lambda: ["m.safetensors", "held.csv", *TARGET, "--method", "platt"], ["'platt'"]),
    "a model that is none": (lambda: ["held.csv", "held.csv", *TARGET], ["held.csv", "safetensors"]),
    "a folder that is not there": (lambda: ["m.safetensors", "held.csv", *TARGET, "-o", "no/c"], ["no folder no"]),
    "a file that is not there": (lambda: ["m.safetensors", "hel.csv", *TARGET], ["Did you mean held.csv?"]),
}  # fmt: skip


def failed(result: Result, words: list[str]) -> None:
    assert result.exit_code == 2, result.output
    assert isinstance(result.exception, SystemExit), "no exception but the exit"
    for word in words:
        assert word in result.stderr, result.stderr
    assert "Traceback" not in result.output
    assert result.stdout == ""
    assert len(list(Path().glob("*.safetensors"))) == 2, "and nothing is written"
    assert not Path("c").exists()


@pytest.mark.parametrize("name", CALIBRATE)
def test_a_mistake_in_what_to_calibrate_on_exits_2_says_what_and_writes_nothing(name: str) -> None:
    args, words = CALIBRATE[name]
    failed(run("calibrate", *args()), words)


def costs(text: str) -> list[object]:
    return ["--costs", table(text, "c.csv")]


PRIOR = ("--old-prior", "equal", "--prior")

BOTH: dict[str, tuple[Callable[[], list[object]], list[str]]] = {
    "costs of too few classes": (lambda: costs("c,a,b\nbenign,0,1\n"), ["c.csv has no class 'malignant'"]),
    "costs of too many classes": (
        lambda: costs("c,a,b\nbenign,0,1\nmalignant,1,0\nnormal,1,1\n"),
        ["has 'normal', which the model has not"],
    ),
    "costs of other classes": (
        lambda: costs("c,a,b\nbenign,0,1\nmaligant,1,0\n"),
        ["'maligant' may be meant for 'malignant'"],
    ),
    "costs that are too few": (
        lambda: costs("c,a,b\nbenign,0,1\nmalignant,1\n"),
        ["the line of class 'malignant' has 1 costs; expected 2"],
    ),
    "costs of nan": (
        lambda: costs("c,a,b\nbenign,0,1\nmalignant,nan,1\n"),
        ["the cost of action 'a' where the class is 'malignant' is 'nan'; expected a finite number"],
    ),
    "costs of text": (lambda: costs("c,a,b\nbenign,0,1\nmalignant,much,1\n"), ["is 'much'; expected a finite"]),
    "costs that are missing": (lambda: costs("c,a,b\nbenign,0,\nmalignant,1,1\n"), ["no cost of action 'b'"]),
    "costs of an action twice": (lambda: costs("c,a,a\nbenign,0,1\nmalignant,1,1\n"), ["listed twice: 'a'"]),
    "costs of a class twice": (
        lambda: costs("c,a,b\nbenign,0,1\nbenign,1,1\n"),
        ["classes are listed twice: 'benign'"],
    ),
    "no costs": (lambda: costs(""), ["c.csv: expected a line with the names of actions"]),
    "costs that are not there": (lambda: ["--costs", "no.csv"], ["'no.csv' does not exist"]),
    "sets of everything": (lambda: ["--sets", 1], ["1 is not a share between 0 and 1"]),
    "sets of nan": (lambda: ["--sets", "nan"], ["nan is not a share between 0 and 1"]),
    "sets and a prior": (lambda: ["--sets", 0.9, *PRIOR, "estimate"], ["--sets and --prior exclude each other"]),
    "an old prior alone": (lambda: ["--old-prior", "equal"], ["--old-prior is for --prior"]),
    "a prior that does not sum to 1": (
        lambda: [*PRIOR, "benign=0.9,malignant=0.2"],
        ["--prior benign=0.9,malignant=0.2 holds frequencies that sum to 1.1; expected 1"],
    ),
    "a prior below 0": (lambda: [*PRIOR, "benign=1.5,malignant=-0.5"], ["negative"]),
    "a prior of nan": (lambda: [*PRIOR, "benign=nan,malignant=1"], ["nan"]),
    "a prior of text": (lambda: [*PRIOR, "benign=few,malignant=1"], ["the share of 'benign' is 'few'"]),
    "a prior of one class": (lambda: [*PRIOR, "benign=1"], ["has no class 'malignant'"]),
    "a prior of a class twice": (lambda: [*PRIOR, "benign=.5,benign=.5"], ["classes are listed twice: 'benign'"]),
    "a prior of other classes": (lambda: [*PRIOR, "benin=0.5,malignant=0.5"], ["'benin' may be meant for 'benign'"]),
    "a prior of no form": (lambda: [*PRIOR, "0.5,0.5"], ["'0.5' is not class=share, nor a file"]),
    "a prior in three columns": (
        lambda: [*PRIOR, table("class,share,n\nbenign,0.5,1\n", "p.csv")],
        ["expected two columns, class and share"],
    ),
    "a prior in no text": (lambda: [*PRIOR, "m.safetensors"], ["--prior m.safetensors"]),
    "an old prior of 0": (
        lambda: ["--old-prior", "benign=0,malignant=1", "--prior", "estimate"],
        ["old has a class of frequency 0 that is probable"],
    ),
    "two formats": (lambda: ["--json", "--csv"], ["exclude each other"]),
}

PREDICT: dict[str, tuple[Callable[[], list[object]], list[str]]] = {
    "a price and a share": (
        lambda: ["--reject-cost", 0.1, "--accept", 0.9],
        ["--reject-cost and --accept exclude each other"],
    ),
    "a price of nan": (lambda: ["--reject-cost", "nan"], ["--reject-cost nan: expected a finite number"]),
    "a price of infinity": (
        lambda: ["--reject-cost", "inf", "--costs", "costs.csv"],
        ["--reject-cost inf: expected a finite"],
    ),
    "a price above that of a mistake": (lambda: ["--reject-cost", 3], ["without --costs a mistake costs 1"]),
    "a price below 0": (lambda: ["--reject-cost", -0.1], ["from 0 to 1"]),
    "a share of nothing": (lambda: ["--accept", 0], ["0 is not a share between 0 and 1"]),
    "a share above 1": (lambda: ["--accept", 95], ["95 is not a share between 0 and 1"]),
    "a share of nan": (lambda: ["--accept", "nan"], ["nan is not a share"]),
}

EVALUATE: dict[str, tuple[Callable[[], list[object]], list[str]]] = {
    "a level of 1": (lambda: ["--level", 1], ["--level 1: expected a number between 0 and 1"]),
    "a level in percent": (lambda: ["--level", 95], ["--level 95"]),
    "a level of nan": (lambda: ["--level", "nan"], ["--level nan"]),
    "resamples below 0": (lambda: ["--resamples", -1], ["--resamples"]),
    "more classes than there are": (lambda: ["--top-k", 3], ["--top-k 3: the model has 2 classes"]),
}


@pytest.mark.parametrize("name", [*BOTH, *PREDICT])
def test_a_mistake_in_how_to_decide_exits_2_says_what_and_prints_nothing(name: str) -> None:
    args, words = (BOTH | PREDICT)[name]
    failed(run("predict", "s.safetensors", "new.csv", *args()), words)


@pytest.mark.parametrize("name", [*BOTH, *EVALUATE])
def test_a_mistake_in_how_to_judge_exits_2_says_what_and_prints_nothing(name: str) -> None:
    args, words = (BOTH | EVALUATE)[name]
    failed(run("evaluate", "s.safetensors", "new.csv", *TARGET, *args()), words)


DATA = ["no rows", "no images", "a feature that is not there", "a width that is not the model's",
        "images for a model of a table", "classes that the model has not", "no target", "a target of a known name",
        "features of a model with names", "a model that is none", "a file that is not there"]  # fmt: skip


@pytest.mark.parametrize("name", DATA)
def test_a_mistake_in_the_rows_is_one_for_evaluate_too(name: str) -> None:
    args, words = CALIBRATE[name]
    words = ["there are no rows"] if name == "no images" else words
    failed(run("evaluate", *[word for word in args() if word not in ("-o", "c")]), words)


def test_sets_of_a_model_without_scores_are_refused_by_evaluate_too() -> None:
    failed(run("evaluate", "m.safetensors", "new.csv", *TARGET, "--sets", 0.9), ["calibrate m.safetensors HELD_OUT"])
