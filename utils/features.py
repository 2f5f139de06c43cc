"""Run the base once over a split, and remember what it said.

The memory is addressed by content: change one weight, one layer, the picture size or one picture
file, and the key changes with it, so that nothing stale is ever served. Lesson 01 teaches it.
"""

import errno
import hashlib
import json
import math
import os
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from utils import pictures
from utils.datasets import Split
from utils.folders import cache_dir, remove_stale_partials, whole_file
from utils.framework import keras, tf


@dataclass(frozen=True)
class Features:
    """What a base says of every picture of a split, in file order.

    `values`: float32 (pictures, …), read from disk as needed; `labels`: int32 (pictures,);
    `from_cache`: whether the base did not have to run.
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


def cache_key(base: keras.Model, split: Split) -> str:
    """Name what `extract` would compute: the model's content, picture files in order; lesson 01."""
    digest = hashlib.sha256(f"{pictures.__name__} 1 {model_digest(base)}".encode())
    for file_digest in split.digests:
        digest.update(file_digest.encode())
    return digest.hexdigest()[:32]


def extract(base: keras.Model, split: Split, batch_size: int = 32) -> Features:
    """Run a base once over every picture of a split, in file order, the tail included.

    Args:
        base: takes float32 RGB 0–255 (batch, side, side, 3); runs in inference mode.
        split: from `datasets.load`.
        batch_size: pictures at a time; memory depends on it, not on the number of pictures.

    Returns:
        Features whose `values` are (len(split), *base.output_shape[1:]), float32, backed by a file
        in the cache folder. A second call with the same content reads that file.

    Raises:
        pictures.PictureError: a picture has become unreadable since `load`.
        OSError: the disk is full.
        datasets.DataSetError: a split without pictures.

    Taught in lesson 01.
    """
    split.must_have_pictures()
    folder = _usable_folder()
    remove_stale_partials(folder)
    path = folder / f"{cache_key(base, split)}.npy"
    values = _read(path)
    found = values is not None
    if not found:
        _compute(base, split, batch_size, path)
        values = np.load(path, mmap_mode="r")
    return Features(values, split.labels, split.class_names, split.paths, found)


def _usable_folder():
    folder = cache_dir() / "features"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
    except OSError:
        pass
    place = Path(tempfile.gettempdir()) / "course-features"
    print(f"{folder} cannot be written, so features are kept in {place} for now")
    place.mkdir(exist_ok=True)
    return place


def _compute(base, split, batch_size, path):
    image_size = base.input_shape[1:3]
    shape = (len(split), *base.output_shape[1:])
    _need_room(path, 4 * math.prod(shape))
    run = tf.function(lambda x: base(x, training=False))  # compiled once; no per-batch `predict`
    with whole_file(path) as partial:
        # Plain writes and no memory map: on a full disk those raise, a map ends the process.
        with open(partial, "wb") as file, ThreadPoolExecutor(os.cpu_count()) as pool:
            header = {"descr": "<f4", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_2_0(file, header)
            bar = tqdm(total=len(split), desc=f"{base.name}, {split.name}", leave=False)
            waiting = _read_batch(pool, split.paths[:batch_size], image_size)
            for start in range(0, len(split), batch_size):
                end = start + batch_size
                images = np.stack([future.result() for future in waiting]).astype("float32")
                waiting = _read_batch(pool, split.paths[end : end + batch_size], image_size)
                file.write(np.ascontiguousarray(run(images), "<f4").data)
                bar.update(len(images))
            bar.close()
        with open(partial, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        # Written first, so that an array under its final name always has its digest beside it.
        with whole_file(path.with_suffix(".sha256")) as side:
            side.write_text(digest)


def _need_room(path, size):
    """Say before a long run, and not after, that its result will not fit."""
    free = shutil.disk_usage(path.parent).free
    if free < size:
        raise OSError(
            errno.ENOSPC,
            f"{path.parent} has {free / 1e6:,.0f} MB free, but the features need "
            f"{size / 1e6:,.0f} MB: make room, or set COURSE_CACHE_DIR to another folder",
        )


def _read_batch(pool, paths, image_size):
    """Start reading pictures while the base is busy with those before them."""
    return [pool.submit(pictures.read, path, image_size) for path in paths]


def _read(path):
    """The cached array, or None when there is none or it is damaged."""
    try:
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != path.with_suffix(".sha256").read_text().strip():
            raise ValueError("the digest differs")
        return np.load(path, mmap_mode="r")
    except FileNotFoundError:
        return None
    except (ValueError, OSError) as error:
        print(f"The cached features in {path.name} are damaged ({error}): computing them again")
        return None
