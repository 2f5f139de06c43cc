"""README's tables and figure, generated from the record, so that they cannot drift from it."""

import math
import re

import matplotlib
import nbformat

from utils import checks, plots, results
from utils.base.folders import ROOT

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
    makers = {
        "lessons": lessons_table,
        "results": results_table,
        "systems": systems_table,
        "recipes": recipes_table,
        "speed": speed_table,
        "faults": faults_table,
    }
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


def _bench(part):
    return results.load_stored("bench")[part]["numbers"]


def recipes_table() -> str:
    """Write the table of whole recipes: time on two cores, against the book's way, accuracy."""
    speed, until = _bench("speed"), _bench("until_target")
    tuned = results.load_stored("photos")["04_fine_tuning"]["numbers"]
    ours = "test " + checks.with_interval(tuned["test_accuracy"], tuned["test_pictures"])
    rows = ["| recipe | time | book's time over it | accuracy |", "|---|---|---|---|"]
    named = {
        "book": ("the book's, its own way: 30 + 100 epochs, end to end", "0.968 (printed)"),
        "guide": ("the keras.io guide's: 20 epochs frozen, 10 with everything open", "–"),
        "ours": ("the book's, on 4 kept views, the base cut at block 5", ours),
    }
    for way, (text, accuracy) in named.items():
        seconds = speed[f"{way}_recipe_scaled_seconds"]
        faster = speed["book_recipe_scaled_seconds"] / seconds
        time = f"{_duration(seconds)}, scaled"
        rows.append(f"| VGG16, 150 px: {text} | {time} | {faster:.1f} | {accuracy} |")
    for name, text in {
        "vgg16": "VGG16, 224 px: features once, a dense head until validation reaches 0.968",
        "lite0": "EfficientNet-Lite0, 160 px: features once, logistic regression",
    }.items():
        seconds = until[f"{name}_seconds"]
        faster = until["book_recipe_scaled_seconds"] / seconds
        accuracy = ", ".join(
            f"{kind} "
            + checks.with_interval(until[f"{name}_{kind}_accuracy"], until[f"{kind}_pictures"])
            for kind in ("validation", "test")
        )
        rows.append(f"| {text} | {_duration(seconds)} | {faster:.0f} | {accuracy} |")
    return "\n".join(rows) + "\n"


def _duration(seconds):
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


_SPEED = {
    "predict_in_batches": "from files: read and `predict`, batch by batch (the book's)",
    "predict_once": "from files: read all, one `predict`",
    "extract_tensorflow": "from files: `extract`, TensorFlow",
    "extract_auto": "from files: `extract`, engine auto (OpenVINO)",
    "predict_only": "from memory: one `predict`",
    "tensorflow_only": "from memory: one compiled function",
    "auto_only": "from memory: engine auto (OpenVINO)",
    "frozen_epoch": "an epoch end to end, base frozen, augmented",
    "plain_tuned_epoch": "an epoch end to end, block 5 open",
    "tuned_epoch": "the same, augmented",
    "split_epoch": "an epoch of block 5 and the head on kept views",
    "guide_open_epoch": "an epoch end to end, everything open (the guide's)",
}


def speed_table() -> str:
    """Write the table of milliseconds a picture: median and range of the turns, memory added."""
    numbers = _bench("speed")
    rows = [
        "| milliseconds a picture | VGG16, 150 px | MB | EfficientNet-Lite0, 160 px | MB |",
        "|---|---|---|---|---|",
    ]
    for way, text in _SPEED.items():
        cells = []
        for base in ("vgg16", "efficientnet_lite0"):
            name = f"{base}_{way}"
            if f"{name}_ms" in numbers:
                low, high = numbers[f"{name}_ms_low"], numbers[f"{name}_ms_high"]
                cells.append(f"{numbers[f'{name}_ms']:.1f} ({low:.1f}–{high:.1f})")
                cells.append(f"{numbers[f'{name}_added_mb']:,}")
            else:
                cells += ["–", "–"]
        rows.append(f"| {text} | {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def faults_table() -> str:
    """Write the table of faults: how often each was tried, and how often nothing was lost."""
    rows = ["| fault | tries | survived | lost |", "|---|---|---|---|"]
    for fault, entry in results.load_stored("faults").items():
        counted = entry["numbers"]
        cells = [str(counted[name]) for name in ("tries", "survived", "lost")]
        rows.append(f"| {fault} | {' | '.join(cells)} |")
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
