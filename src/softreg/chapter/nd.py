"""As much of MXNet's `nd` as the chapter uses: arrays of float32 that remember how they were made.

>>> X = array([[1, 2, 3], [4, 5, 6]])
>>> X.sum(axis=0, keepdims=True)
<BLANKLINE>
[[5. 7. 9.]]
<NDArray 1x3>
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from softreg.chapter import autograd
from softreg.chapter.autograd import Array, Node, Pullback, unbroadcast
from softreg.errors import LabelError, ShapeError

__all__ = ["NDArray", "array", "dot", "exp", "log", "pick", "random", "zeros"]

Shape = int | Sequence[int]


class NDArray:
    """An array with its place on the tape. Operators work elementwise and broadcast, as NumPy's do."""

    __hash__ = object.__hash__
    __array_ufunc__ = None  # a NumPy array on the left leaves the operation to us

    def __init__(self, data: Array, sources: Sequence[tuple[NDArray, Pullback]] = ()) -> None:
        self._data = data
        wanted: list[tuple[Node, Pullback]] = []
        if autograd.is_recording():
            wanted = [(x._node, pullback) for x, pullback in sources if x._node.on_tape]
        self._node: Node = Node(wanted)

    @property
    def shape(self) -> tuple[int, ...]:
        """Length along each axis."""
        return self._data.shape

    @property
    def size(self) -> int:
        """Number of elements."""
        return self._data.size

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the elements."""
        return self._data.dtype

    @property
    def grad(self) -> NDArray | None:
        """Gradient that the last `backward` left here; None without `attach_grad`."""
        return None if self._node.grad is None else NDArray(self._node.grad)

    def attach_grad(self) -> None:
        """Make room for a gradient, zero at first."""
        self._node = Node([], np.zeros_like(self._data))

    def backward(self) -> None:
        """Put the gradient of the sum of this array into every array that it was made from and that has room."""
        if not self._node.on_tape:
            raise ValueError("nothing to differentiate: attach_grad() first, then compute inside autograd.record()")
        autograd.backward(self._node, np.ones_like(self._data))

    def asnumpy(self) -> Array:
        """Copy as a NumPy array."""
        return self._data.copy()

    def asscalar(self) -> Any:
        """Return the one element as a Python number."""
        return self._data.item()

    def astype(self, dtype: DTypeLike) -> NDArray:
        """Copy in another type."""
        return NDArray(self._data.astype(dtype), [(self, lambda g: g.astype(self.dtype))])

    def reshape(self, shape: Shape) -> NDArray:
        """Return the same elements in another shape; one length may be -1."""
        return NDArray(self._data.reshape(shape), [(self, lambda g: g.reshape(self.shape))])

    def exp(self) -> NDArray:
        """e to the power of each element."""
        out = np.exp(self._data)
        return NDArray(out, [(self, lambda g: g * out)])

    def log(self) -> NDArray:
        """Natural logarithm of each element."""
        with np.errstate(divide="ignore", invalid="ignore"):  # log(0) is −inf, as the chapter's exercise expects
            return NDArray(np.log(self._data), [(self, lambda g: g / self._data)])

    def sum(self, axis: int | None = None, keepdims: bool = False) -> NDArray:
        """Sum along an axis, or of everything."""
        kept = self._data.sum(axis=axis, keepdims=True, dtype=self.dtype)
        out = kept if keepdims else kept.squeeze(axis)
        return NDArray(out, [(self, lambda g: np.broadcast_to(g.reshape(kept.shape), self.shape))])

    def mean(self, axis: int | None = None, keepdims: bool = False) -> NDArray:
        """Mean along an axis, or of everything."""
        total = self.sum(axis, keepdims)
        return total / (self.size / max(total.size, 1))

    def argmax(self, axis: int | None = None) -> NDArray:
        """Index of the first largest element, as float32, which is what MXNet gives. Has no gradient."""
        return NDArray(np.asarray(self._data.argmax(axis=axis), dtype=np.float32))

    def __getitem__(self, key: Any) -> NDArray:
        key = key._data.astype(int) if isinstance(key, NDArray) else key

        def pullback(g: Array) -> Array:
            out = np.zeros_like(self._data)
            np.add.at(out, key, g)
            return out

        return NDArray(np.asarray(self._data[key]), [(self, pullback)])

    def __setitem__(self, key: Any, value: ArrayLike | NDArray) -> None:
        if autograd.is_recording() and self._node.on_tape:
            raise RuntimeError("an array on the tape cannot be changed in place while recording")
        self._data[key] = _data(value)

    def __len__(self) -> int:
        return len(self._data)

    def __iter__(self) -> Iterator[NDArray]:
        return (self[i] for i in range(len(self)))

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Array:
        return np.array(self._data, dtype=dtype)

    def __bool__(self) -> bool:
        return bool(self._data.item())  # an array of several has no truth value: item() says so

    def __float__(self) -> float:
        return float(self._data.item())

    def __neg__(self) -> NDArray:
        return NDArray(-self._data, [(self, lambda g: -g)])

    def __add__(self, other: ArrayLike | NDArray) -> NDArray:
        a, b = self, _wrap(other, self)
        return _broadcast(a._data + b._data, (a, lambda g: g), (b, lambda g: g))

    def __sub__(self, other: ArrayLike | NDArray) -> NDArray:
        a, b = self, _wrap(other, self)
        return _broadcast(a._data - b._data, (a, lambda g: g), (b, lambda g: -g))

    def __mul__(self, other: ArrayLike | NDArray) -> NDArray:
        a, b = self, _wrap(other, self)
        return _broadcast(a._data * b._data, (a, lambda g: g * b._data), (b, lambda g: g * a._data))

    def __truediv__(self, other: ArrayLike | NDArray) -> NDArray:
        a, b = self, _wrap(other, self)
        with np.errstate(divide="ignore", invalid="ignore"):
            out = np.asarray(a._data / b._data)
        return _broadcast(out, (a, lambda g: g / b._data), (b, lambda g: -g * out / b._data))

    __radd__, __rmul__ = __add__, __mul__

    def __iadd__(self, other: ArrayLike | NDArray) -> Self:
        self[:] = self + other
        return self

    def __isub__(self, other: ArrayLike | NDArray) -> Self:
        self[:] = self - other
        return self

    def __rsub__(self, other: ArrayLike) -> NDArray:
        return _wrap(other, self) - self

    def __rtruediv__(self, other: ArrayLike) -> NDArray:
        return _wrap(other, self) / self

    def __eq__(self, other: object) -> NDArray:  # type: ignore[override]  # elementwise: 0 and 1, to be summed
        return NDArray(np.asarray(self._data == _data(other), dtype=np.float32))

    def __ne__(self, other: object) -> NDArray:  # type: ignore[override]  # as above
        return NDArray(np.asarray(self._data != _data(other), dtype=np.float32))

    def __repr__(self) -> str:
        return f"\n{self._data}\n<NDArray {'x'.join(map(str, self.shape)) or 'scalar'}>"


def _data(value: Any) -> Any:
    return value._data if isinstance(value, NDArray) else value


def _wrap(value: ArrayLike | NDArray, like: NDArray) -> NDArray:
    return value if isinstance(value, NDArray) else NDArray(np.asarray(value, dtype=like.dtype))


def _broadcast(out: Array, *sources: tuple[NDArray, Pullback]) -> NDArray:
    def summed(x: NDArray, pullback: Pullback) -> Pullback:
        return lambda g: unbroadcast(pullback(g), x.shape)

    return NDArray(np.asarray(out), [(x, summed(x, pullback)) for x, pullback in sources])


def array(source: ArrayLike | NDArray, dtype: DTypeLike | None = None) -> NDArray:
    """Make an array from numbers; a copy, of float32 unless said, or of the type of another array of ours."""
    default = source.dtype if isinstance(source, NDArray) else np.float32
    return NDArray(np.array(_data(source), dtype=default if dtype is None else dtype))


def zeros(shape: Shape, dtype: DTypeLike = np.float32) -> NDArray:
    """Make an array of zeros."""
    return NDArray(np.zeros(shape, dtype))


def dot(a: NDArray, b: NDArray) -> NDArray:
    """Product of two matrices."""
    if len(a.shape) != 2 or len(b.shape) != 2:
        raise ShapeError(
            "the operands of dot", (*a.shape, *b.shape), "those of two matrices: reshape a vector to (n, 1)"
        )
    return NDArray(a._data @ b._data, [(a, lambda g: g @ b._data.T), (b, lambda g: a._data.T @ g)])


def exp(x: NDArray) -> NDArray:
    """e to the power of each element."""
    return x.exp()


def log(x: NDArray) -> NDArray:
    """Natural logarithm of each element."""
    return x.log()


def pick(x: NDArray, index: NDArray) -> NDArray:
    """From each row, the element in the column that the index names.

    >>> pick(array([[0.1, 0.3, 0.6], [0.3, 0.2, 0.5]]), array([0, 2], dtype="int32"))
    <BLANKLINE>
    [0.1 0.5]
    <NDArray 2>
    """
    columns = index._data.astype(int)
    if columns.shape != x.shape[:1]:
        raise ShapeError("index", columns.shape, f"{x.shape[:1]}: one column for each row")
    if ((columns < 0) | (columns >= x.shape[1])).any():
        raise LabelError(
            f"pick is asked for columns {columns.min()} to {columns.max()}; there are 0 to {x.shape[1] - 1}"
        )
    return x[np.arange(len(x)), columns]


class _Random:
    """The one global generator in softreg: the book's calls have no place for another."""

    def __init__(self) -> None:
        self.seed(None)

    def seed(self, seed: int | None) -> None:
        """Start again from a seed; from somewhere else each time with None."""
        self.generator = np.random.default_rng(seed)

    def normal(self, loc: float = 0.0, scale: float = 1.0, shape: Shape = (1,)) -> NDArray:
        """Draw normal noise."""
        return NDArray(self.generator.normal(loc, scale, shape).astype(np.float32))


random = _Random()
