"""One BLAS thread around our own passes.

With another number of threads BLAS sums in another order and gives other bits; and spinning threads on a shared
machine are slower than one.
"""

import functools
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from threadpoolctl import ThreadpoolController

__all__ = ["one_blas_thread"]


@functools.cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()  # looks through every loaded library: about 5 ms, so it is made once and kept


class _Hold:
    """The limit is the process's: the first to ask sets it, the last to leave restores what was there before."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.users = 0
        self.limit = ExitStack()

    def enter(self) -> None:
        with self.lock:
            if self.users == 0:
                self.limit.enter_context(_controller().limit(limits=1, user_api="blas"))
            self.users += 1

    def leave(self) -> None:
        with self.lock:
            self.users -= 1
            if self.users == 0:
                self.limit.close()


_hold = _Hold()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Hold BLAS to one thread inside the block, from however many threads it is entered."""
    _hold.enter()
    try:
        yield
    finally:
        _hold.leave()
