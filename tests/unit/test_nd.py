"""The chapter's arrays: NumPy's values, MXNet's manners, and gradients that finite differences confirm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from softreg.chapter import autograd, nd
from softreg.errors import LabelError, ShapeError

Function = Callable[..., nd.NDArray]
INDEX = nd.array([2, 0, 1], dtype="int32")

# name → function of one or two (3, 4) arrays of positive numbers, in the shapes given
FUNCTIONS: dict[str, tuple[Function, list[tuple[int, ...]]]] = {
    "add": (lambda a, b: a + b, [(3, 4), (3, 4)]),
    "add a row": (lambda a, b: a + b, [(3, 4), (4,)]),
    "add a column": (lambda a, b: a + b, [(3, 4), (3, 1)]),
    "add a number": (lambda a: 2 + a + 1, [(3, 4)]),
    "add to a row": (lambda a, b: a + b, [(1, 4), (3, 4)]),
    "subtract": (lambda a, b: a - b, [(3, 4), (4,)]),
    "subtract from a number": (lambda a: 1 - a, [(3, 4)]),
    "multiply": (lambda a, b: a * b, [(3, 4), (3, 1)]),
    "multiply by a number": (lambda a: 3 * a * 2, [(3, 4)]),
    "square by itself": (lambda a: a * a, [(3, 4)]),
    "divide": (lambda a, b: a / b, [(3, 4), (3, 1)]),
    "divide a number": (lambda a: 1 / a, [(3, 4)]),
    "negate": (lambda a: -a, [(3, 4)]),
    "exp": (lambda a: nd.exp(a), [(3, 4)]),
    "log": (lambda a: nd.log(a), [(3, 4)]),
    "sum": (lambda a: a.sum(), [(3, 4)]),
    "sum of columns": (lambda a: a.sum(axis=0), [(3, 4)]),
    "sum of rows, kept": (lambda a: a.sum(axis=1, keepdims=True), [(3, 4)]),
    "mean": (lambda a: a.mean(), [(3, 4)]),
    "mean of rows": (lambda a: a.mean(axis=1), [(3, 4)]),
    "reshape": (lambda a: a.reshape((2, -1)), [(3, 4)]),
    "astype": (lambda a: a.astype("float64") * 2, [(3, 4)]),
    "dot": (lambda a, b: nd.dot(a, b), [(3, 4), (4, 2)]),
    "pick": (lambda a: nd.pick(a, INDEX), [(3, 4)]),
    "slice": (lambda a: a[1:], [(3, 4)]),
    "one row": (lambda a: a[1], [(3, 4)]),
    "rows more than once": (lambda a: a[nd.array([1, 1, 2], dtype="int32")], [(3, 4)]),
    "used twice": (lambda a: a.exp() / a.exp().sum(axis=1, keepdims=True) + a, [(3, 4)]),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients_are_those_of_finite_differences(name: str) -> None:
    function, shapes = FUNCTIONS[name]
    rng = np.random.default_rng(0)
    values = [rng.uniform(0.5, 2, shape) for shape in shapes]
    out = function(*(nd.array(v, dtype="float64") for v in values))
    weights = rng.normal(size=out.shape)  # of the outputs, so that each counts differently

    def loss(*inputs: nd.NDArray) -> nd.NDArray:
        return (function(*inputs) * weights).sum()

    arrays = [nd.array(v, dtype="float64") for v in values]
    for array in arrays:
        array.attach_grad()
    with autograd.record():
        result = loss(*arrays)
    result.backward()
    for i, (value, array) in enumerate(zip(values, arrays, strict=True)):
        numeric = np.empty_like(value)
        for at in np.ndindex(value.shape):
            ends = []
            for h in (1e-6, -1e-6):
                moved = [v.copy() for v in values]
                moved[i][at] += h
                ends.append(loss(*(nd.array(v, dtype="float64") for v in moved)).asscalar())
            numeric[at] = (ends[0] - ends[1]) / 2e-6
        assert array.grad is not None
        np.testing.assert_allclose(array.grad.asnumpy(), numeric, rtol=1e-7, atol=1e-8)


@given(
    hnp.arrays(np.float32, st.tuples(st.integers(1, 5), st.integers(2, 6)), elements=st.floats(-5, 5, width=32)),
    st.data(),
)
def test_the_gradient_of_cross_entropy_is_probs_minus_onehot(logits: NDArray[Any], data: st.DataObject) -> None:
    n, K = logits.shape
    labels = data.draw(hnp.arrays(np.int32, n, elements=st.integers(0, K - 1)))
    z = nd.array(logits)
    z.attach_grad()
    with autograd.record():
        exps = z.exp()
        probs = exps / exps.sum(axis=1, keepdims=True)
        loss = -nd.pick(probs, nd.array(labels, dtype="int32")).log()
    loss.backward()
    assert z.grad is not None
    np.testing.assert_allclose(z.grad.asnumpy(), probs.asnumpy() - np.eye(K)[labels], atol=2e-5)


def test_gradients_are_those_of_pytorch() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: make test installs it on Python 3.11")
    rng = np.random.default_rng(0)
    X, W0, labels = rng.normal(size=(6, 5)), rng.normal(size=(5, 3)), rng.integers(0, 3, 6)
    W = nd.array(W0, dtype="float64")
    W.attach_grad()
    with autograd.record():
        exps = nd.dot(nd.array(X, dtype="float64"), W).exp()
        loss = -nd.pick(exps / exps.sum(axis=1, keepdims=True), nd.array(labels, dtype="int32")).log()
    loss.backward()
    theirs = torch.tensor(W0, requires_grad=True)
    torch.nn.functional.cross_entropy(torch.tensor(X) @ theirs, torch.tensor(labels), reduction="sum").backward()
    assert W.grad is not None
    np.testing.assert_allclose(W.grad.asnumpy(), theirs.grad.numpy(), rtol=1e-12)


def test_backward_writes_over_what_was_there() -> None:
    x = nd.array([1.0, 2.0])
    x.attach_grad()
    for factor in (2, 5):
        with autograd.record():
            y = x * factor
        y.backward()
        assert x.grad is not None
        assert x.grad.asnumpy().tolist() == [factor, factor]


def test_nothing_is_noted_outside_record() -> None:
    x = nd.array([1.0])
    x.attach_grad()
    y = x * 2
    with pytest.raises(ValueError, match=r"attach_grad.*autograd.record"):
        y.backward()
    assert not autograd.is_recording()


def test_record_ends_with_its_block_even_by_an_error() -> None:
    with pytest.raises(ZeroDivisionError), autograd.record():
        raise ZeroDivisionError
    assert not autograd.is_recording()


def test_changes_in_place_are_seen_by_those_who_hold_the_array_and_keep_its_room_for_a_gradient() -> None:
    x = nd.zeros(3)
    x.attach_grad()
    alias = x
    x[:] = x + 1
    x[0] = 7
    assert alias.asnumpy().tolist() == [7, 1, 1]
    assert x.grad is not None
    with autograd.record(), pytest.raises(RuntimeError, match="in place"):
        x[:] = 0


def test_a_deep_tape_is_walked() -> None:
    x = nd.array([1.0])
    x.attach_grad()
    with autograd.record():
        y = x
        for _ in range(5000):
            y = y + 1
    y.backward()
    assert x.grad is not None
    assert x.grad.asscalar() == 1


def test_arrays_are_float32_unless_said_and_copies() -> None:
    source = np.arange(3.0)
    x = nd.array(source)
    source[0] = 9
    assert x.dtype == np.float32
    assert x.asnumpy().tolist() == [0, 1, 2]
    x.asnumpy()[0] = 9
    assert x[0].asscalar() == 0
    assert nd.array([1], dtype="int32").dtype == np.int32
    assert (x * 2 + 1).dtype == np.float32
    assert x.argmax(axis=0).dtype == np.float32
    assert (x == x).dtype == np.float32


def test_shape_size_length_and_iteration() -> None:
    x = nd.array([[1, 2, 3], [4, 5, 6]])
    assert (x.shape, x.size, len(x)) == ((2, 3), 6, 2)
    assert [row.asnumpy().tolist() for row in x] == [[1, 2, 3], [4, 5, 6]]
    assert repr(x) == "\n[[1. 2. 3.]\n [4. 5. 6.]]\n<NDArray 2x3>"


def test_a_numpy_array_on_the_left_leaves_the_operation_to_us() -> None:
    assert isinstance(np.ones(2) * nd.zeros(2), nd.NDArray)


def test_log_of_zero_is_minus_infinity_as_the_exercise_says() -> None:
    assert nd.log(nd.zeros(1)).asscalar() == -np.inf


def test_the_same_seed_draws_the_same_noise() -> None:
    draws = []
    for _ in range(2):
        nd.random.seed(3)
        draws.append(nd.random.normal(scale=0.01, shape=(50, 40)).asnumpy())
    assert draws[0].tolist() == draws[1].tolist()
    assert draws[0].std() == pytest.approx(0.01, rel=0.1)


def test_dot_is_of_matrices_alone() -> None:
    with pytest.raises(ShapeError, match="reshape"):
        nd.dot(nd.zeros((2, 3)), nd.zeros(3))


@pytest.mark.parametrize("index", [[0], [0, 3], [-1, 0]])
def test_pick_refuses_columns_that_are_not_there(index: list[int]) -> None:
    with pytest.raises((ShapeError, LabelError)):
        nd.pick(nd.zeros((2, 3)), nd.array(index, dtype="int32"))


def test_a_tape_that_was_used_up_is_refused_and_not_read_as_empty() -> None:
    x = nd.array([3.0])
    x.attach_grad()
    with autograd.record():
        y = x * 2
        first, second = y.sum(), (y * y).sum()
    first.backward()
    for again in (first, second, y):
        with pytest.raises(ValueError, match="record it again"):
            again.backward()


def test_adding_in_place_keeps_the_room_for_a_gradient() -> None:
    x = nd.array([1.0, 2.0])
    x.attach_grad()
    alias = x
    x -= nd.array([1.0, 1.0])
    x += 2
    assert alias.asnumpy().tolist() == [2, 3]
    assert x.grad is not None
    with autograd.record(), pytest.raises(RuntimeError, match="in place"):
        x += 1


def test_comparisons_are_elementwise_and_an_array_of_several_has_no_truth_value() -> None:
    x, y = nd.array([1, 2]), nd.array([1, 3])
    assert (x != y).asnumpy().tolist() == [0, 1]
    assert (x == y).asnumpy().tolist() == [1, 0]
    with pytest.raises(ValueError, match="size 1"):
        bool(x == y)
    assert not nd.zeros(1)
    assert float(nd.array([2.5])) == 2.5


def test_numpy_reads_our_arrays_and_a_copy_keeps_its_type() -> None:
    x = nd.array([1, 2], dtype="int32")
    assert np.asarray(x).dtype == np.int32
    assert nd.array(x).dtype == np.int32
