"""How a folder of pictures becomes a train, a validation and a test split; lesson 00 shows it.

Every file is opened once and known by its content afterwards.
"""

import collections
import hashlib
import itertools
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from utils.base import pictures, progress
from utils.base.folders import cache_dir, whole_file

SPLITS = ("train", "validation", "test")
SHARES = {"train": 0.70, "validation": 0.15, "test": 0.15}  # of a folder that has no splits


class DataSetError(ValueError):
    """A data set that cannot be used: what is wrong, where, and what to do."""


class Row(NamedTuple):
    """A usable picture: its split ("" if none is given yet), class, file, and sha256 of it."""

    split: str
    class_name: str
    path: Path
    digest: str


def read_folder(folder: Path) -> tuple[tuple[str, ...], list[Row], tuple[str, ...]]:
    """Look through a folder of class folders, or one with `train`, `validation` and `test`.

    Returns class names; a row for each picture, in order of splits, classes and file names; and a
    sentence for each file that is left out. The folder may have no test split.
    """
    has_splits = (folder / "train").is_dir()
    given = SPLITS if not has_splits or (folder / "test").is_dir() else SPLITS[:2]
    roots = [folder / split for split in given] if has_splits else [folder]
    classes = _class_names(roots)
    places = itertools.product(given if has_splits else [""], classes)
    files = [(*at, path) for at in places for path in picture_files(folder.joinpath(*at))]
    rows, left_out = [], []
    for file, (digest, problem) in zip(files, _look_at_all(folder, files), strict=True):
        left_out.append(problem) if problem else rows.append(Row(*file, digest))
    if not has_splits:
        rows, doubted = assign_splits(folder, rows)
        left_out += doubted
    filled = {(row.split, row.class_name) for row in rows}
    for split, name in itertools.product(given, classes):
        if (split, name) not in filled:
            wrong = f"{folder}: the {split} split has no readable picture of class {name!r}"
            raise DataSetError(f"{wrong}: add some, or remove that class from every split")
    return classes, sorted(rows, key=lambda row: SPLITS.index(row.split)), tuple(left_out)


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
        names = names or found
        if odd := sorted(set(found) ^ set(names)):
            wrong = f"do not hold the same class folders ({', '.join(odd)})"
            way_out = "give every split a folder for each class"
            raise DataSetError(f"{root} and {roots[0]} {wrong}: {way_out}")
    return tuple(names)


def picture_files(folder: Path) -> list[Path]:
    """List what may be pictures in a folder and below it, in order of names."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [path for path in files if path.name[0] != "." and path.name != "Thumbs.db"]


def look_at(path: Path, folder: Path) -> tuple[str, str]:
    """Give a file's sha256 and "", or "" and a sentence why it cannot be used."""
    try:
        content = path.read_bytes()
        pictures.read(path, (64, 64))
    except (pictures.PictureError, OSError) as error:
        return "", str(error).replace(str(folder) + os.sep, "")
    return hashlib.sha256(content).hexdigest(), ""


def _look_at_all(folder, files):
    """What `look_at` says of each file; remembered until the file changes."""
    memory = _memory("pictures", folder)
    known, stamps = _recall(memory), {}
    for *_, path in files:
        at = path.stat()  # whose ctime nobody can set back
        stamps[path] = f"{path.relative_to(folder)}|{at.st_size}|{at.st_mtime_ns}|{at.st_ctime_ns}"
    new = [path for path, stamp in stamps.items() if stamp not in known]
    if new:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            looked = pool.map(lambda path: look_at(path, folder), new)
            looked = progress.bar(looked, total=len(new), desc=f"Looking at {folder.name}")
            known.update(zip([stamps[path] for path in new], looked, strict=True))
        _remember(memory, {stamp: known[stamp] for stamp in stamps.values()})
    return [known[stamp] for stamp in stamps.values()]


def assign_splits(folder: Path, rows: list[Row]) -> tuple[list[Row], list[str]]:
    """Split each class 70/15/15 by content; what was assigned before stays where it is.

    Of a picture that stands in two classes only the first is kept; the others get a sentence each.
    """
    memory = _memory("splits", folder)
    known = _recall(memory)
    assigned, owner, doubted, kept = {}, {}, [], []
    for row in rows:
        if owner.setdefault(row.digest, row.class_name) != row.class_name:
            doubted.append(f"{row.path.name}: the same picture is in {owner[row.digest]}, too")
        else:
            kept.append(row)
    counts = collections.Counter()
    for digest in sorted(owner, key=lambda d: (d not in known, d)):  # those assigned before first
        of = owner[digest]
        total = 1 + sum(counts[of, split] for split in SPLITS)
        lacking = {split: SHARES[split] * total - counts[of, split] for split in SPLITS}
        assigned[digest] = known.get(digest) or max(SPLITS, key=lacking.get)
        counts[of, assigned[digest]] += 1
    if assigned != known:
        _remember(memory, assigned)
    return [row._replace(split=assigned[row.digest]) for row in kept], doubted


def _memory(kind, folder):
    return cache_dir() / kind / f"{hashlib.sha256(str(folder).encode()).hexdigest()[:16]}.json"


def _recall(path):
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
