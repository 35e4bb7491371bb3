"""Arrays → IDX bytes, for the tests that read them back."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from softreg.data.idx import TYPES

CODES = {np.dtype(dtype).newbyteorder("="): code for code, dtype in TYPES.items()}


def idx(array: NDArray[Any]) -> bytes:
    header = bytes([0, 0, CODES[array.dtype], array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()
