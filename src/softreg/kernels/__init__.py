"""Arrays in, arrays out: the arithmetic that training and prediction spend their time in.

Each kernel stands twice: natively, which is what runs, and in plain NumPy in `reference`, which is what it must equal.
A pass over X goes by what X is: natively over NumPy arrays, in plain products over CSR matrices and what is elsewhere.
"""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from softreg.kernels import hessian, minibatches, passes, portable
from softreg.kernels.hessian import softmax_columns
from softreg.kernels.passes import Sums, in_float64
from softreg.kernels.rows import Rows, arithmetic, chunks, fold
from softreg.kernels.threads import in_order, one_blas_thread

__all__ = [
    "Rows",
    "Sums",
    "arithmetic",
    "chunks",
    "curvature",
    "fold",
    "fused",
    "in_float64",
    "in_order",
    "logits",
    "loss",
    "one_blas_thread",
    "probabilities",
    "products",
    "sgd",
    "softmax_columns",
    "with_logits",
]

F = TypeVar("F", bound=Callable[..., Any])


def _by_storage(native: F, other: Callable[..., Any]) -> F:
    """Return the pass that is one or the other, by the X in its first argument, Rows or X itself."""

    @functools.wraps(native)
    def of(rows: Any, *arguments: Any, **options: Any) -> Any:
        X = rows.X if isinstance(rows, Rows) else rows
        return (native if isinstance(X, np.ndarray) else other)(rows, *arguments, **options)

    return of  # type: ignore[return-value]  # it takes what `native` takes


fused = _by_storage(passes.fused, portable.fused)
loss = _by_storage(passes.loss, portable.loss)
products = _by_storage(passes.products, portable.products)
with_logits = _by_storage(passes.with_logits, portable.with_logits)
logits = _by_storage(hessian.logits, portable.logits)
probabilities = _by_storage(hessian.probabilities, portable.probabilities)
curvature = _by_storage(hessian.curvature, portable.curvature)
sgd = _by_storage(minibatches.sgd, portable.sgd)
