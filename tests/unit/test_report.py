"""The report: its numbers are those of the metrics, its schema holds, and its page is one file that is safe to open."""

from __future__ import annotations

import copy
import datetime
import html.parser
import io
import json
import math
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import scipy.sparse
from numpy.typing import NDArray
from PIL import Image

import softreg
from browser_pages import COSTS, HOSTILE, clothes, hostile, tumours
from softreg import SGD, Dataset, Model, Settings, SoftmaxRegression, fit, softmax
from softreg.data import fashion_mnist
from softreg.decision import CostMatrix, SplitConformal, calibrate, least_cost, risk_coverage, temperature_scaling
from softreg.errors import DataError, LabelError, SettingError, ShapeError, SoftregError
from softreg.metrics import brier, calibration_error, evaluate, ks_calibration_error, reliability
from softreg.report import Report, report, schema
from softreg.report.examples import examples
from softreg.report.sprite import GREYS, LARGEST, sprite
from softreg.report.strongest import deviations
from softreg.report.words import duration, interval, number, percent, plural, whole

ROOT = Path(__file__).parent.parent.parent
WHEN = datetime.datetime(2024, 5, 6, 7, 8, 9, tzinfo=datetime.UTC)


def blobs(K: int, n: int, seed: int = 0, noise: float = 0.7) -> Dataset:
    rng = np.random.default_rng(seed)
    y = np.arange(n) % K
    return Dataset(np.eye(K)[y] + rng.normal(0, noise, (n, K)), y, np.array([f"class {k}" for k in range(K)]))


def fitted(data: Dataset, **settings: Any) -> Model:
    return fit(data, Settings("auto", C=settings.pop("C", 1.0), **settings))[0]


@pytest.fixture(scope="module")
def data() -> Dataset:
    return blobs(3, 120)


@pytest.fixture(scope="module")
def model(data: Dataset) -> Model:
    return fitted(blobs(3, 90, seed=1))


# --- numbers ---------------------------------------------------------------------------------------------------------


def test_the_figures_are_those_of_evaluate(model: Model, data: Dataset) -> None:
    assert report(model, data, seed=5).as_dict()["evaluation"] == evaluate(model, data, seed=5).as_dict()


def halves_of(n: int, seed: int) -> tuple[NDArray[Any], NDArray[Any]]:
    order = np.random.default_rng(seed).permutation(n)
    return np.sort(order[: n // 2]), np.sort(order[n // 2 :])


@pytest.mark.parametrize("seed", [0, 3])
def test_what_is_fitted_is_fitted_on_one_half_and_judged_by_the_other(model: Model, data: Dataset, seed: int) -> None:
    fitted_to, judged = halves_of(120, seed)
    found = report(model, data, seed=seed).trust
    assert found is not None
    z, y = model.logits(data.X), data.y
    scaling = temperature_scaling(z[fitted_to], y[fitted_to])
    assert found.temperature == scaling.temperature
    assert (found.held_out.fitted, found.held_out.judged, found.held_out.seed) == (60, 60, seed)
    for part, probs in ((found.before, softmax(z[judged])), (found.after, scaling.probabilities(z[judged]))):
        assert part is not None
        assert part.accuracy == (probs.argmax(axis=1) == y[judged]).mean()
        assert part.log_loss == pytest.approx(-np.log(probs[np.arange(60), y[judged]]).mean(), rel=1e-12)
        for value, function in (
            (part.calibration_error, calibration_error),
            (part.ks_calibration_error, ks_calibration_error),
        ):
            assert value == pytest.approx(function(probs, y[judged]), rel=1e-9)
        assert part.brier == pytest.approx(brier(probs, y[judged]).score, rel=1e-12)
    assert found.reliability_after is not None
    np.testing.assert_allclose(
        found.reliability_after.accuracy, reliability(scaling.probabilities(z[judged]), y[judged]).accuracy
    )
    probs = model.predict_proba(data.X)
    conformal = SplitConformal("lac").fit(probs[fitted_to], y[fitted_to])
    for one in found.sets:
        again = conformal.evaluate(probs[judged], y[judged], coverage=one.promised)
        assert (one.judged.coverage, one.judged.mean_size) == (again.coverage, again.mean_size)
    assert [one.promised for one in found.sets] == [0.9, 0.95, 0.99]


def test_thresholds_are_points_of_the_risk_coverage_curve(model: Model, data: Dataset) -> None:
    _, judged = halves_of(120, 0)
    found = report(model, data).trust
    assert found is not None
    assert found.temperature is not None
    curve = risk_coverage(softmax(model.logits(data.X)[judged] / found.temperature), data.y[judged])
    assert found.area == pytest.approx(curve.area, rel=1e-12)
    assert [one.threshold for one in found.thresholds] == [at / 100 for at in range(101)]
    for one in found.thresholds:
        at = np.flatnonzero(curve.threshold >= one.threshold)
        if len(at):
            assert (one.coverage, one.risk) == pytest.approx((curve.coverage[at[-1]], curve.risk[at[-1]]))
        else:
            assert (one.answered, one.wrong, one.risk) == (0, 0, None)


def test_other_rows_to_calibrate_on_leave_all_rows_to_judge(model: Model, data: Dataset) -> None:
    other = blobs(3, 45, seed=9)
    found = report(model, data, calibration=other, calibration_name="others").trust
    assert found is not None
    assert (found.held_out.where, found.held_out.name, found.held_out.fitted, found.held_out.judged) == (
        "other", "others", 45, 120,
    )  # fmt: skip
    assert found.temperature == temperature_scaling(model.logits(other.X), other.y).temperature
    page = report(model, data, calibration=other, calibration_name="others", data_name="mine").to_html()
    assert "Fitted on others: 45 rows. Judged by mine: 120 rows." in page


def test_a_calibrated_models_own_probabilities_are_what_is_judged(model: Model, data: Dataset) -> None:
    better = calibrate(model, blobs(3, 60, seed=4))
    found, plain = report(better, data), report(model, data)
    assert found.fit.calibrated
    assert found.evaluation.value("log_loss") == better.score(data).loss != plain.evaluation.value("log_loss")
    assert found.trust is not None
    assert plain.trust is not None
    assert found.trust.before == plain.trust.before, "as it was fitted, without the calibration"
    assert better.calibration is not None
    assert (found.trust.own, found.trust.temperature) == (True, better.calibration.temperature)
    _, judged = halves_of(120, 0)
    P, y = better.predict_proba(data.X)[judged], data.y[judged]
    assert found.trust.after is not None
    assert found.trust.after.log_loss == pytest.approx(-np.log(P[np.arange(60), y]).mean())
    assert found.trust.thresholds[50].answered == np.count_nonzero(P.max(axis=1) >= 0.5)
    costs = np.array([[0.0, 1.0, 5.0], [3.0, 0.0, 1.0], [9.0, 1.0, 0.0]])
    savings = report(better, data, costs=costs).savings
    assert savings is not None
    assert savings.cost_least == pytest.approx(costs[y, least_cost(P, costs)].mean())
    page = found.to_html()
    assert f"The model comes with a calibration, a temperature of {number(found.trust.temperature, 3)}" in page
    assert "were fitted to" not in page


def test_a_models_own_scores_make_its_sets(model: Model, data: Dataset) -> None:
    better = calibrate(model, blobs(3, 200, seed=4), method="vector", sets=SplitConformal("aps", seed=2))
    found = report(better, data).trust
    assert found is not None
    assert (found.set_score, found.own_sets, found.set_rows, found.temperature) == ("aps", True, 100, None)
    with pytest.raises(DataError, match="nothing to fit on others"):
        report(better, data, calibration=data)
    assert (found.held_out.where, found.held_out.fitted, found.held_out.judged) == ("none", 0, 120)
    P, y = better.predict_proba(data.X), data.y
    assert better.conformal is not None
    for one in found.sets:
        want = better.conformal.evaluate(P, y, coverage=one.promised)
        assert (one.judged.coverage, one.judged.mean_size) == (want.coverage, want.mean_size)
    low, high = scipy.stats.beta(91, 10).ppf([0.025, 0.975])
    assert (found.sets[0].kept_low, found.sets[0].kept_high) == pytest.approx((low, high))
    by_class = calibrate(model, blobs(3, 200, seed=4), sets=SplitConformal(class_conditional=True))
    told = report(by_class, data)
    assert told.trust is not None
    assert told.trust.sets_by_class
    assert (told.trust.sets[0].kept_low, told.trust.sets[0].kept_high) == (None, None)
    assert "The promise is for the rows of each class." in told.to_html()
    assert "Kept of the rows of each class" in told.to_html()
    page = report(better, data).to_html()
    assert "Kept of the rows of each class" not in page
    assert "a factor and a bias for each class" in page
    assert "With its own calibration: off by" in page
    assert "that the model has kept of rows held out (aps)" in page


@pytest.mark.slow
def test_a_loss_is_called_one_and_few_mistakes_are_said(model: Model, data: Dataset) -> None:
    found = report(model, data, costs=np.array([[0.0, 1.0, 5.0], [3.0, 0.0, 1.0], [9.0, 1.0, 0.0]]))
    assert found.savings is not None
    lost = replace(found, savings=replace(found.savings, changed=5, saved=-0.25, saved_low=-0.5, saved_high=0.0))
    assert "and costs 0.2500 a row more (interval of 95\u202f%: 0.0000 – 0.5000)." in lost.to_html()
    assert "costs 0.25 more a row" in str(lost)
    assert "rests on little" not in found.to_html()
    some = Dataset(data.X[:24], data.y[:24], data.classes)
    few = report(model, some)
    assert few.trust is not None
    assert few.trust.thresholds[0].wrong < 10
    assert "rests on little" in few.to_html()


def test_savings_are_what_was_paid_by_either_rule(data: Dataset, model: Model) -> None:
    table = {f"class {k}": {"go": float(k == 0), "stop": 3.0 * (k == 1), "ask": 0.4} for k in range(3)}
    costs = CostMatrix.from_table(table, model.classes)
    _, judged = halves_of(120, 0)
    found = report(model, data, costs=table).savings
    trust = report(model, data).trust
    assert found is not None
    assert trust is not None
    assert trust.temperature is not None
    probs, y = softmax(model.logits(data.X)[judged] / trust.temperature), data.y[judged]
    plain = costs.costs.argmin(axis=1)[probs.argmax(axis=1)]
    least = least_cost(probs, costs)
    assert found.changed == (plain != least).sum() > 0
    assert found.cost_likeliest == pytest.approx(costs.costs[y, plain].mean())
    assert found.cost_least == pytest.approx(costs.costs[y, least].mean())
    assert found.saved == pytest.approx(found.cost_likeliest - found.cost_least)
    assert found.saved_low < found.saved < found.saved_high
    assert [one.likeliest for one in found.taken] == np.bincount(plain, minlength=3).tolist()
    assert [one.least_cost for one in found.taken] == np.bincount(least, minlength=3).tolist()


def test_actions_that_are_classes_are_taken_by_name(data: Dataset, model: Model) -> None:
    """Also where another action would be cheaper for a class that is certain."""
    costs = CostMatrix(
        np.array([[1.0, 0.0, 9.0], [9.0, 0.0, 9.0], [9.0, 9.0, 0.0]]), model.classes, tuple(model.classes)
    )
    found = report(model, data, costs=costs).savings
    assert found is not None
    _, judged = halves_of(120, 0)
    answers = np.bincount(model.logits(data.X)[judged].argmax(axis=1), minlength=3)
    assert [one.likeliest for one in found.taken] == answers.tolist()
    assert found.taken[0].least_cost == 0


def test_weights_count(model: Model, data: Dataset) -> None:
    w = np.random.default_rng(0).integers(1, 4, 120).astype(float)
    weighted = report(model, replace(data, weights=w), costs=1.0 - np.eye(3))
    assert weighted.rows.weighted
    assert weighted.evaluation.value("accuracy") == pytest.approx(
        np.average(model.predict(data.X) == data.classes[data.y], weights=w)
    )
    assert weighted.savings is not None
    assert weighted.trust is not None
    _, judged = halves_of(120, 0)
    T, y, v = weighted.trust.temperature, data.y[judged], w[judged]
    assert T is not None
    P = softmax(model.logits(data.X)[judged] / T)
    assert weighted.trust.area == pytest.approx(risk_coverage(P, y, sample_weight=v).area)
    one, sure, wrong = weighted.trust.thresholds[60], P.max(axis=1) >= 0.6, P.argmax(axis=1) != y
    assert one.answered == sure.sum()
    assert (one.coverage, one.risk) == pytest.approx(
        (v[sure].sum() / v.sum(), np.average(wrong[sure], weights=v[sure]))
    )
    halves = halves_of(120, 0)
    probs, codes = model.predict_proba(data.X), data.y
    sets = SplitConformal("lac").fit(probs[halves[0]], codes[halves[0]], None, w[halves[0]])
    told = sets.evaluate(probs[judged], y, sample_weight=v)
    assert {row["interval"] for row in weighted.as_dict()["evaluation"]["figures"].values()} <= {
        "bca",
        "bounded",
        "norm",
        "none",
    }
    assert weighted.trust.sets[0].judged.coverage == pytest.approx(told.coverage)
    assert "each by its weight" in weighted.to_html()
    jsonschema.validate(weighted.as_dict(), schema())


def test_how_the_fit_ended_is_what_the_model_says_and_how_long_it_took_the_solutions_word() -> None:
    data = blobs(3, 90)
    model, solution = fit(data, Settings("auto", C=1.0), validation=data)
    found = report(model, data, solution=solution).fit
    assert (found.status, found.sentence, found.seconds) == ("CONVERGED", solution.message, solution.seconds)
    assert (found.relative_gap, found.n_rows) == (solution.gap / solution.value, 90)
    assert found.steps == found.kept == solution.steps
    assert report(model, data).fit == replace(found, seconds=None, kept=None)
    estimator = SoftmaxRegression(solver="auto").fit(data.X, data.classes[data.y])
    assert report(estimator, data).fit.seconds == estimator.history_["seconds"][-1]
    bare = replace(model, history={}, settings={}, provenance={})
    assert report(bare, data).fit.sentence == "the model does not say how its fit ended"
    assert report(bare, data).fit.status is None
    assert report(bare, data).curves is None


def test_curves_are_the_history_by_epoch_or_by_pass() -> None:
    data = blobs(3, 90)
    sgd, _ = fit(data, Settings(SGD(batch_size=8), max_steps=4), validation=data)
    found = report(sgd, data).curves
    assert found is not None
    assert (found.by, found.at.tolist()) == ("epoch", [1, 2, 3, 4])
    np.testing.assert_array_equal(found.loss, sgd.history["loss"])
    np.testing.assert_array_equal(found.validation_accuracy, sgd.history["validation_accuracy"])
    exact = fitted(data)
    found = report(exact, data).curves
    assert found is not None
    assert found.by == "pass"
    np.testing.assert_array_equal(found.at, exact.history["passes"])
    assert found.validation_loss is None


# --- what is shown ---------------------------------------------------------------------------------------------------


def test_mistakes_are_mistakes_the_surest_first_and_every_kind_is_there() -> None:
    rng = np.random.default_rng(0)
    probs, y = rng.dirichlet(np.ones(4), 500), rng.integers(0, 4, 500)
    predicted = probs.argmax(axis=1)
    found = examples(probs, y, most=600)
    assert [one.row for one in found.samples] == list(range(16))
    sure = [one.probability for one in found.mistakes]
    assert not any(one.right for one in found.mistakes)
    assert sure == sorted(probs.max(axis=1)[predicted != y], reverse=True)[:16]
    for i in range(4):
        for j in range(4):
            here = np.flatnonzero((y == i) & (predicted == j))
            shown = [one for one in found.kinds if (one.true, one.predicted) == (i, j)]
            assert [one.probability for one in shown] == sorted(probs[here, j], reverse=True)[:12]


def test_few_images_are_shared_out_one_of_each_kind_first() -> None:
    rng = np.random.default_rng(0)
    probs, y = rng.dirichlet(np.ones(5), 2000), rng.integers(0, 5, 2000)
    found = examples(probs, y, most=60)
    assert len(found.rows) == 60
    assert len(set(found.rows.tolist())) == 60
    counts = np.bincount([5 * one.true + one.predicted for one in found.kinds], minlength=25)
    assert counts.min() >= 1
    placed = found.placed(40)
    assert all(one.image is not None and one.image < 40 for one in placed.kinds)
    assert all(placed.rows[one.image] == one.row for one in placed.kinds)
    assert [one.row for one in placed.samples] == [one.row for one in found.samples]


@pytest.mark.parametrize("kind", ["dense", "bytes", "sparse"])
def test_deviations_are_numpys_in_any_storage(kind: str) -> None:
    X = np.random.default_rng(0).integers(0, 9, (9001, 4)) * [0, 1, 5, 20]
    given: Any = {"dense": X + 1e6, "bytes": X.astype(np.uint8), "sparse": scipy.sparse.csr_array(X.astype(float))}[
        kind
    ]
    wanted = (given.toarray() if kind == "sparse" else given).std(axis=0)
    np.testing.assert_allclose(deviations(given), wanted, rtol=1e-9, atol=1e-9)


def test_the_strongest_features_are_in_standard_deviations_by_name() -> None:
    found = tumours().strongest
    assert found is not None
    (one,) = found
    assert (one.label, one.against) == ("malignant", "benign")
    sizes = [abs(e.effect) for e in one.effects]
    assert sizes == sorted(sizes, reverse=True)
    assert one.effects[0].feature == "worst texture"
    data = blobs(3, 60)
    model = fitted(data)
    model = replace(model, W=model.W + np.array([[9.0], [0.0], [-9.0]]))  # which changes no probability
    of_three = report(model, data).strongest
    assert of_three is not None
    effects = model.W * data.X.std(axis=0)[:, None]
    effects -= effects.mean(axis=1, keepdims=True)
    for k, one in enumerate(of_three):
        assert one.effects[0].effect == pytest.approx(effects[np.abs(effects[:, k]).argmax(), k])
        assert one.effects[0].feature.startswith("column ")


@pytest.mark.parametrize("count", [1, 33, 100])
def test_the_sprite_has_the_images_in_their_places(count: int) -> None:
    images = np.random.default_rng(0).random((count, 5, 7))
    made = sprite(images)
    pixels = np.asarray(Image.open(io.BytesIO(made.png)).convert("L")) / 255
    for i in range(count):
        x, y = 7 * (i % made.columns), 5 * (i // made.columns)
        assert np.abs(pixels[y : y + 5, x : x + 7] - images[i]).max() <= 0.5 / (GREYS - 1) + 1e-9


def test_a_sprite_keeps_to_its_budget_and_large_images_are_made_small() -> None:
    images = np.random.default_rng(0).random((200, 28, 28))
    made = sprite(images, budget=20_000)
    assert len(made.png) <= 20_000
    assert 20 < made.count < 200
    small = sprite(np.zeros((3, 400, 100)))
    assert (small.height, small.width) == (LARGEST, LARGEST // 4)


# --- the schema ------------------------------------------------------------------------------------------------------


def right_on_all() -> Report:
    data = blobs(2, 40, noise=0.01)
    return report(fitted(data, C=100.0), data)


def one_row() -> Report:
    data = blobs(3, 60)
    return report(fitted(data), replace(data, X=data.X[:1], y=data.y[:1]))


def many_classes() -> Report:
    data = blobs(60, 600)
    return report(fitted(data), data, resamples=0)


def integers_for_classes() -> Report:
    data = replace(blobs(3, 60), classes=np.array([10, 20, 30]))
    return report(fitted(data), data, when=WHEN)


def booleans_and_no_history() -> Report:
    data = replace(blobs(2, 60), classes=np.array([False, True]))
    return report(replace(fitted(data), history={}, settings={}), data)


def float_images() -> Report:
    data = blobs(4, 80)
    images = Dataset(data.X.reshape(-1, 2, 2), data.y, data.classes)
    return report(fitted(images), images)


REPORTS: list[Callable[[], Report]] = [
    clothes, tumours, hostile, right_on_all, one_row, many_classes, integers_for_classes, booleans_and_no_history,
    float_images,
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("make", REPORTS, ids=lambda make: make.__name__)
def test_the_json_keeps_to_the_schema_and_the_page_is_made(make: Callable[[], Report]) -> None:
    found = make()
    said = json.loads(found.to_json())
    jsonschema.Draft202012Validator(schema()).validate(said)
    assert said == found.as_dict()
    page = found.to_html()
    assert page.startswith("<!DOCTYPE html>")
    assert page.count("<section ") == page.count("</section>") >= 4
    assert str(found.fit.model) in str(found)


def test_the_schema_would_see_what_is_missing_or_new() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    said = tumours().as_dict()
    for path in (["when"], ["fit", "steps"], ["trust", "before", "brier"], ["savings", "saved"], ["rows", "n_rows"]):
        without = copy.deepcopy(said)
        part = without
        for key in path[:-1]:
            part = part[key]
        del part[path[-1]]
        assert not jsonschema.Draft202012Validator(schema()).is_valid(without), path
    assert not jsonschema.Draft202012Validator(schema()).is_valid(said | {"new": 1})


def test_the_schema_in_the_documents_is_the_packages() -> None:
    assert (ROOT / "docs/report.schema.json").read_text() == files("softreg.report").joinpath("schema.json").read_text()


# --- the page --------------------------------------------------------------------------------------------------------


class Page(html.parser.HTMLParser):
    """Tags and what is in them, as a browser would read them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.scripts: list[str] = []
        self.inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.inside = tag

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        (self.scripts if self.inside == "script" else self.text).append(data)


@pytest.mark.parametrize("make", [clothes, tumours], ids=lambda make: make.__name__)
def test_the_page_names_no_address_and_is_small(make: Callable[[], Report]) -> None:
    page = make().to_html()
    assert "http:" not in page
    assert "https:" not in page
    assert "//" not in re.sub(r"base64,[A-Za-z0-9+/=]+|//.*", "", page)
    addresses = {
        value for _, attributes in Page(page).tags for name, value in attributes.items() if name in ("src", "href")
    }
    assert all(value and value.startswith(("#", "data:image/png;base64,")) for value in addresses)
    assert len(page.encode()) < 500_000


@pytest.mark.slow
def test_names_that_are_markup_stay_text() -> None:
    page = Page(hostile().to_html())
    assert [tag for tag, _ in page.tags].count("script") == len(page.scripts) == 2
    assert not [attributes for tag, attributes in page.tags if tag == "img" or "onerror" in attributes]
    text = "\n".join(page.text)
    assert all(name in text for name in HOSTILE)
    assert json.loads(page.scripts[0])["classes"] == HOSTILE
    data = blobs(2, 40)
    named = report(fitted(data), data, name=HOSTILE[2], data_name=HOSTILE[4])._repr_html_()
    assert [tag for tag, _ in Page(named).tags] == ["iframe"]


def test_drawings_are_in_variables_with_text_as_text_and_ids_of_their_own() -> None:
    page = clothes().to_html()
    drawings = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert len(drawings) == 6
    for svg in drawings:
        assert not re.search(r"#[0-9a-f]{6}\b", svg)
        assert not re.search(r"font-family|<style|<image", svg)
        assert "<text" in svg
        assert re.match(
            r'<svg viewBox="[\d. ]+" role="img" aria-labelledby="([\w-]+)-title \1-description"><title', svg
        )
        for target in re.findall(r'(?:url\(|href=")#([\w-]+)', svg):
            assert f'id="{target}"' in svg
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


@pytest.mark.slow
def test_the_same_inputs_make_the_same_bytes_and_times_come_only_from_the_caller() -> None:
    data = blobs(3, 60)
    model = fitted(data)
    first, second = (report(model, data) for _ in range(2))
    assert first.to_html() == second.to_html()
    assert first.to_json() == second.to_json()
    assert not re.search(r"20\d\d-", first.to_html())
    timed = report(model, data, when=WHEN)
    assert timed.to_html().count("2024-05-06 07:08 UTC") == 2
    assert timed.as_dict()["when"] == "2024-05-06T07:08:09+00:00"


@pytest.mark.slow
def test_another_process_makes_the_same_bytes(tmp_path: Path) -> None:
    code = "import sys, browser_pages as b; sys.stdout.write(b.hostile().to_html())"
    pages = set()
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, check=True, cwd=tmp_path,
            env={"PYTHONPATH": str(ROOT / "tests"), "PYTHONHASHSEED": seed, "MPLCONFIGDIR": str(tmp_path)},
        )  # fmt: skip
        pages.add(re.sub(rb"<dt>time of the fit</dt><dd>[^<]*", b"", done.stdout))
    assert len(pages) == 1
    assert len(pages.pop()) > 50_000


def test_it_is_written_whole_in_utf_8(tmp_path: Path) -> None:
    found = right_on_all()
    found.save(tmp_path / "r.html")
    found.save_json(str(tmp_path / "r.json"))
    assert (tmp_path / "r.html").read_bytes() == found.to_html().encode()
    assert (tmp_path / "r.json").read_bytes() == found.to_json().encode()


def test_what_is_not_there_is_said() -> None:
    page = right_on_all().to_html()
    assert "No temperature was fitted: the model is right on all 20 rows" in page
    assert "There are none: every row is right." in page
    assert "There are too few rows to fit to some and judge by others." in one_row().to_html()
    data = blobs(3, 90)
    without = replace(data, X=data.X[data.y < 2], y=data.y[data.y < 2])
    assert "there are none of class 2" in report(fitted(data), without).to_html()
    with pytest.raises(LabelError, match="no held-out rows of 'class 2'"):
        report(fitted(data), data, calibration=without)


def test_very_many_classes_are_a_list_of_mistakes_in_the_place_of_a_matrix() -> None:
    found = many_classes()
    page = found.to_html()
    assert 'id="confusion"' not in page
    assert "The most frequent mistakes" in page
    assert page.count('<th scope="row" data-k=') == 60
    assert "Of 60 classes" not in page
    assert len(page) < 500_000


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark", "print"])
def test_text_has_the_contrast_of_wcag_aa_in_every_scheme(scheme: str) -> None:
    style = files("softreg.report").joinpath("style.css").read_text()
    begin = {"light": ":root{", "dark": "dark){:root{", "print": "@media print{:root{"}[scheme]
    block = style[style.index(begin) :].partition("}")[0]
    colour = {
        n: v if len(v) == 7 else f"#{v[1] * 2}{v[2] * 2}{v[3] * 2}" for n, v in re.findall(r"--(\w+):(#\w+)", block)
    }
    assert {"paper", "card", "ink", "muted", "one", "two", "three"} <= set(colour)
    for paper in ("paper", "card"):
        for text in ("ink", "muted", "one", "two", "three"):
            assert contrast(colour[text], colour[paper]) >= 4.5, (scheme, text, paper)
    for name, most in (("one", 0.47), ("two", 0.5)):  # the darkest shade of the confusion matrix
        shade = np.array([int(v) for v in re.search(rf"--{name}-rgb:([\d,]+)", block)[1].split(",")])  # type: ignore[index]  # it is there
        ground = np.array([int(colour["paper"][i : i + 2], 16) for i in (1, 3, 5)])
        mixed = "#" + "".join(f"{round(v):02x}" for v in most * shade + (1 - most) * ground)
        assert contrast(colour["ink"], mixed) >= 4.5, (scheme, name)


# --- notebooks -------------------------------------------------------------------------------------------------------


def test_a_model_shows_itself_as_a_table_and_as_plain_text() -> None:
    data = replace(blobs(3, 60), classes=np.array(HOSTILE[:3]))
    model = calibrate(fitted(data), data, sets=SplitConformal())
    shown = Page(model._repr_html_())
    assert {tag for tag, _ in shown.tags} == {"table", "caption", "tbody", "tr", "th", "td"}
    text = "\n".join(shown.text)
    for words in (*HOSTILE[:3], "C = 1", "temperature", "SplitConformal"):
        assert words in text
    assert repr(model).startswith("Model(3 features, 3 classes")
    assert "None" not in text


def test_an_estimator_is_taken_for_the_model_that_it_holds() -> None:
    data = blobs(3, 60)
    estimator = SoftmaxRegression().fit(data.X, data.classes[data.y])
    found = report(estimator, data)
    assert replace(found, fit=replace(found.fit, seconds=None)).as_dict() == report(estimator.model_, data).as_dict()


# --- what cannot be --------------------------------------------------------------------------------------------------

ROW, ZERO = np.zeros((1, 3)), np.zeros(1, int)
BAD: list[tuple[dict[str, Any], type[SoftregError], str]] = [
    ({"data": Dataset(ROW[:0], np.empty(0, int), np.array(["class 0", "class 1"]))}, DataError, "has no rows"),
    ({"data": Dataset(ROW[:, :2], ZERO, np.array(["class 0", "class 1"]))}, ShapeError, "3 features"),
    ({"data": Dataset(ROW, ZERO + 1, np.array(["class 0", "clas 1"]))}, LabelError, "may be meant for 'class 1'"),
    ({"data": Dataset.from_targets(ROW, [[0.5, 0.5, 0.0]])}, DataError, "probabilities for labels"),
    (
        {"calibration": Dataset(ROW[:0], np.empty(0, int), np.array(["class 0", "class 1"]))},
        DataError,
        "other rows has no rows",
    ),
    ({"calibration": Dataset(ROW[:, :1], ZERO, np.array(["class 0", "class 1"]))}, ShapeError, "3 features"),
    ({"costs": np.zeros((2, 2))}, ShapeError, "costs has shape"),
    ({"costs": [[0, 1, math.nan]] * 3}, DataError, "costs hold nan"),
    ({"costs": {"class 0": {"go": 1}}}, LabelError, "has no class"),
    ({"costs": CostMatrix.from_table(COSTS, ["malignant", "benign"])}, DataError, "expected \\['class 0'"),
    ({"seed": -1}, SettingError, "seed"),
    ({"resamples": 1.5}, SettingError, "resamples"),
    ({"when": "today"}, SettingError, "a datetime"),
]


@pytest.mark.parametrize(("given", "error", "said"), BAD, ids=lambda value: str(value)[:30])
def test_what_cannot_be_reported_on_is_refused(
    model: Model, data: Dataset, given: dict[str, Any], error: type[SoftregError], said: str
) -> None:
    with pytest.raises(error, match=said):
        report(model, **{"data": data, **given})


# --- words -----------------------------------------------------------------------------------------------------------


WORDS = [
    (number(math.inf), "inf"), (number(0.0), "0.0000"), (number(1.5), "1.5"), (number(99999999.0), "1.000e+08"),
    (percent(1.0), "100.0\u202f%"), (percent(None), "–"), (interval(-0.5, 1.0), "−0.5000 to 1"),
    (interval(0.1, 0.25, share=True), "10.0 – 25.0\u202f%"), (interval(0.1, 0.25, share=True, bare=True), "10.0–25.0"),
    (whole(7.0), "7"), (plural(0, "row"), "0 rows"), (duration(0.0123), "0.012 s"), (duration(3599), "1 h 0 min"),
    (duration(90), "90 s"), (duration(7500), "2 h 5 min"),
]  # fmt: skip


@pytest.mark.parametrize(("found", "wanted"), WORDS)
def test_numbers_are_written_as_people_read_them(found: str, wanted: str) -> None:
    assert found == wanted


def test_the_sample_of_fashion_mnist_is_shown_with_its_images() -> None:
    found = clothes()
    _, test = fashion_mnist.sample()
    assert found.images is not None
    pixels = np.asarray(Image.open(io.BytesIO(found.images.png)).convert("L"))
    one = found.mistakes[0]
    assert one.image is not None
    x, y = 28 * (one.image % found.images.columns), 28 * (one.image // found.images.columns)
    np.testing.assert_allclose(pixels[y : y + 28, x : x + 28], test.X[one.row].reshape(28, 28), atol=9)
    assert len(found.weights) == 10
    assert softreg.__version__ in found.to_html()
