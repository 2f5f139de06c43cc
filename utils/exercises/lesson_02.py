"""Exercises of lesson 02: a head by hand, how much choosing flatters, what an interval shows."""

import numpy as np
from scipy.stats import binom

from utils import statistics
from utils.exercises.checking import answered, exercise


def head(given, pool=np.mean, relu=True, share=1.0, biases=(1, 1), softmax_over=1):
    """What a head answers of features and its four arrays, or one with a certain mistake."""
    values, kernel, bias, last_kernel, last_bias = given
    hidden = pool(values, (1, 2)) @ kernel + biases[0] * bias
    hidden = share * (np.maximum(hidden, 0) if relu else hidden)
    sums = hidden @ last_kernel + biases[1] * last_bias
    if softmax_over is None:
        return sums
    return np.exp(sums) / np.exp(sums).sum(softmax_over, keepdims=True)


UNBIASED = "A bias is missing. Each dense layer adds one after weighing."
MISTAKES = [
    ({"softmax_over": None}, "The rows do not add up to 1: these sums go into the softmax."),
    (
        {"softmax_over": 0},
        "The columns add up to 1, not the rows. Does the softmax go over pictures or over classes?",
    ),
    (
        {"share": 0.5},
        "The hidden layer is halved. Does dropout act when a head is asked, or when it is trained?",
    ),
    (
        {"relu": False},
        "Some neurons of the hidden layer are negative. What does relu do with those?",
    ),
    *(({"biases": biases}, UNBIASED) for biases in ((0, 0), (0, 1), (1, 0))),
    (
        {"pool": np.max},
        "Each feature is represented by its largest place. The head averages over the places.",
    ),
]


@exercise(
    "02-1",
    right="That is all: averages, weighted sums, a relu, weighted sums again, and a softmax.",
    hint="With `averages` of shape (n, channels), `averages @ kernel` weighs them for each neuron. "
    "`array.sum(axis=1, keepdims=True)` keeps a column, so that one can divide rows by it.",
)
def by_hand(function):
    """A function: features and the four arrays of a head → what the head answers."""
    draw = np.random.default_rng(2)
    shapes = (6, 2, 3, 5), (5, 4), (4,), (4, 3), (3,)
    given = [draw.normal(size=shape) for shape in shapes]
    found = np.asarray(answered(function(*(array.copy() for array in given))))
    if found.shape != (6, 3):
        return f"For 6 pictures and 3 classes it gives an array of shape {found.shape}."
    if np.allclose(found, right := head(given), atol=1e-4):
        return None
    for mistake, told in MISTAKES:
        if np.allclose(found, head(given, **mistake), atol=1e-4):
            return told
    first, wanted = (array[0].round(3).tolist() for array in (found, right))
    return f"Of one picture it says {first}, and the head {wanted}. Go through it layer by layer."


TRUE, PICTURES = 0.93, 500
BELOW = binom.cdf(np.arange(PICTURES), PICTURES, TRUE) ** 100  # all hundred at most 0, 1, …
BEST = (1 - BELOW).sum() / PICTURES - TRUE  # the mean of the largest, less the true one


@exercise(
    "02-2",
    right="No setting is better than another, and the best one looks better by nearly three "
    "points. Real settings, judged on the same pictures, differ less, and flatter less.",
    hint="`draw.binomial(500, 0.93, (1000, 100))` makes a table: a row for each repetition, a "
    "column for each setting, and in it how many of 500 answers are right.",
)
def flattery(gain):
    """By how much the best of a hundred lies above 0.93 on average."""
    gain = float(gain)
    if abs(gain - BEST) < 0.002:
        return None
    told = f"You say {gain:.3f}."
    if gain > 1:
        return f"{told} Accuracies are fractions from 0 to 1, and so are their differences."
    if abs(gain - BEST - TRUE) < 0.004:
        return f"{told} That is the accuracy of the best. By how much is it above the true one?"
    if abs(gain) < 0.004:
        return f"{told} The mean of all hundred does not flatter. Which one would be reported?"
    if abs(gain - np.sqrt(TRUE * (1 - TRUE) / PICTURES)) < 0.001:
        return f"{told} So far a single accuracy is off, typically. The best of many is farther."
    if gain > BEST:
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
    zero = [one.low <= 0 <= one.high for one in found]
    within = [one.within(MARGIN) for one in found]
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
