"""What becomes of an executed notebook: outputs as they stay, stored in the lesson or not."""

import math
import re
from pathlib import Path

from utils.results import MIME
from utils.running.profiles import NOTEBOOKS, CourseError

KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
GLOSSARY_LINK = re.compile(r"\[([^\]]+)\]\(glossary\.md#[\w-]+\)")
MINUTES = re.compile(r"(\*\*Time on two cores\*\*: )\d+ minutes?\.")


def clean(notebook) -> None:
    """Keep what is left on the screen: no overwritten progress bars, one copy of each figure."""
    for cell in (cell for cell in notebook.cells if cell.cell_type == "code"):
        streams = {}
        for output in cell.outputs:
            if output.output_type == "stream":  # one text for each stream of a cell
                first = streams.setdefault(output.name, output)
                if first is not output:
                    first.text, output.text = first.text + output.text, ""
            elif "image/png" in output.get("data", {}):
                output.data.pop("text/html", None)  # the twin for JupyterLab
        for stream in streams.values():
            # What a carriage return wrote over was never meant to stay.
            stream.text = "\n".join(line.split("\r")[-1] for line in stream.text.split("\n"))
        cell.outputs = [output for output in cell.outputs if output.get("text", "shown").strip()]


def recorded(notebook) -> list[dict]:
    """Give what `results.record` left in the outputs of a notebook: one entry, if all is well."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return [output.data[MIME] for output in outputs if MIME in output.get("data", {})]


def minutes(entry: dict) -> int:
    """Give the whole minutes a lesson took, rounded up."""
    return math.ceil(entry["seconds"] / 60)


def store_outputs(executed: Path, entry: dict) -> None:
    """Put the outputs of a run with default parameters, and its minutes, into the lesson's file.

    Raises CourseError if the run had other parameters: then its cells are not the lesson's.
    """
    import nbformat

    path = NOTEBOOKS / f"{entry['lesson']}.ipynb"
    lesson, done = nbformat.read(path, 4), nbformat.read(executed, 4)
    sources = [[c.source for c in nb.cells if c.cell_type == "code"] for nb in (lesson, done)]
    if sources[0] != sources[1] or len(lesson.cells) != len(done.cells):
        raise CourseError(f"{path.stem} was run with other parameters than its own: not stored")
    for cell, ran in zip(lesson.cells, done.cells, strict=True):
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = ran.outputs, ran.execution_count
    count = minutes(entry)
    said = rf"\g<1>{count} minute{'s' if count > 1 else ''}."
    lesson.cells[0].source = MINUTES.sub(said, lesson.cells[0].source)
    about = {"kernelspec": KERNEL | {"display_name": "Python 3"}}
    lesson.metadata = nbformat.from_dict(about | {"language_info": {"name": "python"}})
    nbformat.write(lesson, path)
