# %% [markdown]
# How much more than it knows does a model say, the closer it fits? Fashion-MNIST, of all training images and of 5,000,
# with half of the test images to calibrate on and the other half to judge by.
# `python examples/calibration.py` prints the table of docs/calibration.md; it takes about ten seconds.

# %%
import numpy as np

from softreg import Dataset, Settings, fit, softmax
from softreg.data import fashion_mnist
from softreg.decision import temperature_scaling, vector_scaling
from softreg.metrics import measure, smooth_calibration_error

# %% What was fitted: images, C, and for how many steps where not to the optimum
FITS = {
    "60,000, C = 1": (60_000, 1.0, None),
    "5,000, C = 1": (5_000, 1.0, None),
    "5,000, C = 1000, 60 steps": (5_000, 1000.0, 60),
}
FIGURES = {
    "accuracy": 3,
    "log_loss": 3,
    "calibration_error": 3,
    "smooth": 3,
    "classwise_calibration_error": 4,
    "brier": 3,
}


# %%
def logits_of(name: str, train: Dataset, test: Dataset) -> np.ndarray:
    """Logits of the test images by a model of so many training images."""
    images, C, steps = FITS[name]
    rows = np.random.default_rng(0).permutation(60_000)[:images]
    settings = Settings("auto", C=C, tol=1e-3, max_steps=steps)
    return fit(train, settings, rows=rows)[0].logits(test.X)


def figures(probs: np.ndarray, y: np.ndarray) -> list[str]:
    """Cells of a line of the table."""
    found = measure(probs, y, resamples=0)
    smooth = smooth_calibration_error(probs, y)
    return [f"{smooth if name == 'smooth' else found.value(name):.{places}f}" for name, places in FIGURES.items()]


def lines(name: str, z: np.ndarray, y: np.ndarray) -> list[str]:
    """The lines of a model: as fitted, with a temperature, and by class where it is far off."""
    half, rest = np.array_split(np.random.default_rng(1).permutation(len(y)), 2)
    temperature = temperature_scaling(z[half], y[half])
    ways = {"as fitted": softmax(z[rest]), f"T = {temperature.temperature:.2f}": temperature.probabilities(z[rest])}
    if FITS[name][2] is not None:
        ways["by class"] = vector_scaling(z[half], y[half]).probabilities(z[rest])
    firsts = [name, *[""] * (len(ways) - 1)]
    return [
        f"| {' | '.join([first, how, *figures(probs, y[rest])])} |".replace("|  |", "| |")
        for first, (how, probs) in zip(firsts, ways.items(), strict=True)
    ]


# %%
if __name__ == "__main__":
    train, test = fashion_mnist.load()
    print("| images, C | | accuracy | log loss | calibration error | without bins | classwise | Brier |")
    print("|---|---|---|---|---|---|---|---|")
    for fitted in FITS:
        print(*lines(fitted, logits_of(fitted, train, test), test.y), sep="\n")
