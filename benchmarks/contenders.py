"""The chapter's five epochs, once, by one contender: run as a program of its own, in its own environment.

    python contenders.py NAME DATA.npz SEED

Data are in memory before the clock starts, as each contender likes them: float32 in [0, 1] for the others (their
conversion costs them nothing here), bytes for softreg. Batch 256, learning rate 0.1, W ~ N(0, 0.01²), b = 0; shuffling,
running loss and accuracy, and the test accuracy after each epoch are inside the clock. Prints one JSON object.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

EPOCHS, BATCH, RATE = 5, 256, 0.1

Arrays = tuple[Any, Any, Any, Any]  # train images (n, 784) bytes, labels, test images, labels
Result = tuple[float, float, float, float]  # seconds, loss and training accuracy of the last epoch, test accuracy


def softreg(data: Arrays, seed: int) -> Result:
    from softreg import SGD, Dataset, Settings, fit

    classes = np.arange(10)
    train, test = (Dataset(X, y, classes, scale=1 / 255) for X, y in (data[:2], data[2:]))
    begin = time.perf_counter()
    model, _ = fit(train, Settings(SGD(RATE, BATCH, seed), max_steps=EPOCHS, seed=seed), validation=test)
    seconds = time.perf_counter() - begin
    last = [float(model.history[name][-1]) for name in ("loss", "accuracy", "validation_accuracy")]
    return seconds, last[0], last[1], last[2]


def numpy(data: Arrays, seed: int) -> Result:
    X, y, Xt, yt = as_float(data)
    rng = np.random.default_rng(seed)
    begin = time.perf_counter()
    W = rng.normal(scale=0.01, size=(784, 10)).astype(np.float32)
    b = np.zeros(10, np.float32)
    for _ in range(EPOCHS):
        order = rng.permutation(len(X))
        loss, correct = 0.0, 0
        for start in range(0, len(X), BATCH):
            rows = order[start : start + BATCH]
            Xb, yb = X[rows], y[rows]
            z = Xb @ W + b
            z -= z.max(axis=1, keepdims=True)
            correct += int((z.argmax(axis=1) == yb).sum())
            p = np.exp(z)
            p /= p.sum(axis=1, keepdims=True)
            at = np.arange(len(rows))
            loss -= float(np.log(p[at, yb]).sum())
            p[at, yb] -= 1
            W -= RATE / BATCH * (Xb.T @ p)
            b -= RATE / BATCH * p.sum(axis=0)
        test = float(((Xt @ W + b).argmax(axis=1) == yt).mean())
    return time.perf_counter() - begin, loss / len(X), correct / len(X), test


def torch(data: Arrays, seed: int) -> Result:
    import torch

    X, y, Xt, yt = (torch.from_numpy(a) for a in as_float(data))
    torch.manual_seed(seed)
    begin = time.perf_counter()
    net = torch.nn.Linear(784, 10)
    torch.nn.init.normal_(net.weight, std=0.01)
    torch.nn.init.zeros_(net.bias)
    optimiser = torch.optim.SGD(net.parameters(), lr=RATE)
    for _ in range(EPOCHS):
        loss_sum, correct = 0.0, 0
        for rows in torch.randperm(len(X)).split(BATCH):
            Xb, yb = X[rows], y[rows]
            z = net(Xb)
            loss = torch.nn.functional.cross_entropy(z, yb, reduction="sum")
            optimiser.zero_grad()
            (loss / BATCH).backward()
            optimiser.step()
            loss_sum += loss.item()
            correct += int((z.argmax(dim=1) == yb).sum().item())
        with torch.no_grad():
            test = float((net(Xt).argmax(dim=1) == yt).float().mean().item())
    return time.perf_counter() - begin, loss_sum / len(X), correct / len(X), test


def torch_one_thread(data: Arrays, seed: int) -> Result:
    import torch as library

    library.set_num_threads(1)
    return torch(data, seed)


def mxnet(data: Arrays, seed: int) -> Result:
    import mxnet
    from mxnet import autograd, nd

    X, y, Xt, yt = (nd.array(a, dtype=a.dtype) for a in as_float(data))
    mxnet.random.seed(seed)
    rng = np.random.default_rng(seed)
    begin = time.perf_counter()
    W, b = nd.random.normal(scale=0.01, shape=(784, 10)), nd.zeros(10)
    W.attach_grad()
    b.attach_grad()

    def net(X: Any) -> Any:
        exps = (nd.dot(X, W) + b).exp()
        return exps / exps.sum(axis=1, keepdims=True)

    for _ in range(EPOCHS):
        order = rng.permutation(len(X))
        loss_sum, correct = 0.0, 0.0
        for start in range(0, len(X), BATCH):
            rows = nd.array(order[start : start + BATCH], dtype="int32")
            Xb, yb = X.take(rows), y.take(rows)
            with autograd.record():
                y_hat = net(Xb)
                loss = -nd.pick(y_hat, yb).log().sum()
            loss.backward()
            for param in (W, b):
                param[:] = param - RATE * param.grad / BATCH
            loss_sum += loss.asscalar()
            correct += (y_hat.argmax(axis=1) == yb.astype("float32")).sum().asscalar()
        test = float((net(Xt).argmax(axis=1) == yt.astype("float32")).mean().asscalar())
    return time.perf_counter() - begin, float(loss_sum) / len(X), float(correct) / len(X), test


def as_float(data: Arrays) -> Arrays:
    X, y, Xt, yt = data
    return np.float32(X) / np.float32(255), y.astype(np.int64), np.float32(Xt) / np.float32(255), yt.astype(np.int64)


CONTENDERS: dict[str, Callable[[Arrays, int], Result]] = {
    "softreg": softreg,
    "numpy": numpy,
    "torch": torch,
    "torch-1": torch_one_thread,
    "mxnet": mxnet,
}


def main() -> None:
    name, path, seed = sys.argv[1:]
    with np.load(path) as arrays:
        data: Arrays = tuple(arrays[key] for key in ("X", "y", "Xt", "yt"))
    seconds, loss, train, test = CONTENDERS[name](data, int(seed))
    print(json.dumps({"seconds": seconds, "loss": loss, "train_accuracy": train, "test_accuracy": test}))


if __name__ == "__main__":
    main()
