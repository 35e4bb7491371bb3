"""CSV and Parquet files as tables of named columns, read by pyarrow.

A CSV file's first line has the names; what parts them, a comma, semicolon or tab, is told by that line. The types are
what all values of a column can be read as: whole numbers, numbers, true and false, dates, text. A value is missing
where it is empty, NA, NaN, null and the like, unless it is quoted.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from typing import IO, Any

from softreg.data.columns import listed
from softreg.data.source import Kind, Source
from softreg.errors import ColumnError, DataError, MissingPackageError

__all__ = ["column_names", "read_columns"]

BLOCK = 1 << 22  # bytes that pyarrow reads at once, and that a line must fit into; types are told from all blocks
_INDEX = re.compile(r"|__index_level_\d+__")  # how pandas writes a table's index: without a name, or with this one
_WIDTH = re.compile(r"(?:Row #(\d+): )?Expected (\d+) columns, got (\d+): (.*)", re.DOTALL)  # in pyarrow's words
_DECIMAL = re.compile(r"\s*[-+]?(\d+\.\d*|\.\d+|\d+)([eE][-+]?\d+)?\s*")


def column_names(source: Source) -> tuple[str, ...]:
    """Return the names of a table's columns, without what pandas wrote of its index.

    Raises
    ------
    ColumnError
        Where two columns have the same name.
    DataError
        Where it is not such a file, or its first line holds numbers instead of names.
    MissingPackageError
        Where pyarrow is not installed.
    """
    with source.open() as file:
        if source.kind is Kind.PARQUET:
            arrow = _arrow(source)
            with _Explained(source):
                names = arrow.parquet.read_schema(file).names
        else:
            names, _ = _header(file, source.name)
    names = [name for name in names if not _INDEX.fullmatch(name)]
    twice = tuple(name for name, count in Counter(names).items() if count > 1)
    if twice:
        header = ": is the first line one of names?" if source.kind is Kind.CSV else ""
        raise ColumnError(twice, f"{source.name} has more than one column called {listed(twice)}{header}")
    if not names:
        raise DataError(f"{source.name} has no columns with names")
    return tuple(names)


def read_columns(source: Source, names: Sequence[str]) -> Any:
    """Return these columns as a pyarrow.Table.

    Raises
    ------
    DataError
        Where the file is not what its kind says, a line has other columns than the first, or there are no rows.
    """
    arrow = _arrow(source)
    names = list(names)
    with _Explained(source):
        if source.kind is Kind.PARQUET:
            with source.open() as file:
                found = arrow.parquet.ParquetFile(file).read(columns=names).select(names)  # "a" reads "a.b" too
        else:
            found = _csv(arrow, source, names)
    if found.num_rows == 0:
        raise _no_rows(source, names)
    return found


def _arrow(source: Source) -> Any:
    try:
        import pyarrow
        import pyarrow.csv
        import pyarrow.parquet
    except ImportError:
        purpose = f"reading {source.name}, {source.kind.value},"
        raise MissingPackageError("pyarrow", purpose, "'softreg[tables]'") from None
    return pyarrow


class _Explained:
    """Turns pyarrow's errors into ours."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, trace: object) -> None:
        if isinstance(error, UnicodeDecodeError):
            raise _not_text(self.source.name) from None
        if type(error).__module__.startswith("pyarrow") or type(error) is OSError:  # a damaged file is an OSError
            what = str(error).strip().splitlines()[0]
            raise DataError(f"{self.source.name} cannot be read as {self.source.kind.value}: {what}") from None


def _header(file: IO[bytes], where: str) -> tuple[list[str], str]:
    """Return the names in the first line of a CSV file, and what parts them."""
    start = file.read(BLOCK)
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):  # the marks of UTF-16
        raise _not_text(where, "UTF-16")
    if b"\0" in start:
        raise DataError(f"{where} is none of the files that softreg reads: CSV, Parquet, npz, IDX, PNG and JPEG")
    try:
        text = start[: start.rfind(b"\n") + 1 or None].decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _not_text(where) from None
    text = text.lstrip("\r\n")
    first = re.sub(r'"[^"]*"', "", re.split(r"[\r\n]", text, maxsplit=1)[0])
    delimiter = max(",;\t", key=first.count)
    try:
        names = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])
    except csv.Error as error:
        raise DataError(f"the first line of {where} cannot be read as names of columns: {error}") from None
    names = [name.strip() for name in names]
    numbers = [name for name in names if _DECIMAL.fullmatch(name)]
    if any(not name.isdecimal() for name in numbers) or len(set(numbers)) < len(numbers):
        raise DataError(
            f"the first line of {where} holds numbers ({listed(numbers, 4)}), where names of columns are expected: "
            f"put a line of names before it, such as {delimiter.join(f'x{i}' for i in range(1, 3))}{delimiter}label"
        )
    return names, delimiter


def _csv(arrow: Any, source: Source, names: list[str]) -> Any:
    with source.open() as file:
        header, delimiter = _header(file, source.name)

    def read(*, threads: bool = True) -> Any:
        with source.open() as file:
            return arrow.csv.read_csv(
                file,
                arrow.csv.ReadOptions(use_threads=threads, block_size=BLOCK),
                arrow.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
                arrow.csv.ConvertOptions(strings_can_be_null=True, quoted_strings_can_be_null=False),
            )

    try:
        table = read()
    except arrow.ArrowInvalid as error:
        if "Empty CSV file" in str(error):  # a first line that no newline ends
            raise _no_rows(source, names) from None
        width = _WIDTH.search(str(error))
        if width is None or '"' in width[4]:
            _check_quotes(source, 0)
        if width is None:
            raise
        try:
            read(threads=False)  # which counts the lines
        except arrow.ArrowInvalid as counted:
            width = _WIDTH.search(str(counted)) or width
        line = "a line" if width[1] is None else f"line {width[1]}"
        raise DataError(
            f"{source.name}: {line} has {width[3]} columns, and the first line has {width[2]}: {width[4][:60]!r}"
        ) from None
    _check_quotes(source, table.num_rows)
    if table.num_columns != len(header):
        raise DataError(f"{source.name}: the first line is read as {table.num_columns} names, or as {len(header)}")
    return table.select([header.index(name) for name in names]).rename_columns(names)


def _check_quotes(source: Source, rows: int) -> None:
    """Raise DataError where a quote was opened and not closed: all lines after it would be one value."""
    quotes = lines = 0
    with source.open() as file:
        while part := file.read(1 << 20):
            quotes, lines = quotes + part.count(b'"'), lines + part.count(b"\n")
    if quotes % 2 and rows < lines - 1:
        raise DataError(
            f'{source.name}: a quote (") is opened and not closed, and all lines after it are taken for one value: of '
            f"{lines} lines came {rows} rows"
        )


def _no_rows(source: Source, names: Sequence[str]) -> DataError:
    return DataError(f"{source.name} has the columns {listed(names)}, and no rows")


def _not_text(where: str, encoding: str = "LATIN1") -> DataError:
    return DataError(f"{where} is not text in UTF-8: if it is in {encoding}, iconv -f {encoding} -t UTF-8 converts it")
