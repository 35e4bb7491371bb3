"""The native kernels equal their NumPy twins on every instruction set, per type and at ugly shapes; both are right."""

from __future__ import annotations

import threading
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import ml_dtypes
import mpmath
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from drivers import INSTRUCTION_SETS, chosen
from problems import DTYPES, SHAPES, features
from softreg import kernels
from softreg.kernels import many, native, reference, threads
from softreg.kernels import rows as kernel_rows

Kernel = Callable[..., tuple[float, float]]

TYPES = [(np.float32, 3e-6), (np.float64, 2e-14)]
EXTREMES = [0.0, -0.0, 1.0, 1e4, -1e4, np.inf, -np.inf, np.nan]


def native_softmax_xent(
    logits: NDArray[Any], labels: NDArray[np.int32], weights: NDArray[np.float64] | None = None
) -> tuple[float, float]:
    """Call the native kernel as its twin is called: it wants columns up to a multiple of 16."""
    K, n = logits.shape
    z = np.full((K, -(-n // 16) * 16), np.nan, logits.dtype)
    z[:, :n] = logits
    result = native.softmax_xent(z, labels, weights, None, 0, n)
    logits[...] = z[:, :n]
    return result


@pytest.fixture(params=[*INSTRUCTION_SETS, "reference"])
def kernel(request: pytest.FixtureRequest) -> Iterator[Kernel]:
    if request.param == "reference":
        yield reference.softmax_xent
    else:
        with chosen(request):
            yield native_softmax_xent


@pytest.mark.parametrize(("dtype", "tolerance"), TYPES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("weighted", [False, True])
def test_native_equals_reference(
    instruction_set: str, shape: tuple[int, int], dtype: Any, tolerance: float, weighted: bool
) -> None:
    rng = np.random.default_rng(1)
    n, K = shape
    z = rng.normal(scale=5, size=(K, n)).astype(dtype)
    z_ = z.copy()
    labels = rng.integers(0, K, n).astype(np.int32)
    weights = rng.integers(0, 3, n).astype(float) if weighted else None
    loss, correct = native_softmax_xent(z, labels, weights)
    loss_, correct_ = reference.softmax_xent(z_, labels, weights)
    assert loss == pytest.approx(loss_, rel=tolerance)
    assert correct == correct_
    np.testing.assert_allclose(z, z_, rtol=tolerance, atol=tolerance * 1e-3)


@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "tolerance"), TYPES)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # the set is the same for all examples
@given(data=st.data())
def test_native_equals_reference_on_extreme_logits(
    instruction_set: str, dtype: Any, tolerance: float, data: st.DataObject
) -> None:
    K, n = data.draw(st.tuples(st.integers(1, 5), st.integers(1, 20)))
    z = data.draw(hnp.arrays(dtype, (K, n), elements=st.sampled_from(EXTREMES)))
    labels = data.draw(hnp.arrays(np.int32, n, elements=st.integers(0, K - 1)))
    z_ = z.copy()
    with np.errstate(all="ignore"):
        (loss, correct), (loss_, correct_) = native_softmax_xent(z, labels), reference.softmax_xent(z_, labels)
    np.testing.assert_allclose(loss, loss_, rtol=tolerance)
    assert correct == correct_
    np.testing.assert_allclose(z, z_, rtol=tolerance)


@pytest.mark.parametrize(
    "logits", [[50.0, 0.0], [0.0, 50.0, 49.0], [1e4, 0, -1e4], [-700.0, 0.0], [-740.0, 0.0], [3.0, 3.0, 3.0], [2.0]]
)
def test_loss_and_residuals_are_right_to_the_last_digits(kernel: Kernel, logits: list[float]) -> None:
    for label in range(len(logits)):
        z = np.array([logits]).T.copy()
        loss, _ = kernel(z, np.array([label], dtype=np.int32))
        with mpmath.workdps(700):
            exact = [mpmath.e ** mpmath.mpf(v) for v in logits]
            total = mpmath.fsum(exact)
            true_loss = mpmath.log(total) - logits[label]
            residuals = [(e - (total if k == label else 0)) / total for k, e in enumerate(exact)]
            assert loss == pytest.approx(float(true_loss), rel=2e-15, abs=5e-324)
            np.testing.assert_allclose(z[:, 0], [float(r) for r in residuals], rtol=2e-15, atol=5e-324)


def test_rows_of_weight_zero_count_as_absent_whatever_they_hold(kernel: Kernel) -> None:
    z = np.array([[1.0, 2.0], [np.nan, np.inf]]).T.copy()
    loss, correct = kernel(z, np.array([1, 0], dtype=np.int32), np.array([2.0, 0.0]))
    assert loss == pytest.approx(2 * np.log1p(np.exp(-1)))
    assert correct == 2.0
    assert z[:, 1].tolist() == [0.0, 0.0]


@pytest.mark.parametrize(("dtype", "ulp"), [(np.float32, 6e-8), (np.float64, 1.2e-16)])
def test_exp_is_right_to_a_few_units_over_its_whole_range(instruction_set: str, dtype: Any, ulp: float) -> None:
    x = np.linspace(-80 if dtype == np.float32 else -700, 0, 4001).astype(dtype)
    z = np.stack([np.zeros_like(x), x])  # the second residual is e^x/(1 + e^x) where the label is the first
    native_softmax_xent(z, np.zeros(len(x), dtype=np.int32))
    e = np.exp(x.astype(np.longdouble))
    assert np.max(np.abs(z[1] / (e / (1 + e)) - 1)) < 6 * ulp


# ---- passes over X --------------------------------------------------------------------------------------------------


def as_type(X: NDArray[Any], dtype: str) -> NDArray[Any]:
    return X.astype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)


def variants(X: NDArray[Any], name: str) -> NDArray[Any]:
    """Return the same numbers lying otherwise in memory."""
    if name == "fortran":
        return np.asfortranarray(X)
    if name == "strided":
        wide = np.zeros((2 * X.shape[0], 3 * X.shape[1]), X.dtype)
        wide[::2, ::3] = X
        return wide[::2, ::3]
    if name == "backwards":
        return np.ascontiguousarray(X[::-1, ::-1])[::-1, ::-1]
    if name == "read-only":
        X = X.copy()
        X.flags.writeable = False
    if name == "swapped":
        return X.astype(X.dtype.newbyteorder("S"))
    return X


def problem(n: int, d: int, K: int, dtype: str, seed: int = 0) -> tuple[kernels.Rows, NDArray[Any], NDArray[Any]]:
    rng = np.random.default_rng(seed)
    low = "float64" if dtype == "bfloat16" else dtype
    X = as_type(features(rng, n, d, low), dtype)
    y = rng.integers(0, K, n).astype(np.int32)
    return kernels.Rows(X, y), rng.normal(scale=0.3, size=(d, K)), rng.normal(size=K)


def expected(rows: kernels.Rows, W: NDArray[Any], b: NDArray[Any]) -> tuple[Any, ...]:
    index = slice(None) if rows.index is None else rows.index
    X, y = rows.X[index].astype(float), rows.y[index]
    w = np.ones(len(y)) if rows.weights is None else rows.weights[index]
    z = (X @ W + b).T.copy()
    loss, correct = reference.softmax_xent(z, y, w)
    return loss, correct, z @ X, z.sum(axis=1)


def check(rows: kernels.Rows, W: NDArray[Any], b: NDArray[Any], n_threads: int | None = None) -> None:
    sums = kernels.fused(rows, W, b, n_threads)
    loss, correct, gW, gb = expected(rows, W, b)
    tolerance = 1e-5 if kernels.arithmetic(rows.X.dtype) is np.float32 else 1e-12
    scale = max(1.0, float(np.abs(gW).max(initial=0)))
    assert sums.loss == pytest.approx(loss, rel=tolerance, abs=tolerance)
    assert sums.n_correct == correct
    np.testing.assert_allclose(sums.W, gW, rtol=tolerance, atol=tolerance * scale)
    np.testing.assert_allclose(sums.b, gb, rtol=tolerance, atol=tolerance * max(1, len(rows)))
    loss_alone, correct_alone = kernels.loss(rows, W, b, n_threads)
    assert loss_alone == pytest.approx(loss, rel=tolerance, abs=tolerance)
    assert correct_alone == correct


@pytest.mark.parametrize("dtype", [*DTYPES, "bfloat16"])
@pytest.mark.parametrize(
    ("n", "d", "K"),
    [(0, 3, 2), (1, 1, 2), (3, 1, 1), (5, 17, 2), (70, 16, 3), (257, 100, 10), (64, 31, 13), (40, 5, 64), (90, 7, 65)],
)
def test_the_pass_is_the_definition_for_every_type_and_shape(
    instruction_set: str, dtype: str, n: int, d: int, K: int
) -> None:
    check(*problem(n, d, K, dtype))


@pytest.mark.parametrize("dtype", ["uint8", "float64"])
def test_a_chunk_longer_than_one_gradient_in_its_type_is_summed_in_double(instruction_set: str, dtype: str) -> None:
    check(*problem(40_000, 3, 2, dtype))


@pytest.mark.parametrize("dtype", ["uint8", "float16", "bfloat16", "float32", "float64", "int16"])
@pytest.mark.parametrize("lying", ["fortran", "strided", "backwards", "read-only", "swapped"])
def test_the_pass_reads_x_however_it_lies(instruction_set: str, dtype: str, lying: str) -> None:
    if lying == "swapped" and dtype == "bfloat16":
        return  # NumPy has no byte-swapped bfloat16
    rows, W, b = problem(150, 33, 4, dtype)
    check(kernels.Rows(variants(rows.X, lying), rows.y), W, b)


@pytest.mark.parametrize("dtype", ["uint8", "float64", "int32", "bfloat16"])
@pytest.mark.parametrize("K", [3, 80])
def test_the_pass_takes_rows_by_index_with_their_weights(instruction_set: str, dtype: str, K: int) -> None:
    rows, W, b = problem(100, 9, K, dtype)
    rng = np.random.default_rng(1)
    weights = rng.integers(0, 3, 100).astype(float)
    check(kernels.Rows(rows.X, rows.y, weights, rng.integers(0, 100, 230)), W, b)
    check(kernels.Rows(rows.X, rows.y, weights, np.empty(0, dtype=np.int64)), W, b)


@pytest.mark.parametrize(("d", "K"), [(20, 5), (6, 100)])
@pytest.mark.parametrize("dtype", ["uint8", "float64", "int16"])
def test_the_bits_are_the_same_for_any_number_of_threads(dtype: str, d: int, K: int) -> None:
    rows, W, b = problem(9000, d, K, dtype)
    with kernels.one_blas_thread():
        results = [kernels.fused(rows, W, b, n) for n in (1, 2, 3, 4, 8)]
    for other in results[1:]:
        assert (other.loss, other.n_correct) == (results[0].loss, results[0].n_correct)
        assert other.W.tobytes() == results[0].W.tobytes()
        assert other.b.tobytes() == results[0].b.tobytes()


@pytest.mark.parametrize("bytes_for_sums", [0, many.SUMS_BYTES])
@pytest.mark.parametrize("flush_rows", [1, 10**9])
def test_sums_of_many_classes_are_right_however_they_are_kept(
    bytes_for_sums: int, flush_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(many, "SUMS_BYTES", bytes_for_sums)
    monkeypatch.setattr(many, "FLUSH_ROWS", flush_rows)
    check(*problem(2500, 11, 130, "uint8"))


@pytest.mark.parametrize("K", [3, 80])
@pytest.mark.parametrize("n", [0, 1, 3839, 3840, 9000])
def test_logits_come_once_for_every_row(instruction_set: str, n: int, K: int) -> None:
    rows, W, b = problem(n, 5, K, "uint8")
    z = np.full((K, n), np.nan)

    def take(which: slice, block: NDArray[Any]) -> None:
        assert np.isnan(z[:, which]).all(), "these rows came before"
        z[:, which] = block

    kernels.with_logits(rows.X, W, b, take)
    np.testing.assert_allclose(z, (rows.X @ W + b).T, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("n_threads", [1, 2])
def test_tens_of_thousands_of_classes_take_the_memory_of_a_block_of_logits(n_threads: int) -> None:
    rows, W, b = problem(2500, 16, 20_000, "float32")
    tracemalloc.start()
    sums = kernels.fused(rows, W, b, n_threads)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    loss, correct, gW, _ = expected(rows, W, b)
    assert sums.loss == pytest.approx(loss, rel=1e-6)
    assert sums.n_correct == correct
    np.testing.assert_allclose(sums.W, gW, atol=5e-5 * np.abs(gW).max())
    all_logits = 2500 * 20_000 * 4
    assert all_logits > 2 * many.LOGITS_BYTES
    assert peak < many.LOGITS_BYTES + 6 * W.nbytes


# ---- curvature ------------------------------------------------------------------------------------------------------


def expected_curvature(
    rows: kernels.Rows, W: NDArray[Any], b: NDArray[Any], V: NDArray[Any], v: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    index = slice(None) if rows.index is None else rows.index
    X = rows.X[index].astype(float)
    w = None if rows.weights is None else rows.weights[index]
    z = (X @ W + b).T
    probs = np.exp(z - z.max(axis=0))
    probs /= probs.sum(axis=0)
    K = len(b)
    parts = [reference.curvature(X, probs, V[:, k : k + K], v[k : k + K], w) for k in range(0, len(v), K)]
    return probs, np.hstack([part[0] for part in parts]), np.hstack([part[1] for part in parts])


def check_curvature(rows: kernels.Rows, W: NDArray[Any], b: NDArray[Any], m: int, n_threads: int | None = None) -> None:
    rng = np.random.default_rng(5)
    V, v = rng.normal(size=(len(W), m * len(b))), rng.normal(size=m * len(b))
    probs, HV, Hv = expected_curvature(rows, W, b, V, v)
    tolerance = 2e-5 if rows.arithmetic is np.float32 else 1e-12
    kept = kernels.probabilities(rows, W, b, n_threads)
    np.testing.assert_allclose(kept, probs, rtol=tolerance, atol=tolerance)
    for given_probs in (kept, None):
        sums, v_sums = kernels.curvature(rows, W, b, V, v, probs=given_probs, n_threads=n_threads)
        np.testing.assert_allclose(sums, HV, atol=tolerance * max(1.0, np.abs(HV).max(initial=0)))
        np.testing.assert_allclose(v_sums, Hv, atol=tolerance * max(1.0, np.abs(HV).max(initial=0)))


@pytest.mark.parametrize("dtype", [*DTYPES, "bfloat16"])
@pytest.mark.parametrize(
    ("n", "d", "K", "m"), [(0, 3, 2, 1), (1, 1, 2, 2), (5, 17, 3, 1), (257, 30, 10, 3), (90, 7, 65, 2), (40, 5, 30, 3)]
)
def test_the_curvature_pass_is_the_definition_for_every_type_and_shape(
    instruction_set: str, dtype: str, n: int, d: int, K: int, m: int
) -> None:
    check_curvature(*problem(n, d, K, dtype), m)


@pytest.mark.parametrize("dtype", ["uint8", "float64", "int32", "bfloat16"])
@pytest.mark.parametrize("K", [3, 80])
def test_the_curvature_pass_takes_rows_by_index_with_their_weights(instruction_set: str, dtype: str, K: int) -> None:
    rows, W, b = problem(100, 9, K, dtype)
    rng = np.random.default_rng(1)
    weights = rng.integers(0, 3, 100).astype(float)
    check_curvature(kernels.Rows(rows.X, rows.y, weights, rng.integers(0, 100, 230)), W, b, 2)


@pytest.mark.parametrize(("d", "K"), [(20, 5), (6, 100)])
def test_the_bits_of_curvature_are_the_same_for_any_number_of_threads(d: int, K: int) -> None:
    rows, W, b = problem(9000, d, K, "uint8")
    with kernels.one_blas_thread():
        results = [kernels.curvature(rows, W, b, W, b, n_threads=n) for n in (1, 2, 3, 4, 8)]
    for sums, b_sums in results[1:]:
        assert sums.tobytes() == results[0][0].tobytes()
        assert b_sums.tobytes() == results[0][1].tobytes()


@pytest.mark.parametrize("dtype", ["uint8", "int8", "float16", "bfloat16", "float32"])
def test_short_types_can_be_computed_in_float64(instruction_set: str, dtype: str) -> None:
    rows, W, b = problem(300, 33, 4, dtype)
    for lying in ("as it is", "strided"):
        precise = kernels.Rows(variants(rows.X, lying), rows.y, precise=True)
        sums = kernels.fused(precise, W, b)
        loss, _, gW, _ = expected(rows, W, b)
        assert sums.loss == pytest.approx(loss, rel=1e-14)
        np.testing.assert_allclose(sums.W, gW, rtol=1e-12, atol=1e-11)
        check_curvature(precise, W, b, 1)


@pytest.mark.parametrize(("dtype", "tolerance"), TYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_softmax_log_softmax_and_the_largest_are_their_definitions(
    instruction_set: str, shape: tuple[int, int], dtype: Any, tolerance: float
) -> None:
    n, K = shape
    wide = np.random.default_rng(0).normal(scale=5, size=(K, -(-n // 16) * 16)).astype(dtype)
    z = wide[:, :n].astype(float)
    logs = z - z.max(axis=0, initial=-np.inf)
    logs -= np.log(np.exp(logs).sum(axis=0))
    for kernel, want in ((native.log_softmax, logs), (native.softmax, np.exp(logs))):
        got = wide.copy()
        kernel(got, n)
        np.testing.assert_allclose(got[:, :n], want, rtol=4 * tolerance, atol=4 * tolerance)
    for count in {1, min(3, K), K}:
        classes, values = np.empty((n, count), np.int64), np.empty((n, count), dtype)
        native.largest(wide, classes, values)
        np.testing.assert_array_equal(classes, np.argsort(-z, axis=0, kind="stable")[:count].T)
        np.testing.assert_array_equal(values, np.take_along_axis(z.T, classes, axis=1))


def test_a_logarithm_of_a_probability_next_to_one_is_not_zero(instruction_set: str) -> None:
    z = np.zeros((2, 16))
    z[0] = 50
    native.log_softmax(z, 16)
    np.testing.assert_allclose(z[0], -1.9287498479639178e-22, rtol=1e-14)


@given(st.integers(0, 10**7))
def test_chunks_cover_all_rows_in_order(n: int) -> None:
    spans = kernel_rows.chunks(n)
    assert [start for start, _ in spans] == [0, *(stop for _, stop in spans)][: len(spans)]
    assert (spans[-1][1] if spans else 0) == n
    assert len(spans) <= kernel_rows.MAX_CHUNKS


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_every_number_of_two_bytes_is_widened_exactly(instruction_set: str, dtype: str) -> None:
    bits = np.arange(1 << 16, dtype=np.uint16)
    X = bits.view(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    X = X[np.isfinite(X.astype(np.float32))].reshape(-1, 1)
    z = np.full((2, len(X)), np.nan, np.float32)
    rows = kernels.Rows(X, np.empty(0, np.int32))
    W = np.zeros((2, native.padded(True, 1)), np.float32)
    W[0, 0] = 1.0
    scratch = np.empty(native.scratch_bytes(True, 1, 2), np.uint8)
    part, begin, end = rows.readable(0, len(X))
    native.forward(part.X, None, begin, end, W, np.zeros(2, np.float32), scratch, z)
    np.testing.assert_array_equal(z[0], X[:, 0].astype(np.float32))
    strided = np.repeat(part.X, 3, axis=1)[:, ::3]  # the other way of reading, an element at a time
    native.forward(strided[:, :1], None, begin, end, W, np.zeros(2, np.float32), scratch, z)
    np.testing.assert_array_equal(z[0], X[:, 0].astype(np.float32))


# ---- the border -----------------------------------------------------------------------------------------------------


def border(**other: Any) -> dict[str, Any]:
    """Return arguments of `fused` that fit together, but for the ones given."""
    W = np.zeros((2, native.padded(True, 3)), np.float32)
    scratch = np.empty(native.scratch_bytes(True, 3, 2), np.uint8)
    return {
        "X": np.zeros((4, 3), np.float32),
        "rows": None,
        "labels": np.zeros(4, np.int32),
        "weights": None,
        "begin": 0,
        "end": 4,
        "W": W,
        "bias": np.zeros(2, np.float32),
        "scratch": scratch,
        "sums": np.zeros((2, 3)),
        "bias_sums": np.zeros(2),
    } | other


@pytest.mark.parametrize(
    "wrong",
    [
        {"end": 5},
        {"begin": 3, "end": 2},
        {"labels": np.array([0, 0, 0, 2], np.int32)},
        {"labels": np.array([0, 0, 0, -1], np.int32)},
        {"labels": np.zeros(3, np.int32)},
        {"weights": np.zeros(3)},
        {"rows": np.array([0, 1, 2, 4])},
        {"rows": np.array([0, 1, 2, -1])},
        {"rows": np.array([0, 1, 2])},
        {"W": np.zeros((2, 3), np.float32)},
        {"W": np.zeros((3, 16), np.float32)},
        {"X": np.zeros((4, 40), np.float32)},
        {"X": np.zeros((4, 3))},
        {"scratch": np.empty(10, np.uint8)},
        {"sums": np.zeros((2, 4))},
        {"bias_sums": np.zeros(3)},
    ],
    ids=lambda wrong: " ".join(f"{name} {np.shape(value)}" for name, value in wrong.items()),
)
def test_the_border_refuses_what_would_be_read_or_written_outside(wrong: dict[str, Any]) -> None:
    native.fused(*border().values())
    with pytest.raises(ValueError, match=r"."):
        native.fused(*border(**wrong).values())


@pytest.mark.parametrize(
    "wrong",
    [
        {"X": np.zeros((4, 3), np.int64)},
        {"X": np.zeros((4, 3), complex)},
        {"labels": np.zeros(4, np.int64)},
        {"sums": np.zeros((2, 3), np.float32)},
        {"sums": np.zeros((3, 2)).T},
        {"W": np.zeros((2, 16))},
    ],
    ids=lambda wrong: " ".join(f"{name} {value.dtype}" for name, value in wrong.items()),
)
def test_the_border_converts_nothing(wrong: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        native.fused(*border(**wrong).values())


def test_the_border_refuses_a_read_only_output() -> None:
    sums = np.zeros((2, 3))
    sums.flags.writeable = False
    with pytest.raises(TypeError):
        native.fused(*border(sums=sums).values())


@pytest.mark.parametrize(
    ("z", "end"), [(np.zeros((2, 8)), 8), (np.zeros((2, 16)), 17), (np.zeros((16, 2)).T, 2), (np.zeros((0, 16)), 1)]
)
def test_softmax_at_the_border_refuses_logits_without_room(z: NDArray[Any], end: int) -> None:
    with pytest.raises(ValueError, match=r"."):
        native.softmax_xent(z, np.zeros(32, np.int32), None, None, 0, end)


@pytest.mark.parametrize(
    "velocities",
    [
        (np.zeros((2, 3)), None),
        (None, np.zeros(2)),
        (np.zeros((3, 3)), np.zeros(2)),
        (np.zeros((2, 2)), np.zeros(2)),
        (np.zeros((2, 3)), np.zeros(3)),
    ],
    ids=["only one", "only the other", "too tall", "too narrow", "too long"],
)
def test_the_border_refuses_velocities_of_another_shape(velocities: Any) -> None:
    others = border()
    given: list[Any] = [others[name] for name in ("X", "rows", "labels", "weights")] + [
        *(2, 0.1, 1.0, 0.0, np.ones(3), np.zeros(3), others["scratch"], others["W"], others["bias"]),
        *(np.zeros((2, 3)), np.zeros(2), np.zeros(2), 0.9),
    ]
    native.sgd(*[*given, np.zeros((2, 3)), np.zeros(2)])
    with pytest.raises(ValueError, match="velocit"):
        native.sgd(*[*given, *velocities])


def test_an_instruction_set_that_is_not_there_is_refused() -> None:
    assert native.instruction_set() == native.instruction_sets()[0], "the best is chosen at import"
    assert native.instruction_sets()[-1] == "baseline"
    with pytest.raises(ValueError, match="instruction set"):
        native.choose("avx1024")


# ---- threads --------------------------------------------------------------------------------------------------------


def test_results_come_in_order_whoever_is_first() -> None:
    import time

    def slow_first(i: int) -> int:
        time.sleep(0.02 if i == 0 else 0)
        return i

    assert list(threads.in_order(slow_first, range(20), 4)) == list(range(20))


def test_a_thread_does_what_is_within_its_work_by_itself() -> None:
    """Were it to wait for others to do it, all might wait: of two that do so at once none goes on."""

    def who(item: int) -> set[int]:
        if item:
            return set()
        within = threads.in_order(lambda _: threading.get_ident(), range(8), 2)
        return {threading.get_ident(), *within}

    alone, _ = threads.in_order(who, range(2), 2)
    assert len(alone) == 1
    assert alone != {threading.get_ident()}


def test_an_error_in_a_thread_is_the_callers() -> None:
    def fail(i: int) -> int:
        if i == 3:
            raise ZeroDivisionError
        return i

    with pytest.raises(ZeroDivisionError):
        list(threads.in_order(fail, range(50), 2))


def test_a_forked_child_has_threads_of_its_own() -> None:
    import os
    import warnings

    rows, W, b = problem(9000, 4, 3, "uint8")
    want = kernels.fused(rows, W, b, 2).W
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking with threads about is what is tested
        child = os.fork()
    if child == 0:
        os._exit(0 if kernels.fused(rows, W, b, 2).W.tobytes() == want.tobytes() else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_blas_gets_its_threads_back_when_the_last_of_several_users_leaves() -> None:
    from threadpoolctl import threadpool_info

    def blas() -> list[int]:  # SciPy, once it is loaded, has a BLAS of its own, which no pass of ours calls
        pools = (pool for pool in threadpool_info() if "scipy.libs" not in pool["filepath"])
        return [pool["num_threads"] for pool in pools if pool["user_api"] == "blas"]

    before = blas()
    first, second = kernels.one_blas_thread(), kernels.one_blas_thread()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert set(blas()) == {1}
    second.__exit__(None, None, None)
    assert blas() == before


@pytest.mark.parametrize("last", ["first", "second"])
def test_blas_gets_its_threads_back_whichever_thread_leaves_last(last: str) -> None:
    from threadpoolctl import threadpool_info, threadpool_limits

    entered, may_leave = threading.Barrier(3), {name: threading.Event() for name in ("first", "second")}

    def hold(name: str) -> None:
        if name == "second":
            has_first.wait()
        with kernels.one_blas_thread():
            has_first.set()
            entered.wait()
            may_leave[name].wait()
        left.wait()
        done.wait()  # a thread that has ended would have let go of what it controls

    done, left = threading.Event(), threading.Barrier(2)
    has_first = threading.Event()
    with threadpool_limits(2):
        pass  # what is controlled from this thread is let go of
    before = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
    threads = {name: threading.Thread(target=hold, args=(name,)) for name in may_leave}
    for thread in threads.values():
        thread.start()
    entered.wait()
    for name in sorted(threads, key=lambda name: name == last):
        may_leave[name].set()
        left.wait()
    after = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
    done.set()
    assert after == before


F32 = np.float32
PARTS: dict[str, dict[str, Any]] = {
    "softmax": {"logits": np.zeros((2, 16), F32), "n": 5},
    "log_softmax": {"logits": np.zeros((2, 16), F32), "n": 5},
    "largest": {
        "logits": np.zeros((2, 5), F32),
        "classes": np.zeros((5, 2), np.int64),
        "values": np.zeros((5, 2), F32),
    },
    "softmax_change": {
        "probs": np.zeros((2, 16), F32),
        "change": np.zeros((2, 16), F32),
        "weights": np.ones(5),
        "rows": None,
        "begin": 0,
        "end": 5,
    },
    "curvature": {
        "X": np.zeros((4, 3), F32),
        "rows": None,
        "weights": None,
        "begin": 0,
        "end": 4,
        "probs": np.zeros((2, 4), F32),
        "V": np.zeros((4, native.padded(True, 3)), F32),
        "bias": np.zeros(4, F32),
        "scratch": np.empty(native.scratch_bytes(True, 3, 6), np.uint8),
        "sums": np.zeros((4, 3)),
        "bias_sums": np.zeros(4),
    },
    "pack": {
        "X": np.zeros((4, 3), F32),
        "rows": None,
        "begin": 0,
        "end": 4,
        "packed": np.zeros((12, native.padded(True, 3)), F32),
    },
    "forward_packed": {
        "packed": np.zeros((12, native.padded(True, 3)), F32),
        "m": 5,
        "W": np.zeros((2, native.padded(True, 3)), F32),
        "bias": np.zeros(2, F32),
        "z": np.zeros((2, 12), F32),
    },
    "backward_packed": {
        "packed": np.zeros((12, native.padded(True, 3)), F32),
        "m": 5,
        "z": np.zeros((2, 12), F32),
        "gradient": np.zeros((2, native.padded(True, 3)), F32),
    },
}


@pytest.mark.parametrize(
    ("kernel", "wrong"),
    [
        ("softmax", {"n": 17}),
        ("log_softmax", {"n": 17}),
        ("largest", {"logits": np.zeros((2, 4), F32)}),
        ("largest", {"classes": np.zeros((5, 3), np.int64), "values": np.zeros((5, 3), F32)}),
        ("largest", {"values": np.zeros((5, 1), F32)}),
        ("softmax_change", {"end": 17}),
        ("softmax_change", {"weights": np.ones(4)}),
        ("softmax_change", {"rows": np.array([0, 1, 2, 3, 5])}),
        ("softmax_change", {"rows": np.array([0, 1, 2])}),
        ("softmax_change", {"probs": np.zeros((3, 16), F32)}),
        ("softmax_change", {"change": np.zeros((2, 32), F32)[:, :16]}),
        ("curvature", {"end": 5}),
        ("curvature", {"probs": np.zeros((2, 3), F32)}),
        ("curvature", {"probs": np.zeros((3, 4), F32)}),
        ("curvature", {"weights": np.ones(3)}),
        ("curvature", {"scratch": np.empty(native.scratch_bytes(True, 3, 4), np.uint8)}),
        ("curvature", {"V": np.zeros((4, 3), F32)}),
        ("curvature", {"sums": np.zeros((2, 3))}),
        ("curvature", {"bias_sums": np.zeros(2)}),
        ("pack", {"end": 5}),
        ("pack", {"packed": np.zeros((12, 3), F32)}),
        ("pack", {"packed": np.zeros((3, native.padded(True, 3)), F32)}),
        ("forward_packed", {"m": 13}),
        ("forward_packed", {"z": np.zeros((2, 4), F32)}),
        ("forward_packed", {"W": np.zeros((2, 3), F32)}),
        ("forward_packed", {"packed": np.zeros((12, 3), F32), "W": np.zeros((2, 3), F32)}),
        ("backward_packed", {"m": 13}),
        ("backward_packed", {"gradient": np.zeros((3, native.padded(True, 3)), F32)}),
        ("backward_packed", {"z": np.zeros((2, 4), F32)}),
    ],
    ids=lambda part: part if isinstance(part, str) else " ".join(part),
)
def test_the_parts_of_a_pass_refuse_what_would_be_read_or_written_outside(kernel: str, wrong: dict[str, Any]) -> None:
    function = getattr(native, kernel)
    function(*PARTS[kernel].values())
    with pytest.raises(ValueError, match=r"."):
        function(*(PARTS[kernel] | wrong).values())
