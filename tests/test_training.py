"""The engine trains as the chapter does: the reference figures, and the same bits for the same seed."""

from __future__ import annotations

import numpy as np
import pytest

from problems import needs_fashion_mnist
from reference_table import deviations
from softreg import SGD, Settings, fit
from softreg.data import fashion_mnist

SAMPLE = fashion_mnist.sample()


@needs_fashion_mnist
@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_five_epochs_are_within_four_deviations_of_the_reference(seed: int) -> None:
    train, test = fashion_mnist.load()
    model, _ = fit(train, Settings(SGD(seed=seed), seed=seed), validation=test)
    figures = np.stack([model.history[name] for name in ("loss", "accuracy", "validation_accuracy")], axis=1)
    assert np.abs(deviations(figures)).max() < 4


def test_the_same_seed_gives_the_same_bits_and_another_seed_others() -> None:
    models = [fit(SAMPLE.train, Settings(SGD(seed=s), max_steps=2, seed=s))[0] for s in (1, 1, 2)]
    assert models[0].W.tobytes() == models[1].W.tobytes()
    assert models[0].W.tobytes() != models[2].W.tobytes()


def test_more_epochs_lower_the_loss() -> None:
    model, _ = fit(SAMPLE.train, Settings(max_steps=15), validation=SAMPLE.test)
    assert (np.diff(model.history["loss"]) < 0).all()
    assert model.history["validation_accuracy"][-1] > 0.75


def test_fitting_bytes_needs_no_copy_of_them() -> None:
    import tracemalloc

    tracemalloc.start()
    fit(SAMPLE.train, Settings(max_steps=1))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < SAMPLE.train.X.nbytes, "4,000 images as float32 would be four times their bytes"
