"""Answers that learners give to the exercises of lesson 01."""

import numpy as np
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline

from utils.base.framework import keras, layers
from utils.exercises.lesson_01 import MEAN, ROWS, SPREAD

LINEAR = LogisticRegression(max_iter=1000)


def by_hand(values, labels):
    right = []
    for rows, asked in StratifiedKFold(3).split(values, labels):
        best = SelectKBest(k=20).fit(values[rows], labels[rows])
        fitted = LINEAR.fit(best.transform(values[rows]), labels[rows])
        right.append(fitted.score(best.transform(values[asked]), labels[asked]))
    return np.mean(right)


def by_another_half(values, labels):
    first, second = np.split(np.arange(len(labels)), 2)
    best = SelectKBest(k=20).fit(values[first], labels[first])
    return cross_val_score(LINEAR, best.transform(values[second]), labels[second]).mean()


def as_given(values, labels):
    chosen = SelectKBest(k=20).fit_transform(values, labels)
    return cross_val_score(LINEAR, chosen, labels).mean()


def chosen_by_half(values, labels):
    half = len(labels) // 2
    chosen = SelectKBest(k=20).fit(values[:half], labels[:half]).transform(values)
    return cross_val_score(LINEAR, chosen, labels).mean()


def on_itself(values, labels):
    both = make_pipeline(SelectKBest(k=20), LINEAR)
    return both.fit(values, labels).score(values, labels)


def no_choice(values, labels):
    return cross_val_score(LINEAR, values, labels).mean()


def without_labels(values, labels):
    return cross_val_score(LINEAR, values[:, :20], labels).mean()


def five_of_them(values, labels):
    return cross_val_score(make_pipeline(SelectKBest(k=20), LINEAR), values, labels)


def joined(*scaling, size=4):
    return lambda network: keras.Sequential([keras.Input((size, size, 3)), *scaling, network])


def without_input(network):
    return keras.Sequential([UNIT, STANDARD, network])


def computed(scale):
    def model(network):
        pixels = keras.Input(network.input_shape[1:])
        return keras.Model(pixels, network(scale(pixels)))

    return model


def outside(network):
    return lambda pixels: network((pixels / 255 - MEAN) / SPREAD)


def without_network(network):
    pixels = keras.Input(network.input_shape[1:])
    return keras.Model(pixels, (pixels / 255 - MEAN) / SPREAD)


def weights_anew(network):
    network.set_weights([0 * weight for weight in network.get_weights()])
    return joined(UNIT, STANDARD)(network)


def wrong_side(network):
    pixels = keras.Input(network.input_shape[1:])
    return keras.Model(pixels, layers.Rescaling(1 / 255)(network(pixels)))


UNIT = layers.Rescaling(1 / 255)
STANDARD = layers.Normalization(mean=MEAN, variance=SPREAD**2)
COPIES = np.flatnonzero(ROWS >= 8)
NEW = np.flatnonzero(ROWS < 8)

RIGHT = {
    "01-1": [by_hand, by_another_half],
    "01-2": [
        computed(lambda x: (x / 255 - MEAN) / SPREAD),
        joined(layers.Rescaling(1 / 255 / SPREAD, -MEAN / SPREAD), size=128),
        joined(layers.Rescaling(1 / 255 / SPREAD, -MEAN / SPREAD), size=None),
        without_input,
        joined(layers.Rescaling(1 / 255 / SPREAD, -MEAN / SPREAD)),
        joined(layers.Normalization(mean=255 * MEAN, variance=(255 * SPREAD) ** 2)),
    ],
    "01-3": [COPIES, [*map(int, COPIES)][::-1]],
}
WRONG = {
    "01-1": [
        (as_given, "With random numbers for features it gives 0.7"),
        (chosen_by_half, "there is nothing in them to find"),
        (on_itself, "by which is that judged"),
        (no_choice, "Are the features still chosen"),
        (without_labels, "Are the features still chosen"),
        (five_of_them, "It gives 5 numbers"),
        (lambda values, labels: 100 * by_hand(values, labels), "a fraction from 0 to 1"),
        (lambda values, labels: ..., "waits"),
    ],
    "01-2": [
        (lambda network: network, "the pixels as they are"),
        (joined(UNIT), "pixels from 0 to 1: mean"),
        (joined(STANDARD), "pixels that go to 255"),
        (
            joined(layers.Normalization(mean=MEAN, variance=(255 * SPREAD) ** 2)),
            "Which of the two is first",
        ),
        (joined(layers.Rescaling(1 / 255, -MEAN)), "nothing is divided"),
        (joined(UNIT, layers.Normalization(mean=MEAN, variance=SPREAD)), "root of the spread"),
        (joined(layers.Rescaling(1 / 255 / SPREAD, -MEAN)), "divided by the spread first"),
        (joined(UNIT, UNIT, STANDARD), "divided by 255 twice"),
        (joined(layers.Rescaling(1 / 255 / SPREAD, MEAN / SPREAD)), "what the network gives for"),
        (outside, "gives a function"),
        (without_network, "the network gives (4, 2, 2, 5)"),
        (weights_anew, "leave it as it is"),
        (wrong_side, "does not give what the network gives"),
        (lambda network: ..., "waits"),
    ],
    "01-3": [
        (range(12), "How near is it"),
        (NEW, "closer to its original"),
        (COPIES[:3], "more copies among the twelve, 1"),
        (set(), "more copies among the twelve, 4"),
        ([*COPIES, NEW[0]], "only resemble"),
        ([COPIES[0], NEW[0]], "compare features"),
        ([0, 250, 750], "no place among the twelve"),
        (7, "stopped with TypeError"),
        (..., "waits"),
    ],
}
