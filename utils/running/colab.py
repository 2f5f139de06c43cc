"""Copies of the core lessons for Colab: a first cell fetches the course and what is missing."""

import subprocess
import sys
from pathlib import Path

import nbformat

from utils.running import copies, environment, lessons, pages

# What runs lessons outside of Colab, which has programs of its own for it.
_NOT_THERE = ("jupyterlab", "papermill", "ipykernel")
_FIRST = """# Fetches the course, and packages that are missing here; what is here is used as it is.
import os, subprocess, sys

if not os.path.isdir("course"):
    clone = ["git", "clone", "--quiet", "--depth", "1", "--branch", "{version}"]
    subprocess.run([*clone, "{repository}", "course"], check=True)
sys.path.insert(0, os.path.abspath("course"))

from utils.running import colab

print(colab.complete())"""
_BADGE = "https://colab.research.google.com/assets/colab-badge.svg"


def complete() -> str:
    """Install what lessons need and is missing, and say which versions are not the course's own.

    Where versions differ, figures may, too: CONTRIBUTING says what was measured with which.
    """
    pins = {n: pin for n, pin in environment.wanted().items() if n not in _NOT_THERE}
    if missing := [f"{n}=={pin}" for n, pin in pins.items() if not environment.installed(n)]:
        subprocess.run(
            [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", *missing], check=True
        )
    found = {n: (environment.installed(n), pin) for n, pin in pins.items()}
    differ = [f"{n} {here} ({pin})" for n, (here, pin) in found.items() if here != pin]
    return f"Other versions than the course's own, in brackets: {', '.join(differ) or 'none'}"


def write(folder: Path, repository: str, version: str) -> list[str]:
    """Write the core lessons for Colab into a folder; returns a badge for each, in Markdown.

    `repository` is the address that the course is fetched from, such as
    https://github.com/owner/name, and `version` a branch or tag of it. The folder has to be put
    into the repository, as notebooks/colab, before the badges lead to it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    badges = []
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
        notebook.metadata = nbformat.from_dict({"kernelspec": pages.KERNEL})
        nbformat.write(notebook, folder / f"{lesson}.ipynb")
        place = f"{repository.split('github.com/')[-1]}/blob/{version}/notebooks/colab"
        address = f"https://colab.research.google.com/github/{place}/{lesson}.ipynb"
        badges.append(f"[![Open lesson {lesson[:2]} in Colab]({_BADGE})]({address})")
    return badges
