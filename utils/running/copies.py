"""Copies of the lessons for a learner to work in, and the page that she sees first.

A copy that nobody changed is renewed when its lesson changes. One that holds somebody's work is
never written to: the lesson's new version is put beside it.
"""

import hashlib
import itertools
import json
import os
import re
import sys
from contextlib import suppress
from pathlib import Path

from utils import results
from utils.base.folders import ROOT, whole_file
from utils.running import pages, profiles
from utils.running.lessons import lessons
from utils.running.profiles import CourseError

JUPYTERLAB = ROOT / "notebooks" / "profiles" / "jupyterlab"  # its settings, and the page's text
START = "Start here.md"
GLOSSARY = "glossary.md"  # lessons link to it
_MANIFEST = ".copies.json"  # what was put into each file: name → digest
WORKSPACES = ".workspaces"  # JupyterLab's memory of what was open, here apart from other projects'
# What nbgrader calls a solution, markers included; and how an exercise begins its last line.
SOLUTION = re.compile(r"(?ms)^ *### BEGIN SOLUTION\n.*?^ *### END SOLUTION(\n|\Z)")
EXERCISE = re.compile(r'exercises\.check\("(\d\d-\d)"')
_SOLVED = ".solved"  # an empty file in it for each exercise that was solved
_DEFAULT = "default-37a8.jupyterlab-workspace"  # what JupyterLab calls the one it starts with


def lab_dir(profile: str) -> Path:
    """Folder of a profile's copies; not in `COURSE_DATA_DIR`, which a classroom may share."""
    return Path(os.environ.get("COURSE_LAB_DIR") or ROOT / "data" / "lab").absolute() / profile


def prepare(profile: str, solutions: bool = False) -> tuple[Path, list[str]]:
    """Copy all lessons, without outputs and with a profile's parameters, and write the start page.

    Exercises are left for the learner, or `solutions` shown, in a folder of their own. Returns the
    folder, and a sentence for each copy that is not of the lesson's newest version.
    """
    folder = lab_dir(profile + "-solutions" * solutions)
    given = {lesson: profiles.parameters(lesson, profile) for lesson in lessons()}
    fresh = {lesson: _fresh(lesson, given[lesson], solutions) for lesson in given}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        put = _read_manifest(folder)
        said = [text for lesson in fresh if (text := _renew(folder, lesson, fresh[lesson], put))]
        _write(folder / _MANIFEST, json.dumps(put, indent=1))
        if not (workspace := folder / WORKSPACES / _DEFAULT).exists():
            _write(workspace, (JUPYTERLAB / "workspace.json").read_text("utf-8"))
        _write(folder / GLOSSARY, (profiles.NOTEBOOKS / GLOSSARY).read_text("utf-8"))
        _write(folder / START, _start_page(fresh, profile, folder, said))
    except OSError as error:
        reason = (error.strerror or str(error)).splitlines()[0]
        wrong = f"the copies of the lessons cannot be kept in {folder} ({reason})"
        way_out = "set COURSE_LAB_DIR to a folder that you can write"
        raise CourseError(f"{wrong}: {way_out}") from error
    return folder, said


def _fresh(lesson, given, solutions):
    """Make a lesson as a learner first sees it: no output answers what she is asked to predict."""
    notebook = json.loads((profiles.NOTEBOOKS / f"{lesson}.ipynb").read_text("utf-8"))
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
            source = "".join(cell["source"])
            cell["source"] = (source if solutions else SOLUTION.sub("", source)).splitlines(True)
        if "parameters" in cell["metadata"].get("tags", []):
            source = profiles.set_parameters(lesson, "".join(cell["source"]), given)
            cell["source"] = source.splitlines(keepends=True)
    notebook["metadata"] = {"kernelspec": pages.KERNEL, "language_info": {"name": "python"}}
    return notebook


def _renew(folder, lesson, notebook, put):
    """Bring a lesson's copy up to date, or say in a sentence why it is not."""
    mine, beside = f"{lesson}.ipynb", f"{lesson} (new).ipynb"
    newest = _digest(notebook)
    if _put(folder / mine, notebook, newest, put):
        return ""
    offered = newest in (put.get(mine), put.get(beside))
    if offered and not (folder / beside).exists():
        return ""  # the copy is of this version, or whoever deleted the new one does not want it
    if offered or _put(folder / beside, notebook, newest, put):
        return f"{mine} holds your work and stays; the lesson's new version is {beside}"
    return f"{mine} and {beside} hold your work and stay; rename one to get the new version"


def _put(path, notebook, newest, put):
    """Write a lesson to a file in which nobody has worked; returns whether that was so."""
    there = _digest_of(path) if path.exists() else None
    if there not in (None, newest, put.get(path.name)):
        return False
    if there != newest:
        _write(path, json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")
    put[path.name] = newest
    return True


def _digest(notebook):
    said = [[c["cell_type"], "".join(c["source"]), c.get("outputs", [])] for c in notebook["cells"]]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def _digest_of(path):
    """The digest of what is in a file now."""
    try:
        return _digest(json.loads(path.read_text("utf-8")))
    except (ValueError, KeyError, TypeError):
        return "not a notebook"


def _read_manifest(folder):
    with suppress(FileNotFoundError, ValueError):
        if isinstance(put := json.loads((folder / _MANIFEST).read_text("utf-8")), dict):
            return put
    return {}  # missing or damaged: then every copy counts as changed


def _write(path, text):
    with whole_file(path) as partial:
        partial.write_text(text, "utf-8")


def opening(notebook: dict) -> tuple[str, str, str]:
    """Give a lesson's title, what it answers, and its time on two cores, from its first cell."""
    text = "".join(notebook["cells"][0]["source"])
    title, answer = text.split("\n\n")[:2]
    time = re.search(r"\*\*Time on two cores\*\*: (.+)", text)
    return title.removeprefix("# "), answer.replace("\n", " "), time[1].rstrip(".") if time else "–"


def _start_page(notebooks, profile, folder, said):
    rows = {"0": "", "1": "", "2": ""}  # a table for each tens digit
    for lesson, notebook in notebooks.items():
        title, answer, time = opening(notebook)
        time = time.replace(" ", "\N{NO-BREAK SPACE}")
        cells = f"[{title}]({lesson}.ipynb)", answer, time, _done(lesson, profile)
        cells = *cells, _solved(notebook, folder)
        rows[lesson[0]] += f"| {' | '.join(cells)} |\n"
    others = {path.stem for path in profiles.PROFILES.glob("*.yaml")} - {profile, "smoke"}
    others = "\n".join(f"- `make lab PROFILE={name}`: {_about(name)}" for name in sorted(others))
    new = "".join(f"\n> **New version.** {sentence}.\n" for sentence in said)
    places = {"folder": folder, "root": ROOT, "python": sys.executable}
    known = {"profile": profile, "about": _about(profile), "new": new, "others": others}
    tables = dict(zip(("core", "deeper", "home"), (row[:-1] for row in rows.values()), strict=True))
    text = (JUPYTERLAB / "start.md").read_text("utf-8")
    return text.format(**known, **places, **tables)


def _about(profile):
    """What a profile says of itself: the first paragraph of the comment at its top."""
    text = (profiles.PROFILES / f"{profile}.yaml").read_text("utf-8")
    lines = itertools.takewhile(lambda line: line.startswith("# "), text.splitlines())
    return " ".join(line.removeprefix("# ") for line in lines)


def _done(lesson, profile):
    """The headline number of a learner's own last run, "" if there is none."""
    entry = results.last_run(lesson, profile)
    name = entry.get("headline", "")
    return f"✓ {name.replace('_', ' ')} {entry['numbers'][name]:.3f}" if entry else ""


def mark_solved(exercise: str) -> None:
    """Remember beside a learner's copies that she solved an exercise; show it on her start page.

    Where there is no such page, nothing: a stored lesson that is run solves its exercises itself.
    """
    page = Path(START)  # a lesson runs in the folder of its copies
    if not page.exists():
        return
    lesson, number = exercise.split("-")
    row = re.compile(rf"(\]\({lesson}_.*)☐{number}\b")
    with suppress(OSError):  # a read-only folder: it is solved all the same
        Path(_SOLVED).mkdir(exist_ok=True)
        (Path(_SOLVED) / exercise).touch()
        _write(page, row.sub(rf"\1✓{number}", page.read_text("utf-8")))


def _solved(notebook, folder):
    """The exercises of a lesson by number, those that were solved with a mark."""
    names = EXERCISE.findall("\n".join("".join(cell["source"]) for cell in notebook["cells"]))
    marks = {name: "✓" if (folder / _SOLVED / name).exists() else "☐" for name in names}
    return " ".join(mark + name[3:] for name, mark in marks.items())
