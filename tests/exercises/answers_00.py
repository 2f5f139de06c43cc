"""Answers that learners give to the exercises of lesson 00."""

import numpy as np


def seed_only(pictures, n):
    return pictures.shuffle(1000, seed=1).take(n), pictures.shuffle(1000, seed=2).skip(n)


def as_given(pictures, n):
    shuffled = pictures.shuffle(1000, seed=1)
    return shuffled.take(n), shuffled.skip(n)


def rest_only(pictures, n):
    return pictures.take(n), pictures.skip(n).take(n)


def shuffled_afterwards(pictures, n):
    return pictures.take(n), pictures.skip(n).shuffle(1000)


def as_lists(pictures, n):
    numbers = list(pictures)
    return numbers[:n], numbers[n:]


def share(labels):
    return np.bincount(labels).max() / len(labels)


RIGHT = {
    "00-1": [shuffled_afterwards, as_lists],
    "00-2": [lambda y, p: sum(a == b for a, b in zip(y, p, strict=True)) / len(y) - share(y)],
    "00-3": [864, 880.0],
}
WRONG = {
    "00-1": [
        (as_given, "are among the others"),
        (seed_only, "are among the others"),
        (rest_only, "20 and 20 different"),
        (lambda pictures, n: pictures.take(n), "stopped with"),
        (lambda pictures, n: (..., ...), "waits"),
    ],
    "00-2": [
        (lambda y, p: np.mean(y == p), "the accuracy itself"),
        (lambda y, p: np.mean(y == p) - 1 / len(np.unique(y)), "took 0.333 for the baseline"),
        (lambda y, p: np.mean(y == p) - 0.5, "took 0.500 for the baseline"),
        (lambda y, p: np.mean(y == p) - share(p), "*prediction*"),
        (lambda y, p: np.mean(y == p) - np.mean(y == 0), "share of class 0"),
        (lambda y, p: None, "waits"),
    ],
    "00-3": [
        (216, "0.081 wide. The width"),
        (100, "from end to end"),
        (3457, "narrower than asked"),
        ("many", "stopped with ValueError"),
        (..., "waits"),
    ],
}
