"""What read_idx accepts: every element type, every rank, plain and gzipped."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from idx_files import CODES, idx
from softreg.data.idx import MAX_RANK, read_idx, read_labelled_images
from softreg.errors import DataFormatError


@pytest.mark.slow
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("dtype", list(CODES), ids=str)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_what_was_written_is_read(tmp_path: Path, pack: Any, dtype: np.dtype[Any], data: st.DataObject) -> None:
    array = data.draw(hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)))
    path = tmp_path / "x"
    path.write_bytes(pack(idx(array)))
    got = read_idx(path)
    assert got.dtype == dtype
    assert got.dtype.isnative
    assert got.shape == array.shape
    assert got.tobytes() == array.tobytes()
    assert got.flags.writeable


def test_the_highest_rank_is_read(tmp_path: Path) -> None:
    array = np.array([7], dtype=np.uint8).reshape((1,) * MAX_RANK)
    (tmp_path / "x").write_bytes(idx(array))
    assert read_idx(tmp_path / "x").shape == array.shape


def test_gzip_in_several_members_is_read_as_one(tmp_path: Path) -> None:
    content = idx(np.arange(9, dtype=np.uint8))
    (tmp_path / "x").write_bytes(gzip.compress(content[:5]) + gzip.compress(content[5:]))
    assert read_idx(tmp_path / "x").tolist() == list(range(9))


def pair(folder: Path, images: NDArray[Any], labels: NDArray[Any]) -> tuple[Path, Path]:
    (folder / "images").write_bytes(idx(images))
    (folder / "labels").write_bytes(idx(labels))
    return folder / "images", folder / "labels"


IMAGES = np.zeros((3, 2, 2), dtype=np.uint8)


def test_images_and_labels_that_belong_together_are_read(tmp_path: Path) -> None:
    X, y = read_labelled_images(*pair(tmp_path, IMAGES, np.array([2, 0, 1], dtype=np.uint8)), 3)
    assert (X.shape, y.tolist()) == ((3, 2, 2), [2, 0, 1])


@pytest.mark.parametrize(
    ("images", "labels", "file", "offset", "what"),
    [
        (IMAGES, np.array([0, 3, 9], dtype=np.uint8), "labels", 9, "label of row 1"),
        (IMAGES, np.array([0, -1, 9], dtype=np.int32), "labels", 12, "label of row 1"),
        (IMAGES, np.array([0, 1], dtype=np.uint8), "images", 4, "number of images"),
        (IMAGES, np.array([[0, 1, 2]], dtype=np.uint8), "labels", 2, "rank of the labels"),
        (IMAGES, np.array([0, 1, 2], dtype=np.float32), "labels", 2, "type and rank"),
        (IMAGES[0], np.array([0, 1], dtype=np.uint8), "images", 3, "rank of the images"),
    ],
)
def test_images_and_labels_that_do_not_are_refused(
    tmp_path: Path, images: NDArray[Any], labels: NDArray[Any], file: str, offset: int, what: str
) -> None:
    with pytest.raises(DataFormatError) as caught:
        read_labelled_images(*pair(tmp_path, images, labels), 3)
    assert (Path(str(caught.value.path)).name, caught.value.offset) == (file, offset)
    assert what in caught.value.what


def test_another_checksum_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(idx(IMAGES))
    with pytest.raises(DataFormatError, match="SHA-256"):
        read_idx(tmp_path / "x", sha256="0" * 64)
