"""README's tables and figure, generated from the record, so that they cannot drift from it."""

import math
import re

import matplotlib
import nbformat

from utils import checks, plots, results
from utils.folders import ROOT

# What the sources print. Book: F. Chollet, Deep Learning with Python, first edition (2017),
# notebook 5.3; 1,000 validation and 1,000 test pictures.
BOOK = ["0.903", "0.96", "0.968"]

ARC = ROOT / "notebooks" / "results" / "arc.svg"

_STEPS = [  # text, lesson, number, its count of pictures, what the book prints
    ("small network from scratch, test", "00", "test_accuracy", "test_pictures", ""),
    (
        "dense head, pixels ×1/255, validation",
        "02",
        "unit_preprocessing_validation_accuracy",
        "validation_pictures",
        BOOK[0],
    ),
    (
        "dense head, own preprocessing, validation",
        "02",
        "validation_accuracy",
        "validation_pictures",
        "",
    ),
    ("dense head, own preprocessing, test", "02", "test_accuracy", "test_pictures", ""),
    (
        "frozen base with augmentation, validation",
        "03",
        "validation_accuracy",
        "validation_pictures",
        f"{BOOK[1]} (base was not frozen)",
    ),
    ("frozen base with augmentation, test", "03", "test_accuracy", "test_pictures", ""),
    ("last blocks fine-tuned, test", "04", "test_accuracy", "test_pictures", BOOK[2]),
]


def update(readme: str) -> str:
    """Give README's text with what stands between the markers generated anew.

    Raises:
        ValueError: if a marker is missing.
    """
    for name, make in {"lessons": lessons_table, "results": results_table}.items():
        pattern = rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)"
        readme, found = re.subn(
            pattern, lambda m, make=make: m[1] + make() + m[2], readme, flags=re.DOTALL
        )
        if found != 1:
            raise ValueError(f"README must hold the marker <!-- {name} --> exactly once")
    return readme


def minutes(entry: dict) -> int:
    """Give the whole minutes a lesson took, rounded up."""
    return math.ceil(entry["seconds"] / 60)


def lessons_table() -> str:
    """Write the table of lessons: name, question, minutes of the default profile."""
    stored = results.load_stored("drawn")
    rows = ["| lesson | what it answers | minutes on two cores |", "|---|---|---|"]
    for path in sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb")):
        title, answer = nbformat.read(path, 4).cells[0].source.split("\n\n")[:2]
        title, answer = title.removeprefix("# "), answer.replace("\n", " ")
        link = f"[{title}](notebooks/{path.name})"
        rows.append(f"| {link} | {answer} | {minutes(stored[path.stem])} |")
    return "\n".join(rows) + "\n"


def results_table() -> str:
    """Write the table of results: both profiles beside what the book prints."""
    head = "| step | the book, VGG16, photographs | photographs, VGG16 | drawn pets, Lite0 |"
    rows = [head, "|---|---|---|---|"]
    for text, start, name, count, book in _STEPS:
        cells = [_cell(profile, start, name, count) for profile in ("photos", "drawn")]
        rows.append(f"| {text} | {book or '–'} | {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def _cell(profile, start, name, count):
    for lesson, entry in results.load_stored(profile).items():
        if lesson.startswith(start):
            numbers = entry["numbers"]
            return checks.with_interval(numbers[name], numbers[count])
    return "–"


def arc() -> plots.Picture:
    """Draw the way from guessing to fine-tuning, from the record of the default profile."""
    names, values, errors = ["guessing"], [0.5], [checks.interval(0.5, 500)]
    for text, start, name, count, _ in _STEPS:
        if name == "test_accuracy":
            lesson = next(k for k in results.load_stored("drawn") if k.startswith(start))
            numbers = results.load_stored("drawn")[lesson]["numbers"]
            names.append(f"{start} · {text.removesuffix(', test')}")
            values.append(numbers[name])
            errors.append(checks.interval(numbers[name], numbers[count]))
    title = "Test accuracy on drawn pets, from guessing to fine-tuning, with 95 % intervals"
    return plots.dots(names, values, title, errors)


def save_arc() -> None:
    """Write `arc` to notebooks/results/arc.svg, the same bytes for the same numbers."""
    with matplotlib.rc_context({"svg.hashsalt": "course", "svg.fonttype": "none"}):
        arc().savefig(ARC, format="svg", metadata={"Date": None})
