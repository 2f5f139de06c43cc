"""Copies of the core lessons for Colab: a first cell fetches the course and what is missing."""

import subprocess
import sys
from pathlib import Path

import nbformat

from utils.running import copies, environment, lessons, pages

# What runs lessons outside of Colab, which has programs of its own for it.
_NOT_THERE = ("jupyterlab", "papermill", "ipykernel")
_FIRST = """# Fetches the course, and packages that are missing here; what is here is used as it is.
import os
import subprocess
import sys

if not os.path.isdir("course"):
    clone = ["git", "clone", "--quiet", "--depth", "1", "--branch", "{version}"]
    subprocess.run([*clone, "{repository}", "course"], check=True)
sys.path.insert(0, os.path.abspath("course"))

from utils.running import colab

print(colab.complete())"""


def complete() -> str:
    """Install what lessons need and is missing, and say which versions are not the course's own.

    Where versions differ, figures may, too: the page of results says which ones did not.
    """
    pins = {n: pin for n, pin in environment.wanted().items() if n not in _NOT_THERE}
    if missing := [f"{n}=={pin}" for n, pin in pins.items() if not environment.installed(n)]:
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
        subprocess.run([*install, *missing], check=True)
    found = {n: (environment.installed(n), pin) for n, pin in pins.items()}
    differ = [f"{n} {here} ({pin})" for n, (here, pin) in found.items() if here != pin]
    return f"Other versions than the course's own, in brackets: {', '.join(differ) or 'none'}"


def write(folder: Path, repository: str, version: str) -> None:
    """Write the core lessons for Colab into a folder, each with the address where Colab opens it.

    `repository` is the address that the course is fetched from, such as
    https://github.com/owner/name, and `version` a branch or tag of it. Only the folder
    notebooks/colab is at that address; README shows a badge for each copy in it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    place = f"{repository.split('github.com/')[-1]}/blob/{version}/notebooks/colab"
    for lesson in lessons.choose([]):
        notebook = nbformat.read(lessons.NOTEBOOKS / f"{lesson}.ipynb", 4)
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
                cell.source = copies.SOLUTION.sub("", cell.source)
            else:
                cell.source = pages.GLOSSARY_LINK.sub(r"\1", cell.source)  # it is not beside them
        first = _FIRST.format(repository=repository, version=version)
        notebook.cells.insert(0, nbformat.v4.new_code_cell(first, id="colab"))
        address = f"https://colab.research.google.com/github/{place}/{lesson}.ipynb"
        notebook.metadata = nbformat.from_dict({"kernelspec": pages.KERNEL, "opened_at": address})
        nbformat.write(notebook, folder / f"{lesson}.ipynb")
