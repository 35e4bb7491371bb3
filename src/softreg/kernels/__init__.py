"""Arrays in, arrays out: the arithmetic that training and prediction spend their time in.

Each kernel stands twice: natively, which is what runs, and in plain NumPy in `reference`, which is what it must equal.
"""

from softreg.kernels.hessian import curvature, logits, probabilities, softmax_columns
from softreg.kernels.minibatches import sgd
from softreg.kernels.passes import Sums, fused, in_float64, loss, products, with_logits
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
