"""The IDX format: big-endian arrays behind a header, plain or gzipped.

    bytes 0-1   0                          bytes 4…     rank dimensions, four bytes each
    byte  2     type code                  then         the elements, last dimension fastest
    byte  3     rank

Source: Y. LeCun, C. Cortes & C. Burges, "The MNIST database of handwritten digits", section on file formats.

What the header decides is refused before the rest is read, and nothing is allocated beyond what it declares.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import math
import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from softreg.errors import DataError, DataFormatError

__all__ = ["labels_beside", "parse_idx", "read_idx", "read_labelled_images"]

TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}

MAX_RANK = 64  # NumPy's
MAX_DEFLATE_RATIO = 1032  # a byte of deflate stands for at most so many (zlib's technical notes, "maximum compression")
_GZIP_MAGIC = b"\x1f\x8b"
_CHUNK = 1 << 18


def read_idx(path: str | os.PathLike[str], *, sha256: str | None = None) -> NDArray[Any]:
    """Read an IDX file, gzipped or not, of any of the format's types and ranks.

    Parameters
    ----------
    path : path
        Whether it is gzipped is told by its bytes, not its name.
    sha256 : str, optional
        What the uncompressed bytes must hash to, in hexadecimal.

    Returns
    -------
    array of the declared shape, in the machine's byte order

    Raises
    ------
    DataFormatError
        Where a byte is not what the format says; `path`, `offset`, `expected` and `got` are its attributes.
    OSError
        Where the file cannot be read.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "labels.idx")
    ...     _ = path.write_bytes(bytes([0, 0, 0x08, 1, 0, 0, 0, 3]) + bytes([7, 2, 1]))
    ...     read_idx(path)
    array([7, 2, 1], dtype=uint8)
    """
    path = Path(path)
    if path.exists() and not path.is_file():  # a pipe would wait, or have no length to hold its header to
        raise DataFormatError(
            path, 0, "kind of file", "a regular file", "a folder" if path.is_dir() else "a pipe or device"
        )
    with path.open("rb") as file:
        length = os.fstat(file.fileno()).st_size
        magic = file.read(2)
        file.seek(0)
        if magic != _GZIP_MAGIC:
            return _read(_Source(path, file), sha256, length, gzipped=False)
        with gzip.GzipFile(fileobj=file) as stream:
            return _read(_Source(path, stream), sha256, length, gzipped=True)


def parse_idx(content: bytes, name: str) -> NDArray[Any]:
    """Return what `read_idx` would of a file with these bytes, not gzipped; `name` is for messages."""
    return _read(_Source(Path(name), io.BytesIO(content)), None, len(content), gzipped=False)


def labels_beside(images: str | os.PathLike[str]) -> Path:
    """Return the file of labels that lies beside one of images, gzipped or not, by the names that are usual.

        train-images-idx3-ubyte    →    train-labels-idx1-ubyte

    Raises
    ------
    DataError
        Where it is not there: the message says what was looked for.
    """
    path = Path(images)
    stem = path.name.removesuffix(".gz")
    named = stem.replace("images", "labels").replace("idx3", "idx1")
    remedy = f"{path},LABELS names the file of labels"
    if named == stem:
        raise DataError(f"{path} has no 'images' in its name, by which its labels could be found: {remedy}")
    looked = [path.with_name(name) for name in (f"{named}.gz", named)]
    if path.suffix != ".gz":
        looked.reverse()
    found = next((one for one in looked if one.is_file()), None)
    if found is None:
        raise DataError(f"the labels of {path} are not there; looked for {looked[0]} and {looked[1]}: {remedy}")
    return found


def read_labelled_images(
    images: str | os.PathLike[str],
    labels: str | os.PathLike[str],
    n_classes: int | None = None,
    *,
    images_sha256: str | None = None,
    labels_sha256: str | None = None,
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Read an IDX file of images and the one of their labels: (n, height, width) and (n,), in [0, n_classes) if given.

    Raises
    ------
    DataFormatError
        Also where the two do not belong together: other ranks, other numbers, or a label outside the classes.
    """
    y = read_idx(labels, sha256=labels_sha256)
    if y.ndim != 1 or y.dtype.kind not in "iu":
        raise DataFormatError(
            labels, 2, "type and rank of the labels", "integers of rank 1", f"{y.dtype}, rank {y.ndim}"
        )
    if n_classes is not None:
        outside = np.flatnonzero((y < 0) | (y >= n_classes))
        if len(outside):
            first = int(outside[0])
            raise DataFormatError(
                labels, 8 + first * y.itemsize, f"label of row {first}", f"0 to {n_classes - 1}", y[first].item()
            )
    X = read_idx(images, sha256=images_sha256)
    if X.ndim != 3:
        raise DataFormatError(images, 3, "rank of the images", 3, X.ndim)
    if len(X) != len(y):
        raise DataFormatError(images, 4, "number of images", f"{len(y)}, as many as the labels in {labels}", len(X))
    return X, y


class _Stream(Protocol):
    def read(self, count: int, /) -> bytes: ...


@dataclass
class _Source:
    """A stream that knows how far it is, and turns every way of being broken into one error."""

    path: Path
    stream: _Stream
    offset: int = 0

    def read(self, count: int, what: str) -> bytes:
        """Return exactly count bytes."""
        data = self.upto(count, what)
        if len(data) < count:
            raise self.error(f"cut short in {what}", f"{count} bytes", f"{len(data)}, then the end of the file")
        return data

    def upto(self, count: int, what: str) -> bytes:
        """Return count bytes, or fewer at the end of the file."""
        try:
            data = self.stream.read(count)
        except EOFError:
            raise self.error(f"cut short in {what}", "more of the gzip stream", "the end of the file") from None
        except (gzip.BadGzipFile, zlib.error) as problem:
            raise self.error(f"the gzip stream is damaged near {what}", "valid gzip data", problem) from None
        self.offset += len(data)
        return data

    def error(self, what: str, expected: object, got: object, *, at: int | None = None) -> DataFormatError:
        return DataFormatError(self.path, self.offset if at is None else at, what, expected, got)


def _read(source: _Source, sha256: str | None, length: int, *, gzipped: bool) -> NDArray[Any]:
    header, dtype, shape = _header(source)
    declared = math.prod(shape) * dtype.itemsize  # Python's integers: nothing overflows
    total = len(header) + declared
    if math.prod(d for d in shape if d) * dtype.itemsize >= 1 << 63:  # NumPy counts so even where a dimension is 0
        raise source.error("dimensions", "an array of less than 2^63 bytes", shape, at=4)
    if gzipped and total > MAX_DEFLATE_RATIO * length:
        most = f"at most {MAX_DEFLATE_RATIO * length} bytes from a gzip file of {length}"
        raise source.error("declared size", most, f"{total} bytes for {_spell(shape, dtype)}", at=4)
    if not gzipped and total != length:
        what = "cut short in the elements" if total > length else "trailing bytes"
        expected = f"{total} bytes in all for {_spell(shape, dtype)}"
        raise source.error(what, expected, f"{length} bytes", at=min(total, length))

    flat = np.empty(math.prod(shape), dtype)
    target = flat.view("u1").data
    digest = hashlib.sha256(header)
    for start in range(0, declared, _CHUNK):
        chunk = source.read(min(_CHUNK, declared - start), "the elements")
        target[start : start + len(chunk)] = chunk
        if sha256 is not None:
            digest.update(chunk)
    if source.upto(1, "the end"):
        raise source.error("trailing bytes", f"the end after {_spell(shape, dtype)}", "more", at=total)
    if sha256 is not None and digest.hexdigest() != sha256:
        raise source.error("SHA-256 of the uncompressed bytes", sha256, digest.hexdigest(), at=0)
    if not dtype.isnative:
        flat = flat.byteswap(inplace=True).view(dtype.newbyteorder("="))
    return flat.reshape(shape)


def _header(source: _Source) -> tuple[bytes, np.dtype[Any], tuple[int, ...]]:
    first = source.upto(4, "the magic number")
    if not first:
        raise source.error("magic number", "four bytes", "an empty file")
    if len(first) < 4 or first[:2] != b"\0\0" or first[2] not in TYPES:
        codes = ", ".join(f"{code:02x}" for code in TYPES)
        raise source.error("magic number", f"00 00, a type of {codes}, and a rank", first.hex(" "), at=0)
    rank = first[3]
    if rank > MAX_RANK:
        raise source.error("rank", f"at most {MAX_RANK}", rank, at=3)
    sizes = source.read(4 * rank, "the header")
    return first + sizes, np.dtype(TYPES[first[2]]), struct.unpack(f">{rank}I", sizes)


def _spell(shape: tuple[int, ...], dtype: np.dtype[Any]) -> str:
    return f"{' × '.join(map(str, shape)) or 'one'} of {dtype.newbyteorder('=')}"
