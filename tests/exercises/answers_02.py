"""Answers that learners give to the exercises of lesson 02."""

import numpy as np

from utils.base.framework import keras, layers

LOSS = "sparse_categorical_crossentropy"


def made(*stacked, compiled=True):
    """A function that stacks these kinds of layers on averaged features."""

    def head(shape, classes):
        model = keras.Sequential([keras.Input(shape), layers.GlobalAveragePooling2D()])
        for kind in stacked:
            model.add(kind(classes))
        if compiled:
            model.compile("rmsprop", LOSS)
        return model

    return head


def linear(classes):
    return layers.Dense(16)


def hidden(classes):
    return layers.Dense(16, activation="relu")


def dropout(classes):
    return layers.Dropout(0.5)


def softmax(classes):
    return layers.Dense(classes, activation="softmax")


def functional(shape, classes):
    values = keras.Input(shape)
    inside = layers.Flatten()(values)
    inside = layers.Dropout(0.3)(layers.Activation("tanh")(layers.Dense(8)(inside)))
    model = keras.Model(values, layers.Softmax()(layers.Dense(classes)(inside)))
    model.compile("adam", LOSS)
    return model


def draws(repetitions=2000, settings=100, seed=1):
    return np.random.default_rng(seed).binomial(500, 0.93, (repetitions, settings)) / 500


RIGHT = {
    "02-1": [functional, made(dropout, hidden, softmax)],
    "02-2": [
        draws(seed=5).max(axis=1).mean() - 0.93,
        np.mean([max(row) - 0.93 for row in draws(500, seed=7)]),
    ],
    "02-3": [((20, 0, 0), (5000, 0, 20)), ([100, 4, 6], np.array([2000, 30, 5]))],
}
WRONG = {
    "02-1": [
        (made(linear, softmax, dropout), "What happens to the probabilities"),
        (made(linear, dropout, softmax), "So does a linear classifier"),
        (made(hidden, softmax, dropout), "not to 1. What happens"),
        (made(dropout, softmax), "What does the hidden layer lack"),
        (made(hidden, softmax), "no dropout any more"),
        (made(hidden, dropout, lambda classes: layers.Dense(classes)), "no probabilities"),
        (made(hidden, dropout, lambda classes: layers.Dense(1)), "For 3 classes"),
        (made(hidden, dropout, softmax, compiled=False), "not compiled"),
        (lambda shape, classes: made(hidden, softmax), "gives a function"),
        (lambda shape, classes: None, "waits"),
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
