"""Numbers → pictures, on figures that belong to nobody else: no global state of matplotlib is read or set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from softreg.errors import ShapeError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_images", "sample_predictions"]

RIGHT, WRONG = "#1a1a1a", "#b3261e"


def draw_images(
    images: NDArray[Any],
    titles: Sequence[str],
    *,
    columns: int | None = None,
    colours: Sequence[str] | None = None,
    figure: Figure | None = None,
) -> Figure:
    r"""Draw grey images side by side, each under its title.

    Parameters
    ----------
    images : (n, height, width) array
        Brightest is white.
    titles : sequence of n str
    columns : int, optional
        Images in a row; all of them in one row by default.
    colours : sequence of n str, optional
        Of the titles.
    figure : Figure, optional
        To draw on; a new one by default.

    Returns
    -------
    Figure
        Write it with `savefig`; a notebook shows it.

    Raises
    ------
    ShapeError
        Where images are not (n, height, width), or titles not n.

    Examples
    --------
    >>> import numpy as np
    >>> figure = draw_images(np.zeros((2, 28, 28)), ["bag\nbag", "coat\nshirt"])
    >>> len(figure.axes)
    2
    """
    from matplotlib.figure import Figure  # half a second, for those who draw

    if images.ndim != 3:
        raise ShapeError("images", images.shape, "(n, height, width)")
    n = len(images)
    if len(titles) != n:
        raise ShapeError("titles", (len(titles),), f"({n},): one for each image")
    columns = max(1, n if columns is None else min(columns, n))
    rows = -(-n // columns)
    width, height = 1.15 * columns, 1.55 * max(1, rows)
    if figure is None:
        figure = Figure(figsize=(width, height), layout="constrained")
    else:
        figure.set_size_inches(width, height)
    figure.patch.set_facecolor("white")
    for i, (image, title) in enumerate(zip(images, titles, strict=True)):
        axes = figure.add_subplot(rows, columns, i + 1)
        axes.imshow(image, cmap="gray", interpolation="nearest")
        axes.set_title(title, fontsize=9, color=RIGHT if colours is None else colours[i])
        axes.set_axis_off()
    return figure


def sample_predictions(
    images: NDArray[Any], true: Sequence[str], predicted: Sequence[str], *, columns: int = 9
) -> Figure:
    """Draw the first images and, below them, the first mistakes: the true label above the predicted one.

    Parameters
    ----------
    images : (n, height, width) array
    true, predicted : sequences of n str
    columns : int
        Images in a row.
    """
    wrong = [i for i, (t, p) in enumerate(zip(true, predicted, strict=True)) if t != p]
    columns = min(columns, len(images))
    chosen = [*range(columns), *wrong[:columns]]
    return draw_images(
        images[chosen],
        [f"{true[i]}\n{predicted[i]}" for i in chosen],
        columns=columns,
        colours=[RIGHT if true[i] == predicted[i] else WRONG for i in chosen],
    )
