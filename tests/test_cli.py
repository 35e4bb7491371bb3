"""The softreg command from outside: what it prints where, the files it leaves, and its exit codes."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest

import softreg
from command import run
from idx_files import idx
from softreg import LBFGS, SGD, Model, Newton, Settings
from softreg.cli import main
from softreg.data import fashion_mnist

SOFTREG = Path(sys.executable).parent / "softreg"
TEST_IMAGES = fashion_mnist.sample_folder() / "t10k-images-idx3-ubyte.gz"


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def model() -> Path:
    result = run("train", "fashion-mnist", "--sample", "--epochs", 1, "--no-picture", "--out", "m.safetensors")
    assert result.exit_code == 0, result.output
    return Path("m.safetensors")


def test_train_prints_the_chapters_table_and_leaves_a_model_and_a_picture() -> None:
    result = run("train", "fashion-mnist", "--sample", "--epochs", 3)
    assert result.exit_code == 0
    line = r"epoch (\d), loss \d\.\d{4}, train acc 0\.\d{3}, test acc 0\.\d{3}"
    matches = [re.fullmatch(line, text) for text in result.stdout.splitlines()]
    assert [match and match[1] for match in matches] == ["1", "2", "3"]
    assert Model.load("fashion-mnist.safetensors").n_features == 784
    assert Path("fashion-mnist.png").read_bytes().startswith(b"\x89PNG")
    for words in ("4,000 training", "wrote fashion-mnist.safetensors", "wrote fashion-mnist.png", "next: "):
        assert words in result.stderr


def test_the_next_command_that_train_names_works_as_it_stands() -> None:
    done = subprocess.run(
        [SOFTREG, "train", "fashion-mnist", "--sample", "--epochs", "1", "--no-picture", "--out", "a model"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    command = done.stderr.splitlines()[-1].removeprefix("next:").strip()
    labels = subprocess.run(command, shell=True, capture_output=True, text=True, check=True).stdout
    assert len(labels.splitlines()) == 800


def test_train_in_json_is_one_object_an_epoch_and_the_ending() -> None:
    result = run("train", "fashion-mnist", "--sample", "--epochs", 2, "--json", "--picture", "p.svg", "--out", "x")
    *epochs, ending = map(json.loads, result.stdout.splitlines())
    figures = {"loss", "value", "gap", "grad_norm", "train_accuracy", "test_accuracy"}
    assert [set(epoch) for epoch in epochs] == [{"epoch"} | figures] * 2
    assert {(epoch["gap"], epoch["grad_norm"]) for epoch in epochs} == {(None, None)}, "SGD knows neither"
    assert (ending["status"], ending["model"], ending["picture"]) == ("MAX_STEPS", "x", "p.svg")
    assert ending["test_accuracy"] == epochs[-1]["test_accuracy"]


LBFGS_ARGS = ("train", "fashion-mnist", "--sample", "--no-picture", "--solver", "lbfgs", "--C", 0.01, "--out", "m")


def test_a_solver_that_converges_prints_a_line_now_and_then_and_what_it_proved() -> None:
    result = run(*LBFGS_ARGS)
    assert result.exit_code == 0
    line = r"step (\d+), value \d\.\d{6}(?:, gap \S+)?, gradient \d\.\de-\d\d, train acc 0\.\d{3}, test acc 0\.\d{3}"
    matches = [re.fullmatch(line, text) for text in result.stdout.splitlines()]
    steps = [int(match[1]) for match in matches if match]
    last = len(Model.load("m").history["value"])
    assert len(steps) == len(matches)
    assert 10 < last < 100
    assert steps == [n for n in range(1, last + 1) if n < 10 or n % 10 == 0 or n == last]
    assert re.search(
        rf"by the certificate: after step {last}, the relative gap is at most \d\.\de-0[5-9]", result.stderr
    )
    assert ", gap " in result.stdout.splitlines()[-1]


def test_in_json_every_step_has_its_line_with_the_gap_once_it_is_known() -> None:
    *steps, ending = map(json.loads, run(*LBFGS_ARGS, "--tol", 1e-3, "--json").stdout.splitlines())
    assert [step["step"] for step in steps] == list(range(1, ending["steps"] + 1))
    assert steps[0]["gap"] is None
    assert ending["status"] == "CONVERGED"
    assert 0 < ending["gap"] == steps[-1]["gap"] <= 1e-3 * ending["value"]
    assert ending["value"] == steps[-1]["value"]
    assert ending["grad_norm"] == steps[-1]["grad_norm"] > 0
    assert "the relative gap is at most" in ending["message"]


@pytest.mark.parametrize(("steps", "said"), [(0, []), (1, [1]), (7, [1, 2, 3, 4, 5, 6, 7]), (13, [*range(1, 11), 13])])
def test_the_last_step_is_printed_whatever_its_number(steps: int, said: list[int]) -> None:
    result = run(*LBFGS_ARGS, "--max-steps", steps)
    assert [int(line.split()[1].rstrip(",")) for line in result.stdout.splitlines()] == said
    assert f"all the steps asked for were taken: after step {steps}, the relative gap is at most" in result.stderr


def test_without_a_penalty_it_is_said_that_nothing_can_be_proved() -> None:
    result = run(*LBFGS_ARGS, "--C", "inf", "--max-steps", 5)
    assert "without a penalty (--C) nothing can be proved of the optimum: lbfgs goes on for up to 5" in result.stderr
    assert "no bound on the gap is known, the norm of the gradient is" in result.stderr
    assert "penalty" not in run("train", "fashion-mnist", "--sample", "--no-picture").stderr


def test_early_stopping_holds_images_out_and_keeps_the_best_model() -> None:
    quick = ("train", "fashion-mnist", "--sample", "--no-picture", "--out", "m", "--learning-rate", 1)
    result = run(*quick, "--epochs", 100, "--early-stopping", 3)
    assert result.exit_code == 0
    *epochs, ending = result.stdout.splitlines()
    model = Model.load("m")
    losses = model.history["validation_loss"]
    best = int(np.argmin(losses)) + 1
    assert len(epochs) == len(losses) == best + 3 < 100
    assert all("held-out acc" in line for line in epochs)
    sample = fashion_mnist.sample()
    assert ending == f"the model of epoch {best}: test acc {model.score(sample.test).accuracy:.3f}"
    held_out = replace(sample.train, X=sample.train.X[-400:], y=sample.train.y[-400:])
    assert model.score(held_out).loss == losses.min(), "the last tenth of the training images, and not the test images"
    assert (
        f"early stopping, as the validation loss has not fallen for 3 steps (the best: {losses.min():.4f}"
        in result.stderr
    )
    lines = run(*quick, "--epochs", 2, "--early-stopping", 3, "--json").stdout.splitlines()
    assert "held_out_accuracy" in json.loads(lines[0])
    assert json.loads(lines[-1])["test_accuracy"] > 0.5


SETTINGS: list[tuple[list[object], Settings]] = [
    ([], Settings()),
    (["--seed", 7], Settings(SGD(seed=7), seed=7)),
    (["--epochs", 9, "--momentum", 0.9, "--learning-rate", 0.01], Settings(SGD(0.01, momentum=0.9), 9)),
    (["--epochs", 9, "--schedule", "cosine"], Settings(SGD(schedule="cosine", period=9), 9)),
    (["--epochs", 0, "--schedule", "inverse"], Settings(SGD(schedule="inverse", period=1), 0)),
    (["--schedule", "constant"], Settings()),
    (["--solver", "lbfgs"], Settings(LBFGS())),
    (["--solver", "newton", "--tol", 1e-3], Settings(Newton(), tol=1e-3)),
    (["--solver", "auto", "--tol", 1e-3, "--max-steps", 7], Settings("auto", 7, tol=1e-3)),
    (["--solver", "lbfgs", "--tol", 1e-6, "--max-steps", 3, "--seed", 2], Settings(LBFGS(), 3, tol=1e-6, seed=2)),
    (["--solver", "lbfgs", "--C", 2, "--init-std", 0], Settings(LBFGS(), C=2.0, init_std=0.0)),
]


@pytest.mark.parametrize(
    ("args", "settings"), SETTINGS, ids=lambda value: " ".join(map(str, value)) if isinstance(value, list) else ""
)
def test_the_options_make_these_settings(
    args: list[object], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[Settings] = []

    def fit(train: Any, settings: Settings, **rest: Any) -> Any:
        used.append(settings)
        raise KeyboardInterrupt

    monkeypatch.setattr("softreg.model.fit", fit)
    assert run("train", "fashion-mnist", "--sample", *args).exit_code == 130
    assert used == [settings]


def test_the_same_seed_writes_the_same_file_and_another_seed_another() -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        run("train", "fashion-mnist", "--sample", "--epochs", 1, "--no-picture", "--seed", seed, "--out", name)
    assert Path("a").read_bytes() == Path("b").read_bytes() != Path("c").read_bytes()


def test_predict_prints_a_label_and_a_probability_for_each_image(model: Path) -> None:
    result = run("predict", model, TEST_IMAGES)
    assert result.exit_code == 0
    fitted, test = Model.load(model), fashion_mnist.sample().test
    probs = fitted.predict_proba(test.X)
    want = [f"{label}\t{p:.4f}" for label, p in zip(fitted.predict(test.X), probs.max(axis=1), strict=True)]
    assert result.stdout.splitlines() == want


def test_predict_in_json_is_one_object_an_image(model: Path) -> None:
    lines = [json.loads(line) for line in run("predict", model, TEST_IMAGES, "--json").stdout.splitlines()]
    assert [line["index"] for line in lines] == list(range(800))
    assert set(lines[0]) == {"index", "label", "probability"}
    assert all(0.1 <= line["probability"] <= 1 for line in lines)


@pytest.mark.parametrize("n", [0, 1])
def test_predict_takes_no_images_and_one(model: Path, n: int) -> None:
    Path("images").write_bytes(idx(np.zeros((n, 28, 28), dtype=np.uint8)))
    result = run("predict", model, "images")
    assert (result.exit_code, len(result.stdout.splitlines())) == (0, n)


def broken_model() -> str:
    Path("broken").write_bytes(b"not a model")
    return "broken"


def images(*shape: int) -> str:
    Path("images").write_bytes(idx(np.zeros(shape, dtype=np.uint8)))
    return "images"


def nan_images() -> str:
    X = np.zeros((2000, 28, 28), dtype=np.float32)
    X[1500, 3, 4] = np.nan
    Path("nan").write_bytes(idx(X))
    return "nan"


def some_files() -> str:
    Path("some").mkdir()
    Path("some", "train-images-idx3-ubyte").write_bytes(b"")
    return "some"


WRONG: dict[str, tuple[Any, str]] = {
    "no command": (lambda m: ["trane"], "No such command"),
    "another data set": (lambda m: ["train", "imagenet"], "'imagenet' is not"),
    "an option that does not exist": (lambda m: ["train", "fashion-mnist", "--epoch", 3], "No such option"),
    "epochs below zero": (lambda m: ["train", "fashion-mnist", "--epochs", -1], "--epochs"),
    "a learning rate of nan": (
        lambda m: ["train", "fashion-mnist", "--sample", "--learning-rate", "nan"],
        "learning_rate",
    ),
    "a learning rate of zero": (
        lambda m: ["train", "fashion-mnist", "--sample", "--learning-rate", 0],
        "learning_rate",
    ),
    "momentum of one": (lambda m: ["train", "fashion-mnist", "--sample", "--momentum", 1], "momentum is 1.0"),
    "a schedule that does not exist": (lambda m: ["train", "fashion-mnist", "--schedule", "linear"], "'cosine'"),
    "another solver": (lambda m: ["train", "fashion-mnist", "--solver", "adam"], "'lbfgs'"),
    "momentum for another solver": (
        lambda m: ["train", "fashion-mnist", "--sample", "--solver", "lbfgs", "--momentum", 0],
        "--momentum is not an option of the solver lbfgs, which takes --max-steps, --tol",
    ),
    "epochs for another solver": (
        lambda m: ["train", "fashion-mnist", "--sample", "--solver", "lbfgs", "--epochs", 5],
        "--epochs is not an option of the solver lbfgs",
    ),
    "a tolerance for sgd": (
        lambda m: ["train", "fashion-mnist", "--sample", "--tol", 1e-3],
        "--tol is not an option of the solver sgd, which takes --epochs, --batch-size",
    ),
    "a tolerance of nan": (
        lambda m: ["train", "fashion-mnist", "--sample", "--solver", "lbfgs", "--tol", "nan"],
        "tol is nan",
    ),
    "no patience": (lambda m: ["train", "fashion-mnist", "--sample", "--early-stopping", 0], "--early-stopping"),
    "C of zero": (lambda m: ["train", "fashion-mnist", "--sample", "--C", 0], "C is 0.0"),
    "a folder that is not there": (lambda m: ["train", "fashion-mnist", "--sample", "--out", "no/m"], "no folder no"),
    "a picture of no kind": (lambda m: ["train", "fashion-mnist", "--sample", "--picture", "p.xyz"], ".png"),
    "a picture and none": (lambda m: ["train", "fashion-mnist", "--picture", "p.png", "--no-picture"], "exclude"),
    "a sample and a folder": (lambda m: ["train", "fashion-mnist", "--sample", "--data-dir", "."], "exclude"),
    "a picture in place of the model": (
        lambda m: ["train", "fashion-mnist", "--sample", "--out", "x.png", "--picture", "x.png"],
        "one would replace the other",
    ),
    "a device for a model": (
        lambda m: ["train", "fashion-mnist", "--sample", "--no-picture", "--out", "/dev/null"],
        "folder or device",
    ),
    "a model without a name": (lambda m: ["train", "fashion-mnist", "--sample", "--out", ""], "name"),
    "a folder with some of the files": (lambda m: ["train", "fashion-mnist", "--data-dir", some_files()], "but not"),
    "images with nan": (lambda m: ["predict", m, nan_images()], "row 1500"),
    "no model": (lambda m: ["predict", "none", TEST_IMAGES], "does not exist"),
    "a model that is none": (lambda m: ["predict", broken_model(), TEST_IMAGES], "safetensors"),
    "images that are none": (lambda m: ["predict", m, m], "none of the files that softreg reads"),
    "images of another size": (lambda m: ["predict", m, images(2, 10, 10)], "(images, 28, 28)"),
    "a folder without pictures": (lambda m: ["predict", m, "."], "has no .png"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", WRONG)
def test_what_the_user_got_wrong_exits_2_with_a_message_and_writes_nothing(model: Path, name: str) -> None:
    before = model.read_bytes()
    args, words = WRONG[name]
    result = run(*args(model))
    assert result.exit_code == 2
    assert words in result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.output
    assert model.read_bytes() == before
    assert not list(Path().glob("fashion-mnist*"))


def test_what_failed_exits_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fashion_mnist, "DEBIAN_FOLDER", tmp_path / "debian")
    monkeypatch.setattr(fashion_mnist, "cache_folder", lambda: tmp_path / "cache")
    result = run("data", "fetch", "fashion-mnist", "--mirror", "http://127.0.0.1:9")
    assert result.exit_code == 1
    assert "train-images-idx3-ubyte" in result.stderr
    assert "Traceback" not in result.output


def test_a_fit_that_runs_into_infinity_exits_1_and_leaves_the_old_model(model: Path) -> None:
    before = model.read_bytes()
    result = run(
        "train", "fashion-mnist", "--sample", "--learning-rate", 1e200, "--C", 1, "--out", model, "--no-picture"
    )
    assert result.exit_code == 1
    assert "lower learning rate" in result.stderr
    assert model.read_bytes() == before


@pytest.mark.slow
@pytest.mark.parametrize("options", [["--epochs", "100000"], ["--solver", "lbfgs", "--C", "1e6"]], ids=["sgd", "lbfgs"])
def test_ctrl_c_writes_the_model_says_so_and_exits_130(options: list[str]) -> None:
    args = ["train", "fashion-mnist", "--sample", "--no-picture", "--out", "m", "--json", *options]
    process = subprocess.Popen([SOFTREG, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for _ in range(3):
        process.stdout.readline()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    ending = json.loads(out.splitlines()[-1])
    assert ending["status"] == "INTERRUPTED"
    assert f"interrupted from the keyboard, and what was reached is kept: after step {ending['steps']}, " in err
    assert "wrote m" in err
    assert "Traceback" not in err
    assert len(Model.load("m").history["loss"]) == ending["steps"] >= 3


def test_ctrl_c_before_the_first_epoch_is_over_leaves_the_old_model(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = model.read_bytes()

    def interrupt(self: SGD, objective: Any, state: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(SGD, "step", interrupt)
    result = run("train", "fashion-mnist", "--sample", "--no-picture", "--out", model)
    assert result.exit_code == 130
    assert "wrote" not in result.stderr
    assert model.read_bytes() == before


def test_too_little_memory_is_said(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path) -> None:
        raise MemoryError

    monkeypatch.setattr("softreg.data.files.read_idx", fail)
    result = run("predict", model, TEST_IMAGES)
    assert result.exit_code == 1
    assert "memory" in result.stderr


def test_a_label_with_a_newline_stays_on_its_line() -> None:
    Model(np.zeros((784, 2)), np.array([1.0, 0.0]), np.array(["a\tb\n\x1b[31m", "c"])).save("odd")
    (line,) = run("predict", "odd", images(1, 28, 28)).stdout.splitlines()
    assert line == "a\\tb\\n\\x1b[31m\t0.7311"


def test_a_closed_pipe_is_no_mistake(model: Path) -> None:
    done = subprocess.run(
        f"{SOFTREG} predict {model} {TEST_IMAGES} | head -n 1", shell=True, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 1


@pytest.mark.slow
@pytest.mark.parametrize("options", [["--epochs", "3"], ["--solver", "lbfgs", "--C", "0.01"]], ids=["sgd", "lbfgs"])
def test_the_bar_is_on_stderr_and_only_on_a_terminal(options: list[str]) -> None:
    args = [str(SOFTREG), "train", "fashion-mnist", "--sample", *options, "--no-picture", "--out", "m"]
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "100"}
    plain = subprocess.run(args, capture_output=True, text=True, check=True, env=environment)
    assert "\x1b" not in plain.stderr + plain.stdout
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        process = subprocess.Popen(args, stdout=subprocess.PIPE, stderr=theirs, text=True, env=environment)
        os.close(theirs)
        out, _ = process.communicate(timeout=30)
        seen = b""
        while True:
            try:
                part = terminal.read(4096)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            seen += part
    assert b"training" in seen
    assert b"\x1b" in seen
    assert out == plain.stdout


def commands(group: click.Group, prefix: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = [prefix]
    for name, command in group.commands.items():
        found += commands(command, (*prefix, name)) if isinstance(command, click.Group) else [(*prefix, name)]
    return found


EXAMPLES = ("calibrate", "evaluate", "predict", "report", "train", "tune")


@pytest.mark.parametrize("command", commands(main), ids=" ".join)
def test_every_command_has_help_with_what_it_does(command: tuple[str, ...]) -> None:
    result = run(*command, "--help")
    assert result.exit_code == 0
    if command in [(), *((name,) for name in EXAMPLES), ("data", "fetch")]:
        assert "Examples:" in result.stdout


def test_the_help_shows_the_defaults_that_are_used() -> None:
    text = " ".join(run("train", "--help").stdout.split())
    shown = dict(re.findall(r" --([\w-]+) (?:[A-Z]|\[)(?:(?! --).)*?\[default: ([^;\]]+)", text))
    defaults = {name.replace("_", "-"): value for name, value in (asdict(SGD()) | asdict(Settings())).items()}
    defaults |= {"epochs": defaults["max-steps"], "solver": "sgd", "out": "DATA.safetensors", "picture": "DATA.png"}
    defaults |= {"max-steps": "the solver's own number", "features": "all but the others", "test-share": 0.2}
    assert set(shown) == set(defaults) - {"period"}
    for option, value in shown.items():
        number = isinstance(defaults[option], (int, float)) and not isinstance(defaults[option], bool)
        assert float(value) == defaults[option] if number else value == str(defaults[option]), option


def test_version() -> None:
    assert run("--version").stdout == f"softreg {softreg.__version__}\n"


def test_data_list_says_where_the_data_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(fashion_mnist, "find", lambda: tmp_path)
    assert str(tmp_path) in run("data", "list").stdout
    assert json.loads(run("data", "list", "--json").stdout)["folder"] == str(tmp_path)
    assert run("data", "fetch", "fashion-mnist").stdout == f"{tmp_path}\n"
    monkeypatch.setattr(fashion_mnist, "find", lambda: None)
    assert "softreg data fetch fashion-mnist" in run("data", "list").stdout
    assert json.loads(run("data", "list", "--json").stdout)["folder"] is None


def test_python_m_softreg_is_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "softreg", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("softreg ")
