"""The native kernels equal their NumPy twins, per type and at ugly shapes; and both equal the mathematics."""

from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from problems import SHAPES
from softreg import kernels
from softreg.kernels import passes, reference

TYPES = [(np.float32, 3e-6), (np.float64, 2e-14)]
EXTREMES = [0.0, -0.0, 1.0, 1e4, -1e4, np.inf, -np.inf, np.nan]


def both(
    logits: NDArray[Any], labels: NDArray[np.int32], weights: NDArray[np.float64] | None = None
) -> tuple[tuple[float, float, NDArray[Any]], tuple[float, float, NDArray[Any]]]:
    results = []
    for kernel in (kernels.softmax_xent, reference.softmax_xent):
        z = logits.copy()
        loss, correct = kernel(z, labels, weights)
        results.append((loss, correct, z))
    return results[0], results[1]


@pytest.mark.parametrize(("dtype", "tolerance"), TYPES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("weighted", [False, True])
def test_native_equals_reference(shape: tuple[int, int], dtype: Any, tolerance: float, weighted: bool) -> None:
    rng = np.random.default_rng(1)
    n, K = shape
    logits = rng.normal(scale=5, size=shape).astype(dtype)
    labels = rng.integers(0, K, n).astype(np.int32)
    weights = rng.integers(0, 3, n).astype(float) if weighted else None
    (loss, correct, z), (loss_, correct_, z_) = both(logits, labels, weights)
    assert loss == pytest.approx(loss_, rel=tolerance)
    assert correct == correct_
    np.testing.assert_allclose(z, z_, rtol=tolerance, atol=tolerance * 1e-3)


@pytest.mark.parametrize(("dtype", "tolerance"), TYPES)
@given(data=st.data())
def test_native_equals_reference_on_extreme_logits(dtype: Any, tolerance: float, data: st.DataObject) -> None:
    shape = data.draw(st.tuples(st.integers(1, 4), st.integers(1, 5)))
    logits = data.draw(hnp.arrays(dtype, shape, elements=st.sampled_from(EXTREMES)))
    labels = data.draw(hnp.arrays(np.int32, shape[0], elements=st.integers(0, shape[1] - 1)))
    with np.errstate(all="ignore"):
        (loss, correct, z), (loss_, correct_, z_) = both(logits, labels)
    np.testing.assert_allclose(loss, loss_, rtol=tolerance)
    assert correct == correct_
    np.testing.assert_allclose(z, z_, rtol=tolerance)


@pytest.mark.parametrize("kernel", [kernels.softmax_xent, reference.softmax_xent], ids=["native", "reference"])
@pytest.mark.parametrize(
    "logits", [[50.0, 0.0], [0.0, 50.0, 49.0], [1e4, 0, -1e4], [-700.0, 0.0], [3.0, 3.0, 3.0], [2.0]]
)
def test_loss_and_residuals_are_right_to_the_last_digits(kernel: Any, logits: list[float]) -> None:
    for label in range(len(logits)):
        z = np.array([logits])
        loss, _ = kernel(z, np.array([label], dtype=np.int32))
        with mpmath.workdps(700):
            exact = [mpmath.e ** mpmath.mpf(v) for v in logits]
            total = mpmath.fsum(exact)
            true_loss = mpmath.log(total) - logits[label]
            residuals = [(e - (total if k == label else 0)) / total for k, e in enumerate(exact)]
            assert loss == pytest.approx(float(true_loss), rel=1e-15, abs=0)
            np.testing.assert_allclose(z[0], [float(r) for r in residuals], rtol=2e-15, atol=0)


@pytest.mark.parametrize("kernel", [kernels.softmax_xent, reference.softmax_xent], ids=["native", "reference"])
def test_rows_of_weight_zero_count_as_absent_whatever_they_hold(kernel: Any) -> None:
    z = np.array([[1.0, 2.0], [np.nan, np.inf]])
    loss, correct = kernel(z, np.array([1, 0], dtype=np.int32), np.array([2.0, 0.0]))
    assert (loss, correct) == (pytest.approx(2 * np.log1p(np.exp(-1))), 2.0)
    assert z[1].tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("logits", "labels", "weights", "message"),
    [
        (np.zeros((2, 3)), [0], None, "number of rows"),
        (np.zeros((2, 3)), [0, 3], None, "outside"),
        (np.zeros((2, 3)), [0, -1], None, "outside"),
        (np.zeros((2, 3)), [0, 1], [1.0], "number of rows"),
        (np.zeros((2, 0)), [0, 0], None, "no columns"),
    ],
)
def test_the_native_border_refuses_what_would_be_written_outside(
    logits: NDArray[Any], labels: list[int], weights: list[float] | None, message: str
) -> None:
    w = None if weights is None else np.array(weights)
    with pytest.raises(ValueError, match=message):
        kernels.softmax_xent(logits, np.array(labels, dtype=np.int32), w)


@pytest.mark.parametrize(
    "logits",
    [np.zeros((2, 3), dtype=np.float16), np.zeros((3, 2)).T, np.zeros((2, 6))[:, ::2], np.zeros((2, 3), dtype=int)],
    ids=["float16", "transposed", "strided", "int"],
)
def test_the_native_border_converts_no_output(logits: NDArray[Any]) -> None:
    with pytest.raises(TypeError):
        kernels.softmax_xent(logits, np.zeros(2, dtype=np.int32))


def test_the_native_border_refuses_a_read_only_output_and_takes_read_only_inputs() -> None:
    labels = np.zeros(1, dtype=np.int32)
    labels.flags.writeable = False
    kernels.softmax_xent(np.zeros((1, 2)), labels)
    frozen = np.zeros((1, 2))
    frozen.flags.writeable = False
    with pytest.raises(TypeError):
        kernels.softmax_xent(frozen, labels)


@pytest.mark.parametrize("n", [0, 1, passes.BLOCK_ROWS, passes.BLOCK_ROWS + 1, 2500])
@pytest.mark.parametrize("order", ["C", "F"])
def test_blocks_cover_every_row_once_with_its_logits(n: int, order: Any) -> None:
    rng = np.random.default_rng(2)
    X = np.asarray(rng.integers(0, 256, (n, 5)), dtype=np.uint8, order=order)
    W, b = rng.normal(size=(5, 3)), rng.normal(size=3)
    logits = np.empty((n, 3))
    for block in kernels.blocks(X, W, b):
        logits[block.start : block.stop] = block.logits
    np.testing.assert_allclose(logits, X @ W + b, rtol=1e-4, atol=1e-3)


def test_blocks_of_chosen_rows_come_in_their_order() -> None:
    X = np.arange(20.0).reshape(10, 2)
    (block,) = kernels.blocks(X, np.eye(2), np.zeros(2), np.array([7, 0, 7]))
    assert block.logits.tolist() == X[[7, 0, 7]].tolist()


def test_blas_gets_its_threads_back_when_the_last_of_several_users_leaves() -> None:
    from threadpoolctl import threadpool_info

    def threads() -> list[int]:
        return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

    before = threads()
    first, second = kernels.one_blas_thread(), kernels.one_blas_thread()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert set(threads()) == {1}
    second.__exit__(None, None, None)
    assert threads() == before
