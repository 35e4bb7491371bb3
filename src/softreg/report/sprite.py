"""Small images in one PNG: examples side by side, and the weights of each class."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["GREYS", "LARGEST", "Sprite", "sprite", "weight_picture"]

GREYS = 16  # four bits a pixel: half the bytes, and no difference to see at this size
LARGEST = 56  # pixels of a side; larger images are made smaller
COLUMNS = 32  # images side by side
BUDGET = 180_000  # bytes of the PNG; there are fewer images where it is more
TONES = 40  # of each sign of the weights
AGAINST, TOWARDS = (0, 114, 178), (213, 94, 0)  # blue and vermilion (Okabe & Ito 2008)


@dataclass(frozen=True)
class Sprite:
    """Images in rows of `columns`, each (height, width) pixels."""

    png: bytes = field(repr=False)
    count: int
    columns: int
    height: int
    width: int

    @property
    def rows(self) -> int:
        """Rows of images."""
        return -(-self.count // self.columns)


def sprite(images: NDArray[np.float64], budget: int = BUDGET) -> Sprite:
    """Put images, (n, height, width) from 0 for black to 1 for white, into one PNG of at most so many bytes.

    Where they would be more, the last ones are left out: `count` says how many are in it.

    Examples
    --------
    >>> found = sprite(np.zeros((40, 4, 6)))
    >>> found.count, found.columns, found.rows, found.height, found.width
    (40, 32, 2, 4, 6)
    """
    images = _small(images)
    while True:
        made = _sprite(images)
        if len(made.png) <= budget or len(images) <= 1:
            return made
        images = images[: max(1, min(len(images) - 1, int(len(images) * 0.95 * budget / len(made.png))))]


def weight_picture(weights: NDArray[np.float64], largest: float) -> bytes:
    """Return a PNG of one class's weights, (height, width): blue against it, vermilion for it, 0 transparent."""
    from PIL import Image

    unit = np.clip(weights / largest, -1, 1) if largest > 0 else np.zeros_like(weights)
    tones = np.rint(unit * TONES).astype(int)
    index = np.where(tones > 0, TONES + tones, -tones).astype(np.uint8)
    image = Image.fromarray(index, "P")
    image.putpalette(bytes([*(AGAINST * (TONES + 1)), *(TOWARDS * TONES)]))
    strength = [round(255 * tone / TONES) for tone in range(TONES + 1)]
    return _png(image, bits=8, transparency=bytes([*strength, *strength[1:]]))


def _small(images: NDArray[np.float64]) -> NDArray[np.float64]:
    from PIL import Image

    n, height, width = images.shape
    factor = LARGEST / max(height, width)
    if factor >= 1:
        return images
    size = max(1, round(width * factor)), max(1, round(height * factor))
    made = np.empty((n, size[1], size[0]))
    for i, image in enumerate(images):
        shrunk = Image.fromarray(image.astype(np.float32)).resize(size, Image.Resampling.BOX)
        made[i] = np.asarray(shrunk)
    return made


def _sprite(images: NDArray[np.float64]) -> Sprite:
    from PIL import Image

    n, height, width = images.shape
    columns = max(1, min(COLUMNS, n))
    rows = -(-n // columns)
    grid = np.zeros((rows * columns, height, width))
    grid[:n] = images
    whole = grid.reshape(rows, columns, height, width).transpose(0, 2, 1, 3).reshape(rows * height, columns * width)
    image = Image.fromarray(np.rint(np.clip(whole, 0, 1) * (GREYS - 1)).astype(np.uint8), "P")
    image.putpalette(bytes(round(255 * tone / (GREYS - 1)) for tone in range(GREYS) for _ in range(3)))
    return Sprite(_png(image, bits=4), n, columns, height, width)


def _png(image: Image.Image, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True, **options)
    return out.getvalue()
