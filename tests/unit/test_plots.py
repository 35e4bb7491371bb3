"""Pictures: what is on them, and that they touch nobody else's figures."""

import numpy as np
import pytest

from softreg.errors import ShapeError
from softreg.plots import WRONG, draw_images, sample_predictions


def titles(figure: object) -> list[str]:
    return [axes.get_title() for axes in figure.axes]  # type: ignore[attr-defined]


def test_titles_have_the_true_label_above_the_predicted_one_and_mistakes_below() -> None:
    true, predicted = list("aabbccddeeff"), list("abbbccddeexf")
    figure = sample_predictions(np.zeros((12, 4, 4)), true, predicted)
    assert titles(figure) == [f"{t}\n{p}" for t, p in zip(true[:9], predicted[:9], strict=True)] + ["a\nb", "f\nx"]
    assert [axes.title.get_color() == WRONG for axes in figure.axes] == [i in (1, 9, 10) for i in range(11)]


def test_a_model_without_mistakes_has_one_row() -> None:
    assert titles(sample_predictions(np.zeros((3, 4, 4)), list("abc"), list("abc"))) == ["a\na", "b\nb", "c\nc"]


def test_no_images_are_an_empty_picture() -> None:
    assert titles(draw_images(np.zeros((0, 4, 4)), [])) == []


def test_pixels_are_drawn_as_they_are() -> None:
    image = np.arange(6, dtype=np.uint8).reshape(1, 2, 3)
    (axes,) = draw_images(image, ["x"]).axes
    assert np.array_equal(np.asarray(axes.images[0].get_array()), image[0])


@pytest.mark.parametrize(("shape", "labels"), [((4, 4), ["a"]), ((2, 4, 4), ["a"])])
def test_images_without_their_titles_are_refused(shape: tuple[int, ...], labels: list[str]) -> None:
    with pytest.raises(ShapeError):
        draw_images(np.zeros(shape), labels)


def test_drawing_leaves_pyplots_figures_alone() -> None:
    from matplotlib import pyplot as plt

    before = plt.get_fignums()
    draw_images(np.zeros((1, 2, 2)), ["x"])
    assert plt.get_fignums() == before
