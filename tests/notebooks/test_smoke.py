"""Lessons run headlessly with few pictures, and leave the checkout as it was.

Where there is a browser, lessons 10 and above run there, with the same parameters.
"""

import json
import re
import subprocess

import nbformat
import pytest

from tests.conftest import CHROMIUM
from utils import results
from utils.base.folders import ROOT
from utils.running import lessons, profiles

LESSONS = [lesson for lesson in lessons.lessons() if CHROMIUM is None or lesson < "1"]


def git_status():
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
    """The parameters reached the cells: 20 of each class, and not all."""
    per_class = profiles.parameters(lesson, "smoke")["PER_CLASS"]
    stored = results.load_stored("drawn")[lesson]["numbers"]
    counted = {n: v for n, v in numbers.items() if n.endswith("_pictures")}
    assert per_class == 20 and profiles.default_parameters(lesson)["PER_CLASS"] == 0 and counted
    for name, count in counted.items():
        assert count % per_class == 0 and count < stored[name]


@pytest.mark.parametrize(
    "lesson",
    [pytest.param(LESSONS[2], marks=pytest.mark.check), *LESSONS[:2], *LESSONS[3:]],
)
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
