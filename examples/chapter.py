# %% [markdown]
# Softmax regression from scratch, with the calls of the textbook's chapter in its order. Each `# %%` starts a cell:
# editors that know the mark run them one by one; `python examples/chapter.py` runs them all.

# %%
from softreg.chapter import autograd, d2l, nd

# %% The data: minibatches of 256 images
batch_size = 256
train_iter, test_iter = d2l.load_data_fashion_mnist(batch_size)

# %% The parameters: one weight for each pixel and class, small at random, and one bias for each class, zero
num_inputs = 784
num_outputs = 10
W = nd.random.normal(scale=0.01, shape=(num_inputs, num_outputs))
b = nd.zeros(num_outputs)

# %%
W.attach_grad()
b.attach_grad()

# %% Sums along an axis, which stays in place when asked to
X = nd.array([[1, 2, 3], [4, 5, 6]])
column_sums, row_sums = X.sum(axis=0, keepdims=True), X.sum(axis=1, keepdims=True)
print(column_sums, row_sums)


# %% The softmax, as it is defined (a large entry would overflow: one of the chapter's exercises)
def softmax(X: nd.NDArray) -> nd.NDArray:
    """exp of each entry, over the sum of its row's."""
    numerators = X.exp()
    return numerators / numerators.sum(axis=1, keepdims=True)


# %%
X = nd.random.normal(shape=(2, 5))
X_prob = softmax(X)
print(X_prob, X_prob.sum(axis=1))


# %% The model
def net(X: nd.NDArray) -> nd.NDArray:
    """Probabilities of the ten classes for a batch of images."""
    return softmax(nd.dot(X.reshape((-1, num_inputs)), W) + b)


# %% The loss: first `pick`, on two rows of probabilities with the labels 0 and 2
y_hat = nd.array([[0.1, 0.3, 0.6], [0.3, 0.2, 0.5]])
y = nd.array([0, 2], dtype="int32")
picked = nd.pick(y_hat, y)
print(picked)


# %%
def cross_entropy(y_hat: nd.NDArray, y: nd.NDArray) -> nd.NDArray:
    """Minus the logarithm of the label's probability, for each row."""
    return -nd.pick(y_hat, y).log()


# %% The accuracy: one of the two rows is right
def accuracy(y_hat: nd.NDArray, y: nd.NDArray) -> float:
    """Share of the rows whose largest probability is the label's."""
    hits = y_hat.argmax(axis=1) == y.astype("float32")
    return float(hits.mean().asscalar())


# %%
toy_accuracy = accuracy(y_hat, y)
print(toy_accuracy)


# %% The same over all batches of a data set
def evaluate_accuracy(data_iter: d2l.Batches, net: d2l.Net) -> float:
    """Share of all images that the net gets right."""
    n_correct, n = 0.0, 0
    for X, y in data_iter:
        n_correct += (net(X).argmax(axis=1) == y.astype("float32")).sum().asscalar()
        n += y.size
    return n_correct / n


# %% Before any training: about one in ten
untrained_accuracy = evaluate_accuracy(test_iter, net)
print(untrained_accuracy)

# %% Training
num_epochs, lr = 5, 0.1


def train_ch3(
    net: d2l.Net,
    train_iter: d2l.Batches,
    test_iter: d2l.Batches,
    loss: d2l.Loss,
    num_epochs: int,
    batch_size: int,
    params: list[nd.NDArray] | None = None,
    lr: float | None = None,
    trainer: d2l.Trainer | None = None,
) -> None:
    """Train by minibatch SGD; `d2l.train_ch3` is the same loop, kept for later chapters."""
    for epoch in range(num_epochs):
        loss_sum, n_correct, n = 0.0, 0.0, 0
        for X, y in train_iter:
            with autograd.record():
                y_hat = net(X)
                batch_loss = loss(y_hat, y).sum()
            batch_loss.backward()
            if trainer is not None:
                trainer.step(batch_size)
            elif params is not None and lr is not None:
                d2l.sgd(params, lr, batch_size)
            loss_sum += batch_loss.asscalar()
            n_correct += (y_hat.argmax(axis=1) == y.astype("float32")).sum().asscalar()
            n += y.size
        test_acc = evaluate_accuracy(test_iter, net)
        print(f"epoch {epoch + 1}, loss {loss_sum / n:.4f}, train acc {n_correct / n:.3f}, test acc {test_acc:.3f}")


train_ch3(net, train_iter, test_iter, cross_entropy, num_epochs, batch_size, [W, b], lr)

# %% Prediction: the true label above the predicted one
for X, y in test_iter:
    break
true_labels = d2l.get_fashion_mnist_labels(y.asnumpy())
pred_labels = d2l.get_fashion_mnist_labels(net(X).argmax(axis=1).asnumpy())
titles = [f"{true}\n{pred}" for true, pred in zip(true_labels, pred_labels, strict=True)]
d2l.show_fashion_mnist(X[0:9], titles[0:9])
