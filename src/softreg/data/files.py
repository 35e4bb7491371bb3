"""Anybody's data: IDX, CSV, Parquet and npz files, or standard input, as a Dataset or as rows to predict.

rows and labels    a CSV or Parquet file, one of its columns the target; an npz file with X and y;
                   IMAGES or IMAGES,LABELS: IDX files, the labels beside the images if they are not named
rows               any of these without labels; PNG and JPEG files, and folders of them
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from softreg.data import numbers, table
from softreg.data.archive import read_arrays
from softreg.data.columns import Columns, features, found, listed, near
from softreg.data.dataset import Dataset, check_finite
from softreg.data.idx import labels_beside, parse_idx, read_idx, read_labelled_images
from softreg.data.labels import codes_among, codes_of_column
from softreg.data.pictures import SUFFIXES, in_folder, read_pictures
from softreg.data.source import STDIN, Kind, Source, parted, source
from softreg.errors import ColumnError, DataError, LabelError, ShapeError

__all__ = ["Known", "Rows", "read_labelled", "read_rows"]

PIXEL = 1 / 255  # the scale of images in bytes, as in the chapter


class Known(Protocol):
    """What rows with labels must be like: a Dataset, or a model."""

    @property
    def classes(self) -> NDArray[Any]: ...  # noqa: D102 - see Dataset
    @property
    def n_features(self) -> int: ...  # noqa: D102 - see Dataset
    @property
    def feature_names(self) -> tuple[str, ...] | None: ...  # noqa: D102 - see Dataset
    @property
    def scale(self) -> float | NDArray[np.float64]: ...  # noqa: D102 - see Dataset
    @property
    def shift(self) -> float | NDArray[np.float64]: ...  # noqa: D102 - see Dataset


@dataclass(frozen=True)
class Rows:
    """Rows to predict: X as the model takes it, the files they are of where each has its own, and what to tell."""

    X: Any
    files: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()


def read_labelled(where: str, columns: Columns = Columns(), like: Known | None = None) -> tuple[Dataset, list[str]]:  # noqa: B008 - frozen
    r"""Read rows with labels.

    Parameters
    ----------
    where : str
        A file; "-" is standard input; "IMAGES,LABELS" are two IDX files.
    columns : Columns
        Which of a table are what.
    like : Dataset or Model, optional
        Whose features, by their names, and whose classes the data must have: not all of them, and one alone will do.

    Returns
    -------
    the Dataset, and what is to be told of it: sentences

    Raises
    ------
    DataError
        Where the data cannot be used: the message says where, and what helps.
    OSError
        Where a file cannot be read.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "fruit.csv")
    ...     _ = path.write_text("size,weight,kind\n1,20,plum\n3,150,apple\n2,25,plum\n")
    ...     data, _ = read_labelled(str(path), Columns(target="kind"))
    >>> data, data.feature_names
    (Dataset(3 rows, 2 features, 2 classes, uint8), ('size', 'weight'))
    """
    images, labels = parted(where)
    if labels is not None:
        return _labelled_images(images, labels, columns, like, where), []
    one = source(where)
    notes: list[str] = []
    if one.kind in (Kind.CSV, Kind.PARQUET):
        return _labelled_table(one, columns, like, notes), notes
    if one.kind is Kind.NPZ:
        return _from_arrays(one, columns, like, notes), notes
    if one.kind is Kind.IDX and isinstance(one.content, Path):
        return _labelled_images(where, None, columns, like, where), notes
    raise DataError(f"{one.name} is {one.kind.value}, which has no labels: give IMAGES,LABELS as IDX files, or a table")


def read_rows(
    where: Sequence[str],
    *,
    names: tuple[str, ...] | None,
    n_features: int,
    image_shape: tuple[int, int] | None = None,
    columns: Columns = Columns(),  # noqa: B008 - frozen
    resize: bool = False,
    invert: bool = False,
) -> Rows:
    """Read rows for a model to predict: its columns are picked by name, and others are left aside.

    Parameters
    ----------
    where : sequence of str
        One file, "-", or any number of pictures or folders of pictures.
    names, n_features, image_shape
        Of the model.
    columns : Columns
        Which of a table's are features, for a model without names.
    resize, invert : bool
        Of pictures, see `pictures.read_pictures`.

    Raises
    ------
    DataError
        Where it is not what the model takes: the message says what is missing.
    OSError
        Where a file cannot be read.
    """
    if len(where) > 1 or (where[0] != STDIN and Path(where[0]).is_dir()):
        return _pictures(where, image_shape, resize, invert)
    one = source(parted(where[0])[0])
    if one.kind is Kind.PICTURE:
        return _pictures(where, image_shape, resize, invert)
    if resize or invert:
        raise DataError(f"--resize and --invert are for PNG and JPEG files; {one.name} is {one.kind.value}")
    want = image_shape or (n_features,)
    notes: list[str] = []
    if one.kind is Kind.IDX:
        content = one.content
        X = parse_idx(content, one.name) if isinstance(content, bytes) else read_idx(content)
    elif one.kind is Kind.NPZ:
        fields = read_arrays(one, columns, labelled=False)
        X, own = fields["X"], fields.get("feature_names")
        if names is not None and own is not None:
            X = X[:, [own.index(name) for name in _picked(names, own, one.name, notes, columns)]]
    else:
        X = _table_rows(one, columns, names, n_features, notes)
    fits = X.shape[1:] == want or (np.prod(X.shape[1:]) == n_features and 1 in (len(want), X.ndim - 1))
    if X.ndim < 2 or not fits:
        rows = "images" if image_shape else "rows"
        raise ShapeError(one.name, X.shape, f"({rows}, {', '.join(map(str, want))}), as the model was trained on")
    if X.dtype.kind not in "buif":
        raise DataError(f"{one.name}: X has dtype {X.dtype}; expected numbers")
    if X.dtype.kind == "f":
        check_finite(X, one.name)  # before the first line is printed
    return Rows(X, notes=tuple(notes))


def _labelled_images(images: str, labels: str | None, columns: Columns, like: Known | None, where: str) -> Dataset:
    if columns != Columns():
        raise DataError(f"{images} is no table: --target, --features and --weight are for columns")
    X, y = read_labelled_images(images, labels_beside(images) if labels is None else labels)
    y = y.astype(np.int64)
    if like is None:
        return Dataset.from_labels(X, y, scale=PIXEL if X.dtype == np.uint8 else 1.0)
    return _like(X, y, like, where, {})


def _labelled_table(one: Source, columns: Columns, like: Known | None, notes: list[str]) -> Dataset:
    names = table.column_names(one)
    if columns.target is None:
        raise ColumnError((), f"{one.name} needs --target, the column of labels: it has {listed(names)}")
    target = found(columns.target, names, one.name, "--target")
    weight = None if columns.weight is None else found(columns.weight, names, one.name, "--weight")
    if like is not None and like.feature_names is not None:
        chosen = _picked(like.feature_names, names, one.name, notes, columns)
    else:
        chosen = features(columns, names, one.name)
    read = table.read_columns(one, list(dict.fromkeys([*chosen, target, *([] if weight is None else [weight])])))
    codes, classes = codes_of_column(read[target], target, one.name, known=like is not None)
    X = numbers.matrix(read.select(list(chosen)), one.name, chosen=like is not None and like.feature_names is not None)
    w = None if weight is None else numbers.weights(read[weight], weight, one.name)
    if like is not None:
        return _like(X, classes[codes], like, one.name, {"feature_names": chosen, "weights": w}, target)
    unasked = [(name, X[:, j]) for j, name in enumerate(chosen) if name not in columns.features]
    notes += [_counter(name, column) for name, column in unasked if _counts(column)]
    return Dataset(X, codes, classes, feature_names=chosen, weights=w)


def _counts(column: Any) -> bool:
    """Whether a column just numbers the rows."""
    return len(column) > 2 and column.dtype.kind in "iu" and bool((np.diff(column.astype(np.int64)) == 1).all())


def _counter(name: str, column: Any) -> str:
    return f"{name!r} counts the rows, from {column[0]}; --features '!{name}' leaves it out"


def _from_arrays(one: Source, columns: Columns, like: Known | None, notes: list[str]) -> Dataset:
    fields = read_arrays(one, columns, labelled=True)
    X, y, classes = fields.pop("X"), fields.pop("y"), fields.pop("classes", None)
    coded = classes is not None and y.dtype.kind in "iu" and classes.dtype.kind == "U"
    if like is not None:
        own = fields.get("feature_names")
        if own is not None and like.feature_names is not None:
            picked = _picked(like.feature_names, own, one.name, notes, columns)
            X, fields["feature_names"] = X[:, [own.index(name) for name in picked]], picked
        if coded:
            y = classes[Dataset(X, y, classes).y]
        return _like(X, y, like, one.name, fields, columns.target or "y")
    if X.ndim == 3 and X.dtype == np.uint8:
        fields["scale"] = PIXEL
    if coded:
        return Dataset(X, y, classes, **fields)
    if y.ndim == 1 and classes is None and len(np.unique(y)) == 1:
        raise LabelError(f"{one.name} has one class alone, {y[0].item()!r}; expected at least two")
    return Dataset.from_labels(X, y, **(fields if classes is None else fields | {"classes": classes}))


def _like(X: Any, y: NDArray[Any], like: Known, where: str, fields: dict[str, Any], name: str = "y") -> Dataset:
    """Return rows and their labels with the classes and the units of what is known."""
    n_features = math.prod(X.shape[1:])
    if X.ndim < 2 or n_features != like.n_features:
        raise ShapeError(where, X.shape, f"(rows, {like.n_features}), as the training data")
    if y.ndim != 1:
        raise ShapeError(f"{name} in {where}", y.shape, f"({len(X)},): one label for each row of X")
    codes = codes_among(y, like.classes, where, name)
    return Dataset(X, codes, like.classes, scale=like.scale, shift=like.shift, **fields)


def _table_rows(one: Source, columns: Columns, names: tuple[str, ...] | None, n_features: int, notes: list[str]) -> Any:
    there = table.column_names(one)
    for role in ("target", "weight"):
        if getattr(columns, role) is not None:
            found(getattr(columns, role), there, one.name, f"--{role}")
    if names is not None:
        if columns.features:
            raise DataError("--features is for models without names of columns; this one picks its own by their names")
        chosen = _picked(names, there, one.name, notes, columns)
    else:
        chosen = features(columns, there, one.name)
        if len(chosen) != n_features:
            raise ColumnError(
                chosen,
                f"{one.name} has {len(chosen)} columns for features, {listed(chosen)}; expected {n_features}, as the "
                "model, which knows no names: --target, --weight and --features say which are others",
            )
    return numbers.matrix(table.read_columns(one, chosen), one.name, chosen=names is not None)


def _picked(
    wanted: tuple[str, ...], there: Sequence[str], where: str, notes: list[str], columns: Columns
) -> tuple[str, ...]:
    """Return the model's columns, if they are all there; note what is left aside.

    Raises
    ------
    ColumnError
        Where some are not: each with the names that are like it.
    """
    missing = tuple(name for name in wanted if name not in there)
    others = [name for name in there if name not in wanted]
    if missing:
        like = [f"{name!r}{hint if '?' in (hint := near(name, others)) else ''}" for name in missing[:5]]
        more = f" and {len(missing) - len(like)} more" if len(missing) > len(like) else ""
        raise ColumnError(missing, f"{where} lacks columns that the model was trained on: {', '.join(like)}{more}")
    aside = [name for name in others if name not in (columns.target, columns.weight)]
    if aside:
        notes.append(f"left aside, as the model does not know them: {listed(aside)}")
    return wanted


def _pictures(where: Sequence[str], shape: tuple[int, int] | None, resize: bool, invert: bool) -> Rows:
    paths: list[Path] = []
    for name in where:
        path = Path(name)
        if not path.exists():
            raise DataError(f"{name}: there is no such file")
        if not path.is_dir() and source(name).kind is not Kind.PICTURE:
            kinds = ", ".join(SUFFIXES)
            raise DataError(f"{name} is no picture: of several files all are {kinds} or folders of them")
        paths += in_folder(path) if path.is_dir() else [path]
    if shape is None:
        raise DataError(f"{where[0]}: the model was not trained on images, and has no height and width for pictures")
    return Rows(read_pictures(paths, shape, resize=resize, invert=invert), tuple(map(str, paths)))
