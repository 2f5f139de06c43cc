"""Where the built-in data sets come from, and how each becomes train, validation and test folders.

`datasets.load` asks here for what is not on disk yet. Lesson 00 uses the first entry.
"""

import hashlib
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from utils import downloads, drawn_pets, pictures
from utils.folders import data_dir

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
