from typing import Any

import numpy as np
from numpy.typing import NDArray

def softmax_xent(
    logits: NDArray[np.floating[Any]],
    labels: NDArray[np.int32],
    weights: NDArray[np.float64] | None = None,
) -> tuple[float, float]: ...
