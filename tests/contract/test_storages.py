"""X in any storage gives what it gives in memory; what is broken is refused with its place and a remedy."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from array_api_strict import Device, asarray
from numpy.typing import NDArray

from problems import SOLVERS, STORAGES, dataset, offsets, plain, soft
from softreg import LBFGS, SGD, Dataset, Model, Settings, Status, arrays, fit, kernels
from softreg.errors import DataError, ShapeError
from softreg.inference import marginal_effects, summary
from softreg.kernels import elsewhere, portable, reference, sparse
from softreg.objective import SoftmaxObjective
from softreg.objective import preconditioner as preconditioners
from softreg.objective.sample import Sample

OTHER = [storage for storage in STORAGES if storage != "numpy"]
Y = np.array([0, 1, 0, 1])
AB = np.array(["a", "b"])


def csr(data: Any, indices: Any, indptr: Any, d: int = 3, index: Any = np.int32, dtype: Any = float) -> Any:
    parts = (np.array(data, dtype), np.array(indices, index), np.array(indptr, index))
    return scipy.sparse.csr_array(parts, shape=(len(indptr) - 1, d))


MATRICES = {
    "plain": csr([1, 2, 3, 4], [0, 2, 1, 0], [0, 2, 3, 3, 4]),
    "duplicates": csr([1, 1.5, -0.5, 3, 4, -4, 5], [0, 2, 2, 1, 0, 0, 1], [0, 3, 4, 5, 7]),
    "unsorted": csr([2, 1, 4, 3], [2, 0, 1, 0], [0, 2, 2, 3, 4]),
    "explicit zeros": csr([0, 2, 0, 4], [0, 2, 1, 0], [0, 2, 3, 3, 4]),
    "empty rows": csr([2.0], [1], [0, 0, 0, 1, 1]),
    "nothing at all": csr([], [], [0, 0, 0, 0, 0]),
    "int64 indices": csr([1, 2, 3, 4], [0, 2, 1, 0], [0, 2, 3, 3, 4], index=np.int64),
    "float16": csr([1, 2.5, 3, 4], [0, 2, 1, 0], [0, 2, 3, 3, 4], dtype=np.float16),
    "long double": csr([1, 2.5, 3, 4], [0, 2, 1, 0], [0, 2, 3, 3, 4], dtype=np.longdouble),
    "other byte order": csr([1, 2.5, 3, 4], [0, 2, 1, 0], [0, 2, 3, 3, 4], dtype=">f4"),
    "matrix": scipy.sparse.csr_matrix(np.eye(4)),
}


def dense(X: Any) -> NDArray[np.float64]:
    """Its definition; SciPy has none for float16."""
    out = np.zeros(X.shape)
    for row in range(X.shape[0]):
        for at in range(X.indptr[row], X.indptr[row + 1]):
            out[row, X.indices[at]] += X.data[at]
    return out


@pytest.mark.slow
@pytest.mark.parametrize("name", MATRICES)
@pytest.mark.parametrize("shift", [0.0, 0.5])
def test_a_csr_matrix_of_any_make_is_fitted_as_its_dense_twin_and_left_alone(name: str, shift: float) -> None:
    X = MATRICES[name]
    twin, before = dense(X), [part.copy() for part in (X.data, X.indices, X.indptr)]
    for part in (X.data, X.indices, X.indptr):
        part.flags.writeable = False
    ours, theirs = (Dataset(matrix, Y, AB, scale=np.arange(1.0, X.shape[1] + 1), shift=shift) for matrix in (X, twin))
    assert ours.X is X
    for settings in (
        Settings(LBFGS(), C=1.0),
        Settings("auto", C=1.0, l1_ratio=0.5),
        Settings("auto"),
        Settings("auto", C=1.0, fit_intercept=False),
        Settings("auto", C=1.0, l1_ratio=0.5, fit_intercept=False),
    ):
        ((got, end), (want, _)) = fit(ours, settings), fit(theirs, settings)
        np.testing.assert_allclose(got.predict_proba(X), want.predict_proba(twin), rtol=1e-6)
        assert end.status in (Status.CONVERGED, Status.SEPARABLE, Status.PRECISION_LIMIT)
    for part, old in zip((X.data, X.indices, X.indptr), before, strict=True):
        assert part.tobytes() == old.tobytes()


@pytest.mark.parametrize("name", MATRICES)
def test_rows_of_a_csr_matrix_are_its_dense_twins(name: str) -> None:
    X = MATRICES[name]
    twin = dense(X)
    for which in (slice(0, 4), slice(1, 3), slice(2, 2), slice(3, 9), np.array([3, 0, 0, 2]), np.array([], np.int64)):
        assert (arrays.products(X, which).toarray() == twin[which]).all()
        assert (arrays.dense(X, which) == twin[which]).all()


@pytest.mark.parametrize("form", ["csc", "coo", "bsr", "lil", "dok", "dia"])
def test_another_sparse_format_is_refused_with_the_remedy(form: str) -> None:
    X = scipy.sparse.eye_array(4).asformat(form)
    with pytest.raises(DataError, match=rf"{form} format; expected CSR.*\.tocsr\(\)"):
        Dataset(X, Y, AB)
    with pytest.raises(DataError, match=r"\.tocsr\(\)"):
        Model(np.ones((4, 2)), np.zeros(2), AB).predict(X)


@pytest.mark.parametrize(
    ("data", "indices", "indptr", "message"),
    [
        ([1.0] * 4, [0, 3, 1, 0], [0, 2, 3, 3, 4], r"column 3; expected 0 to 2"),
        ([1.0] * 4, [0, -1, 1, 0], [0, 2, 3, 3, 4], r"column -1; expected 0 to 2"),
        ([1.0] * 4, [0, 2, 1, 0], [0, 3, 2, 3, 4], r"indptr"),
        ([1.0] * 4, [0, 2, 1, 0], [0, 2, 3, 3, 9], r"indptr"),
        ([1.0] * 4, [0, 2, 1, 0], [1, 2, 3, 3, 4], r"indptr"),
        ([1.0] * 2, [0, 2, 1, 0], [0, 2, 3, 3, 4], r"indptr"),
    ],
)
def test_a_broken_csr_matrix_is_refused_before_anything_is_read_outside(
    data: Any, indices: Any, indptr: Any, message: str
) -> None:
    X = csr([1, 2, 3, 4], [0, 2, 1, 0], [0, 2, 3, 3, 4])
    X.data, X.indices, X.indptr = np.array(data), np.array(indices, np.int32), np.array(indptr, np.int32)
    with pytest.raises(DataError, match=message):
        Dataset(X, Y, AB)


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_found_with_its_place(storage: str, bad: float) -> None:
    X = np.zeros((9000, 3))
    X[0, 0] = X[8999, 0] = 1.0
    X[8000, 1], X[8001, 0] = bad, bad
    with pytest.raises(DataError, match=rf"is {bad} in row 8000, column 1"):
        Dataset(STORAGES[storage](X), np.arange(9000) % 2, AB)


@pytest.mark.parametrize("storage", STORAGES)
def test_what_is_not_numbers_or_has_another_shape_is_refused(storage: str) -> None:
    make = STORAGES[storage]
    with pytest.raises(DataError, match="complex128"):
        Dataset(make(np.ones((4, 2), complex)), Y, AB)
    with pytest.raises(ShapeError, match="y has shape"):
        Dataset(make(np.ones((3, 2))), Y, AB)
    with pytest.raises(ShapeError, match="features"):
        Model(np.ones((3, 2)), np.zeros(2), AB).predict(make(np.ones((3, 2))))
    if storage != "numpy":
        with pytest.raises(ShapeError, match="X has shape"):
            Dataset(make(np.ones(4)), Y, AB)


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("K", [2, 5, 80])
def test_a_model_predicts_the_same_from_every_storage(storage: str, K: int) -> None:
    data = dataset(1, n=300, K=K)
    rng = np.random.default_rng(0)
    model = Model(rng.normal(size=(6, K)), rng.normal(size=K), data.classes, scale=0.5, shift=0.1)
    X = STORAGES[storage](data.X)
    assert (model.predict(X) == model.predict(data.X)).all()
    np.testing.assert_allclose(model.predict_proba(X), model.predict_proba(data.X), rtol=1e-12)
    np.testing.assert_allclose(model.predict_log_proba(X), model.predict_log_proba(data.X), rtol=1e-12)
    for got, want in zip(model.predict_topk(X, 2), model.predict_topk(data.X, 2), strict=True):
        assert isinstance(got, np.ndarray)
        assert (got == want).all() if got.dtype.kind == "U" else np.allclose(got, want, rtol=1e-12)
    np.testing.assert_allclose(model.score(Dataset(X, data.y, data.classes)), model.score(data), rtol=1e-12)
    assert len(model.predict(X[:0, :])) == 0


@pytest.mark.slow
@pytest.mark.parametrize("storage", OTHER)
@pytest.mark.parametrize("solver", SOLVERS)
def test_targets_smoothing_and_offsets_are_fitted_as_in_memory(solver: Any, storage: str) -> None:
    steps = 20 if isinstance(solver, SGD) else 300
    settings = Settings(solver, C=0.5, label_smoothing=0.1, max_steps=steps, tol=1e-9)
    fields: Any = {"scale": 0.5, "shift": 0.1, "weights": np.arange(80.0)}
    far = soft(dataset(1, n=80, storage=storage, **fields), offset=offsets(80))
    near = replace(far, X=plain(replace(far, scale=1.0, shift=0.0)))
    (model, got), (other, want) = fit(far, settings), fit(near, settings)
    assert got.status is want.status
    assert isinstance(solver, SGD) or got.status is Status.CONVERGED
    assert got.value == pytest.approx(want.value, rel=1e-8)
    np.testing.assert_allclose(model.W, other.W, atol=1e-4)
    np.testing.assert_allclose(model.score(far), model.score(near), rtol=1e-12)


@pytest.mark.parametrize("storage", OTHER)
@pytest.mark.parametrize("K", [3, 80])
def test_a_prediction_takes_offsets_in_every_storage(storage: str, K: int) -> None:
    data, offset = dataset(1, n=300, K=K), offsets(300, K)
    rng = np.random.default_rng(0)
    model = Model(rng.normal(size=(6, K)), rng.normal(size=K), data.classes, scale=0.5, shift=0.1)
    X = STORAGES[storage](data.X)
    for predict in ("logits", "predict_proba", "predict_log_proba"):
        got, want = (getattr(model, predict)(x, offset=offset) for x in (X, data.X))
        np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-13)
    assert (model.predict(X, offset) == model.predict(data.X, offset)).all()
    assert (model.predict_topk(X, 2, offset)[0] == model.predict_topk(data.X, 2, offset)[0]).all()
    with pytest.raises(ShapeError, match="offset"):
        model.predict(X, offset[:, :2])


@pytest.mark.parametrize("storage", OTHER)
def test_counts_go_with_every_storage(storage: str) -> None:
    X, counts = np.arange(8.0).reshape(4, 2), [[9, 1, 0], [5, 4, 1], [2, 6, 2], [0, 3, 7]]
    data = Dataset.from_targets(STORAGES[storage](X), counts)
    assert type(data.X) is type(STORAGES[storage](X))
    (model, got), (_, want) = (fit(d, Settings(LBFGS(), C=1.0)) for d in (data, Dataset.from_targets(X, counts)))
    assert got.value == pytest.approx(want.value, rel=1e-10)
    assert model.score(data).loss == pytest.approx(model.score(Dataset.from_targets(X, counts)).loss, rel=1e-12)
    with pytest.raises(ShapeError, match="targets"):
        Dataset.from_targets(STORAGES[storage](X), counts[:3])


@pytest.mark.slow
@pytest.mark.parametrize("storage", OTHER)
@pytest.mark.parametrize("solver", ["auto", LBFGS()], ids=["auto", "lbfgs"])
@pytest.mark.parametrize("both", [0, 10], ids=["apart", "overlapping"])
def test_targets_and_offsets_are_separated_as_in_memory(storage: str, solver: Any, both: int) -> None:
    """A row in the middle gives something to two classes; that alone separates them quasi-completely."""
    X = np.repeat([-1.0, 0.0, 1.0], 10)[:, None]
    T = np.zeros((30, 2))
    T[:10, 0] = T[20:, 1] = 1.0
    T[10:20] = 0.5
    T[20 : 20 + both] = [0.25, 0.75]
    T[:both] = [0.75, 0.25]
    ends = []
    for x in (X, STORAGES[storage](X)):
        data = Dataset(x, T.argmax(axis=1), AB, targets=T, offset=offsets(30, 2))
        ends.append(fit(data, Settings(solver, max_steps=300))[1])
    assert ends[0].status is ends[1].status
    assert (ends[1].status is Status.SEPARABLE) == (both == 0)
    assert [end.separation is None for end in ends] == [both > 0] * 2


@pytest.mark.parametrize("storage", OTHER)
def test_inference_is_that_of_memory(storage: str) -> None:
    results = []
    for kept in (storage, "numpy"):
        data = dataset(1, n=300, dtype="uint8", storage=kept, scale=0.5, shift=0.1)
        model, _ = fit(data, Settings("auto", tol=1e-12))
        given = (model, data.X, data.classes[data.y])
        results.append((summary(*given).standard_errors, marginal_effects(*given, discrete=True).effects))
    for got, want in zip(*results, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-6)


@pytest.mark.parametrize("storage", OTHER)
def test_a_row_without_finite_logits_is_named(storage: str) -> None:
    X = np.ones((5, 1))
    X[3] = np.nan
    with pytest.raises(DataError, match="row 3 of X"):
        Model(np.ones((1, 2)), np.zeros(2), AB).predict(STORAGES[storage](X))


@pytest.mark.parametrize("storage", OTHER)
@pytest.mark.parametrize("z", [[1e4, -1e4, 0], [np.inf, 0, 0], [-np.inf, 0, 1], [np.nan, 0, 0], [50, 0, -np.inf]])
@pytest.mark.parametrize("weights", [None, [2.0], [0.0]])
def test_losses_and_residuals_of_extreme_logits_are_the_references(storage: str, z: Any, weights: Any) -> None:
    w = None if weights is None else np.array(weights)
    for label in range(3):
        rows = kernels.Rows(STORAGES[storage](np.ones((1, 1))), np.array([label], np.int32), w)
        want = np.array(z, float)[:, None]
        with np.errstate(all="ignore"):
            loss, correct = reference.softmax_xent(want, rows.y, w)
            got = kernels.fused(rows, np.zeros((1, 3)), np.array(z, float))
        np.testing.assert_allclose([got.loss, got.n_correct], [loss, correct], rtol=1e-14)
        np.testing.assert_allclose(got.b, want[:, 0], rtol=1e-14)


@pytest.mark.parametrize("storage", OTHER)
def test_sizes_of_blocks_change_nothing_but_rounding(storage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    objective = SoftmaxObjective(dataset(1, n=500, storage=storage, weights=np.arange(500.0)), 0.1)
    theta = np.random.default_rng(0).normal(size=objective.size)
    whole, product = objective.evaluate(theta), objective.curvature(theta).product(theta)
    monkeypatch.setattr(sparse, "LOGITS", 4 * 7)
    monkeypatch.setattr(elsewhere, "BLOCK_BYTES", 8 * 6 * 7)
    pieces = objective.evaluate(theta)
    np.testing.assert_allclose(pieces.grad, whole.grad, rtol=1e-12, atol=1e-14)
    assert pieces.value == pytest.approx(whole.value, rel=1e-14)
    np.testing.assert_allclose(objective.curvature(theta).product(theta), product, rtol=1e-12, atol=1e-14)


def test_where_sums_are_large_fewer_threads_work_and_the_bits_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[Any] = []

    def counted(function: Any, items: Any, n_threads: Any) -> Any:
        threads.append(n_threads)
        return kernels.in_order(function, items, n_threads)

    objective = SoftmaxObjective(dataset(1, n=9000, storage="csr"), 0.1, n_threads=2)
    theta = np.random.default_rng(0).normal(size=objective.size)
    whole = objective.evaluate(theta)
    monkeypatch.setattr(portable, "in_order", counted)
    monkeypatch.setattr(portable, "SUMS_BYTES", 0)
    assert objective.evaluate(theta).grad.tobytes() == whole.grad.tobytes()
    assert threads == [1]


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("storage", OTHER)
def test_the_diagonal_preconditioner_is_that_of_memory(
    storage: str, intercept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preconditioners, "MAX_BYTES", 0)
    fields: Any = {"scale": np.array([1, 0.5, -2, 1, 0, 3]), "shift": np.arange(6.0)}
    theta = np.random.default_rng(0).normal(size=28)
    ours, theirs = (
        SoftmaxObjective(dataset(1, n=9000, storage=s, **fields), 0.1, intercept=intercept) for s in (storage, "numpy")
    )
    got, want = (f.preconditioner(theta, coarse=True)(np.ones(28)) for f in (ours, theirs))
    np.testing.assert_allclose(got, want, rtol=1e-9)


@pytest.mark.parametrize("intercept", [True, False])
def test_squares_and_extents_of_duplicates_are_those_of_their_sums(intercept: bool) -> None:
    X = MATRICES["duplicates"]
    ours, theirs = (
        Sample(Dataset(matrix, Y, AB, scale=-2.0, shift=1.0), np.arange(4), intercept) for matrix in (X, X.toarray())
    )
    h = np.arange(8.0).reshape(4, 2)
    for got, want in zip(ours.spread(np.arange(4), h), theirs.spread(np.arange(4), h), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-14)


def wide(n: int, d: int, per_row: int) -> Any:
    rng = np.random.default_rng(0)
    indices = (d * rng.power(0.3, size=n * per_row)).astype(np.int32).clip(0, d - 1)
    X = scipy.sparse.csr_array((rng.exponential(size=n * per_row), indices, np.arange(n + 1) * per_row), shape=(n, d))
    scores = X @ rng.normal(size=(d, 3)) + 5 * rng.gumbel(size=(n, 3))
    return X, scores.argmax(axis=1)


@pytest.mark.slow
@pytest.mark.parametrize("fields", [{}, {"scale": 0.5, "shift": 0.1}], ids=["plain", "shifted"])
@pytest.mark.parametrize("l1_ratio", [0.0, 1.0])
@pytest.mark.parametrize("smoothing", [0.0, 0.1], ids=["labels", "smoothed"])
def test_a_wide_sparse_fit_is_certified_and_never_densified(smoothing: float, l1_ratio: float, fields: Any) -> None:
    X, y = wide(2000, 20_000, 20)  # 320 MB as an array
    if smoothing:
        fields = {**fields, "targets": np.eye(3)[y], "offset": offsets(2000, 3)}
    tracemalloc.start()
    data = Dataset(X, y, np.arange(3), **fields)
    _, solution = fit(data, Settings("auto", C=0.1, l1_ratio=l1_ratio, tol=1e-4, label_smoothing=smoothing))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert solution.status is Status.CONVERGED
    assert most < 130e6


def test_scipys_sparse_matrices_are_imported_with_the_first_of_them() -> None:
    code = "import softreg, sys; assert 'scipy' not in sys.modules and 'array_api_compat' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_images_on_a_device_become_rows_that_stay_there() -> None:
    images: NDArray[Any] = np.arange(16, dtype=np.uint8).reshape(4, 2, 2)
    far = asarray(images, device=Device("device1"))
    data = Dataset(far, Y, AB)
    assert (data.image_shape, data.X.shape, data.X.device) == ((2, 2), (4, 4), Device("device1"))
    assert repr(data) == "Dataset(4 rows, 4 features, 2 classes, uint8)"
    assert (arrays.dense(data.X, slice(0, 4)) == images.reshape(4, 4)).all()
    model = Model(np.eye(4)[:, :2], np.zeros(2), AB)
    assert (model.predict(far) == model.predict(images)).all()


def test_what_is_on_a_device_stays_there(monkeypatch: pytest.MonkeyPatch) -> None:
    data = dataset(1, n=500, storage="device")
    came: list[int] = []

    def counted(x: Any) -> NDArray[Any]:
        came.append(x.size)
        return arrays.as_numpy(x)

    monkeypatch.setattr(elsewhere, "as_numpy", counted)
    objective = SoftmaxObjective(data)
    objective.evaluate(np.zeros(objective.size))
    objective.curvature(np.zeros(objective.size), 1.0)
    assert came[0] == objective.size
    assert all(size in (objective.size, data.n_rows * data.n_classes) for size in came), "sums, or probabilities"


def test_other_libraries_arrays_in_memory_are_read_where_they_are() -> None:
    near = asarray(np.arange(8.0).reshape(4, 2))
    data = Dataset(near, Y, AB)
    assert isinstance(data.X, np.ndarray)
    near[0, 0] = 7.0
    assert data.X[0, 0] == 7.0


class TestTorch:
    """Tensors are read in place; on another device they stay."""

    torch: Any

    @pytest.fixture(autouse=True)
    def _torch(self) -> None:
        self.torch = pytest.importorskip("torch", reason="torch is not installed")

    @pytest.mark.slow
    @pytest.mark.parametrize("dtype", ["uint8", "int16", "float16", "bfloat16", "float32", "float64"])
    def test_a_tensor_is_read_in_place(self, dtype: str) -> None:
        if dtype == "bfloat16":
            pytest.importorskip("ml_dtypes")
        tensor = self.torch.arange(8).reshape(4, 2).to(getattr(self.torch, dtype))
        data = Dataset(tensor, Y, AB)
        assert data.X.dtype.name == dtype
        tensor[0, 0] = 7
        assert data.X[0, 0] == 7
        _, solution = fit(data, Settings("auto", C=1.0))
        assert solution.status is Status.CONVERGED

    def test_one_that_keeps_account_of_its_gradient_and_one_by_columns_are_too(self) -> None:
        for tensor in (self.torch.ones(4, 2, requires_grad=True), self.torch.ones(2, 4).T):
            data = Dataset(tensor, Y, AB)
            assert data.X.ctypes.data == tensor.data_ptr()

    def test_what_has_no_numbers_in_memory_is_refused(self) -> None:
        with pytest.raises(DataError, match="cannot be read"):
            Dataset(self.torch.ones(4, 2, device="meta"), Y, AB)
        with pytest.raises(DataError, match="cannot be read in place"):
            Dataset(self.torch.ones(4, 2).to_sparse(), Y, AB)

    @pytest.mark.parametrize("dtype", ["uint8", "bfloat16", "float32", "float64"])
    @pytest.mark.parametrize("told", [False, True], ids=["labels", "targets-and-offsets"])
    def test_elsewhere_it_is_computed_with_there(self, dtype: str, told: bool, monkeypatch: pytest.MonkeyPatch) -> None:
        """As if the processor's memory were another device's: there may be no other."""
        fields: Any = {"scale": 0.5, "shift": 0.25, "weights": np.arange(300.0)}
        data = (
            soft(dataset(2, n=300, dtype="uint8", **fields), offset=offsets(300))
            if told
            else dataset(2, n=300, dtype="uint8", **fields)
        )
        tensor = self.torch.tensor(data.X).to(getattr(self.torch, dtype))
        monkeypatch.setattr(arrays, "HOST", ())
        monkeypatch.setattr(arrays, "as_numpy", lambda x: np.asarray(x))
        monkeypatch.setattr(elsewhere, "as_numpy", lambda x: np.asarray(x))
        far = replace(data, X=tensor)
        assert far.X.data_ptr() == tensor.data_ptr()
        ours, theirs = SoftmaxObjective(far, 0.1), SoftmaxObjective(data, 0.1)
        theta = np.random.default_rng(0).normal(size=ours.size)
        np.testing.assert_allclose(ours.evaluate(theta).grad, theirs.evaluate(theta).grad, atol=1e-6)
        of_batch, want = (f.batch(np.arange(99), theta).grad for f in (ours, theirs))
        np.testing.assert_allclose(of_batch, want, atol=1e-6)
        ones = np.ones((4, 300))
        sums, want = (kernels.products(f.kernel_rows, 4, lambda a, b: ones[:, a:b]) for f in (ours, theirs))
        np.testing.assert_allclose(sums, want, rtol=1e-6)
        product, want = (f.curvature(theta).product(theta) for f in (ours, theirs))
        np.testing.assert_allclose(product, want, atol=1e-5)
        (model, got), (_, expected) = (fit(part, Settings("auto", C=1.0, tol=1e-8)) for part in (far, data))
        assert got.value == pytest.approx(expected.value, rel=1e-8)
        assert (model.predict(tensor) == model.predict(data.X)).all()
