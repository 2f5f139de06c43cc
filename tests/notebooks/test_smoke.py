"""Lessons run headlessly with few pictures, by papermill, and leave the checkout as it was.

By day lesson 02 and what goes deeper; the rest of the core runs with all pictures then, see
test_default_run.py. Cells are executed twice by day in the core, on a learner's own pictures.
"""

import json
import re
import shutil
import subprocess

import nbformat
import pytest
from nbclient import NotebookClient

from tests.conftest import write_classes
from utils import results
from utils.base.folders import ROOT
from utils.running import lessons, pages, profiles

LESSONS = lessons.lessons()


def git_status():
    if shutil.which("git") is None:  # a copy of the course without its history
        return ""
    done = subprocess.run(
        ["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, text=True
    )
    return done.stdout


def smoke(lesson, tmp_path, monkeypatch):
    """Run a lesson with a cache and results of its own; the pictures are shared."""
    monkeypatch.setenv("COURSE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(lessons, "runs_dir", lambda profile: tmp_path / "runs")
    monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)  # a quarter faster
    before = git_status()
    run = lessons.run(lesson, "smoke", cell_timeout=300)
    assert git_status() == before
    left = [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")]
    # Names that Windows allows; of its 260 characters 120 are left for the folder of the course.
    assert max(map(len, left)) <= 140 and not re.search(r'[<>:"|?*\\]', "".join(left))
    return run


def check_few_pictures(lesson, numbers):
    """The parameters reached the cells: some of each class, and not all."""
    given = profiles.parameters(lesson, "smoke")
    stored = results.load_stored("drawn")[lesson]["numbers"]
    counted = {n: v for n, v in numbers.items() if n.endswith("_pictures")}
    assert counted
    for name, count in counted.items():
        assert 0 < count < stored[name] and count % given.get("PER_CLASS", 1) == 0


def when(lesson):
    if lesson.startswith("02"):
        return pytest.mark.check
    return pytest.mark.nightly if lesson < "1" else []


@pytest.mark.parametrize("lesson", [pytest.param(lesson, marks=when(lesson)) for lesson in LESSONS])
def test_a_lesson_runs_with_few_pictures(lesson, tmp_path, monkeypatch, capfd):
    run = smoke(lesson, tmp_path, monkeypatch)
    assert "without encryption" not in capfd.readouterr().err  # what a kernel says otherwise
    assert run.entry["profile"] == "smoke"
    assert run.entry["numbers"][run.entry["headline"]] is not None
    check_few_pictures(lesson, run.entry["numbers"])
    executed = nbformat.read(run.notebook, 4)
    outputs = [output for cell in executed.cells for output in cell.get("outputs", [])]
    assert not [output for output in outputs if output.output_type == "error"]
    figures = [output for output in outputs if "image/png" in output.get("data", {})]
    assert figures
    assert all(len(figure.metadata["image/png"]["alt"]) >= 30 for figure in figures)
    json.dumps(run.entry)


# -- a cell that is executed twice gives the same numbers, and so does Run All in a used kernel

NEW_EACH_TIME = re.compile(
    r"speed_up|one_predict_over|memory_measured"  # seconds and megabytes
    r"|out_of_place|forgotten|after_restart"  # who was faster
)
ONCE = ("subprocess.run(",)  # another process, which does the same each time and takes long


@pytest.fixture
def twice(monkeypatch):
    """Have each cell executed twice, and all of them once more at the end; what was recorded.

    Cells that hold one of `ONCE` are executed at their first turn only.
    """
    execute, recorded = NotebookClient.execute_cell, []

    def again(client, cell, index):
        at_the_end = client.nb.cells if index == len(client.nb.cells) - 1 else []
        for i, each in [(index, cell), (index, cell), *enumerate(at_the_end)]:
            if each.cell_type != "code" or (
                each.execution_count and any(word in each.source for word in ONCE)
            ):
                continue
            execute(client, each, i)
            recorded.extend(pages.recorded(nbformat.v4.new_notebook(cells=[each])))

    monkeypatch.setattr(NotebookClient, "execute_cell", again)
    return recorded


def moved(recorded):
    """Numbers and predictions that are not the same each time: name → what they were."""
    kept = [entry["numbers"] | entry["predictions"] for entry in recorded]
    values = {name: [one.get(name) for one in kept] for name in kept[0]}
    return {
        name: each
        for name, each in values.items()
        if any(one != each[0] for one in each) and not NEW_EACH_TIME.search(name)
    }


def must_be_the_same_each_time(recorded):
    assert len(recorded) == 3  # the cell twice, then once more
    assert moved(recorded) == {}


# By day the core that trains, on a folder of one's own; what is left, with few pictures, at night.
BY_DAY = [name for name in LESSONS if name[:2] in ("00", "02", "03", "04")]


@pytest.mark.nightly
@pytest.mark.parametrize("lesson", [name for name in LESSONS if name not in BY_DAY])
def test_cells_may_be_executed_twice(lesson, tmp_path, monkeypatch, twice):
    smoke(lesson, tmp_path, monkeypatch)
    must_be_the_same_each_time(twice)


def own(lesson, tmp_path, monkeypatch):
    """Run a lesson on a folder of three classes, under the profile whose record is of others."""
    folder = write_classes(tmp_path / "own", 40, ("bird", "cat", "dog"))
    given = {"PROFILE": "drawn", "DATASET": str(folder), "PER_CLASS": 0, "IMAGE_SIZE": 32}
    given = profiles.parameters(lesson, "smoke") | given
    given |= {"FROM_BLOCK": "block15"} if "FROM_BLOCK" in given else {}
    monkeypatch.setattr(lessons, "parameters", lambda *_: given)
    run = smoke(lesson, tmp_path, monkeypatch)
    outputs = [o for c in nbformat.read(run.notebook, 4).cells for o in c.get("outputs", [])]
    return "".join(output.get("text", "") for output in outputs)


NOT_YET, NO_RECORD = "not run yet on these pictures", "no record for these pictures"
SAID = {"00": (0, 0), "02": (1, 0), "03": (1, 5), "04": (3, 5)}  # how often each


@pytest.mark.parametrize("lesson", BY_DAY)
def test_on_own_pictures_no_number_of_others_is_recalled(lesson, tmp_path, monkeypatch, twice):
    """And cells may be executed twice."""
    said = own(lesson, tmp_path, monkeypatch)
    assert (said.count(NOT_YET), said.count(NO_RECORD)) == SAID[lesson[:2]]
    assert "→ fine-tuned" not in said and "lesson 02 →" not in said and "from scratch →" not in said
    must_be_the_same_each_time(twice)


def test_a_number_that_moves_is_noticed():
    def entry(**numbers):
        return {"numbers": {"n": 1, "views_speed_up": 2.0} | numbers, "predictions": {"test": {}}}

    assert moved([entry(), entry(views_speed_up=3.0), entry()]) == {}
    assert moved([entry(), entry(n=2), entry()]) == {"n": [1, 2, 1]}
    other = entry() | {"predictions": {"test": {"wrong": "1:0"}}}
    assert list(moved([entry(), entry(), other])) == ["test"]
    with pytest.raises(AssertionError):
        must_be_the_same_each_time([entry()])
