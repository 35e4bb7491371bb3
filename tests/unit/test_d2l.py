"""The book's helpers, on a few images."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from softreg import Dataset
from softreg.chapter import d2l, nd
from softreg.data import fashion_mnist
from softreg.errors import SettingError


@pytest.fixture
def iterators(monkeypatch: pytest.MonkeyPatch) -> Any:
    def part(n: int) -> Dataset:
        rng = np.random.default_rng(n)
        y = rng.integers(0, 10, n)
        X = rng.integers(0, 50, (n, 28, 28), dtype=np.uint8)
        X[np.arange(n), y] += 200  # the class is the bright row
        return Dataset(X, y, np.array(fashion_mnist.CLASSES), scale=1 / 255)

    monkeypatch.setattr(fashion_mnist, "load", lambda: fashion_mnist.Split(part(50), part(20)))
    return d2l.load_data_fashion_mnist


def test_batches_have_the_books_shapes_and_types(iterators: Any) -> None:
    train_iter, test_iter = iterators(32)
    batches = list(train_iter)
    assert [X.shape for X, _ in batches] == [(32, 1, 28, 28), (18, 1, 28, 28)]
    assert {(X.dtype, y.dtype) for X, y in batches} == {(np.dtype("float32"), np.dtype("int32"))}
    assert 0 <= batches[0][0].asnumpy().min() < batches[0][0].asnumpy().max() <= 1
    assert (len(train_iter), len(test_iter)) == (2, 1)


def test_training_batches_are_shuffled_anew_each_epoch_and_test_batches_never(iterators: Any) -> None:
    train_iter, test_iter = iterators(50)
    nd.random.seed(0)
    (_, first), (_, second) = next(iter(train_iter)), next(iter(train_iter))
    assert first.asnumpy().tolist() != second.asnumpy().tolist()
    assert sorted(first.asnumpy()) == sorted(train_iter.data.y)
    assert next(iter(test_iter))[1].asnumpy().tolist() == test_iter.data.y.tolist()


def test_images_can_be_had_in_another_size(iterators: Any) -> None:
    (X, _), (larger, _) = next(iter(iterators(20)[1])), next(iter(iterators(20, resize=56)[1]))
    assert larger.shape == (20, 1, 56, 56)
    assert larger.asnumpy().mean() == pytest.approx(X.asnumpy().mean(), rel=0.05)


def parameters() -> tuple[nd.NDArray, nd.NDArray, d2l.Net]:
    W, b = nd.zeros((784, 10)), nd.zeros(10)
    W.attach_grad()
    b.attach_grad()

    def net(X: nd.NDArray) -> nd.NDArray:
        exps = (nd.dot(X.reshape((-1, 784)), W) + b).exp()
        return exps / exps.sum(axis=1, keepdims=True)

    return W, b, net


def loss(y_hat: nd.NDArray, y: nd.NDArray) -> nd.NDArray:
    return -nd.pick(y_hat, y).log()


def test_training_prints_the_chapters_lines_and_a_trainer_takes_the_same_steps(
    iterators: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = []
    for with_trainer in (False, True):
        nd.random.seed(1)
        W, b, net = parameters()
        train_iter, test_iter = iterators(16)
        if with_trainer:
            trainer = d2l.Trainer([W, b], "sgd", {"learning_rate": 0.1})
            d2l.train_ch3(net, train_iter, test_iter, loss, 3, 16, trainer=trainer)
        else:
            d2l.train_ch3(net, train_iter, test_iter, loss, 3, 16, [W, b], 0.1)
        printed.append(capsys.readouterr().out)
    lines = printed[0].splitlines()
    assert len(lines) == 3
    assert lines[2].startswith("epoch 3, loss ")
    assert [part.split()[0:2] for part in lines[0].split(", ")][2:] == [["train", "acc"], ["test", "acc"]]
    assert printed[0] == printed[1]


def test_accuracy_is_a_share(iterators: Any) -> None:
    _, test_iter = iterators(7)
    assert d2l.evaluate_accuracy(test_iter, lambda X: X.reshape((-1, 28, 28)).sum(axis=2)[:, :10]) == 1.0


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: d2l.Trainer([], "adam", {"learning_rate": 0.1}), "sgd"),
        (lambda: d2l.Trainer([], "sgd", {"lr": 0.1}), "learning_rate"),
        (lambda: d2l.train_ch3(lambda X: X, [], [], loss, 1, 1), "Trainer"),
        (lambda: iter(d2l.DataIterator(fashion_mnist.sample().test, 0, shuffle=False)), "batch_size"),
    ],
)
def test_what_the_chapter_does_not_have_is_refused_with_what_it_has(make: Any, words: str) -> None:
    with pytest.raises(SettingError, match=words):
        make()


def test_a_step_without_gradients_says_how_to_get_them() -> None:
    with pytest.raises(ValueError, match="attach_grad"):
        d2l.sgd([nd.zeros(2)], 0.1, 1)


def test_pictures_go_on_a_figure_of_pyplot() -> None:
    from matplotlib import pyplot as plt

    plt.switch_backend("agg")
    d2l.show_fashion_mnist(nd.zeros((3, 1, 28, 28)), d2l.get_fashion_mnist_labels([0, 1, 2]))
    assert [axes.get_title() for axes in plt.gcf().axes] == ["t-shirt", "trouser", "pullover"]
    plt.close()
