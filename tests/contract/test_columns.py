"""What rows bring along beside X, columns and offsets, is in every pass what it is by definition; in every storage."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from numpy.typing import NDArray

from problems import STORAGES, features, offsets
from softreg import kernels
from softreg.kernels import reference

N, D = 130, 7
KINDS = [
    *((storage, dtype) for storage in STORAGES for dtype in ("uint8", "float32", "float64", "int64")),
    ("numpy", "bfloat16"),
]


class Case:
    """Rows with an offset, some of them picked, and the numbers of their definition."""

    def __init__(self, dtype: str, K: int, picked: bool, storage: str = "numpy") -> None:
        rng = np.random.default_rng(1)
        X = features(rng, N, D, "int8" if dtype == "bfloat16" else dtype)
        X = X.astype(ml_dtypes.bfloat16) if dtype == "bfloat16" else X
        index = rng.permutation(N)[:77] if picked else None
        weights = rng.integers(0, 3, N).astype(float) if picked else None
        kept = STORAGES[storage](X)
        self.rows = kernels.Rows(kept, rng.integers(0, K, N).astype(np.int32), weights, index, offset=offsets(N, K))
        self.W, self.b = rng.normal(scale=0.2, size=(D, K)), rng.normal(size=K)
        which = np.arange(N) if index is None else index
        self.X, self.y = X[which].astype(float), self.rows.y[which]
        self.w = np.ones(len(which)) if weights is None else weights[which]
        self.C = rng.normal(size=(K, len(which)))
        self.z = (self.X @ self.W + self.b + offsets(N, K)[which]).T
        self.tolerance = 3e-5 if self.rows.arithmetic is np.float32 else 1e-11

    def columns(self, begin: int, end: int) -> NDArray[np.float64]:
        return self.C[:, begin:end]

    def equal(self, got: Any, want: Any) -> None:
        np.testing.assert_allclose(got, want, rtol=self.tolerance, atol=self.tolerance * np.abs(want).max())


@pytest.fixture(params=KINDS, ids="-".join)
def kind(request: pytest.FixtureRequest) -> tuple[str, str]:
    storage, dtype = request.param
    return storage, dtype


@pytest.fixture(params=[(3, False), (3, True), (90, True)], ids=["few", "few-picked", "many-picked"])
def case(request: pytest.FixtureRequest, kind: tuple[str, str]) -> Case:
    (storage, dtype), (K, picked) = kind, request.param
    return Case(dtype, K, picked, storage)


def test_products_are_those_of_rows_and_columns(instruction_set: str, case: Case) -> None:
    sums = kernels.products(case.rows, len(case.b), case.columns, 2)
    case.equal(sums, np.append(case.X, np.ones((len(case.X), 1)), axis=1).T @ case.C.T)


@pytest.mark.parametrize("changed", [False, True])
def test_the_pass_has_offsets_in_its_logits_and_columns_in_its_residuals(
    instruction_set: str, case: Case, changed: bool
) -> None:
    columns = case.columns if changed else None
    sums = kernels.fused(case.rows, case.W, case.b, 2, columns)
    R = case.z.copy()
    loss, correct = reference.softmax_xent(R, case.y, case.w)
    if changed:
        loss += np.sum(case.C * case.z)
        R += case.C
    case.equal(sums.loss, loss)
    case.equal(sums.grad, np.append(case.X.T @ R.T, [R.sum(axis=1)], axis=0))
    assert sums.n_correct == correct
    case.equal(kernels.loss(case.rows, case.W, case.b, 2, columns), (loss, correct))


def test_logits_probabilities_and_curvature_have_offsets(instruction_set: str, case: Case) -> None:
    case.equal(kernels.logits(case.rows, case.W, case.b, 2), case.z)
    p = np.exp(case.z - case.z.max(axis=0))
    p /= p.sum(axis=0)
    case.equal(kernels.probabilities(case.rows, case.W, case.b, 2), p)
    V, v = np.random.default_rng(2).normal(size=case.W.shape), np.ones(len(case.b))
    want = reference.curvature(case.X, p, V, v, case.w)
    got = kernels.curvature(case.rows, case.W, case.b, V, v, n_threads=2)
    for one, other in zip(got, want, strict=True):
        case.equal(one, other)


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("K", [3, 90])
def test_a_column_of_0_takes_no_notice_of_an_infinite_logit(K: int, storage: str) -> None:
    rows = kernels.Rows(STORAGES[storage](np.array([[1e300], [1.0]])), np.zeros(2, np.int32), np.array([0.0, 1.0]))
    C = np.zeros((K, 2))
    C[0, 1], C[1, 1] = -0.5, 0.5
    with np.errstate(all="ignore"):
        sums = kernels.fused(rows, np.full((1, K), 1e300), np.zeros(K), 1, lambda begin, end: C[:, begin:end])
    assert sums.loss == pytest.approx(np.log(K))


@pytest.mark.parametrize("storage", STORAGES)
def test_steps_in_the_kernel_leave_offsets_to_others(storage: str) -> None:
    case = Case("uint8", 3, picked=False, storage=storage)
    how: dict[str, Any] = {"batch": 8, "rate": 0.1, "mean_weight": 1.0, "l2": 0.0}
    assert kernels.sgd(case.rows, case.W, case.b, 1.0, 0.0, **how) is None
