"""Answers that learners give to the exercises of lesson 11."""

import numpy as np

from utils.base.framework import keras

SEALED = {"A": "batch statistics", "B": "order", "C": "none", "D": "scaling"}


def exchanged(one, other):
    """The sealed hand-offs with two of them taken for each other."""
    return SEALED | {one: SEALED[other], other: SEALED[one]}


def largest(joined, head, pixels, cached, training=False):
    return float(np.abs(joined(pixels, training=training) - head(cached)).max())


def in_both_modes(*hand_off):
    return max(largest(*hand_off), largest(*hand_off, training=True)) > 1e-3


def in_training_only(*hand_off):
    return largest(*hand_off, training=True) > 1e-3


def in_inference(*hand_off):
    return largest(*hand_off) > 1e-3


def exactly(joined, head, pixels, cached):
    return not np.array_equal(joined(pixels, training=True), head(cached))


def by_answer(joined, head, pixels, cached):
    return not np.array_equal(np.argmax(joined(pixels), 1), np.argmax(head(cached), 1))


def by_mean(joined, head, pixels, cached):
    means = (keras.ops.mean(p, axis=0) for p in (joined(pixels), head(cached)))
    return not np.allclose(*means, atol=1e-4)


def the_first(joined, head, pixels, cached):
    return in_both_modes(joined, head, pixels[:2], cached[:2])


def the_last(joined, head, pixels, cached):
    return in_both_modes(joined, head, pixels[-1:], cached[-1:])


CHECKS = ("as many", "inference", "training mode", "first steps")
FOUND = {
    "as it should be": (False, False, False, False),
    "high rate": (False, False, False, True),
    "batch statistics": (False, False, True, True),
    "divided": (False, True, True, False),
    "tail dropped": (True, False, False, False),
}
TABLE = {name: dict(zip(CHECKS, found, strict=True)) for name, found in FOUND.items()}
WITHOUT_TAIL = {name: found for name, found in TABLE.items() if name != "tail dropped"}

RIGHT = {
    "11-1": [{"another order", "all twice"}, ["all twice", "another order"]],
    "11-2": [SEALED, dict(reversed(SEALED.items()))],
    "11-3": [in_both_modes, in_training_only],
    "11-4": [
        ({"as many", "training mode", "first steps"}, TABLE),
        (["first steps", "inference", "as many"], TABLE),
        (("first steps", "inference"), WITHOUT_TAIL),
    ],
}
WRONG = {
    "11-1": [
        ({"all twice"}, "depend on the order"),
        ({"another order"}, "there twice"),
        (set(), "depend on the order"),
        ({"another order", "all twice", "one exchanged"}, "if not by much"),
        ({"another order", "all twice", "eight copies"}, "of the one picture"),
        ({"another order", "alone"}, "'alone' is none of"),
        (..., "waits"),
    ],
    "11-2": [
        (exchanged("A", "C"), "agree in inference"),
        (exchanged("B", "D"), "found in some row"),
        (exchanged("A", "B"), "2 of 4"),
        (SEALED | {"A": "none"}, "comes twice"),
        (SEALED | {"A": "rate"}, "'rate' is none of"),
        (dict.fromkeys("ABCD", ...), "waits"),
        ({"A": "none"}, "waits"),
        (["none"], "stopped with"),
    ],
    "11-3": [
        (in_inference, "normalises by the batch"),
        (by_answer, "and no answer"),
        (by_mean, "all six rows"),
        (the_first, "the last two rows"),
        (the_last, "the first two rows"),
        (exactly, "sixth digit"),
        (lambda *hand_off: not in_both_modes(*hand_off), "True to mean a fault"),
        (lambda joined, head, pixels, cached: ..., "waits"),
    ],
    "11-4": [
        (({*CHECKS}, TABLE), "so do 3 checks"),
        (({"inference", "training mode", "first steps"}, TABLE), "'tail dropped' the first"),
        (({"as many", "inference", "training mode"}, TABLE), "1 of 4 faults pass, 'high rate'"),
        (({"as many"}, TABLE), "3 of 4 faults pass"),
        (({"as many", "loss"}, TABLE), "'loss' is none of"),
        ((..., TABLE), "waits"),
    ],
}
