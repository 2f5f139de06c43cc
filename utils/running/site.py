"""The course as a static site: the stored lessons and pages, never run again, made by Sphinx.

Pages are copied into a temporary folder of the repository's own shape, so that links between them
lead to pages; there solutions move behind a click. Sphinx's settings lie in `notebooks/site`.
"""

import contextlib
import copy
import io
import json
import os
import re
import shutil
import tempfile
from pathlib import Path

from utils.base.folders import ROOT, data_dir
from utils.results import MIME
from utils.running import copies
from utils.running.lessons import lessons
from utils.running.profiles import NOTEBOOKS, CourseError

SETTINGS = NOTEBOOKS / "site"
PAGES = ("INSTRUCTORS.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "data/README.md")
GLOSSARY = "notebooks/glossary.md"
PAGES += (GLOSSARY, "notebooks/results/README.md", "notebooks/results/claims.md")
START, SETUP = "index.md", "README.md"
BANDS = {"core": "0", "deeper": "1", "home": "2"}
LINK = re.compile(r"(!?)\[([^\]]+)\]\((?!https?:|#)([^)#\s]+)(#[^)\s]*)?\)")
MARKERS = re.compile(r"(?m)^ *### (BEGIN|END) SOLUTION\n")


def write(folder: Path | None = None) -> Path:
    """Build the site into `folder`, by default `data/site`; returns its first page.

    Raises CourseError where the extra `site` is missing, where the folder holds something else, or
    with what Sphinx says of a page, such as a link that leads nowhere.
    """
    try:
        from sphinx.cmd.build import main as sphinx
    except ImportError as error:
        raise CourseError("the site needs Sphinx: `make site` installs it") from error
    folder = folder or data_dir() / "site"
    if folder.exists() and any(folder.iterdir()) and not (folder / "searchindex.js").exists():
        raise CourseError(f"{folder} is somebody's own: name another folder for the site")
    with tempfile.TemporaryDirectory() as temporary:
        source, built, kept = (Path(temporary) / name for name in ("source", "built", "kept"))
        stage(source)
        how = ["-q", "-W", "--keep-going", "-c", SETTINGS, "-d", kept, source, built]
        with contextlib.redirect_stderr(io.StringIO()) as said:
            failed = sphinx([str(part) for part in how])
        if failed:
            told = said.getvalue().replace(f"{source}{os.sep}", "").strip()
            raise CourseError(f"the site was not built: {told or 'Sphinx failed'}")
        (built / ".nojekyll").touch()  # or the host's pages would leave out folders with a "_"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(built, folder)
    return folder / "index.html"


def stage(folder: Path) -> None:
    """Write the pages of the site into `folder`, as Sphinx is to read them."""
    texts = {name: (ROOT / name).read_text("utf-8") for name in PAGES}
    # Sphinx wants no level of headings left out.
    texts[GLOSSARY] = re.sub(r"(?m)^###", "##", texts[GLOSSARY])
    texts |= start_and_setup((ROOT / SETUP).read_text("utf-8"))
    texts |= {f"notebooks/{lesson}.ipynb": _lesson(lesson) for lesson in lessons()}
    for path in NOTEBOOKS.glob("*/*.svg"):
        texts[path.relative_to(ROOT).as_posix()] = path.read_text("utf-8")
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(linked(text, name, texts) if name.endswith(".md") else text, "utf-8")


def start_and_setup(readme: str) -> dict[str, str]:
    """Divide README into the site's start page, with its table of pages, and one on running it."""
    top, *parts = re.split(r"(?m)^(?=## )", readme)
    (table,) = [part for part in parts if part.startswith("## Lessons")]
    known = {"top": top, "lessons": table}
    for band, digit in BANDS.items():
        names = [f"notebooks/{lesson}" for lesson in lessons() if lesson.startswith(digit)]
        known[band] = "\n".join(names)
    start = (SETTINGS / START).read_text("utf-8").format(**known)
    rest = "".join(part for part in parts if part != table)
    return {START: start, SETUP: f"# Installing and running the course\n\n{rest}"}


def linked(text: str, name: str, pages: dict) -> str:
    """Turn links of the page `name` to files that the site has not into their plain text."""

    def kept(found):
        target = (ROOT / name).parent.joinpath(found[3]).resolve().relative_to(ROOT).as_posix()
        return found[0] if target in pages else found[2]

    return LINK.sub(kept, text)


def _lesson(lesson):
    notebook = json.loads((NOTEBOOKS / f"{lesson}.ipynb").read_text("utf-8"))
    cells = []
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            for mime in ("text/html", MIME):  # coloured or for machines; beside it stands the text
                if "text/plain" in data:
                    data.pop(mime, None)
            if "image/png" in data:
                alt = output["metadata"]["image/png"]["alt"]
                cell["metadata"]["mystnb"] = {"image": {"alt": alt}}
        cells += hidden(cell)
    return json.dumps(notebook | {"cells": cells})


def hidden(cell: dict) -> list[dict]:
    """Give a lesson's cell; an exercise's without its solution, which follows behind a click."""
    source = "".join(cell["source"])
    if not (cell["cell_type"] == "code" and copies.SOLUTION.search(source)):
        return [cell]
    solved, cell["source"] = copy.deepcopy(cell), copies.SOLUTION.sub("", source)
    cell["outputs"], solved["source"], solved["id"] = [], MARKERS.sub("", source), f"{cell['id']}s"
    around = '<details class="solution"><summary>Solution</summary>', "</details>"
    text = [{"cell_type": "markdown", "metadata": {}, "source": tag} for tag in around]
    return [cell, text[0] | {"id": f"{cell['id']}a"}, solved, text[1] | {"id": f"{cell['id']}z"}]
