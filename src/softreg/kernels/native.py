"""The one import of the compiled extension. There is no fallback: slow must not pass for fast."""

try:
    from softreg.kernels._native import (
        backward_packed,
        choose,
        curvature,
        forward,
        forward_packed,
        fused,
        instruction_set,
        instruction_sets,
        largest,
        log_softmax,
        longest_batch,
        multiply_add,
        pack,
        padded,
        scratch_bytes,
        sgd,
        softmax,
        softmax_change,
        softmax_xent,
        tile_rows,
    )
except ImportError as error:  # pragma: no cover - only a broken installation gets here
    raise ImportError(
        "softreg's compiled kernels could not be imported. Build and install the package "
        "(`pip install .` in its folder, with a C++20 compiler) instead of putting src/ on the path."
    ) from error

__all__ = [
    "backward_packed",
    "choose",
    "curvature",
    "forward",
    "forward_packed",
    "fused",
    "instruction_set",
    "instruction_sets",
    "largest",
    "log_softmax",
    "longest_batch",
    "multiply_add",
    "pack",
    "padded",
    "scratch_bytes",
    "sgd",
    "softmax",
    "softmax_change",
    "softmax_xent",
    "tile_rows",
]
