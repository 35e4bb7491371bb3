"""Threads: ours, whose results come in order, and BLAS's, which are held to one around our passes.

With another number of threads BLAS sums in another order and gives other bits; and spinning threads on a shared
machine are slower than one.
"""

import functools
import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from typing import Any, TypeVar

import threadpoolctl

__all__ = ["available_threads", "in_order", "one_blas_thread"]

A = TypeVar("A")
B = TypeVar("B")


def available_threads() -> int:
    """Threads that a pass may use: the CPUs of this process, 1 in a worker process of a pool."""
    if multiprocessing.parent_process() is not None:
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_order(
    function: Callable[[A], B],
    items: Sequence[A],
    n_threads: int | None = None,
    over: threading.Event | None = None,
) -> Iterator[B]:
    """Yield the function's results in the items' order; no more than n_threads + 1 of them are waiting at any time.

    `over` is set once nobody wants any more, by which a long function can tell that it may end early. A thread of ours
    that calls this does all by itself: were it to wait for the others, they might all be waiting.
    """
    n = 1 if getattr(_here, "ours", False) else len(items)
    if n > 1:
        n = min(available_threads() if n_threads is None else n_threads, n)
    if n <= 1:
        yield from map(function, items)
        return
    pool = _pool(n)
    waiting: deque[Future[B]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(copy_context().run, function, item))  # np.errstate goes along
            if len(waiting) > n:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        if over is not None:
            over.set()
        for future in waiting:  # an error, or a caller who wants no more: leave nothing running behind
            future.cancel()
        for future in waiting:
            if not future.cancelled():
                future.exception()


_here = threading.local()  # what is known of the thread that asks


def _mark() -> None:
    _here.ours = True


@functools.cache
def _pool(n: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(n, thread_name_prefix="softreg", initializer=_mark)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)  # a forked child has the pool's object, not its threads


@functools.cache
def _controller() -> threadpoolctl.ThreadpoolController:
    return (
        threadpoolctl.ThreadpoolController()
    )  # looks through every loaded library: about 5 ms, so it is made once and kept


class _Hold:
    """The limit is the process's: the first to ask sets it, the last to leave restores what was there before.

    threadpoolctl 3.8 hears only the thread that set a limit of OpenBLAS, until that lets go, and counts who does within
    limits that are contexts. Here they are none: they may be left from another thread.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.users = 0
        self.owner = 0  # the thread that set the limit
        self.limit: Any = None

    def enter(self) -> None:
        with self.lock:
            if self.users == 0:
                self.owner = threading.get_ident()
                self.limit = _controller().limit(limits=1, user_api="blas")
            self.users += 1

    def leave(self) -> None:
        with self.lock:
            self.users -= 1
            if self.users > 0:
                return
            let_go = getattr(threadpoolctl.OpenBLASController, "clear_controlling_thread", None)
            if let_go is not None and threading.get_ident() != self.owner:
                let_go(force=True)
            self.limit.restore_original_limits()
            within = getattr(threadpoolctl, "CONTROLLING_THREAD_OWNERSHIP", None)
            if let_go is not None and not (within is not None and within.count > 0):
                let_go()


_hold = _Hold()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Hold BLAS to one thread inside the block, from however many threads it is entered."""
    _hold.enter()
    try:
        yield
    finally:
        _hold.leave()
