"""Files of tables, arrays and pictures with bytes changed, cut out and put in: refused in words, or read."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from PIL import Image

from command import run
from softreg import Model

ROWS = 40
RNG = np.random.default_rng(0)
COLUMNS = {
    "x": RNG.standard_normal(ROWS).round(3),
    "n": np.arange(ROWS) % 7,
    "label": np.array(["a", "b"] * (ROWS // 2)),
}
DAMAGES = 60


def csv() -> bytes:
    rows = zip(*(values.tolist() for values in COLUMNS.values()), strict=True)
    return "\n".join([",".join(COLUMNS), *(",".join(map(str, row)) for row in rows)]).encode()


def parquet() -> bytes:
    stream = io.BytesIO()
    pyarrow.parquet.write_table(pa.table(COLUMNS), stream)
    return stream.getvalue()


def npz() -> bytes:
    stream = io.BytesIO()
    np.savez(stream, X=np.column_stack([COLUMNS["x"], COLUMNS["n"]]), label=COLUMNS["label"])
    return stream.getvalue()


def picture(kind: str) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(RNG.integers(0, 256, (8, 8)).astype(np.uint8)).save(stream, kind)
    return stream.getvalue()


FORMS: dict[str, Callable[[], bytes]] = {
    "csv": csv,
    "parquet": parquet,
    "npz": npz,
    "png": lambda: picture("png"),
    "jpeg": lambda: picture("jpeg"),
}


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    i, j = sorted(rng.integers(0, len(content), 2).tolist())
    kind = rng.integers(5)
    if kind == 0:
        return content[:j]
    if kind == 1:
        return content[:i] + content[j:]
    if kind == 2:
        return content[:i] + rng.bytes(int(rng.integers(1, 9))) + content[i:]
    changed = bytearray(content)
    for k in rng.integers(0, len(content), 3):
        changed[k] = rng.integers(256) if kind == 3 else b'",\n\r\0;'[rng.integers(6)]
    return bytes(changed)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.filterwarnings("default")
def test_damaged_files_are_refused_in_words_or_read(form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Model(np.zeros((64, 2)), np.zeros(2), np.array(["a", "b"]), image_shape=(8, 8)).save("m")
    of_picture = form in ("png", "jpeg")
    args = ["predict", "m", "file"] if of_picture else ["train", "file", "--target", "label", "--out", "out"]
    content, rng = FORMS[form](), np.random.default_rng(1)
    refused = 0
    for damage in range(DAMAGES + 1):
        Path("file").write_bytes(damaged(content, rng) if damage else content)
        result = run(*args)
        assert result.exit_code in (0, 2), (damage, result.output, result.exception)
        assert isinstance(result.exception, SystemExit | None), (damage, result.exception)
        assert damage or result.exit_code == 0
        assert result.exit_code == 0 or result.stderr.startswith(("Error: ", "Usage: ", "data: "))
        refused += result.exit_code == 2
    assert 5 < refused <= DAMAGES
