"""Answers that learners give to the exercises of lesson 02."""

import numpy as np

from utils.base.framework import keras, layers


def by_keras(values, kernel, bias, last_kernel, last_bias):
    head = keras.Sequential([keras.Input(values.shape[1:]), layers.GlobalAveragePooling2D()])
    head.add(layers.Dense(len(bias), activation="relu"))
    head.add(layers.Dense(len(last_bias), activation="softmax"))
    head.set_weights([kernel, bias, last_kernel, last_bias])
    return head(values)


def in_loops(values, kernel, bias, last_kernel, last_bias):
    rows = []
    for picture in values:
        averages = picture.mean(axis=0).mean(axis=0)
        hidden = [max(0, averages @ w + b) for w, b in zip(kernel.T, bias, strict=True)]
        powers = np.exp(np.array(hidden) @ last_kernel + last_bias)
        rows.append(powers / sum(powers))
    return rows


def softmax(x, axis=1):
    return np.exp(x) / np.exp(x).sum(axis=axis, keepdims=True)


def relu(x):
    return np.where(x > 0, x, 0)


def computed(pool=lambda x: x.mean((1, 2)), act=relu, share=1, biases=(1, 1), end=softmax):
    """A head by hand, with one or the other mistake."""

    def head(values, kernel, bias, last_kernel, last_bias):
        hidden = share * act(pool(values) @ kernel + biases[0] * bias)
        return end(hidden @ last_kernel + biases[1] * last_bias)

    return head


def draws(repetitions=2000, settings=100, seed=1):
    return np.random.default_rng(seed).binomial(500, 0.93, (repetitions, settings)) / 500


RIGHT = {
    "02-1": [by_keras, in_loops],
    "02-2": [
        draws(seed=5).max(axis=1).mean() - 0.93,
        np.mean([max(row) - 0.93 for row in draws(500, seed=7)]),
    ],
    "02-3": [((20, 0, 0), (5000, 0, 20)), ([100, 4, 6], np.array([2000, 30, 5]))],
}
WRONG = {
    "02-1": [
        (computed(end=lambda x: x), "these sums go into the softmax"),
        (computed(end=lambda x: softmax(x, 0)), "columns add up to 1"),
        (computed(share=0.5), "Does dropout act"),
        (computed(act=lambda x: x), "What does relu do"),
        (computed(biases=(0, 0)), "A bias is missing"),
        (computed(biases=(1, 0)), "A bias is missing"),
        (computed(pool=lambda x: x.max((1, 2))), "its largest place"),
        (computed(act=np.tanh), "layer by layer"),
        (computed(end=lambda x: x.argmax(1)), "an array of shape (6,)"),
        (computed(pool=lambda x: x.reshape(len(x), -1)), "stopped with ValueError"),
        (lambda *given: ..., "waits"),
    ],
    "02-2": [
        (draws().max(axis=1).mean(), "accuracy of the best"),
        (draws().mean() - 0.93, "does not flatter"),
        (draws().std(), "a single accuracy is off"),
        (draws().max() - 0.93, "the best of how many"),
        (draws().max(axis=0).mean() - 0.93, "the best of how many"),
        (draws(settings=30).max(axis=1).mean() - 0.93, "fewer than a hundred"),
        (2.7, "fractions from 0 to 1"),
        ("three points", "stopped with ValueError"),
        (..., "waits"),
    ],
    "02-3": [
        (((500, 6, 8), (2000, 5, 25)), "it *shows* them equal"),
        (((100, 0, 30), (2000, 5, 25)), "Zero is outside"),
        (((100, 4, 6), (1000, 10, 12)), "chance may be all"),
        (((100, 4, 6), (500, 2, 30)), "beyond the margin"),
        (((2000, 5, 25), (100, 4, 6)), "in the other order"),
        (((100, 4, 6), (10**6, 5, 25)), "are not possible"),
        (((100, 60, 60), (2000, 5, 25)), "are not possible"),
        (((100, 4, 6), 0.01), "stopped with TypeError"),
        (((100, 4, 6), ...), "waits"),
        ((..., ...), "waits"),
    ],
}
