"""The softreg command on anybody's data: tables, npz and IDX files, standard input, pictures."""

from __future__ import annotations

import gzip
import io
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from click.testing import Result
from PIL import Image
from sklearn.datasets import load_breast_cancer, load_digits, load_wine

from command import good, run
from idx_files import idx
from softreg import Model
from softreg.data.table import BLOCK

ALL = ("--test-share", 0)


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def wine() -> pd.DataFrame:
    bunch = load_wine(as_frame=True)
    return bunch.data.assign(cultivar=bunch.target_names[bunch.target])


@pytest.fixture
def csv() -> str:
    wine().to_csv("wine.csv", index=False)
    return "wine.csv"


# What a table becomes


def test_train_on_a_table_goes_to_the_optimum_and_judges_by_a_fifth(csv: str) -> None:
    result = good("train", csv, "--target", "cultivar")
    model = Model.load("wine.safetensors")
    assert model.feature_names == tuple(wine().columns[:-1])
    assert model.classes.tolist() == ["class_0", "class_1", "class_2"]
    assert (model.settings["C"], model.settings["solver"]) != (None, "SGD")
    assert result.stdout.splitlines()[-1] == "held-out acc 0.972 on 36 rows"
    for words in (
        "wine.csv (142 training and 36 held-out rows, 13 features, 3 classes: class_0, class_1, class_2)",
        "within the tolerance of the optimum, by the certificate",
        "wrote wine.safetensors",
        "predict wine.safetensors wine.csv",
    ):
        assert words in result.stderr
    assert {path.name for path in Path().iterdir()} == {"wine.csv", "wine.safetensors"}, "and no picture"


def test_the_model_of_a_table_is_that_of_fit_on_all_rows(csv: str) -> None:
    import softreg

    good("train", csv, "--target", "cultivar", *ALL)
    table = wine()
    data = softreg.Dataset.from_labels(table.iloc[:, :-1].to_numpy(), table["cultivar"].to_list())
    model, _ = softreg.fit(data, softreg.Settings("auto", C=1.0))
    np.testing.assert_array_equal(Model.load("wine.safetensors").W, model.W)


def test_the_rows_held_out_are_a_fifth_of_each_class_and_another_seed_takes_others(csv: str) -> None:
    ends = [
        json.loads(good("train", csv, "--target", "cultivar", "--json", "--seed", seed).stdout.splitlines()[-1])
        for seed in (0, 0, 1)
    ]
    for end in ends:
        end.pop("seconds")
    assert ends[0] == ends[1]
    assert ends[0]["held_out_accuracy"] > 0.9
    assert ends[0]["value"] != ends[2]["value"]


def test_something_of_each_class_is_left_to_learn_from() -> None:
    rows = [f"{i},{label}" for label, n in (("a", 20), ("b", 2), ("c", 1)) for i in range(n)]
    Path("t.csv").write_text("x,label\n" + "\n".join(rows))
    result = good("train", "t.csv", "--target", "label", "--test-share", 0.9)
    assert "(4 training and 19 held-out rows" in result.stderr, "2, 1 and 1 of them"


def test_test_data_of_its_own_is_scored(csv: str) -> None:
    wine().iloc[::2].to_csv("a.csv", index=False)
    other = wine().iloc[1::2]
    other[other.columns[::-1]].to_csv("b.csv", index=False)
    result = good("train", "a.csv", "--target", "cultivar", "--test", "b.csv", "--standardize")
    model = Model.load("a.safetensors")
    accuracy = (model.predict(other.iloc[:, :-1].to_numpy()) == other["cultivar"].to_numpy(str)).mean()
    assert result.stdout.splitlines()[-1] == f"test acc {accuracy:.3f} on 89 rows"
    assert "predict a.safetensors b.csv" in result.stderr


def test_explicit_options_win_over_those_for_tables(csv: str) -> None:
    good("train", csv, "--target", "cultivar", "--solver", "sgd", "--epochs", 2, "--C", "inf", "--standardize")
    settings = Model.load("wine.safetensors").settings
    assert (settings["solver"]["name"], settings["max_steps"], settings["C"]) == ("SGD", 2, None)


def test_early_stopping_holds_out_rows_of_those_that_train(csv: str) -> None:
    options = ("--solver", "sgd", "--learning-rate", 1, "--epochs", 50, "--standardize", "--early-stopping", 2)
    result = good("train", csv, "--target", "cultivar", *options)
    assert "the model of epoch" in result.stdout
    assert "held-out acc" in result.stdout


def test_standardize_is_in_the_model(csv: str) -> None:
    good("train", csv, "--target", "cultivar", "--standardize", *ALL)
    model, X = Model.load("wine.safetensors"), wine().iloc[:, :-1].to_numpy()
    np.testing.assert_allclose(model.scale, 1 / X.std(axis=0))
    np.testing.assert_allclose((model.scale * X + model.shift).mean(axis=0), 0, atol=1e-12)
    good("train", csv, "--target", "cultivar", "--standardize")
    assert not np.equal(Model.load("wine.safetensors").scale, model.scale).any(), "which is of the rows that train"


def test_features_are_chosen_by_name_pattern_and_exclusion(csv: str) -> None:
    names = list(wine().columns[:-1])
    for given, want in (
        (["hue,ash"], ["hue", "ash"]),
        (["hue", "ash"], ["hue", "ash"]),
        (["*phenols"], ["total_phenols", "nonflavanoid_phenols"]),
        (["a*,!ash"], ["alcohol", "alcalinity_of_ash"]),
        (["!hue,!a*"], [name for name in names if name != "hue" and not name.startswith("a")]),
    ):
        options = [word for one in given for word in ("--features", one)]
        good("train", csv, "--target", "cultivar", *options, *ALL)
        assert list(Model.load("wine.safetensors").feature_names or ()) == want


def test_weights_are_those_of_the_rows() -> None:
    table = wine().iloc[::3]
    table.assign(w=2).to_csv("weighted.csv", index=False)
    pd.concat([table, table]).to_csv("twice.csv", index=False)
    good("train", "weighted.csv", "--target", "cultivar", "--weight", "w", "--standardize", *ALL, "--tol", 1e-9)
    good("train", "twice.csv", "--target", "cultivar", "--standardize", *ALL, "--tol", 1e-9)
    a, b = Model.load("weighted.safetensors"), Model.load("twice.safetensors")
    assert a.feature_names == b.feature_names
    np.testing.assert_allclose(a.W, b.W, atol=1e-6)


def ways(table: pd.DataFrame) -> dict[str, Callable[[], tuple[str, bytes | None]]]:
    """The same table in every form: what makes it, and DATA and standard input for it."""

    def text() -> bytes:
        return bytes(table.to_csv(index=False), "utf-8")

    def parquet() -> bytes:
        stream = io.BytesIO()
        table.to_parquet(stream)
        return stream.getvalue()

    def npz() -> bytes:
        stream = io.BytesIO()
        X = table.iloc[:, :-1].to_numpy()
        np.savez(stream, X=X, label=table.iloc[:, -1].to_numpy(str), feature_names=np.array(table.columns[:-1], str))
        return stream.getvalue()

    def file(name: str, content: bytes) -> tuple[str, None]:
        Path(name).write_bytes(content)
        return name, None

    return {
        "csv": lambda: file("t.csv", text()),
        "csv.gz": lambda: file("t.csv.gz", gzip.compress(text())),
        "csv with another name": lambda: file("t.data", text()),
        "tsv": lambda: file("t.tsv", table.to_csv(index=False, sep="\t").encode()),
        "semicolons": lambda: file("t.csv", table.to_csv(index=False, sep=";").encode()),
        "csv with an index": lambda: file("t.csv", table.to_csv().encode()),
        "csv with a byte order mark": lambda: file("t.csv", b"\xef\xbb\xbf" + text()),
        "csv with carriage returns": lambda: file("t.csv", text().replace(b"\n", b"\r\n")),
        "parquet": lambda: file("t.parquet", parquet()),
        "npz": lambda: file("t.npz", npz()),
        "csv by stdin": lambda: ("-", text()),
        "gzip by stdin": lambda: ("-", gzip.compress(text())),
        "parquet by stdin": lambda: ("-", parquet()),
        "npz by stdin": lambda: ("-", npz()),
    }


@pytest.mark.parametrize("way", ways(wine()))
def test_every_form_of_a_table_gives_the_same_file_and_the_same_predictions(way: str) -> None:
    table = wine().rename(columns={"cultivar": "label"})
    written = {}
    for each in ("parquet", way):
        data, stdin = ways(table)[each]()
        good("train", data, "--target", "label", *ALL, "--out", "m", stdin=stdin)
        written[each] = Path("m").read_bytes(), good("predict", "m", data, stdin=stdin).stdout
    assert written["parquet"] == written[way]


def pixels() -> tuple[Any, Any]:
    digits = load_digits()
    return digits.images.astype(np.uint8), digits.target


@pytest.mark.slow
@pytest.mark.parametrize("way", ["pair", "beside", "gzip", "csv", "parquet", "npz"])
def test_bytes_stay_bytes_in_every_form(way: str) -> None:
    X, y = pixels()
    for name, array in (("images-idx3", X), ("labels-idx1", y.astype(np.uint8)), ("x", X), ("y", y.astype(np.uint8))):
        Path(name).write_bytes(idx(array))
        Path(f"z{name}.gz").write_bytes(gzip.compress(idx(array)))
    table = pd.DataFrame(X.reshape(len(X), -1)).rename(columns=str).assign(label=y)
    table.to_csv("t.csv", index=False)
    table.to_parquet("t.parquet")
    np.savez("t.npz", X=X.reshape(len(X), -1), y=y)
    forms = {"pair": "x,y", "beside": "images-idx3", "gzip": "zimages-idx3.gz"}
    target = ("--target", "label") if way in ("csv", "parquet") else ()
    data = forms.get(way, f"t.{way}")
    good("train", data, *target, *ALL, "--solver", "lbfgs", "--C", 1, "--no-picture", "--out", "m")
    model = Model.load("m")
    import softreg

    scale = 1 / 255 if way in forms else 1.0
    want, _ = softreg.fit(
        softreg.Dataset.from_labels(X.reshape(len(X), -1), y, scale=scale), softreg.Settings("lbfgs", C=1.0)
    )
    np.testing.assert_array_equal(model.W, want.W)
    assert model.classes.tolist() == list(range(10))
    assert model.classes.dtype == np.dtype(np.int64)
    assert model.image_shape == ((8, 8) if way in forms else None)


@pytest.mark.slow
def test_idx_images_train_as_the_chapter_does_and_leave_a_picture() -> None:
    X, y = pixels()
    Path("some-images-idx3-ubyte").write_bytes(idx(X * 15))
    Path("some-labels-idx1-ubyte").write_bytes(idx(y.astype(np.uint8)))
    result = good("train", "some-images-idx3-ubyte", "--epochs", 20)
    assert result.stdout.startswith("epoch 1, loss ")
    assert "held-out acc 0.9" in result.stdout.splitlines()[-1]
    model = Model.load("some-images-idx3-ubyte.safetensors")
    assert (model.scale, model.settings["solver"]["name"], model.settings["C"]) == (1 / 255, "SGD", None)
    assert Path("some-images-idx3-ubyte.png").exists()
    lines = good("predict", "some-images-idx3-ubyte.safetensors", "some-images-idx3-ubyte").stdout.splitlines()
    assert len(lines) == len(y)


# Types of columns


LABELS: dict[str, tuple[list[Any], list[Any]]] = {
    "text": (["b", "a", "b"], ["a", "b"]),
    "whole numbers": ([7, -2, 7], [-2, 7]),
    "whole numbers, written as others": ([7.0, -2.0, 7.0], [-2, 7]),
    "true and false": ([True, False, True], [False, True]),
}


@pytest.mark.parametrize("kind", LABELS)
@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_labels_may_be(kind: str, form: str) -> None:
    labels, classes = LABELS[kind]
    table = pd.DataFrame({"x": [1, 2, 4], "label": labels})
    table.to_csv("t.csv", index=False) if form == "csv" else table.to_parquet("t.parquet")
    good("train", f"t.{form}", "--target", "label", *ALL)
    assert Model.load("t.safetensors").classes.tolist() == classes


def test_a_categoricals_order_is_the_classes_order() -> None:
    label = pd.Categorical(["low", "high", "low", "mid"], ["low", "mid", "high", "never"])
    pd.DataFrame({"x": [1, 3, 1, 2], "label": label}).to_parquet("t.parquet")
    good("train", "t.parquet", "--target", "label", *ALL)
    assert Model.load("t.safetensors").classes.tolist() == ["low", "mid", "high"]
    good("tune", "t.parquet", "--target", "label", "--Cs", "1", "--cv", 2)
    assert Model.load("t.safetensors").classes.tolist() == ["low", "mid", "high"]


TYPES: list[tuple[dict[str, str], str]] = [
    ({"a": "uint8", "b": "uint8"}, "uint8"),
    ({"a": "int64", "b": "int64"}, "uint8"),
    ({"a": "float32", "b": "float32"}, "float32"),
    ({"a": "float32", "b": "int64"}, "float32"),
    ({"a": "float64", "b": "float32"}, "float64"),
    ({"a": "bool", "b": "float32"}, "float32"),
]


@pytest.mark.parametrize(("types", "want"), TYPES, ids=str)
def test_the_type_of_x_is_no_wider_than_it_must_be(types: dict[str, str], want: str) -> None:
    from softreg.data.columns import Columns
    from softreg.data.files import read_labelled

    table = pd.DataFrame({"a": [0, 1, 1], "b": [1, 0, 1], "label": list("xyx")}).astype(types)
    table.to_parquet("t.parquet")
    data, _ = read_labelled("t.parquet", Columns("label"))
    assert data.X.dtype == want
    np.testing.assert_array_equal(data.X, [[0, 1], [1, 0], [1, 1]])


def test_names_with_dots_are_names() -> None:
    columns = {"a": [1, 2, 3, 5], "a.b": [2, 0, 1, 3], "label.x": ["u", "v", "u", "v"], "label": ["p", "q", "p", "p"]}
    data = arrow(**columns)
    good("train", data, "--target", "label.x", "--features", "a", *ALL)
    model = Model.load("t.safetensors")
    assert (model.feature_names, model.classes.tolist()) == (("a",), ["u", "v"])
    assert len(good("predict", "t.safetensors", data).stdout.splitlines()) == 4


def test_a_column_that_turns_out_to_be_no_whole_numbers_far_down_is_read_all_the_same() -> None:
    lines = [f"{1_000_000 + i % 7},{i % 2}" for i in range(500_000)] + ["0.5,1"]
    assert sum(map(len, lines)) > BLOCK, "in another block"
    Path("t.csv").write_text("x,label\n" + "\n".join(lines))
    good("train", "t.csv", "--target", "label", *ALL)


@pytest.mark.slow
def test_a_hundred_thousand_rows_take_seconds() -> None:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((100_000, 20)).round(4)
    table = pd.DataFrame(X, columns=[f"x{j}" for j in range(20)])
    table.assign(label=np.where(X[:, 0] + rng.standard_normal(len(X)) > 0, "up", "down")).to_csv("t.csv", index=False)
    begin = time.perf_counter()
    result = good("train", "t.csv", "--target", "label")
    lines = good("predict", "t.safetensors", "t.csv").stdout.splitlines()
    assert time.perf_counter() - begin < 20
    assert "(80,000 training and 20,000 held-out rows" in result.stderr
    assert len(lines) == 100_000


# Predictions


def test_predict_picks_columns_by_name_and_says_what_it_left_aside(csv: str) -> None:
    good("train", csv, "--target", "cultivar")
    table = wine().drop(columns="cultivar")
    table[table.columns[::-1]].assign(id=range(len(table))).to_csv("new.csv", index=False)
    result = good("predict", "wine.safetensors", "new.csv")
    assert result.stdout == good("predict", "wine.safetensors", csv).stdout
    assert "left aside, as the model does not know them: 'id'" in result.stderr
    assert "left aside" not in good("predict", "wine.safetensors", csv, "--target", "cultivar").stderr


def test_a_model_without_names_takes_as_many_columns_as_it_has() -> None:
    table = wine()
    X, y = table.iloc[:, :-1].to_numpy(), table["cultivar"].to_numpy(str)
    np.savez("t.npz", X=X, y=y)
    table.to_csv("t.csv", index=False)
    good("train", "t.npz")
    want = good("predict", "t.safetensors", "t.npz").stdout
    assert good("predict", "t.safetensors", "t.csv", "--target", "cultivar").stdout == want
    result = run("predict", "t.safetensors", "t.csv")
    assert result.exit_code == 2
    assert "14 columns for features" in result.stderr


def test_predictions_as_a_csv_table(csv: str) -> None:
    good("train", csv, "--target", "cultivar")
    model = Model.load("wine.safetensors")
    table = pd.read_csv(io.StringIO(good("predict", "wine.safetensors", csv, "--csv").stdout))
    probs = model.predict_proba(wine().iloc[:, :-1].to_numpy())
    assert table["label"].tolist() == model.classes[probs.argmax(axis=1)].tolist()
    np.testing.assert_array_equal(table["probability"], probs.max(axis=1))


@pytest.fixture
def digits_model() -> str:
    """A model of digits in bytes, 8 x 8, bright on black."""
    X, y = pixels()
    np.savez("digits.npz", X=X * 15, y=y)
    good("train", "digits.npz", "--solver", "lbfgs", "--C", 10, "--out", "digits", "--no-picture")
    return "digits"


def saved(name: str, pixels: Any, mode: str = "L") -> str:
    image = Image.fromarray(pixels)
    image.convert(mode).save(name)
    return name


def test_pictures_are_predicted_as_the_images_they_are(digits_model: str) -> None:
    X, _ = pixels()
    X = X[:6] * 15
    Path("folder").mkdir()
    names = [saved(f"folder/{i}.png", x, "RGB" if i % 2 else "L") for i, x in enumerate(X)]
    saved("folder/5.png", X[5], "RGBA")
    Path("folder/notes.txt").write_text("no picture")
    want = [f"{label}" for label in Model.load(digits_model).predict(X)]
    for args in (["folder"], names, ["folder/0.png", *names[1:]]):
        lines = [line.split("\t") for line in good("predict", digits_model, *args).stdout.splitlines()]
        assert [line[0] for line in lines] == names
        assert [line[1] for line in lines] == want
    objects = [json.loads(line) for line in good("predict", digits_model, "folder", "--json").stdout.splitlines()]
    assert [line["file"] for line in objects] == names
    table = pd.read_csv(io.StringIO(good("predict", digits_model, "folder", "--csv").stdout))
    assert table.columns.tolist() == ["file", "label", "probability"]
    assert table["file"].tolist() == names


def test_pictures_can_be_inverted_resized_seen_through_and_deep(digits_model: str) -> None:
    x = pixels()[0][0] * 15
    big = np.repeat(np.repeat(x, 4, axis=0), 4, axis=1)
    (plain,) = good("predict", digits_model, saved("plain.png", x)).stdout.splitlines()
    want = plain.split("\t")[1:]
    saved("ink.png", 255 - x)
    saved("big.png", big)
    Image.fromarray(x.astype(np.uint16) * 257).save("deep.png")
    through = np.zeros((8, 8, 4), np.uint8)
    through[..., 3] = x  # black ink on glass: on paper it is the inverse
    Image.fromarray(through).save("glass.png")
    for args in (["ink.png", "--invert"], ["deep.png"], ["glass.png", "--invert"]):
        assert good("predict", digits_model, *args).stdout.rstrip().split("\t")[1:] == want, args
    assert good("predict", digits_model, "big.png", "--resize").stdout.split("\t")[1] == want[0]
    saved("photo.jpg", big)
    assert good("predict", digits_model, "photo.jpg", "--resize").stdout.split("\t")[1] == want[0]


def test_idx_images_by_standard_input(digits_model: str) -> None:
    X = pixels()[0] * 15
    Path("images").write_bytes(idx(X))
    want = good("predict", digits_model, "images").stdout
    for content in (idx(X), gzip.compress(idx(X))):
        assert good("predict", digits_model, "-", stdin=content).stdout == want


def test_a_known_name_stands_for_its_test_images() -> None:
    from softreg.data import fashion_mnist

    good("train", "fashion-mnist", "--sample", "--epochs", 1, "--no-picture", "--out", "m")
    images = fashion_mnist.sample_folder() / "t10k-images-idx3-ubyte.gz"
    assert good("predict", "m", "fashion-mnist", "--sample").stdout == good("predict", "m", images).stdout


# Mistakes


def table(text: str, name: str = "t.csv") -> str:
    Path(name).write_text(text)
    return name


def frame(name: str = "t.parquet", **columns: Any) -> str:
    pd.DataFrame(columns).to_parquet(name)
    return name


def arrow(**columns: Any) -> str:
    pyarrow.parquet.write_table(pa.table(columns), "t.parquet")
    return "t.parquet"


def binary(content: bytes, name: str = "t.bin") -> str:
    Path(name).write_bytes(content)
    return name


def archive(**arrays: Any) -> str:
    np.savez("t.npz", **arrays)
    return "t.npz"


def empty_folder() -> str:
    Path("empty").mkdir()
    return "empty"


def spreadsheet() -> str:
    import zipfile

    with zipfile.ZipFile("t.xlsx", "w") as file:
        file.writestr("xl/workbook.xml", "<a/>")
    return "t.xlsx"


def idx_file(name: str, *shape: int) -> str:
    Path(name).write_bytes(idx(np.zeros(shape, np.uint8)))
    return name


OK = "x,z,label\n1,2.5,a\n2,3,b\n3,1,a\n4,0,b\n"
LABEL = ("--target", "label")

TRAIN: dict[str, tuple[Callable[[], list[object]], list[str]]] = {
    "no such file": (lambda: [table(OK) + "x", *LABEL], ["'t.csvx' is not a file", "Did you mean t.csv?"]),
    "a name that is nearly known": (lambda: ["fashion_mnist"], ["not a file, nor a known data set", "fashion-mnist?"]),
    "no target": (lambda: [table(OK)], ["needs --target", "'x', 'z' and 'label'"]),
    "a target that is not there": (lambda: [table(OK), "--target", "Labels"], ["'Labels'", "did you mean 'label'?"]),
    "a target like none": (lambda: [table(OK), "--target", "kkk"], ["no column 'kkk'", "it has 'x', 'z' and 'label'"]),
    "a weight that is not there": (lambda: [table(OK), *LABEL, "--weight", "w"], ["no column 'w' for --weight"]),
    "features that are not there": (lambda: [table(OK), *LABEL, "--features", "x,zz"], ["'zz'", "mean 'z'?"]),
    "a pattern for nothing": (lambda: [table(OK), *LABEL, "--features", "q*"], ["no column 'q*' for --features"]),
    "the target among the features": (lambda: [table(OK), *LABEL, "--features", "x,label"], ["the target"]),
    "no features left": (lambda: [table(OK), *LABEL, "--features", "!x,!z"], ["no columns left for features"]),
    "text among the features": (
        lambda: [table("x,city,n,label\n1,Paris,1,a\n2,Rome,?,b\n"), *LABEL],
        ["not numbers: 'city' ('Paris' in row 0), 'n' ('?' in row 1)", "OneHotEncoder", "--features '!city,!n'"],
    ),
    "dates among the features": (lambda: [table("d,label\n2020-01-01,a\n2020-01-02,b\n"), *LABEL], ["'d' (date32"]),
    "categories among the features": (
        lambda: [frame(c=pd.Categorical(["u", "v"]), label=["a", "b"]), *LABEL],
        ["'c' ('u' in row 0)"],
    ),
    "features that are missing": (
        lambda: [table("x,z,label\n1,,a\n,2,b\n3,NA,a\n4,nan,b\n5,,b\n"), *LABEL],
        ["'x' in row 1, 'z' in 4 rows (0, 2, 3, …)", "fill them in"],
    ),
    "features that are nan": (
        lambda: [frame(x=[1.0, float("nan"), 2.0], label=["a", "b", "a"]), *LABEL],
        ["missing values: 'x' in row 1"],
    ),
    "features that are missing or nan": (
        lambda: [arrow(x=pa.array([1.0, None, float("nan"), 2.0]), label=["a", "b", "a", "b"]), *LABEL],
        ["missing values: 'x' in 2 rows (1, 2)"],
    ),
    "features that are infinite": (lambda: [table("x,label\n1,a\ninf,b\n2,a\n"), *LABEL], ["infinite", "'x' in row 1"]),
    "labels that are missing": (
        lambda: [table("x,label\n1,a\n2,\n3,b\n4,NA\n"), *LABEL],
        ["without a label: 'label' in 2 rows (1, 3)", "quote a label"],
    ),
    "labels that are nan": (
        lambda: [frame(x=[1, 2], label=[1.0, None]), *LABEL],
        ["without a label: 'label' in row 1"],
    ),
    "weights that are missing": (
        lambda: [table("x,w,label\n1,1,a\n2,,b\n3,2,a\n"), *LABEL, "--weight", "w"],
        ["weights are missing: 'w' in row 1"],
    ),
    "weights below 0": (
        lambda: [table("x,w,label\n1,1,a\n2,-1,b\n3,2,a\n"), *LABEL, "--weight", "w"],
        ["negative or infinite: 'w' in row 1"],
    ),
    "weights of text": (
        lambda: [table("x,w,label\n1,1,a\n2,much,b\n3,2,a\n"), *LABEL, "--weight", "w"],
        ["'w' are not numbers ('much' in row 1)"],
    ),
    "weights of 0 alone": (
        lambda: [table("x,w,label\n1,0,a\n2,0,b\n3,0,a\n"), *LABEL, "--weight", "w", *ALL, "--standardize"],
        ["all weights are 0"],
    ),
    "a quantity to predict": (lambda: [table(OK), "--target", "z"], ["numbers such as 2.5", "cut it into classes"]),
    "a date to predict": (lambda: [table("d,x\n2020-01-01,1\n2020-01-02,2\n"), "--target", "d"], ["'d' are date32"]),
    "one class": (lambda: [table("x,label\n1,a\n2,a\n"), *LABEL], ["one class alone, 'a'"]),
    "a class for each row": (lambda: [table("x,label\n1,a\n2,b\n3,c\n"), *LABEL], ["another label in each of its 3"]),
    "an empty file": (lambda: [table(""), *LABEL], ["t.csv is empty"]),
    "blank lines": (lambda: [table("\n\n"), *LABEL], ["no columns with names"]),
    "names alone": (lambda: [table("x,z,label\n"), *LABEL], ["no rows"]),
    "names alone, without a newline": (lambda: [table("x,z,label"), *LABEL], ["no rows"]),
    "no names": (
        lambda: [table("5.1,3.5,a\n4.9,3.0,b\n"), "--target", "a"],
        ["first line of t.csv holds numbers", "x1"],
    ),
    "no names, whole numbers": (lambda: [table("0,0,5,1\n0,1,4,2\n"), "--target", "1"], ["holds numbers ('0', '0'"]),
    "a name twice": (lambda: [table("x,x,label\n1,2,a\n3,4,b\n"), *LABEL], ["more than one column called 'x'"]),
    "a line that is too short": (
        lambda: [table("x,z,label\n1,2,a\n1,2\n3,4,b,5\n"), *LABEL],
        ["line 3 has 2 columns, and the first line has 3: '1,2'"],
    ),
    "a quote without end": (
        lambda: [table('x,label\n1,a\n2,"b\n3,c\n'), *LABEL],
        ["is opened and not closed", "of 4 lines came 2 rows"],
    ),
    "a quote without end in a large file": (
        lambda: [table('x,label\n1,"a\n' + "2,b\n" * BLOCK), *LABEL],
        ["is opened and not closed"],
    ),
    "another encoding": (lambda: [binary("x,label\n1,é\n2,b\n".encode("latin1")), *LABEL], ["UTF-8"]),
    "another encoding of names": (lambda: [binary("x,é\n1,a\n2,b\n".encode("latin1")), "--target", "x"], ["LATIN1"]),
    "UTF-16": (lambda: [binary("x,label\n1,a\n2,b\n".encode("utf16")), *LABEL], ["not text in UTF-8", "UTF-16"]),
    "bytes of no kind": (lambda: [binary(b"\x01\x00\x00\xff" * 9), *LABEL], ["none of the files that softreg reads"]),
    "damaged gzip": (lambda: [binary(gzip.compress(OK.encode())[:-9], "t.csv.gz"), *LABEL], ["gzip stream is damaged"]),
    "damaged Parquet": (lambda: [binary(b"PAR1" + b"x" * 99), *LABEL], ["cannot be read as a Parquet file"]),
    "Parquet that is cut short": (
        lambda: [binary(Path(frame(x=[1, 2], label=["a", "b"])).read_bytes()[:300]), *LABEL],
        ["cannot be read as a Parquet file"],
    ),
    "nested columns": (lambda: [frame(x=[[1, 2], [3]], label=["a", "b"]), *LABEL], ["'x' (list<"]),
    "a folder": (lambda: ["."], ["is a folder"]),
    "a picture": (lambda: [saved("p.png", np.zeros((8, 8), np.uint8))], ["is a picture, which has no labels"]),
    "npz without X": (lambda: [archive(x=[[1.0]], y=[1])], ["no array 'X'", "did you mean 'x'?"]),
    "npz without y": (lambda: [archive(X=[[1.0]], label=[1])], ["no array 'y' for the labels"]),
    "npz of objects": (lambda: [archive(X=np.array([[{}], [1]], object), y=[0, 1])], ["could run code"]),
    "npz of labels that are quantities": (lambda: [archive(X=[[1.0], [2.0]], y=[0.5, 1])], ["numbers such as 0.5"]),
    "npz of one class": (lambda: [archive(X=[[1.0], [2.0]], y=[1, 1])], ["one class alone, 1"]),
    "npz of other lengths": (lambda: [archive(X=[[1.0], [2.0]], y=[1, 0, 1])], ["y has shape (3,)"]),
    "npz with features and no names": (
        lambda: [archive(X=[[1.0], [2.0]], y=[1, 0]), "--features", "x"],
        ["no array feature_names"],
    ),
    "npz with too few names": (
        lambda: [archive(X=[[1.0, 2], [2.0, 3]], y=[1, 0], feature_names=["a"])],
        ["feature_names in t.npz"],
    ),
    "a damaged archive": (lambda: [binary(b"PK\x03\x04" + b"0" * 50)], ["cannot be read as an npz file"]),
    "a spreadsheet": (lambda: [spreadsheet()], ["an Excel file? Save it as CSV"]),
    "images without labels": (
        lambda: [idx_file("t10k-images-idx3-ubyte", 3, 2, 2)],
        ["looked for t10k-labels-idx1-ubyte and t10k-labels-idx1-ubyte.gz", "t10k-images-idx3-ubyte,LABELS"],
    ),
    "images of another name": (lambda: [idx_file("pixels", 3, 2, 2)], ["no 'images' in its name", "pixels,LABELS"]),
    "labels that are not there": (lambda: [idx_file("pixels", 3, 2, 2) + ",none"], ["'none' is not a file"]),
    "images and labels of other lengths": (
        lambda: [f"{idx_file('a', 3, 2, 2)},{idx_file('b', 4)}"],
        ["number of images"],
    ),
    "labels for images": (lambda: [f"{idx_file('a', 4)},{idx_file('b', 4)}"], ["rank of the images"]),
    "a target for images": (
        lambda: [f"{idx_file('a', 4, 2, 2)},{idx_file('b', 4)}", *LABEL],
        ["is no table: --target"],
    ),
    "a sample of a table": (lambda: [table(OK), *LABEL, "--sample"], ["no known data set: --sample is for other"]),
    "a target of a known name": (lambda: ["fashion-mnist", "--sample", *LABEL], ["--target is for other data"]),
    "test data of a known name": (lambda: ["fashion-mnist", "--sample", "--test", "x"], ["--test is for other data"]),
    "test data and a share": (
        lambda: [table(OK), *LABEL, "--test", table(OK, "u.csv"), "--test-share", 0.1],
        ["exclude each other"],
    ),
    "a share of all": (lambda: [table(OK), *LABEL, "--test-share", 1], ["--test-share"]),
    "test data that is not there": (lambda: [table(OK), *LABEL, "--test", "u.csv"], ["'u.csv' is not a file"]),
    "test data without a column": (
        lambda: [table(OK), *LABEL, "--test", table("x,label\n1,a\n2,b\n", "u.csv")],
        ["u.csv lacks columns that the model was trained on: 'z'"],
    ),
    "test data of other classes": (
        lambda: [table(OK), *LABEL, "--test", table("x,z,label\n1,1,a\n2,1,c\n", "u.csv")],
        ["labels in 'label' are none of 'a' and 'b'", "the first is 'c' in row 1"],
    ),
    "a picture of a table": (lambda: [table(OK), *LABEL, "--picture", "p.png"], ["pictures are of images"]),
    "an option of another solver": (lambda: [table(OK), *LABEL, "--epochs", 3], ["not an option of the solver auto"]),
    "nothing to stop by": (lambda: [table(OK), *LABEL, "--early-stopping", 3], ["leaves none to stop by"]),
}


def failed(result: Result, words: list[str]) -> None:
    assert result.exit_code == 2, result.output
    assert isinstance(result.exception, SystemExit), "no exception but the exit"
    for word in words:
        assert word in result.stderr, result.stderr
    assert result.stdout == ""
    assert not list(Path().glob("*.safetensors"))


@pytest.mark.parametrize("name", TRAIN)
def test_a_mistake_in_what_to_train_on_exits_2_says_what_and_writes_nothing(name: str) -> None:
    args, words = TRAIN[name]
    failed(run("train", *args()), words)


@pytest.mark.parametrize("name", ["no target", "text among the features", "one class", "an empty file", "no names"])
def test_a_mistake_is_one_for_tune_too(name: str) -> None:
    args, words = TRAIN[name]
    failed(run("tune", *args()), words)


PREDICT: dict[str, tuple[Callable[[], list[object]], list[str]]] = {
    "columns that are missing": (
        lambda: [table("X,zz,label\n1,2,a\n")],
        ["t.csv lacks columns that the model was trained on: 'x': did you mean 'X'?, 'z': did you mean 'zz'?"],
    ),
    "columns of text": (lambda: [table("x,z\n1,2\n?,3\n")], ["not numbers: 'x' ('?' in row 1)"]),
    "values that are missing": (lambda: [table("x,z\n1,2\n,3\n")], ["missing values: 'x' in row 1"]),
    "no rows": (lambda: [table("x,z\n")], ["no rows"]),
    "a name twice": (lambda: [table("x,x,z\n1,2,3\n")], ["more than one column called 'x'"]),
    "npz of another width": (lambda: [archive(X=[[1.0, 2, 3]])], ["t.npz has shape (1, 3); expected (rows, 2)"]),
    "npz with other names": (
        lambda: [archive(X=[[1.0, 2]], feature_names=["x", "q"])],
        ["t.npz lacks columns that the model was trained on: 'z'"],
    ),
    "npz of nan": (lambda: [archive(X=[[1.0, np.nan]])], ["the first is nan in row 0, column 1"]),
    "a picture": (lambda: [saved("p.png", np.zeros((1, 2), np.uint8))], ["was not trained on images"]),
    "two tables": (lambda: [table(OK), table(OK, "u.csv")], ["t.csv is no picture"]),
    "a target that is not there": (lambda: [table(OK), "--target", "lable"], ["did you mean 'label'?"]),
    "features for a model with names": (lambda: [table(OK), "--features", "x,z"], ["picks its own by their names"]),
    "an inverted table": (lambda: [table(OK), "--invert"], ["--resize and --invert are for PNG and JPEG"]),
    "two formats": (lambda: [table(OK), "--json", "--csv"], ["exclude each other"]),
    "a file that is not there": (lambda: ["nowhere.csv"], ["'nowhere.csv' is not a file"]),
}


@pytest.mark.parametrize("name", PREDICT)
def test_a_mistake_in_what_to_predict_exits_2_and_says_what(name: str) -> None:
    good("train", table(OK, "ok.csv"), *LABEL, *ALL, "--out", "model")
    args, words = PREDICT[name]
    failed(run("predict", "model", *args()), words)


PICTURES: dict[str, tuple[Callable[[], list[object]], list[str]]] = {
    "another size": (lambda: [saved("p.png", np.zeros((9, 8), np.uint8))], ["(9, 8)", "(8, 8)", "--resize"]),
    "a damaged one": (lambda: [binary(b"\x89PNG" + b"0" * 40, "p.png")], ["p.png cannot be read as a PNG or JPEG"]),
    "one that is cut short": (
        lambda: [binary(Path(saved("q.png", np.arange(64, dtype=np.uint8).reshape(8, 8))).read_bytes()[:45], "p.png")],
        ["p.png cannot be read as a PNG or JPEG file"],
    ),
    "another file among them": (
        lambda: [saved("p.png", np.zeros((8, 8), np.uint8)), table(OK)],
        ["t.csv is no picture"],
    ),
    "an empty folder": (
        lambda: [empty_folder()],
        ["the folder empty has no .png, .jpg, .jpeg files"],
    ),
}


@pytest.mark.parametrize("name", PICTURES)
def test_a_mistake_in_pictures_exits_2_and_says_what(digits_model: str, name: str) -> None:
    args, words = PICTURES[name]
    failed(run("predict", digits_model, *args()), words)


def test_both_from_standard_input_is_refused() -> None:
    result = run("train", "-", *LABEL, "--test", "-", stdin=OK.encode())
    failed(result, ["standard input can be read once"])


def test_nothing_on_standard_input_is_said() -> None:
    failed(run("train", "-", *LABEL, stdin=b""), ["standard input is empty"])


def test_without_pyarrow_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    failed(run("train", table(OK), *LABEL), ["needs pyarrow", "pip install 'softreg[tables]'"])


def test_a_column_that_counts_the_rows_is_told() -> None:
    text = "id,x,label\n" + "".join(f"{100 + i},{i % 3},{'ab'[i % 2]}\n" for i in range(20))
    result = good("train", table(text), *LABEL)
    assert "'id' counts the rows, from 100; --features '!id' leaves it out" in result.stderr
    assert "counts the rows" not in good("train", table(text), *LABEL, "--features", "!id").stderr


# Tuning


def test_tune_prints_every_penalty_marks_one_and_keeps_the_names(csv: str) -> None:
    result = good("tune", csv, "--target", "cultivar", "--standardize", "--Cs", 5, "--picture", "path.png")
    header, *lines = result.stdout.splitlines()
    assert "neg_log_loss, mean of 5 folds ± standard error" in header
    assert [float(line.split()[0]) for line in lines] == pytest.approx([1e-4, 1e-2, 1, 1e2, 1e4])
    (chosen,) = (line for line in lines if line.endswith("chosen"))
    model = Model.load("wine.safetensors")
    assert model.settings["C"] == float(chosen.split()[0])
    assert max(lines, key=lambda line: float(line.split()[1])) == chosen
    assert model.feature_names == tuple(wine().columns[:-1])
    assert model.classes.tolist() == ["class_0", "class_1", "class_2"]
    assert Path("path.png").read_bytes().startswith(b"\x89PNG")
    assert len(good("predict", "wine.safetensors", csv).stdout.splitlines()) == 178


def test_tune_gives_the_model_of_the_cross_validating_estimator(csv: str) -> None:
    from sklearn.model_selection import StratifiedKFold

    from softreg import SoftmaxRegressionCV

    grid = ("--Cs", "0.1,1", "--l1-ratios", "0,1", "--cv", 3)
    *rows, ending = map(
        json.loads,
        good("tune", csv, "--target", "cultivar", "--standardize", *grid, "--json", "--seed", 4).stdout.splitlines(),
    )
    frame = wine()
    folds = StratifiedKFold(3, shuffle=True, random_state=4)
    estimator = SoftmaxRegressionCV(Cs=[0.1, 1.0], l1_ratios=[0.0, 1.0], cv=folds, standardize=True)
    estimator.fit(frame.iloc[:, :-1].to_numpy(), frame["cultivar"].to_numpy(str))
    assert [row["mean"] for row in rows] == estimator.cv_results_["mean_test_score"].tolist()
    errors = estimator.cv_results_["std_test_score"] / np.sqrt(2)
    np.testing.assert_allclose([row["standard_error"] for row in rows], errors)
    assert (ending["C"], ending["l1_ratio"]) == (estimator.C_, estimator.l1_ratio_)
    assert [row["chosen"] for row in rows].count(True) == 1
    np.testing.assert_array_equal(Model.load("wine.safetensors").W, estimator.model_.W)


def test_one_standard_error_chooses_a_penalty_as_strong_or_stronger() -> None:
    cancer = load_breast_cancer(as_frame=True)
    cancer.frame.to_csv("cancer.csv", index=False)
    chosen = []
    for rule in ((), ("--one-standard-error",)):
        good("tune", "cancer.csv", "--target", "target", "--standardize", "--Cs", 20, *rule)
        chosen.append(Model.load("cancer.safetensors").settings["C"])
    assert chosen[1] < chosen[0]


def test_tune_scores_test_data_that_had_no_part_in_it(csv: str) -> None:
    whole = good("tune", csv, "--target", "cultivar", "--Cs", "1").stdout
    result = good("tune", csv, "--target", "cultivar", "--Cs", "1", "--test", csv)
    assert result.stdout.startswith(whole)
    assert re_accuracy(result.stdout, "test", 178)
    assert re_accuracy(
        good("tune", csv, "--target", "cultivar", "--Cs", "1", "--test-share", 0.2).stdout, "held-out", 36
    )


def re_accuracy(text: str, what: str, rows: int) -> bool:
    last = text.splitlines()[-1]
    return last.startswith(f"{what} acc 0.9") and last.endswith(f"on {rows} rows")


@pytest.mark.slow
def test_tune_on_a_known_name() -> None:
    result = good("tune", "fashion-mnist", "--sample", "--Cs", "0.01,1", "--cv", 2)
    assert re_accuracy(result.stdout.replace("acc 0.8", "acc 0.9"), "test", 800)
    model = Model.load("fashion-mnist.safetensors")
    assert (model.scale, model.image_shape) == (1 / 255, (28, 28))
    assert model.classes[0] == "t-shirt"


TUNE: dict[str, tuple[list[object], str]] = {
    "no scorer": (["--scoring", "acuracy"], "acuracy"),
    "no number": (["--Cs", "1,x"], "'1,x' is not a number, nor numbers"),
    "C of 0": (["--Cs", "0"], "Cs"),
    "C below 0": (["--Cs", "-1,1"], "Cs"),
    "too much L1": (["--l1-ratios", "2"], "from 0 to 1"),
    "one fold": (["--cv", 1], "--cv"),
    "more folds than rows": (["--cv", 1000], "n_splits=1000"),
    "a folder that is not there": (["--out", "no/m"], "no folder no"),
    "a picture of no kind": (["--picture", "p.xyz"], ".png"),
}


@pytest.mark.parametrize("name", TUNE)
def test_a_mistake_in_tunes_options_exits_2_and_says_what(csv: str, name: str) -> None:
    options, word = TUNE[name]
    failed(run("tune", csv, "--target", "cultivar", *options), [word])


@pytest.mark.slow
def test_ctrl_c_ends_tune_soon_and_leaves_no_model(csv: str) -> None:
    call = [
        str(Path(sys.executable).parent / "softreg"),
        "tune",
        "fashion-mnist",
        "--sample",
        "--Cs",
        "100",
        "--cv",
        "10",
    ]
    process = subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    assert process.stderr.readline().startswith("data: ")
    time.sleep(2.5)  # on its way through paths that take a minute
    process.send_signal(signal.SIGINT)
    begin = time.perf_counter()
    _, err = process.communicate(timeout=60)
    assert time.perf_counter() - begin < 10
    assert (process.returncode, err.strip()) == (130, "interrupted")
    assert not list(Path().glob("*.safetensors"))


def test_a_pipe_with_a_number_for_a_name_is_read_once() -> None:
    call = f"{Path(sys.executable).parent / 'softreg'} train <(printf '{OK}') --target label"
    done = subprocess.run(["bash", "-c", call], capture_output=True, text=True, check=True)
    assert "wrote model.safetensors" in done.stderr
    assert done.stderr.rstrip().endswith("predict model.safetensors FILE")
