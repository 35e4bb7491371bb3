"""Dataset: the one check at the door, for every type, and errors that say what, got and wanted."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from problems import DTYPES, dataset
from softreg import Dataset
from softreg.errors import DataError, LabelError, ShapeError, SoftregError

X = np.zeros((3, 2))
Y = np.array([0, 1, 0])
AB = np.array(["a", "b"])


@pytest.mark.parametrize("dtype", [*DTYPES, "bfloat16"])
def test_x_keeps_its_type_and_is_not_copied(dtype: str) -> None:
    if dtype == "bfloat16":
        ml_dtypes = pytest.importorskip("ml_dtypes")
        x = X.astype(ml_dtypes.bfloat16)
    else:
        x = X.astype(dtype)
    data = Dataset(x, Y, AB)
    assert data.X.dtype == x.dtype
    assert np.shares_memory(data.X, x)


def test_any_strides_and_read_only_arrays_pass_without_a_copy(tmp_path: Any) -> None:
    np.save(tmp_path / "x.npy", X)
    frozen = X.copy()
    frozen.flags.writeable = False
    for x in (np.asfortranarray(X), np.zeros((3, 4))[:, ::2], frozen, np.load(tmp_path / "x.npy", mmap_mode="r")):
        assert np.shares_memory(Dataset(x, Y, AB).X, x)


def test_images_become_rows_of_pixels_that_remember_their_shape() -> None:
    data = Dataset(np.zeros((3, 4, 5), dtype=np.uint8), Y, AB)
    assert (data.n_features, data.image_shape) == (20, (4, 5))


def test_no_rows_are_a_dataset() -> None:
    assert Dataset(np.zeros((0, 2)), np.zeros(0, dtype=int), AB).n_rows == 0


@pytest.mark.parametrize(
    ("fields", "error", "words"),
    [
        ({"X": np.zeros(3)}, ShapeError, ["X", "(3,)", "(rows, features)"]),
        ({"X": np.zeros((3, 0))}, ShapeError, ["at least one feature"]),
        ({"X": np.array([["a", "b"]] * 3)}, DataError, ["<U1", "numbers"]),
        ({"X": X.astype(complex)}, DataError, ["complex128", "numbers"]),
        ({"X": np.where(np.eye(3, 2), np.nan, 0)}, DataError, ["nan", "row 0", "column 0"]),
        ({"X": np.where(np.eye(3, 2, -1), -np.inf, 0)}, DataError, ["-inf", "row 1", "column 0"]),
        ({"y": Y[:2]}, ShapeError, ["y", "(2,)", "(3,)"]),
        ({"y": Y.astype(float)}, LabelError, ["float64", "from_labels"]),
        ({"y": np.array([0, 2, -1])}, LabelError, ["2 labels", "first is 2", "row 1"]),
        ({"classes": np.array(["a"])}, LabelError, ["at least two"]),
        ({"classes": np.array(["a", "a"])}, LabelError, ["twice"]),
        ({"classes": np.array([0.5, 1.5])}, LabelError, ["float64"]),
        ({"scale": np.ones(3)}, ShapeError, ["scale", "(3,)", "(2,)"]),
        ({"shift": np.nan}, DataError, ["shift", "nan"]),
        ({"feature_names": ["one"]}, ShapeError, ["feature_names", "(1,)"]),
        ({"weights": np.ones(2)}, ShapeError, ["weights", "(2,)", "(3,)"]),
        ({"weights": np.array([1, -1, np.nan])}, DataError, ["2 weights", "row 1"]),
    ],
)
def test_what_does_not_fit_together_is_refused_by_name(fields: dict[str, Any], error: type, words: list[str]) -> None:
    with pytest.raises(error) as caught:
        Dataset(**({"X": X, "y": Y, "classes": AB} | fields))
    assert isinstance(caught.value, SoftregError)
    assert isinstance(caught.value, ValueError)
    for word in words:
        assert word in str(caught.value)


def test_a_shape_error_keeps_its_facts() -> None:
    with pytest.raises(ShapeError) as caught:
        Dataset(X, Y[:2], AB)
    assert (caught.value.name, caught.value.got) == ("y", (2,))


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (["b", "a", "b"], ["a", "b"]),
        (np.array(["b", "a", "b"], dtype=object), ["a", "b"]),
        ([7, -3, 7], [-3, 7]),
        (np.array([7, 3, 7], dtype=np.uint8), [3, 7]),
        ([True, False, True], [False, True]),
    ],
)
def test_labels_of_any_kind_are_sorted_into_classes(labels: Any, classes: list[Any]) -> None:
    data = Dataset.from_labels(X, labels)
    assert data.classes.tolist() == classes
    assert data.classes[data.y].tolist() == list(labels)


def test_classes_may_be_given_in_an_order_of_their_own() -> None:
    data = Dataset.from_labels(X, ["low", "high", "low"], classes=["low", "mid", "high"])
    assert data.y.tolist() == [0, 2, 0]
    with pytest.raises(LabelError, match=r"1 labels are not among.*'none'.*row 2"):
        Dataset.from_labels(X, ["low", "high", "none"], classes=["low", "mid", "high"])


@pytest.mark.parametrize("labels", [[0.5, 1.0, 0.5], [None, "a", "b"], [["a"], ["b"], ["a"]]])
def test_labels_that_are_none_are_refused(labels: Any) -> None:
    with pytest.raises((LabelError, ShapeError)):
        Dataset.from_labels(X, labels)


T = np.array([[0.5, 0.5], [0.25, 0.75], [1, 0]])


@pytest.mark.parametrize(
    ("fields", "error", "words"),
    [
        ({"targets": T[:, :1]}, ShapeError, ["targets", "(3, 1)", "(3, 2)"]),
        ({"targets": T.ravel()}, ShapeError, ["targets", "(6,)", "(3, 2)"]),
        ({"targets": T.astype(str)}, DataError, ["targets", "numbers"]),
        ({"targets": T * [[1], [1.01], [2]]}, LabelError, ["2 rows", "sum to 1", "row 1", "1.01", "from_targets"]),
        ({"targets": T * 0}, LabelError, ["3 rows", "all 0", "row 0", "leave"]),
        ({"targets": np.where(T == 0.75, np.nan, T)}, LabelError, ["1 rows", "row 1", "[0.25, nan]"]),
        ({"targets": np.where(T == 0.75, np.inf, T)}, LabelError, ["1 rows", "row 1"]),
        ({"targets": [[1, 0], [2, -1], [1, 0]]}, LabelError, ["negative", "row 1", "[2, -1]"]),
        ({"targets": T[[1, 0, 2]]}, LabelError, ["2 labels y", "first is 0 in row 0", "that of 1", "from_targets"]),
        ({"offset": np.zeros(3)}, ShapeError, ["offset", "(3,)", "(3, 2)"]),
        ({"offset": np.where(np.eye(3, 2) > 0, np.nan, 0)}, DataError, ["offset", "nan", "row 0", "column 0"]),
        ({"offset": np.zeros((3, 2), complex)}, DataError, ["offset", "numbers"]),
    ],
)
def test_targets_and_offsets_that_do_not_fit_are_refused(fields: dict[str, Any], error: type, words: list[str]) -> None:
    with pytest.raises(error) as caught:
        Dataset(X, np.array([0, 1, 0]), AB, **fields)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("Y", "error", "words"),
    [
        ([1, 2, 3], ShapeError, ["targets", "(3,)"]),
        ([[1], [1], [1]], ShapeError, ["two classes"]),
        ([[1, 2]], ShapeError, ["(1, 2)", "(3, 2)"]),
        ([[1, 0], [0, 0], [0, 0]], LabelError, ["2 rows", "row 1"]),
        ([[1, 0], [0, 1], [3, -1]], LabelError, ["1 rows", "row 2"]),
        ([[1, 0], [np.nan, 1], [1, 1]], LabelError, ["1 rows", "row 1"]),
    ],
)
def test_tables_that_no_targets_can_be_made_of_are_refused(Y: Any, error: type, words: list[str]) -> None:
    with pytest.raises(error) as caught:
        Dataset.from_targets(X, Y)
    for word in words:
        assert word in str(caught.value)


def test_classes_of_targets_are_given_or_counted() -> None:
    assert Dataset.from_targets(X, T).classes.tolist() == [0, 1]
    data = Dataset.from_targets(X, T, ["no", "yes"], scale=2.0)
    assert (data.classes.tolist(), data.y.tolist(), data.scale) == (["no", "yes"], [0, 1, 0], 2.0)
    with pytest.raises(ShapeError, match=r"targets has shape \(3, 2\); expected \(3, 3\)"):
        Dataset.from_targets(X, T, ["no", "yes", "perhaps"])


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
def test_probabilities_of_any_type_leave_the_weights_exactly_as_they_are(dtype: str) -> None:
    if dtype == "bfloat16":
        dtype = pytest.importorskip("ml_dtypes").bfloat16
    rng = np.random.default_rng(0)
    P = rng.dirichlet(np.ones(30), 200).astype(dtype)
    assert (P.astype(float).sum(axis=1) != 1).any()
    x = np.zeros((200, 1))
    assert Dataset.from_targets(x, P).weights is None
    weights = rng.uniform(size=200)
    data = Dataset.from_targets(x, P, weights=weights)
    assert data.weights is not None
    assert data.weights.tolist() == weights.tolist()
    np.testing.assert_allclose(data.probabilities(slice(None)).sum(axis=1), 1, rtol=1e-15)
    again = dataclasses.replace(Dataset(x, data.y, data.classes, targets=P), scale=2.0)
    np.testing.assert_allclose(again.probabilities(slice(None)), data.probabilities(slice(None)), rtol=1e-14)


def test_a_sum_of_counts_is_a_factor_of_the_weight() -> None:
    data = Dataset.from_targets(X, [[3, 1], [0, 1], [2, 2]], weights=[1.0, 2.0, 0.5])
    assert data.weights is not None
    assert data.weights.tolist() == [4, 2, 2]
    assert data.probabilities(slice(None)).tolist() == [[0.75, 0.25], [0, 1], [0.5, 0.5]]
    assert data.y.tolist() == [0, 1, 0], "the first of equals"
    with pytest.raises(ShapeError, match="weights"):
        Dataset.from_targets(X, [[3, 1], [0, 1], [2, 2]], weights=[1.0])


def test_no_rows_may_have_targets() -> None:
    assert Dataset.from_targets(np.zeros((0, 2)), np.zeros((0, 3))).n_classes == 3


def test_frequencies_are_shares_by_weight_of_some_rows_or_all() -> None:
    X, w = np.zeros((4, 1)), np.array([1.0, 1.0, 2.0, 4.0])
    data = Dataset.from_labels(X, [0, 1, 1, 2], weights=w)
    assert data.weight == 8
    assert data.frequencies().tolist() == [0.125, 0.375, 0.5]
    assert data.frequencies(np.array([0, 1])).tolist() == [0.5, 0.5, 0]
    assert data.frequencies(smoothing=0.5) == pytest.approx(0.5 * np.array([0.125, 0.375, 0.5]) + 0.5 / 3)
    soft = Dataset.from_targets(X, [[1, 0], [1, 1], [0, 2], [3, 1]])
    assert soft.frequencies() == pytest.approx([5 / 9, 4 / 9])
    assert np.isnan(data.frequencies(np.array([], np.int64))).all()


def test_repr_says_how_much_of_what() -> None:
    assert repr(dataset(0, dtype="uint8")) == "Dataset(40 rows, 6 features, 4 classes, uint8)"
