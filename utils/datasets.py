"""A data set is three lists of files with labels, fixed on disk.

`load` finds, draws, downloads or reads a data set, looks at every picture once, and gives its
train, validation and test splits. Lesson 00 introduces it; every lesson uses it.
"""

import hashlib
import json
import os
import shutil
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from utils import downloads, drawn_pets, pictures
from utils.folders import cache_dir, data_dir, whole_file

SPLITS = ("train", "validation", "test")
SHARES = {"train": 0.70, "validation": 0.15, "test": 0.15}  # of a folder that has no splits


class DataSetError(ValueError):
    """A data set that cannot be used: what is wrong, where, and what to do."""


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
        """Keep the first `per_class` pictures of each class (0: all); taught in lesson 00."""
        if not per_class:
            return self
        rank = {label: np.cumsum(self.labels == label) for label in set(self.labels.tolist())}
        keep = [i for i, label in enumerate(self.labels.tolist()) if rank[label][i] <= per_class]
        return replace(
            self,
            paths=tuple(self.paths[i] for i in keep),
            labels=self.labels[keep],
            digests=tuple(self.digests[i] for i in keep),
        )

    def pixels(self, image_size: int) -> np.ndarray:
        """Read every picture at one size.

        Args:
            image_size: side in pixels.

        Returns:
            uint8 array (pictures, image_size, image_size, 3), RGB 0–255, in file order.

        Raises:
            pictures.PictureError: for a file that has become unreadable since `load`.

        Taught in lesson 00.
        """
        size = (image_size, image_size)
        images = np.empty((len(self), *size, 3), "uint8")
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for i, image in enumerate(pool.map(lambda p: pictures.read(p, size), self.paths)):
                images[i] = image
        return images

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
        from utils.framework import tf  # here, so that listing files does not wait for TensorFlow

        if shuffle_seed is not None and self.name != "train":
            raise ValueError(f"the {self.name} split is never shuffled: leave shuffle_seed out")
        # Keras notes at every `fit` that a data set shuffles by itself: it does, right here.
        warnings.filterwarnings("ignore", message="`shuffle=True` was passed, but will be ignored")
        images = tf.data.Dataset.from_tensor_slices((self.pixels(image_size), self.labels))
        if shuffle_seed is not None:
            images = images.shuffle(len(self), seed=shuffle_seed)
        images = images.batch(batch_size)
        return images.map(lambda x, y: (tf.cast(x, tf.float32), y)).prefetch(2)


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


@dataclass(frozen=True)
class Source:
    """An entry of the registry: what a built-in data set is and how to get it."""

    what: str
    counts: tuple[int, int, int]
    licence: str
    make: Callable[[Path], None]  # puts the finished data set at a path that does not exist yet
    network: bool


def load(name: str | Path, per_class: int = 0) -> DataSet:
    """Load a built-in data set by name, or any folder of pictures by path.

    A folder `COURSE_DATA_DIR/<name>` is used as it is. What is missing is drawn or downloaded. A
    folder of your own holds `train`, `validation` and `test` with a folder for each class in them,
    or just a folder for each class: those are split 70/15/15 in every class, by content, so that
    copies of one picture never stand on both sides; pictures added later join, the others stay.

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
    roots = [folder / split for split in SPLITS] if has_splits else [folder]
    classes = _class_names(roots)
    files = [(root, c, p) for root in roots for c in classes for p in _files(root / c)]
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
    splits = {split: _make_split(split, classes, rows, folder) for split in SPLITS}
    return DataSet(name, folder, classes, **splits, left_out=tuple(left_out))


def _class_names(roots):
    names = []
    for root in roots:
        if not root.is_dir():
            raise DataSetError(f"{root} is missing: a split data set needs {', '.join(SPLITS)}")
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


def _files(folder):
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".") and path.suffix.lower() != ".db"
    )


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
            results = pool.map(lambda i: _look_at_one(folder, paths[i]), new)
            bar = tqdm(results, total=len(new), desc=f"Looking at {folder.name}", leave=False)
            known.update((stamps[i], result) for i, result in zip(new, bar, strict=True))
        _remember(memory, {stamp: known[stamp] for stamp in stamps})
    return [known[stamp] for stamp in stamps]


def _look_at_one(folder, path):
    try:
        content = path.read_bytes()
        pictures.read(path, (64, 64))
    except (pictures.PictureError, OSError) as error:
        return "", str(error).replace(str(folder) + os.sep, "")
    return hashlib.sha256(content).hexdigest(), ""


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


_FILTERED = downloads.Archive(
    url="https://storage.googleapis.com/mledu-datasets/cats_and_dogs_filtered.zip",
    size=68_606_236,
    sha256=None,  # no published digest could be verified: size and counts are checked instead
    licence="Kaggle Dogs vs. Cats competition terms, not for redistribution",
    unpacked_size=120_000_000,
)
_FULL = downloads.Archive(
    url="https://download.microsoft.com/download/3/E/1/3E1C3F21-ECDB-4869-8368-6DEBA77B919F/"
    "kagglecatsanddogs_5340.zip",
    size=824_887_076,
    # As published by GoMLX (github.com/gomlx/gomlx, its cats-and-dogs example).
    sha256="b7974bd00a84a99921f36ee4403f089853777b5ae8d151c76a86e64900334af9",
    licence="Microsoft Research data licence, research and teaching",
    unpacked_size=1_200_000_000,
)


def _way_out(name):
    return (
        f"connect and run again, or copy the data set from someone to {data_dir() / name}, or use "
        "the drawn_pets data set, which needs no network"
    )


def _fetch(name, archive, root):
    """Download and unpack an archive; give the path of the folder `root` inside it."""
    place = data_dir() / "downloads"
    path = downloads.download(archive, place / archive.url.rsplit("/", 1)[1], _way_out(name))
    folder = place / path.stem
    if not folder.exists():
        downloads.unpack(path, folder, archive.unpacked_size)
    return folder / root


def _build(folder, chosen):
    """Copy chosen files, {(split, class): [paths]}, into a folder that appears when complete."""
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        for (split, class_name), paths in chosen.items():
            target = partial / split / class_name
            target.mkdir(parents=True)
            for path in paths:
                shutil.copyfile(path, target / path.name)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _expect(name, chosen, counts):
    for split, count in zip(SPLITS, counts, strict=True):
        found = sum(len(paths) for (of, _), paths in chosen.items() if of == split)
        if found != count:
            raise DataSetError(
                f"{name}: the archive gives {found} {split} pictures and not {count}: delete "
                f"{data_dir() / 'downloads'} and run again"
            )


def _make_cats_vs_dogs(folder):
    root = _fetch("cats_vs_dogs", _FILTERED, "cats_and_dogs_filtered")
    chosen = {}
    for class_name in ("cats", "dogs"):
        chosen["train", class_name] = _files(root / "train" / class_name)
        rest = _files(root / "validation" / class_name)
        chosen["validation", class_name] = rest[0::2]
        chosen["test", class_name] = rest[1::2]
    _expect("cats_vs_dogs", chosen, SOURCES["cats_vs_dogs"].counts)
    _build(folder, chosen)
    shutil.rmtree(root.parent)  # the archive stays, what was unpacked from it goes


def _make_cats_vs_dogs_full(folder):
    root = _fetch("cats_vs_dogs_full", _FULL, "PetImages")
    chosen, skipped = {}, 0
    for original, class_name in (("Cat", "cats"), ("Dog", "dogs")):
        numbered = sorted(
            (p for p in (root / original).glob("*.jpg") if p.stem.isdigit()),
            key=lambda path: int(path.stem),
        )
        readable = []
        for path in numbered:
            if len(readable) == 2000:
                break
            _, problem = _look_at_one(root, path)
            skipped += bool(problem)
            if not problem:
                readable.append(path)
        chosen["train", class_name] = readable[:1000]
        chosen["validation", class_name] = readable[1000:1500]
        chosen["test", class_name] = readable[1500:]
    _expect("cats_vs_dogs_full", chosen, SOURCES["cats_vs_dogs_full"].counts)
    print(f"cats_vs_dogs_full: {skipped} unreadable files were skipped")
    _build(folder, chosen)
    shutil.rmtree(root.parent)


SOURCES = {
    "drawn_pets": Source(
        what="cats and dogs, drawn by this course",
        counts=(1000, 500, 500),
        licence="CC BY 4.0, as the course",
        make=drawn_pets.draw_all,
        network=False,
    ),
    "cats_vs_dogs": Source(
        what="photographs: the 2,000/1,000 pictures of Google's tutorials",
        counts=(2000, 500, 500),
        licence=_FILTERED.licence,
        make=_make_cats_vs_dogs,
        network=True,
    ),
    "cats_vs_dogs_full": Source(
        what="photographs: the book's cut of the full archive",
        counts=(2000, 1000, 1000),
        licence=_FULL.licence,
        make=_make_cats_vs_dogs_full,
        network=True,
    ),
}
