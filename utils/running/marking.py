"""The lessons as sources of nbgrader assignments; nbgrader is not needed for writing them."""

from pathlib import Path

import nbformat

from utils.running import copies, lessons, pages

CONFIG = """c = get_config()
# An answer that is taken out leaves what stands before it, so that the lesson still runs.
c.ClearSolutions.code_stub = {"python": "# your answer"}
c.ExecutePreprocessor.timeout = 600
"""


def write(course: Path) -> list[str]:
    """Write `source/<lesson>/<lesson>.ipynb` for each lesson with exercises; returns their names.

    `course` is the folder of an nbgrader course; nbgrader_config.py is written if there is none.
    In each notebook the cells of answers are marked as such, and after each comes a locked cell
    worth a point, which stops with an error where the answer is not right. INSTRUCTORS.md tells
    how these are given out and marked.
    """
    written = []
    for lesson in lessons.lessons():
        notebook, cells = nbformat.read(lessons.NOTEBOOKS / f"{lesson}.ipynb", 4), []
        for cell in notebook.cells:
            cells.append(cell)
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
                if found := copies.EXERCISE.search(cell.source):
                    cell.metadata["nbgrader"] = _about(found[1], solution=True)
                    check = cell.source[found.start() :].replace("check(", "right(", 1)
                    cells.append(nbformat.v4.new_code_cell(f"assert {check}"))
                    points = _about(f"{found[1]}-points", grade=True, locked=True, points=1)
                    cells[-1].metadata["nbgrader"] = points
                    cells[-1].metadata["tags"] = ["raises-exception"]  # Run All goes on
        if len(cells) > len(notebook.cells):
            notebook.cells, notebook.metadata["kernelspec"] = cells, pages.KERNEL
            folder = course / "source" / lesson
            folder.mkdir(parents=True, exist_ok=True)
            nbformat.write(notebook, folder / f"{lesson}.ipynb")
            written.append(lesson)
    if not (config := course / "nbgrader_config.py").exists():
        config.write_text(CONFIG, "utf-8")
    return written


def _about(name, **what):
    off = {"grade": False, "solution": False, "locked": False, "task": False}
    return off | {"schema_version": 3, "grade_id": name} | what
