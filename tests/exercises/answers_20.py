"""Answers that learners give to the exercises of lesson 20."""

import numpy as np
from sklearn.metrics import balanced_accuracy_score, recall_score

from utils.base.framework import tf


def by_recalls(labels, answers):
    return np.mean([(answers[labels == i] == i).mean() for i in np.unique(labels)])


def by_weights(labels, answers):
    _, place, counts = np.unique(labels, return_inverse=True, return_counts=True)
    weights = 1 / counts[place]
    return float((weights * (labels == answers)).sum() / weights.sum())


def by_library(labels, answers):
    return recall_score(labels, answers, labels=np.unique(labels), average="macro", zero_division=0)


def precision(labels, answers):
    return np.mean([(labels[answers == i] == i).mean() for i in np.unique(answers)])


def by_four(labels, answers):
    recalls = [(answers[labels == i] == i).mean() for i in range(4) if (labels == i).any()]
    return sum(recalls) / 4


def summed(labels, answers):
    return sum((answers[labels == i] == i).mean() for i in np.unique(labels))


def of_two(labels, answers):
    return np.mean([(answers[labels == i] == i).mean() for i in (0, 1)])


def gaps(sure, right, order, bins):
    return [
        (sure[p].mean() - right[p].mean(), len(p)) for p in np.array_split(order, bins) if len(p)
    ]


def by_parts(sure, right, bins=10):
    found = gaps(sure, right, np.argsort(sure), bins)
    return sum(abs(gap) * n for gap, n in found) / len(sure)


def from_the_surest(sure, right, bins=10):
    found = gaps(sure, right, np.argsort(-sure), bins)
    return sum(abs(gap) * n for gap, n in found) / len(sure)


def by_sums(sure, right, bins=10):
    order = np.argsort(sure, kind="stable")
    parts = np.array_split((sure - right)[order], bins)
    return sum(abs(part.sum()) for part in parts) / len(sure)


def unsorted(sure, right, bins=10):
    found = gaps(sure, right, np.arange(len(sure)), bins)
    return sum(abs(gap) * n for gap, n in found) / len(sure)


def cancelling(sure, right, bins=10):
    return abs(sure.mean() - right.mean())


def unweighted(sure, right, bins=10):
    return np.mean([abs(gap) for gap, _ in gaps(sure, right, np.argsort(sure), bins)])


def equally_wide(sure, right, bins=10):
    edges = np.minimum((sure * bins).astype(int), bins - 1)
    parts = [edges == b for b in np.unique(edges)]
    return sum(abs(sure[p].mean() - right[p].mean()) * p.mean() for p in parts)


def always_five(sure, right, bins=10):
    return by_parts(sure, right, 5)


def undivided(sure, right, bins=10):
    return len(sure) * by_parts(sure, right, bins)


def gradient(maps, score, watch=True):
    with tf.GradientTape() as tape:
        if watch:
            tape.watch(maps)
        value = score(maps)
    return tape.gradient(value, maps)


def by_tape(maps, head, class_number):
    maps = tf.convert_to_tensor(maps)
    slopes = gradient(maps, lambda m: head(m)[0, class_number])
    weights = tf.reduce_mean(slopes, axis=(0, 1, 2))
    return tf.nn.relu(tf.reduce_sum(maps[0] * weights, axis=-1)).numpy()


def by_variable(maps, head, class_number):
    maps = tf.Variable(maps)  # watched by itself
    with tf.GradientTape() as tape:
        score = head(maps)[:, class_number]
    weights = tape.gradient(score, maps).numpy().mean((1, 2))[0]
    return np.maximum(maps.numpy()[0] @ weights, 0)


def unwatched(maps, head, class_number):
    slopes = gradient(maps, lambda m: head(m)[0, class_number], watch=False)
    return tf.nn.relu(tf.reduce_sum(maps[0] * tf.reduce_mean(slopes, (0, 1, 2)), -1))


def likeliest(maps, head, class_number):
    return by_tape(maps, lambda m: tf.repeat(tf.reduce_max(head(m))[None, None], 3, 1), 0)


def with_negative(maps, head, class_number):
    weights = tf.reduce_mean(gradient(maps, lambda m: head(m)[0, class_number]), (0, 1, 2))
    return tf.reduce_sum(maps[0] * weights, axis=-1)


def scaled(maps, head, class_number):
    heat = by_tape(maps, head, class_number)
    return heat / heat.max()


def with_sums(maps, head, class_number):
    return 16 * by_tape(maps, head, class_number)


def of_probability(maps, head, class_number):
    return by_tape(maps, lambda m: tf.nn.softmax(head(m)), class_number)


def with_batch(maps, head, class_number):
    return by_tape(maps, head, class_number)[None]


def place_by_place(maps, head, class_number):
    slopes = gradient(maps, lambda m: head(m)[0, class_number])
    return tf.nn.relu(tf.reduce_sum(maps[0] * slopes[0], axis=-1)).numpy()


def only_maps(maps, head, class_number):
    return class_number + maps.numpy()[0].sum(-1)


RIGHT = {
    "20-1": [by_recalls, by_weights, by_library, balanced_accuracy_score],
    "20-2": [by_parts, by_sums, from_the_surest],
    "20-3": [by_tape, by_variable],
    "20-4": [{"b", "d"}, ["d", "b"]],
}
WRONG = {
    "20-1": [
        (lambda labels, answers: (labels == answers).mean(), "the plain accuracy"),
        (precision, "shares of the *answers*"),
        (by_four, "divides by four classes"),
        (summed, "sum of the recalls"),
        (of_two, "a mean of 0.694"),
        (lambda labels, answers: [0.5, 0.5], "One number"),
        (lambda labels, answers: ..., "waits"),
    ],
    "20-2": [
        (unsorted, "as the pictures came"),
        (cancelling, "cancel out"),
        (unweighted, "weight them"),
        (equally_wide, "equally wide"),
        (always_five, "does it use `bins`"),
        (undivided, "23 times too large"),
        (lambda sure, right, bins=10: 0.5, "it gives 0.5000"),
        (lambda sure, right, bins=10: ..., "waits"),
    ],
    "20-3": [
        (unwatched, "not told to watch"),
        (likeliest, "the same map for every class"),
        (with_negative, "speaks against"),
        (scaled, "divided by its largest"),
        (with_sums, "should be means"),
        (of_probability, "gradient of a probability"),
        (with_batch, "(1, 4, 4)"),
        (place_by_place, "one: the mean over the places"),
        (only_maps, "differ from those of Grad-CAM"),
        (lambda maps, head, class_number: ..., "waits"),
    ],
    "20-4": [
        ({"b"}, "From 96 to 71"),
        ({"b", "d", "c"}, "It is often wrong"),
        ({"a", "b", "d"}, "when the mark is moved"),
        ({"b", "d", "e"}, "hardly more than chance"),
        ({"d"}, "on the other class"),
        ({"f"}, "is none of"),
        ({...}, "waits"),
    ],
}
