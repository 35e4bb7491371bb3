"""Targets in the place of labels, label smoothing and offsets: what they mean, whoever solves and sums up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from exact import optimum
from problems import SOLVERS, dataset, logits, offsets, soft
from softreg import LBFGS, SGD, Dataset, Newton, Proximal, Settings, Status, fit
from softreg.objective import CompositeObjective, SoftmaxObjective
from softreg.objective import curvature as curvatures
from softreg.solvers import minimise

TIGHT: dict[str, Any] = {"tol": 1e-11, "max_steps": 1000}
SMOOTH = 0.2


def one_hot(data: Dataset) -> Dataset:
    return replace(data, targets=np.eye(data.n_classes)[data.y])


def smoothed(data: Dataset, epsilon: float = SMOOTH) -> Dataset:
    """The same with the smoothing written out in the targets."""
    T = (1 - epsilon) * data.probabilities(slice(None)) + epsilon / data.n_classes
    return replace(data, targets=T)


def point(objective: SoftmaxObjective, seed: int = 0, size: float = 0.3) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(scale=size, size=objective.size)


def entropy(p: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(-(p * np.log(np.where(p > 0, p, 1))).sum(axis=-1))


# ---- what targets mean ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64", "int64"])
@pytest.mark.parametrize("K", [2, 4, 70])
def test_one_hot_targets_are_labels_to_the_bit(dtype: str, K: int) -> None:
    data = dataset(1, n=300, K=K, dtype=dtype, weights=np.arange(300.0), shift=0.5)
    hard, told = SoftmaxObjective(data, 0.01), SoftmaxObjective(one_hot(data), 0.01)
    theta = point(hard)
    want, got = hard.evaluate(theta), told.evaluate(theta)
    assert (got.value, got.n_correct) == (want.value, want.n_correct)
    assert got.grad.tobytes() == want.grad.tobytes()
    fits = [minimise(f, LBFGS(), np.zeros(hard.size), max_steps=9).theta.tobytes() for f in (hard, told)]
    assert fits[0] == fits[1]


@pytest.mark.slow
@pytest.mark.parametrize("solver", SOLVERS)
def test_every_solver_takes_targets_and_offsets(solver: Any) -> None:
    data = soft(dataset(1, n=80), offset=offsets(80))
    settings = Settings(solver, C=0.5, label_smoothing=0.1, max_steps=500, tol=1e-9)
    _, solution = fit(data, settings)
    _, other = fit(smoothed(data, 0.1), Settings(Newton(), C=0.5, tol=1e-12))
    assert solution.value == pytest.approx(other.value, rel=5e-2 if isinstance(solver, SGD) else 1e-8)
    if not isinstance(solver, SGD):
        assert solution.status is Status.CONVERGED


@pytest.mark.parametrize("K", [3, 70])
def test_counts_are_repetitions(K: int) -> None:
    rng = np.random.default_rng(0)
    X, counts = rng.normal(size=(30, 4)), rng.multinomial(3, np.full(K, 1 / K), 30)
    counts[0] = np.eye(K)[0]  # one row of one
    row, label = np.nonzero(counts)
    times = counts[row, label]
    told = SoftmaxObjective(Dataset.from_targets(X, counts), 0.1)
    repeated = SoftmaxObjective(Dataset(X[np.repeat(row, times)], np.repeat(label, times), np.arange(K)), 0.1)
    theta = point(told)
    got, want = told.evaluate(theta), repeated.evaluate(theta)
    assert got.weight == want.weight
    assert got.value == pytest.approx(want.value, rel=1e-13)
    np.testing.assert_allclose(got.grad, want.grad, rtol=1e-11, atol=1e-14)
    np.testing.assert_allclose(told.hessian(theta), repeated.hessian(theta), rtol=1e-9, atol=1e-13)
    one, other = (fit(f.data, Settings(C=2.0, solver=LBFGS(), **TIGHT))[0] for f in (told, repeated))
    np.testing.assert_allclose(one.W, other.W, atol=1e-5)


def test_weights_of_rows_with_targets_are_repetitions() -> None:
    data, weights = soft(dataset(3), offset=offsets(40)), np.random.default_rng(0).integers(0, 4, 40)
    rows = np.repeat(np.arange(40), weights)
    repeated = replace(
        data, X=data.X[rows], y=data.y[rows], targets=_of(data.targets, rows), offset=_of(data.offset, rows)
    )
    one, other = SoftmaxObjective(replace(data, weights=weights.astype(float)), 0.1), SoftmaxObjective(repeated, 0.1)
    theta = point(one)
    assert one.evaluate(theta).value == pytest.approx(other.evaluate(theta).value, rel=1e-14)
    np.testing.assert_allclose(one.evaluate(theta).grad, other.evaluate(theta).grad, rtol=1e-12, atol=1e-15)


def _of(array: NDArray[Any] | None, rows: NDArray[Any]) -> NDArray[Any]:
    assert array is not None
    return np.asarray(array[rows])


@pytest.mark.parametrize("lying", ["float32", "Fortran", "every second", "read-only"])
def test_targets_and_offsets_are_read_as_they_lie(lying: str) -> None:
    data = soft(dataset(1), offset=offsets(40))
    made: dict[str, Any] = {}
    for name in ("targets", "offset"):
        array = _of(getattr(data, name), np.arange(40))
        if lying == "float32":
            array = array.astype(np.float32)
        elif lying == "Fortran":
            array = np.asfortranarray(array)
        elif lying == "every second":
            array = np.repeat(array, 2, axis=1)[:, ::2]
        else:
            array.flags.writeable = False
        made[name] = array
    other = replace(data, **made)
    for name, array in made.items():
        assert np.shares_memory(getattr(other, name), array)
    theta = point(SoftmaxObjective(data))
    got, want = SoftmaxObjective(other, 0.1).evaluate(theta), SoftmaxObjective(data, 0.1).evaluate(theta)
    np.testing.assert_allclose(got.grad, want.grad, rtol=1e-5, atol=1e-6 if lying == "float32" else 1e-15)


def test_float32_probabilities_are_divided_by_their_sums_where_they_are_used() -> None:
    data = soft(dataset(1, n=200))
    single = replace(data, targets=_of(data.targets, np.arange(200)).astype(np.float32))
    np.testing.assert_allclose(single.probabilities(slice(None)).sum(axis=1), 1, rtol=1e-15)
    objective = SoftmaxObjective(single)
    theta = point(objective)
    h, e = 1e-4, np.zeros(objective.size)
    e[-4:] = h  # a shift of all intercepts changes nothing
    assert objective.evaluate(theta + e).value == pytest.approx(objective.evaluate(theta).value, rel=1e-14)


def test_the_least_loss_is_the_entropy_of_the_targets() -> None:
    T = np.random.default_rng(0).dirichlet(np.ones(3), 5)
    data = Dataset.from_targets(np.eye(5), T)  # a parameter of its own for each row and class
    model, solution = fit(data, Settings(LBFGS(), max_steps=300))
    assert solution.status is not Status.SEPARABLE
    assert model.score(data).loss == pytest.approx(entropy(T).mean(), rel=1e-9)
    np.testing.assert_allclose(model.predict_proba(np.eye(5)), T, atol=1e-5)


def test_far_from_the_optimum_a_loss_is_right_to_the_rounding_of_logits() -> None:
    data = soft(dataset(1), offset=offsets(40))
    objective = SoftmaxObjective(data)
    for size in (1e2, 1e5, 1e8):
        theta = point(objective, size=size)
        z = logits(data, *objective.split(theta))
        top = z.max(axis=1, keepdims=True)
        lse = top[:, 0] + np.log(np.exp(z - top).sum(axis=1))
        loss = np.mean(lse - (data.probabilities(slice(None)) * z).sum(axis=1))
        assert objective.evaluate(theta).loss == pytest.approx(loss, abs=1e-14 * np.abs(z).max())


# ---- label smoothing ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("told", ["labels", "targets"])
@pytest.mark.parametrize("K", [4, 70])
def test_label_smoothing_is_its_targets_written_out(told: str, K: int) -> None:
    data = dataset(2, n=200, K=K, dtype="uint8", weights=np.arange(200.0))
    data = data if told == "labels" else soft(data)
    one, other = SoftmaxObjective(data, 0.1, smoothing=SMOOTH), SoftmaxObjective(smoothed(data), 0.1)
    rows = np.random.default_rng(1).permutation(200)[:50]
    theta = point(one)
    for f, g in ((one, other), (one.restrict(rows), other.restrict(rows)), (one.finer(), other.finer())):
        assert f is not None
        assert g is not None
        assert f.evaluate(theta).value == pytest.approx(g.evaluate(theta).value, rel=1e-12)
        np.testing.assert_allclose(f.evaluate(theta).grad, g.evaluate(theta).grad, rtol=1e-9, atol=1e-12)
    order = np.random.default_rng(2).permutation(200)
    np.testing.assert_allclose(
        one.sweep(theta, order, 16, 0.1).theta, other.sweep(theta, order, 16, 0.1).theta, rtol=1e-5, atol=1e-6
    )


def test_label_smoothing_is_that_of_pytorch() -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    data = dataset(1)
    objective = SoftmaxObjective(data, smoothing=SMOOTH)
    theta = point(objective)
    z = torch.tensor(logits(data, *objective.split(theta)))
    loss = torch.nn.CrossEntropyLoss(label_smoothing=SMOOTH)(z, torch.tensor(data.y.astype(np.int64)))
    assert objective.evaluate(theta).loss == pytest.approx(float(loss), rel=1e-14)


def test_of_whole_smoothing_nothing_is_left_to_learn() -> None:
    model, solution = fit(dataset(1), Settings(LBFGS(), C=1.0, label_smoothing=1.0, tol=1e-9))
    assert solution.status is Status.CONVERGED
    assert solution.value == pytest.approx(np.log(4))
    np.testing.assert_allclose(model.W, 0, atol=1e-12)


def test_smoothing_keeps_separated_classes_from_running_away() -> None:
    X = np.arange(10.0)[:, None] - 4.5
    data = Dataset(X, (X[:, 0] > 0).astype(int), np.arange(2))
    assert fit(data, Settings(LBFGS()))[1].status is Status.SEPARABLE
    model, solution = fit(data, Settings(LBFGS(), label_smoothing=0.1))
    assert solution.status is Status.PRECISION_LIMIT
    assert solution.separation is None
    p = model.predict_proba(X)
    np.testing.assert_allclose(X.T @ (p - 0.9 * np.eye(2)[data.y] - 0.05), 0, atol=1e-5)


def test_a_validation_score_is_without_smoothing_and_with_its_own_targets() -> None:
    data = dataset(1)
    validation = soft(dataset(2), offset=offsets(40))
    settings = Settings(LBFGS(), C=1.0, label_smoothing=0.1, max_steps=3)
    model, _ = fit(data, settings, validation=validation)
    z = logits(validation, model.W, model.b)
    losses = np.log(np.exp(z).sum(axis=1)) - (validation.probabilities(slice(None)) * z).sum(axis=1)
    score = model.score(validation)
    assert score.loss == pytest.approx(losses.mean(), rel=1e-13)
    assert score.accuracy == np.mean(z.argmax(axis=1) == validation.y)
    assert model.history["validation_loss"][-1] == score.loss


# ---- offsets --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("K", [4, 70])
@pytest.mark.parametrize("targets", [False, True])
def test_an_offset_that_is_one_number_for_a_row_changes_nothing(K: int, targets: bool) -> None:
    data = soft(dataset(1, K=K)) if targets else dataset(1, K=K)
    shift = np.random.default_rng(0).normal(scale=3, size=(40, 1))
    one, other = SoftmaxObjective(data, 0.1), SoftmaxObjective(replace(data, offset=np.tile(shift, K)), 0.1)
    theta = point(one)
    assert other.evaluate(theta).value == pytest.approx(one.evaluate(theta).value, rel=1e-13)
    np.testing.assert_allclose(other.evaluate(theta).grad, one.evaluate(theta).grad, rtol=1e-11, atol=1e-13)
    v = point(one, 1)
    np.testing.assert_allclose(
        other.curvature(theta).product(v), one.curvature(theta).product(v), rtol=1e-10, atol=1e-13
    )


@pytest.mark.parametrize("solver", [LBFGS(), Newton(), Newton(exact_passes=0)])
@pytest.mark.parametrize("targets", [False, True])
def test_an_offset_of_the_features_moves_the_solution_by_as_much(solver: Any, targets: bool) -> None:
    data = soft(dataset(1, n=400)) if targets else dataset(1, n=400)
    V, c = np.random.default_rng(0).normal(size=(6, 4)), np.arange(4.0)
    V -= V.mean(axis=1, keepdims=True)
    offset = data.X @ V + c
    plain, _ = fit(data, Settings(solver))
    moved, _ = fit(replace(data, offset=offset), Settings(solver))
    np.testing.assert_allclose(moved.W, plain.W - V, atol=1e-5)
    np.testing.assert_allclose(moved.b, plain.b - (c - c.mean()), atol=1e-5)
    for predict in ("predict_proba", "predict_log_proba"):
        got = getattr(moved, predict)(data.X, offset=offset)
        np.testing.assert_allclose(got, getattr(plain, predict)(data.X), atol=1e-5)
    assert (moved.predict(data.X, offset) == plain.predict(data.X)).all()
    _, probs = moved.predict_topk(data.X, 2, offset)
    np.testing.assert_allclose(probs, plain.predict_topk(data.X, 2)[1], atol=1e-5)
    assert moved.score(replace(data, offset=offset)).loss == pytest.approx(plain.score(data).loss, rel=1e-9)


@pytest.mark.parametrize("share", ["evenly", "drawn"])
def test_all_that_is_known_of_the_curvature_is_known_with_the_offset(
    share: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if share == "evenly":
        monkeypatch.setattr(curvatures, "CACHE_BYTES", 12000 * 4 * 8)
    data = dataset(1, n=20000)
    plain = SoftmaxObjective(data, 0.1)
    theta, v = point(plain), point(plain, 1)
    W, b = plain.split(theta)
    moved, zero = SoftmaxObjective(replace(data, offset=logits(data, W, b)), 0.1), np.zeros(plain.size)
    for coarse in (False, True):
        got, want = moved.preconditioner(zero, coarse=coarse)(v), plain.preconditioner(theta, coarse=coarse)(v)
        np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-9)
    got, want = moved.curvature(zero, 0.25).product(v), plain.curvature(theta, 0.25).product(v)
    np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-9)


def test_minibatches_see_offsets() -> None:
    data = dataset(1, offset=offsets(40))
    objective = SoftmaxObjective(data)
    order, theta = np.random.default_rng(0).permutation(40), point(objective)
    W, b = (part.copy() for part in objective.split(theta))
    for start in range(0, 40, 7):
        rows = order[start : start + 7]
        p = np.exp(data.X[rows] @ W + b + _of(data.offset, rows))
        R = p / p.sum(axis=1, keepdims=True) - np.eye(4)[data.y[rows]]
        W, b = W - 0.1 / 7 * data.X[rows].T @ R, b - 0.1 / 7 * R.sum(axis=0)
    got = objective.sweep(theta, order, 7, 0.1).theta
    np.testing.assert_allclose(got, np.append(W, [b], axis=0).ravel(), rtol=1e-11, atol=1e-13)


# ---- classes that no row has anything of ----------------------------------------------------------------------------


def among(data: Dataset, kept: list[int], K: int) -> Dataset:
    """The same rows where their classes have these codes, of K; the others have nothing of the targets, and offsets."""
    wide: dict[str, Any] = {"offset": np.full((data.n_rows, K), 50.0), "targets": np.zeros((data.n_rows, K))}
    wide["offset"][:, kept] = 0.0 if data.offset is None else data.offset
    wide["targets"][:, kept] = data.probabilities(slice(None))
    return replace(data, y=np.array(kept)[data.y], classes=np.arange(K), **wide)


@pytest.mark.parametrize(("solver", "l1_ratio"), [(LBFGS(), 0.0), (Newton(), 0.0), (Proximal(), 0.5)])
@pytest.mark.parametrize("C", [0.5, np.inf])
def test_a_class_without_targets_is_left_out_whatever_its_offset(solver: Any, l1_ratio: float, C: float) -> None:
    data, kept = soft(dataset(1, n=80), offset=offsets(80)), [1, 2, 4, 5]
    settings = Settings(solver, C=C, l1_ratio=l1_ratio, tol=1e-8)
    want, alone = fit(data, settings)
    whole = among(data, kept, 7)
    model, solution = fit(whole, settings)
    assert solution.status is alone.status
    assert solution.value == pytest.approx(alone.value, rel=1e-9)
    assert solution.gap <= (1e-8 * solution.value if np.isfinite(C) else np.inf)
    np.testing.assert_allclose(model.W[:, kept], want.W, atol=1e-5)
    p = model.predict_proba(whole.X, whole.offset)
    np.testing.assert_allclose(p[:, kept], want.predict_proba(data.X, data.offset), atol=1e-5)
    assert (np.delete(p, kept, axis=1) == 0).all()
    assert "left out, without rows of any weight: 0, 3, 6" in solution.message


def test_rows_without_weight_may_have_targets_of_what_is_left_out() -> None:
    data = among(soft(dataset(1)), [0, 1, 2, 3], 5)
    T = _of(data.targets, np.arange(40)).copy()
    T[:3] = [0, 0.25, 0, 0, 0.75]
    weights = np.append([0.0] * 3, np.ones(37))
    model, solution = fit(replace(data, targets=T, y=T.argmax(axis=1), weights=weights), Settings(LBFGS(), C=1.0))
    rows = np.arange(3, 40)
    want, other = fit(replace(data, targets=T, y=T.argmax(axis=1)), Settings(LBFGS(), C=1.0), rows=rows)
    assert solution.value == pytest.approx(other.value, rel=1e-6)
    np.testing.assert_allclose(model.W, want.W, atol=1e-3)
    assert (model.W[:, 4] == 0).all()


def test_one_class_that_has_all_there_is_is_right_whatever_the_offsets() -> None:
    data = Dataset(np.zeros((4, 1)), np.ones(4, int), np.arange(3), offset=np.array([[900.0, 0, -5]] * 4))
    model, solution = fit(data, Settings(LBFGS(), C=1.0))
    assert (solution.status, solution.value, solution.gap) == (Status.CONVERGED, 0, 0)
    assert model.predict_proba(data.X, data.offset).tolist() == [[0, 1, 0]] * 4


def test_smoothing_gives_a_class_without_rows_its_share() -> None:
    data = replace(dataset(1), classes=np.arange(6))
    model, solution = fit(data, Settings(LBFGS(), C=1.0, label_smoothing=0.3, tol=1e-9))
    assert solution.status is Status.CONVERGED
    assert "left out" not in solution.message
    np.testing.assert_allclose(model.predict_proba(data.X).mean(axis=0)[4:], 0.05, rtol=1e-4)
    left_out, _ = fit(data, Settings(LBFGS(), C=1.0))
    again, _ = fit(data, Settings(LBFGS(), C=1.0, label_smoothing=0.3, tol=1e-9), start=left_out)
    np.testing.assert_allclose(again.W, model.W, atol=1e-4)


# ---- threads, and bounds --------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("K", [10, 70])
@pytest.mark.parametrize("told", ["targets", "smoothing", "offset"])
def test_the_bits_are_the_same_for_any_number_of_threads(K: int, told: str) -> None:
    data = dataset(1, n=4500, d=12, K=K, dtype="uint8")
    data = soft(data) if told == "targets" else replace(data, offset=offsets(4500, K)) if told == "offset" else data
    order = np.random.default_rng(0).permutation(4500)
    bits = []
    for n_threads in (1, 2, 3, 4, 8):
        f = SoftmaxObjective(data, 1e-3, n_threads=n_threads, smoothing=0.1 if told == "smoothing" else 0.0)
        theta, v = point(f), point(f, 1)
        here = f.evaluate(theta)
        gap = f.gap(theta, here, np.inf, lambda v: v)
        arrays = [here.grad, f.curvature(theta).product(v), f.sweep(theta, order, 2500, 0.1).theta]
        arrays.append(minimise(f, LBFGS(), np.zeros(f.size), max_steps=4).theta)
        bits.append((here.value, gap.bound, [array.tobytes() for array in arrays]))
    assert all(other == bits[0] for other in bits[1:])


@pytest.mark.slow
@pytest.mark.parametrize("solver", [LBFGS(), Newton(), Proximal()])
@pytest.mark.parametrize("told", ["labels", "targets", "offset", "float32"])
def test_a_smoothed_fit_is_certified_and_is_what_it_says(solver: Any, told: str) -> None:
    data = dataset(1, n=9, d=2, K=3, dtype="float32" if told == "float32" else "float64")
    data = soft(data) if told == "targets" else replace(data, offset=offsets(9, 3)) if told == "offset" else data
    best = optimum(smoothed(data), 0.05)
    for tol in (1e-3, 1e-6, 1e-10):
        _, solution = fit(data, Settings(solver, C=1 / 0.45, tol=tol, label_smoothing=SMOOTH))
        assert solution.status is Status.CONVERGED
        assert float(solution.value - best) <= solution.gap <= tol * solution.value


@pytest.mark.slow
@pytest.mark.parametrize("solver", [LBFGS(), Newton(), Proximal()])
def test_without_an_intercept_the_fit_is_certified_too(solver: Any) -> None:
    data = soft(dataset(1, n=9, d=2, K=3), offset=offsets(9, 3))
    best = optimum(smoothed(data), 0.05, intercept=False)
    _, solution = fit(data, Settings(solver, C=1 / 0.45, tol=1e-10, label_smoothing=SMOOTH, fit_intercept=False))
    assert solution.status is Status.CONVERGED
    assert float(solution.value - best) <= solution.gap <= 1e-10 * solution.value


def test_steps_without_an_intercept_leave_it_alone() -> None:
    objective = SoftmaxObjective(soft(dataset(1)), smoothing=SMOOTH, intercept=False)
    theta = point(objective)
    theta[-4:] = 0
    moved = objective.sweep(theta, np.arange(40), 7, 0.1, 0.5, np.zeros_like(theta)).theta
    assert (moved[-4:] == 0).all()
    assert (moved[:-4] != theta[:-4]).all()


@pytest.mark.slow
@given(st.integers(0, 2**32 - 1), st.floats(0.01, 10), st.sampled_from([0.0, 0.5, 1.0]), st.sampled_from([0.0, 0.3]))
def test_no_bound_is_below_what_a_point_is_above_another(seed: int, C: float, ratio: float, epsilon: float) -> None:
    rng = np.random.default_rng(seed)
    n, d, K = (int(v) for v in rng.integers([2, 1, 2], [30, 5, 5]))
    T = rng.dirichlet(np.full(K, rng.choice([0.05, 1.0])), n)
    data = Dataset.from_targets(
        rng.normal(size=(n, d)), T, offset=rng.normal(scale=rng.choice([0.1, 5.0]), size=(n, K))
    )
    smooth = SoftmaxObjective(data, (1 - ratio) / (C * n), smoothing=epsilon)
    f: Any = CompositeObjective(smooth, ratio / (C * n)) if ratio else smooth
    solver: Any = Proximal() if ratio else LBFGS()
    low = minimise(f, solver, np.zeros(f.size), max_steps=100)
    for theta in (low.theta, low.theta + rng.normal(scale=1e-3, size=f.size), rng.normal(size=f.size)):
        here = f.evaluate(theta)
        assert here.value - low.value <= f.gap(theta, here, np.inf, lambda v: v).bound
