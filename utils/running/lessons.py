"""The lessons in their order, and running one headlessly: never twice for the same inputs."""

import hashlib
import json
import os
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from utils.base.folders import ROOT, data_dir, remove_stale_partials, whole_file
from utils.running import pages
from utils.running.profiles import NOTEBOOKS, CourseError, default_parameters, parameters
from utils.sources.class_folders import picture_files


@dataclass(frozen=True)
class Run:
    """An executed lesson: where it lies and what it measured."""

    notebook: Path
    entry: dict  # what `results.record` wrote, with seconds added
    skipped: bool  # nothing had changed since the last run


def lessons() -> list[str]:
    """Name the lessons in their order, without ending."""
    return sorted(path.stem for path in NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))


def choose(wanted: list[str]) -> list[str]:
    """Turn beginnings of lesson names ("02") into names; none means the core, 00 to 09."""
    chosen = [] if wanted else [lesson for lesson in lessons() if lesson.startswith("0")]
    for start in wanted:
        found = [lesson for lesson in lessons() if lesson.startswith(start)]
        if len(found) != 1:
            known = ", ".join(lessons())
            raise CourseError(f"{start!r} names {len(found)} lessons; there are {known}")
        chosen += found
    return chosen


def runs_dir(profile: str) -> Path:
    """Folder of the executed notebooks of a profile."""
    return data_dir() / "runs" / profile


def encryption() -> str:
    """Say how to encrypt what goes to and from a kernel: on a shared computer others read it."""
    import zmq

    return "auto" if zmq.has("curve") else "disabled"


def run(lesson: str, profile: str, cell_timeout: int = 600, position: str = "") -> Run:
    """Execute a lesson with a profile's parameters, unless that has been done already.

    A cell may take `cell_timeout` seconds. A cell that failed is a CourseError: which one and why.
    """
    import nbformat  # slow, so not before a wrong word has been answered

    given, folder = parameters(lesson, profile), runs_dir(profile)
    output = folder / f"{lesson}.ipynb"
    made_of = {"code": _code(lesson, given), "pictures": _pictures(lesson, given)}
    if (done := _read_entry(output, made_of)) is not None:
        return Run(output, done, skipped=True)
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK):
        way_out = "set COURSE_DATA_DIR to a folder that you can write"
        raise CourseError(f"executed lessons cannot be kept in {folder}: {way_out}")
    remove_stale_partials(folder)
    partial = folder / f".{lesson}.{uuid.uuid4().hex[:8]}.partial.ipynb"  # others may run it, too
    _execute(lesson, given, partial, cell_timeout, f"{position} {lesson}".strip())
    notebook = nbformat.read(partial, 4)
    entry = _harvest(lesson, notebook)
    # The lesson may have drawn or fetched its pictures; those that were there count as they were.
    made_of["pictures"] = _pictures(lesson, given) | made_of["pictures"]
    notebook.metadata["course"] = {"made_of": made_of, "entry": entry}
    pages.clean(notebook)
    with whole_file(output) as temporary:
        nbformat.write(notebook, temporary)
    partial.unlink()
    return Run(output, entry, skipped=False)


def _execute(lesson, given, partial, cell_timeout, title):
    import logging

    import papermill
    from papermill.exceptions import PapermillExecutionError
    from traitlets.config import Config

    logging.getLogger("papermill").setLevel(logging.ERROR)
    failed = partial.with_name(f"{lesson}.failed.ipynb")
    how = {"kernel_name": "python3", "cwd": NOTEBOOKS, "execution_timeout": cell_timeout}
    how["config"] = Config({"KernelManager": {"transport_encryption": encryption()}})
    source = NOTEBOOKS / f"{lesson}.ipynb"
    for tries_left in (2, 1, 0):
        try:
            papermill.execute_notebook(source, partial, given, progress_bar={"desc": title}, **how)
            return
        except Exception as error:
            if tries_left and "before replying to kernel_info" in str(error):
                continue  # two kernels that start at the same moment may pick the same port
            with suppress(FileNotFoundError):
                os.replace(partial, failed)
            what = f"stopped ({type(error).__name__}: {str(error).splitlines()[0]})"
            if isinstance(error, PapermillExecutionError):  # others: a dead kernel, a time-out
                what = f"failed in cell {error.exec_count} ({error.ename}: {error.evalue})"
            raise CourseError(f"{lesson} {what}; the notebook up to there is {failed}") from error


def _code(lesson, given):
    """A digest of what computes the results: cells, parameters, helpers, versions."""
    digest = hashlib.sha256(json.dumps(given, sort_keys=True).encode())
    for cell in json.loads((NOTEBOOKS / f"{lesson}.ipynb").read_text("utf-8"))["cells"]:
        digest.update(pages.MINUTES.sub("", "".join(cell["source"])).encode())
    not_deciding = {ROOT / "utils" / "course.py", *ROOT.glob("utils/running/*.py")}
    not_deciding |= {*ROOT.glob("utils/exercises/*.py")}
    for path in [*sorted({*ROOT.glob("utils/**/*.py")} - not_deciding), ROOT / "requirements.lock"]:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _pictures(lesson, given):
    """What is in the files of the data sets that parameters name: name → digest."""
    values = {**default_parameters(lesson), **given}.values()
    names = [n for v in values for n in (v if isinstance(v, list) else [v]) if isinstance(n, str)]
    found = {}
    for name in filter(None, names):
        # As `datasets.load` finds them: a name in the data folder, or the path of a folder.
        folders = data_dir() / name, NOTEBOOKS / os.path.expanduser(name)
        for folder in filter(Path.is_dir, folders):
            links = [p for n in ("*", "*/*", "*/*/*") for p in folder.glob(n) if p.is_symlink()]
            digest = hashlib.sha256()
            for path in sorted({p for place in (folder, *links) for p in picture_files(place)}):
                content = path.read_bytes() if os.access(path, os.R_OK) else b""
                digest.update(f"{path.relative_to(folder)} {len(content)} ".encode() + content)
            found[name] = found.get(name, "") + digest.hexdigest()
    return found


def _read_entry(output, made_of):
    with suppress(OSError, ValueError, KeyError, TypeError):  # never run, or damaged: then it runs
        course = json.loads(output.read_text("utf-8"))["metadata"]["course"]
        return course["entry"] if course["made_of"] == made_of else None
    return None


def _harvest(lesson, notebook):
    found = pages.recorded(notebook)
    if len(found) != 1 or found[0]["lesson"] != lesson:
        raise CourseError(f"{lesson} must record its results exactly once, not {len(found)} times")
    took = [cell.metadata.get("papermill", {}).get("duration") or 0 for cell in notebook.cells]
    return found[0] | {"seconds": round(sum(took), 1), "longest_cell_seconds": round(max(took), 1)}
