"""The model file: safetensors with one metadata key of canonical JSON. docs/model-file.md is its schema.

Equal models make equal files: keys sorted, no times, one metadata key (several are written in random order). Nothing
in a file is ever imported or run. Everything that is not as it should be is a ModelFileError.
"""

from __future__ import annotations

import contextlib
import errno
import glob
import json
import math
import os
import shutil
import stat
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, NoReturn

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from softreg.errors import DataError, ModelFileError
from softreg.model import held_out
from softreg.model.model import FILE_KEYS, Model, Section

__all__ = ["FORMAT", "load", "save"]

FORMAT = 1
KEY = "softreg"
TENSORS = ("W", "b", "scale", "shift")
MAX_HEADER = 100 << 20  # safetensors' own limit

_STALE = 3600.0  # seconds after which a temporary file has no writer any more


def save(model: Model, path: str | os.PathLike[str]) -> None:
    """Write the model to `path`, whole or not at all."""
    sections = {**model.sections, **held_out.sections(model)}
    tensors = {name: _contiguous(getattr(model, name)) for name in TENSORS}
    for section, content in sections.items():
        tensors |= {f"{section}.{name}": _contiguous(tensor) for name, tensor in content.tensors.items()}
    about = {
        "format": FORMAT,
        # Without its calibration, other probabilities would be read out of a file.
        "requires": [] if model.calibration is None else [held_out.CALIBRATION],
        "model": {
            "classes": {"dtype": _class_type(model.classes), "values": model.classes.tolist()},
            "feature_names": None if model.feature_names is None else list(model.feature_names),
            "image_shape": None if model.image_shape is None else list(model.image_shape),
            "class_prior": None if model.class_prior is None else model.class_prior.tolist(),
        },
        "settings": dict(model.settings),
        "provenance": dict(model.provenance),
        "history": {
            name: [v if math.isfinite(v) else None for v in values.tolist()] for name, values in model.history.items()
        },
    } | {section: content.fields for section, content in sections.items()}
    text = json.dumps(about, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    _replace(Path(os.path.realpath(path)), safetensors.numpy.save(tensors, {KEY: text}))


def load(path: str | os.PathLike[str]) -> Model:
    """Read a model; see `Model.load`."""
    path = Path(path)
    with path.open("rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ModelFileError(path, "it is not a regular file")
        try:
            header = _header(file, os.fstat(file.fileno()).st_size)  # whose sizes must hold before the rest is read
            about = _about(header)
            file.seek(0)
            return _model(about, safetensors.numpy.load(file.read()))
        except _RefusedError as refusal:
            raise ModelFileError(path, str(refusal)) from None
        except (
            safetensors.SafetensorError,
            KeyError,
            TypeError,
        ) as problem:  # KeyError: a type that NumPy does not have
            raise ModelFileError(path, f"it is not a whole safetensors file ({problem})") from None
        except DataError as problem:
            raise ModelFileError(path, str(problem)) from None


class _RefusedError(Exception):
    """Why a file is not taken; `load` adds which one."""


def _refuse(why: str) -> NoReturn:
    raise _RefusedError(why)


def _header(file: IO[bytes], length: int) -> dict[str, Any]:
    """Return the header of a safetensors file, whose tensors fill the rest of it."""
    first = file.read(8)
    size = int.from_bytes(first, "little")
    if len(first) < 8 or size > min(length - 8, MAX_HEADER):
        _refuse("it is cut short, or not a safetensors file")
    header = _json(file.read(size), "the header")
    ends = [
        tensor["data_offsets"][-1]
        for name, tensor in header.items()
        if name != "__metadata__" and isinstance(tensor, dict) and isinstance(tensor.get("data_offsets"), list)
    ]
    if [end for end in ends if type(end) is not int] or max(ends, default=0) != length - 8 - size:
        _refuse("it is not a whole safetensors file: its tensors do not fill it")
    return header


def _about(header: Mapping[str, Any]) -> dict[str, Any]:
    metadata = header.get("__metadata__")
    if not isinstance(metadata, dict) or not isinstance(metadata.get(KEY), str):
        _refuse(f"it is a safetensors file, but not a softreg model: its metadata has no {KEY!r}")
    return _json(metadata[KEY], "the description")


def _json(text: str | bytes, what: str) -> dict[str, Any]:
    """Read JSON, with checks that others do not make: keys given twice, numbers and text that are none."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            _refuse(f"{what} has a key twice")
        return found

    def constant(name: str) -> NoReturn:
        _refuse(f"{what} has {name} for a number")

    def finite(digits: str) -> float:
        number = float(digits)
        return number if math.isfinite(number) else constant(digits)

    try:
        parsed = json.loads(text, object_pairs_hook=once, parse_constant=constant, parse_float=finite)
        json.dumps(parsed, ensure_ascii=False).encode()  # fails on half of a surrogate pair, which no text is
    except (ValueError, RecursionError) as problem:  # ValueError: JSON, UTF-8, or a number of thousands of digits
        _refuse(f"{what} is not JSON ({problem})")
    if not isinstance(parsed, dict):
        _refuse(f"{what} is not a JSON object")
    return parsed


def _model(about: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> Model:
    version = about.get("format")
    if type(version) is not int or version < 1:
        _refuse(f"its format is {version!r}; expected a number from 1 to {FORMAT}")
    if version > FORMAT:
        _refuse(f"it has format {version}; this version of softreg reads up to {FORMAT}: install a newer one")
    unknown = [name for name in _list(about, "requires", str) if name not in FILE_KEYS]
    if unknown:
        _refuse(f"it cannot be used without {', '.join(unknown)}, which this version of softreg does not know")

    missing = [name for name in TENSORS if name not in tensors]
    if missing:
        _refuse(f"it has no {', '.join(missing)}")
    for name in TENSORS:
        if tensors[name].dtype not in (np.float32, np.float64):
            _refuse(f"{name} has dtype {tensors[name].dtype}; expected float32 or float64")
    W, b, scale, shift = (tensors[name].astype(float) for name in TENSORS)

    model = _object(about, "model")
    names = None if model.get("feature_names") is None else tuple(_list(model, "feature_names", str))
    image_shape = None if model.get("image_shape") is None else tuple(_list(model, "image_shape", int))
    if image_shape is not None and (len(image_shape) != 2 or min(image_shape) < 1):
        _refuse(f"image_shape is {list(image_shape)}; expected a height and a width")

    sections = _sections(about, tensors)
    calibration, conformal = (sections.pop(name, None) for name in (held_out.CALIBRATION, held_out.CONFORMAL))
    return Model(
        W,
        b,
        _classes(_object(model, "classes")),
        scale if scale.ndim else float(scale),
        shift if shift.ndim else float(shift),
        names,
        None if image_shape is None else (image_shape[0], image_shape[1]),
        _object(about, "settings"),
        _history(_object(about, "history")),
        sections,
        held_out.calibration(calibration),
        held_out.conformal(conformal),
        None if model.get("class_prior") is None else np.array(_list(model, "class_prior", float)),
        _provenance(about.get("provenance", {})),
    )


def _sections(about: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> dict[str, Section]:
    own = {*FILE_KEYS} - {held_out.CALIBRATION, held_out.CONFORMAL}
    sections = {name: Section(fields, {}) for name, fields in about.items() if name not in own}
    for name, tensor in tensors.items():
        section, dot, rest = name.partition(".")
        if name in TENSORS:
            continue
        if not dot or section not in sections:
            _refuse(f"the tensor {name!r} belongs to no section")
        sections[section] = Section(sections[section].fields, {**sections[section].tensors, rest: tensor})
    return sections


def _object(parent: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = parent.get(name)
    return value if isinstance(value, dict) else _refuse(f"{name} is missing, or not an object")


def _list(parent: Mapping[str, Any], name: str, kind: type) -> list[Any]:
    value = parent.get(name)
    if not isinstance(value, list) or any(type(entry) is not kind for entry in value):
        _refuse(f"{name} is missing, or not a list of {kind.__name__}")
    return value


def _provenance(about: Any) -> dict[str, Any]:
    kinds: dict[str, tuple[type, ...]] = {
        "n_rows": (int,),
        "weight": (int, float),
        "status": (str,),
        "message": (str,),
        "certificate": (int, float, type(None)),
        "class_prior": (list, type(None)),
    }
    if not isinstance(about, dict) or any(type(about[name]) not in kinds[name] for name in about.keys() & kinds.keys()):
        _refuse(f"provenance is {about!r}; expected an object of {', '.join(kinds)}")
    if about.get("class_prior") is not None:
        _list(about, "class_prior", float)
    return about


def _history(about: Mapping[str, Any]) -> dict[str, NDArray[np.float64]]:
    history = {name: _figures(name, values) for name, values in about.items()}
    if len({len(values) for values in history.values()}) > 1:
        _refuse("history has lists of different lengths; expected one number a step")
    return history


def _figures(name: str, values: object) -> NDArray[np.float64]:
    if not isinstance(values, list) or any(type(v) not in (int, float, type(None)) for v in values):
        _refuse(f"history has {name}, which is not a list of numbers")
    try:
        return np.array([math.nan if v is None else v for v in values], dtype=float)
    except OverflowError:
        _refuse(f"history has {name} with a number too large")


def _class_type(classes: NDArray[Any]) -> str:
    return "str" if classes.dtype.kind == "U" else classes.dtype.name


def _classes(about: Mapping[str, Any]) -> NDArray[Any]:
    name = about.get("dtype")
    python = {"str": str, "bool": bool} | {f"{u}int{bits}": int for u in ("", "u") for bits in (8, 16, 32, 64)}
    if not isinstance(name, str) or name not in python:
        _refuse(f"classes have the type {name!r}; expected one of {', '.join(python)}")
    values = _list(about, "values", python[name])
    try:
        return np.array(values, dtype=name)
    except OverflowError:
        _refuse(f"a class does not fit its type {name}")


def _contiguous(value: object) -> NDArray[Any]:
    return np.array(value, order="C")  # ascontiguousarray would give a number a dimension


def _replace(path: Path, content: bytes) -> None:
    """Put a file in the place of another at once: write beside it, have it on the disk, rename, have that too."""
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "a model is written to a regular file, not over a folder or device", str(path))
    for stale in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        with contextlib.suppress(OSError):  # another process may have swept it
            if time.time() - stale.stat().st_mtime > _STALE:
                stale.unlink()
    waiting = path.parent / f".{path.name}.{os.getpid()}-{time.monotonic_ns():x}.tmp"
    try:
        with waiting.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            shutil.copymode(path, waiting)
        waiting.replace(path)
    finally:
        waiting.unlink(missing_ok=True)
    if os.name == "posix":  # elsewhere a folder cannot be opened, and a rename is durable by itself
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
