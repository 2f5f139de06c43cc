"""Exercises of lesson 02: layers that do nothing, how choosing flatters, what an interval shows."""

import numpy as np
from scipy.stats import binom

from utils import statistics
from utils.base.framework import keras
from utils.exercises.checking import answered, exercise


@exercise(
    "02-1",
    right="The hidden layer can do more than add up now, and dropout acts where it belongs.",
    hint="Compare it with `dense_head`, layer by layer and word by word: what does each layer do "
    "with what the one before it gives?",
)
def whole_head(function):
    """A function: shape of features, number of classes → a compiled head, layers in order."""
    head = answered(function((2, 2, 8), 3))
    if not isinstance(head, keras.Model):
        return f"It gives a {type(head).__name__}, not a Keras model."
    if head.output_shape != (None, 3):
        return f"For 3 classes it gives {head.output_shape}, and not 3 numbers for each picture."
    draw = np.random.default_rng(3)
    one, other = (draw.normal(size=(50, 2, 2, 8)).astype("float32") for _ in range(2))
    given = np.asarray(head(one, training=False))
    trained = np.asarray(head(one, training=True))
    if given.min() < 0 or not np.allclose(given.sum(-1), 1, atol=1e-3):
        return "What it gives for a picture are no probabilities: they do not add up to 1."
    if not np.allclose(trained.sum(-1), 1, atol=1e-3):
        return (
            f"In training the three numbers of a picture add up to {trained.sum(-1).min():.2f} or "
            f"{trained.sum(-1).max():.2f}, not to 1. What happens to the probabilities?"
        )
    if np.allclose(given, trained, atol=1e-6):
        return "In training it gives the same as in use. Is there no dropout any more?"
    between = np.asarray(head((one + other) / 2, training=False))
    sums = [np.log(p) - np.log(p).mean(-1, keepdims=True) for p in (given, head(other), between)]
    if np.allclose((sums[0] + sums[1]) / 2, sums[2], atol=1e-4):
        return (
            "Midway between two pictures it answers, before the softmax, with the mean of its two "
            "answers, always. So does a linear classifier. What does the hidden layer lack?"
        )
    return None if head.compiled else "The head is not compiled, so `fit` would refuse it."


SETTINGS, PICTURES, TRUE = 100, 500, 0.93


def best_of(number):
    """By how much the best of so many equal accuracies lies above the true one, on average."""
    below = binom.cdf(np.arange(PICTURES), PICTURES, TRUE) ** number
    return (1 - below).sum() / PICTURES - TRUE


@exercise(
    "02-2",
    right="No setting is better than another, and the best one looks better by nearly three "
    "points. Real settings, judged on the same pictures, differ less, and flatter less.",
    hint="`draw.binomial(500, 0.93, (1000, 100))` makes a table: a row for each repetition, a "
    "column for each setting, and in it how many of 500 answers are right.",
)
def flattery(gain):
    """By how much the best of a hundred lies above 0.93 on average."""
    gain, right = float(gain), best_of(SETTINGS)
    if abs(gain - right) < 0.0015:
        return None
    told = f"You say {gain:.3f}."
    if gain > 1:
        return f"{told} Accuracies are fractions from 0 to 1, and so are their differences."
    if abs(gain - right - TRUE) < 0.004:
        return f"{told} That is the accuracy of the best. By how much is it above the true one?"
    if abs(gain) < 0.004:
        return f"{told} The mean of all hundred does not flatter. Which one would be reported?"
    if abs(gain - np.sqrt(TRUE * (1 - TRUE) / PICTURES)) < 0.001:
        return f"{told} So far a single accuracy is off, typically. The best of many is farther."
    if gain > right:
        return (
            f"{told} That is too much: the best of how many is it? Take the best of each hundred, "
            "and then the mean over all repetitions."
        )
    return f"{told} That is too little: it would be so for the best of fewer than a hundred."


MARGIN = 0.03


def made_up(pictures, only_first, only_second):
    """Compare two classifiers of which one alone is right so often, else both."""
    first, second = np.zeros((2, pictures))
    second[:only_first] = 1
    first[only_first : only_first + only_second] = 1
    return statistics.compare(np.zeros(pictures), first, second)


@exercise(
    "02-3",
    right="Whether zero is inside and whether the interval is inside the margin are two questions.",
    hint="More pictures make an interval narrower, and `only_second` less `only_first`, over the "
    "number of pictures, is its middle. Change one of the three numbers at a time.",
)
def two_questions(unclear, sure):
    """Two triples: pictures, right only by the first, right only by the second."""
    found = []
    for name, triple in (("unclear", unclear), ("sure_but_small", sure)):
        pictures, one, other = answered(tuple(triple))
        if not (2 <= pictures <= 5000 and min(one, other) >= 0 and one + other <= pictures):
            return f"`{name}`: {pictures} pictures, of which {one} and {other}, are not possible."
        found.append(made_up(pictures, one, other))
    zero, within = ([test(one) for one in found] for test in (zero_inside, inside_margin))
    if (zero, within) == ([False, True], [True, False]):
        return "Both are there, but in the other order: zero is inside the second interval."
    if within[0]:
        return f"`unclear` gives {found[0]}. That is within the margin: it *shows* them equal."
    if not zero[0]:
        return f"`unclear` gives {found[0]}. Zero is outside: one is surely better."
    if zero[1]:
        return f"`sure_but_small` gives {found[1]}. Zero is inside, so chance may be all there is."
    if not within[1]:
        return f"`sure_but_small` gives {found[1]}. It reaches beyond the margin of {MARGIN}."
    return None


def zero_inside(found):
    """Whether the interval of a comparison contains zero."""
    return found.low <= 0 <= found.high


def inside_margin(found):
    """Whether it lies within the margin that the lesson has set."""
    return found.within(MARGIN)
