"""The textbook's own names, on plain NumPy, for readers who hold the chapter.

    from softreg.chapter import autograd, d2l, nd

is all that changes in the chapter's code. Nothing here is fast; `softreg.fit` is the engine for the same mathematics.
"""

from softreg.chapter import autograd, d2l, nd

__all__ = ["autograd", "d2l", "nd"]
