"""Lessons 02 to 04 with three seeds, for notebooks/results/seeds.json. About ten minutes.

python -m tests.benchmarks.seeds
"""

import os
import tempfile
from pathlib import Path

import nbformat
import papermill

from utils import results
from utils.base.folders import ROOT
from utils.running import lessons, pages

SEEDS = (1, 2, 3)


def numbers(lesson: str, seed: int, folder: Path) -> dict:
    """Run a lesson with its own parameters but for the seed; give what it recorded."""
    executed = folder / f"{lesson}_{seed}.ipynb"
    papermill.execute_notebook(
        lessons.NOTEBOOKS / f"{lesson}.ipynb", executed, {"SEED": seed}, cwd=lessons.NOTEBOOKS
    )
    (entry,) = pages.recorded(nbformat.read(executed, 4))
    return entry


def main() -> None:
    """Run and store."""
    with tempfile.TemporaryDirectory() as name:
        # Features may be shared with other runs; results must not be.
        os.environ["COURSE_CACHE_DIR"] = name
        entries = {}
        for lesson in [each for each in lessons.lessons() if each[:2] in ("02", "03", "04")]:
            runs = {seed: numbers(lesson, seed, Path(name)) for seed in SEEDS}
            found = {
                f"seed{seed}_{key}": value
                for seed, run in runs.items()
                for key, value in run["numbers"].items()
                if key in ("validation_accuracy", "test_accuracy", "head_validation_accuracy")
            }
            kept = {
                key: runs[1]["numbers"][key] for key in ("validation_pictures", "test_pictures")
            }
            headline = "seed1_test_accuracy"
            entries[lesson] = runs[1] | {"headline": headline, "numbers": found | kept}
    results.store(entries, "seeds")
    print(f"stored in {(results.STORED / 'seeds.json').relative_to(ROOT)}")


if __name__ == "__main__":
    main()
