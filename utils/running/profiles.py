"""Profiles: named sets of parameters for the lessons; a typing error in one is said at once.

Papermill takes any parameter and only warns of one that no cell knows. Only light imports here.
"""

import ast
import json
from contextlib import suppress

import yaml

from utils.base.folders import ROOT
from utils.base.ranges import misfit

NOTEBOOKS = ROOT / "notebooks"
PROFILES = NOTEBOOKS / "profiles"


class CourseError(RuntimeError):
    """Something a person typed or a lesson that failed, said in one sentence."""


def parameters(lesson: str, profile: str) -> dict:
    """Read the parameters a profile gives a lesson; what does not fit it is a CourseError."""
    path = PROFILES / f"{profile}.yaml"
    if not path.exists():
        known = ", ".join(sorted(p.stem for p in PROFILES.glob("*.yaml")))
        raise CourseError(f"there is no profile {profile!r}; there are {known}")
    try:
        sections = yaml.safe_load(path.read_text("utf-8")) or {}
    except (yaml.YAMLError, ValueError) as error:
        raise CourseError(f"{path.name} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(sections, dict):
        raise CourseError(f"{path.name} must give the name of a lesson, and NAME: value below it")
    for section, given in sections.items():
        if not (NOTEBOOKS / f"{section}.ipynb").exists():
            raise CourseError(f"{path.name} has a section {section!r}, but no lesson has that name")
        if not isinstance(given or {}, dict):
            wrong = f"has {given!r:.60} below {section}"
            raise CourseError(f"{path.name} {wrong}, but it must be lines with NAME: value")
    given, defaults = dict(sections.get(lesson) or {}), default_parameters(lesson)
    for name, value in given.items():
        if name not in defaults:
            wrong = f"{name!r} for {lesson}, which has only {', '.join(defaults)}"
            raise CourseError(f"{path.name} sets {wrong}")
        if isinstance(defaults[name], float) and type(value) in (int, str):
            with suppress(ValueError):  # YAML takes 1e-3 for a text
                given[name] = float(value)
        if wrong := misfit(name, given[name]):
            raise CourseError(f"{path.name}, {lesson}: {wrong}")
    return given


def default_parameters(lesson: str) -> dict:
    """Read the literals in the one cell tagged `parameters`: name → value."""
    cells = json.loads((NOTEBOOKS / f"{lesson}.ipynb").read_text("utf-8"))["cells"]
    tagged = [cell for cell in cells if "parameters" in cell["metadata"].get("tags", [])]
    if (count := len(tagged)) != 1:
        raise CourseError(f"{lesson} must have exactly one cell tagged parameters, not {count}")
    return {name: value for name, (value, _) in _literals(lesson, tagged[0]["source"]).items()}


def set_parameters(lesson: str, source: str, given: dict) -> str:
    """Write a profile's values into the text of a parameters cell, where a learner changes them.

    Papermill would add a second cell, and then what is changed in the first has no effect.
    """
    lines = source.split("\n")
    places = {name: node for name, (_, node) in _literals(lesson, source).items()}
    for name in sorted(given, key=lambda name: -places[name].lineno):  # from below: lines may go
        node, value = places[name], given[name]
        text = json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
        first, last = lines[node.lineno - 1].encode(), lines[node.end_lineno - 1].encode()
        before, after = first[: node.col_offset], last[node.end_col_offset :]  # Python counts bytes
        lines[node.lineno - 1 : node.end_lineno] = [before.decode() + text + after.decode()]
    return "\n".join(lines)


def _literals(lesson, source):
    found = {}
    try:
        for line in ast.parse("".join(source)).body:
            (target,) = line.targets
            found[target.id] = ast.literal_eval(line.value), line.value
    except (AttributeError, SyntaxError, ValueError) as error:
        raise CourseError(f"{lesson}: its parameters must all be NAME = a literal") from error
    return found
