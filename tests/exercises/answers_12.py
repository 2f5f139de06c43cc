"""Answers that learners give to the exercises of lesson 12."""

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, train_test_split

from utils import statistics


def by_dictionary(names, listed, labels):
    found = dict(zip(listed, labels, strict=True))
    return [found[name] for name in names]


def by_search(names, listed, labels):
    order = np.argsort(listed)
    places = order[np.minimum(np.searchsorted(np.sort(listed), names), len(listed) - 1)]
    assert [listed[place] for place in places] == list(names)
    return labels[places]


def search_only(names, listed, labels):
    order = np.argsort(listed)
    return labels[order[np.minimum(np.searchsorted(np.sort(listed), names), len(listed) - 1)]]


def sorted_rows(names, listed, labels):
    return [labels[listed.index(name)] for name in sorted(names)]


def other_way_round(names, listed, labels):
    return [labels[names.index(name)] for name in listed if name in names]


def zipped(names, listed, labels):
    return [label for label, name in zip(labels, listed, strict=True) if name in names]


def by_interval(labels, first, second, groups):
    told = statistics.compare(labels, first, second, groups)
    return "second" if told.low > 0 else "first" if told.high < 0 else "open"


def by_p_value(labels, first, second, groups):
    told = statistics.compare(labels, first, second, groups)
    if told.p_value >= 0.05:
        return "open"
    return "first" if told.difference < 0 else "second"


def by_picture(labels, first, second, groups):
    return by_interval(labels, first, second, None)


def by_accuracy(labels, first, second, groups):
    return "second" if np.mean(second == labels) > np.mean(first == labels) else "first"


def one_side_only(labels, first, second, groups):
    told = statistics.compare(labels, first, second, groups)
    return "second" if told.low > 0 else "open"


def exchanged(labels, first, second, groups):
    return by_interval(labels, second, first, groups)


def folds(labels, groups):
    rows = StratifiedGroupKFold(4, shuffle=True, random_state=1)
    return next(rows.split(labels, labels, groups))


def chosen_by_name(labels, groups):
    held = np.isin(groups, np.unique(groups)[::4])
    return list(np.flatnonzero(~held)), list(np.flatnonzero(held))


def at_random(labels, groups, seed=1):
    rows = np.arange(len(labels))
    return train_test_split(rows, test_size=0.25, stratify=labels, random_state=seed)


def one_of_each(labels, groups):
    _, rows = np.unique(groups, return_index=True)
    return train_test_split(rows, test_size=0.25, stratify=labels[rows], random_state=1)


def the_last(labels, groups):
    cut = np.flatnonzero(groups == groups[int(0.75 * len(groups))])[0]
    return np.arange(cut), np.arange(cut, len(groups))


def half(labels, groups):
    held = np.isin(groups, np.unique(groups)[::2])
    return np.flatnonzero(~held), np.flatnonzero(held)


def anew(labels, groups, draw=np.random.default_rng(1)):  # noqa: B008 - goes on with each call
    names, rows = np.unique(groups, return_index=True)
    seed = int(draw.integers(1000))
    _, chosen = train_test_split(names, test_size=0.25, stratify=labels[rows], random_state=seed)
    held = np.isin(groups, chosen)
    return np.flatnonzero(~held), np.flatnonzero(held)


EVERY = ["255 times as large", "divided by 255 once more", "each by its largest"]
RIGHT = {
    "12-1": [by_dictionary, by_search],
    "12-2": [{"less one half", "blue halved"}, ["blue halved", "less one half"]],
    "12-3": [by_interval, by_p_value],
    "12-4": [folds, chosen_by_name],
}
WRONG = {
    "12-1": [
        (lambda names, listed, labels: labels, "the order of the list"),
        (other_way_round, "instead of in the list"),
        (sorted_rows, "sorted by name"),
        (zipped, "it gives [10, 20, 30, 40, 50]"),
        (search_only, "'x', which is not in the list"),
        (lambda names, listed, labels: labels[:1], "not as many labels"),
        (lambda names, listed, labels: ..., "waits"),
    ],
    "12-2": [
        ({*EVERY, "less one half", "blue halved"}, "length grow alike"),
        ({"divided by 255 once more", "less one half", "blue halved"}, "brought to length 1"),
        ({"each by its largest", "less one half", "blue halved"}, "by one number"),
        (set(), "negative afterwards"),
        ("less one half", "One colour"),
        ({"darker"}, "'darker' is none of"),
        (..., "waits"),
    ],
    "12-3": [
        (by_accuracy, "how far does chance reach"),
        (by_picture, "How many *signs* differ"),
        (one_side_only, "below zero, too"),
        (exchanged, "low is above 0"),
        (lambda *given: "neither", "none of 'first'"),
        (lambda *given: None, "waits"),
    ],
    "12-4": [
        (at_random, "stand on both sides"),
        (one_of_each, "are in the answer"),
        (the_last, "order of classes"),
        (half, "about a quarter was asked for"),
        (anew, "Asked again"),
        (lambda labels, groups: None, "waits"),
    ],
}
