"""Exercises of lesson 12: labels by name, lengths, a decision by groups, a division by groups."""

import numpy as np

from utils.exercises.checking import answered, exercise, of_these


@exercise(
    "12-1",
    right="Each row gets the label of its own picture, and one without a label is noticed.",
    hint="A dictionary from name to label gives all the answers, and stops at a name not in it.",
)
def joined(function):
    """A function: names of the rows, names and labels of a list → the labels of the rows."""
    listed, labels = ["c", "a", "e", "b", "d"], np.array([10, 20, 30, 40, 50])
    for names in ["b", "c", "e", "a", "d"], ["d", "b"]:
        right = [int(labels[listed.index(name)]) for name in names]
        given = np.asarray(answered(function(list(names), list(listed), labels.copy()))).tolist()
        told = f"For rows {names} and a list {listed} with {labels.tolist()} it gives {given}"
        if given == labels.tolist() != right:
            return f"{told}. That is the order of the list. Whose features stand in the first row?"
        if len(given) != len(names):
            return f"{told}: not as many labels as rows. The list may hold more pictures."
        if given == [int(labels[names.index(n)]) for n in listed if n in names] != right:
            return f"{told}. Each place was looked up in `names` instead of in the list."
        if given == [int(labels[listed.index(name)]) for name in sorted(names)] != right:
            return f"{told}. That would be right if the rows were sorted by name."
        if given != right:
            return f"{told}, and the label of {names[0]!r} is {right[0]}."
    try:
        function(["a", "x"], ["a", "b"], np.array([10, 20]))
    except Exception:
        return None
    return "A row named 'x', which is not in the list, gets a label all the same. It should stop."


CHANGES = {
    "255 times as large": (False, "All numbers of a picture and its length grow alike."),
    "divided by 255 once more": (False, "A picture becomes shorter, and is brought to length 1."),
    "each by its largest": (False, "Each picture is divided by one number, if not by the same."),
    "less one half": (True, "What was dark is negative afterwards: the numbers' ratios change."),
    "blue halved": (True, "One colour of three is smaller, so the numbers' ratios change."),
}


@exercise(
    "12-2",
    right="Only what changes the ratios of a picture's numbers gets through. So scaling twice does "
    "no harm here; to a pretrained network it does.",
    hint="Give two pictures, flattened to (2, 3072), to keras.layers.UnitNormalization() before "
    "and after a change, and take the largest difference.",
)
def lengths(names):
    """The names of those changes of the pixels that change what the dense layer is given."""
    return of_these(names, CHANGES)


# Case → groups of four that only the first or only the second network names rightly, the same of
# single pictures, what follows, and what went wrong if something else is said.
CASES = {
    "much better second": (
        (1, 12),
        (0, 0),
        "second",
        "Which is the better one, if low is above 0?",
    ),
    "much better first": ((12, 1), (0, 0), "first", "The whole interval may lie below zero, too."),
    "a few pictures more": ((0, 0), (4, 7), "open", "One is ahead, but how far does chance reach?"),
    "a few signs more": ((2, 6), (0, 0), "open", "How many *signs* differ, and how many pictures?"),
}


@exercise(
    "12-3",
    right="You take a network only where signs drawn anew would give the same decision.",
    hint="statistics.compare takes the groups as its fourth argument; its `low` and `high` are the "
    "ends of the interval of the second less the first.",
)
def decided(function):
    """A function: labels, predictions of two networks, groups → "first", "second" or "open"."""
    labels, groups = np.zeros(160, int), np.repeat([f"sign{i}" for i in range(40)], 4)
    for name, (signs, pictures, right, question) in CASES.items():
        first, second = labels.copy(), labels.copy()
        second[: 4 * signs[0]] = first[4 * signs[0] : 4 * sum(signs)] = 1  # whole signs
        second[80 : 80 + pictures[0]] = first[100 : 100 + pictures[1]] = 1
        given = answered(function(labels, first, second, groups))
        if given not in ("first", "second", "open"):
            return f"It gives {given!r}, which is none of 'first', 'second' and 'open'."
        if given != right:
            return f"In the case {name!r} it says {given!r}. {question}"
    return None


@exercise(
    "12-4",
    right="No group stands on both sides, each class does, and nothing is lost.",
    hint="`np.unique(groups, return_index=True)` gives each group once, and a row of it, from "
    "which its class is known. Divide this short list; then `np.isin` finds the rows.",
)
def divided(function):
    """A function: labels and groups → rows to train on and rows to judge on, about a quarter."""
    sizes = np.random.default_rng(12).permutation(np.arange(48) % 4 + 2)
    groups, labels = np.repeat(np.arange(48), sizes), np.repeat(np.arange(48) // 16, sizes)
    groups = np.array([f"{(7 * group) % 48:02}" for group in groups])  # names do not tell the class
    train, held = (np.asarray(rows).tolist() for rows in answered(function(labels, groups)))
    if both := {*groups[train]} & {*groups[held]}:
        return f"{len(both)} of 48 groups stand on both sides."
    if sorted(train + held) != list(range(len(labels))):
        return (
            f"Of {len(labels)} pictures {len({*train, *held})} are in the answer, and it has "
            f"{len(train + held)} rows. Each picture is to stand on one side, once."
        )
    if not {*labels[train]} == {*labels[held]} == {0, 1, 2}:
        return "A class is missing on one side. Were the groups divided in the order of classes?"
    if not 0.15 < len(held) / len(labels) < 0.35:
        return f"{len(held)} of {len(labels)} pictures judge; about a quarter was asked for."
    if [np.asarray(rows).tolist() for rows in function(labels, groups)] != [train, held]:
        return "Asked again it divides otherwise, so two networks would see different pictures."
    return None
