"""The softmax family against 50 digits, unit in the last place by unit; its edges; and other libraries' arrays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import array_api_strict
import ml_dtypes
import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from softreg import cross_entropy, log_softmax, logsumexp, softmax
from softreg.errors import DataError, LabelError, SettingError, ShapeError

Vector = NDArray[np.float64]


def vectors(count: int, seed: int) -> Iterator[Vector]:
    """Yield vectors of every kind that has hurt somebody."""
    rng = np.random.default_rng(seed)
    for i in range(count):
        K = int(rng.choice([1, 2, 2, 3, 3, 5, 8, 20]))
        scale = 10.0 ** rng.uniform(-300, 300) if i % 4 == 0 else 10.0 ** rng.uniform(-4, 3.2)
        x = rng.normal(size=K) * scale
        if i % 5 == 1:
            x = x + rng.normal() * 10 * scale  # far from 0
        if i % 7 == 2:
            x[rng.integers(K)] = x.max() + rng.uniform(20, 700)  # one dominates
        if i % 11 == 3:
            x[:] = x[0]  # all equal
        if i % 13 == 4 and K > 1:
            x[rng.integers(K, size=K // 2)] = x.max()  # ties at the top
        if i % 17 == 5 and K > 1:
            x[rng.integers(K - 1)] = -np.inf
        if i % 19 == 6:
            x = x - np.logaddexp.reduce(x)  # logsumexp near 0
        yield x


def units(got: float, want: Any, of: float | None = None) -> float:
    """Return how many units in the last place (of `of`, or of want) got is away."""
    rounded = float(want)
    if got == rounded:
        return 0.0
    spacing = np.spacing(abs(rounded if of is None else of)) if (rounded if of is None else of) else 5e-324
    return float(abs(mpmath.mpf(got) - want) / mpmath.mpf(float(spacing)))


def worst(xs: Iterator[Vector]) -> dict[str, float]:
    """Return the worst of softmax, log_softmax and logsumexp over the vectors, in units."""
    found = {"softmax": 0.0, "log_softmax": 0.0, "logsumexp": 0.0}
    with mpmath.workdps(50):
        for x in xs:
            top = int(np.argmax(x))
            m = mpmath.mpf(float(x[top]))
            below = [mpmath.mpf(float(v)) - m for v in x]
            e = [mpmath.exp(d) if np.isfinite(float(v)) else mpmath.mpf(0) for d, v in zip(below, x, strict=True)]
            others = mpmath.fsum(v for i, v in enumerate(e) if i != top)
            log_total = mpmath.log1p(others)
            probs, logs, total = softmax(x), log_softmax(x), float(logsumexp(x))
            for i in range(len(x)):
                if e[i] == 0:
                    assert probs[i] == 0
                    continue
                if e[i] > mpmath.mpf("1e-307"):  # below, fewer digits are stored
                    found["softmax"] = max(found["softmax"], units(probs[i], e[i] / (1 + others)))
                exact = below[i] - log_total
                if mpmath.mpf("1e-307") < abs(exact) < mpmath.mpf("1.7e308"):
                    found["log_softmax"] = max(found["log_softmax"], units(logs[i], exact))
            want = m + log_total
            larger = max(abs(float(want)), abs(float(m)))
            found["logsumexp"] = max(found["logsumexp"], units(total, want, larger))
    return found


@pytest.mark.slow
def test_a_few_thousand_vectors_are_right_to_the_last_units() -> None:
    found = worst(vectors(3000, 0))
    assert found["softmax"] <= 4
    assert found["log_softmax"] <= 4
    assert found["logsumexp"] <= 1


@pytest.mark.slow
def test_thirty_thousand_vectors_are_right_to_the_last_units() -> None:
    found = worst(vectors(30_000, 1))
    assert found["softmax"] <= 4
    assert found["log_softmax"] <= 4
    assert found["logsumexp"] <= 1


@pytest.mark.slow
@pytest.mark.parametrize("spread", [0.0, 1.0, 100.0])
def test_a_hundred_thousand_classes_are_right_to_the_last_units(spread: float) -> None:
    x = np.random.default_rng(2).normal(size=100_000) * spread
    found = worst(iter([x]))
    assert found["softmax"] <= 4
    assert found["log_softmax"] <= 4
    assert found["logsumexp"] <= 1


INF, NAN = np.inf, np.nan

# x, softmax, log_softmax, logsumexp
EDGES: list[tuple[list[float], list[float], list[float], float]] = [
    ([5.0], [1], [0], 5),
    ([-INF, 0, 0], [0, 0.5, 0.5], [-INF, -np.log(2), -np.log(2)], np.log(2)),
    ([1e4, -1e4], [1, 0], [0, -2e4], 1e4),
    ([1e308, -1e308], [1, 0], [0, -INF], 1e308),
    ([50, 0], [1, 1.9287498479639178e-22], [-1.9287498479639178e-22, -50], 50),
    ([-INF, -INF], [NAN, NAN], [NAN, NAN], -INF),
    ([INF, 0], [NAN, NAN], [NAN, NAN], INF),
    ([INF, INF], [NAN, NAN], [NAN, NAN], INF),
    ([NAN, 0], [NAN, NAN], [NAN, NAN], NAN),
    ([0, NAN], [NAN, NAN], [NAN, NAN], NAN),
    ([-INF, NAN], [NAN, NAN], [NAN, NAN], NAN),
    ([-0.0, 0.0], [0.5, 0.5], [-np.log(2), -np.log(2)], np.log(2)),
    ([5e-324, 0], [0.5, 0.5], [-np.log(2), -np.log(2)], np.log(2)),
    ([-745.0, 0], [5e-324, 1], [-745, -5e-324], 5e-324),
]


@pytest.mark.parametrize(("x", "probs", "logs", "total"), EDGES, ids=lambda v: str(v) if isinstance(v, list) else "")
def test_edges_are_what_is_documented(x: list[float], probs: list[float], logs: list[float], total: float) -> None:
    np.testing.assert_allclose(softmax(x), probs, rtol=5e-16, atol=0)
    np.testing.assert_allclose(log_softmax(x), logs, rtol=5e-16, atol=0)
    np.testing.assert_allclose(float(logsumexp(x)), total, rtol=5e-16, atol=0)


def test_an_empty_axis_and_no_rows() -> None:
    assert softmax(np.zeros((2, 0))).shape == (2, 0)
    assert logsumexp(np.zeros((2, 0))).tolist() == [-np.inf, -np.inf]
    assert log_softmax(np.zeros((0, 3))).shape == (0, 3)
    assert logsumexp(np.zeros((0, 3))).shape == (0,)
    assert cross_entropy(np.zeros((0, 3)), np.zeros(0, dtype=int), reduction="none").shape == (0,)


@given(
    hnp.arrays(np.float64, hnp.array_shapes(min_dims=2, max_dims=4, max_side=5), elements=st.floats(-50, 50)), st.data()
)
def test_every_axis_is_the_last_one_moved(x: Vector, data: st.DataObject) -> None:
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    for function in (softmax, log_softmax):
        want = np.moveaxis(function(np.moveaxis(x, axis, -1)), -1, axis)
        np.testing.assert_array_equal(function(x, axis=axis), want)
    want = logsumexp(np.moveaxis(x, axis, -1))
    np.testing.assert_array_equal(logsumexp(x, axis=axis), want)
    assert logsumexp(x, axis=axis, keepdims=True).shape == (*x.shape[: axis % x.ndim], 1, *x.shape[axis % x.ndim + 1 :])


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", ml_dtypes.bfloat16])
def test_shorter_types_are_rounded_once_and_kept(dtype: Any) -> None:
    x = np.random.default_rng(0).normal(size=(50, 7), scale=4).astype(dtype)
    for function in (softmax, log_softmax, logsumexp):
        got = function(x)
        assert got.dtype == x.dtype
        np.testing.assert_array_equal(got, function(x.astype(float)).astype(dtype))


@pytest.mark.parametrize("x", [[1, 2], (1, 2), np.array([1, 2]), np.array([True, False])])
def test_integers_are_taken_as_float64(x: Any) -> None:
    assert softmax(x).dtype == np.float64


def libraries() -> list[Any]:
    return [pytest.param("strict", id="array-api-strict"), pytest.param("torch", id="torch")]


@pytest.mark.parametrize("library", libraries())
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_other_libraries_arrays_give_their_own_back(library: str, dtype: str) -> None:
    if library == "torch":
        xp: Any = pytest.importorskip("torch", reason="PyTorch is not installed: make test installs it on Python 3.11")
    else:
        xp = array_api_strict
    plain = np.random.default_rng(0).normal(size=(4, 5, 3), scale=20).astype(dtype)
    x = xp.asarray(plain.tolist(), dtype=getattr(xp, dtype))
    tolerance = 4 * float(np.finfo(dtype).eps)
    for function in (softmax, log_softmax, logsumexp):
        got = function(x, axis=1)
        assert type(got) is type(x)
        assert got.dtype == x.dtype
        np.testing.assert_allclose(to_numpy(got), function(plain, axis=1), rtol=tolerance)
    labels = xp.asarray([[0, 1, 4], [2, 2, 2], [3, 0, 1], [4, 4, 0]])
    want = float(cross_entropy(plain, to_numpy(labels), axis=1))
    assert float(cross_entropy(x, labels, axis=1)) == pytest.approx(want, rel=tolerance)


def to_numpy(array: Any) -> NDArray[Any]:
    return np.asarray(array.tolist() if hasattr(array, "tolist") else array)


def test_cross_entropy_is_torchs() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: make test installs it on Python 3.11")
    z = torch.tensor(np.random.default_rng(0).normal(size=(20, 6), scale=10))
    y = torch.arange(20) % 6
    for reduction in ("mean", "sum", "none"):
        want = torch.nn.functional.cross_entropy(z, y, reduction=reduction)
        torch.testing.assert_close(cross_entropy(z, y, reduction=reduction), want, rtol=1e-14, atol=1e-14)


def test_cross_entropy_keeps_the_digits_of_a_tiny_loss_and_the_size_of_a_huge_one() -> None:
    losses = cross_entropy([[50.0, 0.0], [0.0, 1e5], [0.0, -np.inf]], [0, 0, 1], reduction="none")
    assert losses.tolist() == [1.9287498479639178e-22, 1e5, np.inf]


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: softmax(3.0), ShapeError),
        (lambda: softmax(np.array(["a"])), (DataError, TypeError)),
        (lambda: softmax(np.array([1j])), DataError),
        (lambda: cross_entropy(np.zeros((2, 3)), [0, 1, 2]), ShapeError),
        (lambda: cross_entropy(np.zeros((2, 3)), [0, 3]), LabelError),
        (lambda: cross_entropy(np.zeros((2, 3)), [0, -1]), LabelError),
        (lambda: cross_entropy(np.zeros((2, 3)), np.array([0.0, 1.0])), LabelError),
        (lambda: cross_entropy(np.zeros((2, 3)), [0, 1], reduction="median"), SettingError),  # type: ignore[arg-type]
    ],
)
def test_what_has_no_softmax_is_refused(call: Any, error: Any) -> None:
    with pytest.raises(error):
        call()
