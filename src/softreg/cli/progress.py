"""Progress bars on stderr: rich's, when it is a terminal; nothing otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

__all__ = ["Bar", "bar", "download_bar"]


class Bar:
    """A bar that makes way for lines on stdout, and does nothing where there is no terminal."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self.progress, self.task = progress, task

    def advance(self, note: str) -> None:
        """Move one step on."""
        self.progress.update(self.task, advance=1, note=note)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Take the bar off the screen for the time of the block: stdout may be the same terminal."""
        self.progress.stop()
        yield
        self.progress.start()


def _shows_bars(console: Console) -> bool:
    return console.is_terminal and not console.is_dumb_terminal


@contextmanager
def bar(what: str, total: int) -> Iterator[Bar]:
    """Show a bar of `total` steps."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TimeRemainingColumn(),
    )
    # Without redirection: rich would send stdout to the terminal of stderr, even where it was meant for a file.
    with Progress(
        *columns, console=console, transient=True, disable=not _shows_bars(console), redirect_stdout=False
    ) as progress:
        yield Bar(progress, progress.add_task(what, total=total, note=""))


class _DownloadBar:
    """What pooch calls while it downloads: `total` is set, then `update` called; one file after another."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.task: TaskID | None = None
        self._total = 0

    @property
    def total(self) -> int:
        return self._total

    @total.setter
    def total(self, total: int) -> None:
        self._total = total
        self.task = self.progress.add_task("download", total=total or None)

    def update(self, count: int) -> None:
        if self.task is not None:
            self.progress.advance(self.task, count)

    def reset(self) -> None:
        if self.task is not None:
            self.progress.reset(self.task)

    def close(self) -> None:
        if self.task is not None:
            self.progress.remove_task(self.task)
            self.task = None


@contextmanager
def download_bar() -> Iterator[_DownloadBar | Literal[False]]:
    """Show bytes as they come."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    console = Console(stderr=True)
    if not _shows_bars(console):
        yield False
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, transient=True, redirect_stdout=False) as progress:
        yield _DownloadBar(progress)
