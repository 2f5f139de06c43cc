import numpy as np
import pytest

from utils import features, models, views
from utils.base.framework import keras, layers

pytestmark = pytest.mark.check


@pytest.fixture
def augmentation():
    keras.utils.set_random_seed(3)
    return keras.Sequential(
        [layers.RandomFlip("horizontal"), layers.RandomRotation(0.1), layers.RandomShear(0.2, 0.2)]
    )


@pytest.fixture
def nothing():
    """A base that says what it sees."""
    return keras.Sequential([keras.Input((32, 32, 3)), layers.Identity()])


def test_the_first_view_is_plain_and_the_others_differ(pets, nothing, augmentation):
    found = views.extract(nothing, pets.train, augmentation, 3, seed=1, dtype="float32")
    plain = pets.train.pixels(32).astype("float32")
    assert np.array_equal(found.values[0], plain)
    assert np.array_equal(found.labels, pets.train.labels)
    for a, b in ((0, 1), (0, 2), (1, 2)):
        changed = np.abs(found.values[a] - found.values[b]).max(axis=(1, 2, 3)) > 1
        assert changed.mean() > 0.9  # nearly every picture


def test_a_view_is_what_the_base_says_of_the_augmented_picture(pets, toy, nothing, augmentation):
    pixels = views.extract(nothing, pets.train, augmentation, 2, seed=1, dtype="float32")
    said = views.extract(toy, pets.train, augmentation, 2, seed=1, dtype="float32")
    np.testing.assert_allclose(said.values[1], toy(pixels.values[1]), atol=1e-4)


def test_the_same_seed_gives_the_same_views_and_another_does_not(
    pets, nothing, augmentation, monkeypatch, tmp_path
):
    first = views.extract(nothing, pets.train, augmentation, 2, seed=1)
    augmentation(pets.train.pixels(32)[:2], training=True)  # its generators have moved on
    monkeypatch.setenv("COURSE_CACHE_DIR", str(tmp_path / "another"))
    again = views.extract(nothing, pets.train, augmentation, 2, seed=1)
    other = views.extract(nothing, pets.train, augmentation, 2, seed=2)
    assert not again.from_cache
    assert np.array_equal(first.values[1], again.values[1])
    assert not np.array_equal(first.values[1], other.values[1])


def test_what_was_drawn_before_does_not_change_a_view(pets, nothing, augmentation, noise):
    change = features.Change(augmentation).start(5)
    change(noise[0])  # somebody looked at an example
    first = features.extract(nothing, pets.train, change=change).values
    expected = np.array(change.start(5)(pets.train.pixels(32).astype("float32")))
    assert np.array_equal(first, expected)


def test_an_augmentation_is_known_again_built_or_not_and_under_other_names(noise):
    made = [
        keras.Sequential([layers.RandomFlip("horizontal"), layers.RandomRotation(0.1)])
        for _ in range(2)
    ]
    before = features.Change(made[0]).digest
    made[0](noise[0], training=True)
    assert features.Change(made[0]).digest == before == features.Change(made[1]).digest
    other = keras.Sequential([layers.RandomFlip("horizontal"), layers.RandomRotation(0.2)])
    assert features.Change(other).digest != before


def test_more_views_later_compute_only_what_is_missing(pets, toy, augmentation, home):
    views.extract(toy, pets.train, augmentation, 2, seed=1)
    kept = {p: p.stat().st_mtime_ns for p in (home / "cache" / "features").glob("*.npy")}
    more = views.extract(toy, pets.train, augmentation, 4, seed=1)
    assert not more.from_cache and len(more.values) == 4
    assert {p: p.stat().st_mtime_ns for p in kept} == kept and len(kept) == 2
    assert views.extract(toy, pets.train, augmentation, 4, seed=1).from_cache


def test_another_augmentation_is_another_view(pets, toy, augmentation):
    views.extract(toy, pets.train, augmentation, 2, seed=1)
    other = keras.Sequential([layers.RandomFlip("vertical")])
    assert not views.extract(toy, pets.train, other, 2, seed=1).from_cache


@pytest.mark.parametrize("name", ["validation", "test"])
def test_only_train_is_ever_augmented(pets, toy, augmentation, name):
    with pytest.raises(ValueError, match=f"the {name} split is never augmented"):
        views.extract(toy, getattr(pets, name), augmentation, 2, seed=1)


def test_fewer_than_one_view_is_refused(pets, toy, augmentation):
    with pytest.raises(ValueError, match="at least one view of each picture, not 0"):
        views.extract(toy, pets.train, augmentation, 0, seed=1)


@pytest.fixture
def numbered():
    """Ten pictures with three views; a value says which picture and which view it is."""
    values = tuple(np.arange(10, dtype="float16")[:, None] + 100 * view for view in range(3))
    return views.Views(values, np.arange(10, dtype="int32"), False)


def epochs_of(numbered, count, seed=1, batch_size=4):
    batches = views.epochs(numbered, batch_size, seed)
    rounds = [list(batches.as_numpy_iterator()) for _ in range(count)]
    return [[np.concatenate(part) for part in zip(*one, strict=True)] for one in rounds]


def test_an_epoch_shows_every_picture_once_with_its_label(numbered):
    for values, labels in epochs_of(numbered, 2):
        assert values.dtype == np.float32 and labels.dtype == np.int32
        assert sorted(labels) == list(range(10))
        assert np.array_equal(values[:, 0] % 100, labels)


def test_a_picture_shows_all_its_views_before_one_comes_again(numbered):
    shown = {picture: [] for picture in range(10)}
    for values, labels in epochs_of(numbered, 6):
        for value, picture in zip(values[:, 0], labels, strict=True):
            shown[picture].append(int(value) // 100)
    assert all(sorted(one[:3]) == sorted(one[3:]) == [0, 1, 2] for one in shown.values())
    assert len({tuple(one) for one in shown.values()}) > 3  # each in an order of its own


def test_orders_are_new_every_epoch_and_the_same_for_the_same_seed(numbered):
    first, again, other = (epochs_of(numbered, 2, seed) for seed in (1, 1, 2))
    assert not np.array_equal(first[0][1], first[1][1])
    assert all(np.array_equal(a[1], b[1]) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0][1], other[0][1])


def test_the_tail_is_there_and_fit_knows_how_many_batches(numbered):
    batches = views.epochs(numbered, 4, 1)
    assert len(batches) == 3
    assert [len(labels) for _, labels in batches.as_numpy_iterator()] == [4, 4, 2]


def test_fit_goes_on_where_the_last_one_stopped(pets, toy, augmentation):
    """Two fits of one epoch are one fit of two."""
    found = views.extract(toy, pets.train, augmentation, 3, seed=1)
    histories = []
    for rounds in ((2,), (1, 1)):
        keras.utils.set_random_seed(1)
        head = models.head(toy.output_shape[1:], 2, 8, dropout=0.0)
        head.compile("sgd", models.loss_for(2))
        batches = views.epochs(found, 4, 1)
        fits = [head.fit(batches, epochs=n, verbose=0).history["loss"] for n in rounds]
        histories.append([loss for fit in fits for loss in fit])
    assert histories[0] == histories[1]


def test_a_change_can_be_had_again(noise, augmentation):
    change = features.Change(augmentation)
    first, second = change.start(5)(noise[0]), change(noise[0])
    assert np.array_equal(change.start(5)(noise[0]), first)
    assert not np.array_equal(second, first)
    assert change.seed == 5
