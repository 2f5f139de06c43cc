"""Bottleneck packs, `.npz` without pickles: what a base says of a split, and where it comes from.

Two packs train and judge a head only if they match; lesson 12.
"""

import json
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from utils import backbones, features
from utils.base.folders import cache_dir, whole_file
from utils.base.framework import keras
from utils.base.machine import provenance
from utils.datasets import DataSet, Split

FORMAT = 1
# What must be equal in two packs that are used together.
_MUST_MATCH = ("format", "network", "image_size", "preprocessing", "weights", "dataset", "versions")


class PackError(ValueError):
    """A pack that cannot be used, or not with this other one, in one sentence."""


@dataclass(frozen=True)
class Pack:
    """What is in a pack."""

    path: Path
    features: np.ndarray  # float32 (pictures, height, width, channels)
    labels: np.ndarray  # int32 (pictures,)
    class_names: tuple[str, ...]
    file_names: tuple[str, ...]
    digests: tuple[str, ...]  # sha256 of each picture file
    about: dict  # network, image_size, preprocessing, weights, dataset, split, versions, format


def write(
    data: DataSet,
    network: str,
    folder: Path | None = None,
    per_class: int = 100,
    image_size: int = 0,
    batch_size: int = 32,
) -> tuple[Path, Path]:
    """Run a network over train and validation pictures, and write two packs; lesson 12.

    `per_class` limits the training pictures of each class (0: all), and the name of their pack
    says how many the largest class then has; validation is left whole. `folder` is one of the cache
    folder, if none is given; an `image_size` of 0 that which the network was trained at. Returns
    the two paths.
    """
    base = backbones.build(network, image_size or backbones.entry(network).image_size)
    folder, name = folder or cache_dir() / "bottleneck", data.folder.name
    limited = data.train.limit(per_class)
    count = f"_{np.bincount(limited.labels).max()}" if per_class else ""
    train = folder / f"{network}_{name}{count}_bottleneck_features_train.npz"
    validation = folder / f"{network}_{name}_bottleneck_features_validation.npz"
    _write_one(train, data, base, limited, batch_size)
    _write_one(validation, data, base, data.validation, batch_size)
    return train, validation


def _write_one(path: Path, data: DataSet, base: keras.Model, split: Split, batch_size: int):
    about = {
        "format": FORMAT,
        "network": base.name,
        "image_size": base.input_shape[1],
        "preprocessing": "own",
        "weights": features.model_digest(base),
        "dataset": data.folder.name,
        "split": split.name,
        "versions": provenance()["versions"],
    }
    found = features.extract(base, split, batch_size)
    names = [p.relative_to(data.folder).as_posix() for p in split.paths]
    with whole_file(path) as partial, open(partial, "wb") as file:
        np.savez(
            file,
            features=found.values,
            labels=split.labels,
            class_names=np.array(split.class_names),
            file_names=np.array(names),
            digests=np.array(split.digests),
            about=np.array(json.dumps(about)),
        )


def read(path: Path) -> Pack:
    """Read a pack without running anything that is in it; lesson 12.

    Raises:
        PackError: not there, cut short, damaged, with pickles in it, or not a pack.
    """
    path = Path(path)
    try:
        with np.load(path, allow_pickle=False) as file:
            missing = {"features", "labels", "class_names", "file_names", "digests", "about"}
            missing -= set(file.files)
            if missing:
                raise ValueError(f"it has no {', '.join(sorted(missing))}")
            about = json.loads(str(file["about"]))
            texts = [tuple(file[key].tolist()) for key in ("class_names", "file_names", "digests")]
            pack = Pack(path, file["features"], file["labels"], *texts, about)
        _look_inside(pack)
    except FileNotFoundError as error:
        raise PackError(f"there is no pack {path}: make it with the bottleneck command") from error
    except (ValueError, OSError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        reason = "it holds pickled objects" if "allow_pickle" in str(error) else str(error)
        raise PackError(
            f"{path} cannot be used, {reason}: make it again with the bottleneck command"
        ) from error
    return pack


def _look_inside(pack):
    count = len(pack.labels)
    if pack.about.get("format") != FORMAT:
        raise ValueError(f"it has format {pack.about.get('format')} and not {FORMAT}")
    if not count == len(pack.features) == len(pack.file_names) == len(pack.digests):
        raise ValueError("its features, labels and file names are not equally many")
    if pack.features.dtype != np.float32 or not np.isfinite(pack.features).all():
        raise ValueError("its features are not all finite float32 numbers")
    if not (count and pack.labels.min() >= 0 and pack.labels.max() < len(pack.class_names)):
        raise ValueError("it has labels without a class name, or none")


def match(train: Pack, validation: Pack) -> None:
    """Raise a PackError if a head trained on one pack must not be judged on the other; lesson 12.

    It names the first thing that differs, or a picture that stands in both.
    """
    where = f"{train.path.name} and {validation.path.name} do not belong together"
    for key in _MUST_MATCH:
        one, other = train.about.get(key), validation.about.get(key)
        if one != other:
            raise PackError(f"{where}: {key} is {one!s:.80} in one, {other!s:.80} in the other")
    if train.class_names != validation.class_names:
        odd = sorted(set(train.class_names) ^ set(validation.class_names))
        raise PackError(f"{where}: their class names differ ({', '.join(odd) or 'in their order'})")
    known = dict(zip(train.digests, train.file_names, strict=True))
    for digest, name in zip(validation.digests, validation.file_names, strict=True):
        if digest in known:
            raise PackError(f"{where}: {known[digest]} and {name} are the same picture")
