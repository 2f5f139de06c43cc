"""A data set is three lists of files with labels, fixed on disk.

`load` finds, draws, downloads or reads a data set, looks at every picture once, and gives its
train, validation and test splits. Lesson 00 introduces it; every lesson uses it.
"""

import hashlib
import os
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from utils.base import cache, pictures, progress
from utils.sources.folder import SPLITS, DataSetError, read_folder
from utils.sources.registry import locate


@dataclass(frozen=True)
class Split:
    """Pictures of one split, in file order; labels are positions in `class_names`."""

    name: str
    class_names: tuple[str, ...]
    paths: tuple[Path, ...]
    labels: np.ndarray  # int32, shape (number of pictures,)
    digests: tuple[str, ...]  # sha256 of each file
    data_set: str = ""  # its folder's name

    def __len__(self):
        return len(self.paths)

    def limit(self, per_class: int) -> "Split":
        """Keep `per_class` pictures of each class (0: all), evenly spaced; lesson 00."""
        if not per_class:
            return self
        keep = []  # evenly, for files often lie in groups that look alike
        for label in np.unique(self.labels):
            (places,) = np.nonzero(self.labels == label)
            count = min(per_class, len(places))
            keep.extend(places[np.arange(count) * len(places) // count])
        return self.select(np.sort(np.array(keep, int)))

    def select(self, places: np.ndarray) -> "Split":
        """Keep the pictures at these places, integers (n,), in their order; lesson 00.

        `split.select([0, 7]).pixels(128)` reads two files, however many pictures the split has.
        """
        paths, digests = ([kept[i] for i in places] for kept in (self.paths, self.digests))
        labels = self.labels[np.asarray(places, int)]
        return replace(self, paths=tuple(paths), labels=labels, digests=tuple(digests))

    @property
    def baseline(self) -> float:
        """The accuracy of always answering this split's most frequent class; lesson 00."""
        return float(np.bincount(self.labels).max() / len(self))

    def tracks(self) -> np.ndarray:
        """Name the track of each picture, "class/track", of files `<track>_<frame>`; lesson 12."""
        names = []
        for path, digest in zip(self.paths, self.digests, strict=True):
            frame = re.fullmatch(r"(\d+)_\d+", path.stem)
            names.append(f"{path.parent.name}/{frame[1] if frame else digest}")
        return np.array(names)

    def must_have_pictures(self, at_least: int = 1) -> None:
        """Raise a DataSetError for a split that is left out, or too small; lessons 11 and 12."""
        if not self.paths:
            what = f"add a folder {self.name} with a folder of pictures for each class"
            raise DataSetError(f"the data set has no {self.name} split: {what}")
        if len(self) < at_least:
            wrong = f"the {self.name} split has {len(self)} pictures: add some"
            raise DataSetError(f"{wrong}, for at least {at_least} are needed here")

    def pixels(self, image_size: int) -> np.ndarray:
        """Read every picture: uint8 (pictures, image_size, image_size, 3), RGB 0–255; lesson 00."""
        self.must_have_pictures()
        picture = np.dtype(("uint8", (image_size, image_size, 3)))
        return np.fromiter(self._read_all(image_size), picture, len(self))

    def stored_pixels(self, image_size: int) -> np.ndarray:
        """Give the same as `pixels`, from a file in the cache folder, written the first time.

        Decoding a photograph takes a third of a light network's run; lesson 15 measures it.
        """
        self.must_have_pictures()
        shape = (len(self), image_size, image_size, 3)

        def read():
            images = self._read_all(image_size)
            return progress.bar(images, desc=f"Reading {self.name}", total=len(self))

        return cache.kept("pixels", self.key(str(image_size)), shape, "uint8", read)[0]

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
                paths = self.paths[start : start + 64]
                yield from pool.map(lambda path: pictures.read(path, size), paths)

    def batches(self, image_size: int, batch_size: int = 32, shuffle_seed: int | None = None):
        """Give the split to Keras, as batches of pictures and labels; taught in lesson 00.

        A `tf.data.Dataset` of (float32 RGB 0–255, int32 labels), kept in memory as uint8. Without
        a `shuffle_seed` in file order (validation and test always); a number draws a new order
        every epoch, the same orders on every run.
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
    left_out: tuple[str, ...]  # one sentence for each file or folder that is not used

    @property
    def splits(self) -> tuple[Split, Split, Split]:
        """Train, validation, test, in this order."""
        return self.train, self.validation, self.test

    @property
    def num_classes(self) -> int:
        """How many classes there are."""
        return len(self.class_names)


def load(name: str | Path, per_class: int = 0) -> DataSet:
    """Load a built-in data set by name, or any folder of pictures by path; lesson 00.

    A built-in set is used as it lies in `COURSE_DATA_DIR`; what is missing is drawn or downloaded.
    Any other name is the path of a folder of yours, or of one in `COURSE_DATA_DIR`:

    - It holds a folder for each class, or splits that do: `train`, `validation` and `test`, in any
      capitals, or `training`, `val`, `valid`, `dev`, `testing`, `holdout`. Folders within a class
      belong to it. A folder that holds one folder of folders only is gone into.
    - Without splits each class is divided 70/15/15, by content; pictures added later join, the
      others stay. Without validation that is taken from train; without test that split is empty.
    - Hidden files and those that systems leave (`__MACOSX`, `Thumbs.db`) count as not there. What
      else is not used is named: unreadable files, what lies beside the class folders, folders that
      begin with `_`, broken links, links to folders in a class, one picture in two classes.
    - Pictures that look the same, saved anew or made smaller, are named if they stand in different
      splits or classes; if pixel equals pixel across splits that you made, they are refused.

    Every file is opened once. What of this was needed is printed.

    Args:
        name: a key of `SOURCES`, or the path of a folder.
        per_class: keep at most so many pictures of each class in each split; 0 keeps all.

    Raises:
        DataSetError: no such folder; no or one class; folders that may mean one thing or another;
            a class with no picture, or too few to divide; one picture in two splits.
        downloads.DownloadError: it needs the network and that failed.
    """
    folder = locate(name)
    classes, rows, left_out = read_folder(folder, str(name))
    splits = {}
    for split in SPLITS:
        own = [row for row in rows if row.split == split]
        labels = np.array([classes.index(row.class_name) for row in own], "int32")
        paths, digests = tuple(row.path for row in own), tuple(row.digest for row in own)
        splits[split] = Split(split, classes, paths, labels, digests, folder.name)
    data = DataSet(str(name), folder, classes, **splits, left_out=left_out)
    check_disjoint(data)
    return replace(data, **{split.name: split.limit(per_class) for split in data.splits})


def check_disjoint(data: DataSet) -> None:
    """Raise a DataSetError if a picture stands in two splits, by content; lesson 00."""
    first, pairs = {}, []
    for split in data.splits:
        for digest, path in zip(split.digests, split.paths, strict=True):
            here = (split.name, path.relative_to(data.folder).as_posix())
            there = first.setdefault(digest, here)
            if there[0] != here[0]:
                pairs.append(f"{there[1]} of {there[0]} and {here[1]} of {here[0]}")
    if pairs:
        more = f" (one of {len(pairs)} such pairs)" if len(pairs) > 1 else ""
        raise DataSetError(
            f"{data.name}: {pairs[0]} are the same picture{more}: take one of the two away, for "
            "nothing can be judged on a picture that it was trained with"
        )
