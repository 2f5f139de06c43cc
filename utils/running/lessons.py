"""Running lessons headlessly: strict about parameters, and never twice for the same inputs."""

import copy
import hashlib
import json
import logging
import os
import re
import shutil
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import nbformat
import papermill
import yaml
import zmq
from jinja2 import DictLoader
from nbconvert import HTMLExporter
from papermill.exceptions import PapermillExecutionError
from traitlets.config import Config

from utils import plots
from utils.base.folders import ROOT, data_dir, remove_stale_partials, whole_file
from utils.results import MIME
from utils.running import readme

NOTEBOOKS = ROOT / "notebooks"
PROFILES = NOTEBOOKS / "profiles"
# Of what goes to and from a kernel: on a shared computer others could read it.
ENCRYPTION = "auto" if zmq.has("curve") else "disabled"
_MINUTES = re.compile(r"(\*\*Time on two cores\*\*: )\d+ minutes?\.")


class CourseError(RuntimeError):
    """Something a person typed or a lesson that failed, said in one sentence."""


# JupyterLab's page without three scripts that it would fetch from the web, as no lesson needs them,
# and with prompts, comments, numbers and operators dark enough to read.
_PAGE = """{% extends "lab/index.html.j2" %}
{% block html_head_js %}{% endblock %}
{% block html_head_js_mathjax %}{% endblock %}
{% block html_head_js_mermaidjs %}{% endblock %}
{% block html_head_css %}<style>
:root { --jp-mirror-editor-comment-color: #2d6a6a; --jp-mirror-editor-number-color: #006600;
  --jp-mirror-editor-operator-color: #7a00cc; --jp-mirror-editor-keyword-color: #006600; }
.jp-InputPrompt, .jp-OutputPrompt { color: #5c5c5c !important; opacity: 1 !important; }
.jp-OutputArea-output pre span[style] { color: inherit !important; } /* of Keras's summaries */
.highlight .mi, .highlight .mf { color: #006600; } .highlight .ow { color: #7a00cc; }
</style>{% endblock %}
"""


@dataclass(frozen=True)
class Run:
    """An executed lesson: where it lies and what it measured."""

    lesson: str
    notebook: Path
    html: Path
    entry: dict  # what `results.record` wrote, with seconds added
    skipped: bool  # nothing had changed since the last run


def lessons() -> list[str]:
    """Name the lessons in their order, without ending."""
    return sorted(path.stem for path in NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))


def choose(wanted: list[str]) -> list[str]:
    """Turn beginnings of lesson names ("02") into names; none means the core, 00 to 09.

    Raises:
        CourseError: for a beginning that no lesson, or more than one, has.
    """
    if not wanted:
        return [lesson for lesson in lessons() if lesson.startswith("0")]
    chosen = []
    for start in wanted:
        found = [lesson for lesson in lessons() if lesson.startswith(start)]
        if len(found) != 1:
            raise CourseError(
                f"{start!r} names {len(found)} lessons; there are {', '.join(lessons())}"
            )
        chosen += found
    return chosen


def parameters(lesson: str, profile: str) -> dict:
    """Read the parameters a profile gives a lesson, refusing any the lesson does not have.

    Raises:
        CourseError: an unknown profile, lesson, parameter, or a value of another type.

    Taught in the contribution guide.
    """
    path = PROFILES / f"{profile}.yaml"
    if not path.exists():
        known = ", ".join(sorted(p.stem for p in PROFILES.glob("*.yaml")))
        raise CourseError(f"there is no profile {profile!r}; there are {known}")
    sections = yaml.safe_load(path.read_text("utf-8")) or {}
    for section in sections:
        if section not in lessons():
            raise CourseError(f"{path.name} has a section {section!r}, but no lesson has that name")
    given = sections.get(lesson) or {}
    defaults = default_parameters(lesson)
    for name, value in given.items():
        if name not in defaults:
            raise CourseError(
                f"{path.name} sets {name!r} for {lesson}, which has only {', '.join(defaults)}"
            )
        if type(value) is not type(defaults[name]):
            raise CourseError(
                f"{path.name} sets {name} of {lesson} to {value!r}, "
                f"but it must be a {type(defaults[name]).__name__}"
            )
    return given


def default_parameters(lesson: str) -> dict:
    """Read the literals in the cell tagged `parameters`: name → value."""
    notebook = nbformat.read(NOTEBOOKS / f"{lesson}.ipynb", 4)
    cells = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", [])]
    if len(cells) != 1:
        raise CourseError(
            f"{lesson} must have exactly one cell tagged parameters, not {len(cells)}"
        )
    values = {}
    exec(compile(cells[0].source, lesson, "exec"), {"__builtins__": {}}, values)  # literals only
    return values


def runs_dir(profile: str) -> Path:
    """Folder of the executed notebooks and HTML copies of a profile."""
    return data_dir() / "runs" / profile


def run(lesson: str, profile: str, cell_timeout: int = 600, position: str = "") -> Run:
    """Execute a lesson with a profile's parameters, unless that has been done already.

    Args:
        lesson: its name without ending.
        profile: name of a file in `notebooks/profiles`.
        cell_timeout: seconds a cell may take.
        position: shown before the progress bar, such as "1/5".

    Returns:
        Where the executed notebook and its HTML copy lie, and what was measured.

    Raises:
        CourseError: a wrong parameter, or a cell that failed: which one and why.
    """
    given = parameters(lesson, profile)
    folder = runs_dir(profile)
    output, page = folder / f"{lesson}.ipynb", folder / f"{lesson}.html"
    fingerprint = _fingerprint(lesson, given)
    done = _read_entry(output, fingerprint)
    if done is not None and page.exists():
        return Run(lesson, output, page, done, skipped=True)
    folder.mkdir(parents=True, exist_ok=True)
    logging.getLogger("papermill").setLevel(logging.ERROR)
    remove_stale_partials(folder)
    partial = folder / f".{lesson}.{uuid.uuid4().hex[:8]}.partial.ipynb"  # others may run it, too
    failed = folder / f"{lesson}.failed.ipynb"
    try:
        papermill.execute_notebook(
            NOTEBOOKS / f"{lesson}.ipynb",
            partial,
            given,
            kernel_name="python3",
            cwd=NOTEBOOKS,
            execution_timeout=cell_timeout,
            progress_bar={"desc": f"{position} {lesson}".strip()},
            config=Config({"KernelManager": {"transport_encryption": ENCRYPTION}}),
        )
    except Exception as error:
        with suppress(FileNotFoundError):
            os.replace(partial, failed)
        what = f"stopped ({type(error).__name__}: {str(error).splitlines()[0]})"
        if isinstance(error, PapermillExecutionError):  # others: a dead kernel, a time-out
            what = f"failed in cell {error.exec_count} ({error.ename}: {error.evalue})"
        raise CourseError(f"{lesson} {what}; the notebook up to there is {failed}") from error
    notebook = nbformat.read(partial, 4)
    entry = _harvest(lesson, notebook)
    notebook.metadata["course"] = {"fingerprint": fingerprint, "entry": entry}
    _clean(notebook)
    with whole_file(page) as temporary:
        temporary.write_text(to_html(notebook, lesson), "utf-8")
    with whole_file(output) as temporary:
        nbformat.write(notebook, temporary)
    partial.unlink()
    return Run(lesson, output, page, entry, skipped=False)


def _fingerprint(lesson, given):
    digest = hashlib.sha256(json.dumps(given, sort_keys=True).encode())
    for cell in nbformat.read(NOTEBOOKS / f"{lesson}.ipynb", 4).cells:
        digest.update(_MINUTES.sub("", cell.source).encode())
    for path in [*sorted((ROOT / "utils").rglob("*.py")), ROOT / "requirements.lock"]:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _read_entry(output, fingerprint):
    try:
        course = nbformat.read(output, 4).metadata.get("course", {})
    except (OSError, ValueError, nbformat.ValidationError):
        return None  # never run, or damaged: then it runs
    return course.get("entry") if course.get("fingerprint") == fingerprint else None


def _harvest(lesson, notebook):
    found = [
        output.data[MIME]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if MIME in output.get("data", {})
    ]
    if len(found) != 1 or found[0]["lesson"] != lesson:
        raise CourseError(
            f"{lesson} must record its results exactly once, but did {len(found)} times"
        )
    seconds = [cell.metadata.get("papermill", {}).get("duration") or 0 for cell in notebook.cells]
    return found[0] | {
        "seconds": round(sum(seconds), 1),
        "longest_cell_seconds": round(max(seconds), 1),
    }


def _clean(notebook):
    """Keep what is left on the screen: no overwritten progress bars, one copy of each figure."""
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        streams, kept = {}, []
        for output in cell.outputs:
            if output.output_type == "stream" and output.name in streams:
                streams[output.name].text += output.text  # one text for each stream of a cell
                continue
            if output.output_type == "stream":
                streams[output.name] = output
            if "image/png" in output.get("data", {}):
                output.data.pop("text/html", None)  # the twin for JupyterLab
            kept.append(output)
        for stream in streams.values():
            # What a carriage return wrote over was never meant to stay.
            stream.text = "\n".join(line.split("\r")[-1] for line in stream.text.split("\n"))
        cell.outputs = [output for output in kept if output.get("text", "shown").strip()]


def to_html(notebook, title: str) -> str:
    """Turn a notebook into one HTML page that needs nothing else."""
    shown = copy.deepcopy(notebook)
    shown.metadata["title"] = title
    for cell in shown.cells:
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):  # the exporter would drop its text
                alt = output.metadata.get("image/png", {}).get("alt", "")
                output.data["text/html"] = plots.image_tag(output.data.pop("image/png"), alt)
    page, _ = HTMLExporter(
        embed_images=True, extra_loaders=[DictLoader({"page": _PAGE})], template_file="page"
    ).from_notebook_node(shown)
    return page


def prepare(profile: str) -> Path:
    """Copy all lessons, with a profile's parameters set, to a folder to open in JupyterLab.

    A copy that is there already is kept: it may hold your work.

    Returns:
        The folder.

    Raises:
        CourseError: an unknown profile or a wrong parameter.
    """
    folder = data_dir() / "lab" / profile
    folder.mkdir(parents=True, exist_ok=True)
    logging.getLogger("papermill").setLevel(logging.ERROR)
    for lesson in lessons():
        given, target = parameters(lesson, profile), folder / f"{lesson}.ipynb"
        if target.exists():
            continue
        source = NOTEBOOKS / f"{lesson}.ipynb"
        if given:
            papermill.execute_notebook(source, target, given, prepare_only=True, progress_bar=False)
        else:
            shutil.copyfile(source, target)
    return folder


def store_outputs(run: Run) -> Path:
    """Put the outputs of a run with default parameters, and its minutes, into the lesson's file.

    Returns:
        The path of the lesson.

    Raises:
        CourseError: if the run had other parameters: then its cells are not the lesson's.
    """
    path = NOTEBOOKS / f"{run.lesson}.ipynb"
    lesson, executed = nbformat.read(path, 4), nbformat.read(run.notebook, 4)
    sources = [[c.source for c in nb.cells if c.cell_type == "code"] for nb in (lesson, executed)]
    if sources[0] != sources[1] or len(lesson.cells) != len(executed.cells):
        raise CourseError(f"{run.lesson} was run with other parameters than its own: not stored")
    for cell, done in zip(lesson.cells, executed.cells, strict=True):
        if cell.cell_type == "code":
            cell.outputs = done.outputs
            cell.execution_count = done.execution_count
    minutes = readme.minutes(run.entry)
    said = rf"\g<1>{minutes} minute{'s' if minutes > 1 else ''}."
    lesson.cells[0].source = _MINUTES.sub(said, lesson.cells[0].source)
    lesson.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    nbformat.write(lesson, path)
    return path
