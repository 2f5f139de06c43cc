"""How a folder of pictures becomes a train, a validation and a test split; lesson 00 shows it.

Every file is opened once and known by its content afterwards. `datasets.load` gives the rules.
"""

import collections
import hashlib
import itertools
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from utils.base import pictures, progress
from utils.base.folders import cache_dir, whole_file
from utils.sources import look_alikes
from utils.sources.class_folders import SPLITS, DataSetError, class_names, find_roots, picture_files

SHARES = {"train": 0.70, "validation": 0.15, "test": 0.15}  # of a folder that has no splits


class Row(NamedTuple):
    """A usable picture: split ("" if none is given yet), class, file, sha256 of it, its look."""

    split: str
    class_name: str
    path: Path
    digest: str
    look: str = ""


def read_folder(folder: Path, name: str) -> tuple[tuple[str, ...], list[Row], tuple[str, ...]]:
    """Look through a folder by the rules of `datasets.load`, and print what is left out and why.

    Returns class names; a row for each picture, in order of splits, classes and file names; and a
    sentence for each file or folder that is left out. The folder may have no test split.
    """
    odd = []
    roots = find_roots(folder, name, odd)
    classes = class_names(roots, odd)
    places = itertools.product(roots, classes)
    files = [(*at, path) for at in places for path in picture_files(roots[at[0]] / at[1], odd)]
    rows = []
    for file, (digest, problem, look) in zip(files, _look_at_all(folder, files), strict=True):
        odd.append((file[2], problem)) if problem else rows.append(Row(*file, digest, look))
    rows = of_one_class(rows, odd)
    odd = [(path.relative_to(folder).as_posix(), reason) for path, reason in odd]
    _say_what_is_left_out(name, odd)  # before any refusal, for it may be the reason
    divided = SPLITS if "" in roots else () if "validation" in roots else SPLITS[:2]
    if divided:
        whole = [row for row in rows if row.split != "test"]
        _must_be_enough(folder, classes, whole, divided)
        rows = assign_splits(folder, whole, divided) + [row for row in rows if row.split == "test"]
    filled = {(row.split, row.class_name) for row in rows}
    for at in itertools.product([s for s in SPLITS if s in roots or s in divided], classes):
        if at not in filled:
            wrong = f"{folder}: the {at[0]} split has no readable picture of class {at[1]!r}"
            raise DataSetError(f"{wrong}: add some, or remove that class from every split")
    rows.sort(key=lambda row: SPLITS.index(row.split))
    _name_look_alikes(folder, name, rows, divided)
    return classes, rows, tuple(f"{path}: {reason}" for path, reason in odd)


def look_at(path: Path) -> tuple[str, str, str]:
    """Give a file's sha256, "", and its look; or "", why it cannot be used, and ""."""
    try:
        content = path.read_bytes()
        look = look_alikes.look(pictures.read(path, (64, 64)))
    except (pictures.PictureError, OSError) as error:
        return "", str(error).removeprefix(f"{path}: "), ""
    return hashlib.sha256(content).hexdigest(), "", look


def _look_at_all(folder, files):
    """What `look_at` says of each file; remembered until the file changes."""
    memory = _memory("looks", folder)
    known, stamps = _recall(memory), {}
    for *_, path in files:
        at = path.stat()  # whose ctime nobody can set back
        stamps[path] = f"{path.relative_to(folder)}|{at.st_size}|{at.st_mtime_ns}|{at.st_ctime_ns}"
    new = [path for path, stamp in stamps.items() if stamp not in known]
    if new:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            looked = pool.map(look_at, new)
            looked = progress.bar(looked, total=len(new), desc=f"Looking at {folder.name}")
            known.update(zip([stamps[path] for path in new], looked, strict=True))
        _remember(memory, {stamp: known[stamp] for stamp in stamps.values()})
    return [known[stamp] for stamp in stamps.values()]


def of_one_class(rows: list[Row], odd: list) -> list[Row]:
    """Keep pictures that stand in one class; others go to `odd`: nobody knows which is right."""
    labels = collections.defaultdict(set)
    for row in rows:
        labels[row.digest].add(row.class_name)
    twice = {digest: sorted(names) for digest, names in labels.items() if len(names) > 1}
    for row in rows:
        if names := twice.get(row.digest):
            odd.append((row.path, f"the same picture is in {' and '.join(names)}"))
    return [row for row in rows if row.digest not in twice]


def _say_what_is_left_out(name, odd):
    reasons = collections.defaultdict(list)
    for path, reason in odd:
        reasons[reason].append(path)
    if odd:
        what = "file or folder is" if len(odd) == 1 else "files or folders are"
        print(f"{name}: {len(odd)} {what} left out")
    for reason, paths in list(reasons.items())[:10]:
        more = f", … ({len(paths)} in all)" if len(paths) > 5 else ""
        print(f"  {reason}: {', '.join(paths[:5])}{more}")
    if len(reasons) > 10:
        print(f"  and for {len(reasons) - 10} more reasons")


def _must_be_enough(folder, classes, rows, splits):
    """Raise a DataSetError that names each class with too few pictures to divide."""
    of = {name: len({row.digest for row in rows if row.class_name == name}) for name in classes}
    least = {2: 3, 3: 5}[len(splits)]  # so that SHARES leave at least one in each
    if few := [f"{name!r} has {count}" for name, count in of.items() if count < least]:
        raise DataSetError(
            f"{folder}: class {', class '.join(few)} readable pictures, copies not counted, but at "
            f"least {least} are needed to divide them into {', '.join(splits)}: add some, or take "
            "that folder away"
        )


def assign_splits(folder: Path, rows: list[Row], splits: tuple[str, ...] = SPLITS) -> list[Row]:
    """Split each class by content, as SHARES say; what was assigned before stays where it is."""
    memory = _memory("splits", folder)
    known = {digest: split for digest, split in _recall(memory).items() if split in splits}
    whole = sum(SHARES[split] for split in splits)
    owner = {row.digest: row.class_name for row in rows}
    assigned, counts = {}, collections.Counter()
    for digest in sorted(owner, key=lambda d: (d not in known, d)):  # those assigned before first
        of = owner[digest]
        total = 1 + sum(counts[of, split] for split in splits)
        lacking = {split: SHARES[split] / whole * total - counts[of, split] for split in splits}
        assigned[digest] = known.get(digest) or max(splits, key=lacking.get)
        counts[of, assigned[digest]] += 1
    if assigned != known:
        _remember(memory, assigned)
    return [row._replace(split=assigned[row.digest]) for row in rows]


def _name_look_alikes(folder, name, rows, divided):
    """Refuse equal pixels on two sides of a division that was given; name what only looks equal."""
    found = [(rows[a], rows[b]) for a, b in look_alikes.pairs([row.look for row in rows])]
    found = [(a, b) for a, b in found if a[:2] != b[:2] and a.digest != b.digest]
    named = [
        " and ".join(f"{row.path.relative_to(folder).as_posix()} of {row.split}" for row in pair)
        for pair in found
    ]
    for (a, b), names in zip(found[:20], named, strict=False):  # decoding all may take long
        given = a.split != b.split and not {a.split, b.split} <= set(divided)
        if given and np.array_equal(pictures.read(a.path), pictures.read(b.path)):
            raise DataSetError(
                f"{name}: {names} are the same picture, saved in two ways: take one of the two "
                "away, for nothing can be judged on a picture that it was trained with"
            )
    if named:
        shown = "; ".join(named[:5]) + ("; …" if len(named) > 5 else "")
        pairs = "1 pair" if len(named) == 1 else f"{len(named)} pairs"
        where = "of pictures in different splits or classes look the same"
        print(f"{name}: {pairs} {where}; if they are copies, take one of each away: {shown}")


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
