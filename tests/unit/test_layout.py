import ast
import re

import pytest

import utils
from utils.folders import ROOT

pytestmark = pytest.mark.check

ORDER = re.findall(r"\w+", utils.__doc__.split("\n\n")[1])
FILES = sorted(p for p in (ROOT / "utils").glob("*.py") if p.stem != "__init__")


def imported(tree):
    """Modules of utils that a file imports, anywhere in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "utils":
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("utils."):
            yield node.module.removeprefix("utils.")


def test_the_order_names_every_file():
    assert sorted(ORDER) == [path.stem for path in FILES]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_imports_only_from_files_before_it(path):
    mine = ORDER.index(path.stem)
    assert [
        name for name in imported(ast.parse(path.read_text())) if ORDER.index(name) >= mine
    ] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_public_functions_say_what_they_are_for(path):
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name[0] != "_":
            assert ast.get_docstring(node), node.name


def test_the_top_level_is_small():
    known = {"README.md", "CONTRIBUTING.md", "SECURITY.md", "LICENSE", "LICENSE-PROSE", "Makefile"}
    known |= {"pyproject.toml", "requirements.lock", "environment.yml"}
    known |= {"notebooks", "utils", "data", "tests", "transfer_learning_course.egg-info"}
    found = {path.name for path in ROOT.iterdir() if path.name[0] != "."}
    assert found <= known
