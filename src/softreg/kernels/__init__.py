"""Arrays in, arrays out: the arithmetic that training and prediction spend their time in.

Each kernel stands twice: natively, which is what runs, and in plain NumPy in `reference`, which is what it must equal.
"""

from softreg.kernels.passes import Rows, Sums, arithmetic, fold, fused, loss, sgd, with_logits
from softreg.kernels.threads import in_order, one_blas_thread

__all__ = ["Rows", "Sums", "arithmetic", "fold", "fused", "in_order", "loss", "one_blas_thread", "sgd", "with_logits"]
