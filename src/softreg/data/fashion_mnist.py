"""Fashion-MNIST: 70,000 pictures of clothes in ten classes, 28 × 28 grey pixels each.

Xiao, Rasul & Vollgraf 2017, "Fashion-MNIST: a novel image dataset for benchmarking machine learning algorithms";
MIT licence. The four IDX files are looked for in

    1. the folder that the caller names
    2. softreg's cache
    3. the folder of Debian's package dataset-fashion-mnist

and downloaded into the cache where none of these has them. Mirrors pack the files differently, so what is checked,
every time, is the SHA-256 of the uncompressed bytes.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import platformdirs

from softreg.data.dataset import Dataset
from softreg.data.idx import read_idx, read_labelled_images
from softreg.errors import DataError, DataFormatError, DataNotFoundError

__all__ = [
    "ABOUT",
    "CLASSES",
    "MIRRORS",
    "SHA256",
    "TEST_IMAGES",
    "Split",
    "cache_folder",
    "fetch",
    "find",
    "load",
    "sample",
    "sample_folder",
]

ABOUT = "60,000 + 10,000 images of clothes, 28 x 28, in 10 classes"
TEST_IMAGES = "t10k-images-idx3-ubyte"

CLASSES = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")

SHA256 = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}

MIRRORS = (
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion",
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets",
)

DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")
_TIMEOUT = 30  # seconds without a byte


class Split(NamedTuple):
    """Data to learn from and data to judge by."""

    train: Dataset
    test: Dataset


def cache_folder() -> Path:
    """Where downloads go: the user's cache folder, as the platform has it."""
    return platformdirs.user_cache_path("softreg") / "fashion-mnist"


def sample_folder() -> Path:
    """Where the sample lies that comes with the package."""
    return Path(__file__).parent / "sample"


def load(folder: str | os.PathLike[str] | None = None, *, download: bool = True) -> Split:
    """Load 60,000 training and 10,000 test images, pixels as they are in the file: uint8, 47 MB in all.

    The datasets' `scale` is 1/255, so a model sees pixels in [0, 1].

    Parameters
    ----------
    folder : path, optional
        Where to look first.
    download : bool
        Whether to download what is found nowhere.

    Raises
    ------
    DataNotFoundError
        Where the files are nowhere to be had; the message names them and where to put them.
    DataError
        Where the folder named has some of the files only.
    DataFormatError
        Where a file is damaged.

    Examples
    --------
    >>> train, test = load()  # doctest: +SKIP
    >>> train  # doctest: +SKIP
    Dataset(60000 rows, 784 features, 10 classes, uint8)
    """
    found = find(folder)
    if found is None:
        if not download:
            raise _not_found(cache_folder(), ["downloading was not allowed"])
        found = fetch()
    try:
        return _read(found, SHA256)
    except DataFormatError as error:
        if found == cache_folder():
            error.add_note("`softreg data fetch fashion-mnist` replaces damaged files of the cache.")
        raise


def sample() -> Split:
    """Load the sample that comes with the package: 4,000 training and 800 test images, each class equally often."""
    return _read(sample_folder(), {})


def find(folder: str | os.PathLike[str] | None = None) -> Path | None:
    """Return the first of the places that has all four files, or None.

    Raises
    ------
    DataError
        Where the folder that the caller names has some of them only.
    """
    if folder is not None:
        missing = [name for name in SHA256 if _file(Path(folder), name) is None]
        if 0 < len(missing) < len(SHA256):
            raise DataError(f"{folder} has some of Fashion-MNIST's files, but not {', '.join(missing)}")
    places = [cache_folder(), DEBIAN_FOLDER] if folder is None else [Path(folder), cache_folder(), DEBIAN_FOLDER]
    return next((place for place in places if all(_file(place, name) for name in SHA256)), None)


def fetch(
    folder: str | os.PathLike[str] | None = None, *, mirrors: Sequence[str] = MIRRORS, progressbar: Any = False
) -> Path:
    """Download the files that the folder (the cache, if none is named) does not have whole, and check them.

    A file is in its place only once it has been checked, so an interrupted download leaves nothing half.

    Parameters
    ----------
    folder : path, optional
    mirrors : sequence of str
        Addresses of folders with the four files, tried in turn for each.
    progressbar : bool or object
        As pooch's HTTPDownloader takes it.

    Returns
    -------
    the folder

    Raises
    ------
    DataNotFoundError
        Where no mirror gives a file that passes; the message says what each of them did.
    """
    import pooch  # brings a whole HTTP client

    folder = cache_folder() if folder is None else Path(folder)
    download = pooch.HTTPDownloader(progressbar=progressbar, timeout=_TIMEOUT)
    folder.mkdir(parents=True, exist_ok=True)
    for name, sha256 in SHA256.items():
        present = _file(folder, name)
        if present is not None and _is_whole(present, sha256):
            continue
        problems = []
        for mirror in mirrors:
            url = f"{mirror.rstrip('/')}/{name}.gz"
            with tempfile.TemporaryDirectory(dir=folder, prefix=".download-") as waiting:
                arrived = Path(waiting, f"{name}.gz")
                try:
                    download(url, str(arrived), None)
                    read_idx(arrived, sha256=sha256)
                except (
                    OSError,
                    ValueError,
                ) as error:  # requests' errors are OSErrors; ours and bad addresses ValueErrors
                    problems.append(f"{url}: {error}")
                    continue
                arrived.replace(folder / f"{name}.gz")
                (folder / name).unlink(missing_ok=True)  # an unpacked one that was not whole
                break
        else:
            raise _not_found(folder, problems)
    return folder


def _not_found(folder: Path, problems: Sequence[str]) -> DataNotFoundError:
    names = "\n".join(f"    {name}.gz" for name in SHA256)
    tried = "\n".join(f"    {problem}" for problem in problems)
    return DataNotFoundError(
        f"Fashion-MNIST is not there and could not be downloaded. Put these four files\n{names}\n"
        f"(gzipped or not) into\n    {folder}\n"
        f"or install Debian's package dataset-fashion-mnist. Meanwhile `softreg train fashion-mnist --sample` and\n"
        f"fashion_mnist.sample() work on the 4,000 images in the package. What was tried:\n{tried}"
    )


def _file(folder: Path, name: str) -> Path | None:
    return next((path for path in (folder / f"{name}.gz", folder / name) if path.is_file()), None)


def _is_whole(path: Path, sha256: str) -> bool:
    try:
        read_idx(path, sha256=sha256)
    except DataFormatError:
        return False
    return True


def _read(folder: Path, sha256: dict[str, str]) -> Split:
    def part(prefix: str) -> Dataset:
        images, labels = f"{prefix}-images-idx3-ubyte", f"{prefix}-labels-idx1-ubyte"
        X, y = read_labelled_images(
            _path(folder, images),
            _path(folder, labels),
            len(CLASSES),
            images_sha256=sha256.get(images),
            labels_sha256=sha256.get(labels),
        )
        return Dataset(X, y, np.array(CLASSES), scale=1 / 255)

    return Split(part("train"), part("t10k"))


def _path(folder: Path, name: str) -> Path:
    path = _file(folder, name)
    if path is None:
        raise DataNotFoundError(f"{folder / name} is missing")
    return path
