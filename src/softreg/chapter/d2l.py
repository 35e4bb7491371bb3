"""The book's helper package, as far as the chapter calls it: data, accuracy, the training loop, pictures.

Signatures are those of the edition in hand: `accuracy` is a mean, and `evaluate_accuracy` takes the data first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from softreg.chapter import autograd, nd
from softreg.data import Dataset, fashion_mnist
from softreg.errors import LabelError, SettingError
from softreg.plots import draw_images

__all__ = [
    "Batches",
    "DataIterator",
    "Loss",
    "Net",
    "Trainer",
    "accuracy",
    "evaluate_accuracy",
    "get_fashion_mnist_labels",
    "load_data_fashion_mnist",
    "sgd",
    "show_fashion_mnist",
    "train_ch3",
]

Batches = Iterable[tuple[nd.NDArray, nd.NDArray]]
Net = Callable[[nd.NDArray], nd.NDArray]
Loss = Callable[[nd.NDArray, nd.NDArray], nd.NDArray]


class DataIterator:
    """Minibatches (X, y): X (rows, 1, height, width) float32 in [0, 1], y (rows,) int32.

    Each pass over it is an epoch; a shuffled one comes in a new order each time. Pixels stay bytes until they are used.
    """

    def __init__(self, data: Dataset, batch_size: int, *, shuffle: bool, resize: int | None = None) -> None:
        if batch_size < 1:
            raise SettingError("batch_size", batch_size, "at least 1")
        if data.image_shape is None:
            raise SettingError("data", data, "a Dataset of images")
        self.data, self.batch_size, self.shuffle, self.resize = data, batch_size, shuffle, resize
        self.shape = data.image_shape

    def __len__(self) -> int:
        return -(-self.data.n_rows // self.batch_size)

    def __iter__(self) -> Iterator[tuple[nd.NDArray, nd.NDArray]]:
        n = self.data.n_rows
        order = nd.random.generator.permutation(n) if self.shuffle else np.arange(n)
        for start in range(0, n, self.batch_size):
            rows = order[start : start + self.batch_size]
            images = self.data.X[rows].reshape(-1, *self.shape)
            if self.resize is not None:
                images = _resized(images, self.resize)
            yield nd.array(images[:, None]) / 255, nd.array(self.data.y[rows], dtype="int32")


def load_data_fashion_mnist(batch_size: int, resize: int | None = None) -> tuple[DataIterator, DataIterator]:
    """Minibatches of the training images, shuffled, and of the test images, in order.

    With `resize` the images come enlarged or reduced to that many pixels a side, by bilinear interpolation.
    """
    train, test = fashion_mnist.load()
    return (
        DataIterator(train, batch_size, shuffle=True, resize=resize),
        DataIterator(test, batch_size, shuffle=False, resize=resize),
    )


def get_fashion_mnist_labels(labels: Iterable[Any]) -> list[str]:
    """Return the names of the classes with these numbers.

    >>> get_fashion_mnist_labels([0, 9])
    ['t-shirt', 'ankle boot']
    """
    codes = [int(label) for label in labels]
    for code in codes:
        if not 0 <= code < len(fashion_mnist.CLASSES):
            raise LabelError(f"{code} is no class of Fashion-MNIST; they are 0 to {len(fashion_mnist.CLASSES) - 1}")
    return [fashion_mnist.CLASSES[code] for code in codes]


def show_fashion_mnist(images: nd.NDArray | np.ndarray[Any, Any], labels: Sequence[str]) -> None:
    """Draw images in a row, each under its label, on a new figure of pyplot; a notebook shows it."""
    from matplotlib import pyplot as plt

    pixels = np.asarray(images)
    draw_images(pixels.reshape(-1, *pixels.shape[-2:]), labels, figure=plt.figure(layout="constrained"))


def accuracy(y_hat: nd.NDArray, y: nd.NDArray) -> float:
    """Return the share of rows whose largest entry is in the label's column.

    >>> accuracy(nd.array([[0.1, 0.3, 0.6], [0.3, 0.2, 0.5]]), nd.array([0, 2], dtype="int32"))
    0.5
    """
    return float((y_hat.argmax(axis=1) == y.astype("float32")).mean().asscalar())


def evaluate_accuracy(data_iter: Batches, net: Net) -> float:
    """Return the share of all rows of the data that the net gets right."""
    n_correct, n = 0.0, 0
    for X, y in data_iter:
        n_correct += (net(X).argmax(axis=1) == y.astype("float32")).sum().asscalar()
        n += y.size
    return n_correct / n


def sgd(params: Iterable[nd.NDArray], lr: float, batch_size: int) -> None:
    """Take one step of minibatch stochastic gradient descent: the gradients are those of a sum over the batch."""
    for param in params:
        if param.grad is None:
            raise ValueError("a parameter has no gradient: call its attach_grad() before autograd.record()")
        param[:] = param - lr * param.grad / batch_size


class Trainer:
    """The same step as an object: `Trainer([W, b], "sgd", {"learning_rate": 0.1})`, then `step(batch_size)`."""

    def __init__(self, params: Iterable[nd.NDArray], optimizer: str, optimizer_params: Mapping[str, float]) -> None:
        if optimizer != "sgd":
            raise SettingError("optimizer", optimizer, "'sgd': the chapter uses no other")
        if set(optimizer_params) != {"learning_rate"}:
            raise SettingError("optimizer_params", dict(optimizer_params), "{'learning_rate': …}")
        self.params, self.learning_rate = list(params), optimizer_params["learning_rate"]

    def step(self, batch_size: int) -> None:
        """Take one step with the gradients that `backward` left."""
        sgd(self.params, self.learning_rate, batch_size)


def train_ch3(
    net: Net,
    train_iter: Batches,
    test_iter: Batches,
    loss: Loss,
    num_epochs: int,
    batch_size: int,
    params: Iterable[nd.NDArray] | None = None,
    lr: float | None = None,
    trainer: Trainer | None = None,
) -> None:
    """Train a net and print a line an epoch: running loss and accuracy, then the accuracy on the test data.

    The steps are those of `sgd(params, lr, batch_size)`, or the trainer's where one is given.
    """
    if trainer is None:
        if params is None or lr is None:
            raise SettingError("trainer", None, "a Trainer, or else both params and lr")
        trainer = Trainer(params, "sgd", {"learning_rate": lr})
    for epoch in range(1, num_epochs + 1):
        loss_sum, n_correct, n = 0.0, 0.0, 0
        for X, y in train_iter:
            with autograd.record():
                y_hat = net(X)
                l = loss(y_hat, y).sum()  # noqa: E741 - the chapter's letter
            l.backward()
            trainer.step(batch_size)
            loss_sum += l.asscalar()
            n_correct += (y_hat.argmax(axis=1) == y.astype("float32")).sum().asscalar()
            n += y.size
        test_acc = evaluate_accuracy(test_iter, net)
        print(f"epoch {epoch}, loss {loss_sum / n:.4f}, train acc {n_correct / n:.3f}, test acc {test_acc:.3f}")


def _resized(images: np.ndarray[Any, np.dtype[np.uint8]], side: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    from PIL import Image

    return np.stack(
        [np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BILINEAR)) for image in images]
    )
