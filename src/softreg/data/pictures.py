"""PNG and JPEG files, and folders of them, as grey images of one size."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from softreg.errors import DataError, ShapeError

__all__ = ["SUFFIXES", "in_folder", "read_pictures"]

SUFFIXES = (".png", ".jpg", ".jpeg")
DEEP = ("I", "I;16", "I;16B", "I;16L")  # Pillow's names of grey in 16 bits, which it would cut off at 255


def in_folder(folder: Path) -> list[Path]:
    """Return the pictures in a folder, by name.

    Raises
    ------
    DataError
        Where there are none.
    """
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())
    if not found:
        raise DataError(f"the folder {folder} has no {', '.join(SUFFIXES)} files")
    return found


def read_pictures(
    paths: Sequence[Path], shape: tuple[int, int], *, resize: bool = False, invert: bool = False
) -> NDArray[np.uint8]:
    """Return pictures as grey images (n, height, width), 0 for black and 255 for white.

    Parameters
    ----------
    paths : sequence of path
    shape : (height, width)
        What they must have; what they are given, where `resize` is set.
    resize : bool
        Whether other sizes are stretched or shrunk to it.
    invert : bool
        Whether black is to be white: for dark pictures on paper, and a model that knows bright ones on black.

    Raises
    ------
    DataError
        Where a file is no picture, or is damaged.
    ShapeError
        Where one has another size.
    """
    images = np.empty((len(paths), *shape), np.uint8)
    for i, path in enumerate(paths):
        images[i] = _grey(path, shape, resize)
    return 255 - images if invert else images


def _grey(path: Path, shape: tuple[int, int], resize: bool) -> NDArray[Any]:
    from PIL import Image, ImageOps  # where there are pictures

    try:
        with path.open("rb") as stream, Image.open(stream, formats=("PNG", "JPEG")) as file:
            got = file.height, file.width
            if got in (shape, shape[::-1]) or resize:  # of others no pixel is read
                image: Any = ImageOps.exif_transpose(file)
                got = image.height, image.width
                image = _on_paper(image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        if isinstance(error, FileNotFoundError | PermissionError):
            raise
        raise DataError(f"{path} cannot be read as a PNG or JPEG file: {error}") from None
    if got != shape and not resize:
        raise ShapeError(str(path), got, f"{shape}, the height and width of the model's images: --resize makes it so")
    if got != shape:
        image = image.resize((shape[1], shape[0]), Image.Resampling.BILINEAR)
    return np.asarray(image)


def _on_paper(image: Any) -> Any:
    """Return it in grey, what can be seen through on white."""
    from PIL import Image

    if image.mode in DEEP:
        return Image.fromarray((np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8))
    if image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    return image.convert("L")
