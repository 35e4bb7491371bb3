"""SoftmaxRegression: scikit-learn's contract over the engine, and what there is beyond it."""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from softreg import LBFGS, Model, SoftmaxRegression
from softreg.errors import DataError, LabelError, SettingError

X, Y = load_iris(return_X_y=True)
NAMES = load_iris().target_names
EXACT = 1e-12


def exact(**params: Any) -> SoftmaxRegression:
    return SoftmaxRegression(**{"tol": EXACT, **params})


# ---- the same model as scikit-learn's, nearer to the optimum -------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("solver", ["auto", "lbfgs", "newton", "newton-cholesky", "newton-cg", "sag", "saga", LBFGS()])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("K", [2, 3])
def test_every_solver_ends_where_scikit_learn_does(solver: Any, fit_intercept: bool, K: int) -> None:
    some = K > Y
    theirs = LogisticRegression(C=0.5, fit_intercept=fit_intercept, tol=1e-10, max_iter=10_000).fit(X[some], Y[some])
    ours = exact(C=0.5, fit_intercept=fit_intercept, solver=solver).fit(X[some], Y[some])
    assert ours.coef_.shape == theirs.coef_.shape
    assert ours.intercept_.shape == theirs.intercept_.shape
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-5)
    np.testing.assert_allclose(ours.decision_function(X), theirs.decision_function(X), atol=1e-4)
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))


@pytest.mark.parametrize("class_weight", ["balanced", {0: 1.0, 1: 3.0, 2: 0.5}])
def test_classes_weigh_as_in_scikit_learn(class_weight: Any) -> None:
    w = np.arange(1.0, 151.0)
    theirs = LogisticRegression(class_weight=class_weight, tol=1e-10, solver="newton-cholesky").fit(X, Y, w)
    np.testing.assert_allclose(exact(class_weight=class_weight).fit(X, Y, w).coef_, theirs.coef_, atol=1e-5)


@pytest.mark.parametrize("l1_ratio", [0.5, 1.0])
def test_l1_and_the_elastic_net_end_where_saga_does(l1_ratio: float) -> None:
    scaled = StandardScaler().fit_transform(X)
    theirs = LogisticRegression(C=0.1, l1_ratio=l1_ratio, solver="saga", tol=1e-10, max_iter=100_000).fit(scaled, Y)
    ours = exact(C=0.1, l1_ratio=l1_ratio).fit(scaled, Y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-5)
    np.testing.assert_array_equal(ours.coef_ == 0, theirs.coef_ == 0)


def test_standardised_units_are_those_of_a_scaler_before_it_with_coefficients_in_the_callers() -> None:
    w = np.arange(1.0, 151.0)
    scaler = StandardScaler().fit(X, sample_weight=w)
    apart, within = exact().fit(scaler.transform(X), Y, w), exact(standardize=True).fit(X, Y, w)
    np.testing.assert_allclose(within.coef_, apart.coef_ / scaler.scale_, atol=1e-9)
    np.testing.assert_allclose(within.predict_proba(X), apart.predict_proba(scaler.transform(X)), atol=1e-9)
    twice = exact(standardize=True, scale=3.0, shift=-1.0).fit(X, Y, w)
    np.testing.assert_allclose(twice.coef_, within.coef_, atol=1e-9)


def test_scale_and_shift_are_the_units_of_the_penalty() -> None:
    apart, within = exact().fit(0.5 * X - 1, Y), exact(scale=0.5, shift=-1.0).fit(X, Y)
    np.testing.assert_allclose(within.predict_proba(X), apart.predict_proba(0.5 * X - 1), atol=1e-9)
    np.testing.assert_allclose(within.coef_, apart.coef_ * 0.5, atol=1e-9)


# ---- X -------------------------------------------------------------------------------------------------------------


def in_pandas(values: Any) -> Any:
    pandas = pytest.importorskip("pandas")
    return pandas.DataFrame(values, columns=["a", "b", "c", "d"])


def in_polars(values: Any) -> Any:
    return pytest.importorskip("polars").DataFrame(values, schema=["a", "b", "c", "d"])


def in_arrow(values: Any) -> Any:
    pyarrow = pytest.importorskip("pyarrow")
    return pyarrow.table({name: values[:, j] for j, name in enumerate("abcd")})


TABLES = [in_pandas, in_polars, in_arrow]


@pytest.mark.parametrize("form", [*TABLES, lambda v: v.tolist(), np.asfortranarray, lambda v: v[::-1][::-1]])
def test_every_form_of_x_gives_the_same_model(form: Any) -> None:
    model = exact().fit(form(X), Y)
    np.testing.assert_allclose(model.coef_, exact().fit(X, Y).coef_, atol=1e-9)
    np.testing.assert_allclose(model.predict_proba(form(X)), exact().fit(X, Y).predict_proba(X), atol=1e-9)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "int64", "float16", "float32", "bfloat16"])
def test_every_type_of_x_is_read_as_it_is(dtype: str) -> None:
    small = (X.round() > 2) if dtype == "bool" else X.round()
    given = small.astype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    model = exact(tol=1e-6).fit(given, Y)
    np.testing.assert_allclose(model.predict_proba(given), model.predict_proba(small.astype(float)), atol=1e-5)
    np.testing.assert_allclose(model.coef_, exact(tol=1e-6).fit(small.astype(float), Y).coef_, atol=1e-3)
    assert model.coef_.dtype == (np.float32 if dtype == "float32" else np.float64)


def test_a_memory_map_that_is_read_only_is_read_in_place(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    np.testing.assert_array_equal(exact().fit(mapped, Y).predict(mapped), exact().fit(X, Y).predict(X))


@pytest.mark.parametrize("missing", ["error", "zero", "mean"])
def test_a_csr_matrix_gives_the_same_model(missing: str) -> None:
    given = np.where(X < 1, 0.0, X)
    if missing != "error":
        given[[3, 7], [1, 2]] = np.nan
    sparse = csr_array(given)
    model = exact(missing=missing).fit(sparse, Y)
    np.testing.assert_allclose(model.coef_, exact(missing=missing).fit(given, Y).coef_, atol=1e-8)
    np.testing.assert_allclose(model.predict_proba(sparse), model.predict_proba(given), atol=1e-12)
    assert exact(standardize=True).fit(csr_array(X), Y).score(csr_array(X), Y) > 0.95
    with pytest.raises(DataError, match=r"Input X contains NaN\. 1 value in column 1 and row 0"):
        SoftmaxRegression().fit(csr_array(np.array([[0.0, np.nan], [1.0, 2.0]])), [0, 1])


def test_torch_tensors_give_torch_tensors() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    model = exact().fit(torch.tensor(X), torch.tensor(Y))
    for name in ("coef_", "intercept_", "n_iter_"):
        assert isinstance(getattr(model, name), torch.Tensor), name
    for name in ("predict", "predict_proba", "decision_function"):
        assert isinstance(getattr(model, name)(torch.tensor(X)), torch.Tensor), name
    np.testing.assert_allclose(model.coef_.numpy(), exact().fit(X, Y).coef_, atol=1e-9)


@pytest.mark.parametrize("form", TABLES)
def test_names_of_columns_are_remembered_and_others_are_refused(form: Any) -> None:
    table = form(X)
    model = SoftmaxRegression().fit(table, Y)
    assert model.feature_names_in_.tolist() == ["a", "b", "c", "d"]
    assert model.model_.feature_names == ("a", "b", "c", "d")
    other = table.rename({"a": "z"}) if hasattr(table, "lazy") else None
    if other is not None:
        with pytest.raises(ValueError, match="feature names should match"):
            model.predict(other)


def test_columns_that_are_not_numbers_are_named_with_the_encoder_to_use() -> None:
    table = in_pandas(X).assign(e="text", f=pytest.importorskip("pandas").Categorical(["u", "v"] * 75))
    with pytest.raises(DataError, match=r"not numbers: 'e' \(String\), 'f' \(Categorical\).*OneHotEncoder"):
        SoftmaxRegression().fit(table, Y)


def test_objects_that_are_numbers_are_numbers() -> None:
    table = in_pandas(X)
    found = SoftmaxRegression().fit(table.astype(object), Y).coef_
    np.testing.assert_array_equal(found, SoftmaxRegression().fit(table, Y).coef_)
    holed = table.astype(object)
    holed.iloc[3, 1] = None
    assert SoftmaxRegression(missing="zero").fit(holed, Y).predict(holed).shape == (150,)


def test_tables_that_are_not_read_are_told_what_makes_them_so() -> None:
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    with pytest.raises(DataError, match=r"sparse columns.*X\.sparse\.to_coo\(\)\.tocsr\(\).*to_dense"):
        SoftmaxRegression().fit(in_pandas(X).astype(pandas.SparseDtype(float)), Y)
    with pytest.raises(DataError, match=r"LazyFrame.*X\.collect\(\)"):
        SoftmaxRegression().fit(polars.DataFrame(X).lazy(), Y)


def test_booleans_beside_numbers_and_missing_integers_are_numbers() -> None:
    pandas = pytest.importorskip("pandas")
    table = in_pandas(X).assign(e=Y == 0, f=pandas.array([1, None] * 75, dtype="Int64"))
    model = SoftmaxRegression(missing="mean").fit(table, Y)
    assert model.fill_[5] == 1.0
    assert model.coef_.shape == (3, 6)


# ---- what is missing -----------------------------------------------------------------------------------------------


def gaps() -> Any:
    holed = X.copy()
    holed[[3, 7], [1, 2]] = np.nan
    return holed


def test_missing_values_are_an_error_that_says_where() -> None:
    with pytest.raises(
        DataError, match=r"Input X contains NaN\. 2 values in column 1, 2 and row 3, 7 .*missing='mean'"
    ):
        SoftmaxRegression().fit(gaps(), Y)
    with pytest.raises(DataError, match="column 'b', 'c' and row 3, 7"):
        SoftmaxRegression().fit(in_pandas(gaps()), Y)
    with pytest.raises(DataError, match="Input X contains NaN"):
        SoftmaxRegression().fit(X, Y).predict(gaps())
    with pytest.raises(DataError, match="Input X contains infinity"):
        SoftmaxRegression(missing="mean").fit(np.where(np.isnan(gaps()), np.inf, X), Y)


@pytest.mark.parametrize(("missing", "value"), [("zero", 0.0), ("mean", None)])
def test_missing_values_are_filled_in_where_that_is_asked_for(missing: str, value: float | None) -> None:
    filled = np.where(np.isnan(gaps()), np.nanmean(gaps(), axis=0) if value is None else value, X)
    model, given = exact(missing=missing), gaps()
    np.testing.assert_allclose(model.fit(given, Y).coef_, exact().fit(filled, Y).coef_, atol=1e-9)
    np.testing.assert_allclose(model.predict_proba(given), model.predict_proba(filled), atol=1e-12)
    assert np.isnan(given).sum() == 2, "X is as it was"


# ---- y -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (NAMES[Y], ["setosa", "versicolor", "virginica"]),
        (NAMES[Y].astype(object), ["setosa", "versicolor", "virginica"]),
        (NAMES[Y].tolist(), ["setosa", "versicolor", "virginica"]),
        (Y.astype(float), [0.0, 1.0, 2.0]),
        (Y - 7, [-7, -6, -5]),
        (Y > 0, [False, True]),
    ],
)
def test_labels_keep_their_type(labels: Any, classes: list[Any]) -> None:
    model = SoftmaxRegression().fit(X, labels)
    assert model.classes_.tolist() == classes
    assert model.classes_.dtype == np.asarray(labels).dtype
    assert model.predict(X[:1]).tolist() == np.asarray(labels)[:1].tolist()
    assert model.model_.predict(X[:1]).tolist() == np.asarray(labels)[:1].tolist()


def test_categories_keep_their_order() -> None:
    pandas = pytest.importorskip("pandas")
    order = ["virginica", "setosa", "unseen", "versicolor"]
    labels = pandas.Series(pandas.Categorical(NAMES[Y], categories=order))
    for given in (labels, labels.array):
        model = SoftmaxRegression().fit(X, given)
        assert model.classes_.tolist() == ["virginica", "setosa", "versicolor"]
    assert model.score(X, NAMES[Y]) > 0.95


def test_a_column_of_labels_is_taken_with_scikit_learns_warning() -> None:
    with pytest.warns(DataConversionWarning):
        assert SoftmaxRegression().fit(X, Y[:, None]).coef_.shape == (3, 4)


COUNTS = np.random.default_rng(0).multinomial(5, [0.2, 0.3, 0.5], size=150)


@pytest.mark.parametrize("class_weight", [None, "balanced", {0: 1.0, 1: 2.0, 2: 0.5}])
def test_rows_of_counts_are_as_many_labelled_rows(class_weight: Any) -> None:
    counted = exact(class_weight=class_weight).fit(X, COUNTS)
    repeated = np.repeat(X, 3, axis=0), np.tile(np.arange(3), 150)
    want = exact(class_weight=class_weight).fit(*repeated, sample_weight=COUNTS.ravel())
    np.testing.assert_allclose(counted.coef_, want.coef_, atol=1e-9)


def test_smoothed_labels_are_rows_of_probabilities() -> None:
    smoothed = np.full((150, 3), 0.1 / 3) + 0.9 * np.eye(3)[Y]
    np.testing.assert_allclose(exact(label_smoothing=0.1).fit(X, Y).coef_, exact().fit(X, smoothed).coef_, atol=1e-9)


def test_an_offset_is_taken_off_the_weights() -> None:
    labels, V = np.random.default_rng(1).integers(0, 3, 150), np.random.default_rng(2).normal(size=(4, 3))
    plain = SoftmaxRegression(C=math.inf).fit(X, labels)
    moved = SoftmaxRegression(C=math.inf).fit(X, labels, offset=X @ V)
    both = moved.coef_.T + V
    np.testing.assert_allclose(both - both.mean(axis=1, keepdims=True), plain.coef_.T, atol=1e-8)


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        (np.zeros(150), LabelError, "at least 2 classes in the data, but the data contains only one class: 0"),
        (np.linspace(0, 1, 150), ValueError, "Unknown label type: continuous"),
        (np.r_[np.nan, Y[1:]], ValueError, "contains NaN"),
        (np.array(["a", 1] * 75, object), LabelError, "several types, int, str"),
        (Y[:-1], ValueError, "inconsistent numbers of samples"),
        (np.where(np.arange(150)[:, None] == 4, 0, COUNTS), LabelError, "row 4"),
        (None, ValueError, "target y is None"),
    ],
)
def test_labels_that_are_none_are_refused(labels: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        SoftmaxRegression().fit(X, labels)


# ---- how it ended --------------------------------------------------------------------------------------------------


def test_how_a_fit_ended_is_told_and_true() -> None:
    model = SoftmaxRegression().fit(X, Y)
    assert model.status_name_ == "CONVERGED"
    assert 0 <= model.certificate_ <= model.tol
    assert "relative gap is at most" in model.status_
    best = exact().fit(X, Y).history_["value"][-1]
    assert model.history_["value"][-1] - best <= model.certificate_ * model.history_["value"][-1]
    assert model.n_iter_.tolist() == [len(model.history_["value"])]
    assert model.solver_.startswith("Newton")


def test_too_few_steps_are_a_warning_with_the_gap() -> None:
    with pytest.warns(
        ConvergenceWarning, match=r"lbfgs failed to converge.*relative gap is at most.*Increase the number"
    ):
        model = SoftmaxRegression(solver="lbfgs", max_iter=2).fit(X, Y)
    assert model.status_name_ == "MAX_STEPS"


def test_minibatches_on_columns_of_unlike_units_are_told_what_makes_them_quick() -> None:
    units = X * [1.0, 100.0, 0.01, 1.0]
    with pytest.warns(ConvergenceWarning, match="sgd failed to converge.*unlike units.*standardize=True brings"):
        slow = SoftmaxRegression(solver="sgd", max_iter=30, tol=1e-6).fit(units, Y)
    quick = SoftmaxRegression(solver="sgd", max_iter=30, tol=1e-6, standardize=True)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        quick.fit(units, Y)
    assert not any("unlike units" in str(one.message) for one in told)
    assert slow.history_["loss"][-1] > 2 * quick.history_["loss"][-1]


def test_separated_classes_without_a_penalty_are_a_warning_that_names_them() -> None:
    with pytest.warns(ConvergenceWarning, match="separated, False from True"):
        assert SoftmaxRegression(C=math.inf).fit(X, Y > 0).status_name_ == "SEPARABLE"


def test_ctrl_c_leaves_the_model_so_far_and_is_raised_again() -> None:
    def stop(step: Any, score: Any) -> None:
        if step.number == 2:
            raise KeyboardInterrupt

    model = SoftmaxRegression(solver="lbfgs", callbacks=stop)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y)
    assert model.status_name_ == "INTERRUPTED"
    assert model.score(X, Y) > 0.5


def test_callbacks_may_stop_a_fit() -> None:
    seen: list[int] = []
    model = SoftmaxRegression(
        solver="lbfgs", callbacks=[lambda step, score: seen.append(step.number), lambda s, _: "enough"]
    )
    assert model.fit(X, Y).status_.startswith("stopped by a callback: enough")
    assert seen == [1]


def test_scikit_learns_callbacks_are_told_of_every_step() -> None:
    recorder = Recorder()
    model = SoftmaxRegression(solver="lbfgs").set_callbacks(recorder).fit(X, Y)
    assert recorder.said[0] == "setup"
    assert recorder.said[-1] == "teardown"
    assert model.n_iter_[0] == 3
    assert model.status_name_ == "STOPPED"
    np.testing.assert_array_equal(recorder.last.predict_proba(X), model.predict_proba(X))


class Recorder:
    """Follows scikit-learn's protocol, and stops the fit after three steps."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.last: Any = None

    def setup(self, estimator: Any, context: Any) -> None:
        self.said.append("setup")

    def teardown(self, estimator: Any, context: Any) -> None:
        self.said.append("teardown")

    def on_fit_task_begin(self, estimator: Any, context: Any, *, X: Any = None) -> None:
        self.said.append("begin")

    def on_fit_task_end(self, estimator: Any, context: Any, *, fitted_estimator: Any = None) -> bool:
        self.said.append("end")
        self.last = fitted_estimator or self.last
        return self.said.count("end") == 3


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("solver", ["lbfgs", "sgd"])
def test_early_stopping_keeps_the_best_step(solver: str) -> None:
    model = SoftmaxRegression(
        solver=solver,
        C=math.inf,
        standardize=True,
        learning_rate=5.0,
        batch_size=10,
        early_stopping=True,
        n_iter_no_change=3,
        validation_fraction=0.3,
        random_state=1,
    ).fit(X, Y)
    losses = model.history_["validation_loss"]
    assert losses.min() < losses[-1]
    again = clone(model).fit(X, Y)
    np.testing.assert_array_equal(again.coef_, model.coef_)


def test_a_line_is_written_for_each_step(capsys: pytest.CaptureFixture[str]) -> None:
    model = SoftmaxRegression(verbose=1).fit(X, Y)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == model.n_iter_[0]
    assert lines[0].startswith("step 1: value ")


# ---- starting from what there is -----------------------------------------------------------------------------------


def test_a_warm_start_at_the_optimum_stays_there() -> None:
    model = exact(warm_start=True, solver="lbfgs").fit(X, Y)
    before = model.coef_.copy()
    model.set_params(max_iter=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        np.testing.assert_allclose(model.fit(X, Y).coef_, before, atol=1e-5)


def test_a_warm_start_takes_classes_that_have_changed() -> None:
    model = exact(warm_start=True).fit(X[:100], NAMES[Y][:100])
    np.testing.assert_allclose(model.fit(X, NAMES[Y]).coef_, exact().fit(X, NAMES[Y]).coef_, atol=1e-6)


def test_partial_fit_is_of_the_multinomial_loss_and_goes_downhill() -> None:
    model = SoftmaxRegression(batch_size=25, random_state=0, standardize=True)
    for epoch in range(60):
        model.partial_fit(X, Y)
        assert model.t_ == epoch + 1
    assert model.score(X, Y) > 0.95
    best = exact(standardize=True, C=60.0).fit(X, Y).history_["loss"][-1]  # Σw is that of 60 times the rows
    assert best < model.history_["loss"][-1] < best + 0.1
    again = SoftmaxRegression(batch_size=25, random_state=0, standardize=True, n_threads=2)
    for _ in range(60):
        again.partial_fit(X, Y)
    np.testing.assert_array_equal(again.coef_, model.coef_)


def test_a_class_that_appears_later_makes_the_model_grow_and_is_said_once() -> None:
    model = SoftmaxRegression().partial_fit(X[:100], NAMES[Y][:100])
    assert model.coef_.shape == (1, 4)
    with pytest.warns(UserWarning, match=r"new to the model, \['virginica'\]") as told:
        model.partial_fit(X[100:], NAMES[Y][100:]).partial_fit(X, np.where(Y == 0, "other", NAMES[Y]))
    assert len(told) == 1
    assert model.classes_.tolist() == ["other", "setosa", "versicolor", "virginica"]


def test_classes_fix_the_set() -> None:
    model = SoftmaxRegression().partial_fit(X[:50], Y[:50], classes=[2, 1, 0])
    assert model.classes_.tolist() == [0, 1, 2]
    with pytest.raises(LabelError, match="not among the classes"):
        model.partial_fit(X, Y + 5)
    with pytest.raises(LabelError, match="expected those of the first call"):
        model.partial_fit(X, Y, classes=[0, 1])


def test_partial_fit_counts_what_it_has_seen() -> None:
    model = SoftmaxRegression().partial_fit(X[::2], Y[::2]).partial_fit(X[1::2], Y[1::2])
    whole = SoftmaxRegression().fit(X, Y)
    np.testing.assert_allclose(model.class_prior_, whole.class_prior_)
    for one in (model.model_, whole.model_):
        assert (one.provenance["n_rows"], one.provenance["weight"]) == (len(X), len(X))
    assert model.model_.provenance["message"] == model.status_


def test_partial_fit_goes_on_from_a_model_that_was_saved(tmp_path: Any) -> None:
    SoftmaxRegression().fit(X[::2], Y[::2]).model_.save(tmp_path / "m")
    model = SoftmaxRegression.from_model(Model.load(tmp_path / "m"))
    same = SoftmaxRegression().fit(X[::2], Y[::2])
    for one in (model, same):
        one.partial_fit(X[1::2], Y[1::2])
    np.testing.assert_allclose(model.coef_, same.coef_, rtol=1e-12)
    assert model.model_.provenance["n_rows"] == len(X)
    bare = SoftmaxRegression.from_model(Model(np.zeros((X.shape[1], 3)), np.zeros(3), np.arange(3)))
    assert bare.partial_fit(X, Y).model_.provenance["n_rows"] == len(X)


def test_partial_fit_goes_on_from_a_fit() -> None:
    model = SoftmaxRegression().fit(X, Y)
    before = model.coef_.copy()
    moved = np.abs(model.partial_fit(X, Y).coef_ - before).max()
    assert 0 < moved < 0.5 * np.abs(before).max()


# ---- results -------------------------------------------------------------------------------------------------------


def test_log_probabilities_are_finite_where_probabilities_are_not() -> None:
    model = SoftmaxRegression(C=math.inf).from_model(Model(np.array([[400.0, -400.0, 0.0]]), np.zeros(3), np.arange(3)))
    assert model.predict_proba([[1.0]])[0, 1] == 0
    np.testing.assert_allclose(model.predict_log_proba([[1.0]]), [[0, -800, -400]], atol=1e-150)


def test_no_probability_of_float32_is_1_that_is_less() -> None:
    model = SoftmaxRegression.from_model(Model(np.array([[1.0, 0.0, -1.0]]), np.zeros(3), np.arange(3)))
    rows = np.array([[1.0], [18.0], [20.0], [30.0], [45.0]])
    wide, narrow = model.predict_proba(rows), model.predict_proba(rows.astype(np.float32))
    assert narrow.dtype == np.float32
    np.testing.assert_array_equal(narrow == 1, wide == 1)
    assert (wide[:, 0] == 1).tolist() == [False] * 4 + [True]
    np.testing.assert_allclose(narrow, wide, rtol=0, atol=1.2e-7)
    np.testing.assert_array_equal(model.predict_topk(rows.astype(np.float32), 1)[1], narrow[:, :1])


def test_the_likeliest_classes_come_first() -> None:
    model = SoftmaxRegression().fit(X, NAMES[Y])
    classes, probs = model.predict_topk(X, 2)
    np.testing.assert_array_equal(classes[:, 0], model.predict(X))
    np.testing.assert_allclose(probs, np.sort(model.predict_proba(X))[:, :0:-1], atol=1e-12)


@pytest.mark.parametrize("K", [2, 3])
def test_a_model_and_an_estimator_become_each_other(K: int, tmp_path: Path) -> None:
    some = K > Y
    model = SoftmaxRegression(standardize=True).fit(X[some], NAMES[Y][some])
    model.model_.save(tmp_path / "model.safetensors")
    again = SoftmaxRegression.from_model(Model.load(tmp_path / "model.safetensors"))
    np.testing.assert_allclose(again.predict_proba(X), model.predict_proba(X), atol=1e-12)
    np.testing.assert_allclose(model.model_.predict_proba(X), model.predict_proba(X), atol=1e-12)
    assert again.classes_.tolist() == model.classes_.tolist()


def test_an_estimator_of_a_model_has_its_penalty_and_says_how_its_fit_ended() -> None:
    asked: dict[str, Any] = {"C": math.inf, "fit_intercept": False, "label_smoothing": 0.1}
    for model in (SoftmaxRegression(**asked).fit(X, Y), SoftmaxRegression(**asked | {"C": 3.0}).partial_fit(X, Y)):
        again = SoftmaxRegression.from_model(model.model_)
        assert {name: getattr(again, name) for name in asked} == {name: getattr(model, name) for name in asked}
        for name in ("certificate_", "status_name_", "status_"):
            assert getattr(again, name) == getattr(model, name), name
        assert again.solver_ in {"Newton", "SGD"}
    assert SoftmaxRegression.from_model(model.model_, C=7.0).C == 7.0
    bare = SoftmaxRegression.from_model(Model(np.ones((1, 2)), np.zeros(2), np.arange(2)))
    assert (bare.C, bare.solver_, bare.status_name_, bare.certificate_) == (1.0, "unknown", "UNKNOWN", math.inf)
    assert "does not say how its fit ended" in bare.status_


def test_the_page_of_a_notebook_shows_the_parameters() -> None:
    assert "SoftmaxRegression" in SoftmaxRegression(C=2.0)._repr_html_()


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"C": 0}, "C is 0; expected a number above 0"),
        ({"C": "1"}, "C is '1'"),
        ({"C": math.nan}, "C is nan"),
        ({"l1_ratio": 1.5}, "l1_ratio is 1.5; expected a number from 0 to 1"),
        ({"l1_ratio": 1.0, "solver": "lbfgs"}, "use solver='auto', 'proximal' or 'saga'"),
        ({"solver": "liblinear"}, "'liblinear' solver does not support multiclass"),
        ({"solver": "adam"}, "solver is 'adam'; expected one of"),
        ({"solver": LBFGS}, "solver is <class"),
        ({"max_iter": 1.5}, "max_iter is 1.5; expected a whole number"),
        ({"tol": -1}, "tol is -1.*expected"),
        ({"missing": "drop"}, "missing is 'drop'; expected one of"),
        ({"label_smoothing": 2}, "label_smoothing is 2.0; expected a number from 0 to 1"),
        ({"dual": True}, "dual is True; expected False"),
        ({"callbacks": 3}, "callbacks is 3; expected a callable"),
        ({"early_stopping": True, "validation_fraction": 0.0}, "validation_fraction is 0.0"),
        ({"early_stopping": True, "validation_fraction": 0.001}, "more of the 150 rows to judge by"),
        ({"solver": "sgd", "learning_rate": -1.0}, "learning_rate is -1.0; expected"),
        ({"solver": "sgd", "batch_size": 0}, "batch_size is 0; expected"),
        ({"batch_size": True}, "batch_size is True; expected"),
        ({"learning_rate": "fast"}, "learning_rate is 'fast'; expected a positive number, or 'auto'"),
        ({"momentum": 1}, "momentum is 1; expected a number from 0 to below 1"),
        ({"fit_intercept": "no"}, "fit_intercept is 'no'; expected True or False"),
        ({"warm_start": "x"}, "warm_start is 'x'; expected True or False"),
        ({"standardize": "x"}, "standardize is 'x'; expected True or False"),
        ({"early_stopping": "x"}, "early_stopping is 'x'; expected True or False"),
        ({"verbose": "x"}, "verbose is 'x'; expected a whole number, at least 0"),
        ({"verbose": -1}, "verbose is -1; expected a whole number, at least 0"),
        *(({"n_threads": n}, f"n_threads is {n!r}; expected a whole number, at least 1") for n in (0, -1, 1.5, "x")),
        *(({"random_state": s}, f"random_state is {s!r}; expected None, a whole") for s in ("x", -1, 1.5)),
        *(({"validation_fraction": v}, f"validation_fraction is {v!r}; expected") for v in (2, "x", 1.0)),
        ({"scale": "x"}, "scale is 'x'; expected a number, or one for each column"),
        ({"shift": "x", "standardize": True}, "shift is 'x'; expected a number, or one for each column"),
        ({"max_iter": -1}, "max_iter is -1; expected"),
        ({"n_iter_no_change": 0}, "n_iter_no_change is 0; expected"),
        ({"early_stopping": True, "n_iter_no_change": 0}, "n_iter_no_change is 0; expected"),
        ({"l1_ratio": np.float64(2.0)}, r"^l1_ratio is 2\.0; expected a number from 0 to 1"),
        ({"l1_ratio": 0.5, "solver": "sag"}, r"l1_ratio is 0\.5; expected 0 with this solver"),
    ],
)
def test_parameters_without_meaning_are_refused(params: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        SoftmaxRegression(**params).fit(X, Y)


@pytest.mark.filterwarnings("ignore:sgd failed to converge")
def test_parameters_of_numpys_types_are_taken() -> None:
    truths: dict[str, Any] = dict.fromkeys(("fit_intercept", "warm_start", "standardize", "early_stopping"), np.True_)
    wholes: dict[str, Any] = {
        "max_iter": 3,
        "verbose": 0,
        "random_state": 2,
        "n_threads": 1,
        "n_iter_no_change": 4,
        "batch_size": 8,
    }
    numbers: dict[str, Any] = {
        "validation_fraction": np.float32(0.2),
        "momentum": np.float32(0.5),
        "learning_rate": np.float32(0.1),
    }
    params = truths | numbers | {name: np.int64(value) for name, value in wholes.items()}
    assert SoftmaxRegression(solver="sgd", **params).fit(X, Y).n_iter_[0] == 3
    plain: dict[str, Any] = {name: value.item() for name, value in params.items()}
    SoftmaxRegression(solver="sgd", random_state=np.random.RandomState(0), max_iter=0).fit(X, Y)
    np.testing.assert_array_equal(
        SoftmaxRegression(solver="sgd", **params).fit(X, Y).coef_,
        SoftmaxRegression(solver="sgd", **plain).fit(X, Y).coef_,
    )


def test_partial_fit_looks_at_the_same_parameters() -> None:
    with pytest.raises(SettingError, match=r"n_threads is 0; expected a whole number, at least 1"):
        SoftmaxRegression(n_threads=0).partial_fit(X, Y)


def test_a_first_part_of_one_class_is_told_of_classes() -> None:
    with pytest.raises(LabelError, match=r"only one class: 0; classes= in the first call of partial_fit"):
        SoftmaxRegression().partial_fit(X[:50], Y[:50])


def test_a_score_is_of_labels() -> None:
    model = SoftmaxRegression().fit(X, np.eye(3)[Y])
    with pytest.raises(LabelError, match=r"y has shape \(150, 3\); expected \(n,\) labels"):
        model.score(X, np.eye(3)[Y])
    assert model.score(X, model.classes_[np.eye(3)[Y].argmax(axis=1)]) > 0.9


def test_a_label_outside_the_classes_is_said_as_it_is_written() -> None:
    with pytest.raises(LabelError, match=r"the first is 2 in row 100"):
        SoftmaxRegression().partial_fit(X, Y, classes=[0, 1])


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"penalty": "l2"}, "'penalty' was deprecated.*l1_ratio=0"),
        ({"n_jobs": 2}, "'n_jobs' has no effect.*n_threads"),
        ({"l1_ratio": None}, "'l1_ratio=None' was deprecated"),
    ],
)
def test_arguments_on_their_way_out_are_taken_with_a_warning(params: dict[str, Any], message: str) -> None:
    with pytest.warns(FutureWarning, match=message):
        np.testing.assert_array_equal(SoftmaxRegression(**params).fit(X, Y).coef_, SoftmaxRegression().fit(X, Y).coef_)


def test_data_and_weights_are_not_changed() -> None:
    given, w = X.copy(), np.arange(150.0)
    SoftmaxRegression(class_weight="balanced", standardize=True).fit(given, Y, w).partial_fit(given, Y, sample_weight=w)
    np.testing.assert_array_equal(given, X)
    np.testing.assert_array_equal(w, np.arange(150.0))


@pytest.mark.parametrize("w", [np.zeros(150), -np.ones(150), np.full(150, np.nan), np.ones(149)])
def test_weights_that_are_none_are_refused(w: Any) -> None:
    with pytest.raises(ValueError, match=r"zero|[Nn]egative|NaN|shape"):
        SoftmaxRegression().fit(X, Y, w)


def test_columns_of_probabilities_are_the_classes_that_fit_is_told() -> None:
    X = np.random.default_rng(0).normal(size=(40, 3))
    Y = np.random.default_rng(1).dirichlet(np.ones(3), size=40)
    named, numbered = (SoftmaxRegression().fit(X, Y, classes=classes) for classes in (["a", "b", "c"], None))
    assert named.classes_.tolist() == ["a", "b", "c"]
    assert np.array_equal(named.coef_, numbered.coef_)
    with pytest.raises(ValueError, match="expected 3 of them"):
        SoftmaxRegression().fit(X, Y, classes=["a", "b"])


def test_minibatches_that_went_up_are_warned_of() -> None:
    X, y = load_iris(return_X_y=True)
    with pytest.warns(ConvergenceWarning, match="went up"):
        SoftmaxRegression(solver="sgd", learning_rate=1e9).fit(X, y)
