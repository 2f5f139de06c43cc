"""Answers that learners give to the exercises of lesson 04; two networks that need no training."""

import contextlib
import functools
import io
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from utils import datasets
from utils.base.framework import keras, layers

NORM = layers.BatchNormalization


def opened(base, places):
    for i, layer in enumerate(base.layers):
        layer.trainable = i in places
    return [base.layers[i] for i in places]


def with_weights(base):
    return [i for i, x in enumerate(base.layers) if x.weights and not isinstance(x, NORM)]


def from_the_end(base, n):
    base.trainable, left = True, n
    for layer in base.layers[::-1]:
        layer.trainable = left > 0 and bool(layer.weights) and not isinstance(layer, NORM)
        left -= layer.trainable
    return [layer for layer in base.layers if layer.trainable]


def every_layer_counts(base, n):
    base.trainable = True
    last = list(range(len(base.layers)))[-n:]
    return opened(base, [i for i in last if i in with_weights(base)])


def norm_opened(base, n):
    base.trainable = True
    return opened(base, [i for i, layer in enumerate(base.layers) if layer.weights][-n:])


def flag_forgotten(base, n):
    return opened(base, with_weights(base)[-n:])


def first_ones(base, n):
    base.trainable = True
    return opened(base, with_weights(base)[:n])


def never_frozen(base, n):
    base.trainable = True
    return [base.layers[i] for i in with_weights(base)[-n:]]


def only_opened(base, n):
    """Freezes batch normalisation, but what was open before stays open."""
    if not base.trainable:
        return from_the_end(base, n)
    last = [base.layers[i] for i in with_weights(base)[-n:]]
    for layer in last:
        layer.trainable = True
    return last


def normed(p):
    return p / p.sum(-1, keepdims=True)


# -- three classes of one colour each, and networks that know them without training


@functools.cache
def colours():
    """Three splits of 8 pictures a class: red, green or blue above, black below."""
    folder, draw = Path(tempfile.mkdtemp()), np.random.default_rng(1)
    for split in ("train", "validation", "test"):
        for name, colour in zip(("blue", "green", "red"), np.eye(3)[::-1], strict=True):
            (folder / split / name).mkdir(parents=True)
            for i in range(8):
                pixels = draw.integers(0, 60, (16, 16, 3))
                pixels[:8] += (190 * colour).astype(int)
                Image.fromarray(pixels.astype("uint8")).save(folder / split / name / f"{i}.png")
    with contextlib.redirect_stdout(io.StringIO()):  # its progress
        return datasets.load(folder)


@functools.cache
def knows(bias=0, softmax=True):
    """A network that answers with the brightest colour of the upper half; `bias` is for red."""
    model = keras.Sequential([keras.Input((16, 16, 3)), layers.Cropping2D(((0, 8), (0, 0)))])
    model.add(layers.GlobalAveragePooling2D())
    model.add(layers.Dense(3, activation="softmax" if softmax else None))
    model.set_weights([0.1 * np.eye(3)[::-1], np.array([0, 0, bias])])
    return model


@functools.cache
def one_number():
    return keras.Sequential(
        [keras.Input((16, 16, 3)), layers.Flatten(), layers.Dense(1, activation="sigmoid")]
    )


def alone(model=None, trained="train", tested="test", accuracy=1.0):
    data = colours()
    return model or knows(), getattr(data, trained), getattr(data, tested), accuracy


def changed(change):
    """The accuracy of the knowing network on test pictures that were changed."""
    few = colours().test
    answers = knows().predict(change(few.pixels(16).astype("float32")), verbose=0).argmax(-1)
    return (answers == few.labels).mean()


def other(grey=None, turned=None):
    grey = changed(lambda x: np.repeat(x.mean(-1, keepdims=True), 3, -1)) if grey is None else grey
    turned = changed(lambda x: x[:, ::-1]) if turned is None else turned
    return knows(), colours().test, grey, turned


# -- answers of two networks on a hundred pictures

LABELS = np.arange(100) % 2
HEAD = np.where(np.arange(100) < 20, 1 - LABELS, LABELS)  # the first 20 wrong
TUNED = np.where((np.arange(100) > 1) & (np.arange(100) < 17), 1 - HEAD, HEAD)  # 15 better
SAME = np.where(np.isin(np.arange(100), (3, 4, 70)), 1 - HEAD, HEAD)  # 2 better, 1 worse


def sure(answers, of_answer=None):
    """Probabilities with these answers; each has another one, from 0.6 to 0.9."""
    p = np.linspace(0.6, 0.9, len(answers)) if of_answer is None else of_answer
    return np.where(np.arange(2) == answers[:, None], p[:, None], 1 - p[:, None])


def chosen(taken, won, lost, answers=TUNED, labels=LABELS):
    return taken, won, lost, labels, HEAD, sure(answers)


ONE = sure(SAME)  # its largest loss is at picture 70
RIGHT = {
    "04-1": [from_the_end],
    "04-2": [lambda p: 0.4 * p + 0.6 / 3, lambda p: np.eye(3)[p.argmax(-1)]],
    "04-3": [alone(), alone(trained="validation", accuracy=0.99)],
    "04-4": [other()],
    "04-5": [chosen("Tuned", 15, 0), chosen("cannot tell", np.int64(2), np.int64(1), SAME)],
    "04-6": [(70, ONE, LABELS), (np.int64(70), ONE, LABELS)],
}
WRONG = {
    "04-1": [
        (every_layer_counts, "layers without weights"),
        (norm_opened, "A batch normalisation layer"),
        (flag_forgotten, "`base.trainable` is still False"),
        (first_ones, "nearest to the pixels"),
        (never_frozen, "everything is open"),
        (only_opened, "With n = 1 3 layers are open"),
        (lambda base, n: ..., "waits"),
    ],
    "04-2": [
        (lambda p: 1 - p, "add up to 1"),
        (lambda p: 3 * p, "add up to 1"),
        (lambda p: normed(1 - p), "another class is the likeliest"),
        (lambda p: p, "two of them with a wrong answer"),
        (lambda p: normed(p**1.0001), "from 0.781 to 0.781"),
        (lambda p: p.max(-1), "of shape (6,)"),
        (lambda p: ..., "waits"),
    ],
    "04-3": [
        (alone(trained="test"), "24 of 24 test pictures"),
        (alone(accuracy=[0.1, 1.0]), "the loss first"),
        ((knows(), np.zeros((24, 16, 16, 3)), colours().test, 1.0), "and not batches"),
        (alone(tested="validation"), "These are validation pictures"),
        (alone(one_number()), "the model gives (1,)"),
        (alone(knows(softmax=False)), "is there a softmax"),
        (alone(accuracy=100), "a fraction from 0 to 1"),
        (alone(accuracy=0.9), "the check, with pixels from 0 to 255"),
        (alone(knows(bias=99), accuracy=1 / 3), "contains the baseline"),
        ((..., ..., ..., ...), "waits"),
    ],
    "04-4": [
        (other(grey=1.0), "In grey the check measures another"),
        (other(turned=changed(lambda x: x[:, :, ::-1])), "mirrored left to right"),
        (other(turned=changed(lambda x: x[::-1])), "in the reverse order"),
        (other(*other()[:1:-1]), "are exchanged"),
        (other(grey=33), "a fraction"),
        (other(turned=0.77), "With the rows reversed the check measures another"),
        ((knows(), None, ..., ...), "waits"),
    ],
    "04-5": [
        (chosen("tuned", 0, 15), "the other way round"),
        (chosen("tuned", 95, 80), "are not the counts"),
        (chosen("tuned", 2, 1, SAME), "what is inside the interval"),
        (chosen("cannot tell", 15, 0), "Zero is not inside"),
        (chosen("tuned", 15, 0, labels=LABELS[:50]), "not of the same pictures"),
        (chosen(..., ..., ...), "waits"),
    ],
    "04-6": [
        ((0, ONE, LABELS), "There the network is least sure"),
        ((99, ONE, LABELS), "the smallest one"),
        ((19, ONE, LABELS), "The largest is another one"),
        ((500, ONE, LABELS), "stopped with IndexError"),
        ((..., ONE, LABELS), "waits"),
    ],
}
