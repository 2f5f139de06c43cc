"""How an answer is examined, and what is said of it; every lesson's exercises use it."""

import importlib
import importlib.util
import re
import textwrap
from collections.abc import Callable
from dataclasses import dataclass

from utils.running import copies

WAITING = "waits for your answer: put it in place of the three dots, and run the cell again."
UNKNOWN = "There is no exercise {!r}: its name stands above the cell."


class Waiting(Exception):
    """An answer that has not been given yet: the three dots are still there."""


@dataclass(frozen=True)
class Exercise:
    """What is wanted: `examine` gives None for a right answer, else what is wrong and a hint."""

    examine: Callable[..., str | None]
    right: str  # said of a right answer
    hint: str  # the second hint


EXERCISES: dict[str, Exercise] = {}


def exercise(name: str, right: str, hint: str) -> Callable:
    """Make an exercise of a function that examines answers, in a module for each lesson."""

    def add(examine):
        EXERCISES[name] = Exercise(examine, right, hint)
        return examine

    return add


def answered(value):
    """Give back what a learner's function returned; Waiting if it is still the three dots."""
    parts = value if isinstance(value, tuple) else (value,)
    if any(part is ... or part is None for part in parts):
        raise Waiting
    return value


def of_these(chosen, facts: dict[str, tuple[bool, str]]) -> str | None:
    """Examine names chosen from `facts`, name → (whether it belongs there, a question about it)."""
    given = {chosen} if isinstance(chosen, str) else {*chosen}
    if unknown := none_of_them(given, facts):
        return unknown
    for name, (belongs, question) in facts.items():
        if (name in given) != belongs:
            return f"Look at {name!r} again. {question}"
    return None


def none_of_them(given: set, names) -> str:
    """Give a sentence about a word that is none of the names that can be chosen, "" without one."""
    odd = sorted(map(str, given - {*names}))
    return f"{odd[0]!r} is none of: {', '.join(names)}." if odd else ""


def find(name: str) -> Exercise | None:
    """Give the exercise of this name, such as "03-2", the second of lesson 03; None without one."""
    module = f"utils.exercises.lesson_{name[:2]}"
    if importlib.util.find_spec(module):
        importlib.import_module(module)
    return EXERCISES.get(name)


def check(name: str, *answer) -> None:
    """Say whether an answer is right, and if not what is wrong, with a hint; lesson 00.

    `answer` is what the exercise asks for, such as a number, a function or a model; it is not
    changed. Nothing is raised, so that a lesson runs on whatever was answered. A right answer is
    remembered beside the learner's copies, and marked on her start page; nothing is sent anywhere.
    """
    right, said = _verdict(name, answer)
    # JupyterLab would break the lines in the middle of words.
    print(*(textwrap.fill(line, 88) for line in said.splitlines()), sep="\n")
    if right:
        copies.mark_solved(name)


def right(name: str, *answer) -> bool:
    """Say whether an answer is right, and nothing else; for marking with nbgrader."""
    return _verdict(name, answer)[0]


def _verdict(name, answer):
    """Whether an answer is right, and what is said of it."""
    if (one := find(name)) is None:
        return False, UNKNOWN.format(name)
    try:
        wrong = one.examine(*map(answered, answer))
    except Waiting:
        return False, f"Exercise {name} {WAITING}"
    except Exception as error:  # what a learner wrote may stop in any way
        told = re.sub(r"\x1b\[[0-9;]*m", "", str(error))  # Keras writes in bold
        wrong = f"Trying the answer stopped with {type(error).__name__}: {told}"
    if wrong:
        return False, f"Not yet. {wrong}\nAnother hint: exercises.hint({name!r})"
    return True, f"Right. {one.right}"


def hint(name: str) -> None:
    """Show the second hint of an exercise; lesson 00."""
    one = find(name)
    print(textwrap.fill(one.hint if one else UNKNOWN.format(name), 88))
