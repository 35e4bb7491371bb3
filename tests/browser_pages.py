"""Reports for tests: of images, of a table with costs, of very many classes, and of names made to hurt."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np

from softreg import Dataset, Settings, fit
from softreg.data import fashion_mnist
from softreg.report import Report, report

__all__ = ["HOSTILE", "clothes", "crowd", "hostile", "tumours"]

HOSTILE = [
    "<script>window.hurt=1</script>",
    "\"'><img src=x onerror=window.hurt=2>",
    "</script><script>window.hurt=3</script>",
    "{{ 7*7 }} &amp; <b class=hurt>bold</b>",
    "]]></svg><!-- \u2028 $x^2$ javascript:window.hurt=4",
]
COSTS = {
    "malignant": {"operate": 1.0, "wait": 50.0, "ask a colleague": 4.0},
    "benign": {"operate": 10.0, "wait": 0.0, "ask a colleague": 2.0},
}


@functools.cache
def clothes() -> Report:
    """Images: the sample of Fashion-MNIST."""
    train, test = fashion_mnist.sample()
    model, solution = fit(train, Settings(max_steps=6), validation=test)
    return report(model, test, solution=solution, name="clothes", data_name="the sample's test images")


@functools.cache
def tumours() -> Report:
    """Two classes, columns with names, costs of actions that are no classes."""
    from sklearn.datasets import load_breast_cancer

    from softreg.data.units import standardized

    bunch = load_breast_cancer()
    rows = np.arange(len(bunch.data))
    data = Dataset.from_labels(
        bunch.data, bunch.target_names[bunch.target], feature_names=tuple(map(str, bunch.feature_names))
    )
    data = standardized(data, rows[::2])
    model, solution = fit(data, Settings("auto", C=1.0), rows=rows[::2], validation=rows[1::2])
    test = replace(data, X=data.X[1::2], y=data.y[1::2])
    return report(model, test, solution=solution, costs=COSTS, name="tumours", data_name="every second row")


@functools.cache
def hostile() -> Report:
    """Every name is markup: of classes, columns, actions, the model and the rows."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 5, 400)
    X = np.eye(5)[y] + rng.normal(0, 0.6, (400, 5))
    data = Dataset(X, y, np.array(HOSTILE), feature_names=tuple(f"{name} column" for name in HOSTILE))
    model, solution = fit(data, Settings("auto", C=1.0))
    costs = {name: {f"{action} action": float(name != action) for action in HOSTILE} for name in HOSTILE}
    return report(model, data, solution=solution, costs=costs, name=HOSTILE[0], data_name=HOSTILE[1])


@functools.cache
def crowd() -> Report:
    """More classes than a matrix has room for, called by numbers, and rows with weights."""
    rng = np.random.default_rng(0)
    K = 60
    centres = 1.2 * rng.normal(size=(K, 8))
    y = rng.integers(0, K, 1500)
    X, w = centres[y] + rng.normal(size=(len(y), 8)), rng.uniform(0.5, 2, len(y))
    data = Dataset.from_labels(X, y + 1, weights=w)
    model, _ = fit(data, Settings("auto", C=1.0))
    return report(model, data, name="crowd", data_name="its own rows")
