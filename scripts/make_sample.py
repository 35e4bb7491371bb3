"""Make the sample of Fashion-MNIST that comes with the package: the first images of each class, in the set's order.

    python scripts/make_sample.py [FOLDER WITH THE FOUR FILES]

The same files come out every time.
"""

import gzip
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from softreg.data import Dataset, fashion_mnist

TRAIN_PER_CLASS, TEST_PER_CLASS = 400, 80


def main() -> None:
    train, test = fashion_mnist.load(sys.argv[1] if len(sys.argv) > 1 else None)
    folder = Path(__file__).parent.parent / "src" / "softreg" / "data" / "sample"
    total = 0
    for prefix, data, per_class in (("train", train, TRAIN_PER_CLASS), ("t10k", test, TEST_PER_CLASS)):
        rows = first_of_each_class(data, per_class)
        total += write(folder / f"{prefix}-images-idx3-ubyte.gz", data.X[rows].reshape(-1, 28, 28))
        total += write(folder / f"{prefix}-labels-idx1-ubyte.gz", data.y[rows].astype(np.uint8))
    print(f"{folder}: {total / 1e6:.2f} MB")


def first_of_each_class(data: Dataset, count: int) -> NDArray[np.intp]:
    return np.sort(np.concatenate([np.flatnonzero(data.y == k)[:count] for k in range(data.n_classes)]))


def write(path: Path, array: NDArray[Any]) -> int:
    header = bytes([0, 0, 0x08, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(gzip.compress(header + array.tobytes(), compresslevel=9, mtime=0))
    return path.stat().st_size


if __name__ == "__main__":
    main()
