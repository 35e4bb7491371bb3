"""The softreg command from outside: what it prints where, the files it leaves, and its exit codes."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from click.testing import CliRunner, Result

import softreg
from idx_files import idx
from softreg import SGD, Model, Settings
from softreg.cli import main
from softreg.data import fashion_mnist

SOFTREG = Path(sys.executable).parent / "softreg"
TEST_IMAGES = fashion_mnist.sample_folder() / "t10k-images-idx3-ubyte.gz"


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*args: object) -> Result:
    return CliRunner().invoke(main, [str(arg) for arg in args])


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
    assert [set(epoch) for epoch in epochs] == [{"epoch", "loss", "train_accuracy", "test_accuracy"}] * 2
    assert (ending["status"], ending["model"], ending["picture"]) == ("MAX_STEPS", "x", "p.svg")


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
    "C of zero": (lambda m: ["train", "fashion-mnist", "--sample", "--C", 0], "C is 0.0"),
    "a folder that is not there": (lambda m: ["train", "fashion-mnist", "--sample", "--out", "no/m"], "no folder no"),
    "a picture of no kind": (lambda m: ["train", "fashion-mnist", "--sample", "--picture", "p.xyz"], ".png"),
    "a picture and none": (lambda m: ["train", "fashion-mnist", "--picture", "p.png", "--no-picture"], "exclude"),
    "a sample and a folder": (lambda m: ["train", "fashion-mnist", "--sample", "--data-dir", "."], "exclude"),
    "a picture in place of the model": (
        lambda m: ["train", "fashion-mnist", "--sample", "--out", "x.png", "--picture", "x.png"],
        "replace the model",
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
    "images that are none": (lambda m: ["predict", m, m], "magic number"),
    "images of another size": (lambda m: ["predict", m, images(2, 10, 10)], "(images, 28, 28)"),
    "images for a folder": (lambda m: ["predict", m, "."], "directory"),
}


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


def test_ctrl_c_writes_the_model_says_so_and_exits_130() -> None:
    args = ["train", "fashion-mnist", "--sample", "--epochs", "100000", "--no-picture", "--out", "m"]
    process = subprocess.Popen([SOFTREG, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for _ in range(3):
        process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "interrupted" in err
    assert "wrote m" in err
    assert "Traceback" not in err
    assert len(Model.load("m").history["loss"]) >= 3


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

    monkeypatch.setattr("softreg.data.idx.read_idx", fail)
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


def test_the_bar_is_on_stderr_and_only_on_a_terminal() -> None:
    args = [str(SOFTREG), "train", "fashion-mnist", "--sample", "--epochs", "3", "--no-picture", "--out", "m"]
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


@pytest.mark.parametrize("command", commands(main), ids=" ".join)
def test_every_command_has_help_with_what_it_does(command: tuple[str, ...]) -> None:
    result = run(*command, "--help")
    assert result.exit_code == 0
    if command in [(), ("train",), ("predict",), ("data", "fetch")]:
        assert "Examples:" in result.stdout


def test_the_help_shows_the_defaults_that_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    text = " ".join(run("train", "--help").stdout.split())
    shown = dict(re.findall(r"--([\w-]+) [A-Z ]+?[^-]*?\[default: ([^;\]]+)", text))
    defaults = asdict(SGD()) | asdict(Settings())
    for option, setting in [("epochs", "max_steps"), ("batch-size", "batch_size"), ("learning-rate", "learning_rate"),
                            ("C", "C"), ("init-std", "init_std"), ("seed", "seed")]:  # fmt: skip
        assert float(shown[option]) == defaults[setting], option
    assert (shown["out"], shown["picture"]) == ("DATA.safetensors", "DATA.png")
    used: list[Settings] = []

    def fit(train: Any, settings: Settings, **rest: Any) -> Any:
        used.append(settings)
        raise KeyboardInterrupt

    monkeypatch.setattr("softreg.model.fit", fit)
    assert run("train", "fashion-mnist", "--sample").exit_code == 130
    assert used == [Settings()]
    run("train", "fashion-mnist", "--sample", "--seed", 7)
    assert used[1] == Settings(SGD(seed=7), seed=7)


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
