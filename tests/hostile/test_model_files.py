"""Model files that are broken, or made to hurt: a ModelFileError that says why, and never a run of their code."""

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from softreg import Model
from softreg.errors import ModelFileError

TENSORS: dict[str, Any] = {"W": np.zeros((3, 2)), "b": np.zeros(2), "scale": np.array(1.0), "shift": np.array(0.0)}
MODEL = {"classes": {"dtype": "str", "values": ["a", "b"]}, "feature_names": None, "image_shape": None}
ABOUT: dict[str, Any] = {"format": 1, "requires": [], "model": MODEL, "settings": {}, "history": {}}


def file(tensors: dict[str, Any] | None = None, about: Any = None, **model: Any) -> bytes:
    text = about if isinstance(about, str) else json.dumps(ABOUT | {"model": MODEL | model} | (about or {}))
    return safetensors.numpy.save(TENSORS | (tensors or {}), {"softreg": text})


def raw(header: str, data: bytes = b"") -> bytes:
    return struct.pack("<Q", len(header.encode())) + header.encode() + data


def without(name: str) -> bytes:
    about = json.dumps(ABOUT)
    return safetensors.numpy.save({k: v for k, v in TENSORS.items() if k != name}, {"softreg": about})


GOOD = file()
HEADER = GOOD[8 : 8 + struct.unpack("<Q", GOOD[:8])[0]].decode()

FILES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "cut short"),
    "seven bytes": (GOOD[:7], "cut short"),
    "header cut short": (GOOD[:50], "cut short"),
    "data cut short": (GOOD[:-1], "whole"),
    "trailing byte": (GOOD + b"\0", "whole"),
    "header beyond the file": (struct.pack("<Q", 1 << 62) + b"{}", "cut short"),
    "header not JSON": (raw("{"), "not JSON"),
    "header not an object": (raw("[]"), "not a JSON object"),
    "header not UTF-8": (struct.pack("<Q", 4) + b'"\xff" ', "not JSON"),
    "header nested without end": (raw("[" * 200_000), "not JSON"),
    "a pickle": (b"\x80\x04\x95" + bytes(100), "cut short"),
    "not ours": (safetensors.numpy.save({"W": np.zeros(2)}), "not a softreg model"),
    "not ours, with metadata": (safetensors.numpy.save(TENSORS, {"format": "pt"}), "not a softreg model"),
    "a tensor twice": (raw(HEADER.rstrip()[:-1] + ',"b":' + HEADER.split('"b":')[1].split("}")[0] + "}}"), "twice"),
    "metadata twice": (raw('{"__metadata__":{},' + HEADER[1:], GOOD[8 + len(HEADER) :]), "twice"),
    "description not JSON": (file(about="{"), "not JSON"),
    "description not an object": (file(about="3"), "not a JSON object"),
    "description with a key twice": (file(about='{"format":1,"format":1}'), "twice"),
    "description with nan": (file(about='{"format":NaN}'), "NaN"),
    "description with a huge number": (file(about='{"format":' + "9" * 5000 + "}"), "not JSON"),
    "description with a number beyond doubles": (file(about='{"format":1,"x":1e999}'), "1e999"),
    "description with half a surrogate pair": (file(classes={"dtype": "str", "values": ["a", "\ud800"]}), "surrogate"),
    "description nested without end": (file(about="[" * 100_000), "not JSON"),
    "no format": (file(about={"format": None}), "format"),
    "format true": (file(about={"format": True}), "format"),
    "a newer format": (file(about={"format": 2}), "install a newer"),
    "requires the unknown": (file(about={"requires": ["trees"]}), "trees"),
    "requires not a list": (file(about={"requires": "model"}), "requires"),
    "no model": (file(about={"model": None}), "model is missing"),
    "no settings": (file(about={"settings": []}), "settings"),
    "no W": (without("W"), "no W"),
    "no shift": (without("shift"), "no shift"),
    "W of integers": (file({"W": np.zeros((3, 2), dtype=int)}), "int64"),
    "W with nan": (file({"W": np.array([[np.nan, 0], [0, 0]])}), "nan or infinite"),
    "b with inf": (file({"b": np.array([np.inf, 0])}), "nan or infinite"),
    "scale with nan": (file({"scale": np.array(np.nan)}), "nan or infinite"),
    "W flat": (file({"W": np.zeros(6)}), "W has shape"),
    "W for other classes": (file({"W": np.zeros((3, 5))}), "shape"),
    "b too long": (file({"b": np.zeros(3)}), "b has shape"),
    "scale for other features": (file({"scale": np.ones(2)}), "scale has shape"),
    "a tensor of no section": (file({"extra": np.zeros(2)}), "'extra'"),
    "a tensor of an unknown section": (file({"calibration.x": np.zeros(2)}), "'calibration.x'"),
    "classes of objects": (file(classes={"dtype": "object", "values": ["a", "b"]}), "object"),
    "classes of unnamed type": (file(classes={"dtype": ["str"], "values": ["a", "b"]}), "type"),
    "classes of another type": (file(classes={"dtype": "int64", "values": ["a", "b"]}), "values"),
    "classes true for int": (file(classes={"dtype": "int64", "values": [True, False]}), "values"),
    "classes beyond their type": (file(classes={"dtype": "int8", "values": [1, 1000]}), "fit its type"),
    "classes twice": (file(classes={"dtype": "str", "values": ["a", "a"]}), "twice"),
    "classes missing": (file(classes=None), "classes"),
    "too few feature names": (file(feature_names=["x"]), "feature_names"),
    "feature names not text": (file(feature_names=[1, 2, 3]), "feature_names"),
    "image of other pixels": (file(image_shape=[2, 2]), "pixels"),
    "image of no pixels": (file(image_shape=[0, 3]), "image_shape"),
    "image of huge sides": (file(image_shape=[1 << 80, 1]), "pixels"),
    "history of different lengths": (file(about={"history": {"loss": [1.0], "value": []}}), "lengths"),
    "history not numbers": (file(about={"history": {"loss": ["x"]}}), "history"),
    "history of a huge number": (file(about={"history": {"loss": [10**400]}}), "history"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_broken_file_says_why(tmp_path: Path, name: str) -> None:
    content, words = FILES[name]
    path = tmp_path / "model"
    path.write_bytes(content)
    with pytest.raises(ModelFileError) as caught:
        Model.load(path)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)
    assert isinstance(caught.value, ValueError)


def test_the_file_that_the_broken_ones_are_made_from_is_good(tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(GOOD)
    assert Model.load(tmp_path / "model").classes.tolist() == ["a", "b"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(
    cuts=st.lists(st.tuples(st.integers(0, len(GOOD)), st.binary(max_size=3)), max_size=3),
    length=st.integers(0, len(GOOD)),
)
def test_no_damage_gets_past_the_one_kind_of_error(tmp_path: Path, cuts: list[tuple[int, bytes]], length: int) -> None:
    content = GOOD
    for at, patch in cuts:
        content = content[:at] + patch + content[at + len(patch) :]
    path = tmp_path / "model"
    path.write_bytes(content if length % 2 else content[:length])
    try:
        model = Model.load(path)
    except ModelFileError:
        return
    assert np.isfinite(model.W).all()


def test_a_huge_file_is_refused_by_its_header_before_it_is_read(tmp_path: Path) -> None:
    import tracemalloc

    path = tmp_path / "huge"
    with path.open("wb") as out:
        out.write(GOOD)
        out.truncate(1 << 40)  # holes: nothing is on the disk
    tracemalloc.start()
    with pytest.raises(ModelFileError, match="do not fill it"):
        Model.load(path)
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


def test_a_device_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="regular"):
        Model.load("/dev/zero")


def test_a_missing_file_is_the_systems_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Model.load(tmp_path / "none")
