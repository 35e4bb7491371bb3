"""Decisions on real data: the promise of prediction sets, the tables of the documents, and the example."""

from __future__ import annotations

import contextlib
import io
import math
import re
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats
from numpy.typing import NDArray

from problems import needs_fashion_mnist
from softreg import Dataset, Model, Settings, fit, softmax
from softreg.data import fashion_mnist
from softreg.decision import SplitConformal, calibrate, temperature_scaling
from softreg.metrics import calibration_error

ROOT = Path(__file__).parent.parent
LEVEL = 0.9999


# --- handwritten digits: the figures of MAPIE 1.6.0, crepes 0.9.1 and scikit-learn 1.9.1 -----------------------------


@pytest.fixture(scope="module")
def digits() -> tuple[Model, Dataset, Dataset]:
    """The model whose peer is LogisticRegression(C=1e3, tol=1e-10), with held-out and other rows."""
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    train, held_out, test = (Dataset.from_labels(X[a:b] / 16, y[a:b]) for a, b in ((0, 600), (600, 1100), (1100, None)))
    return fit(train, Settings("auto", C=1e3, tol=1e-10))[0], held_out, test


def test_temperature_and_errors_are_those_of_others(digits: tuple[Model, Dataset, Dataset]) -> None:
    model, held_out, test = digits
    better = calibrate(model, held_out)
    assert better.calibration is not None
    assert better.calibration.temperature == pytest.approx(1.711397, abs=3e-6)
    assert (better.calibration.loss_before, better.calibration.loss_after) == pytest.approx(
        (0.228071, 0.188391), abs=1e-6
    )
    for m, loss, error in ((model, 0.444888, 0.043264), (better, 0.317892, 0.031780)):
        assert m.score(test).loss == pytest.approx(loss, abs=1e-6)
        assert calibration_error(m.predict_proba(test.X), test.y) == pytest.approx(error, abs=1e-6)


# score → coverage and mean size: of lac by MAPIE and crepes, of the others without randomisation, by their definitions
SETS = [("lac", 0.893831, 0.939742), ("aps", 0.890961, 3.114778), ("raps", 0.886657, 2.812052)]


@pytest.mark.parametrize(("score", "coverage", "size"), SETS)
def test_sets_are_those_of_others(
    digits: tuple[Model, Dataset, Dataset], score: str, coverage: float, size: float
) -> None:
    model, held_out, test = digits
    conformal = SplitConformal(score, 0.9, randomised=False).fit(model.predict_proba(held_out.X), held_out.y)
    report = conformal.evaluate(model.predict_proba(test.X), test.y)
    assert (report.coverage, report.mean_size) == pytest.approx((coverage, size), abs=1e-6)


# --- Fashion-MNIST ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "examples" / "calibration.py"))


@pytest.fixture(scope="module")
def clothes(script: dict[str, Any]) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Logits of the test images by a model of 5,000 training images, hardly penalised, and their labels."""
    train, test = fashion_mnist.load()
    return script["logits_of"]("5,000, C = 1000, 60 steps", train, test), test.y


def band(n: int, m: int, coverage: float) -> tuple[float, float]:
    """Shares of m new rows that sets of n held-out ones cover, but for 1 − LEVEL: beta-binomial, exactly."""
    k = math.ceil(round(coverage * (n + 1), 6))
    spread = scipy.stats.betabinom(m, k, n + 1 - k)
    return float(spread.ppf((1 - LEVEL) / 2)) / m, float(spread.ppf((1 + LEVEL) / 2)) / m


@needs_fashion_mnist
@pytest.mark.slow
@pytest.mark.parametrize("score", ["lac", "aps", "raps"])
def test_each_of_100_divisions_covers_what_was_promised(
    score: str, clothes: tuple[NDArray[np.float64], NDArray[np.int32]]
) -> None:
    z, y = clothes
    P = softmax(z / 6.76)  # of the documents; fixed beforehand, so that it is of no held-out row
    n, m = 4000, 6000
    bands = {coverage: band(n, m, coverage) for coverage in (0.9, 0.95, 0.99)}
    found: dict[float, list[float]] = {coverage: [] for coverage in bands}
    for seed in range(100):
        order = np.random.default_rng(seed).permutation(len(y))
        conformal = SplitConformal(score, seed=seed).fit(P[order[:n]], y[order[:n]])
        for coverage, (low, high) in bands.items():
            sets = conformal.predict(P[order[n:]], coverage=coverage)
            share = float(sets[np.arange(m), y[order[n:]]].mean())
            assert low <= share <= high, (seed, coverage)
            found[coverage].append(share)
    for coverage, shares in found.items():
        assert np.mean(shares) == pytest.approx(coverage, abs=0.003)


@needs_fashion_mnist
@pytest.mark.slow
@pytest.mark.parametrize("name", ["60,000, C = 1", "5,000, C = 1", "5,000, C = 1000, 60 steps"])
def test_the_table_of_calibration_is_what_its_script_prints(name: str, script: dict[str, Any]) -> None:
    train, test = fashion_mnist.load()
    page = (ROOT / "docs" / "calibration.md").read_text()
    printed = script["lines"](name, script["logits_of"](name, train, test), test.y)
    told = page[page.index(f"| {name} |") :].splitlines()[: len(printed)]
    for line, want in zip(told, printed, strict=True):
        assert line.split("|")[1] == want.split("|")[1]
        # One model is of 60 steps, not of an optimum, and its last digits are those of an instruction set.
        for cell, value in zip(line.split("|")[3:-1], want.split("|")[3:-1], strict=True):
            assert float(cell) == pytest.approx(float(value), rel=0.1, abs=0.003)


@needs_fashion_mnist
@pytest.mark.slow
def test_scaling_lowers_the_error_of_an_overtrained_model(
    clothes: tuple[NDArray[np.float64], NDArray[np.int32]],
) -> None:
    z, y = clothes
    half, rest = np.array_split(np.random.default_rng(1).permutation(len(y)), 2)
    scaled = temperature_scaling(z[half], y[half]).probabilities(z[rest])
    assert calibration_error(softmax(z[rest]), y[rest]) > 5 * calibration_error(scaled, y[rest])


# --- the example -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_example_saves_what_the_page_says() -> None:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        table = runpy.run_path(str(ROOT / "examples" / "decisions.py"))["table"]
    costs = [values[:, 0].mean() for values in table.values()]
    assert costs == sorted(costs, reverse=True)
    assert costs[3] < costs[2] < 0.6 * costs[0]
    page = (ROOT / "docs" / "decisions.md").read_text()
    for line in printed.getvalue().splitlines()[2:]:
        cells = re.split(r"\s{2,}", line)
        assert f"| {' | '.join(cells)} |" in page
