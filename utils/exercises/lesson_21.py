"""Exercises of lesson 21: agreement of files, which one to ship, a threshold, a model card."""

import numpy as np

from utils.exercises.checking import answered, exercise, of_these


@exercise(
    "21-1",
    right="It sees a difference of either sign, and counts pictures and not probabilities.",
    hint="`argmax(-1)` gives each picture's likeliest class. Of a difference the sign is of no "
    "interest here: `np.abs`.",
)
def agreement(function):
    """A function: expected and found (n, classes) → the largest difference, changed answers."""
    expected = np.array([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8], [0.4, 0.35, 0.25], [0.2, 0.6, 0.2]])
    found = np.array([[0.45, 0.35, 0.2], [0.1, 0.1, 0.8], [0.3, 0.45, 0.25], [0.5, 0.3, 0.2]])
    found[0] = 0.55, 0.25, 0.2
    given = answered(function(expected.copy(), found.copy()))
    if not isinstance(given, (tuple, list)) or len(given) != 2:
        return "Two numbers are asked for, and it gives something else."
    if np.ndim(given[0]) or np.ndim(given[1]):
        return "One number each is asked for, over all pictures, and one of them is an array."
    largest, changed = map(float, given)
    if not np.isclose(largest, 0.3):
        if np.isclose(changed, 0.3):
            return "The two are there in the other order: the difference comes first."
        if np.isclose(largest, np.abs(found - expected).mean()):
            return "That is a mean. One picture far off should not vanish among many that are not."
        return f"The largest difference is 0.3 in a case where it gives {largest:.3g}."
    _, falling = function(expected[:2].copy(), found[:2].copy())
    lower, _ = function(np.array([[0.5, 0.25, 0.25]]), np.array([[0.1, 0.45, 0.45]]))
    if not np.isclose(float(lower), 0.4):
        return "Where the probability falls by 0.4 it gives less: a difference has two signs."
    if changed == 2 and falling == 0:
        return None
    if function(expected.copy(), expected.copy())[1] == 4:
        return "It counts the pictures whose answer stayed as it was."
    if changed == 7 or falling:
        return "It counts probabilities. How many *pictures* have another likeliest class?"
    if np.isclose(changed, 0.5):
        return "That is the share of the pictures. Their number is asked for."
    return f"Two of four pictures have another answer, and it gives {changed:g}."


@exercise(
    "21-2",
    right="Equality is a matter of both ends of the interval; among the equal ones size decides.",
    hint="First keep the names whose interval lies within −margin and +margin, then take the "
    "smallest with `min` and a `key`. Nothing may be left.",
)
def smallest(function):
    """A function: name → (bytes, low, high), and a margin → the name of the smallest equal file."""
    files = {
        "full": (900, 0.0, 0.0),
        "half": (500, -0.01, 0.012),
        "tiny": (90, -0.08, -0.01),
        "wide": (100, -0.03, 0.03),
        "good": (300, 0.005, 0.04),
    }
    reasons = {
        "full": "'full' is equal, and not the smallest of those that are.",
        "tiny": "'tiny' is the smallest, and its whole interval says that it is worse.",
        "wide": "The interval of 'wide' contains zero, and reaches beyond the margin all the same: "
        "its loss may be larger than what we allow.",
        "good": "'good' may be better by more than the margin. We asked for equal, and its "
        "interval does not lie within.",
    }
    found = answered(function(dict(files), 0.02))
    if found != "half":
        return reasons.get(found, f"It should give a name, here 'half', and gives {found!r}.")
    if function(dict(files), 0.05) != "wide":
        return "With a margin of 0.05 'wide' has been shown to be equal, too."
    try:
        nothing = function({"tiny": files["tiny"]}, 0.02)
    except (ValueError, KeyError, IndexError):
        return "Where no file is equal it stops with an error: `None` is asked for."
    return None if nothing is None else f"Where no file is equal it gives {nothing!r}, not None."


@exercise(
    "21-3",
    right="At most the share is refused, and no more is let in than has to be.",
    hint="Sort the distances. If the k largest may be refused, the threshold is the one before "
    "them, for what equals the threshold is kept.",
)
def limit(function):
    """A function: distances (n,), a share → the smallest distance beyond which at most it lies."""
    draw = np.random.default_rng(4)
    for n, share in ((100, 0.05), (37, 0.1), (20, 0.0), (50, 0.3)):
        distances = draw.permutation(np.linspace(0.1, 0.9, n) ** 2)
        wanted = np.sort(distances)[n - int(share * n + 1e-9) - 1]
        given = float(answered(function(distances.copy(), share)))
        if np.isclose(given, wanted):
            continue
        refused = int((distances > given + 1e-12).sum())
        what = f"Of {n} pictures at most {share:.0%} may be refused"
        if refused > share * n + 1e-9:
            if refused > n / 2:
                return f"{what}, and it refuses {refused}. Which side is far away?"
            return f"{what}, and it refuses {refused}."
        if not np.isclose(distances, given).any():
            return f"{what}. {given:.4g} does so, but is not one of the distances."
        return f"{what}. It refuses {refused}, and a smaller threshold would do as well."
    same = np.array([0.2] * 10 + [0.5] * 10)
    if not np.isclose(float(function(same, 0.2)), 0.5):
        return "Where ten of twenty have the same largest distance, either all are refused or none."
    return None


@exercise(
    "21-4",
    right="What was measured may be said, with what it was measured on.",
    hint="Ask of each sentence which cell above it rests on, and whether the sentence says more "
    "than that cell.",
)
def card(chosen):
    """The letters a, d and e."""
    facts = {
        "a": (True, "The table is of the test pictures."),
        "b": (False, "On which photographs was it tried?"),
        "c": (False, "What does *exactly* rest on? A temperature makes a loss small, and no more."),
        "d": (True, "How was the temperature found?"),
        "e": (True, "Which pictures did each of the files answer for?"),
        "f": (False, "Was every picture of something else refused?"),
    }
    if chosen == {...} or not chosen:
        return answered(...)
    return of_these(chosen, facts)
