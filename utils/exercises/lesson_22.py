"""Exercises of lesson 22: rows joined by name, what is left to do, a plan, an actor."""

import time

import numpy as np

from utils.exercises.checking import answered, exercise


@exercise(
    "22-1",
    right="The network is built once, when Ray makes the actor, and serves every batch.",
    hint="What is done in `__init__` is done once for each actor; what is done in `__call__`, once "
    "for each batch. `self` keeps things between the two.",
)
def actor(mended):
    """A class: made with `build`, called with batches; one network for all of them."""
    built = []

    def build():
        built.append(len(built) + 1)
        return lambda batch: np.asarray(batch) * 10

    one = mended(build)
    given = [answered(one(np.array([i, i + 1]))) for i in range(3)]
    if not all(np.array_equal(g, [10 * i, 10 * i + 10]) for i, g in enumerate(given)):
        return "The answers have changed: a batch of 1, 2 gave 10, 20 before."
    if len(built) == 3:
        return "Three batches, three networks. Which of the two methods runs once only?"
    if len(built) != 1:
        return f"For three batches it built {len(built)} networks."
    mended(build)(np.array([1]))
    if len(built) != 2:
        return "A second object uses the network of the first: each is to build one of its own."
    return None


@exercise(
    "22-2",
    right="Every row is where its name says, and one that is missing is missed.",
    hint="A dictionary from identifier to place makes one pass over what arrived. Asked for a "
    "name that it does not hold, it raises a KeyError by itself.",
)
def in_order(function):
    """A function: identifiers that arrived, features (n, d), wanted → features of the wanted."""
    arrived, wanted = ["b", "e", "a", "e", "d", "c"], ["a", "c", "b", "e"]
    values = np.array([[2.0, 0], [5, 0], [1, 0], [5, 0], [4, 0], [3, 0]])
    found = np.asarray(answered(function(list(arrived), values.copy(), list(wanted))))
    if found.shape != (4, 2):
        return (
            f"Four of five rows with two features are wanted, shape (4, 2), and it gives "
            f"{found.shape}. What is not wanted does not come along."
        )
    if np.array_equal(found, values[:4]):
        return "It gives rows as they arrived. Which of them has the name that is wanted first?"
    if not np.array_equal(found, [[1, 0], [3, 0], [2, 0], [5, 0]]):
        return f"For a, c, b, e the first column should be 1, 3, 2, 5, and is {found[:, 0]}."
    try:
        function(list(arrived), values.copy(), ["a", "f"])
    except KeyError as error:
        return None if "f" in str(error) else "The KeyError does not say which name is missing."
    except (ValueError, IndexError, StopIteration) as error:
        return (
            f"For a name that has not arrived it stops with {type(error).__name__}, not KeyError."
        )
    return "Asked for a name that has not arrived, it answers. Which features are those?"


@exercise(
    "22-3",
    right="Only what stands in no file is left, in its order, and looking it up takes no time.",
    hint="A set answers at once whether it holds a name. It can be filled from all files in a "
    "comprehension with two `for`s.",
)
def to_do(function):
    """A function: identifiers, a list of the identifiers of each file → those in none."""
    names = ["d", "a", "c", "b"]
    found = list(answered(function(list(names), [["a", "old"], [], ["b"]])))
    if found != ["d", "c"]:
        if set(found) == {"d", "c"}:
            return "They are the right ones, in another order than they had."
        if "old" in found:
            return "'old' stands in a file, and nobody asks for it any more."
        if set(found) == {"a", "b"}:
            return "It gives those that are there. The others are to be done."
        return f"Of d, a, c, b, with a and b in files, it leaves {found}."
    if list(function(list(names), [])) != names:
        return "Without any file, as on the first run, all of them are to be done."
    many = [str(i) for i in range(20_000)]
    start = time.perf_counter()
    if list(function(many, [many[:7_000], many[7_000:19_999]])) != many[-1:]:
        return "With 20,000 names, of which one is missing, it does not give that one."
    if time.perf_counter() - start > 1:
        return (
            "It is right, and takes more than a second for 20,000 names: a list is searched from "
            "its beginning for each of them. What answers `in` without searching?"
        )
    return None


@exercise(
    "22-4",
    right="Ten core-hours, which eight cores have done in an hour and a quarter.",
    hint="Begin with the seconds that one core would need for all of them. An hour has 3,600.",
)
def plan(hours, cost, gigabytes):
    """Hours 1.25, cost 0.4, gigabytes 15.36."""
    for right, what, slips in (
        (
            _near(hours, 1.25),
            "The hours",
            {10: "that is on one core", 1250: "are milliseconds seconds?", 80: "cores divide"},
        ),
        (
            _near(cost, 0.4),
            "The cost",
            {0.05: "all eight cores are paid for", 3.2: "eight cores need an eighth of the time"},
        ),
        (
            _near(gigabytes, 15.36),
            "The gigabytes",
            {15_360: "those are megabytes", 1.536e10: "those are bytes", 14.3: "10⁹ bytes each"},
        ),
    ):
        given = {"The hours": hours, "The cost": cost, "The gigabytes": gigabytes}[what]
        if not right:
            said = [text for value, text in slips.items() if _near(given, value)]
            return f"{what}: {float(given):g} is not it" + (f"; {said[0]}." if said else ".")
    return None


def _near(given, wanted):
    return np.isclose(float(given), wanted, rtol=0.01)
