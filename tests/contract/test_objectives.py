"""What every objective must do: its gradient is its value's, weights are repetitions, rows restrict."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from problems import dataset, in_float64, logits, objectives, plain, some_rows
from softreg import Dataset
from softreg.kernels import classes, minibatches
from softreg.objective import SoftmaxObjective
from softreg.objective import curvature as curvatures


def point(objective: SoftmaxObjective, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(scale=0.3, size=objective.size)


@pytest.mark.slow
@pytest.mark.parametrize(("data", "l2"), objectives())
def test_the_gradient_is_that_of_the_value(data: Dataset, l2: float) -> None:
    objective = SoftmaxObjective(in_float64(data), l2)
    theta = point(objective)
    grad = objective.evaluate(theta).grad
    h = 1e-5
    for i in range(0, objective.size, 3):
        e = np.zeros(objective.size)
        e[i] = h
        slope = (objective.evaluate(theta + e).value - objective.evaluate(theta - e).value) / (2 * h)
        assert grad[i] == pytest.approx(slope, rel=1e-6, abs=1e-8)


@pytest.mark.parametrize(("data", "l2"), objectives())
def test_the_curvature_is_that_of_the_gradient(data: Dataset, l2: float) -> None:
    objective = SoftmaxObjective(in_float64(data), l2)
    theta = point(objective)
    directions = np.random.default_rng(1).normal(size=(objective.size, 3))
    h = 1e-5
    for number, v in enumerate(directions.T):
        change = objective.evaluate(theta + h * v).grad - objective.evaluate(theta - h * v).grad
        product = objective.curvature(theta).product
        np.testing.assert_allclose(product(v), change / (2 * h), rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(product(directions)[:, number], product(v), rtol=1e-12, atol=1e-14)
    H = objective.hessian(theta)
    np.testing.assert_allclose(H @ directions, objective.curvature(theta).product(directions), rtol=1e-9, atol=1e-11)
    np.testing.assert_array_equal(H, H.T)


@pytest.mark.slow
@pytest.mark.parametrize(("data", "l2"), objectives())
def test_gradient_and_curvature_are_those_of_automatic_differentiation(data: Dataset, l2: float) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    objective = SoftmaxObjective(data, l2)
    theta, v = point(objective), point(objective, 1)
    X = torch.tensor(plain(data))
    offset = torch.tensor(np.zeros(data.n_classes) if data.offset is None else data.offset)
    wanted = torch.tensor(data.y.astype(np.int64) if data.targets is None else data.targets)
    w = torch.tensor(np.ones(data.n_rows) if data.weights is None else data.weights)

    def value(flat: Any) -> Any:
        stacked = flat.reshape(-1, data.n_classes)
        z = X @ stacked[:-1] + stacked[-1] + offset
        losses = torch.nn.functional.cross_entropy(z, wanted, reduction="none")
        return (w * losses).sum() / w.sum() + l2 / 2 * (stacked[:-1] ** 2).sum()

    at = torch.tensor(theta, requires_grad=True)
    (grad,) = torch.autograd.grad(value(at), at, create_graph=True)
    (hvp,) = torch.autograd.grad(grad @ torch.tensor(v), at)
    assert objective.evaluate(theta).value == pytest.approx(float(value(at.detach())), rel=1e-6)
    np.testing.assert_allclose(objective.evaluate(theta).grad, grad.detach().numpy(), atol=2e-6)
    np.testing.assert_allclose(objective.curvature(theta).product(v), hvp.numpy(), atol=5e-6)


@pytest.mark.parametrize("K", [3, 90])
def test_curvature_is_the_same_whether_probabilities_are_kept_or_not(K: int, monkeypatch: pytest.MonkeyPatch) -> None:
    objective = SoftmaxObjective(dataset(1, n=500, K=K, dtype="uint8"), 0.1)
    theta, v = point(objective), point(objective, 1)
    kept = objective.curvature(theta)
    monkeypatch.setattr(curvatures, "CACHE_BYTES", 0)
    recomputed = objective.curvature(theta)
    assert kept.product(v).tobytes() == recomputed.product(v).tobytes()
    assert (kept.passes, kept.passes_each) == (0.5, 1.0)
    assert (recomputed.passes, recomputed.passes_each) == (0.0, 1.5)


@pytest.mark.parametrize("looked_at", ["all", "some"])
def test_curvature_of_some_rows_is_that_of_all_on_average(looked_at: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if looked_at == "some":
        monkeypatch.setattr(curvatures, "CACHE_BYTES", 12000 * 4 * 8)
    data = dataset(1, n=40000, d=5, weights=np.random.default_rng(0).integers(0, 3, 40000).astype(float))
    objective = SoftmaxObjective(data, 0.1)
    theta, v = point(objective), point(objective, 1)
    some = objective.curvature(theta, 0.25)
    assert 0.1 < some.passes_each <= 0.25
    assert some.passes == (0.5 if looked_at == "all" else 0.125)
    want = objective.curvature(theta).product(v)
    np.testing.assert_allclose(some.product(v), want, atol=0.03 * np.abs(want).max())


@pytest.mark.parametrize(("data", "l2"), objectives())
def test_every_type_of_x_gives_the_value_and_gradient_of_float64(data: Dataset, l2: float) -> None:
    theta = point(SoftmaxObjective(data))
    got, want = SoftmaxObjective(data, l2).evaluate(theta), SoftmaxObjective(in_float64(data), l2).evaluate(theta)
    assert got.value == pytest.approx(want.value, rel=1e-6)
    assert (got.n_correct, got.weight) == (want.n_correct, want.weight)
    np.testing.assert_allclose(got.grad, want.grad, atol=1e-6)


@pytest.mark.parametrize(("data", "l2"), objectives())
def test_the_value_is_the_definition(data: Dataset, l2: float) -> None:
    objective = SoftmaxObjective(data, l2)
    theta = point(objective)
    W, b = theta[: -data.n_classes].reshape(-1, data.n_classes), theta[-data.n_classes :]
    z = logits(data, W, b)
    losses = np.log(np.exp(z).sum(axis=1)) - (data.probabilities(slice(None)) * z).sum(axis=1)
    w = np.ones(data.n_rows) if data.weights is None else data.weights
    here = objective.evaluate(theta)
    assert here.loss == pytest.approx(np.sum(w * losses) / w.sum(), rel=1e-6)
    assert here.value == pytest.approx(here.loss + l2 / 2 * np.sum(W**2), rel=1e-12)
    assert here.n_correct == np.sum(w * (z.argmax(axis=1) == data.y))


def test_weights_are_repetitions() -> None:
    data = dataset(3)
    weights = np.random.default_rng(0).integers(0, 4, data.n_rows)
    weighted = SoftmaxObjective(Dataset(data.X, data.y, data.classes, weights=weights.astype(float)), 0.1)
    rows = np.repeat(np.arange(data.n_rows), weights)
    repeated = SoftmaxObjective(Dataset(data.X[rows], data.y[rows], data.classes), 0.1)
    theta = point(weighted)
    np.testing.assert_allclose(weighted.evaluate(theta).grad, repeated.evaluate(theta).grad, rtol=1e-12, atol=1e-15)
    assert weighted.evaluate(theta).value == pytest.approx(repeated.evaluate(theta).value, rel=1e-14)


@pytest.mark.parametrize(("data", "l2"), objectives())
def test_restricting_equals_making_the_objective_of_those_rows(data: Dataset, l2: float) -> None:
    rows = np.random.default_rng(5).integers(0, data.n_rows, 9)
    of_rows = some_rows(data, rows)
    whole = SoftmaxObjective(data, l2)
    theta = point(whole)
    got, want = whole.restrict(rows).evaluate(theta), SoftmaxObjective(of_rows, l2).evaluate(theta)
    assert (got.value, got.n_correct, got.weight) == (want.value, want.n_correct, want.weight)
    np.testing.assert_array_equal(got.grad, want.grad)
    np.testing.assert_array_equal(whole.restrict(rows).restrict(np.array([3])).evaluate(theta).grad,
                                  whole.restrict(rows[[3]]).evaluate(theta).grad)  # fmt: skip


def test_without_rows_the_loss_is_0_and_the_penalty_remains() -> None:
    objective = SoftmaxObjective(dataset(1), 0.5).restrict(np.empty(0, dtype=np.intp))
    here = objective.evaluate(point(objective))
    assert here.loss == 0
    assert here.value > 0
    assert np.isnan(here.accuracy)


def test_the_gradient_is_that_of_pytorch() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: make test installs it on Python 3.11")
    data = dataset(11, n=50, d=8, K=5)
    objective = SoftmaxObjective(data, 0.2)
    theta = point(objective)
    t = torch.tensor(theta, requires_grad=True)
    W, b = t[:-5].reshape(8, 5), t[-5:]
    loss = torch.nn.functional.cross_entropy(torch.tensor(data.X) @ W + b, torch.tensor(data.y, dtype=torch.long))
    value = loss + 0.1 * (W**2).sum()
    value.backward()
    here = objective.evaluate(theta)
    assert here.value == pytest.approx(value.item(), rel=1e-14)
    np.testing.assert_allclose(here.grad, t.grad.numpy(), rtol=1e-12, atol=1e-15)


@pytest.mark.slow
@pytest.mark.parametrize(("data", "l2"), objectives())
@pytest.mark.parametrize("batch_size", [1, 7, 64, 5000])
@pytest.mark.parametrize("momentum", [None, 0.0, 0.7])
def test_a_sweep_is_steps_along_the_gradients_of_its_batches(
    data: Dataset, l2: float, batch_size: int, momentum: float | None
) -> None:
    objective = SoftmaxObjective(data, l2)
    theta = point(objective)
    order = np.random.default_rng(1).permutation(data.n_rows)
    if momentum is None:
        given, velocity = None, np.zeros_like(theta)
        got = objective.sweep(theta, order, batch_size, 0.05)
        assert got.velocity is None
    else:
        given = np.random.default_rng(2).normal(scale=0.1, size=objective.size)
        velocity = given.copy()
        got = objective.sweep(theta, order, batch_size, 0.05, momentum, given)
    want = theta.copy()
    value = loss = n_correct = weight = 0.0
    for start in range(0, data.n_rows, batch_size):
        here = objective.restrict(order[start : start + batch_size]).evaluate(want)
        g = here.weight / (batch_size * objective.weight / objective.n_rows) * here.grad
        velocity = (momentum or 0.0) * velocity + g
        want -= 0.05 * velocity
        value, loss = value + here.weight * here.value, loss + here.weight * here.loss
        n_correct, weight = n_correct + here.n_correct, weight + here.weight
    np.testing.assert_allclose(got.theta, want, rtol=1e-5, atol=1e-6)
    assert got.value == pytest.approx(value / weight, rel=1e-5)
    assert got.loss == pytest.approx(loss / weight, rel=1e-5)
    assert got.n_correct == n_correct
    assert got.weight == pytest.approx(weight)
    assert theta.tolist() == point(objective).tolist(), "the start is left alone"
    if given is not None:
        assert got.velocity is not None
        np.testing.assert_allclose(got.velocity, velocity, rtol=1e-5, atol=1e-5)
        assert given.tolist() == np.random.default_rng(2).normal(scale=0.1, size=objective.size).tolist()


def test_a_sweep_in_pieces_has_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    objective = SoftmaxObjective(dataset(8, n=2500, d=3, shift=0.1), 0.01)
    order = np.random.default_rng(1).permutation(2500)
    arguments = (point(objective), order, 16, 0.05, 0.9, np.zeros(objective.size))
    whole = objective.sweep(*arguments)
    monkeypatch.setattr(minibatches, "UNINTERRUPTED_ROWS", 100)
    pieces = objective.sweep(*arguments)
    assert whole.theta.tobytes() == pieces.theta.tobytes()
    assert whole.velocity is not None
    assert pieces.velocity is not None
    assert whole.velocity.tobytes() == pieces.velocity.tobytes()


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_a_sweep_without_the_kernel_is_the_same_mathematics(momentum: float, monkeypatch: pytest.MonkeyPatch) -> None:
    objective = SoftmaxObjective(dataset(8, n=300, scale=0.5, shift=0.1, weights=np.arange(300.0)), 0.01)
    order = np.random.default_rng(1).permutation(300)
    velocity = np.full(objective.size, 0.01) if momentum else None
    arguments = (point(objective), order, 16, 0.05, momentum, velocity)
    natively = objective.sweep(*arguments)
    monkeypatch.setattr(classes, "FEW_CLASSES", 0)
    in_python = objective.sweep(*arguments)
    assert (natively.velocity is None) == (in_python.velocity is None) == (momentum == 0)
    np.testing.assert_allclose(natively.theta, in_python.theta, rtol=1e-12, atol=1e-14)
    if natively.velocity is not None and in_python.velocity is not None:
        np.testing.assert_allclose(natively.velocity, in_python.velocity, rtol=1e-11, atol=1e-13)


def test_a_sweep_of_some_rows_is_of_those() -> None:
    data = dataset(1)
    rows = np.array([5, 3, 30, 8, 9])
    of_rows = Dataset(data.X[rows], data.y[rows], data.classes)
    order = np.array([4, 0, 2, 1, 3])
    got = SoftmaxObjective(data, 0.1).restrict(rows).sweep(point(SoftmaxObjective(data)), order, 2, 0.1)
    want = SoftmaxObjective(of_rows, 0.1).sweep(point(SoftmaxObjective(data)), order, 2, 0.1)
    np.testing.assert_array_equal(got.theta, want.theta)
