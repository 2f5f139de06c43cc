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
from utils import backbones, datasets, features
from utils.base import cache, pictures
from utils.base.folders import ROOT, remove_stale_partials, whole_file
from utils.base.framework import keras, layers
from utils.running import openvino

pytestmark = pytest.mark.check


def test_every_picture_in_file_order_the_tail_included(pets, toy):
    found = features.extract(toy, pets.train, batch_size=4)  # 14 pictures: a tail of 2
    expected = toy(pets.train.pixels(32).astype("float32"))
    assert found.values.shape == (14, 2, 2, 4)
    assert found.values.dtype == np.float32
    np.testing.assert_allclose(found.values, expected, rtol=1e-4, atol=1e-5)
    assert np.array_equal(found.labels, pets.train.labels)
    assert found.paths == pets.train.paths


@pytest.mark.parametrize("batch_size", [1, 14, 100])
def test_the_batch_size_does_not_matter(pets, toy, batch_size):
    found = features.extract(toy, pets.train, batch_size)
    np.testing.assert_allclose(
        found.values, toy(pets.train.pixels(32).astype("float32")), atol=1e-4
    )


def test_all_splits_are_extracted_and_only_train_is_ever_changed(pets, toy):
    change = features.Change(keras.Sequential([layers.RandomFlip("horizontal", seed=1)]))
    for split in pets.splits:
        assert len(features.extract(toy, split).values) == len(split)
    for split in (pets.validation, pets.test):
        with pytest.raises(ValueError, match=f"the {split.name} split is never augmented"):
            features.extract(toy, split, change=change)


def test_a_change_begins_with_seed_zero_and_batches_of_32(pets, toy):
    flip = keras.Sequential([layers.RandomFlip("horizontal", seed=1)])
    assert not features.extract(toy, pets.train, change=features.Change(flip)).from_cache
    again = features.Change(flip).start(0)
    assert features.extract(toy, pets.train, 32, change=again).from_cache


def test_five_hundred_seeds_begin_differently():
    flip = keras.Sequential([layers.RandomFlip("horizontal", seed=1)])
    change, state = features.Change(flip), flip.layers[0].generator.state
    begun = {tuple(change.start(seed) and state.numpy()) for seed in range(500)}
    assert len(begun) == 500


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


def test_the_key_does_not_change_with_names_time_or_what_may_learn(pets):
    first = backbones.build("inception_v3", 96, weights=None)
    again = backbones.build("inception_v3", 96, weights=None)  # other automatic layer names
    again.set_weights(first.get_weights())
    assert [a.name for a in first.layers] != [b.name for b in again.layers]
    again.trainable = False
    assert features.cache_key(first, pets.train) == features.cache_key(again, pets.train)


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
from utils import backbones, datasets, features
from utils.base import pictures
from utils.running import openvino
def slowed(function):
    def slow(*args):
        time.sleep(0.1)
        return function(*args)
    return slow
if sys.argv[2] == "pixels":
    pictures.read = slowed(pictures.read)
else:
    openvino.Runner.__call__ = slowed(openvino.Runner.__call__)
data = datasets.load(sys.argv[1])
features.extract(backbones.build("efficientnet_lite0", 32), data.train, batch_size=2)
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
    assert remove_stale_partials(folder) == 1
    assert sorted(p.suffix for p in folder.iterdir()) == [".npy", ".sha256"]


def test_a_file_that_is_being_written_is_not_removed(tmp_path):
    (tmp_path / ".young.partial").touch()
    (tmp_path / ".old folder.partial" / "inside").mkdir(parents=True)
    os.utime(tmp_path / ".old folder.partial", (0, 0))
    (tmp_path / ".old.partial.ipynb").touch()
    os.utime(tmp_path / ".old.partial.ipynb", (0, 0))
    assert remove_stale_partials(tmp_path) == 2
    assert [p.name for p in tmp_path.iterdir()] == [".young.partial"]
    assert remove_stale_partials(tmp_path / "missing") == 0


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
from utils import backbones, datasets, features
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
    monkeypatch.setattr(openvino.tf, "function", None)  # the base must not even be prepared
    with pytest.raises(OSError, match="MB free, but the features need 0 MB: make room"):
        features.extract(toy, pets.train)
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
    with pytest.raises(ValueError, match="toy says numbers beyond float16: keep float32"):
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
    turned = pets.train.take(np.arange(14)[::-1])
    assert np.array_equal(turned.stored_pixels(32), pets.train.pixels(32)[::-1])


@pytest.mark.parametrize("size", [1, 4, 14, 100])
def test_pieces_are_the_whole_on_disk_or_not(pets, size):
    for values in (pets.train.pixels(32), pets.train.stored_pixels(32)):
        assert np.array_equal(np.concatenate(list(cache.pieces(values, size))), values)
