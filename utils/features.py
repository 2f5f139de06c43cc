"""Run the base once over a split, and keep what it says: features, or a few augmented views.

What is kept has a name made of its content: change one weight, one layer, the picture size or one
picture file, and the name changes with it, so that nothing stale is ever served. Lesson 01 uses
features, lesson 15 views.
"""

import hashlib
import itertools
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from utils.base import cache, progress
from utils.base.framework import keras, tf, untuned
from utils.datasets import Split

# What a layer's description holds that does not change its outputs; seeds are given to `extract`.
_LEFT_OUT = ("trainable", "registered_name", "module", "build_config", "build_input_shape", "seed")
_LEFT_OUT += ("compile_config", "shared_object_id")


@dataclass(frozen=True)
class Features:
    """What a base says of every picture of a split, in file order; of a file, read as needed."""

    values: np.ndarray  # (N, …), float32 or float16
    labels: np.ndarray  # (N,), int32
    from_cache: bool  # the base did not have to run


@dataclass(frozen=True)
class Views:
    """What a base says of several views of every picture, in file order."""

    values: tuple[np.ndarray, ...]  # each (N, …); the first of the pictures as they are
    labels: np.ndarray  # (N,), int32
    from_cache: bool


def model_digest(model: keras.Model) -> str:
    """Give a digest of architecture and weights, equal for models built alike, in any process."""
    config = model.get_config()
    config = json.dumps(_nameless(config, {config["name"]: "model"}), sort_keys=True)
    digest = hashlib.sha256(config.encode())
    for weight in model.get_weights():
        digest.update(str((weight.shape, weight.dtype)).encode())
        digest.update(np.ascontiguousarray(weight).tobytes())
    return digest.hexdigest()


def _nameless(part, names):
    """Replace layer names by their positions, and leave out what does not change the outputs."""
    if isinstance(part, dict):
        if isinstance(part.get("layers"), (list, tuple)):  # a model: its own names hold inside it
            inside = enumerate(layer["config"] for layer in part["layers"])
            names = names | {layer.get("name"): f"layer{i}" for i, layer in inside}
        return {k: _nameless(v, names) for k, v in part.items() if k not in _LEFT_OUT}
    if isinstance(part, (list, tuple)):
        return [_nameless(v, names) for v in part]
    return names.get(part, part) if isinstance(part, str) else part


def cache_key(base: keras.Model, split: Split, how: tuple = ("tensorflow", "float32")) -> str:
    """Name what `extract` would compute: model, picture files in order, and how; lesson 15."""
    return split.key(f"{model_digest(base)} {how}")


def _tensorflow(base):
    """The base as TensorFlow's own compiled function, for any number of pictures."""
    pixels = tf.TensorSpec(base.input_shape, "float32")  # (any, side, side, 3): one trace for all
    graph = tf.function(lambda images: base(images, training=False), input_signature=[pixels])

    def run(images):
        return graph(images).numpy()

    run.name = "tensorflow"
    return run


def _augment(augmentation, seed, side):
    """The augmentation as a function whose random numbers begin from the seed alone."""
    model = keras.Sequential([keras.Input((side, side, 3)), *augmentation.layers])
    draw = np.random.default_rng(seed)
    states = [
        tf.constant(draw.integers(2**31, size=2), v.dtype) if "seed" in v.name else v.value
        for v in model.non_trainable_variables
    ]

    @tf.function(reduce_retracing=True)
    def step(images, states):  # leaves the layers' own random numbers as they are
        return model.stateless_call([], states, images, training=True)

    def augment(images):
        nonlocal states
        images, states = step(images, states)  # (B, 128, 128, 3)
        return images.numpy()

    return augment


def _augmentation_digest(augmentation):
    """Digest of the layers alone: a model's own description grows when it is first used."""
    parts = [keras.saving.serialize_keras_object(layer) for layer in augmentation.layers]
    return hashlib.sha256(json.dumps(_nameless({"layers": parts}, {})).encode()).hexdigest()


def extract(
    base: keras.Model,
    split: Split,
    batch_size: int = 32,
    dtype: str = "float32",
    run: Callable[[np.ndarray], np.ndarray] | None = None,
    augmentation: keras.Sequential | None = None,
    seed: int = 0,
) -> Features:
    """Run a base once over every picture of a split, in file order, the tail included; lesson 01.

    Example:
        >>> features.extract(base, data.train).values.shape
        (1000, 4, 4, 1280)

    Args:
        base: takes float32 RGB 0–255 (batch, side, side, 3); runs in inference mode.
        batch_size: pictures at a time; memory depends on it, not on the number of pictures.
        dtype: of what is kept: "float16" takes half the room, and rounds to three digits.
        run: the base compiled by another program, such as `openvino.compiled(base)`, whose `name`
            becomes part of the key; None: TensorFlow.
        augmentation: layers from pixels to pixels: one view of each picture, which depends on the
            layers, the seed, the batch size and the pictures, on nothing else.

    Returns:
        Features in a file of the cache folder, which a second call with the same content reads.

    Raises:
        ValueError: augmentation of pictures that are not for training; values beyond float16. Also
            PictureError, DataSetError, and OSError if the disk is full.
    """
    split.must_have_pictures()
    if augmentation is not None and split.name != "train":
        raise ValueError(f"the {split.name} split is never augmented")
    run = run or _tensorflow(base)
    how = (run.name, dtype)
    if augmentation is not None:
        how += (_augmentation_digest(augmentation), seed, batch_size)

    def compute() -> Iterator[np.ndarray]:
        side, largest = base.input_shape[1], np.finfo(dtype).max
        augment = None if augmentation is None else _augment(augmentation, seed, side)
        pixels = split.stored_pixels(side)  # before the bar: reading shows one of its own
        with progress.bar(total=len(split), desc=f"{base.name}, {split.name}") as bar:
            for piece in cache.pieces(pixels, batch_size):
                images = piece.astype("float32")  # (B, 128, 128, 3)
                if augment:
                    images = augment(images)  # (B, 128, 128, 3)
                outputs = run(images)  # (B, 4, 4, 1280)
                if np.abs(outputs).max() > largest:
                    raise ValueError(f"{base.name} gives values beyond {dtype}: keep float32")
                yield outputs
                bar.update(len(images))

    shape = (len(split), *base.output_shape[1:])  # (N, 4, 4, 1280)
    values, found = cache.kept("features", cache_key(base, split, how), shape, dtype, compute)
    return Features(values, split.labels, found)


def views(
    base: keras.Model,
    split: Split,
    augmentation: keras.Sequential,
    count: int,
    seed: int,
    batch_size: int = 32,
    dtype: str = "float16",
    run: Callable[[np.ndarray], np.ndarray] | None = None,
) -> Views:
    """Run a base once over `count` views of every training picture; view 0 is the plain one.

    Each view has a file of its own in the cache: more views later, or a run that was killed, only
    compute what is missing. `base` may be the trunk from `models.split_at`; lesson 15.
    """
    if count < 1:
        raise ValueError(f"there must be at least one view of each picture, not {count}")
    run = run or _tensorflow(base)
    found = [extract(base, split, batch_size, dtype, run)]
    for view in range(1, count):
        found.append(extract(base, split, batch_size, dtype, run, augmentation, 1000 * seed + view))
    values = tuple(each.values for each in found)  # count times (N, 4, 4, 1280)
    return Views(values, split.labels, all(each.from_cache for each in found))


def epochs(views: Views, batch_size: int, seed: int) -> tf.data.Dataset:
    """Give `fit` one view of every picture an epoch, in an order that is new every epoch.

    A picture shows all its views, in an order of its own, before one comes again. A later `fit`
    goes on where the last one stopped, as if both had been one; lesson 15.
    """
    number = itertools.count()

    def one_epoch():
        order, view = _draw(len(views.labels), len(views.values), seed, next(number))
        for start in range(0, len(order), batch_size):
            chosen = order[start : start + batch_size]  # (B,)
            values = np.stack([views.values[view[i]][i] for i in chosen])  # (B, 4, 4, 1280)
            yield values.astype("float32"), views.labels[chosen]

    one = (None, *views.values[0].shape[1:])
    kinds = (tf.TensorSpec(one, "float32"), tf.TensorSpec((None,), "int32"))
    batches = tf.data.Dataset.from_generator(one_epoch, output_signature=kinds)
    count = math.ceil(len(views.labels) / batch_size)
    return untuned(batches.apply(tf.data.experimental.assert_cardinality(count)).prefetch(2))


def _draw(pictures, count, seed, epoch):
    """The order of an epoch, and which view each picture shows in it."""
    order = np.random.default_rng([seed, 0, epoch]).permutation(pictures)  # (N,)
    cycle = np.random.default_rng([seed, 1, epoch // count]).random((pictures, count))
    return order, cycle.argsort(axis=1)[:, epoch % count]
