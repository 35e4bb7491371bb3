"""Everything softreg raises on purpose.

    SoftregError
    ├── DataError               (ValueError)          data that cannot be used
    │   ├── ShapeError                                an array of the wrong shape
    │   ├── LabelError                                labels outside the classes, or missing
    │   ├── ColumnError                               columns that a table lacks, has twice, or that cannot be used
    │   ├── MagnitudeError                            values so large that their products overflow
    │   └── DataFormatError                           a file whose bytes are not what its format says
    ├── DataNotFoundError       (FileNotFoundError)   a data set that is nowhere to be had
    ├── SettingError            (ValueError)          a setting outside its range
    ├── ModelFileError          (ValueError)          a model file that is not whole, not ours or not readable
    ├── FitError                (RuntimeError)        a fit without a usable result
    ├── InferenceError          (ValueError)          standard errors that this model and these rows do not have
    │   ├── SingularInformationError                  columns, or classes, that cannot be told apart
    │   ├── SeparatedError                            separated classes: there is no finite estimate
    │   └── NotAtOptimumError                         coefficients that are not the best ones for these rows
    └── MissingPackageError     (ImportError)         an optional package that is not installed
    InferenceWarning            (UserWarning)         coefficients that are a little off the best ones
    FitInterrupted              (KeyboardInterrupt)   Ctrl-C during a fit; carries the model so far

Each is also the built-in that a caller would expect, and keeps the facts of its message as attributes. `warn` is how
softreg warns: of the caller's line.
"""

import sys
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from softreg.model import Model
    from softreg.protocols import Separation
    from softreg.solvers import Solution

__all__ = [
    "ColumnError",
    "DataError",
    "DataFormatError",
    "DataNotFoundError",
    "FitError",
    "FitInterrupted",
    "InferenceError",
    "InferenceWarning",
    "LabelError",
    "MagnitudeError",
    "MissingPackageError",
    "ModelFileError",
    "NotAtOptimumError",
    "SeparatedError",
    "SettingError",
    "ShapeError",
    "SingularInformationError",
    "SoftregError",
    "warn",
]

BETWEEN = ("softreg", "sklearn", "joblib")  # packages whose lines are no caller's: they call one another


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


class ColumnError(DataError):
    """Columns that a table does not have, has twice, or whose values cannot be used. `columns` are their names."""

    def __init__(self, columns: tuple[str, ...], what: str) -> None:
        super().__init__(what)
        self.columns = columns


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
        plain = hasattr(got, "item") and hasattr(got, "is_integer")  # a NumPy number, and no boolean
        shown = got.item() if plain else got  # type: ignore[attr-defined]  # 2.0 rather than np.float64(2.0)
        super().__init__(f"{name} is {shown!r}; expected {want}")
        self.name, self.got, self.want = name, got, want


class ModelFileError(SoftregError, ValueError):
    """A model file that is not whole, not ours or not readable."""

    def __init__(self, path: object, why: str) -> None:
        super().__init__(f"{path}: {why}")
        self.path, self.why = path, why


class FitError(SoftregError, RuntimeError):
    """A fit that ended without a usable result."""


class InferenceError(SoftregError, ValueError):
    """Standard errors, or a test, that this model and these rows do not have."""


class SingularInformationError(InferenceError):
    """An information matrix that cannot be inverted. `columns` and `classes` are those that cannot be told apart."""

    def __init__(self, columns: tuple[str, ...], classes: tuple[object, ...], what: str) -> None:
        super().__init__(what)
        self.columns, self.classes = columns, classes


class SeparatedError(InferenceError):
    """Separated classes: without a penalty there is no finite estimate. `separation` is the proof."""

    def __init__(self, separation: "Separation") -> None:
        super().__init__(f"there are no standard errors: {separation.sentence}")
        self.separation = separation


class NotAtOptimumError(InferenceError):
    """Coefficients that are not the best ones for these rows. `distance` is in standard errors."""

    def __init__(self, distance: float, what: str) -> None:
        super().__init__(what)
        self.distance = distance


class InferenceWarning(UserWarning):
    """Coefficients that are a little off the best ones for these rows."""


class MissingPackageError(SoftregError, ImportError):
    """An optional package that is not installed. `install` is what pip is to install: it, or an extra of softreg's."""

    def __init__(self, package: str, purpose: str, install: str | None = None) -> None:
        remedy = f"pip install {package if install is None else install}"
        super().__init__(f"{purpose} needs {package}, which is not installed: {remedy}", name=package)
        self.package, self.purpose = package, purpose


class FitInterrupted(KeyboardInterrupt):
    """Ctrl-C during a fit. `model` and `solution` hold what was reached, so nothing is lost."""

    def __init__(self, model: "Model", solution: "Solution") -> None:
        super().__init__(f"the fit was interrupted after {solution.steps} steps")
        self.model, self.solution = model, solution


def warn(message: str, category: type[Warning]) -> None:
    """Warn of the line that called softreg: be it by way of scikit-learn, as in a Pipeline or a cross-validation."""
    frame, level = sys._getframe(1), 2  # of this function's caller
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in BETWEEN:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
