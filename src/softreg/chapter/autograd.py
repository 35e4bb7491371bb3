"""Reverse-mode differentiation: a tape of what was done, walked backwards by the chain rule.

While `record()` is on, every operation notes for each of its inputs how a change of the output carries back:
if z = f(x), a function from ∂loss/∂z to ∂loss/∂x. `backward` starts from the loss and applies them in reverse order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

__all__ = ["Node", "backward", "is_recording", "record", "unbroadcast"]

Array = NDArray[Any]
Pullback = Callable[[Array], Array]  # ∂loss/∂output → ∂loss/∂input

_recording = False


@contextmanager
def record() -> Iterator[None]:
    """Note every operation in the block, so that `backward` can be called on what comes out of it."""
    global _recording  # the book's interface has no object to keep it in
    before, _recording = _recording, True
    try:
        yield
    finally:
        _recording = before


def is_recording() -> bool:
    """Whether operations are being noted."""
    return _recording


@dataclass(eq=False)
class Node:
    """An array's place on the tape: what it was made from, and how changes carry back to each of those."""

    sources: list[tuple[Node, Pullback]]
    grad: Array | None = None  # a buffer for ∂loss/∂array, where one was attached
    used_up: bool = False  # by a backward: what it was made from is forgotten

    @property
    def on_tape(self) -> bool:
        """Whether anything that wants a gradient is reached from here."""
        return self.grad is not None or bool(self.sources) or self.used_up


def backward(head: Node, head_grad: Array) -> None:
    """Put ∂loss/∂x into the buffer of every x that the head was made from, given ∂loss/∂head.

    What a buffer held is written over, not added to. The tape is used up.
    """
    order: list[Node] = []  # each after all of its sources
    seen: set[int] = set()
    stack = [(head, False)]
    while stack:
        node, sources_done = stack.pop()
        if sources_done:
            order.append(node)
        elif id(node) not in seen:
            if node.used_up:
                raise ValueError("backward() was called before on a part of this: record it again")
            seen.add(id(node))
            stack += [(node, True), *((source, False) for source, _ in node.sources)]

    flowing: dict[int, Array] = {id(head): head_grad}
    for node in reversed(order):
        g = flowing.pop(id(node))
        if node.grad is not None:
            node.grad[...] = g
        for source, pullback in node.sources:
            part = pullback(g)
            flowing[id(source)] = flowing[id(source)] + part if id(source) in flowing else part
        node.used_up, node.sources = bool(node.sources), []


def unbroadcast(g: Array, shape: tuple[int, ...]) -> Array:
    """Sum a gradient over the axes along which its input was repeated.

    >>> import numpy as np
    >>> unbroadcast(np.ones((3, 2)), (1, 2))
    array([[3., 3.]])
    """
    g = g.sum(axis=tuple(range(g.ndim - len(shape))))
    repeated = tuple(axis for axis, size in enumerate(shape) if size == 1 and g.shape[axis] != 1)
    summed: Array = g.sum(axis=repeated, keepdims=True)
    return summed
