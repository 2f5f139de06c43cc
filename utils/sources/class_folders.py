"""Which folders in a folder are splits, which are classes, and what is neither; lesson 00."""

import collections
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

SPLITS = ("train", "validation", "test")
SPELLINGS = {
    "train": r"train(ing)?",
    "validation": r"val(id(ation)?)?|dev(elopment)?",
    "test": r"test(ing)?|hold[ _-]?out",
}
ENDINGS = {".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".heic"}
OF_MACHINES = {"__MACOSX", "@eaDir", "Thumbs.db", "desktop.ini"}  # and what begins with a dot


class DataSetError(ValueError):
    """A data set that cannot be used: what is wrong, where, and what to do."""


def picture_files(folder: Path, odd: list | None = None) -> list[Path]:
    """List what may be pictures in a folder and below it, in order of names.

    What else there is goes to the list `odd`, as (path, reason); hidden files are nowhere named.
    """
    odd = [] if odd is None else odd
    folders, others = _entries(folder) if folder.is_dir() else ([], [])
    files = [path for path, reason in others if not reason]
    odd += [(path, reason) for path, reason in others if reason]
    for inner in folders:
        if inner.is_symlink():  # it may lead back here
            odd.append((inner, "a link to a folder inside a class folder is not followed"))
        else:
            files += picture_files(inner, odd)
    return sorted(files, key=lambda path: path.parts)  # by themselves Windows ignores case


def _entries(folder):
    """List the folders in a folder, and all else as (path, reason), the reason "" for a file."""
    folders, others = [], []
    for path in sorted(folder.iterdir(), key=lambda path: path.name):
        if path.name[0] == "." or path.name in OF_MACHINES:
            continue
        if path.is_dir() and path.name[0] != "_":
            folders.append(path)
        elif path.is_dir():
            others.append((path, f"a folder that begins with _ ({_count(path)} files)"))
        else:
            others.append((path, "" if path.is_file() else "a link to nothing"))
    return folders, others


def _count(folder):
    return sum(path.is_file() for path in folder.rglob("*"))


def _beside(others):
    return [(path, reason or "not in a class folder") for path, reason in others]


def _split_of(path):
    """Give the split that the name of a folder means, or ""."""
    for split, spelling in SPELLINGS.items():
        if re.fullmatch(rf"({spelling})([ _-]?(set|data|dataset|images))?", path.name.lower()):
            return split
    return ""


def _enter(folder, odd):
    """Go through folders that hold one folder of folders only, as unpacked archives do."""
    folders, others = _entries(folder)
    while len(folders) == 1 and _entries(folders[0])[0]:
        if _split_of(folders[0]) not in ("", "train", _split_of(folder)):
            break  # a test split alone is no archive
        odd += _beside(others)
        folder = folders[0]
        folders, others = _entries(folder)
    return folder


def find_roots(folder: Path, name: str, odd: list) -> dict[str, Path]:
    """Find where the class folders lie: split → folder, or "" → folder if there are no splits.

    Prints how the folder is read where its names do not say so themselves.
    """
    root = _enter(folder, odd)
    folders, others = _entries(root)
    found = collections.defaultdict(list)
    for path in folders:
        found[_split_of(path)].append(path)
    rest = found.pop("", [])
    like_splits = [path for paths in found.values() for path in paths]
    called = ", ".join(path.name for path in like_splits)
    if rest and found and not any(_entries(path)[0] for path in like_splits):
        print(f"{name}: {called} is read as a class like the folders beside it, not as a split")
        found = {}
    if found and "train" not in found:
        way_out = f"put the class folders to learn from into a folder train; or, if {called} means"
        raise DataSetError(f"{root} holds {called}, but no train: {way_out} a class, rename it")
    for split, paths in found.items():
        if len(paths) > 1:
            both = f"{paths[0].name} and {paths[1].name}"
            raise DataSetError(f"{root}: {both} both mean {split}: join them, or rename one")
    if found:
        odd += _beside(others) + [(path, f"not a split ({_count(path)} files)") for path in rest]
    roots = {split: _enter(found[split][0], odd) for split in SPLITS if split in found}
    if roots.keys() <= {"train"}:
        roots = {"": roots.get("train", root)}
    _say_how_it_is_read(folder, name, roots)
    return roots


def _say_how_it_is_read(folder, name, roots):
    places = {split: root.relative_to(folder).as_posix() for split, root in roots.items()}
    said = [f"{place} is read as {split}" for split, place in places.items() if place != split]
    if "" in places:
        said = [f"the class folders are read from {places['']}"] if places[""] != "." else []
    elif "validation" not in places:
        said.append("validation is taken from train, by content")
    elif "test" not in places:
        said.append("there is no test split")
    if said:
        print(f"{name}: {', '.join(said)}")


def class_names(roots: dict[str, Path], odd: list) -> tuple[str, ...]:
    """Give the names of the class folders, equal in each root; a DataSetError if they cannot be."""
    names, first = [], next(iter(roots.values()))
    for split, root in roots.items():
        folders, others = _entries(root)
        odd += _beside(others)
        found = [path.name for path in folders]
        if len(found) < 2:
            raise DataSetError(
                f"{root} holds {len(found)} class folders ({', '.join(found) or 'none'}), but "
                "telling pictures apart needs at least two: make one folder for each class"
                + (f", or take {root.name} away (if it is a class, rename it)" if split else "")
                + ("" if all(reason for _, reason in others) else _how_to_sort(root))
            )
        if equal := look_equal(found):
            raise DataSetError(f"{root}: these names look equal ({_written(equal)}): rename one")
        _refuse_layers(folders)
        names = names or found
        if differing := sorted(set(found) ^ set(names)):
            wrong = f"do not hold the same class folders ({_written(differing)})"
            way_out = "give every split a folder for each class"
            raise DataSetError(f"{root} and {first} {wrong}: {way_out}")
    return tuple(names)


def _how_to_sort(root):
    return (
        "; where names of files begin with the class, as in cat.0.jpg, this sorts them, after "
        f"`import pathlib, re`: `for p in sorted(pathlib.Path({str(root)!r}).glob('[!0-9._]*.*')): "
        "(c := p.with_name(re.split(r'[\\W_]*\\d', p.stem)[0])).mkdir(exist_ok=True); "
        "p.rename(c / p.name)`"
    )


def look_equal(names: Iterable[str]) -> list[str]:
    """Give the names that differ from another only in what cannot be seen, such as Unicode form."""
    seen = collections.defaultdict(list)
    for name in names:
        normal = unicodedata.normalize("NFC", name).strip()
        seen["".join(filter(str.isprintable, normal))].append(name)
    return [name for equal in seen.values() if len(equal) > 1 for name in equal]


def _written(names):
    return ", ".join(map(ascii, names) if look_equal(names) else names)


def _refuse_layers(folders):
    """Refuse folders of classes where classes should be: of years, of cameras, of splits."""
    classes, layers = {path.name.casefold() for path in folders}, {}
    for path in folders:
        inside, others = _entries(path)
        inner = {p.name.casefold() for p in inside if not p.is_symlink()}
        if twice := sorted(inner & (classes - {path.name.casefold()})):
            wrong = f"{path} holds a folder {twice[0]}, and another lies beside it"
            raise DataSetError(f"{wrong}: put all pictures of a class into one folder of that name")
        if inner and not any(p.suffix.lower() in ENDINGS for p, _ in others):
            layers[path.name] = _entries(_enter(path, []))[0]
    counts = collections.Counter(p.name.casefold() for inside in layers.values() for p in inside)
    if len(counts) < 2 or max(counts.values()) < 2:
        return  # each class its own, or all the same one, as in cat/images and dog/images
    outer, inner, one = ", ".join(layers), ", ".join(sorted(counts)), next(iter(layers))
    wrong = f"{folders[0].parent}: {outer} hold only folders, of the same names ({inner})"
    if all(_split_of(p) for inside in layers.values() for p in inside):
        raise DataSetError(f"{wrong}: make train/{one} of {one}/train, and so on")
    raise DataSetError(
        f"{wrong}: if these are the classes, make one folder of each with all its pictures, or "
        "call the outer ones train, validation and test; if the outer ones are, put their pictures "
        "directly into them"
    )
