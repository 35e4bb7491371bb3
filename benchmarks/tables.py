"""Real tables as they come, unscaled: those of R's mlbench package (Leisch & Dimitriadou) and of scikit-learn.

mlbench's are .rda files, which the Debian package r-cran-mlbench puts into FOLDER; SOFTREG_MLBENCH names another one.
The package `rdata` reads them. Rows with a missing entry are left out, and columns that are not numbers become one
column for each of their values but the first.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FOLDER = "/usr/lib/R/site-library/mlbench/data"
LABELS = {
    "LetterRecognition": "lettr",
    "Shuttle": "Class",
    "Satellite": "classes",
    "DNA": "Class",
    "Vowel": "Class",
    "Glass": "Type",
    "Vehicle": "Class",
    "Zoo": "type",
    "Soybean": "Class",
    "BreastCancer": "Class",
    "Ionosphere": "Class",
    "PimaIndiansDiabetes": "diabetes",
    "Sonar": "Class",
    "HouseVotes84": "Class",
}
NO_FEATURES = {"BreastCancer": ["Id"]}

Table = tuple[NDArray[np.float64], NDArray[Any]]


def tables() -> dict[str, Table]:
    """Return X (n, d) and y (n,) of each table, by its name."""
    folder = Path(os.environ.get("SOFTREG_MLBENCH", FOLDER))
    found = {name: _mlbench(folder / f"{name}.rda", name) for name in LABELS} if folder.is_dir() else {}
    if not found:
        print(f"no tables of mlbench in {folder}: apt-get install r-cran-mlbench, or name a folder in SOFTREG_MLBENCH")
    from sklearn import datasets

    for name in ("iris", "wine", "breast_cancer", "digits"):
        bunch = getattr(datasets, f"load_{name}")()
        found[name] = (np.asarray(bunch.data, float), np.asarray(bunch.target))
    return found


def _mlbench(file: Path, name: str) -> Table:
    import pandas as pd
    import rdata

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        frame = rdata.read_rda(file)[name]
    frame = pd.DataFrame(frame).drop(columns=NO_FEATURES.get(name, [])).dropna()
    y = frame.pop(LABELS[name]).astype(str).to_numpy()
    numbers = {c: frame[c].to_numpy(float) for c in frame if pd.api.types.is_numeric_dtype(frame[c])}
    other = frame.drop(columns=list(numbers))
    for column in other:
        values = other[column].astype(str)
        if not values.str.fullmatch(r"-?[0-9.]+").all():
            numbers |= {f"{column}={v}": (values == v).to_numpy(float) for v in sorted(set(values))[1:]}
        else:
            numbers[column] = values.to_numpy(float)
    return np.column_stack(list(numbers.values())), y
