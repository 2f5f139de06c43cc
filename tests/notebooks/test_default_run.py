"""The stored notebooks run as they are, and measure again what the record says they measured.

nbval executes every cell in a kernel, stops at an error, and compares the outputs of cells that are
marked for it. What the lesson then recorded, in a cache of its own, is compared with
notebooks/results/drawn.json. By day the core runs; what goes deeper runs at night.
"""

import json
import os
import subprocess
import sys

import nbformat
import pytest

from utils import results, statistics
from utils.base.folders import ROOT
from utils.running import lessons

PICTURES = 2  # as many may fall on the other side: threads add in any order


def default_run(notebook, cache):
    """Let nbval execute a notebook; returns the numbers that it recorded."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("COVERAGE")}
    command = [
        *(sys.executable, "-m", "pytest", "-c", str(ROOT / "pyproject.toml"), "-q"),
        *("-p", "tests.conftest", "-p", "no:cacheprovider", "--nbval-lax", str(notebook)),
    ]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment | {"COURSE_CACHE_DIR": str(cache)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = (cache / "results" / "drawn").glob("*.json")
    return json.loads(path.read_text("utf-8"))["numbers"]


def count(name, numbers):
    """Of how many pictures an accuracy is: those that its name tells, else the smallest count."""
    counts = {n.removesuffix("_pictures"): v for n, v in numbers.items() if "_pictures" in n}
    return min([n for part, n in counts.items() if part in name] or counts.values())


def moved(fresh, stored, allowed):
    """Accuracies that are further from the record than allowed, or missing: old and new value."""
    pairs = {n: (v, fresh.get(n, -1)) for n, v in stored.items() if "accuracy" in n}
    return {
        name: (old, new)
        for name, (old, new) in pairs.items()
        if not abs(new - old) <= allowed(old, count(name, stored)) + 1e-5  # so that NaN is moved
    }


def two_pictures(accuracy, n):
    return PICTURES / n


def its_interval(accuracy, n):
    """For lessons that train the base, where a rounding may grow from step to step.

    In lesson 04 it did, between two processors: 9 of 500 test pictures were answered otherwise.
    """
    low, high = statistics.interval(accuracy, n)
    return high - low


DEEPER = pytest.mark.nightly


@pytest.mark.parametrize(
    "lesson",
    [pytest.param(name, marks=[] if name < "1" else DEEPER) for name in lessons.lessons()],
)
def test_a_lesson_measures_what_the_record_says(lesson, tmp_path):
    fresh = default_run(lessons.NOTEBOOKS / f"{lesson}.ipynb", tmp_path / "cache")
    stored = results.load_stored("drawn")[lesson]["numbers"]
    assert set(fresh) == set(stored)
    assert moved(fresh, stored, two_pictures if lesson < "04" else its_interval) == {}


STORED = {"test_accuracy": 0.97, "test_pictures": 500, "mean_accuracy": 0.9, "few_pictures": 40}


@pytest.mark.parametrize(
    ("name", "new", "noticed"),
    [
        ("test_accuracy", 0.974, False),
        ("test_accuracy", 0.964, True),
        ("test_accuracy", 0.5, True),
        ("test_accuracy", float("nan"), True),
        ("mean_accuracy", 0.86, False),
        ("mean_accuracy", 0.84, True),
    ],
)
@pytest.mark.check
def test_an_accuracy_that_moved_is_noticed(name, new, noticed):
    assert list(moved(STORED | {name: new}, STORED, two_pictures)) == [name] * noticed
    assert list(moved({}, STORED, its_interval)) == ["test_accuracy", "mean_accuracy"]


RECORD = """from utils import results
results.record("00_a", "drawn", "test_accuracy", 1, test_accuracy=accuracy, test_pictures=500)"""


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("accuracy = 0.97", ""),
        ("accuracy = 0.5", "'test_accuracy': (0.97, 0.5)"),
        ("accuracy = 1 / 0", "ZeroDivisionError"),
        ("accuracy = 0.97; print('another')", "another"),
    ],
)
def test_a_run_that_goes_wrong_fails(code, reason, tmp_path):
    """An accuracy that collapses, a cell that stops, an output that differs."""
    sources = (f"# NBVAL_CHECK_OUTPUT\n{code}\nprint('one')", RECORD)
    cells = [nbformat.v4.new_code_cell(source, execution_count=1) for source in sources]
    cells[0].outputs = [nbformat.v4.new_output("stream", name="stdout", text="one\n")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "a.ipynb")
    stored = {"test_accuracy": 0.97, "test_pictures": 500}
    why = ""
    try:
        assert moved(default_run(tmp_path / "a.ipynb", tmp_path), stored, two_pictures) == {}
    except AssertionError as error:
        why = str(error)
    assert reason in why and bool(reason) == bool(why)
