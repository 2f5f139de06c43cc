"""Answers that learners give to the exercises of lesson 13."""

import numpy as np
from sklearn.neighbors import NearestNeighbors

from utils.base.framework import keras, tf


def unit(values):
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def similarities(values):
    return unit(values) @ unit(values).T


def in_a_loop(values):
    rows, codes = [], unit(values)
    for i in range(len(codes)):
        others = [j for j in range(len(codes)) if j != i]
        rows.append(others[int(np.argmax(codes[others] @ codes[i]))])
    return rows


def by_infinity(values):
    alike = similarities(values)
    np.fill_diagonal(alike, -np.inf)
    return alike.argmax(1)


def without_query(values):
    """scikit-learn leaves a point out of its own neighbours if no query is given."""
    near = NearestNeighbors(n_neighbors=1, metric="cosine").fit(values)
    return near.kneighbors(return_distance=False)[:, 0]


def second_column(values):
    return np.argsort(-np.round(similarities(values), 9), axis=1, kind="stable")[:, 1]


def by_distance(values):
    apart = np.linalg.norm(values[:, None] - values[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    return apart.argmin(1)


def by_product(values):
    alike = values @ values.T
    np.fill_diagonal(alike, -np.inf)
    return alike.argmax(1)


def how_similar(values):
    return np.sort(similarities(values), axis=1)[:, -2]


def shifted(values):
    return (np.arange(len(values)) + 1) % len(values)


class Stop(keras.layers.Layer):
    def call(self, inputs):
        return tf.stop_gradient(inputs)


def joined(base, on_head, on_probe):
    return keras.Model(base.input, [on_head, on_probe])


def stopped(base, head, probe):
    return joined(base, head(base.output), probe(Stop()(base.output)))


def by_operation(base, head, probe):
    pixels = keras.Input(base.input_shape[1:])
    x = base(pixels)
    return keras.Model(pixels, (head(x), probe(keras.ops.stop_gradient(x))))


class TwoHeads(keras.Model):
    def __init__(self, base, head, probe):
        super().__init__()
        self.base, self.head, self.probe = base, head, probe

    def call(self, inputs):
        x = self.base(inputs)
        return self.head(x), self.probe(tf.stop_gradient(x))


def no_stop(base, head, probe):
    return joined(base, head(base.output), probe(base.output))


def stopped_for_both(base, head, probe):
    x = Stop()(base.output)
    return joined(base, head(x), probe(x))


def stopped_wrong_one(base, head, probe):
    return joined(base, head(Stop()(base.output)), probe(base.output))


def stopped_after(base, head, probe):
    return joined(base, head(base.output), Stop()(probe(base.output)))


def frozen(base, head, probe):
    base.trainable = False
    return no_stop(base, head, probe)


def frozen_after(base, head, probe):
    model = no_stop(base, head, probe)
    probe.trainable = False
    return model


def copied(base, head, probe):
    twin = keras.Model.from_config(base.get_config() | {"name": "twin"})
    twin.set_weights(base.get_weights())
    pixels = keras.Input(base.input_shape[1:])
    return keras.Model(pixels, [head(base(pixels)), probe(twin(pixels))])


def times_zero(base, head, probe):
    return joined(base, head(base.output), probe(0.0 * base.output))


RIGHT = {
    "13-1": [in_a_loop, by_infinity, without_query],
    "13-2": [stopped, by_operation, TwoHeads],
}
WRONG = {
    "13-1": [
        (lambda values: similarities(values).argmax(1), "of 9 codes are their own answer"),
        (lambda values: np.arange(len(values)), "9 of 9 codes"),
        (second_column, "need not be the code itself"),
        (by_distance, "Does length count"),
        (by_product, "Does length count"),
        (lambda values: similarities(values).argmin(1), "*least* similar"),
        (how_similar, "In which *row*"),
        (similarities, "of shape (9, 9)"),
        (shifted, "there is a nearer one"),
        (lambda values: ..., "waits"),
    ],
    "13-2": [
        (no_stop, "reaches the base"),
        (stopped_for_both, "from neither: the ways part"),
        (stopped_wrong_one, "You stopped the way to the head"),
        (stopped_after, "the stop stands after it"),
        (frozen, "Something is frozen"),
        (frozen_after, "Something is frozen"),
        (copied, "A copy of the base"),
        (times_zero, "forward nothing may change"),
        (lambda base, head, probe: stopped(base, probe, head), "in the other order"),
        (lambda base, head, probe: keras.Model(base.input, head(base.output)), "Two outputs"),
        (lambda base, head, probe: ..., "waits"),
    ],
}
