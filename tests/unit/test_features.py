import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import psutil
import pytest

from tests.conftest import write_classes
from utils import backbones, datasets, features, models
from utils.base import cache, pictures
from utils.base.folders import ROOT, remove_stale_partials, whole_file
from utils.base.framework import keras, layers

pytestmark = pytest.mark.check


def test_every_picture_in_file_order_the_tail_included(pets, toy):
    found = features.extract(toy, pets.train, batch_size=4)  # 14 pictures: a tail of 2
    expected = toy(pets.train.pixels(32).astype("float32"))
    assert found.values.shape == (14, 2, 2, 4)
    assert found.values.dtype == np.float32
    np.testing.assert_allclose(found.values, expected, rtol=1e-4, atol=1e-5)
    assert np.array_equal(found.labels, pets.train.labels)


@pytest.mark.parametrize("batch_size", [1, 14, 100])
def test_the_batch_size_does_not_matter(pets, toy, batch_size):
    found = features.extract(toy, pets.train, batch_size)
    np.testing.assert_allclose(
        found.values, toy(pets.train.pixels(32).astype("float32")), atol=1e-4
    )


def test_all_splits_are_extracted_and_only_train_is_ever_augmented(pets, toy, augmentation):
    for split in pets.splits:
        assert len(features.extract(toy, split).values) == len(split)
    for split in (pets.validation, pets.test):
        with pytest.raises(ValueError, match=f"the {split.name} split is never augmented"):
            features.extract(toy, split, augmentation=augmentation)
        with pytest.raises(ValueError, match=f"the {split.name} split is never augmented"):
            features.views(toy, split, augmentation, 2, seed=1)


def test_the_digest_does_not_depend_on_the_order_of_a_description(toy, monkeypatch):
    before, config = features.model_digest(toy), toy.get_config()
    monkeypatch.setattr(toy, "get_config", lambda: dict(reversed(config.items())))
    assert features.model_digest(toy) == before


def test_the_largest_number_of_half_precision_is_kept(pets):
    base = keras.Sequential([keras.Input((32, 32, 3)), layers.Rescaling(0.0, 65504.0)])
    assert features.extract(base, pets.train, dtype="float16").values.max() == 65504


def test_the_second_time_nothing_runs(pets, toy):
    first = features.extract(toy, pets.train)
    second = features.extract(toy, pets.train)
    assert (first.from_cache, second.from_cache) == (False, True)
    assert np.array_equal(first.values, second.values)


@pytest.fixture
def augmentation():
    return augmented()


def augmented(rotation=0.1):
    steps = [layers.RandomFlip("horizontal"), layers.RandomRotation(rotation)]
    return keras.Sequential([*steps, layers.RandomShear(0.2, 0.2)])


def change_a_weight(toy, split):
    kernel, bias = toy.get_layer("block2_conv").get_weights()
    kernel[0, 0, 0, 0] += 1e-3
    toy.get_layer("block2_conv").set_weights([kernel, bias])
    return toy, split


def change_a_statistic(toy, split):
    toy.get_layer("block2_bn").moving_mean.assign([1e-3, 0, 0, 0])
    return toy, split


def change_a_picture(toy, split):
    path = split.paths[3]
    path.write_bytes(path.with_name(f"{path.parent.name} 9.png").read_bytes())
    folder = path.parents[1]
    changed = datasets.load(folder)
    everything = {p: d for s in changed.splits for p, d in zip(s.paths, s.digests, strict=True)}
    return toy, replace(split, digests=tuple(everything[p] for p in split.paths))


def change_the_order(toy, split):
    return toy, replace(split, digests=split.digests[::-1], paths=split.paths[::-1])


def leave_one_out(toy, split):
    return toy, replace(
        split, digests=split.digests[1:], paths=split.paths[1:], labels=split.labels[1:]
    )


def cut_lower(toy, split):
    from utils.base.framework import keras

    return keras.Model(toy.input, toy.get_layer("block1_relu").output, name="toy"), split


CHANGES = [change_a_weight, change_a_statistic, change_a_picture]
CHANGES += [change_the_order, leave_one_out, cut_lower]


@pytest.mark.parametrize("change", CHANGES)
def test_what_changes_is_computed_anew(pets, toy, change):
    before = features.cache_key(toy, pets.train)
    features.extract(toy, pets.train)
    changed_toy, changed_split = change(toy, pets.train)
    assert features.cache_key(changed_toy, changed_split) != before
    assert not features.extract(changed_toy, changed_split).from_cache


def test_preprocessing_and_size_change_the_key(pets):
    builds = [(32, "own"), (32, "unit"), (64, "own")]
    bases = [backbones.build("efficientnet_lite0", size, how) for size, how in builds]
    keys = {features.cache_key(base, pets.train) for base in bases}
    assert len(keys) == 3


def test_the_key_does_not_change_with_names_compiling_or_what_may_learn(pets, toy):
    """Automatic names of layers and of slicing, also inside a nested model."""
    first = backbones.build("vgg16", 32, weights=None)
    again = backbones.build("vgg16", 32, weights=None)
    again.set_weights(first.get_weights())
    names = [[operation.name for operation in base.operations] for base in (first, again)]
    assert names[0] != names[1]
    again.trainable = False
    again.compile("sgd", "mse")
    assert features.cache_key(first, pets.train) == features.cache_key(again, pets.train)
    head = models.head(toy.output_shape[1:], 2)
    nested = [models.attach(toy, head), models.attach(keras.models.clone_model(toy), head)]
    nested[1].set_weights(nested[0].get_weights())
    digests = {features.model_digest(model) for model in nested}
    nested[1].layers[1].layers[-1].negative_slope = 0.5  # deep inside
    assert len(digests) == 1 and features.model_digest(nested[1]) not in digests


def test_the_key_is_the_same_in_another_process(pets):
    """Hash seeds and module state of a process must not leak into the key."""
    script = (
        "from utils import backbones, features\n"
        "print(features.model_digest(backbones.build('efficientnet_lite0', 32)))"
    )
    here = features.model_digest(backbones.build("efficientnet_lite0", 32))
    out = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert out.stdout.strip() == here


def spoil_middle(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    "spoil",
    [
        spoil_middle,
        lambda p: p.write_bytes(p.read_bytes()[:-10]),
        lambda p: p.write_bytes(b""),
        lambda p: p.with_suffix(".sha256").write_text("0" * 64),
    ],
)
def test_a_damaged_cache_is_noticed_and_mended(pets, toy, home, spoil, capsys):
    good = np.array(features.extract(toy, pets.train).values)
    (path,) = (home / "cache" / "features").glob("*.npy")
    spoil(path)
    again = features.extract(toy, pets.train)
    assert not again.from_cache
    assert np.array_equal(again.values, good)
    assert "damaged" in capsys.readouterr().out
    assert features.extract(toy, pets.train).from_cache


SLOW = """
import sys, time
from utils import backbones, datasets, features, models
from utils.base import pictures
def slowed(function):
    def slow(*args):
        time.sleep(0.1)
        return function(*args)
    return slow
base = backbones.build("efficientnet_lite0", 32)
run = lambda images: base(images, training=False).numpy()
if sys.argv[2] == "pixels":
    pictures.read = slowed(pictures.read)
else:
    run = slowed(run)
run.name = "tensorflow"
data = datasets.load(sys.argv[1])
features.extract(base, data.train, batch_size=2, run=run)
"""


@pytest.mark.parametrize("kind", ["pixels", "features"])
def test_killed_half_way_the_next_run_is_right(home, pets_folder, lite, kind):
    command = [sys.executable, "-c", SLOW, str(pets_folder), kind]
    process = subprocess.Popen(command, cwd=ROOT)
    folder = home / "cache" / kind
    deadline = time.monotonic() + 120
    while not (folder.exists() and list(folder.glob(".*.partial"))):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not list(folder.glob("*.npy"))
    data = datasets.load(pets_folder)
    found = features.extract(lite, data.train)
    np.testing.assert_allclose(
        found.values, lite(data.train.pixels(32).astype("float32")), atol=1e-3
    )
    (left,) = folder.glob(".*.partial")
    os.utime(left, (0, 0))
    remove_stale_partials(folder)
    assert sorted(p.suffix for p in folder.iterdir()) == [".npy", ".sha256"]


def test_a_file_that_is_being_written_is_not_removed(tmp_path):
    (tmp_path / ".young.partial").touch()
    (tmp_path / ".old folder.partial" / "inside").mkdir(parents=True)
    os.utime(tmp_path / ".old folder.partial", (0, 0))
    (tmp_path / ".old.partial.ipynb").touch()
    os.utime(tmp_path / ".old.partial.ipynb", (0, 0))
    remove_stale_partials(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == [".young.partial"]
    remove_stale_partials(tmp_path / "missing")


def test_memory_does_not_grow_with_the_number_of_pictures(home, tmp_path, toy):
    few = datasets.load(write_classes(tmp_path / "few", 20)).train
    features.extract(toy, few)
    process = psutil.Process()
    labels = np.tile(few.labels, 60)
    many = replace(few, paths=few.paths * 60, labels=labels, digests=few.digests * 60)
    before = process.memory_info().rss
    features.extract(toy, many)
    grown = process.memory_info().rss - before
    assert len(many) * 32 * 32 * 3 * 4 > 20e6  # what keeping the pictures would have taken
    assert grown < 15e6


FULL = """
import resource, sys
from utils import backbones, datasets, features, models
data = datasets.load(sys.argv[1])
base = backbones.build("efficientnet_lite0", 64)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))  # a file can grow no further
try:
    features.extract(base, data.train, batch_size=2)
except OSError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of a file")
def test_when_nothing_more_can_be_written_it_says_so_and_leaves_nothing(home, pets_folder):
    command = [sys.executable, "-c", FULL, str(pets_folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert re.search(r"could not write .*File too large.*MB free.*make room", done.stdout)
    assert left_in(home / "cache") == []


def left_in(cache):
    return [p for kind in ("features", "pixels") for p in (cache / kind).glob("*")]


def test_too_little_room_is_said_before_the_long_run(pets, toy, home, monkeypatch):
    monkeypatch.setattr(cache.shutil, "disk_usage", lambda _: SimpleNamespace(free=500))

    def run(images):
        raise AssertionError("the base must not run")

    run.name = "never"
    with pytest.raises(OSError, match="MB free, but the features need 0 MB: make room"):
        features.extract(toy, pets.train, run=run)
    assert left_in(home / "cache") == []


def test_an_error_while_writing_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(KeyError), whole_file(path) as partial:
        partial.write_text("half")
        raise KeyError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_cache_that_cannot_be_written_is_replaced_for_now(pets, toy, home, monkeypatch, capsys):
    blocked = home / "a file where a folder should be"
    blocked.write_text("")
    monkeypatch.setenv("COURSE_CACHE_DIR", str(blocked))
    found = features.extract(toy, pets.train)
    assert len(found.values) == 14
    assert "cannot be written" in capsys.readouterr().out


def test_a_picture_that_broke_since_is_named(pets, toy):
    pets.train.paths[5].write_text("broken")
    with pytest.raises(pictures.PictureError, match=pets.train.paths[5].name):
        features.extract(toy, pets.train)


def test_half_precision_takes_half_the_room_and_its_own_place(pets, toy):
    whole = features.extract(toy, pets.train).values
    half = features.extract(toy, pets.train, dtype="float16").values
    assert (whole.dtype, half.dtype) == (np.float32, np.float16)
    np.testing.assert_allclose(half, whole, rtol=1e-3, atol=1e-5)


def test_numbers_beyond_half_precision_are_refused_and_nothing_is_kept(pets, toy, home):
    kernel, bias = toy.get_layer("block2_conv").get_weights()
    toy.get_layer("block2_conv").set_weights([kernel, bias + 1e6])
    with pytest.raises(ValueError, match="toy gives values beyond float16: keep float32"):
        features.extract(toy, pets.train, dtype="float16")
    assert list((home / "cache" / "features").iterdir()) == []


def test_changing_what_was_read_does_not_change_the_file(pets, toy):
    first = features.extract(toy, pets.train)
    kept = np.array(first.values)
    first.values[:] = 0
    assert np.array_equal(features.extract(toy, pets.train).values, kept)


def test_pictures_are_decoded_once(pets, toy, monkeypatch):
    features.extract(toy, pets.train)
    monkeypatch.setattr(pictures, "read", None)
    features.extract(toy, pets.train, dtype="float16")
    list(pets.train.batches(32))


def test_stored_pixels_are_the_pixels_and_follow_size_and_content(pets):
    assert np.array_equal(pets.train.stored_pixels(32), pets.train.pixels(32))
    assert pets.train.stored_pixels(16).shape == (14, 16, 16, 3)
    turned = pets.train.select(np.arange(14)[::-1])
    assert np.array_equal(turned.stored_pixels(32), pets.train.pixels(32)[::-1])


@pytest.mark.parametrize("size", [1, 4, 14, 100])
def test_pieces_are_the_whole_on_disk_or_not(pets, size):
    for values in (pets.train.pixels(32), pets.train.stored_pixels(32)):
        assert np.array_equal(np.concatenate(list(cache.pieces(values, size))), values)


# -- another program that runs the base


def doubled(base, name):
    def run(images):
        return 2 * base(images).numpy()

    run.name = name
    return run


def test_what_another_program_says_is_kept_under_its_name(pets, toy):
    plain = features.extract(toy, pets.train).values
    other = features.extract(toy, pets.train, run=doubled(toy, "double"))
    assert not other.from_cache
    np.testing.assert_allclose(other.values, 2 * plain, atol=1e-4)
    assert features.extract(toy, pets.train, run=doubled(toy, "double")).from_cache
    assert not features.extract(toy, pets.train, run=doubled(toy, "another")).from_cache
    assert np.array_equal(features.extract(toy, pets.train).values, plain)


def test_views_run_on_it_too(pets, toy, augmentation):
    plain = features.views(toy, pets.train, augmentation, 2, 1, dtype="float32").values
    run = doubled(toy, "double")
    other = features.views(toy, pets.train, augmentation, 2, 1, dtype="float32", run=run).values
    np.testing.assert_allclose(other[1], 2 * plain[1], atol=1e-4)


# -- views


@pytest.fixture
def nothing():
    """A base that says what it sees."""
    return keras.Sequential([keras.Input((32, 32, 3)), layers.Identity()])


def test_the_first_view_is_plain_and_the_others_differ(pets, nothing, augmentation):
    found = features.views(nothing, pets.train, augmentation, 3, seed=1, dtype="float32")
    plain = pets.train.pixels(32).astype("float32")
    assert np.array_equal(found.values[0], plain)
    assert np.array_equal(found.labels, pets.train.labels)
    for a, b in ((0, 1), (0, 2), (1, 2)):
        changed = np.abs(found.values[a] - found.values[b]).max(axis=(1, 2, 3)) > 1
        assert changed.mean() > 0.9  # nearly every picture


def test_a_view_is_what_the_base_says_of_the_augmented_picture(pets, toy, nothing, augmentation):
    pixels = features.views(nothing, pets.train, augmentation, 2, seed=1, dtype="float32")
    said = features.views(toy, pets.train, augmentation, 2, seed=1, dtype="float32")
    np.testing.assert_allclose(said.values[1], toy(pixels.values[1]), atol=1e-4)


def test_the_same_seed_gives_the_same_views_and_another_does_not(
    pets, nothing, augmentation, monkeypatch, tmp_path
):
    first = features.views(nothing, pets.train, augmentation, 2, seed=1)
    augmentation(pets.train.pixels(32)[:2], training=True)  # its generators have moved on
    monkeypatch.setenv("COURSE_CACHE_DIR", str(tmp_path / "another"))
    again = features.views(nothing, pets.train, augmentation, 2, seed=1)
    other = features.views(nothing, pets.train, augmentation, 2, seed=2)
    assert not again.from_cache
    assert np.array_equal(first.values[1], again.values[1])
    assert not np.array_equal(first.values[1], other.values[1])


def view(base, split, augmentation, seed=0, batch_size=32):
    return features.extract(base, split, batch_size, augmentation=augmentation, seed=seed)


def test_what_was_drawn_before_does_not_change_a_view_nor_a_view_what_comes(
    pets, nothing, noise, monkeypatch, tmp_path
):
    fresh, used = augmented(), augmented()
    used(noise[0], training=True)  # somebody looked at an example
    states = [v.numpy() for v in used.variables]
    first = np.array(view(nothing, pets.train, used, 5).values)
    assert all(np.array_equal(a, v.numpy()) for a, v in zip(states, used.variables, strict=True))
    monkeypatch.setenv("COURSE_CACHE_DIR", str(tmp_path / "another"))
    again = view(nothing, pets.train, fresh, 5)
    assert not again.from_cache and np.array_equal(again.values, first)


def test_every_batch_of_a_view_draws_anew(pets, nothing, augmentation):
    """One picture twice, in two batches."""
    twice = pets.train.select(np.array([0, 0]))
    found = view(nothing, twice, augmentation, 1, batch_size=1).values
    assert not np.array_equal(found[0], found[1])


def test_two_hundred_seeds_begin_differently(pets, nothing, augmentation):
    """The numbers that layers begin with, as a layer that draws them gives them back."""
    noise = keras.Sequential([layers.GaussianNoise(1.0)])
    begun = {
        float(features._augment(noise, seed, 2)(np.zeros((1, 2, 2, 3), "float32")).sum())
        for seed in range(200)
    }
    assert len(begun) == 200


def test_layers_seed_and_batch_size_name_a_view_and_automatic_names_do_not(pets, toy, noise):
    assert not view(toy, pets.train, augmented()).from_cache
    used = augmented()
    used(noise[0], training=True)
    assert view(toy, pets.train, used).from_cache
    assert not view(toy, pets.train, augmented(0.2)).from_cache
    assert not view(toy, pets.train, augmented(), seed=1).from_cache
    assert not view(toy, pets.train, augmented(), batch_size=4).from_cache


def test_more_views_later_compute_only_what_is_missing(pets, toy, augmentation, home):
    features.views(toy, pets.train, augmentation, 2, seed=1)
    kept = {p: p.stat().st_mtime_ns for p in (home / "cache" / "features").glob("*.npy")}
    more = features.views(toy, pets.train, augmentation, 4, seed=1)
    assert not more.from_cache and len(more.values) == 4
    assert {p: p.stat().st_mtime_ns for p in kept} == kept and len(kept) == 2
    assert features.views(toy, pets.train, augmentation, 4, seed=1).from_cache


def test_another_augmentation_is_another_view(pets, toy, augmentation):
    features.views(toy, pets.train, augmentation, 2, seed=1)
    other = keras.Sequential([layers.RandomFlip("vertical")])
    assert not features.views(toy, pets.train, other, 2, seed=1).from_cache


def test_fewer_than_one_view_is_refused(pets, toy, augmentation):
    with pytest.raises(ValueError, match="at least one view of each picture, not 0"):
        features.views(toy, pets.train, augmentation, 0, seed=1)


@pytest.fixture
def numbered():
    """Ten pictures with three views; a value says which picture and which view it is."""
    values = tuple(np.arange(10, dtype="float16")[:, None] + 100 * view for view in range(3))
    return features.Views(values, np.arange(10, dtype="int32"), False)


def epochs_of(numbered, count, seed=1, batch_size=4):
    batches = features.epochs(numbered, batch_size, seed)
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
    batches = features.epochs(numbered, 4, 1)
    assert len(batches) == 3
    assert [len(labels) for _, labels in batches.as_numpy_iterator()] == [4, 4, 2]


def test_fit_goes_on_where_the_last_one_stopped(pets, toy, augmentation):
    """Two fits of one epoch are one fit of two."""
    found = features.views(toy, pets.train, augmentation, 3, seed=1)
    histories = []
    for rounds in ((2,), (1, 1)):
        keras.utils.set_random_seed(1)
        head = models.head(toy.output_shape[1:], 2, 8, dropout=0.0)
        head.compile("sgd", models.LOSS)
        batches = features.epochs(found, 4, 1)
        fits = [head.fit(batches, epochs=n, verbose=0).history["loss"] for n in rounds]
        histories.append([loss for fit in fits for loss in fit])
    assert histories[0] == histories[1]
