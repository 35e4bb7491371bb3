"""The passes for an X that the native kernels do not read, in plain products of matrices on blocks of its rows.

What a block is, and what holds its logits, is the storage's: `sparse` for CSR matrices, `elsewhere` for arrays on a
device. As in `passes`, scale and shift are folded into W and b already, sums across blocks are float64 and add up in
one order, and nothing of the size of X is made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from softreg.arrays import is_sparse
from softreg.kernels.elsewhere import Elsewhere
from softreg.kernels.many import Columns
from softreg.kernels.passes import Sums
from softreg.kernels.rows import Rows
from softreg.kernels.sparse import Sparse
from softreg.kernels.threads import available_threads, in_order

__all__ = [
    "Block",
    "Storage",
    "curvature",
    "fused",
    "logits",
    "loss",
    "probabilities",
    "products",
    "sgd",
    "with_logits",
]

SUMS_BYTES = 256 << 20  # of threads' sums: with larger ones fewer threads work

T = TypeVar("T")
Vector = NDArray[np.float64]


class Block(Protocol):
    """Some rows, begin to end of all; z, p and what becomes of them are in the storage's own memory."""

    @property
    def begin(self) -> int:
        """First row."""

    @property
    def end(self) -> int:
        """Behind the last."""

    def times(self, small: Any) -> Any:
        """(x, 1) times what is small, for each row."""

    def logits(self, small: Any) -> Any:
        """Logits of each row: that, and the offset."""

    def softmax(self, z: Any) -> Any:
        """Probabilities of logits, which may be written over."""

    def residuals(self, z: Any) -> tuple[float, float, Any]:
        """Weighted sums of losses and of right labels, and the weighted residuals; as `reference.softmax_xent`."""

    def linear(self, z: Any, columns: Vector) -> tuple[float, Any]:
        """⟨columns, z⟩, as `many.inner`, and the columns (K, rows) as residuals are."""

    def change(self, p: Any, u: Any) -> Any:
        """w (diag(p) − p pᵀ) u for each direction; u may be written over."""

    def sums(self, t: Any) -> Vector:
        """Σ_i (x_i, 1) t_iᵀ, (d + 1, columns of t)."""

    def columns(self, z: Any) -> NDArray[Any]:
        """As a NumPy array (K, rows)."""

    def own(self, columns: NDArray[Any]) -> Any:
        """And back."""


class Storage(Protocol):
    """Rows in blocks, and what is small as these take it."""

    @property
    def spans(self) -> list[tuple[int, int]]:
        """Rows that go together, a function of their number alone."""

    def small(self, W: Vector, b: Vector) -> Any:
        """W (d, K) and b (K,)."""

    def blocks(self, begin: int, end: int, K: int) -> Iterator[Block]:
        """Blocks of a span for K logits a row."""


def _storage(rows: Rows) -> Storage:
    return Sparse(rows) if is_sparse(rows.X) else Elsewhere(rows)


def fused(rows: Rows, W: Vector, b: Vector, n_threads: int | None = None, columns: Columns | None = None) -> Sums:
    """Loss and gradient sums; as `passes.fused`."""
    storage = _storage(rows)
    at = storage.small(W, b)

    def figures(block: Block) -> tuple[float, float, Vector]:
        its_loss, its_correct, residuals, change = _figures(block, at, columns)
        return its_loss, its_correct, block.sums(residuals if change is None else residuals + change)

    return Sums(*_total(storage, figures, len(b), W.shape, n_threads))


def loss(
    rows: Rows, W: Vector, b: Vector, n_threads: int | None = None, columns: Columns | None = None
) -> tuple[float, float]:
    """Sum of losses and of right labels; as `passes.loss`."""
    storage = _storage(rows)
    at = storage.small(W, b)
    figures: list[tuple[float, float]] = []
    for part in _each(storage, lambda block: _figures(block, at, columns)[:2], len(b), n_threads):
        figures += part
    return sum(figure[0] for figure in figures), sum(figure[1] for figure in figures)


def _figures(block: Block, at: Any, columns: Columns | None) -> tuple[float, float, Any, Any]:
    """Sums of a block's losses and of right labels, the labels' residuals, and what `columns` adds to them."""
    z = block.logits(at)
    linear, change = (0.0, None) if columns is None else block.linear(z, columns(block.begin, block.end))
    its_loss, its_correct, residuals = block.residuals(z)
    return its_loss + linear, its_correct, residuals, change


def products(rows: Rows, K: int, columns: Columns, n_threads: int | None = None) -> Vector:
    """Sums (d + 1, K) of (x, 1) and what `columns` gives for each row; as `passes.products`."""

    def figures(block: Block) -> tuple[float, float, Vector]:
        return 0.0, 0.0, block.sums(block.own(columns(block.begin, block.end)))

    return _total(_storage(rows), figures, K, (rows.X.shape[1], K), n_threads)[2]


def probabilities(rows: Rows, W: Vector, b: Vector, n_threads: int | None = None) -> NDArray[Any]:
    """Probabilities (K, n); as `hessian.probabilities`."""
    return _columns(rows, W, b, n_threads, softmax=True)


def logits(rows: Rows, W: Vector, b: Vector, n_threads: int | None = None) -> NDArray[Any]:
    """Logits (K, n); as `hessian.logits`."""
    return _columns(rows, W, b, n_threads, softmax=False)


def _columns(rows: Rows, W: Vector, b: Vector, n_threads: int | None, *, softmax: bool) -> NDArray[Any]:
    storage = _storage(rows)
    at = storage.small(W, b)
    result = np.empty((len(b), len(rows)), rows.arithmetic)

    def write(block: Block) -> None:
        z = block.logits(at)
        result[:, block.begin : block.end] = block.columns(block.softmax(z) if softmax else z)

    for _ in _each(storage, write, len(b), n_threads):
        pass
    return result


def with_logits(
    X: Any,
    W: Vector,
    b: Vector,
    use: Callable[[slice, NDArray[Any]], object],
    n_threads: int | None = None,
    offset: NDArray[Any] | None = None,
) -> None:
    """Call `use` with each block of rows and their logits; as `passes.with_logits`."""
    storage = _storage(Rows(X, np.empty(0, np.int32), offset=offset))
    at = storage.small(W, b)

    def call(block: Block) -> None:
        use(slice(block.begin, block.end), block.columns(block.logits(at)))

    for _ in _each(storage, call, len(b), n_threads):
        pass


def curvature(
    rows: Rows,
    W: Vector,
    b: Vector,
    V: Vector,
    v: Vector,
    *,
    probs: NDArray[Any] | None = None,
    n_threads: int | None = None,
) -> tuple[Vector, Vector]:
    """Sums of the Hessian at W, b times the directions V, v; as `hessian.curvature`."""
    storage = _storage(rows)
    at, directions = storage.small(W, b), storage.small(V, v)

    def figures(block: Block) -> tuple[float, float, Vector]:
        known = None if probs is None else block.own(probs[:, block.begin : block.end])
        p = block.softmax(block.logits(at)) if known is None else known
        return 0.0, 0.0, block.sums(block.change(p, block.times(directions)))

    sums = _total(storage, figures, len(b) + len(v), V.shape, n_threads)[2]
    return sums[:-1], sums[-1]


def sgd(*_: Any, **__: Any) -> None:
    """Have the caller step batch by batch; as `minibatches.sgd` where it is not made for the data."""


def _each(storage: Storage, function: Callable[[Block], T], K: int, n_threads: int | None) -> Iterator[list[T]]:
    """Yield what the function makes of the blocks of each span."""
    return in_order(lambda span: [function(block) for block in storage.blocks(*span, K)], storage.spans, n_threads)


def _total(
    storage: Storage,
    figures: Callable[[Block], tuple[float, float, Vector]],
    K: int,
    shape: tuple[int, int],
    n_threads: int | None,
) -> tuple[float, float, Vector]:
    """Add up the figures of all blocks, the last of them (d + 1, columns)."""
    d, columns = shape
    total = np.zeros((d + 1, columns))
    n_threads = available_threads() if n_threads is None else n_threads
    n_threads = max(1, min(n_threads, SUMS_BYTES // (3 * total.nbytes)))

    def span_total(span: tuple[int, int]) -> tuple[float, float, Vector]:
        loss, n_correct, sums = 0.0, 0.0, None
        for block in storage.blocks(*span, K):
            its_loss, its_correct, its_sums = figures(block)
            loss, n_correct = loss + its_loss, n_correct + its_correct
            sums = its_sums if sums is None else np.add(sums, its_sums, out=sums)
        return loss, n_correct, np.zeros_like(total) if sums is None else sums

    loss = n_correct = 0.0
    for its_loss, its_correct, sums in in_order(span_total, storage.spans, n_threads):
        loss, n_correct = loss + its_loss, n_correct + its_correct
        total += sums
    return loss, n_correct, total
