"""Where the built-in data sets come from, and how each becomes train, validation and test folders.

`datasets.load` asks here for what is not on disk yet. Lesson 00 uses the first entry.
"""

import csv
import hashlib
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from utils.base import pictures, progress
from utils.base.folders import data_dir
from utils.sources import downloads, drawn_pets, drawn_signs

SPLITS = ("train", "validation", "test")


class DataSetError(ValueError):
    """A data set that cannot be used: what is wrong, where, and what to do."""


@dataclass(frozen=True)
class Source:
    """An entry of the registry: what a built-in data set is and how to get it."""

    what: str
    counts: tuple[int, int, int]
    licence: str
    make: Callable[[Path], None]  # puts the finished data set at a path that does not exist yet
    network: bool


def picture_files(folder: Path) -> list[Path]:
    """List what may be pictures in a folder and below it, in order of names."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".") and path.name != "Thumbs.db"
    )


def look_at(path: Path, folder: Path) -> tuple[str, str]:
    """Give a file's sha256 and "", or "" and a sentence why it cannot be used."""
    try:
        content = path.read_bytes()
        pictures.read(path, (64, 64))
    except (pictures.PictureError, OSError) as error:
        return "", str(error).replace(str(folder) + os.sep, "")
    return hashlib.sha256(content).hexdigest(), ""


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
_CIFAR10 = downloads.Archive(
    url="https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    size=170_052_171,
    # As published by TensorFlow Datasets (its url_checksums/cifar10.txt).
    sha256="c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
    licence="none stated; cite A. Krizhevsky, 2009",
    unpacked_size=200_000_000,
)
_FLOWERS = downloads.Archive(
    url="https://storage.googleapis.com/download.tensorflow.org/example_images/flower_photos.tgz",
    size=228_813_984,
    # As published by TensorFlow Datasets (its url_checksums/tf_flowers.txt).
    sha256="4c54ace7911aaffe13a365c34f650e71dd5bf1be0a58b464e5a7183e3e595d9c",
    licence="CC BY 2.0, photographers named in its LICENSE.txt",
    unpacked_size=300_000_000,
)
_SIGNS = "https://sid.erda.dk/public/archives/daaeac0d7ce1152aea9b61d9f1e19370/GTSRB_Final_"
_SIGNS_LICENCE = "free for research; cite J. Stallkamp et al., 2012"
_GTSRB_TRAIN = downloads.Archive(
    url=_SIGNS + "Training_Images.zip",
    size=276_294_756,
    # Published beside the two below, which agree with torchvision's.
    sha256="d32ac4b5fa9a1cbd1994768413902e8193599d9434cf0a8eb9cfd00a6d3a290c",
    licence=_SIGNS_LICENCE,
    unpacked_size=400_000_000,
)
_GTSRB_TEST = downloads.Archive(
    url=_SIGNS + "Test_Images.zip",
    size=88_978_620,
    sha256="48ba6fab7e877eb64eaf8de99035b0aaecfbc279bee23e35deca4ac1d0a837fa",
    licence=_SIGNS_LICENCE,
    unpacked_size=150_000_000,
)
_GTSRB_LABELS = downloads.Archive(
    url=_SIGNS + "Test_GT.zip",
    size=99_620,
    sha256="f94e5a7614d75845c74c04ddb26b8796b9e483f43541dd95dd5b726504e16d6d",
    licence=_SIGNS_LICENCE,
    unpacked_size=1_000_000,
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
                if path.suffix == ".ppm":  # which browsers and notebooks cannot show
                    pictures.write(target / f"{path.stem}.png", Image.open(path))
                else:
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
        chosen["train", class_name] = picture_files(root / "train" / class_name)
        rest = picture_files(root / "validation" / class_name)
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
            _, problem = look_at(path, root)
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


def _make_cifar10(folder):
    """Batches 1 to 4 train, batch 5 validates, the test batch tests, as PNG files."""
    root = _fetch("cifar10", _CIFAR10, "cifar-10-batches-bin")
    names = (root / "batches.meta.txt").read_text().split()
    files = {f"data_batch_{i}": "train" for i in (1, 2, 3, 4)}
    files |= {"data_batch_5": "validation", "test_batch": "test"}
    pictures_in = root.parent / "png"
    chosen = {(split, name): [] for split in SPLITS for name in names}
    for name in names:
        (pictures_in / name).mkdir(parents=True, exist_ok=True)
    for stem, split in progress.bar(files.items(), desc="Writing CIFAR-10 as PNG"):
        # A record is one byte of label, then 32 × 32 reds, greens and blues.
        records = np.fromfile(root / f"{stem}.bin", "uint8").reshape(-1, 3073)
        for i, record in enumerate(records):
            name = names[record[0]]
            path = pictures_in / name / f"{stem}_{i:04d}.png"
            pictures.write(path, Image.fromarray(record[1:].reshape(3, 32, 32).transpose(1, 2, 0)))
            chosen[split, name].append(path)
    _build(folder, chosen)
    shutil.rmtree(root.parent)


def _make_gtsrb(folder):
    """Every fifth track validates; no track stands in two splits; the official test set tests."""
    train = _fetch("gtsrb", _GTSRB_TRAIN, "GTSRB/Final_Training/Images")
    test = _fetch("gtsrb", _GTSRB_TEST, "GTSRB/Final_Test/Images")
    labels = _fetch("gtsrb", _GTSRB_LABELS, "GT-final_test.csv")
    chosen = {}
    for source in sorted(path for path in train.iterdir() if path.is_dir()):
        files = [path for path in picture_files(source) if path.suffix == ".ppm"]
        for split in SPLITS:
            chosen[split, source.name] = []
        for path in files:
            track = int(path.name.split("_")[0])
            split = "validation" if track % 5 == 0 else "train"
            chosen[split, source.name].append(path)
    with open(labels, newline="") as file:
        for row in csv.DictReader(file, delimiter=";"):
            chosen["test", f"{int(row['ClassId']):05d}"].append(test / row["Filename"])
    _build(folder, chosen)
    for root in (train.parents[2], test.parents[2], labels.parent):
        shutil.rmtree(root)


def _make_flowers(folder):
    """Of twenty photographs in a row fourteen train, three validate, three test."""
    root = _fetch("flowers", _FLOWERS, "flower_photos")
    chosen = {}
    for source in sorted(path for path in root.iterdir() if path.is_dir()):
        files = picture_files(source)
        for split, places in zip(SPLITS, (range(14), range(14, 17), range(17, 20)), strict=True):
            chosen[split, source.name] = [p for i, p in enumerate(files) if i % 20 in places]
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
    "drawn_signs": Source(
        what="traffic signs in tracks, drawn by this course",
        counts=(960, 480, 480),
        licence="CC BY 4.0, as the course",
        make=drawn_signs.draw_all,
        network=False,
    ),
    "gtsrb": Source(
        what="photographs: German traffic signs, 43 classes, in tracks",
        counts=(30_869, 8_340, 12_630),
        licence=_SIGNS_LICENCE,
        make=_make_gtsrb,
        network=True,
    ),
    "cifar10": Source(
        what="photographs: ten classes, 32 × 32 pixels",
        counts=(40_000, 10_000, 10_000),
        licence=_CIFAR10.licence,
        make=_make_cifar10,
        network=True,
    ),
    "flowers": Source(
        what="photographs: five kinds of flowers",
        counts=(2_576, 549, 545),
        licence=_FLOWERS.licence,
        make=_make_flowers,
        network=True,
    ),
}
