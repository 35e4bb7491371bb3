"""The softmax family to the last bits, on NumPy arrays and any that follow the array API standard.

With m the largest entry along the axis, d_k = x_k − m, and the sum without one entry that has m,

    others = Σ_{k ≠ top} exp(d_k)          logsumexp = m + log1p(others)
    softmax_k = exp(d_k) / (1 + others)    log_softmax_k = d_k − log1p(others)

nothing overflows, and what is near 0 keeps its digits: log_softmax([50, 0])[0] is −1.9e-22. Two roundings are undone:
that of x_k − m, which exp would multiply by |d_k| (Blanchard, Higham & Higham 2021, section 4), by Knuth's two-sum; and
those of the sum, by a tree of two-sums. float64 results are within 4 units in the last place (softmax, log_softmax), or
within 1 of the larger of |result| and |largest entry| (logsumexp); shorter types are computed in float64 and rounded
once.

−inf has probability exactly 0. A maximum of +inf has no softmax: nan, and logsumexp is +inf. −inf throughout: softmax
and log_softmax are nan, logsumexp is −inf. nan anywhere along the axis is nan.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from softreg.errors import DataError, LabelError, SettingError, ShapeError

__all__ = ["cross_entropy", "log_softmax", "logsumexp", "softmax"]

Array = Any  # NumPy's, or any that follows the standard


def softmax(x: Array, axis: int = -1) -> Array:
    """Exponentials that sum to 1 along an axis.

    Parameters
    ----------
    x : array of floats; lists and integers are taken as float64
    axis : int

    Returns
    -------
    array of x's shape, type and library

    Examples
    --------
    >>> softmax([1000.0, 1000.0, -1000.0])
    array([0.5, 0.5, 0. ])
    """
    xp, x, dtype = _prepared(x)
    if x.shape[axis] == 0:
        return xp.astype(x, dtype)
    parts = _split(xp, x, axis)
    total = 1.0 + parts.others
    probs = xp.where(parts.top, xp.ones_like(x), parts.exp + parts.exp_low) / total
    return xp.astype(probs + parts.wrong, dtype)


def log_softmax(x: Array, axis: int = -1) -> Array:
    """Logarithm of `softmax`, finite and right where that underflows or rounds to 1.

    Examples
    --------
    >>> log_softmax([50.0, 0.0])
    array([-1.92874985e-22, -5.00000000e+01])
    """
    xp, x, dtype = _prepared(x)
    if x.shape[axis] == 0:
        return xp.astype(x, dtype)
    parts = _split(xp, x, axis)
    high, low = _two_sum(parts.below, -parts.log_total)
    low = xp.where(xp.isfinite(low), low, xp.zeros_like(low)) + (parts.below_low - parts.log_low)
    return xp.astype(high + low + parts.wrong, dtype)


def logsumexp(x: Array, axis: int = -1, *, keepdims: bool = False) -> Array:
    """Logarithm of the sum of exponentials along an axis; −inf for an empty one.

    Examples
    --------
    >>> float(logsumexp([-1000.0, -1000.0]))
    -999.3068528194401
    """
    xp, x, dtype = _prepared(x)
    if x.shape[axis] == 0:
        result = xp.sum(x, axis=axis, keepdims=True) - xp.inf
    else:
        parts = _split(xp, x, axis)
        high, low = _two_sum(parts.peak, parts.log_total)
        finite = high + (xp.where(xp.isfinite(low), low, xp.zeros_like(low)) + parts.log_low)
        result = xp.where(xp.isinf(parts.peak), parts.peak, finite)
    return xp.astype(result if keepdims else xp.squeeze(result, axis=axis), dtype)


def cross_entropy(
    logits: Array, labels: Array, axis: int = -1, *, reduction: Literal["mean", "sum", "none"] = "mean"
) -> Array:
    """Minus the log-probability of the label, logsumexp(z) − z[label]; never −log(0) by way of a rounded probability.

    Parameters
    ----------
    logits : array of floats
    labels : array of integers in [0, K), of logits' shape without the axis, which has length K
    axis : int
    reduction : {"mean", "sum", "none"}
        Of the losses of all rows; the mean of no rows is nan.

    Raises
    ------
    ShapeError, LabelError, SettingError
        Where the shapes disagree, a label is outside the classes, or the reduction is unknown.

    Examples
    --------
    >>> float(cross_entropy([[0.0, 1000.0], [0.0, 0.0]], [0, 1]))
    500.34657359027995
    """
    if reduction not in ("mean", "sum", "none"):
        raise SettingError("reduction", reduction, "'mean', 'sum' or 'none'")
    xp, x, dtype = _prepared(logits)
    labels = _like(xp, labels, x)
    axis = axis % x.ndim
    rest = tuple(n for i, n in enumerate(x.shape) if i != axis)
    if tuple(labels.shape) != rest:
        raise ShapeError("labels", tuple(labels.shape), f"{rest}: logits without the axis of classes")
    if not xp.isdtype(labels.dtype, "integral"):
        raise LabelError(f"labels have dtype {labels.dtype}; expected integers")
    K = x.shape[axis]
    if 0 not in rest and not bool(xp.all((labels >= 0) & (labels < K))):
        raise LabelError(f"a label is outside the classes 0 to {K - 1}")
    if 0 in rest:
        losses = xp.zeros(rest, dtype=x.dtype)
    else:
        parts = _split(xp, x, axis)
        wanted = _index(xp, x, axis) == xp.expand_dims(labels, axis=axis)
        zero = xp.zeros_like(x)
        below = xp.sum(xp.where(wanted, parts.below, zero), axis=axis)
        low = xp.sum(xp.where(wanted, parts.below_low, zero), axis=axis)
        wrong = xp.squeeze(parts.wrong, axis=axis)
        losses = (xp.squeeze(parts.log_total, axis=axis) - below) + (xp.squeeze(parts.log_low, axis=axis) - low) + wrong
    reduced = {"mean": xp.mean, "sum": xp.sum, "none": lambda v: v}[reduction](losses)
    return xp.astype(reduced, dtype)


class _Parts(NamedTuple):
    peak: Array  # m, along the axis of length 1, as are the sums
    top: Array  # where the entry is that is left out of `others`
    below: Array  # d, as rounded
    below_low: Array  # and what was rounded away
    exp: Array  # exp(below)
    exp_low: Array  # and what below_low adds to it
    others: Array
    log_total: Array  # log1p(others)
    log_low: Array
    wrong: Array  # 0, or nan where there is no softmax


def _split(xp: Any, x: Array, axis: int) -> _Parts:
    with _quiet():
        peak = xp.max(x, axis=axis, keepdims=True)
        wrong = peak - peak  # nan where the maximum is nan or infinite
        top = _index(xp, x, axis) == xp.argmax(x, axis=axis, keepdims=True)
        below, low = _two_sum(x, -peak)
        zero = xp.zeros_like(x)
        low = xp.where(xp.isfinite(low), low, zero)  # of an infinite entry nothing was rounded away
        e = xp.exp(below)
        e_low = e * low
        high, rest = _sum(xp, xp.where(top, zero, e), axis)
        rest = rest + xp.sum(xp.where(top, zero, e_low), axis=axis, keepdims=True)
        log_total, log_low = _log1p(xp, high, rest)
        return _Parts(peak, top, below, low, e, e_low, high + rest, log_total, log_low, wrong)


def _two_sum(a: Array, b: Array) -> tuple[Array, Array]:
    """a + b as rounded, and what was rounded away (Knuth, The Art of Computer Programming 2, section 4.2.2)."""
    with _quiet():
        total = a + b
        b_part = total - a
        return total, (a - (total - b_part)) + (b - b_part)


def _sum(xp: Any, x: Array, axis: int) -> tuple[Array, Array]:
    """Sum of non-negative numbers along an axis, and what was rounded away: a tree of two-sums."""
    x = xp.moveaxis(x, axis, -1)
    low = xp.zeros_like(x[..., :1])
    while x.shape[-1] > 1:
        half = x.shape[-1] // 2
        added, lost = _two_sum(x[..., :half], x[..., half : 2 * half])
        low = low + xp.sum(lost, axis=-1, keepdims=True)
        x = xp.concat([added, x[..., 2 * half :]], axis=-1) if x.shape[-1] % 2 else added
    return xp.moveaxis(x, -1, axis), xp.moveaxis(low, -1, axis)


def _log1p(xp: Any, high: Array, low: Array) -> tuple[Array, Array]:
    """log(1 + high + low) for high ≥ 0, and what was rounded away; the library's own log1p may be 4 units off.

    1 + high + low = 2^e m with m in about [√½, √2]; log m = 2 artanh(s), s = (m − 1)/(m + 1) with what is rounded away
    of it, and the rest of the series is too small for its rounding to matter.
    """
    total, lost = _two_sum(xp.ones_like(high), high)
    lost = lost + low
    safe = xp.where(xp.isfinite(total), total, xp.ones_like(total))
    e = xp.round(xp.log(safe) / _LN2_HIGH)
    power = xp.take(
        xp.asarray([2.0**-i for i in range(64)], dtype=high.dtype, device=_device(high)),
        xp.reshape(xp.astype(e, xp.int64), (-1,)),
    )
    power = xp.reshape(power, high.shape)
    m, m_low = safe * power, lost * power
    above, below_, below_low = m - 1.0, *_two_sum(m, xp.ones_like(m))
    s = above / below_
    product, product_low = _two_product(s, below_)
    s_low = ((above - product) - product_low + m_low - s * (below_low + m_low)) / below_
    q = s * s
    series = xp.full_like(q, 1 / 27)
    for i in range(25, 2, -2):
        series = series * q + 1 / i
    result, rest = _two_sum(e * _LN2_HIGH, 2.0 * s)
    rest = rest + (2.0 * s_low + (2.0 * s * q * series + e * _LN2_LOW))
    tiny = high < 2.0**-1000  # s would lose digits to underflow, and log(1 + x) is x
    result, rest = xp.where(tiny, high, result), xp.where(tiny, low, rest)
    unlike = total - total  # nan where the sum is
    return result + unlike, rest + unlike


_LN2_HIGH, _LN2_LOW = float.fromhex("0x1.62e42fefa38p-1"), float.fromhex("0x1.ef35793c7673p-45")  # high · e is exact


def _two_product(a: Array, b: Array) -> tuple[Array, Array]:
    """a b as rounded, and what was rounded away (Dekker 1971, with Veltkamp's splitting)."""
    product = a * b
    parts = []
    for x in (a, b):
        shifted = 134217729.0 * x  # 2^27 + 1
        upper = shifted - (shifted - x)
        parts.append((upper, x - upper))
    (a_high, a_low), (b_high, b_low) = parts
    return product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low


def _index(xp: Any, x: Array, axis: int) -> Array:
    """0 … K−1 along the axis, of length 1 along the others."""
    shape = [1] * x.ndim
    shape[axis] = x.shape[axis]
    return xp.reshape(xp.arange(x.shape[axis], device=_device(x)), tuple(shape))


def _prepared(x: Array) -> tuple[Any, Array, Any]:
    """The array's namespace, the array in float64, and the type of the result."""
    import array_api_compat
    import numpy as np

    if isinstance(x, (list, tuple, int, float, np.generic)):
        x = np.asarray(x)
    xp = array_api_compat.array_namespace(x)
    if x.ndim == 0:
        raise ShapeError("x", (), "at least one axis")
    brain = str(x.dtype).endswith("bfloat16")
    if not brain and not xp.isdtype(x.dtype, ("real floating", "integral", "bool")):
        raise DataError(f"x has dtype {x.dtype}; expected real numbers")
    dtype = x.dtype if brain or xp.isdtype(x.dtype, "real floating") else xp.float64
    return xp, xp.astype(x, xp.float64), dtype


def _like(xp: Any, labels: Array, x: Array) -> Array:
    return xp.asarray(labels, device=_device(x)) if isinstance(labels, (list, tuple, int)) else labels


def _device(x: Array) -> Any:
    import array_api_compat

    return array_api_compat.device(x)


def _quiet() -> Any:
    import numpy as np

    return np.errstate(over="ignore", invalid="ignore", under="ignore")
