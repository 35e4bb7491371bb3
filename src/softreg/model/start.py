"""Where a fit starts: at 0, with noise on W where the solver asks for it, or from a model."""

from __future__ import annotations

import numpy as np

from softreg.data import Dataset
from softreg.kernels import fold
from softreg.model.model import Model
from softreg.model.present import Present
from softreg.model.settings import Settings
from softreg.protocols import Matrix, Vector

__all__ = ["begin"]


def begin(present: Present, settings: Settings, model: Model | None) -> Vector:
    """Return theta before the first step, of the classes that the fit is of."""
    if model is not None:
        W, b = _rescaled(model, present.whole)
        return present.start(W, b if settings.fit_intercept else np.zeros_like(b))
    theta = present.start()
    if settings.converges:  # noise on a column of large values would be logits that no step can leave
        return theta
    W = theta.reshape(-1, present.data.n_classes)[:-1]
    # Entry 0 of the seed's sequence; the solver's epochs take 1, 2, …
    W[...] = np.random.default_rng((settings.seed, 0)).normal(scale=settings.init_std, size=W.shape)
    return theta


def _rescaled(model: Model, data: Dataset) -> tuple[Matrix, Vector]:
    """W and b of a model in the units of the data: (scale · X + shift) W + b gives the same logits."""
    if np.array_equal(model.scale, data.scale) and np.array_equal(model.shift, data.shift):
        return model.W, model.b
    W, b = fold(model.W, model.b, model.scale, model.shift)  # on X as it is
    scale = np.broadcast_to(data.scale, data.n_features)[:, None]
    W = np.divide(W, scale, out=np.zeros_like(W), where=scale != 0)
    return W, b - np.broadcast_to(data.shift, data.n_features) @ W
