"""Everything softreg raises on purpose.

    SoftregError
    ├── DataError               (ValueError)          data that cannot be used
    │   ├── ShapeError                                an array of the wrong shape
    │   ├── LabelError                                labels outside the classes, or missing
    │   ├── MagnitudeError                            values so large that their products overflow
    │   └── DataFormatError                           a file whose bytes are not what its format says
    ├── DataNotFoundError       (FileNotFoundError)   a data set that is nowhere to be had
    ├── SettingError            (ValueError)          a setting outside its range
    ├── ModelFileError          (ValueError)          a model file that is not whole, not ours or not readable
    └── FitError                (RuntimeError)        a fit without a usable result
    FitInterrupted              (KeyboardInterrupt)   Ctrl-C during a fit; carries the model so far

Each is also the built-in that a caller would expect, and keeps the facts of its message as attributes.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from softreg.model import Model
    from softreg.solvers import Solution

__all__ = [
    "DataError",
    "DataFormatError",
    "DataNotFoundError",
    "FitError",
    "FitInterrupted",
    "LabelError",
    "MagnitudeError",
    "ModelFileError",
    "SettingError",
    "ShapeError",
    "SoftregError",
]


class SoftregError(Exception):
    """Base of the tree: catch this to catch everything softreg raises on purpose."""


class DataError(SoftregError, ValueError):
    """Data that cannot be used as given."""


class ShapeError(DataError):
    """An array of the wrong shape."""

    def __init__(self, name: str, got: tuple[int, ...], want: str) -> None:
        super().__init__(f"{name} has shape {got}; expected {want}")
        self.name, self.got, self.want = name, got, want


class LabelError(DataError):
    """Labels outside the classes, or missing."""


class MagnitudeError(DataError):
    """Values so large that their products overflow. `name` is the column's, where the features have names."""

    def __init__(self, column: int, name: str | None, magnitude: float, what: str) -> None:
        super().__init__(what)
        self.column, self.name, self.magnitude = column, name, magnitude


class DataFormatError(DataError):
    """A file whose bytes are not what its format says.

    `offset` counts bytes of the uncompressed content.
    """

    def __init__(self, path: object, offset: int, what: str, expected: object, got: object) -> None:
        super().__init__(f"{path}: byte {offset}: {what}: expected {expected}, found {got}")
        self.path, self.offset, self.what, self.expected, self.got = path, offset, what, expected, got


class DataNotFoundError(SoftregError, FileNotFoundError):
    """A data set that is in no known place and could not be downloaded."""


class SettingError(SoftregError, ValueError):
    """A setting outside its range."""

    def __init__(self, name: str, got: object, want: str) -> None:
        super().__init__(f"{name} is {got!r}; expected {want}")
        self.name, self.got, self.want = name, got, want


class ModelFileError(SoftregError, ValueError):
    """A model file that is not whole, not ours or not readable."""

    def __init__(self, path: object, why: str) -> None:
        super().__init__(f"{path}: {why}")
        self.path, self.why = path, why


class FitError(SoftregError, RuntimeError):
    """A fit that ended without a usable result."""


class FitInterrupted(KeyboardInterrupt):
    """Ctrl-C during a fit. `model` and `solution` hold what was reached, so nothing is lost."""

    def __init__(self, model: "Model", solution: "Solution") -> None:
        super().__init__(f"the fit was interrupted after {solution.steps} steps")
        self.model, self.solution = model, solution
