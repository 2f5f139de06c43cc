"""A data set is three lists of files with labels, fixed on disk.

`load` finds, draws, downloads or reads a data set, looks at every picture once, and gives its
train, validation and test splits. Lesson 00 introduces it; every lesson uses it.
"""

import hashlib
import json
import os
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from utils.base import cache, pictures, progress
from utils.base.folders import cache_dir, data_dir, remove_stale_partials, whole_file
from utils.sources.registry import SOURCES, SPLITS, DataSetError, look_at, picture_files

SHARES = {"train": 0.70, "validation": 0.15, "test": 0.15}  # of a folder that has no splits


@dataclass(frozen=True)
class Split:
    """Pictures of one split, in file order; labels are positions in `class_names`."""

    name: str
    class_names: tuple[str, ...]
    paths: tuple[Path, ...]
    labels: np.ndarray  # int32, shape (number of pictures,)
    digests: tuple[str, ...]  # sha256 of each file

    def __len__(self):
        return len(self.paths)

    def limit(self, per_class: int) -> "Split":
        """Keep `per_class` pictures of each class (0: all), evenly spaced; taught in lesson 00.

        Evenly, for files often lie in groups that look alike: of tracks some of each are kept.
        """
        if not per_class:
            return self
        keep = []
        for label in np.unique(self.labels):
            (places,) = np.nonzero(self.labels == label)
            count = min(per_class, len(places))
            keep.extend(places[np.arange(count) * len(places) // count])
        return self.take(np.sort(np.array(keep, int)))

    def take(self, places: np.ndarray) -> "Split":
        """Keep the pictures at these places, integers (n,), in their order; lesson 12."""
        return replace(
            self,
            paths=tuple(self.paths[i] for i in places),
            labels=self.labels[places],
            digests=tuple(self.digests[i] for i in places),
        )

    def tracks(self) -> np.ndarray:
        """Name the track of each picture, from files named `<track>_<frame>`; lesson 12.

        Returns:
            str array (pictures,), "class/track"; a picture named otherwise is its own track.
        """
        named = [re.fullmatch(r"(\d+)_\d+", path.stem) for path in self.paths]
        return np.array(
            [
                f"{path.parent.name}/{name[1] if name else digest}"
                for path, name, digest in zip(self.paths, named, self.digests, strict=True)
            ]
        )

    def must_have_pictures(self) -> None:
        """Raise a DataSetError for a split that was left out of the folder; lesson 12."""
        if not self.paths:
            raise DataSetError(
                f"the data set has no {self.name} split: add a folder {self.name} with a folder of "
                "pictures for each class"
            )

    def pixels(self, image_size: int) -> np.ndarray:
        """Read every picture at one size.

        Args:
            image_size: side in pixels.

        Returns:
            uint8 array (pictures, image_size, image_size, 3), RGB 0–255, in file order.

        Raises:
            pictures.PictureError: for a file that has become unreadable since `load`.
            DataSetError: for a split without pictures.

        Taught in lesson 00.
        """
        self.must_have_pictures()
        images = np.empty((len(self), image_size, image_size, 3), "uint8")
        for i, image in enumerate(self._read_all(image_size)):
            images[i] = image
        return images

    def stored_pixels(self, image_size: int) -> np.ndarray:
        """Give the same as `pixels`, from a file in the cache folder, written the first time.

        Opening, decoding and resizing a photograph takes as long as a third of a light network's
        run. So it is done once for all lessons, epochs and views; lesson 15 measures it.
        """
        self.must_have_pictures()
        shape = (len(self), image_size, image_size, 3)
        return cache.kept(
            "pixels",
            self.key(str(image_size)),
            shape,
            "uint8",
            lambda: progress.bar(
                self._read_all(image_size), desc=f"Reading {self.name}", total=len(self)
            ),
        )[0]

    def key(self, what: str) -> str:
        """Name what is made of these pictures, in this order, and of `what`; lesson 01."""
        digest = hashlib.sha256(f"pictures 1 {what}".encode())
        for file_digest in self.digests:
            digest.update(file_digest.encode())
        return digest.hexdigest()[:32]

    def _read_all(self, image_size):
        size = (image_size, image_size)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for start in range(0, len(self), 64):  # not all at once: they would wait in memory
                yield from pool.map(
                    lambda p: pictures.read(p, size), self.paths[start : start + 64]
                )

    def batches(self, image_size: int, batch_size: int = 32, shuffle_seed: int | None = None):
        """Give the split to Keras, as batches of pictures and labels.

        Args:
            image_size: side in pixels.
            batch_size: pictures a batch; the last batch holds what is left.
            shuffle_seed: None keeps file order (validation and test always); a number draws a new
                order every epoch, the same orders on every run.

        Returns:
            A `tf.data.Dataset` of (float32 RGB 0–255, int32 labels). Pictures are read once and
            kept in memory as uint8: 77 KB each at 160 px.

        Taught in lesson 00.
        """
        # Here, so that listing files does not wait for TensorFlow.
        from utils.base.framework import tf, untuned

        if shuffle_seed is not None and self.name != "train":
            raise ValueError(f"the {self.name} split is never shuffled: leave shuffle_seed out")
        images = tf.data.Dataset.from_tensor_slices((self.stored_pixels(image_size), self.labels))
        if shuffle_seed is not None:
            images = images.shuffle(len(self), seed=shuffle_seed)
        images = images.batch(batch_size)
        return untuned(images.map(lambda x, y: (tf.cast(x, tf.float32), y)).prefetch(2))


@dataclass(frozen=True)
class DataSet:
    """Three splits of one set of pictures."""

    name: str
    folder: Path
    class_names: tuple[str, ...]
    train: Split
    validation: Split
    test: Split
    left_out: tuple[str, ...]  # one sentence for each file that is not used

    @property
    def splits(self) -> tuple[Split, Split, Split]:
        """Train, validation, test, in this order."""
        return self.train, self.validation, self.test

    @property
    def num_classes(self) -> int:
        """How many classes there are."""
        return len(self.class_names)


def load(name: str | Path, per_class: int = 0) -> DataSet:
    """Load a built-in data set by name, or any folder of pictures by path.

    A folder `COURSE_DATA_DIR/<name>` is used as it is. What is missing is drawn or downloaded. A
    folder of your own holds `train`, `validation` and `test` with a folder for each class in them,
    or just a folder for each class: those are split 70/15/15 in every class, by content, so that
    copies of one picture never stand on both sides; pictures added later join, the others stay.
    Who has no `test` may leave it out: that split is then empty, and using it is an error.

    Args:
        name: a key of `SOURCES`, or the path of a folder.
        per_class: keep at most so many pictures of each class in each split; 0 keeps all.

    Returns:
        The data set. Every file has been opened once: unreadable ones are left out, with a reason.

    Raises:
        DataSetError: an unknown name, a class without a picture, one class only.
        downloads.DownloadError: it needs the network and that failed.

    Taught in lesson 00.
    """
    folder = data_dir() / str(name)
    if str(name) in SOURCES and not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        remove_stale_partials(folder.parent)
        SOURCES[str(name)].make(folder)
    elif str(name) not in SOURCES:
        folder = Path(name).expanduser().absolute()
        if not folder.is_dir():
            raise DataSetError(
                f"there is no data set or folder {str(name)!r}; the data sets are "
                f"{', '.join(SOURCES)}, and any folder with a folder of pictures for each class"
            )
    data = _read_folder(str(name), folder)
    if data.left_out:
        shown = "; ".join(data.left_out[:5]) + ("; …" if len(data.left_out) > 5 else "")
        print(f"{data.name}: {len(data.left_out)} files are left out: {shown}")
    limited = {split.name: split.limit(per_class) for split in data.splits}
    return replace(data, **limited)


def _read_folder(name, folder):
    has_splits = (folder / "train").is_dir()
    given = SPLITS if not has_splits or (folder / "test").is_dir() else SPLITS[:2]
    roots = [folder / split for split in given] if has_splits else [folder]
    classes = _class_names(roots)
    files = [(root, c, p) for root in roots for c in classes for p in picture_files(root / c)]
    looked = _look_at(folder, [path for _, _, path in files])
    rows, left_out = [], []
    for (root, class_name, path), (digest, problem) in zip(files, looked, strict=True):
        if problem:
            left_out.append(problem)
        else:
            rows.append((root.name if has_splits else "", class_name, path, digest))
    if not has_splits:
        rows, doubted = _assign_splits(folder, rows)
        left_out += doubted
    splits = {split: _make_split(split, classes, rows, folder) for split in given}
    splits.setdefault("test", Split("test", classes, (), np.zeros(0, "int32"), ()))
    return DataSet(name, folder, classes, **splits, left_out=tuple(left_out))


def _class_names(roots):
    names = []
    for root in roots:
        if not root.is_dir():
            raise DataSetError(f"{root} is missing: a split data set has {', '.join(SPLITS)}")
        found = sorted(p.name for p in root.iterdir() if p.is_dir() and p.name[0] not in "._")
        if len(found) < 2:
            raise DataSetError(
                f"{root} holds {len(found)} class folders ({', '.join(found) or 'none'}), but "
                "telling pictures apart needs at least two: make one folder for each class"
            )
        names.append(tuple(found))
    for root, found in zip(roots, names, strict=True):
        if set(found) != set(names[0]):
            odd = ", ".join(sorted(set(found) ^ set(names[0])))
            raise DataSetError(
                f"{root} and {roots[0]} do not hold the same class folders ({odd}): "
                "give every split a folder for each class"
            )
    return names[0]


def _make_split(name, classes, rows, folder):
    rows = [row for row in rows if row[0] == name]
    for class_name in classes:
        if not any(row[1] == class_name for row in rows):
            raise DataSetError(
                f"{folder}: the {name} split has no readable picture of class {class_name!r}: "
                "add some, or remove that class's folder from every split"
            )
    labels = np.array([classes.index(row[1]) for row in rows], "int32")
    return Split(
        name, classes, tuple(row[2] for row in rows), labels, tuple(row[3] for row in rows)
    )


def _look_at(folder, paths):
    """Digest of each file, or the reason it cannot be used; remembered until the file changes."""
    memory = cache_dir() / "pictures" / f"{_short_digest(str(folder))}.json"
    known = _read_json(memory)
    stamps = []
    for path in paths:
        status = path.stat()
        stamps.append(f"{path.relative_to(folder)}|{status.st_size}|{status.st_mtime_ns}")
    new = [i for i, stamp in enumerate(stamps) if stamp not in known]
    if new:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            results = pool.map(lambda i: look_at(paths[i], folder), new)
            bar = progress.bar(results, total=len(new), desc=f"Looking at {folder.name}")
            known.update((stamps[i], result) for i, result in zip(new, bar, strict=True))
        _remember(memory, {stamp: known[stamp] for stamp in stamps})
    return [known[stamp] for stamp in stamps]


def _assign_splits(folder, rows):
    """Split each class 70/15/15 by content; what was assigned before stays where it is."""
    memory = cache_dir() / "splits" / f"{_short_digest(str(folder))}.json"
    known = _read_json(memory)
    assigned, owner, doubted, kept = {}, {}, [], []
    for row in rows:
        digest, class_name = row[3], row[1]
        if owner.setdefault(digest, class_name) != class_name:
            doubted.append(f"{row[2].name}: the same picture is in {owner[digest]}, too")
            continue
        kept.append(row)
    for class_name in sorted(set(owner.values())):
        digests = sorted(digest for digest, of in owner.items() if of == class_name)
        counts = dict.fromkeys(SPLITS, 0)
        for digest in digests:
            if digest in known:
                assigned[digest] = known[digest]
                counts[known[digest]] += 1
        for digest in digests:
            if digest not in known:
                total = sum(counts.values()) + 1
                split = max(SPLITS, key=lambda s: SHARES[s] * total - counts[s])
                assigned[digest] = split
                counts[split] += 1
    if assigned != known:
        _remember(memory, assigned)
    return [(assigned[row[3]], *row[1:]) for row in kept], doubted


def _short_digest(text):
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _read_json(path):
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):  # never written, or damaged: then it is made anew
        return {}


def _remember(path, content):
    try:
        with whole_file(path) as partial:
            partial.write_text(json.dumps(content), "utf-8")
    except OSError as error:  # a shared read-only folder: slower next time, but not wrong
        print(f"Not remembered for next time: {error}")
