"""Answers that learners give to the exercises of lesson 22."""

import numpy as np


def by_dictionary(arrived, features, wanted):
    place = {name: i for i, name in enumerate(arrived)}
    return features[[place[name] for name in wanted]]


def by_pairs(arrived, features, wanted):
    rows = dict(zip(arrived, features, strict=True))
    return np.stack([rows[name] for name in wanted])


def in_a_loop(arrived, features, wanted):
    rows = []
    for name in wanted:
        if name not in arrived:
            raise KeyError(name)
        rows.append(features[arrived.index(name)])
    return rows


def left_out(arrived, features, wanted):
    place = {name: i for i, name in enumerate(arrived)}
    return features[[place[name] for name in wanted if name in place]]


def zeros_for_missing(arrived, features, wanted):
    place = {name: i for i, name in enumerate(arrived)}
    return np.array([features[place[n]] if n in place else np.zeros(2) for n in wanted])


def without_name(arrived, features, wanted):
    if {*wanted} - {*arrived}:
        raise KeyError("missing")
    return by_dictionary(arrived, features, wanted)


def sorted_rows(arrived, features, wanted):
    order = np.argsort(arrived)
    return features[order][: len(wanted)]


def by_set(identifiers, files):
    there = {name for names in files for name in names}
    return [name for name in identifiers if name not in there]


def by_keys(identifiers, files):
    left = dict.fromkeys(identifiers)
    for names in files:
        for name in names:
            left.pop(name, None)
    return list(left)


def by_numpy(identifiers, files):
    there = [name for names in files for name in names]
    return np.array(identifiers)[~np.isin(identifiers, there)] if there else identifiers


def by_difference(identifiers, files):
    return sorted(set(identifiers).difference(*files))


def by_both(identifiers, files):
    there = {name for names in files for name in names}
    return sorted(there ^ {*identifiers})


def by_list(identifiers, files):
    there = [name for names in files for name in names]
    return [name for name in identifiers if name not in there]


def those_there(identifiers, files):
    there = {name for names in files for name in names}
    return [name for name in identifiers if name in there]


class Once:
    def __init__(self, build):
        self.network = build()

    def __call__(self, batch):
        return self.network(batch)


class WhenNeeded:
    """Built at the first batch, kept for the others."""

    def __init__(self, build):
        self.build, self.network = build, None

    def __call__(self, batch):
        if self.network is None:
            self.network = self.build()
        return self.network(batch)


class EveryTime:
    def __init__(self, build):
        self.build = build

    def __call__(self, batch):
        return self.build()(batch)


class Both(Once):
    def __init__(self, build):
        super().__init__(build)
        self.build = build

    def __call__(self, batch):
        return self.build()(batch)


class Shared:
    network = None

    def __init__(self, build):
        if Shared.network is None:
            Shared.network = build()

    def __call__(self, batch):
        return Shared.network(batch)


class Forgets(Once):
    def __call__(self, batch):
        return batch


RIGHT = {
    "22-2": [by_dictionary, by_pairs, in_a_loop],
    "22-3": [by_set, by_keys, by_numpy],
    "22-4": [(1.25, 0.4, 15.36), (3e6 * 0.012 / 3600 / 8, 10 * 0.04, 3e6 * 5120 / 1e9)],
    "22-1": [Once, WhenNeeded],
}
WRONG = {
    "22-2": [
        (lambda arrived, features, wanted: features[: len(wanted)], "as they arrived"),
        (lambda arrived, features, wanted: features, "does not come along"),
        (lambda arrived, features, wanted: features[np.isin(arrived, wanted)], "(4, 2)"),
        (sorted_rows, "should be 1, 3, 2, 5"),
        (left_out, "it answers"),
        (zeros_for_missing, "it answers"),
        (without_name, "does not say which"),
        (lambda arrived, features, wanted: ..., "waits"),
    ],
    "22-3": [
        (by_difference, "in another order"),
        (by_both, "'old'"),
        (those_there, "those that are there"),
        (by_list, "more than a second"),
        (lambda identifiers, files: identifiers, "it leaves"),
        (lambda identifiers, files: by_set(identifiers, files[:1]), "it leaves"),
        (lambda identifiers, files: ..., "waits"),
    ],
    "22-4": [
        ((10, 0.4, 15.36), "on one core"),
        ((1250, 0.4, 15.36), "milliseconds"),
        ((1.25, 0.05, 15.36), "all eight cores are paid"),
        ((1.25, 3.2, 15.36), "an eighth of the time"),
        ((1.25, 0.4, 14.305), "10⁹ bytes"),
        ((1.25, 0.4, 15_360), "megabytes"),
        ((2, 0.4, 15.36), "The hours: 2"),
        ((1.25, ..., ...), "waits"),
    ],
    "22-1": [
        (EveryTime, "Three batches, three networks"),
        (Both, "4 networks"),
        (Shared, "A second object"),
        (Forgets, "have changed"),
        (lambda build: lambda batch: ..., "waits"),
    ],
}
