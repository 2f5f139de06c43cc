"""Run lessons again, set what they measure beside the record, and list sentences to be rewritten.

    python -m tests.benchmarks.rerecord            the core, as it is by default
    python -m tests.benchmarks.rerecord 02 12      these lessons

For a new version of Keras, say: install it, run this, read what it prints. Nothing is stored.
Predictions are compared picture by picture, where the pictures are the same.
"""

import re
import sys
import tempfile
from pathlib import Path

import nbformat
import numpy as np

from tests.notebooks.test_numbers import QUOTED, READ_ALOUD, stated, unexplained
from utils import results, statistics
from utils.running import lessons


def moved(old: dict, new: dict) -> list[str]:
    """Write a line for each number of two entries that is not the same in both."""
    pairs = {name: (old.get(name), new.get(name)) for name in old | new}
    return [f"{name}: {a} → {b}" for name, (a, b) in pairs.items() if a != b]


def about(entry: dict) -> dict:
    """Give what an entry was measured with."""
    return entry["versions"] | {"processor": entry["processor"]}


def right(kept: dict) -> np.ndarray:
    """Say of each picture whether the predictions that a record keeps are right, integers (n,)."""
    answers = np.ones(kept["pictures"], int)
    answers[[int(pair.split(":")[0]) for pair in kept["wrong"].split()]] = 0
    return answers


def compared(old: dict, new: dict) -> list[str]:
    """Write a line for each set of predictions: new less old on the same pictures, paired."""
    lines = []
    for name, kept in old.items():
        fresh = new.get(name, {})
        if any(kept[key] != fresh.get(key) for key in ("data_set", "of", "labelled")):
            lines.append(f"{name}: of other pictures or labels, so it cannot be compared")
            continue
        ones = np.ones(kept["pictures"], int)
        lines.append(f"{name}: {statistics.compare(ones, right(kept), right(fresh))}")
    return lines


def sentences(lesson: str, new: dict) -> list[str]:
    """Find sentences of a lesson that hold a number which the record explains, and `new` does not.

    The other records that a lesson reads aloud stay as they are: they are measured by themselves.
    """
    cells = nbformat.read(lessons.NOTEBOOKS / f"{lesson}.ipynb", 4).cells
    told = " ".join(stated(c.source) for c in cells if c.cell_type == "markdown").split()
    others = [results.load_stored(name).get(lesson) for name in ("book", "seeds")]
    for name in READ_ALOUD.get(lesson, ()):
        others += results.load_stored(name).values()
    known = [value for entry in others if entry for value in entry["numbers"].values()]
    split = re.split(r"(?<=[.?!]) (?=\W*[A-Z])", " ".join(told))
    return [one for one in split if unexplained(one, QUOTED.get(lesson, {}), [*known, *new])]


def main(*wanted: str) -> None:
    """Run the chosen lessons in a folder of their own, and print what is different."""
    with tempfile.TemporaryDirectory() as folder:
        lessons.runs_dir = lambda profile: Path(folder)  # so that none counts as run already
        for lesson in lessons.choose([*wanted]):
            old = results.load_stored("drawn")[lesson]
            new = lessons.run(lesson, "drawn").entry
            found = {
                "versions and processor": moved(*map(about, (old, new))),
                "numbers": moved(old["numbers"], new["numbers"]),
                "predictions, new less old": compared(old["predictions"], new["predictions"]),
                "sentences to be rewritten": sentences(lesson, [*new["numbers"].values()]),
            }
            print(f"\n{lesson}")
            for what, lines in found.items():
                print(f"  {what}", *(lines or ["none is different"]), sep="\n    ")


if __name__ == "__main__":
    main(*sys.argv[1:])
