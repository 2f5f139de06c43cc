"""Lessons run headlessly with few pictures, by papermill, and leave the checkout as it was.

By day lesson 02 and what goes deeper; the rest of the core runs with all pictures then, see
test_default_run.py.
"""

import json
import re
import shutil
import subprocess

import nbformat
import pytest

from utils import results
from utils.base.folders import ROOT
from utils.running import lessons, profiles

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
    page = run.html.read_text("utf-8")
    figures = re.findall(r"<img [^>]*>", page)
    assert figures and all(re.search(r'alt="[^"]{30,}"', figure) for figure in figures)
    assert "No description has been provided" not in page
    json.dumps(run.entry)
