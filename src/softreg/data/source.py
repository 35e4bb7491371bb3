"""Where data comes from: a file or standard input, and of what kind it is, told by its first bytes, not its name.

50 41 52 31     Parquet                 00 00 08-0e      IDX
50 4b           npz, a zip archive      89 50 4e 47      PNG
1f 8b           gzip, of any of these   ff d8 ff         JPEG
                                        anything else    CSV
"""

from __future__ import annotations

import gzip
import io
import sys
import zlib
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import IO

from softreg.errors import DataError, DataFormatError

__all__ = ["STDIN", "Kind", "Source", "parted", "source"]

STDIN = "-"
_HEAD = 8  # bytes that tell the kind


class Kind(Enum):
    """What a file holds."""

    CSV = "a CSV file"
    PARQUET = "a Parquet file"
    NPZ = "an npz file"
    IDX = "an IDX file"
    PICTURE = "a picture"


@dataclass(frozen=True)
class Source:
    """A file of a known kind. What was gzipped, or came through a pipe, is in memory, as it was before."""

    name: str  # as messages call it
    kind: Kind
    content: Path | bytes

    def open(self) -> IO[bytes]:
        """Return a stream that can seek."""
        return _stream(self.content)


def parted(where: str) -> tuple[str, str | None]:
    """Part IMAGES,LABELS; of all else there are no labels, nor of a file that is there with a comma in its name.

    Examples
    --------
    >>> parted("images,labels"), parted("wine.csv")
    (('images', 'labels'), ('wine.csv', None))
    """
    images, _, labels = where.partition(",")
    return (images, labels) if labels and not Path(where).exists() else (where, None)


def source(where: str) -> Source:
    r"""Find a file by its name, or take standard input for "-".

    Raises
    ------
    DataError
        Where there is no such file, it is a folder, it is empty, or nothing is piped in.
    DataFormatError
        Where it is damaged gzip.
    OSError
        Where it cannot be read.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "numbers.txt")
    ...     _ = path.write_text("a,b\n1,2\n")
    ...     source(str(path)).kind
    <Kind.CSV: 'a CSV file'>
    """
    content: Path | bytes
    if where == STDIN:
        if sys.stdin is None or sys.stdin.isatty():
            raise DataError("- is standard input, and nothing is piped into it: softreg … - < FILE")
        name, content = "standard input", sys.stdin.buffer.read()
    else:
        path = Path(where)
        if path.is_dir():
            raise DataError(f"{where} is a folder; expected a file")
        if not path.exists():
            raise DataError(f"{where}: there is no such file")
        name, content = where, path if path.is_file() else path.read_bytes()  # a pipe is read once, and cannot seek
    with _stream(content) as file:
        head = file.read(_HEAD)
    if head.startswith(b"\x1f\x8b"):
        head = _gunzipped(content, name, _HEAD)
        if not (isinstance(content, Path) and _kind(head) is Kind.IDX):  # which is read as it is
            content = _gunzipped(content, name)
    if not head:
        raise DataError(f"{name} is empty")
    return Source(name, _kind(head), content)


def _kind(head: bytes) -> Kind:
    if head.startswith(b"PAR1"):
        return Kind.PARQUET
    if head.startswith(b"PK"):
        return Kind.NPZ
    if head[:2] == b"\0\0" and len(head) > 3:
        return Kind.IDX
    if head.startswith((b"\x89PNG", b"\xff\xd8\xff")):
        return Kind.PICTURE
    return Kind.CSV


def _stream(content: Path | bytes) -> IO[bytes]:
    return io.BytesIO(content) if isinstance(content, bytes) else content.open("rb")


def _gunzipped(content: Path | bytes, name: str, size: int = -1) -> bytes:
    """Return the first bytes of what was gzipped, or all of them."""
    try:
        with _stream(content) as file, gzip.open(file) as unpacked:
            return unpacked.read(size)
    except (EOFError, gzip.BadGzipFile, zlib.error) as problem:
        raise DataFormatError(name, 0, "the gzip stream is damaged", "valid gzip data", problem) from None
