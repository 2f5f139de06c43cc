"""Answers that learners give to the exercises of lesson 21."""

import numpy as np


def with_loops(expected, found):
    largest = max(
        abs(a - b)
        for one, two in zip(expected, found, strict=True)
        for a, b in zip(one, two, strict=True)
    )
    changed = sum(one.argmax() != two.argmax() for one, two in zip(expected, found, strict=True))
    return largest, changed


def by_norm(expected, found):
    largest = np.linalg.norm((expected - found).ravel(), np.inf)
    return largest, np.count_nonzero(expected.argmax(1) - found.argmax(1))


def rises_only(expected, found):
    return (found - expected).max(), (expected.argmax(-1) != found.argmax(-1)).sum()


def mean(expected, found):
    return np.abs(found - expected).mean(), (expected.argmax(-1) != found.argmax(-1)).sum()


def of_each(expected, found):
    return np.abs(found - expected).max(1), (expected.argmax(-1) != found.argmax(-1)).sum()


def probabilities(expected, found):
    return np.abs(found - expected).max(), (~np.isclose(expected, found)).sum()


def share(expected, found):
    return np.abs(found - expected).max(), (expected.argmax(-1) != found.argmax(-1)).mean()


def same(expected, found):
    return np.abs(found - expected).max(), (expected.argmax(-1) == found.argmax(-1)).sum()


def by_sorting(files, margin):
    for name, (_, low, high) in sorted(files.items(), key=lambda item: item[1][0]):
        if max(-low, high) < margin:
            return name
    return None


def by_filter(files, margin):
    equal = {n: f[0] for n, f in files.items() if -margin < f[1] <= f[2] < margin}
    return min(equal, key=equal.get, default=None)


def smallest_of_all(files, margin):
    return min(files, key=lambda name: files[name][0])


def holds_zero(files, margin):
    return by_filter({n: f for n, f in files.items() if f[1] <= 0 <= f[2]}, 1)


def not_worse(files, margin):
    return by_filter({n: f for n, f in files.items() if f[1] > -margin}, 1)


def largest_equal(files, margin):
    return max(files, key=lambda n: files[n][0] * (-margin < files[n][1] and files[n][2] < margin))


def fails_on_none(files, margin):
    return min((f[0], n) for n, f in files.items() if -margin < f[1] and f[2] < margin)[1]


def says_none(files, margin):
    return by_filter(files, margin) or "none"


def by_order(distances, share):
    ordered = np.sort(distances)
    return ordered[len(ordered) - int(share * len(ordered) + 1e-9) - 1]


def by_trying(distances, share):
    return min(d for d in distances if (distances > d).mean() <= share)


def by_ends(distances, share):
    ordered = sorted(distances, reverse=True)
    refused = 0
    while (refused + 1) / len(ordered) <= share + 1e-12:
        refused += 1
    return ordered[refused]


def other_side(distances, share):
    return np.quantile(distances, share)


def between(distances, share):
    return np.quantile(distances, 1 - share) + 1e-4


def one_too_many(distances, share):
    ordered = np.sort(distances)
    return ordered[len(ordered) - int(share * len(ordered) + 1e-9) - 2]


RIGHT = {
    "21-1": [with_loops, by_norm],
    "21-2": [by_sorting, by_filter],
    "21-3": [by_order, by_trying, by_ends],
    "21-4": [{"a", "d", "e"}, ["e", "a", "d"]],
}
WRONG = {
    "21-1": [
        (rises_only, "a difference has two signs"),
        (mean, "That is a mean"),
        (of_each, "is an array"),
        (probabilities, "counts probabilities"),
        (share, "the share of the pictures"),
        (same, "stayed as it was"),
        (lambda expected, found: np.abs(found - expected).max(), "Two numbers"),
        (lambda expected, found: (..., ...), "waits"),
    ],
    "21-2": [
        (smallest_of_all, "whole interval says that it is worse"),
        (holds_zero, "reaches beyond the margin"),
        (not_worse, "'good' may be better"),
        (largest_equal, "not the smallest"),
        (fails_on_none, "stops with an error"),
        (says_none, "not None"),
        (lambda files, margin: 500, "gives 500"),
        (lambda files, margin: ..., "waits"),
    ],
    "21-3": [
        (other_side, "Which side is far away"),
        (between, "not one of the distances"),
        (one_too_many, "it refuses 6"),
        (lambda distances, share: distances.max(), "a smaller threshold"),
        (lambda distances, share: ..., "waits"),
    ],
    "21-4": [
        ({"a", "b", "d", "e"}, "On which photographs"),
        ({"a", "c", "d", "e"}, "*exactly*"),
        ({"a", "d"}, "Which pictures did each"),
        ({"a", "d", "e", "f"}, "Was every picture"),
        ({"a", "g"}, "is none of"),
        ({...}, "waits"),
    ],
}
