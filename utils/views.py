"""Augmentation that is computed once: a few views of every picture, kept, and drawn from.

True augmentation makes a new picture every time, so the base has to run every time. Here it runs
once for each of a few views. Lesson 03 teaches it.
"""

import itertools
import math
from dataclasses import dataclass

import numpy as np

from utils import features
from utils.base.framework import keras, tf, untuned
from utils.datasets import Split
from utils.running import openvino


@dataclass(frozen=True)
class Views:
    """What a base says of several views of every picture, in file order.

    `values`: one float16 or float32 array (pictures, …) for each view, the first of the pictures as
    they are; `labels`: int32 (pictures,); `from_cache`: whether the base did not have to run.
    """

    values: tuple[np.ndarray, ...]
    labels: np.ndarray
    from_cache: bool


def extract(
    base: keras.Model,
    split: Split,
    augmentation: keras.Model,
    count: int,
    seed: int,
    batch_size: int = 32,
    engine: str = "tensorflow",
    dtype: str = "float16",
) -> Views:
    """Run a base once over `count` views of every training picture; view 0 is the plain one.

    Each view has a file of its own in the cache: more views later, or a run that was killed, only
    compute what is missing.

    Args:
        base: takes float32 RGB 0–255; a whole base, or the trunk from `models.split_at`.
        split: the train split; validation and test are never augmented.
        augmentation: layers from pixels to pixels.
        count: views of each picture, at least 1.
        seed: start of the augmentation's random numbers.
        batch_size, engine, dtype: as for `features.extract`.

    Returns:
        The views.

    Raises:
        ValueError: fewer than one view, or a split that is not for training; and what
            `features.extract` raises.

    Taught in lesson 03.
    """
    if count < 1:
        raise ValueError(f"there must be at least one view of each picture, not {count}")
    runner, change = openvino.Runner(base, engine), features.Change(augmentation)
    found = [features.extract(base, split, batch_size, runner, dtype)]
    for view in range(1, count):
        view_of = change.start(1000 * seed + view)
        found.append(features.extract(base, split, batch_size, runner, dtype, view_of))
    values, cached = zip(*((each.values, each.from_cache) for each in found), strict=True)
    return Views(values, split.labels, all(cached))


def epochs(views: Views, batch_size: int, seed: int) -> tf.data.Dataset:
    """Give `fit` one view of every picture an epoch, in an order that is new every epoch.

    A picture shows all its views, in an order of its own, before one comes again.

    Args:
        views: from `extract`.
        batch_size: pictures a batch; the last batch holds what is left.
        seed: of orders and draws, which depend on it and on how many epochs were drawn before.

    Returns:
        A `tf.data.Dataset` of (float32 values, int32 labels); a later `fit` goes on where the last
        one stopped.

    Taught in lesson 03.
    """
    number = itertools.count()

    def one_epoch():
        order, view = _draw(len(views.labels), len(views.values), seed, next(number))
        for start in range(0, len(order), batch_size):
            chosen = order[start : start + batch_size]
            values = np.stack([views.values[view[i]][i] for i in chosen])
            yield values.astype("float32"), views.labels[chosen]

    one = (None, *views.values[0].shape[1:])
    kinds = (tf.TensorSpec(one, "float32"), tf.TensorSpec((None,), "int32"))
    batches = tf.data.Dataset.from_generator(one_epoch, output_signature=kinds)
    count = math.ceil(len(views.labels) / batch_size)
    return untuned(batches.apply(tf.data.experimental.assert_cardinality(count)).prefetch(2))


def _draw(pictures, count, seed, epoch):
    """The order of an epoch, and which view each picture shows in it."""
    order = np.random.default_rng([seed, 0, epoch]).permutation(pictures)
    cycle = np.random.default_rng([seed, 1, epoch // count]).random((pictures, count))
    return order, cycle.argsort(axis=1)[:, epoch % count]
