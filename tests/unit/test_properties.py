"""What holds for all inputs, tried on many that Hypothesis invents; it finds the awkward ones."""

import hashlib
import math
import uuid
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from utils import datasets, features, plots, statistics
from utils.sources import drawn_pets
from utils.sources.folder import SHARES, Row, assign_splits, of_one_class

pytestmark = pytest.mark.check
# Fixtures are only read here, and TensorFlow's first call takes longer than any deadline.
QUIET = settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

# -- splits: by content, in every class, whatever the names and the order

contents = st.lists(st.binary(min_size=1, max_size=8), min_size=3, max_size=60, unique=True)


def rows_of(cats, dogs):
    """What is known of files before they are split."""
    return [
        Row("", class_name, Path(f"{number}.png"), hashlib.sha256(content).hexdigest())
        for class_name, members in (("cat", cats), ("dog", dogs))
        for number, content in enumerate(members)
    ]


def assigned(rows, folder="a folder"):
    return {row.digest: row.split for row in assign_splits(folder, rows)}


@QUIET
@given(cats=contents, dogs=contents, rng=st.randoms())
def test_splits_are_stratified_and_do_not_depend_on_order_or_names(home, cats, dogs, rng):
    dogs = [b"dog" + content for content in dogs]
    rows, mixed = rows_of(cats, dogs), rows_of(cats, dogs)
    rng.shuffle(mixed)
    mixed = [row._replace(path=Path(f"{i}.jpg")) for i, row in enumerate(mixed)]
    splits = assigned(rows, str(uuid.uuid4()))
    assert splits == assigned(mixed, str(uuid.uuid4()))
    for class_name, members in (("cat", cats), ("dog", dogs)):
        digests = {row[3] for row in rows if row[1] == class_name}
        for split, share in SHARES.items():
            count = sum(splits[digest] == split for digest in digests)
            assert abs(count - share * len(members)) < 1.5


@QUIET
@given(cats=contents, more=contents)
def test_pictures_stay_where_they_were_when_others_come(home, cats, more):
    folder = str(uuid.uuid4())
    first = assigned(rows_of(cats, [b"a dog"]), folder)
    both = assigned(rows_of(cats + [b"new " + content for content in more], [b"a dog"]), folder)
    assert {digest: both[digest] for digest in first} == first


@QUIET
@given(cats=contents, shared=st.integers(0, 3))
def test_what_stands_in_two_classes_is_kept_in_none(cats, shared):
    rows, odd = rows_of(cats + cats[:1], [b"a dog", *cats[:shared]]), []
    kept = of_one_class(rows, odd)
    twice = {hashlib.sha256(content).hexdigest() for content in cats[:shared]}
    assert kept == [row for row in rows if row.digest not in twice]
    assert len(odd) == len(rows) - len(kept)


# -- the cache key

texts = st.text("0123456789abcdef", min_size=4, max_size=4)


def split_of(digests, labels=None, names="a"):
    paths = tuple(Path(f"{names}{i}.png") for i in range(len(digests)))
    labels = np.zeros(len(digests), "int32") if labels is None else labels
    return datasets.Split("train", ("cat", "dog"), paths, labels, tuple(digests))


@QUIET
@given(
    digests=st.lists(texts, min_size=1, max_size=6), others=st.lists(texts, min_size=1, max_size=6)
)
def test_the_key_is_that_of_the_pictures_in_their_order(toy, digests, others):
    keys = [features.cache_key(toy, split_of(d)) for d in (digests, others)]
    assert (keys[0] == keys[1]) == (digests == others)
    renamed = split_of(digests, np.ones(len(digests), "int32"), "another name ")
    assert features.cache_key(toy, renamed) == keys[0]


@QUIET
@given(
    which=st.integers(0, 100), place=st.integers(0, 10**6), change=st.sampled_from([1e-3, -1, 1e9])
)
def test_any_weight_changes_the_key_and_back(toy, which, place, change):
    split = split_of(["a"])
    before, weights = features.cache_key(toy, split), toy.get_weights()
    changed = [w.copy() for w in weights]
    array = changed[which % len(changed)]
    array.flat[place % array.size] += change
    toy.set_weights(changed)
    assert features.cache_key(toy, split) != before
    toy.set_weights(weights)
    assert features.cache_key(toy, split) == before


@QUIET
@given(first=st.tuples(texts, st.integers()), second=st.tuples(texts, st.integers()))
def test_how_it_is_computed_changes_the_key(toy, first, second):
    keys = [features.cache_key(toy, split_of(["a"]), how) for how in (first, second)]
    assert (keys[0] == keys[1]) == (first == second)


# -- drawn pets


@QUIET
@given(
    seed=st.integers(0, 2**32),
    index=st.integers(0, 10**6),
    class_name=st.sampled_from(drawn_pets.CLASS_NAMES),
    size=st.integers(16, 48),
)
def test_a_drawing_depends_on_its_arguments_alone(seed, index, class_name, size):
    np.random.seed(index % 1000)  # whatever was drawn before
    first = drawn_pets.draw(seed, index, class_name, size)
    drawn_pets.draw(seed + 1, index, class_name, size)
    again = drawn_pets.draw(seed, index, class_name, size)
    assert first.tobytes() == again.tobytes()
    assert first.size == (size, size) and first.mode == "RGB"
    assert drawn_pets.draw(seed, index + 1, class_name, size).tobytes() != first.tobytes()


# -- intervals and smoothing


@given(n=st.integers(1, 10**6), share=st.floats(0, 1))
def test_an_interval_holds_its_accuracy_and_shrinks_with_n(n, share):
    accuracy = round(share * n) / n
    low, high = statistics.interval(accuracy, n)
    assert 0 <= low <= accuracy <= high <= 1
    more = statistics.interval(accuracy, 4 * n)
    assert more[1] - more[0] < high - low
    mirrored = statistics.interval(1 - accuracy, n)
    assert mirrored[0] == pytest.approx(1 - high) and mirrored[1] == pytest.approx(1 - low)


values = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50)


@given(values=values, factor=st.floats(0, 0.99))
def test_a_smoothed_curve_stays_within_its_values_and_looks_back_only(values, factor):
    smoothed = plots.smooth(values, factor)
    slack = 1e-9 * max(1, *map(abs, values))
    assert len(smoothed) == len(values)
    assert all(min(values) - slack <= value <= max(values) + slack for value in smoothed)
    assert plots.smooth([*values, 5.0], factor)[:-1] == smoothed
    assert plots.smooth(values, 0.0) == pytest.approx(values)
    constant = plots.smooth([values[0]] * 5, factor)
    assert all(math.isclose(value, values[0], abs_tol=slack) for value in constant)
