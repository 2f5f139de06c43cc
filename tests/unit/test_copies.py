"""Learners' copies of the lessons: renewed when nobody changed them, and never lost."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from utils.base.folders import ROOT
from utils.running import copies, lessons, profiles

pytestmark = pytest.mark.check

OPENING = "# 00 · Small\n\nWhat is it\nfor?\n\n**Time on two cores**: 2 minutes.\n"


@pytest.fixture
def original(home, monkeypatch):
    """A course of one lesson with outputs, and a function that gives it another last cell."""
    folder = home / "notebooks"
    (folder / "profiles").mkdir(parents=True)
    (folder / "profiles" / "drawn.yaml").write_text("# Drawings.\n#\n# Nothing is set.\n")
    more = "# More\n# of it.\n00_small:\n  PROFILE: more\n  N: 5\n"
    (folder / "profiles" / "more.yaml").write_text(more)
    for module in (profiles, lessons):
        monkeypatch.setattr(module, "NOTEBOOKS", folder)
    (folder / copies.GLOSSARY).write_text("### head")
    monkeypatch.setattr(profiles, "PROFILES", folder / "profiles")
    monkeypatch.setenv("COURSE_LAB_DIR", str(home / "lab"))

    def write(code):
        new = nbformat.v4
        output = new.new_output("stream", text="the answer")
        cells = [
            new.new_markdown_cell(OPENING),
            new.new_code_cell('PROFILE = "drawn"\nN = 3  # how many'),
            new.new_code_cell(code, outputs=[output], execution_count=2),
        ]
        cells[1].metadata["tags"] = ["parameters"]
        nbformat.write(new.new_notebook(cells=cells), folder / "00_small.ipynb")

    write("print('first')")
    return write


def prepare(profile="drawn"):
    """What is in the folder afterwards, name → notebook, and what was said."""
    folder, said = copies.prepare(profile)
    return {p.name: nbformat.read(p, 4) for p in sorted(folder.glob("*.ipynb"))}, said


def work(home, change, name="00_small.ipynb"):
    path = home / "lab" / "drawn" / name
    notebook = nbformat.read(path, 4)
    change(notebook.cells[-1])
    nbformat.write(notebook, path)
    return path.read_text()


def type_something(cell):
    cell.source += "\n# my work"


def run_it(cell):
    cell.outputs = [nbformat.v4.new_output("stream", text="first")]


MINE, NEW = "00_small.ipynb", "00_small (new).ipynb"


def test_a_copy_names_its_kernel_and_answers_nothing(original, home):
    found, said = prepare()
    (copy,) = found.values()
    assert said == [] and copy.metadata.kernelspec.name == "python3"
    assert copy.metadata.kernelspec.display_name == "Python 3 (ipykernel)"
    assert [cell.get("outputs", []) for cell in copy.cells] == [[], [], []]
    assert copy.cells[2].execution_count is None and copy.cells[2].source == "print('first')"
    nbformat.validate(copy)


def test_each_profile_has_copies_with_its_parameters_in_the_cell_that_learners_change(original):
    (copy,) = prepare("more")[0].values()
    assert copy.cells[1].source == 'PROFILE = "more"\nN = 5  # how many'
    (copy,) = prepare()[0].values()
    assert copy.cells[1].source == 'PROFILE = "drawn"\nN = 3  # how many'


def test_nothing_happens_the_second_time(original, home):
    prepare()
    path = home / "lab" / "drawn" / MINE
    os.utime(path, (1, 1))
    found, said = prepare()
    assert list(found) == [MINE] and said == [] and path.stat().st_mtime == 1


def test_a_copy_that_nobody_changed_is_renewed(original, home):
    prepare()
    work(home, lambda cell: setattr(cell, "execution_count", 7))  # run, then outputs cleared
    original("print('second')")
    found, said = prepare()
    assert list(found) == [MINE] and said == []
    assert found[MINE].cells[2].source == "print('second')"


@pytest.mark.parametrize("change", [type_something, run_it])
def test_a_changed_copy_stays_and_the_new_version_lies_beside(original, home, change):
    prepare()
    mine = work(home, change)
    assert list(prepare()[0]) == [MINE]  # no update, nothing new
    original("print('second')")
    for _ in range(2):
        found, said = prepare()
        assert (home / "lab" / "drawn" / MINE).read_text() == mine
        assert found[NEW].cells[2].source == "print('second')"
        assert said == [f"{MINE} holds your work and stays; the lesson's new version is {NEW}"]
        assert said[0] in (home / "lab" / "drawn" / copies.START).read_text("utf-8")


def test_a_second_update_replaces_only_an_untouched_new_version(original, home):
    prepare()
    mine = work(home, type_something)
    original("print('second')")
    prepare()
    original("print('third')")
    assert prepare()[0][NEW].cells[2].source == "print('third')"
    other = work(home, type_something, NEW)
    original("print('fourth')")
    found, said = prepare()
    assert list(found) == [NEW, MINE]
    assert said == [f"{MINE} and {NEW} hold your work and stay; rename one to get the new version"]
    assert (home / "lab" / "drawn" / MINE).read_text() == mine
    assert (home / "lab" / "drawn" / NEW).read_text() == other


def test_a_new_version_that_was_deleted_does_not_come_back(original, home):
    prepare()
    work(home, type_something)
    original("print('second')")
    prepare()
    (home / "lab" / "drawn" / NEW).unlink()
    found, said = prepare()
    assert list(found) == [MINE] and said == []


def test_a_copy_that_was_renamed_is_put_there_anew(original, home):
    prepare()
    mine = work(home, type_something)
    path = home / "lab" / "drawn" / MINE
    path.rename(path.with_name("mine.ipynb"))
    found, _ = prepare()
    assert found[MINE].cells[2].source == "print('first')"
    assert path.with_name("mine.ipynb").read_text() == mine


@pytest.mark.parametrize("damage", ["", "{ damaged", "[1, 2]", '{"00_small.ipynb": [7]}', None])
def test_without_a_sound_manifest_nothing_is_overwritten(original, home, damage):
    prepare()
    mine = work(home, type_something)
    manifest = home / "lab" / "drawn" / ".copies.json"
    manifest.unlink() if damage is None else manifest.write_text(damage)
    original("print('second')")
    found, said = prepare()
    assert (home / "lab" / "drawn" / MINE).read_text() == mine
    assert found[NEW].cells[2].source == "print('second')" and len(said) == 1
    assert NEW in json.loads(manifest.read_text())


def test_a_copy_that_is_damaged_is_work_too(original, home):
    prepare()
    path = home / "lab" / "drawn" / MINE
    path.write_text("{ half of a notebook")
    original("print('second')")
    folder, said = copies.prepare("drawn")
    assert path.read_text() == "{ half of a notebook" and (folder / NEW).exists() and len(said) == 1


def test_the_start_page_says_what_is_here_and_what_is_done(original, home):
    folder, _ = copies.prepare("drawn")
    page = (folder / copies.START).read_text("utf-8")
    row = "| [00 · Small](00_small.ipynb) | What is it for? | 2\N{NO-BREAK SPACE}minutes |  |"
    assert row in page and "profile `drawn`. Drawings.\n" in page
    assert "- `make lab PROFILE=more`: More of it." in page
    assert str(folder) in page and "{" not in page
    done = home / "cache" / "results" / "drawn" / "00_small.json"
    done.parent.mkdir(parents=True)
    done.write_text(json.dumps({"headline": "half_accuracy", "numbers": {"half_accuracy": 0.5}}))
    copies.prepare("drawn")
    page = (folder / copies.START).read_text("utf-8")
    assert "| 2\N{NO-BREAK SPACE}minutes | ✓ half accuracy 0.500 |" in page
    done.write_text("{ damaged")
    copies.prepare("drawn")
    assert row in (folder / copies.START).read_text("utf-8")
    names = {path.name for path in folder.iterdir() if path.name[0] != "."}
    assert names == {MINE, copies.GLOSSARY, copies.START}
    assert (folder / copies.GLOSSARY).read_text() == "### head"


def test_every_lesson_tells_the_start_page_what_it_answers():
    for lesson in lessons.lessons():
        notebook = json.loads((profiles.NOTEBOOKS / f"{lesson}.ipynb").read_text("utf-8"))
        title, answer, minutes = copies.opening(notebook)
        assert title.startswith(f"{lesson[:2]} · ") and len(answer) > 30 and minutes != "–"


def test_copies_lie_in_the_repository_whatever_disk_holds_the_pictures(home, monkeypatch):
    monkeypatch.delenv("COURSE_LAB_DIR", raising=False)
    assert copies.lab_dir("photos") == ROOT / "data" / "lab" / "photos"


@pytest.mark.skipif(sys.platform == "win32", reason="needs the rights of Unix")
def test_a_folder_that_cannot_be_written_gets_one_sentence(home):
    lab = home / "lab"
    lab.mkdir(mode=0o555)
    rights = []
    if os.geteuid() == 0:  # root may write everywhere
        if shutil.which("setpriv") is None:
            pytest.skip("root may write everywhere, and there is no setpriv to give that up")
        rights = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    done = subprocess.run(
        [*rights, sys.executable, "-m", "utils.course", "lab"],
        cwd=ROOT,
        env={**os.environ, "COURSE_LAB_DIR": str(lab)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr == (
        f"error: the copies of the lessons cannot be kept in {lab / 'drawn'} (Permission denied): "
        "set COURSE_LAB_DIR to a folder that you can write\n"
    )


def test_a_container_makes_the_copies_by_the_command_that_it_names(tmp_path):
    """As Codespaces would: `.devcontainer` names a rule of the Makefile and a command of ours."""
    text = (ROOT / ".devcontainer" / "devcontainer.json").read_text("utf-8")
    said = json.loads(re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE))
    assert said["updateContentCommand"] == "make .venv/.ready"
    assert "$(VENV)/.ready:" in (ROOT / "Makefile").read_text("utf-8")
    python, *command = said["postCreateCommand"].split()
    assert python == ".venv/bin/python"
    lab = os.environ | {"COURSE_LAB_DIR": str(tmp_path)}
    subprocess.run([sys.executable, *command], cwd=ROOT, env=lab, check=True)
    (opened,) = said["customizations"]["codespaces"]["openFiles"]
    assert (tmp_path / "drawn" / Path(opened).name).exists()
    assert {path.stem for path in (tmp_path / "drawn").glob("*.ipynb")} == {*lessons.lessons()}
