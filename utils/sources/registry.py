"""Where the built-in data sets come from, and how each is split; lesson 00 uses the first."""

import csv
import hashlib
import shutil
from collections import defaultdict
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from utils.base import pictures, progress
from utils.base.folders import data_dir, remove_stale_partials, whole_file
from utils.sources import downloads, drawn_pets, drawn_signs
from utils.sources.class_folders import SPLITS, DataSetError, look_equal, picture_files
from utils.sources.downloads import Archive
from utils.sources.folder import look_at

_STORAGE = "https://storage.googleapis.com"
_MICROSOFT = "https://download.microsoft.com/download/3/E/1/3E1C3F21-ECDB-4869-8368-6DEBA77B919F"
_SIGNS = "https://sid.erda.dk/public/archives/daaeac0d7ce1152aea9b61d9f1e19370/GTSRB_Final_"
LICENCES = {
    "drawn_pets": "CC BY 4.0, as the course",
    "drawn_signs": "CC BY 4.0, as the course",
    "cats_vs_dogs": "Kaggle Dogs vs. Cats competition terms, not for redistribution",
    "cats_vs_dogs_full": "Microsoft Research data licence, research and teaching",
    "gtsrb": "free for research; cite J. Stallkamp et al., 2012",
    "cifar10": "none stated; cite A. Krizhevsky, 2009",
    "flowers": "CC BY 2.0, photographers named in its LICENSE.txt",
}
# Digests are as published: of the full archive by GoMLX (its cats-and-dogs example), of the signs
# beside them (two agree with torchvision's), of the last two by TensorFlow Datasets. For the
# first none could be verified: its size and COUNTS are checked.
_TABLE = [
    ("cats_vs_dogs", f"{_STORAGE}/mledu-datasets/cats_and_dogs_filtered.zip", 68_606_236, None),
    ("cats_vs_dogs_full", f"{_MICROSOFT}/kagglecatsanddogs_5340.zip", 824_887_076,
     "b7974bd00a84a99921f36ee4403f089853777b5ae8d151c76a86e64900334af9"),
    ("gtsrb", f"{_SIGNS}Training_Images.zip", 276_294_756,
     "d32ac4b5fa9a1cbd1994768413902e8193599d9434cf0a8eb9cfd00a6d3a290c"),
    ("gtsrb", f"{_SIGNS}Test_Images.zip", 88_978_620,
     "48ba6fab7e877eb64eaf8de99035b0aaecfbc279bee23e35deca4ac1d0a837fa"),
    ("gtsrb", f"{_SIGNS}Test_GT.zip", 99_620,
     "f94e5a7614d75845c74c04ddb26b8796b9e483f43541dd95dd5b726504e16d6d"),
    ("cifar10", "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz", 170_052_171,
     "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"),
    ("flowers", f"{_STORAGE}/download.tensorflow.org/example_images/flower_photos.tgz", 228_813_984,
     "4c54ace7911aaffe13a365c34f650e71dd5bf1be0a58b464e5a7183e3e595d9c"),
]  # fmt: skip
ARCHIVES = {}
for _name, *_row in _TABLE:
    ARCHIVES.setdefault(_name, []).append(Archive(*_row, LICENCES[_name]))
# What must come out: one archive has no known digest, of the other readable files are chosen.
COUNTS = {
    "cats_vs_dogs": {"train": 2000, "validation": 500, "test": 500},
    "cats_vs_dogs_full": {"train": 2000, "validation": 1000, "test": 1000},
}


def locate(name: str | Path) -> Path:
    """Give the folder of a data set, made first if it is a built-in one that is not there yet."""
    if not str(name).strip():
        raise DataSetError("DATASET is empty: write a data set's name, or the path of a folder")
    source = SOURCES.get(str(name))
    kept, own = data_dir() / name, Path(name).expanduser().absolute()
    folder = kept if source or not own.exists() else own
    drawn = {"drawn_pets": drawn_pets, "drawn_signs": drawn_signs}.get(str(name))
    if source and not folder.is_dir():
        remove_stale_partials(folder.parent)
        source(folder)
    elif drawn and not (folder / drawn.FIRST_TEST).exists():
        raise DataSetError(
            f"{folder} was drawn by an earlier version of this course, with other test pictures: "
            "delete that folder, and it will be drawn again in seconds"
        )
    if folder.is_file():
        raise DataSetError(f"{folder} is a file: name a folder, unpacked if this is an archive")
    if not folder.is_dir():
        looked = " and for ".join(dict.fromkeys(map(str, (own, kept))))
        beside = [path.name for path in own.parent.iterdir()] if own.parent.is_dir() else []
        alike = [f" ({own.name!a} is not {n!a})" for n in beside if look_equal([n, own.name])]
        raise DataSetError(
            f"there is no data set or folder {str(name)!r}: looked for {looked}{''.join(alike)}; "
            f"the data sets are {', '.join(SOURCES)}, and any folder with a folder of pictures for "
            "each class"
        )
    return folder


def _from_archives(name, choose, folder):
    """Fetch and unpack, let `choose` say {(split, class): [files]}, copy these; archives stay."""
    place = data_dir() / "downloads"
    way_out = f"connect and run again, or copy the data set from someone to {folder}, or use "
    way_out += "the drawn_pets data set, which needs no network"
    unpacked = []
    for archive in ARCHIVES[name]:
        path = downloads.download(archive, place / archive.url.rsplit("/", 1)[1], way_out)
        unpacked.append(place / path.stem)
        if not unpacked[-1].exists():
            downloads.unpack(path, unpacked[-1])
    chosen = choose(*unpacked)
    for split, count in COUNTS.get(name, {}).items():
        found = sum(len(paths) for (of, _), paths in chosen.items() if of == split)
        if found != count:
            wrong = f"the archive gives {found} {split} pictures and not {count}"
            raise DataSetError(f"{name}: {wrong}: delete {place} and run again")
    _build(name, folder, chosen)
    for root in unpacked:
        shutil.rmtree(root)


def _build(name, folder, chosen):
    """Copy chosen files, {(split, class): [paths]}, into a folder that appears when complete.

    Archives of photographs hold copies. One that stands in a later split, too, is left out: the
    test split stays as it was published.
    """
    owner, copies = {}, 0
    with whole_file(folder) as partial:
        for split, class_name in sorted(chosen, key=lambda key: -SPLITS.index(key[0])):
            target = partial / split / class_name
            target.mkdir(parents=True)
            for path in chosen[split, class_name]:
                copy = target / path.name
                if path.suffix == ".ppm":  # which browsers and notebooks cannot show
                    copy = copy.with_suffix(".png")
                    pictures.write(copy, Image.open(path))
                else:
                    shutil.copyfile(path, copy)
                digest = hashlib.sha256(copy.read_bytes()).digest()
                if owner.setdefault(digest, split) != split:
                    copy.unlink()
                    copies += 1
    if copies:
        print(f"{name}: {copies} copies of pictures of other splits were left out")


def _cats_vs_dogs(root):
    chosen, root = {}, root / "cats_and_dogs_filtered"
    for class_name in ("cats", "dogs"):
        chosen["train", class_name] = picture_files(root / "train" / class_name)
        rest = picture_files(root / "validation" / class_name)
        chosen["validation", class_name], chosen["test", class_name] = rest[0::2], rest[1::2]
    return chosen


def _cats_vs_dogs_full(root):
    """The book's cut: the first readable 1,000 train, the next 500 validate, 500 more test."""
    chosen, skipped = {}, 0
    for original, class_name in (("Cat", "cats"), ("Dog", "dogs")):
        files = [p for p in (root / "PetImages" / original).glob("*.jpg") if p.stem.isdigit()]
        readable = []
        for path in sorted(files, key=lambda path: int(path.stem)):
            if look_at(path)[1]:
                skipped += 1
            else:
                readable.append(path)
            if len(readable) == 2000:
                break
        chosen["train", class_name] = readable[:1000]
        chosen["validation", class_name] = readable[1000:1500]
        chosen["test", class_name] = readable[1500:]
    print(f"cats_vs_dogs_full: {skipped} unreadable files were skipped")
    return chosen


def _cifar10(root):
    """Batches 1 to 4 train, batch 5 validates, the test batch tests, as PNG files."""
    records_in = root / "cifar-10-batches-bin"
    names = (records_in / "batches.meta.txt").read_text("utf-8").split()
    files = {f"data_batch_{i}": "train" for i in (1, 2, 3, 4)}
    files |= {"data_batch_5": "validation", "test_batch": "test"}
    chosen = defaultdict(list)
    for stem, split in progress.bar(files.items(), desc="Writing CIFAR-10 as PNG"):
        # A record is one byte of label, then 32 × 32 reds, greens and blues.
        records = np.fromfile(records_in / f"{stem}.bin", "uint8").reshape(-1, 3073)
        for i, record in enumerate(records):
            path = root / "png" / names[record[0]] / f"{stem}_{i:04d}.png"
            pictures.write(path, Image.fromarray(record[1:].reshape(3, 32, 32).transpose(1, 2, 0)))
            chosen[split, names[record[0]]].append(path)
    return chosen


def _gtsrb(train, test, labels):
    """Every fifth track validates; no track stands in two splits; the official test set tests."""
    chosen = defaultdict(list)
    for source in sorted((train / "GTSRB/Final_Training/Images").glob("*/")):
        for path in (path for path in picture_files(source) if path.suffix == ".ppm"):
            split = "validation" if int(path.name.split("_")[0]) % 5 == 0 else "train"
            chosen[split, source.name].append(path)
    with open(labels / "GT-final_test.csv", newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter=";"):
            path = test / "GTSRB/Final_Test/Images" / row["Filename"]
            chosen["test", f"{int(row['ClassId']):05d}"].append(path)
    return chosen


def _flowers(root):
    """Of twenty photographs in a row fourteen train, three validate, three test."""
    chosen = {}
    for source in sorted((root / "flower_photos").glob("*/")):
        files = picture_files(source)
        for split, places in zip(SPLITS, (range(14), range(14, 17), range(17, 20)), strict=True):
            chosen[split, source.name] = [p for i, p in enumerate(files) if i % 20 in places]
    return chosen


# Data set → what makes it, at a path that does not exist yet; the data card describes each.
SOURCES = {
    "drawn_pets": drawn_pets.draw_all,
    "cats_vs_dogs": partial(_from_archives, "cats_vs_dogs", _cats_vs_dogs),
    "cats_vs_dogs_full": partial(_from_archives, "cats_vs_dogs_full", _cats_vs_dogs_full),
    "drawn_signs": drawn_signs.draw_all,
    "gtsrb": partial(_from_archives, "gtsrb", _gtsrb),
    "cifar10": partial(_from_archives, "cifar10", _cifar10),
    "flowers": partial(_from_archives, "flowers", _flowers),
}
