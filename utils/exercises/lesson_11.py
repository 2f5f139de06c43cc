"""Exercises of lesson 11: batches, four sealed hand-offs, a check, and which checks are needed."""

import itertools

import numpy as np

from utils import models
from utils.base.framework import keras, layers
from utils.exercises.checking import answered, exercise, none_of_them, of_these

BATCHES = {  # → whether the first picture keeps its features, and why
    "another order": (True, "Does a mean depend on the order of what it is taken of?"),
    "all twice": (True, "Does a mean change when everything is there twice?"),
    "one exchanged": (False, "A mean moves if one of eight pictures is another, if not by much."),
    "eight copies": (False, "The mean of eight copies is that of the one picture."),
}
FAULTS = ("none", "order", "scaling", "batch statistics")
SEALED = dict(zip("ABCD", np.random.default_rng(11).permutation(FAULTS).tolist(), strict=True))


@exercise(
    "11-1",
    right="What counts is which pictures are in the batch and in which shares, nothing else.",
    hint="Take of_the_first(moving, pixels[:8]) less of_the_first(moving, batch), for each batch, "
    "and of that the largest absolute value.",
)
def same_features(names):
    """The names of the batches in which the first picture has the features it had among eight."""
    return of_these(names, BATCHES)


@exercise(
    "11-2",
    right="Four hand-offs, three experiments, and nothing had to be trained.",
    hint="Take the largest difference between the kept rows and network(pixels, training=False), "
    "then training=True. Where both are large, see whether a row belongs to another picture.",
)
def opened(told):
    """For each letter the fault that was sealed in it."""
    answered(tuple(told.get(letter) for letter in SEALED))
    wrong = [letter for letter in SEALED if told[letter] != SEALED[letter]]
    faults = {SEALED[letter] for letter in wrong}
    if not wrong or none_of_them({*told.values()}, FAULTS):
        return none_of_them({*told.values()}, FAULTS) or None
    if len({*told.values()}) < len(FAULTS):
        return "Each of the four occurs once, and in your answer one of them comes twice."
    if faults == {"none", "batch statistics"}:
        return "Two are taken for each other, which agree in inference. What does `fit` otherwise?"
    if faults == {"order", "scaling"}:
        return "Two are taken for each other. Only in one is each feature map found in some row."
    return f"{len(wrong)} of 4 are not so. Which experiment tells {wrong[0]} from the others?"


def joint(scaling=1.0, statistics="kept"):
    """Join a small base and head; gives them, pictures, and what was cached with scaling 1."""
    pixels = keras.Input((4, 4, 3))
    x = layers.Conv2D(6, 3)(layers.Rescaling(scaling / 255)(pixels))
    base = keras.Model(pixels, layers.BatchNormalization()(x))
    head, draw = models.head(base.output_shape[1:], 3), np.random.default_rng(4)
    for weight in base.weights + head.weights:
        flat = len(weight.shape) == 1  # a bias or of batch normalisation
        weight.assign((draw.uniform if flat else draw.normal)(flat / 2, 0.6 + flat, weight.shape))
    brighter = np.linspace(0.2, 1, 6)[:, None, None, None]
    images = (draw.uniform(0, 255, (6, 4, 4, 3)) * brighter).astype("float32")
    joined = models.attach(models.batch_norm(base, statistics), head)
    return joined, head, images, base(images / np.float32(scaling)).numpy()


@exercise(
    "11-3",
    right="It is silent where all is right, and complains of each fault that was tried.",
    hint="`np.allclose(a, b, atol=1e-4)` compares number by number. A joined model can be asked "
    "in two modes, as joined(pixels, training=True), and `fit` uses the one that is not usual.",
)
def alarm(function):
    """A function: joined model, head, pixels, cached features → whether there is a fault."""

    def complains(joined, head, images, cached):
        return bool(answered(function(joined, head, images, cached)))

    joined, head, images, cached = joint()
    silent, scaled = not complains(joined, head, images, cached + 1e-6), complains(*joint(1.1))
    if not silent and not scaled:
        return "It complains of what is right and passes what is not. Was True to mean a fault?"
    if not silent:
        return "It complains of a right hand-off whose features differ in the sixth digit only."
    for rows, which in (
        ("543210", "all six"),
        ("102345", "the first two"),
        ("012354", "the last two"),
    ):
        if not complains(joined, head, images, cached[[*map(int, rows)]]):
            return f"It passes features of which {which} rows are in another order."
    if not scaled:
        return "It passes a scaling that moves the probabilities and no answer. What is compared?"
    if not (complains(*joint(statistics="batch")) and complains(*joint(statistics="updated"))):
        return "It passes a base that normalises by the batch. In which mode is the model asked?"
    return None


@exercise(
    "11-4",
    right="With one less a fault would pass. Another table may ask for other checks.",
    hint="A fault that only one check complains of makes that check necessary. What is left then?",
)
def fewest(kept, table):
    """Names of checks, as few as notice every fault that any of the checks in a table notices."""
    given, checks = {*kept}, list(next(iter(table.values())))
    faulty = {name: found for name, found in table.items() if any(found.values())}
    passed = [name for name, found in faulty.items() if not any(map(found.get, given))]
    if wrong := none_of_them(given, checks):
        return wrong
    if passed:
        return f"{len(passed)} of {len(faulty)} faults pass, {passed[0]!r} the first of them."
    for some in itertools.combinations(checks, len(given) - 1):
        if all(any(map(found.get, some)) for found in faulty.values()):
            return f"These notice every fault, and so do {len(some)} checks. Which can go?"
    return None
