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
    makers = {"lessons": lessons_table, "results": results_table, "systems": systems_table}
    for name, make in makers.items():
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
    numbers = _numbers(profile, start)
    return checks.with_interval(numbers[name], numbers[count]) if name in numbers else "–"


def _numbers(profile, start):
    for lesson, entry in results.load_stored(profile).items():
        if lesson.startswith(start):
            return entry["numbers"]
    return {}


_HELD = "validation_pictures"
_RANDOM, _WEIRD = "random_split_accuracy", "batch_statistics_averages_kept_accuracy"
_LITE_SIGNS = "efficientnet_lite0_gtsrb_accuracy"
_SOURCES = {
    "10": "fast.ai's `finetune`, 2016",
    "11": "Keras issue 6386, 2017",
    "12": "bottleneck lab, 2017",
    "13": "VGG codes, AlexNet, 2017",
    "14": "EfficientNet post, 2019",
}
# The other systems this course is built from: what is measured, what they printed, which lesson,
# which of its numbers, and their count of pictures.
_SYSTEMS = [
    ("traffic signs, last layer only", "–", "10", "frozen_test_accuracy", "far_pictures"),
    ("traffic signs, opened as deep as helps", "–", "10", "opened_test_accuracy", "far_pictures"),
    ("hand-off as it should be, an epoch later", "–", "11", "accuracy_after_cure", _HELD),
    (
        "hand-off with batch statistics, an epoch later",
        "“does not learn”",
        "11",
        "batch_statistics_after_accuracy",
        _HELD,
    ),
    ("VGG16, CIFAR-10", "0.7235", "12", "vgg16_cifar10_accuracy", "vgg16_cifar10_pictures"),
    ("Lite0, CIFAR-10", "–", "12", "efficientnet_lite0_cifar10_accuracy", "vgg16_cifar10_pictures"),
    ("VGG16 (drawn: Lite0), signs split at random", "0.8666", "12", _RANDOM, "split_pictures"),
    ("the same, split by track", "–", "12", "track_split_accuracy", "split_pictures"),
    ("Lite0, traffic signs split by track", "–", "12", _LITE_SIGNS, "split_pictures"),
    ("codes, logistic regression", "–", "13", "logistic_regression_accuracy", _HELD),
    ("frozen, averages kept", "–", "14", "averages_kept_accuracy", _HELD),
    ("frozen, batch statistics", "“strange”", "14", _WEIRD, _HELD),
    ("everything open", "–", "14", "test_accuracy", "test_pictures"),
]


def systems_table() -> str:
    """Write the table of the other systems: what each printed, what this course measures."""
    head = "| system | what is measured | it printed | real pictures | drawn pictures |"
    rows = [head, "|---|---|---|---|---|"]
    for text, printed, start, name, count in _SYSTEMS:
        cells = [_cell(profile, start, name, count) for profile in ("photos", "drawn")]
        lesson = next(p.name for p in (ROOT / "notebooks").glob(f"{start}_*.ipynb"))
        source = f"{_SOURCES[start]} ([{start}](notebooks/{lesson}))"
        rows.append(f"| {source} | {text} | {printed} | {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


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
