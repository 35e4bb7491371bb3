"""The model file: what goes in comes out, equal models are equal files, and a save is whole or not at all."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from softreg import SGD, Dataset, Model, Settings, fit
from softreg.decision import Scaling, SplitConformal
from softreg.errors import DataError, ModelFileError
from softreg.model import Section, storage

FLOATS = st.floats(allow_nan=False, allow_infinity=False)


def small(**fields: Any) -> Model:
    return Model(np.arange(6.0).reshape(3, 2), np.array([0.5, -0.5]), np.array(["a", "b"]), **fields)


def equal(one: Model, other: Model) -> bool:
    return (
        one.W.tobytes() == other.W.tobytes()
        and one.b.tobytes() == other.b.tobytes()
        and one.classes.dtype == other.classes.dtype
        and one.classes.tolist() == other.classes.tolist()
        and np.array_equal(one.scale, other.scale)
        and np.array_equal(one.shift, other.shift)
        and (one.feature_names, one.image_shape) == (other.feature_names, other.image_shape)
        and one.settings == other.settings
        and one.history.keys() == other.history.keys()
        and np.array_equal(one.class_prior, other.class_prior)  # type: ignore[arg-type]  # or both are None
        and one.provenance == other.provenance
        and all(np.array_equal(one.history[k], other.history[k], equal_nan=True) for k in one.history)
    )


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_what_was_saved_is_loaded(tmp_path: Path, data: st.DataObject) -> None:
    d, K = data.draw(st.integers(1, 5)), data.draw(st.integers(2, 5))
    text = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
    classes = data.draw(
        hnp.arrays(st.sampled_from(["int8", "uint16", "int64", "uint64"]), K, unique=True)
        | st.lists(text, min_size=K, max_size=K, unique=True).map(np.array)
    )
    per_column = st.one_of(FLOATS, hnp.arrays(np.float64, d, elements=FLOATS))
    model = Model(
        data.draw(hnp.arrays(np.float64, (d, K), elements=FLOATS)),
        data.draw(hnp.arrays(np.float64, K, elements=FLOATS)),
        classes,
        data.draw(per_column),
        data.draw(per_column),
        data.draw(st.none() | st.lists(st.text(), min_size=d, max_size=d).map(tuple)),
        data.draw(st.none() | st.just((1, d))),
        {"seed": data.draw(st.integers()), "C": data.draw(FLOATS | st.none())},
        {"loss": data.draw(hnp.arrays(np.float64, 3, elements=FLOATS | st.just(np.nan)))},
        class_prior=data.draw(st.none() | st.just(np.full(K, 1 / K))),
        provenance=data.draw(st.just({}) | st.fixed_dictionaries({"n_rows": st.integers(0), "message": text})),
    )
    path = tmp_path / "model"
    model.save(path)
    content = path.read_bytes()
    loaded = Model.load(path)
    assert equal(loaded, model)
    loaded.save(path)
    assert path.read_bytes() == content


def test_booleans_and_strided_arrays_survive(tmp_path: Path) -> None:
    model = Model(np.arange(12.0).reshape(2, 6).T[::2], np.zeros(4)[::2], np.array([False, True]))
    model.save(tmp_path / "m")
    assert equal(Model.load(tmp_path / "m"), model)


@pytest.mark.slow
def test_equal_fits_make_equal_files_in_every_process(tmp_path: Path) -> None:
    code = (
        "import sys, numpy as np; from softreg import *\n"
        "X = np.arange(40).reshape(10, 4) % 7\n"
        "data = Dataset.from_labels(X, list('ababcbacab'), feature_names=list('wxyz'))\n"
        "fit(data, Settings(SGD(batch_size=3)), validation=data)[0].save(sys.argv[1])"
    )
    files = [tmp_path / name for name in "abc"]
    for i, path in enumerate(files):
        environment = os.environ | {"PYTHONHASHSEED": str(i), "OPENBLAS_NUM_THREADS": str(i + 1)}
        subprocess.run([sys.executable, "-c", code, str(path)], check=True, env=environment)
    assert files[0].read_bytes() == files[1].read_bytes() == files[2].read_bytes()


def test_other_tools_read_it_as_safetensors(tmp_path: Path) -> None:
    small().save(tmp_path / "m")
    tensors = safetensors.numpy.load_file(tmp_path / "m")
    assert {name: t.shape for name, t in tensors.items()} == {"W": (3, 2), "b": (2,), "scale": (), "shift": ()}


def test_float32_tensors_of_another_writer_are_read(tmp_path: Path) -> None:
    small().save(tmp_path / "m")
    with safetensors.safe_open(tmp_path / "m", "np") as file:
        metadata = file.metadata()
    tensors = {name: t.astype(np.float32) for name, t in safetensors.numpy.load_file(tmp_path / "m").items()}
    safetensors.numpy.save_file(tensors, tmp_path / "m", metadata)
    assert equal(Model.load(tmp_path / "m"), small())


def test_sections_of_another_version_are_kept(tmp_path: Path) -> None:
    section = Section(
        {"temperature": 1.5, "note": "é"}, {"scores": np.arange(3.0), "table.row": np.arange(2, dtype="i8")}
    )
    small(sections={"hierarchy": section, "later": Section([1, 2])}).save(tmp_path / "m")
    kept = Model.load(tmp_path / "m").sections
    assert kept["hierarchy"].fields == section.fields
    assert kept["hierarchy"].tensors["scores"].tolist() == [0, 1, 2]
    assert kept["later"].fields == [1, 2]
    before = (tmp_path / "m").read_bytes()
    Model.load(tmp_path / "m").save(tmp_path / "m")
    assert (tmp_path / "m").read_bytes() == before


def test_what_a_reader_must_know_and_does_not_is_refused_by_name(tmp_path: Path) -> None:
    small(sections={"hierarchy": Section({})}).save(tmp_path / "m")
    content = (tmp_path / "m").read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    about = json.loads(header["__metadata__"]["softreg"]) | {"requires": ["hierarchy"]}
    safetensors.numpy.save_file(safetensors.numpy.load(content), tmp_path / "m", {"softreg": json.dumps(about)})
    with pytest.raises(ModelFileError, match="hierarchy"):
        Model.load(tmp_path / "m")


def test_a_failed_save_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m"
    small().save(path)
    before = path.read_bytes()
    for step in ("fsync", "replace"):
        with monkeypatch.context() as patch:

            def fail(*args: object) -> None:
                raise OSError("no space left on device")

            patch.setattr(os if step == "fsync" else Path, step, fail)
            with pytest.raises(OSError, match="no space"):
                small(scale=2.0).save(path)
        assert path.read_bytes() == before
        assert list(tmp_path.iterdir()) == [path]


def test_a_save_brings_the_file_and_then_its_name_to_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import stat

    synced: list[str] = []

    def note(descriptor: int) -> None:
        synced.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")

    monkeypatch.setattr(os, "fsync", note)
    small().save(tmp_path / "m")
    assert synced == ["file", "folder"]


def test_the_description_is_canonical(tmp_path: Path) -> None:
    small(settings={"b": 1, "a": {"d": 2, "c": 3}}, history={"z": np.zeros(1), "y": np.ones(1)}).save(tmp_path / "m")
    with safetensors.safe_open(tmp_path / "m", "np") as file:
        metadata = file.metadata()
    assert list(metadata) == ["softreg"]
    text = metadata["softreg"]
    assert text == json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def test_a_folder_or_device_is_never_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(OSError, match="regular file"):
            small().save(path)
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.parametrize("name", ["format", "calibration", "conformal", "a.b", ""])
def test_sections_that_a_file_cannot_hold_are_refused_when_the_model_is_made(name: str) -> None:
    with pytest.raises(DataError, match="section"):
        small(sections={name: Section({})})


@pytest.mark.slow
def test_a_save_that_is_killed_leaves_the_old_file_whole(tmp_path: Path) -> None:
    path = tmp_path / "m"
    old = Model(np.zeros((1000, 1000)), np.zeros(1000), np.arange(1000))
    old.save(path)
    code = (
        "import sys, numpy as np; from softreg import Model\n"
        "model = Model(np.ones((1000, 1000)), np.zeros(1000), np.arange(1000))\n"
        "print('ready', flush=True)\n"
        "while True: model.save(sys.argv[1])"
    )
    for delay in np.linspace(0.001, 0.1, 12):
        saver = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE)
        assert saver.stdout is not None
        saver.stdout.readline()
        time.sleep(delay)
        saver.kill()
        saver.wait()
        saver.stdout.close()
        assert Model.load(path).W.sum() in (0, 1e6)
    old_enough = time.time() - 2 * storage._STALE
    for litter in tmp_path.glob(".m.*.tmp"):
        os.utime(litter, (old_enough, old_enough))
    old.save(path)
    assert list(tmp_path.iterdir()) == [path]


def test_saving_over_a_link_keeps_the_link_and_the_mode(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    small().save(real)
    real.chmod(0o640)
    link.symlink_to(real)
    small(scale=2.0).save(link)
    assert link.is_symlink()
    assert Model.load(real).scale == 2.0
    assert real.stat().st_mode & 0o777 == 0o640


def test_a_fit_is_saved_with_its_settings_and_history(tmp_path: Path) -> None:
    data = Dataset.from_labels([[0.0], [1.0]], [0, 1])
    model, _ = fit(data, Settings(SGD(seed=3), max_steps=2))
    model.save(tmp_path / "m")
    loaded = Model.load(tmp_path / "m")
    assert loaded.settings["solver"]["seed"] == 3
    assert set(loaded.history) == {"value", "loss", "accuracy", "passes"}


def calibrated() -> Model:
    P, y = np.array([[0.9, 0.1], [0.7, 0.3], [0.4, 0.6]]), [0, 1, 1]
    scaling = Scaling(np.array([0.5, 0.75]), np.array([0.25, -0.25]), 7, 0.5, 0.4)
    return small(calibration=scaling, conformal=SplitConformal("raps", 0.8, k_reg=1, seed=3).fit(P, y))


def test_what_held_out_rows_told_is_saved_with_the_model(tmp_path: Path) -> None:
    calibrated().save(tmp_path / "m")
    loaded, X = Model.load(tmp_path / "m"), np.arange(6.0).reshape(2, 3)
    assert repr(loaded.calibration) == repr(calibrated().calibration)
    assert np.array_equal(loaded.predict_proba(X), calibrated().predict_proba(X))
    ours, theirs = (model.decide(X, sets=0.6).sets for model in (loaded, calibrated()))
    assert ours is not None
    assert theirs is not None
    assert np.array_equal(ours, theirs)
    loaded.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "m").read_bytes()


def test_a_temperature_stays_a_number_and_what_is_unknown_stays_unknown(tmp_path: Path) -> None:
    small(calibration=Scaling(0.5)).save(tmp_path / "m")
    loaded = Model.load(tmp_path / "m").calibration
    assert loaded is not None
    assert loaded.temperature == 2.0
    assert np.isnan(loaded.loss_before)


def test_a_reader_that_does_not_know_calibration_is_told_to_refuse_the_file(tmp_path: Path) -> None:
    for model, wanted in ((calibrated(), ["calibration"]), (small(), [])):
        model.save(tmp_path / "m")
        with safetensors.safe_open(tmp_path / "m", "np") as file:
            assert json.loads(file.metadata()["softreg"])["requires"] == wanted


@pytest.mark.parametrize(
    ("part", "content", "word"),
    [
        ("model", {"class_prior": "half"}, "class_prior"),
        ("model", {"class_prior": [0.5]}, "class_prior"),
        ("model", {"class_prior": [0.5, 0.6]}, "class_prior"),
        ("model", {"class_prior": [1, 0]}, "class_prior"),
        ("provenance", {"n_rows": 1.5}, "provenance"),
        ("provenance", {"status": None}, "provenance"),
        ("provenance", {"certificate": "small"}, "provenance"),
    ],
)
def test_what_a_file_tells_of_the_fit_is_of_the_right_kind(
    tmp_path: Path, part: str, content: dict[str, Any], word: str
) -> None:
    small(class_prior=np.array([0.25, 0.75]), provenance={"n_rows": 4, "status": "CONVERGED"}).save(tmp_path / "m")
    with safetensors.safe_open(tmp_path / "m", "np") as file:
        about = json.loads(file.metadata()["softreg"])
    about[part] |= content
    safetensors.numpy.save_file(
        safetensors.numpy.load_file(tmp_path / "m"), tmp_path / "m", {"softreg": json.dumps(about)}
    )
    with pytest.raises(ModelFileError, match=word):
        Model.load(tmp_path / "m")


# the section, a key of it, what is put there (DROP: nothing)
DROP = object()
BROKEN = [
    ("calibration", "n_rows", DROP),
    ("calibration", "other", 1),
    ("calibration", "n_rows", "7"),
    ("conformal", "score", "las"),
    ("conformal", "coverage", 1),
    ("conformal", "coverage", None),
    ("conformal", "n_classes", 3),
    ("conformal", "n_classes", 1),
    ("conformal", "seed", DROP),
    ("conformal", "seed", -1),
    ("conformal", "randomised", 1),
]


@pytest.mark.parametrize(("section", "key", "value"), BROKEN)
def test_sections_of_held_out_rows_that_are_not_whole_are_refused(
    tmp_path: Path, section: str, key: str, value: Any
) -> None:
    calibrated().save(tmp_path / "m")
    with safetensors.safe_open(tmp_path / "m", "np") as file:
        about = json.loads(file.metadata()["softreg"])
    about[section] |= {key: value}
    if value is DROP:
        del about[section][key]
    safetensors.numpy.save_file(
        safetensors.numpy.load_file(tmp_path / "m"), tmp_path / "m", {"softreg": json.dumps(about)}
    )
    with pytest.raises(ModelFileError, match=section):
        Model.load(tmp_path / "m")


TENSORS: list[tuple[str, Any]] = [
    ("calibration.scale", np.array([np.nan, 1.0])),
    ("calibration.scale", np.ones(3)),
    ("calibration.scale", np.ones((2, 2))),
    ("calibration.other", np.ones(2)),
    ("calibration.bias", DROP),
    ("conformal.scores", np.array([3.0, 2.0, 1.0])),
    ("conformal.scores", np.array([1.0, 2.0, np.inf])),
    ("conformal.scores", np.ones(2)),
    ("conformal.codes", np.array([0, 1, 2])),
    ("conformal.codes", np.array([0.0, 1.0, 1.0])),
]


@pytest.mark.parametrize(("name", "value"), TENSORS)
def test_tensors_of_held_out_rows_that_are_not_whole_are_refused(tmp_path: Path, name: str, value: Any) -> None:
    calibrated().save(tmp_path / "m")
    tensors = safetensors.numpy.load_file(tmp_path / "m") | {name: value}
    if value is DROP:
        del tensors[name]
    with safetensors.safe_open(tmp_path / "m", "np") as file:
        metadata = file.metadata()
    safetensors.numpy.save_file(tensors, tmp_path / "m", metadata)
    with pytest.raises(ModelFileError, match=name.split(".")[0]):
        Model.load(tmp_path / "m")
