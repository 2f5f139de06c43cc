"""The house: rooms in one order, a learner's first, all small; imports go one way."""

import ast
import subprocess

import pytest

from utils.base.folders import ROOT

pytestmark = pytest.mark.check

UTILS = ROOT / "utils"
FILES = sorted(p for p in UTILS.rglob("*.py") if p.stem != "__init__")
# A room may import from itself and from rooms before it; within a folder, files in any order
# without a circle.
ORDER = [
    "base",
    "checks",
    "statistics",
    "plots",
    "sources",
    "results",
    "datasets",
    "backbones",
    "models",
]
ORDER += ["features", "bottleneck", "collection", "running", "exercises", "course"]


def name_of(path):
    return ".".join(path.relative_to(UTILS).with_suffix("").parts)


def imported(tree):
    """Modules of utils that a file imports, anywhere in it, as "room" or "room.module"."""
    names = {name_of(path) for path in FILES}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "utils":
            inside = node.module.removeprefix("utils").removeprefix(".")
            if inside in names:
                yield inside
            else:
                yield from (f"{inside}.{a.name}".removeprefix(".") for a in node.names)
        elif isinstance(node, ast.Import):
            yield from (a.name[6:] for a in node.names if a.name.startswith("utils."))


IMPORTS = {name_of(path): set(imported(ast.parse(path.read_text("utf-8")))) for path in FILES}


def upward(name, others, order=ORDER):
    """What a file imports that does not come before it."""
    mine = order.index(name.split(".")[0])
    return [other for other in others if order.index(other.split(".")[0]) > mine]


def test_every_file_has_a_room():
    assert {name.split(".")[0] for name in IMPORTS} == set(ORDER)


@pytest.mark.parametrize("name", IMPORTS)
def test_a_file_imports_only_from_rooms_before_its_own(name):
    assert upward(name, IMPORTS[name]) == []


def test_an_arrow_upwards_is_noticed():
    assert upward("base.cache", ["datasets"]) == ["datasets"]


def circle(graph):
    """A file that reaches itself, or None."""
    for start in graph:
        seen, left = set(), list(graph[start])
        while left:
            name = left.pop()
            if name == start:
                return start
            if name not in seen:
                seen.add(name)
                left.extend(graph.get(name, ()))
    return None


def test_no_file_imports_itself_by_way_of_others():
    assert circle(IMPORTS) is None
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"a"}}) == "a"


def lines(path):
    return len(path.read_text("utf-8").splitlines())


def test_the_helpers_are_small():
    top = [p for p in FILES if p.parent == UTILS]
    assert len(top) == 11
    assert max(map(lines, top)) <= 250
    assert sum(map(lines, top)) <= 1700  # 1,475, and large collections
    # 3,800, what comparing methods and keeping their predictions added (140), and what strangers'
    # folders (300) and settings (130) need so that nothing is silently wrong with them, and what
    # rooms without a network (130) and marking (55) take; large collections (200), the site (100),
    # and copies for Colab (65).
    exercises = [*(UTILS / "exercises").glob("*.py")]
    assert sum(map(lines, {*UTILS.rglob("*.py")} - {*exercises})) <= 5090
    assert max(map(lines, exercises)) <= 190  # what an exercise wants is no machinery: a file each


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_public_functions_say_what_they_are_for(path):
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name[0] != "_":
            assert ast.get_docstring(node), node.name


def test_the_top_level_is_small():
    known = {"README.md", "CONTRIBUTING.md", "SECURITY.md", "INSTRUCTORS.md", "Makefile"}
    known |= {"LICENSE", "LICENSE-PROSE", "CITATION.cff", "CHANGELOG.md"}
    known |= {"pyproject.toml", "requirements.lock", "requirements-extras.lock"}
    known |= {"environment.yml"}
    known |= {"notebooks", "utils", "data", "tests", "transfer_learning_course.egg-info"}
    found = {path.name for path in ROOT.iterdir() if path.name[0] != "."}
    assert found <= known


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="an archive, not a checkout")
def test_a_checkout_has_unix_line_ends_whatever_git_is_set_to(tmp_path):
    clone = ["git", "clone", "-q", "-c", "core.autocrlf=true", str(ROOT), str(tmp_path / "clone")]
    subprocess.run(clone, check=True)
    files = [path for path in (tmp_path / "clone").rglob("*") if path.is_file()]
    texts = [path for path in files if path.suffix in (".py", ".md", ".ipynb", ".lock", ".svg")]
    assert len(texts) > 100
    for path in [*texts, tmp_path / "clone" / "Makefile"]:
        assert b"\r\n" not in path.read_bytes(), path
