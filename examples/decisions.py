# %% [markdown]
# Is the most likely label always the right answer? Tumours, from scikit-learn's breast cancer data (569 patients, 30
# measurements of cell nuclei): a model says how probable it is that one is malignant, costs say what to do about it.
# `python examples/decisions.py` prints the table of docs/decisions.md.

# %%
from dataclasses import replace

import numpy as np
from sklearn.datasets import load_breast_cancer

from softreg import Dataset, Model, Settings, fit
from softreg.decision import calibrate

# %% What each action costs where the tumour is of each kind, in the cost of a second reading
COSTS = {
    "malignant": {"biopsy": 0, "send home": 100},
    "benign": {"biopsy": 5, "send home": 0},
}
SECOND_READING = 1
REPEATS = 100

# %%
bunch = load_breast_cancer()
labels = bunch.target_names[bunch.target].astype(str)


# %% A third of the patients for each part: to fit, to calibrate, to decide about
def thirds(seed: int) -> list[Dataset]:
    """Three datasets of other patients, in units of the first one's means and deviations."""
    parts = np.array_split(np.random.default_rng(seed).permutation(len(labels)), 3)
    first = bunch.data[parts[0]]
    units = {"scale": 1 / first.std(axis=0), "shift": -first.mean(axis=0) / first.std(axis=0)}
    names = tuple(map(str, bunch.feature_names))
    return [Dataset.from_labels(bunch.data[rows], labels[rows], feature_names=names, **units) for rows in parts]


def prepared(seed: int) -> tuple[Model, Dataset]:
    """A calibrated model, and patients that it has not seen."""
    training, held_out, new = thirds(seed)
    model, _ = fit(training, Settings("auto", C=10.0, tol=1e-8))
    return calibrate(model, held_out), new


# %% What was decided, and what it cost once the truth was known
def paid(actions: np.ndarray, truth: np.ndarray) -> float:
    """Mean cost of a patient."""
    prices = {name: costs | {"reject": SECOND_READING} for name, costs in COSTS.items()}
    return float(np.mean([prices[true][action] for action, true in zip(actions.tolist(), truth.tolist(), strict=True)]))


def strategies(model: Model, new: Dataset) -> dict[str, tuple[float, float, float]]:
    """For each way to decide: cost per 100 patients, malignant ones sent home, and second readings, per 100."""
    truth = new.classes[new.y]
    likeliest = model.predict(new.X)
    as_fitted = replace(model, calibration=None)
    ways = {
        "the most likely class": np.where(likeliest == "malignant", "biopsy", "send home"),
        "least cost, as fitted": as_fitted.decide(new.X, costs=COSTS).names,
        "least cost, calibrated": model.decide(new.X, costs=COSTS).names,
        "and a second reading": model.decide(new.X, costs=COSTS, reject=SECOND_READING).names,
    }
    found = {}
    for name, actions in ways.items():
        missed = (truth == "malignant") & (actions == "send home")
        found[name] = (100 * paid(actions, truth), 100 * missed.mean(), 100 * (actions == "reject").mean())
    return found


# %%
runs = [strategies(*prepared(seed)) for seed in range(REPEATS)]
table = {name: np.array([run[name] for run in runs]) for name in runs[0]}
print(f"per 100 patients, mean of {REPEATS} divisions into thirds (standard deviation)")
print(f"{'decided by':<25}{'cost':>16}{'missed':>16}{'read again':>16}")
for name, values in table.items():
    cells = [f"{mean:.2f} ({sd:.2f})" for mean, sd in zip(values.mean(axis=0), values.std(axis=0), strict=True)]
    print(f"{name:<25}" + "".join(f"{cell:>16}" for cell in cells))
