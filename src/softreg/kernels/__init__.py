"""Arrays in, arrays out: the arithmetic that training and prediction spend their time in.

Each kernel stands twice: natively, which is what runs, and in plain NumPy in `reference`, which is what it must equal.
"""

from softreg.kernels.native import softmax_xent
from softreg.kernels.passes import Block, blocks, fold
from softreg.kernels.threads import one_blas_thread

__all__ = ["Block", "blocks", "fold", "one_blas_thread", "softmax_xent"]
