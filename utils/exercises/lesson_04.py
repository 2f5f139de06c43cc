"""Exercises of lesson 04: opening layers, loss without accuracy, a task alone, and a wrap-up."""

import numpy as np

from utils import statistics
from utils.base.framework import keras, layers
from utils.exercises.checking import answered, exercise


@exercise(
    "04-1",
    right="So many layers learn as were asked for, and no running mean can move.",
    hint="First make the list of all layers with weights that are not batch normalisation; its "
    "last n are `[-n:]` (with n = 0 all). Then say of every layer of the base whether it is there.",
)
def last_layers(function):
    """A function: base and n → the last n layers with weights, opened, batch norm left out."""
    base = keras.Sequential([keras.Input((4, 4, 3))])
    for i in range(4):
        base.add(layers.Conv2D(2, 1, name=f"conv{i}"))
        base.add(layers.BatchNormalization())
        base.add(layers.ReLU())
    base.trainable = False
    for n in (3, 1):  # first all are frozen, then some are open that should not be any more
        answered(function(base, n))
        names = [layer.name for layer in base.layers if layer.trainable and layer.weights]
        if len(names) == 8:
            return f"With n = {n} everything is open. Which layers have to be frozen again?"
        if any("conv" not in name for name in names):
            return "A batch normalisation layer may learn, so its running mean and variance move."
        if names and not base.trainable:
            return (
                f"{', '.join(names)} may learn, but `base.trainable` is still False: the base says "
                "that none of its weights is trainable, and a model around it trains some."
            )
        if names == [f"conv{i}" for i in range(n)]:
            return f"With n = {n} the first layers are open: those nearest to the pixels."
        if len(names) > n:
            return f"With n = {n} {len(names)} layers are open. Was every other one frozen again?"
        if names != [f"conv{i}" for i in range(4 - n, 4)]:
            return (
                f"With n = {n} there are {len(names)} layers open that hold weights. Did you count "
                "layers without weights, or batch normalisation?"
            )
    return None


@exercise(
    "04-2",
    right="No answer has changed, so accuracy is as it was, and yet the loss is larger.",
    hint="A network that is surer of all its answers pays more for the wrong ones. What does a "
    "row become when its numbers are squared, and then divided by their sum?",
)
def dearer(function):
    """A function: probabilities (n, classes) → others, with the same answers and a larger loss."""
    given = np.array([[6, 3, 1], [1, 8, 1], [7, 2, 1], [2, 7, 1], [1, 3, 6], [8, 1, 1]]) / 10
    labels, places = np.array([0, 1, 1, 0, 2, 0]), np.arange(6)
    found = np.asarray(answered(function(given.copy())))
    if found.shape != given.shape:
        return f"From an array of shape {given.shape} it makes one of shape {found.shape}."
    if found.min() < 0 or not np.allclose(found.sum(-1), 1, atol=1e-4):
        return "Probabilities are not negative, and those of one picture add up to 1."
    if changed := int((found.argmax(-1) != given.argmax(-1)).sum()):
        return f"For {changed} of 6 pictures another class is the likeliest now: accuracy changes."
    before, after = (-np.log(np.clip(p[places, labels], 1e-7, 1)).mean() for p in (given, found))
    if after < before + 1e-3:
        told = f"the loss goes from {before:.3f} to {after:.3f}"
        return f"On six pictures, two of them with a wrong answer, {told}."
    return None


@exercise(
    "04-3",
    right="The figure is one that others would get, too, from your model and these pictures.",
    hint="`split.batches(size)` and `split.limit(n)` give pictures as the check sees them. Let "
    "the model end with a softmax over the classes, and let `evaluate` say the accuracy.",
)
def alone(model, trained_on, test, accuracy):
    """A model from pixels 0–255 to probabilities, two splits, and the accuracy on the second."""
    if not (hasattr(trained_on, "digests") and hasattr(test, "digests")):
        return "The second and the third part are splits, such as `signs.train`, and not batches."
    if np.size(accuracy) != 1:
        return "One number is asked for. (`evaluate` gives the loss first, and then the accuracy.)"
    if shared := len(set(trained_on.digests) & set(test.digests)):
        return f"{shared} of {len(test)} test pictures are among those that were trained on."
    if test.name != "test":
        return f"These are {test.name} pictures. An honest figure comes from those put aside."
    pictures, classes = test.pixels(model.input_shape[1]).astype("float32"), len(test.class_names)
    found = model.predict(pictures, verbose=0)
    if found.shape[1:] != (classes,):
        return f"There are {classes} classes, but for a picture the model gives {found.shape[1:]}."
    if found.min() < 0 or not np.allclose(found.sum(-1), 1, atol=1e-3):
        return "What the model gives for a picture does not add up to 1: is there a softmax?"
    measured = (found.argmax(-1) == test.labels).mean()
    if accuracy > 1:
        return f"An accuracy is a fraction from 0 to 1, and yours is {accuracy:.3g}."
    if abs(measured - accuracy) > 0.6 / len(test):
        return (
            f"You report {accuracy:.3f}; the check, with pixels from 0 to 255, measures "
            f"{measured:.3f}. On which pictures, and in which range, did you measure?"
        )
    if statistics.interval(measured, len(test))[0] <= test.baseline:
        told = statistics.with_interval(measured, len(test))
        return f"It reaches {told}: the interval contains the baseline of {test.baseline:.3f}."
    return None


@exercise(
    "04-4",
    right="Which of the two costs more tells what the network has learned to look at.",
    hint="The axes are pictures, rows, columns, colours, and `x[:, ::-1]` reverses the rows. "
    "`x.mean(-1, keepdims=True)` is one grey value for each pixel; `np.repeat(…, 3, axis=-1)` "
    "makes three equal colours of it.",
)
def other_pictures(model, few, grey, turned):
    """A model, a split, and its accuracy on that in grey and with the rows in reverse order."""
    pixels = few.pixels(model.input_shape[1]).astype("float32")

    def accuracy(pictures):
        return (model.predict(pictures, verbose=0).argmax(-1) == few.labels).mean()

    if max(grey, turned) > 1:
        return "An accuracy is a fraction from 0 to 1."
    in_grey = accuracy(np.repeat(pixels.mean(-1, keepdims=True), 3, axis=-1))
    upside_down, one = accuracy(pixels[:, ::-1]), 1 / len(few)
    if max(abs(grey - upside_down), abs(turned - in_grey)) < one < abs(in_grey - upside_down):
        return "The two accuracies are exchanged: first the one in grey, then the other."
    if abs(grey - in_grey) > 1.5 * one:  # whole numbers of grey are right, too
        return (
            f"In grey the check measures another accuracy than your {grey:.3f}. Is there one grey "
            "value for each pixel, the mean of its colours, and still from 0 to 255?"
        )
    for mistake, seen in {
        "mirrored left to right": pixels[:, :, ::-1],
        "turned, so that left and right have changed places, too": pixels[:, ::-1, ::-1],
        "in the reverse order, and do not go with their labels": pixels[::-1],
    }.items():
        if abs(turned - upside_down) >= one / 2 > abs(turned - accuracy(seen)):
            return f"The pictures are {mistake}. Only the *rows* are to change places."
    if abs(turned - upside_down) < one / 2:
        return None
    return f"With the rows reversed the check measures another accuracy than your {turned:.3f}."


@exercise(
    "04-5",
    right="Only pictures on which one network alone is right tell the two apart.",
    hint="statistics.compare(labels, first, second) counts both kinds of pictures and gives an "
    "interval of the difference. What does it mean if zero is inside?",
)
def choice(taken, won, lost, labels, head, probabilities):
    """Which network to take, or "cannot tell"; how many pictures fine-tuning wins, and loses."""
    if len(labels) != len(probabilities):
        return "Labels and probabilities are not of the same pictures."
    found = statistics.compare(labels, head, probabilities.argmax(-1))
    if (won, lost) == (found.only_first, found.only_second) and won != lost:
        return "You have the two counts, but the other way round: `won` is what is right now only."
    if (won, lost) != (found.only_second, found.only_first):
        return (
            f"{won} and {lost} are not the counts. Take the pictures that one network has right "
            "and the other wrong; those that both have right, or both wrong, tell nothing."
        )
    wanted = "tuned" if found.low > 0 else "head" if found.high < 0 else "cannot tell"
    if str(taken).strip().lower() == wanted:
        return None
    if wanted == "cannot tell":
        return f"The counts are right. The difference is {found}: what is inside the interval?"
    return f"The counts are right. Look at the interval: {found}. Zero is not inside."


@exercise(
    "04-6",
    right="Look at it: is the label wrong, is the picture hard, or is the network mistaken?",
    hint="`of_truth` holds the probability of each picture's own class. The loss is largest where "
    "that is smallest.",
)
def dearest(place, probabilities, labels):
    """The place of the picture with the largest loss."""
    of_truth = probabilities[np.arange(len(labels)), labels]
    if of_truth[place] == of_truth.min():
        return None
    told = f"Picture {place} has a loss of {abs(np.log(max(of_truth[place], 1e-7))):.3g}."
    if of_truth[place] == of_truth.max():
        return f"{told} That is the smallest one: the network is right, and sure of it."
    if place == probabilities.max(-1).argmin():
        return f"{told} There the network is least sure. One that is sure and wrong costs more."
    return f"{told} The largest is another one. (A place in a sorted list is not a picture's.)"
