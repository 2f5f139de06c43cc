"""Exercises of lesson 00: a division that leaks, a baseline, how many test pictures one needs."""

import numpy as np

from utils import statistics
from utils.base.framework import tf
from utils.exercises.checking import answered, exercise


@exercise(
    "00-1",
    right="Both parts are read in one order now, so no picture stands in both.",
    hint="`shuffle` draws a new order whenever it is read. One of its arguments forbids that. Or "
    "one divides first and shuffles afterwards.",
)
def divide(function):
    """A function: pictures of a `tf.data.Dataset` and n → a test part of n, and the others."""
    test, rest = answered(function(tf.data.Dataset.range(100), 20))
    taken, left = ({int(number) for number in part} for part in (test, rest))
    if both := len(taken & left):
        return (
            f"Of {len(taken)} test pictures {both} are among the others, too. "
            "In which order is the data set read the first time, and in which the second?"
        )
    if (len(taken), len(left)) != (20, 80):
        return (
            f"With 100 pictures and n = 20 the parts hold {len(taken)} and {len(left)} different "
            "pictures. `take(n)` gives the first n, and `skip(n)` all others."
        )
    if taken != {int(number) for number in test}:
        return (
            "The test part holds other pictures when it is read again, so two networks would be "
            "judged on different ones. Is something shuffled before it is divided?"
        )
    return None


@exercise(
    "00-2",
    right="An accuracy of 0.9 is worth much above a baseline of 0.5, and nothing above one of 0.9.",
    hint="np.bincount(labels) counts each class. The baseline is a share of the labels and does "
    "not depend on the predictions.",
)
def gain(function):
    """A function: labels and predicted classes, integers (n,) → accuracy less the baseline."""
    labels, predicted = np.array([0, 2, 2, 1, 2, 0, 2, 2]), np.array([0, 1, 2, 1, 1, 0, 2, 2])
    given, accuracy, baseline = answered(function(labels, predicted)), 6 / 8, 5 / 8
    if np.isclose(given, accuracy - baseline):
        labels, predicted = np.array([1, 1, 0, 0, 1]), np.array([1, 1, 0, 0, 0])
        given = answered(function(labels, predicted))
        if np.isclose(given, 0.2):
            return None
        return f"For labels {labels.tolist()}, predicted {predicted.tolist()} it gives {given}."
    task = f"For labels {labels.tolist()} and predictions {predicted.tolist()} it gives {given:.3f}"
    if np.isclose(given, accuracy):
        return f"{task}, which is the accuracy itself. What would always answering 2 reach?"
    for share in (1 / 3, 1 / 2):
        if np.isclose(given, accuracy - share):
            return (
                f"{task}. You took {share:.3f} for the baseline, as if there were so many classes "
                "and all of them equally frequent. How frequent is class 2?"
            )
    if np.isclose(given, accuracy - 3 / 8):
        return (
            f"{task}. It looks as if the most frequent *prediction* was counted. The baseline "
            "looks at the labels only."
        )
    if np.isclose(given, accuracy - 1 / 4):
        return f"{task}. You took the share of class 0. Which class is the largest?"
    return f"{task}. Accuracy is the share of equal entries; always answering 2 is right 5 times."


@exercise(
    "00-3",
    right="For an interval half as wide one needs four times as many pictures.",
    hint="Print statistics.with_interval(0.9, n) for n = 100, 400 and 1,600, and look at the ends.",
)
def pictures_needed(pictures):
    """The number of test pictures whose interval around 0.9 is 0.04 wide, within a twentieth."""
    low, high = statistics.interval(0.9, int(pictures))
    told = f"With {int(pictures):,} test pictures the interval goes from {low:.3f} to {high:.3f}"
    if high - low > 0.041:
        return f"{told}, so it is {high - low:.3f} wide. The width is counted from end to end."
    if high - low < 0.039:
        return f"{told}. That is narrower than asked, and labels cost work: how few are enough?"
    return None
