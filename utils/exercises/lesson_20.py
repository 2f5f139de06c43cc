"""Exercises of lesson 20: balanced accuracy, calibration error, Grad-CAM, a shortcut."""

import numpy as np

from utils.base.framework import tf
from utils.exercises.checking import answered, exercise, of_these


def _number(given):
    return float(np.asarray(given)) if np.ndim(given) == 0 else None


@exercise(
    "20-1",
    right="Each class counts as much as the other, however few its pictures are.",
    hint="`np.unique(labels)` gives the classes that occur. The recall of class i is the share of "
    "`answers[labels == i]` that are i.",
)
def balanced_accuracy(function):
    """A function: labels, answers → the mean recall of the classes among the labels."""
    labels = np.array([0] * 12 + [1] * 3 + [3])
    answers = np.array([0] * 9 + [1] * 3 + [1, 0, 0] + [3])
    recalls = [9 / 12, 1 / 3, 1.0]
    given = _number(answered(function(labels.copy(), answers.copy())))
    if given is None:
        return "One number is asked for, the mean over the classes."
    if np.isclose(given, np.mean(recalls)):
        other = float(function(np.array([2, 2, 5]), np.array([2, 0, 0])))
        if np.isclose(other, 0.25):
            return None
        return f"For labels 2, 2, 5 and answers 2, 0, 0 recalls are 1/2, 0; it gives {other:.3g}."
    if np.isclose(given, (labels == answers).mean()):
        return "That is the plain accuracy, in which the frequent class counts most."
    precisions = [9 / 11, 1 / 4, 1.0]
    if np.isclose(given, np.mean(precisions)):
        return "Those are shares of the *answers*: precision. Recall is a share of a class."
    if np.isclose(given, sum(recalls) / 4):
        return "It divides by four classes, and one of them has no picture here."
    if np.isclose(given, sum(recalls)):
        return "It is the sum of the recalls. Balanced accuracy is their mean."
    return f"The recalls are 0.75, 1/3 and 1, with a mean of 0.694, and it gives {given:.3g}."


@exercise(
    "20-2",
    right="Every picture counts once, in bins that hold as many pictures as the next, or one less.",
    hint="`np.argsort(sure)` gives the places from the least certain to the most. Of each part of "
    "them, take the distance of two means, and weight it by how many pictures it has.",
)
def even_error(function):
    """A function: sure (n,), right (n,), bins → the calibration error over equal parts."""
    draw = np.random.default_rng(6)
    sure = draw.permutation(np.concatenate([np.linspace(0.5, 0.6, 14), np.linspace(0.9, 1, 9)]))
    right = draw.random(23) < np.where(sure < 0.75, sure + 0.3, sure - 0.3)

    def gaps(order, bins):
        parts = np.array_split(order, bins)
        return [(sure[p].mean() - right[p].mean(), len(p)) for p in parts]

    def error(order, bins):
        return sum(abs(gap) * n for gap, n in gaps(order, bins)) / 23

    order = np.argsort(sure)
    wanted = error(order, 5)
    given = _number(answered(function(sure.copy(), right.copy(), 5)))
    if given is None:
        return "One number is asked for, over all bins."
    ways = (order, order[::-1])  # from the surest on the parts are others, and as good
    if any(np.isclose(given, error(way, 5)) for way in ways):
        if any(np.isclose(float(function(sure, right, 2)), error(way, 2)) for way in ways):
            return None
        return "With five bins it is right, and with two it is not: does it use `bins`?"
    if np.isclose(given, sum(abs(gap) * n for gap, n in gaps(np.arange(23), 5)) / 23):
        return "The parts are as the pictures came. Neighbours in certainty belong in one bin."
    if np.isclose(given, abs(sum(gap * n for gap, n in gaps(order, 5)) / 23)) or np.isclose(
        given, sum(gap * n for gap, n in gaps(order, 5)) / 23
    ):
        return "Too sure in one bin and too unsure in another cancel out. Take each distance first."
    if np.isclose(given, np.mean([abs(gap) for gap, _ in gaps(order, 5)])):
        return "Of 23 pictures in five bins, some bins have four and some five: weight them."
    if np.isclose(given, wanted * 23):
        return "It is 23 times too large, once for each picture: divide by their number."
    edges = np.minimum((sure * 5).astype(int), 4)
    wide = sum(abs(sure[edges == b].sum() - right[edges == b].sum()) for b in range(5)) / 23
    if np.isclose(given, wide):
        return "Those bins are equally wide. Here each shall have equally many pictures."
    return f"For 23 pictures in five bins it gives {given:.4f}, and {wanted:.4f} is right."


def _case():
    """Maps, a head whose gradient differs from place to place, Grad-CAM by hand for each class."""
    maps = np.random.default_rng(5).uniform(0, 1, (1, 4, 4, 6)).astype("float32")
    kernel = np.random.default_rng(6).normal(size=(6, 3)).astype("float32")

    def head(maps):
        return tf.reduce_mean(maps**2, axis=(1, 2)) @ kernel

    slopes = 2 * maps[0].mean((0, 1))[:, None] * kernel / 16  # means over places, of each logit
    return maps, head, kernel, slopes


@exercise(
    "20-3",
    right="Each class has a map of its own, and a model that is sure loses nothing.",
    hint="`tape.watch(maps)`, then `score = head(maps)[0, class_number]` inside the tape. The "
    "gradient has the shape of the maps: its mean over both places is a channel's weight.",
)
def class_map(function):
    """A function: maps (1, h, w, c), head, a class → Grad-CAM (h, w) for the class."""
    maps, head, kernel, slopes = _case()
    raw = [(maps[0] * slope).sum(-1) for slope in slopes.T]
    heats = [np.maximum(one, 0) for one in raw]
    try:
        given = [
            np.asarray(answered(function(tf.constant(maps), head, i)), "float32") for i in range(3)
        ]
    except (AttributeError, ValueError, TypeError) as error:
        if "None" in str(error):
            return "The gradient is None: the tape was not told to watch the maps."
        raise
    if given[0].shape != (4, 4):
        return f"A map of shape (4, 4) is asked for, and it gives one of {given[0].shape}."
    if all(np.allclose(a, b, atol=1e-5) for a, b in zip(given, heats, strict=True)):
        return None
    if all(np.allclose(given[0], one, atol=1e-6) for one in given):
        return "It gives the same map for every class. Which number of the logits does it take?"
    if all(np.allclose(a, b, atol=1e-5) for a, b in zip(given, raw, strict=True)):
        return "What is negative speaks against the class, and should be left out."
    if all(np.allclose(a, b / b.max(), atol=1e-4) for a, b in zip(given, heats, strict=True)):
        return "It is divided by its largest value, and was to be left as it is."
    if all(np.allclose(a, 16 * b, rtol=1e-3, atol=1e-4) for a, b in zip(given, heats, strict=True)):
        return "The weights are sums over the places. They should be means."
    unaveraged = [np.maximum((2 * maps[0] ** 2 * k / 16).sum(-1), 0) for k in kernel.T]
    if all(np.allclose(a, b, atol=1e-5) for a, b in zip(given, unaveraged, strict=True)):
        return "Each place has its own weight there. A channel has one: the mean over the places."
    logits = head(tf.constant(maps)).numpy()[0]
    shares = np.exp(logits) / np.exp(logits).sum()
    soft = [share * (slopes[:, i] - slopes @ shares) for i, share in enumerate(shares)]
    soft = [np.maximum((maps[0] * slope).sum(-1), 0) for slope in soft]
    if all(np.allclose(a, b, atol=1e-5) for a, b in zip(given, soft, strict=True)):
        return "That is the gradient of a probability. Take the logit: `head` gives logits."
    return "The maps differ from those of Grad-CAM: channels weighted by their mean gradient."


@exercise(
    "20-4",
    right="Taking it away, or putting it where it does not belong, changes what they answer.",
    hint="Compare the columns of a row with each other, not the rows. And think of how much 500 "
    "pictures can differ by chance.",
)
def relying(chosen):
    """The letters b and d."""
    if chosen == {...} or not chosen:
        return answered(...)
    facts = {
        "a": (False, "How much does its accuracy fall when the mark is moved?"),
        "b": (True, "What does it answer when the mark is on the other class?"),
        "c": (False, "It is often wrong. Does the mark have anything to do with it?"),
        "d": (True, "From 96 to 71 of a hundred, by moving nothing but the mark?"),
        "e": (False, "It knows hardly more than chance. Does the mark change anything?"),
    }
    return of_these(chosen, facts)
