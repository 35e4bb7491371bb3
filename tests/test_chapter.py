"""The chapter from its first cell to its last, on the real data: what it prints, ours must show."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from problems import needs_fashion_mnist
from reference_table import deviations
from softreg.chapter import nd

CHAPTER = Path(__file__).parent.parent / "examples" / "chapter.py"

pytestmark = [needs_fashion_mnist, pytest.mark.slow]


@pytest.fixture(scope="module")
def run() -> Any:
    """Import the chapter, which runs it; return the module and the titles of its picture."""
    from matplotlib import pyplot as plt

    plt.switch_backend("agg")
    nd.random.seed(0)
    spec = importlib.util.spec_from_file_location("chapter", CHAPTER)
    assert spec is not None
    assert spec.loader is not None
    chapter = importlib.util.module_from_spec(spec)
    lines: list[str] = []
    chapter.print = lambda *args: lines.append(" ".join(map(str, args)))  # type: ignore[attr-defined]
    spec.loader.exec_module(chapter)
    chapter.lines = [line for line in lines if line.startswith("epoch")]  # type: ignore[attr-defined]
    chapter.drawn = [axes.get_title() for axes in plt.gcf().axes]  # type: ignore[attr-defined]
    plt.close()
    return chapter


def test_the_imports_are_the_only_change(run: Any) -> None:
    assert "from softreg.chapter import autograd, d2l, nd" in CHAPTER.read_text().splitlines()


def test_sums_along_an_axis_keep_it(run: Any) -> None:
    assert run.column_sums.asnumpy().tolist() == [[5, 7, 9]]
    assert run.row_sums.asnumpy().tolist() == [[6], [15]]


def test_rows_of_a_softmax_sum_to_one(run: Any) -> None:
    assert run.X_prob.shape == (2, 5)
    np.testing.assert_allclose(run.X_prob.sum(axis=1).asnumpy(), 1, atol=2e-7)
    assert (run.X_prob.asnumpy() > 0).all()


def test_pick_takes_the_labels_probabilities(run: Any) -> None:
    np.testing.assert_array_equal(run.picked.asnumpy(), np.array([0.1, 0.5], dtype=np.float32))


def test_half_of_the_toy_example_is_right(run: Any) -> None:
    assert run.toy_accuracy == 0.5


def test_an_untrained_net_guesses(run: Any) -> None:
    assert 0.02 < run.untrained_accuracy < 0.25


def test_five_epochs_give_the_reference_figures(run: Any) -> None:
    assert len(run.lines) == 5
    figures = [[float(str(part).split()[-1]) for part in line.split(", ")[1:]] for line in run.lines]
    assert np.abs(deviations(np.array(figures))).max() < 4


def test_the_nine_pictures_have_two_labels_each(run: Any) -> None:
    assert len(run.drawn) == 9
    assert [title.split("\n")[0] for title in run.drawn[:3]] == ["ankle boot", "pullover", "trouser"]
    agree = [len(set(title.split("\n"))) == 1 for title in run.drawn]
    assert sum(agree) >= 6


def test_the_loop_in_the_package_is_the_chapters(run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    from softreg.chapter import d2l

    lines = []
    for train in (run.train_ch3, d2l.train_ch3):
        nd.random.seed(5)
        W = nd.random.normal(scale=0.01, shape=(784, 10))
        b = nd.zeros(10)
        for param in (W, b):
            param.attach_grad()

        def net(X: nd.NDArray, W: nd.NDArray = W, b: nd.NDArray = b) -> nd.NDArray:
            return run.softmax(nd.dot(X.reshape((-1, 784)), W) + b)  # type: ignore[no-any-return]

        run.lines.clear()
        run.print = lambda *args: print(*args)
        train(net, run.train_iter, run.test_iter, run.cross_entropy, 1, 256, [W, b], 0.1)
        lines.append(capsys.readouterr().out)
    assert lines[0] == lines[1]
