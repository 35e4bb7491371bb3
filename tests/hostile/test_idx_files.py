"""IDX files that are broken, or made to hurt: one kind of error, with its facts, and no memory beyond reason."""

import gzip
import struct
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from softreg.data.idx import read_idx
from softreg.errors import DataFormatError

GOOD = bytes([0, 0, 8, 2]) + struct.pack(">2I", 2, 3) + bytes(6)
PACKED = gzip.compress(GOOD, mtime=0)


def header(code: int, *shape: int) -> bytes:
    return bytes([0, 0, code, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)


FILES: dict[str, tuple[bytes, int, str]] = {  # name → bytes, offset, words of the message
    "empty": (b"", 0, "an empty file"),
    "one byte": (b"\0", 0, "magic number"),
    "first bytes not zero": (b"\1\0\10\1" + bytes(8), 0, "magic number"),
    "unknown type": (header(0x0A, 1) + bytes(8), 0, "magic number"),
    "another format": (b"PK\3\4" + bytes(100), 0, "magic number"),
    "rank 255": (bytes([0, 0, 8, 255]) + bytes(4 * 255), 3, "at most 64"),
    "header cut short": (GOOD[:6], 6, "cut short in the header"),
    "elements cut short": (GOOD[:-1], 17, "cut short"),
    "trailing byte": (GOOD + b"\0", 18, "trailing bytes"),
    "a wider type than the bytes": (header(0x0E, 2, 3) + bytes(6), 18, "60 bytes in all"),
    "dimensions beyond the file": (header(8, 60000, 28, 28) + bytes(10), 26, "47040016 bytes"),
    "dimensions that overflow 64 bits": (header(0x0E, *[0xFFFFFFFF] * 4) + bytes(8), 4, "2^63"),
    "overflow hidden by a zero": (header(8, 0, *[0xFFFFFFFF] * 3), 4, "2^63"),
    "gzip: empty inside": (gzip.compress(b""), 0, "an empty file"),
    "gzip: two bytes": (PACKED[:2], 0, "gzip"),
    "gzip: header cut short": (PACKED[:5], 0, "gzip"),
    "gzip: stream cut short": (PACKED[:-9], 18, "gzip"),
    "gzip: checksum cut short": (PACKED[:-4], 18, "gzip"),
    "gzip: wrong checksum": (PACKED[:-8] + bytes(4) + PACKED[-4:], 18, "CRC"),
    "gzip: wrong length": (PACKED[:-4] + bytes(4), 18, "gzip"),
    "gzip: damaged stream": (PACKED[:12] + b"\xff\xff\xff" + PACKED[15:], 0, "gzip"),
    "gzip: elements cut short": (gzip.compress(GOOD[:-2]), 16, "cut short"),
    "gzip: trailing byte": (gzip.compress(GOOD + b"\0"), 18, "trailing bytes"),
    "gzip: trailing rubbish after the stream": (PACKED + b"rubbish", 18, "gzip"),
    "gzip: more declared than deflate can hold": (gzip.compress(header(8, 60000, 28, 28)), 4, "at most"),
    "gzip: overflow": (gzip.compress(header(0x0E, *[0xFFFFFFFF] * 4)), 4, "2^63"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_broken_file_says_where_and_what(tmp_path: Path, name: str) -> None:
    content, offset, words = FILES[name]
    path = tmp_path / "broken"
    path.write_bytes(content)
    with pytest.raises(DataFormatError) as caught:
        read_idx(path)
    error = caught.value
    assert error.path == path
    assert str(path) in str(error)
    assert error.offset == offset
    assert words in str(error)
    assert str(error.expected) in str(error)
    assert str(error.got) in str(error)


def peak(path: Path) -> tuple[int, Exception]:
    """Most memory held while a file was being refused."""
    tracemalloc.start()
    try:
        with pytest.raises(DataFormatError) as caught:
            read_idx(path)
        return tracemalloc.get_traced_memory()[1], caught.value
    finally:
        tracemalloc.stop()


def bomb(content: bytes, zeros: int) -> bytes:
    """Pack the content and very many zeros after it; made piecewise, as its reader must read it."""
    packer = zlib.compressobj(9, wbits=31)
    parts = [packer.compress(content)]
    parts += [packer.compress(bytes(1 << 20)) for _ in range(zeros >> 20)]
    return b"".join([*parts, packer.flush()])


def test_a_gzip_bomb_costs_what_its_header_declares_and_a_probe(tmp_path: Path) -> None:
    path = tmp_path / "bomb"
    path.write_bytes(bomb(header(8, 10), 256 << 20))
    memory, error = peak(path)
    assert "trailing bytes" in str(error)
    assert memory < 1 << 20


def test_a_bomb_that_declares_less_than_deflate_can_hold_is_read_once(tmp_path: Path) -> None:
    path = tmp_path / "bomb"
    declared = (31 << 20) + 5000
    path.write_bytes(bomb(header(8, declared), 31 << 20))
    memory, error = peak(path)
    assert "cut short" in str(error)
    assert memory < declared + (4 << 20)


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_a_declared_terabyte_is_refused_before_it_is_allocated(tmp_path: Path, pack: Any) -> None:
    path = tmp_path / "x"
    path.write_bytes(pack(header(8, 1 << 20, 1 << 20) + bytes(1000)))
    assert peak(path)[0] < 1 << 20


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(
    packed=st.booleans(),
    cuts=st.lists(st.tuples(st.integers(0, 60), st.binary(max_size=4)), max_size=4),
    length=st.integers(0, 80),
)
def test_no_damage_gets_past_the_one_kind_of_error(
    tmp_path: Path, packed: bool, cuts: list[tuple[int, bytes]], length: int
) -> None:
    content = PACKED if packed else GOOD
    for at, patch in cuts:
        content = content[:at] + patch + content[at + len(patch) :]
    path = tmp_path / "x"
    path.write_bytes(content[:length])
    try:
        array = read_idx(path)
    except DataFormatError:
        return
    assert array.nbytes <= len(content) * 1032


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(DataFormatError, match="regular file"):
            read_idx(path)


def test_a_missing_file_is_the_systems_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_idx(tmp_path / "none")
