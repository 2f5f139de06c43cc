"""The copies for Colab: their first cell fetches the course, and they run beside other versions."""

import os
import subprocess
import sys

import nbformat
import pytest

from utils import course
from utils.base.folders import ROOT
from utils.running import colab, environment, lessons, readme

pytestmark = pytest.mark.check

GIT = pytest.mark.skipif(not (ROOT / ".git").exists(), reason="an archive, not a checkout")


OF_THIS_PROCESS = ("PYTHONPATH", "COVERAGE_PROCESS_CONFIG")


def written(folder, repository="https://github.com/owner/name", version="v1.0"):
    asked = ["--repository", repository, "--version", version]
    assert course.main(["colab", str(folder), *asked]) == 0


def test_each_core_lesson_is_written_without_outputs_and_solutions(tmp_path):
    written(tmp_path)
    core = lessons.choose([])
    assert sorted(path.stem for path in tmp_path.iterdir()) == core
    for lesson in core:
        notebook = nbformat.read(tmp_path / f"{lesson}.ipynb", 4)
        text = "\n".join(cell.source for cell in notebook.cells)
        assert "SOLUTION" not in text and "glossary.md" not in text
        assert not any(cell.get("outputs") for cell in notebook.cells)
        assert "github.com/owner/name" in notebook.cells[0].source and '"v1.0"' in text
        stored = nbformat.read(lessons.NOTEBOOKS / f"{lesson}.ipynb", 4)
        assert len(notebook.cells) == len(stored.cells) + 1


def test_readme_has_a_badge_for_each_copy_and_none_without(tmp_path, monkeypatch):
    monkeypatch.setattr(readme, "NOTEBOOKS", tmp_path)
    assert readme.colab_badges() == "\n"
    written(tmp_path / "colab")
    for lesson in lessons.choose([]):
        address = "https://colab.research.google.com/github/owner/name/blob/v1.0/notebooks/colab"
        image = f"![Open lesson {lesson} in Colab](notebooks/site/colab.svg)"
        badge = f"[{image}]({address}/{lesson}.ipynb)"
        assert badge in readme.colab_badges()
    assert (ROOT / "notebooks/site/colab.svg").is_file()


@GIT
def test_the_first_cell_fetches_the_course_and_uses_it(tmp_path):
    """From this repository instead of the host; in a process that knows no other course."""
    repository = tmp_path / "there"
    subprocess.run(["git", "clone", "-q", "--bare", str(ROOT), str(repository)], check=True)
    subprocess.run(["git", "branch", "-q", "-f", "tried", "HEAD"], cwd=repository, check=True)
    written(tmp_path / "colab", repository.as_uri(), "tried")
    notebook = nbformat.read(tmp_path / "colab" / "00_pictures_and_splits.ipynb", 4)
    ask = "\nfrom utils import datasets; print(datasets.__file__)"
    (tmp_path / "there_is_nothing_here").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", notebook.cells[0].source + ask],
        cwd=tmp_path / "there_is_nothing_here",
        env={
            k: v
            for k, v in os.environ.items()
            if k not in ("PYTHONPATH", "COVERAGE_PROCESS_CONFIG")
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "in brackets: none" in done.stdout
    assert str(tmp_path / "there_is_nothing_here" / "course") in done.stdout.splitlines()[-1]


def test_what_is_missing_is_installed_and_what_differs_is_said(monkeypatch):
    pins = {"keras": "0.1", "numpy": "1", "jupyterlab": "9", "no-such-package": "2"}
    have, ran = {"keras": "0.2", "numpy": "1"}, []
    monkeypatch.setattr(environment, "wanted", lambda: pins)
    monkeypatch.setattr(environment, "installed", lambda name: have.get(name, ""))

    def run(command, check):
        ran.append(command)
        have["no-such-package"] = "2"

    monkeypatch.setattr(colab.subprocess, "run", run)
    said = colab.complete()
    (command,) = ran
    assert command[-1] == "no-such-package==2" and "--no-deps" in command
    assert said.endswith("in brackets: keras 0.2 (0.1)")
