"""The core's headlines with five seeds, predictions included, for notebooks/results/seeds.json.

Lessons 00, 02, 03 and 04 run with their own parameters but for the seed, each in a process of its
own. Fifteen minutes on two quiet cores; stored after every run, and what is stored for the present
code cells and test pictures is not run again. Words that follow choose lessons and seeds.

    python -m tests.benchmarks.seeds
    python -m tests.benchmarks.seeds 03 1
"""

import hashlib
import os
import sys
import tempfile
from pathlib import Path

import nbformat
import papermill

from utils import datasets, results
from utils.running import lessons, pages, profiles

SEEDS = (1, 2, 3, 4, 5)
LESSONS = ("00", "02", "03", "04")


def code_of(lesson: str) -> str:
    """Digest of a lesson's code cells: prose and exercises may change without a new run."""
    cells = nbformat.read(lessons.NOTEBOOKS / f"{lesson}.ipynb", 4).cells
    code = [cell.source for cell in cells if cell.cell_type == "code"]
    text = "\n".join(source for source in code if "exercises.check(" not in source)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def run(lesson: str, seed: int, folder: Path) -> dict:
    """Run a lesson with another seed; give what it recorded."""
    executed = folder / f"{lesson}_{seed}.ipynb"
    papermill.execute_notebook(
        lessons.NOTEBOOKS / f"{lesson}.ipynb", executed, {"SEED": seed}, cwd=lessons.NOTEBOOKS
    )
    (entry,) = pages.recorded(nbformat.read(executed, 4))
    return entry


def with_seed(entry: dict, seed: int, ran: dict) -> dict:
    """Add a run to the entry of its lesson: accuracies and predictions, each with its seed."""
    numbers, predictions = dict(entry.get("numbers", {})), dict(entry.get("predictions", {}))
    for name, value in ran["numbers"].items():
        if "accuracy" in name:
            numbers[f"seed{seed}_{name}"] = value
        elif name.endswith("_pictures"):
            numbers[name] = value
    for name, kept in ran.get("predictions", {}).items():
        predictions[f"seed{seed}_{name}"] = kept
    headline = f"seed{seed}_{ran['headline']}"
    return ran | {"headline": headline, "numbers": numbers, "predictions": predictions}


def main(words: list[str]) -> None:
    """Run what is not stored yet; print and store after each run."""
    wanted = [word for word in words if len(word) > 1] or LESSONS
    seeds = [int(word) for word in words if len(word) == 1] or SEEDS
    with tempfile.TemporaryDirectory() as name:
        # Pictures may be shared with other runs; results must not be.
        os.environ["COURSE_CACHE_DIR"] = name
        for lesson in lessons.choose(list(wanted)):
            test = datasets.load(profiles.default_parameters(lesson)["DATASET"]).test
            about = {"code": code_of(lesson), "of": test.key("predictions")}
            for seed in seeds:
                entry = results.load_stored("seeds").get(lesson, {})
                if any(entry.get(key) != value for key, value in about.items()):
                    entry = {}
                if f"seed{seed}_test_accuracy" in entry.get("numbers", {}):
                    continue
                ran = with_seed(entry, seed, run(lesson, seed, Path(name)))
                results.store({lesson: ran | about}, "seeds")
                accuracy = ran["numbers"][f"seed{seed}_test_accuracy"]
                print(f"{lesson}, seed {seed}: test {accuracy:.3f}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
