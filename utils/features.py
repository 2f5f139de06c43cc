"""Run the base once over a split, and remember what it said.

The memory is addressed by content: change one weight, one layer, the picture size or one picture
file, and the key changes with it, so that nothing stale is ever served. Lesson 01 teaches it.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from utils.base import cache, progress
from utils.base.framework import keras, tf
from utils.datasets import Split
from utils.running import openvino


@dataclass(frozen=True)
class Features:
    """What a base says of every picture of a split, in file order.

    `values`: float32 or float16 (pictures, …), read from disk as needed; `labels`: int32
    (pictures,); `from_cache`: whether the base did not have to run.
    """

    values: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]
    paths: tuple[Path, ...]
    from_cache: bool


def model_digest(model: keras.Model) -> str:
    """Give a digest of a model's architecture and weights, free of automatic layer names.

    Two models built alike with equal weights have equal digests, in any process; lesson 01.
    """
    names = {layer.name: f"layer{i}" for i, layer in enumerate(model.layers)}
    names[model.name] = "model"
    config = json.dumps(_rename(model.get_config(), names), sort_keys=True, default=str)
    digest = hashlib.sha256(config.encode())
    for weight in model.get_weights():
        digest.update(str((weight.shape, weight.dtype)).encode())
        digest.update(np.ascontiguousarray(weight).tobytes())
    return digest.hexdigest()


def _rename(part, names):
    """Replace layer names by their positions, and leave out what does not change the outputs."""
    if isinstance(part, dict):
        left_out = ("trainable", "registered_name", "module", "build_config", "seed")
        return {k: _rename(v, names) for k, v in part.items() if k not in left_out}
    if isinstance(part, (list, tuple)):
        return [_rename(v, names) for v in part]
    return names.get(part, part) if isinstance(part, str) else part


def cache_key(base: keras.Model, split: Split, how: tuple = ()) -> str:
    """Name what `extract` would compute: the model's content, picture files in order; lesson 01.

    Args:
        base: what runs.
        split: what it runs over.
        how: whatever else changes the numbers, as things `str` writes in one way.
    """
    return split.key(f"{model_digest(base)} {how}")


class Change:
    """Augmentation of which one view can be had again: a seed gives the same draws; lesson 03.

    Args:
        augmentation: layers from pixels to pixels; their random numbers begin anew with it.
    """

    def __init__(self, augmentation: keras.Sequential):
        self._layers, self.seed = augmentation.layers, 0
        # Of the layers alone: a model's own description grows when it is first used.
        names = {layer.name: f"layer{i}" for i, layer in enumerate(self._layers)}
        parts = [(type(x).__name__, _rename(x.get_config(), names)) for x in self._layers]
        self.digest = hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()
        self._apply = tf.function(
            lambda images: augmentation(images, training=True), reduce_retracing=True
        )

    def start(self, seed: int) -> "Change":
        """Begin anew with a seed; returns itself."""
        self.seed = seed
        for place, layer in enumerate(self._layers):
            if hasattr(layer, "generator"):
                start = np.random.default_rng([seed, place]).integers(2**31, size=2)
                layer.generator.state.assign(start.astype(layer.generator.state.dtype))
        return self

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Augment pictures, float32 (batch, side, side, 3), as in training."""
        return self._apply(images).numpy()


def extract(
    base: keras.Model,
    split: Split,
    batch_size: int = 32,
    engine: str | openvino.Runner = "tensorflow",
    dtype: str = "float32",
    change: Change | None = None,
) -> Features:
    """Run a base once over every picture of a split, in file order, the tail included.

    Args:
        base: takes float32 RGB 0–255 (batch, side, side, 3); runs in inference mode.
        split: from `datasets.load`.
        batch_size: pictures at a time; memory depends on it, not on the number of pictures.
        engine: "tensorflow"; "openvino", faster for light networks, if installed; "auto" takes the
            faster one that is there; or a `Runner` of this base, compiled already.
        dtype: of what is kept: "float16" takes half the room, and rounds to three digits.
        change: one augmented view of each picture; it depends on the seed and on `batch_size`.

    Returns:
        Features whose `values` are (len(split), *base.output_shape[1:]), backed by a file in the
        cache folder. A second call with the same content reads that file.

    Raises:
        pictures.PictureError: a picture has become unreadable since `load`.
        OSError: the disk is full.
        datasets.DataSetError: a split without pictures.
        openvino.EngineError: the engine is missing, or disagrees with TensorFlow.
        ValueError: augmentation of pictures that are not for training; numbers beyond float16.

    Taught in lesson 01.
    """
    split.must_have_pictures()
    if change is not None and split.name != "train":
        raise ValueError(f"the {split.name} split is never augmented")
    runner = engine if isinstance(engine, openvino.Runner) else openvino.Runner(base, engine)
    how = () if (runner.engine, dtype) == ("tensorflow", "float32") else (runner.engine, dtype)
    if change is not None:
        how = (runner.engine, dtype, change.digest, change.seed, batch_size)
    try:
        values, found = cache.kept(
            "features",
            cache_key(base, split, how),
            (len(split), *base.output_shape[1:]),
            dtype,
            lambda: _compute(runner, split, batch_size, dtype, change),
        )
    except openvino.EngineError as error:
        if runner.asked != "auto":
            raise
        print(f"TensorFlow runs the base: {error}")
        runner.back_to_tensorflow()
        return extract(base, split, batch_size, runner, dtype, change)
    return Features(values, split.labels, split.class_names, split.paths, found)


def _compute(runner, split, batch_size, dtype, change) -> Iterator[np.ndarray]:
    base, largest = runner.base, np.finfo(dtype).max
    if change is not None:
        change.start(change.seed)  # whatever was drawn before: the name promises this view
    pixels = split.stored_pixels(base.input_shape[1])
    with progress.bar(total=len(split), desc=f"{base.name}, {split.name}") as bar:
        for piece in cache.pieces(pixels, batch_size):
            images = piece.astype("float32")
            outputs = runner(images if change is None else change(images))
            if np.abs(outputs).max() > largest:
                raise ValueError(f"{base.name} says numbers beyond {dtype}: keep float32")
            yield outputs
            bar.update(len(images))
