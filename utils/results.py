"""What a lesson measured: written down by its last cell, read by the next lesson and by tests."""

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np

from utils.base.folders import ROOT, cache_dir, whole_file
from utils.base.machine import provenance

MIME = "application/vnd.transfer-learning-course.results+json"
STORED = ROOT / "notebooks" / "results"


class _Shown:
    """A table of numbers in a notebook, with the same numbers for machines."""

    def __init__(self, entry):
        self.entry = entry

    def __repr__(self):
        numbers = self.entry["numbers"]
        width = max(map(len, numbers))
        shown = {n: f"{v:.4f}" if isinstance(v, float) else f"{v:,}" for n, v in numbers.items()}
        return "\n".join(f"{name:<{width}}  {text}" for name, text in shown.items())

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {MIME: self.entry, "text/plain": repr(self)}


def record(
    lesson: str,
    profile: str,
    headline: str,
    seed: int,
    predictions: Mapping[str, tuple] | None = None,
    **numbers: float | int,
) -> _Shown:
    """Write down what a lesson measured, and show it as a table; a lesson's last cell; lesson 00.

    `headline` is the one of `numbers`, name=value, to show in tables; `profile` says whose
    parameters the lesson ran with. A name with "accuracy" holds a fraction in [0, 1].
    `predictions`, such as {"test": (data.test, predicted)} with integers (pictures,), are kept
    picture by picture, so that another lesson can be compared on the same pictures.

    Raises:
        ValueError: a headline that is not among the numbers, or an accuracy outside [0, 1].
    """
    if headline not in numbers:
        raise ValueError(f"headline {headline!r} is not among {', '.join(numbers) or 'no numbers'}")
    for name, value in numbers.items():
        if "accuracy" in name and not 0 <= value <= 1:
            raise ValueError(f"{name} must be a fraction in [0, 1], but it is {value}")
    clean = {n: v if isinstance(v, int) else round(float(v), 6) for n, v in numbers.items()}
    about = {"lesson": lesson, "profile": profile, "headline": headline, "seed": seed}
    answers = {n: _wrong(split, predicted) for n, (split, predicted) in (predictions or {}).items()}
    entry = {**about, "numbers": clean, "predictions": answers, **provenance()}
    if (policy := entry["policy"]) not in (None, "float32"):
        print(f"Measured with Keras's dtype policy {policy}: the course's numbers are of float32")
    path = cache_dir() / "results" / profile / f"{lesson}.json"
    try:
        with whole_file(path) as partial:
            partial.write_text(json.dumps(entry, indent=1), "utf-8")
    except OSError as error:  # a read-only cache: later lessons then quote the course's own record
        print(f"Not remembered for later lessons: {error}")
    return _Shown(entry)


def _wrong(split, predicted):
    """Keep predictions compactly: of which data, and "place:answer" where it was wrong."""
    wrong = np.flatnonzero(np.not_equal(predicted, split.labels))
    answers = " ".join(f"{i}:{int(predicted[i])}" for i in wrong)
    return {"pictures": len(split), **_data(split), "wrong": answers}


def _data(split):
    """What must be the same before two runs are compared: data set, pictures, and their labels."""
    labelled = split.key(f"labels {split.labels.tolist()}")
    return {"data_set": split.data_set, "of": split.key("predictions"), "labelled": labelled}


def recall_predictions(lesson: str, profile: str, name: str, split) -> np.ndarray | None:
    """Give what an earlier lesson predicted for these very pictures, integers (n,); lesson 03.

    Of your own last run, else of the course's own record; None if neither has them, or only those
    of another data set, other pictures or labels. What it was trained on may be another part.
    """
    for entry in (last_run(lesson, profile), load_stored(profile).get(lesson, {})):
        kept = entry.get("predictions", {}).get(name, {})
        if kept and all(kept.get(name, value) == value for name, value in _data(split).items()):
            predicted = split.labels.copy()
            for place, answer in (pair.split(":") for pair in kept["wrong"].split()):
                predicted[int(place)] = int(answer)
            return predicted
    return None


def last_run(lesson: str, profile: str) -> dict:
    """Read what your own last run of a lesson recorded; {} if there is none, or it is damaged."""
    path = cache_dir() / "results" / profile / f"{lesson}.json"
    with suppress(OSError, ValueError, KeyError, TypeError):
        entry = json.loads(path.read_text("utf-8"))
        return entry if entry["headline"] in entry["numbers"] else {}
    return {}


def load_stored(profile: str) -> dict[str, dict]:
    """Read the course's own record of a profile: lesson → entry; {} if there is none."""
    path = STORED / f"{profile}.json"
    return json.loads(path.read_text("utf-8")) if path.exists() else {}


def store(entries: dict[str, dict], profile: str) -> Path:
    """Merge entries, lesson → entry, into the course's own record of a profile."""
    path = STORED / f"{profile}.json"
    merged = dict(sorted((load_stored(profile) | entries).items()))
    with whole_file(path) as partial:
        partial.write_text(json.dumps(merged, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return path
