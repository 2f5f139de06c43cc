import os
import shutil
from dataclasses import replace

import numpy as np
import pytest

from tests.conftest import write_classes
from utils import datasets
from utils.base import pictures
from utils.base.framework import keras
from utils.datasets import DataSetError
from utils.sources import drawn_pets, registry

pytestmark = pytest.mark.check


def names(split):
    return {path.name for path in split.paths}


def test_class_folders_are_split_in_every_class(home, tmp_path):
    data = datasets.load(write_classes(tmp_path / "pets", 100))
    assert data.class_names == ("cat", "dog")
    for split, count in zip(data.splits, (70, 15, 15), strict=True):
        assert np.bincount(split.labels).tolist() == [count, count]


def test_the_shares_are_met_as_well_as_whole_pictures_allow(home, tmp_path):
    """With 15 pictures, and again with 17: those that came later fill up what was short."""
    for count, shares in ((15, [11, 2, 2]), (17, [12, 3, 2])):
        data = datasets.load(write_classes(tmp_path / "pets", count))
        assert [np.bincount(split.labels).tolist() for split in data.splits] == [
            [share, share] for share in shares
        ]


def test_splits_do_not_depend_on_file_names_and_survive_new_files(home, tmp_path, monkeypatch):
    first = datasets.load(write_classes(tmp_path / "pets", 20))
    before = {d: split.name for split in first.splits for d in split.digests}
    shutil.copytree(tmp_path / "pets", tmp_path / "renamed")
    for i, path in enumerate(sorted((tmp_path / "renamed").rglob("*.png"), reverse=True)):
        path.rename(path.with_name(f"{i:03d}.png"))
    renamed = datasets.load(tmp_path / "renamed")
    assert {d: split.name for split in renamed.splits for d in split.digests} == before
    write_classes(tmp_path / "pets", 10, first=20)
    grown = datasets.load(tmp_path / "pets")
    after = {d: split.name for split in grown.splits for d in split.digests}
    assert len(after) == 60
    assert {digest: after[digest] for digest in before} == before


def test_copies_of_a_picture_stay_on_one_side(home, pets_folder):
    for i, path in enumerate(sorted((pets_folder / "cat").iterdir())):
        shutil.copy(path, pets_folder / "cat" / f"copy {i}.png")
    data = datasets.load(pets_folder)
    assert sum(map(len, data.splits)) == 30
    datasets.check_disjoint(data)


def test_a_picture_in_two_classes_is_left_out_of_both_and_named(home, pets_folder):
    shutil.copy(pets_folder / "cat" / "cat 0.png", pets_folder / "dog" / "traitor.png")
    data = datasets.load(pets_folder)
    reason = "the same picture is in cat and dog"
    assert data.left_out == (f"cat/cat 0.png: {reason}", f"dog/traitor.png: {reason}")
    assert not any({"traitor.png", "cat 0.png"} & names(split) for split in data.splits)


def make_splits(folder, per_class=3):
    for i, split in enumerate(datasets.SPLITS):
        write_classes(folder / split, per_class, first=10 * i)
    return folder


def test_given_splits_are_used_as_they_are(home, tmp_path):
    data = datasets.load(make_splits(tmp_path / "pets"))
    assert [sorted(names(s))[0] for s in data.splits] == ["cat 0.png", "cat 10.png", "cat 20.png"]
    assert [p.parent.name for p in data.train.paths] == ["cat"] * 3 + ["dog"] * 3


def test_a_picture_in_two_given_splits_is_refused_and_both_files_are_named(home, tmp_path):
    folder = make_splits(tmp_path / "pets")
    for copy in ("test/cat/a copy.png", "validation/cat/another.png"):
        shutil.copy(folder / "train" / "cat" / "cat 1.png", folder / copy)
    with pytest.raises(DataSetError) as caught:
        datasets.load(folder)
    assert str(caught.value) == (
        f"{folder}: train/cat/cat 1.png of train and validation/cat/another.png of validation are "
        "the same picture (one of 2 such pairs): take one of the two away, for nothing can be "
        "judged on a picture that it was trained with"
    )
    (folder / "validation" / "cat" / "another.png").unlink()
    with pytest.raises(DataSetError, match=r"test/cat/a copy\.png of test are the same picture: "):
        datasets.load(folder, per_class=1)  # also of pictures that are then not used
    (folder / "test" / "cat" / "a copy.png").unlink()
    assert [len(split) for split in datasets.load(folder).splits] == [6, 6, 6]


@pytest.mark.parametrize(
    "pair", [("train", "test"), ("train", "validation"), ("test", "validation")]
)
def test_splits_that_share_a_picture_are_noticed(pets, pair):
    one, other = (getattr(pets, name) for name in pair)
    leaky = replace(other, paths=(*other.paths[:-1], one.paths[-1]),
                    digests=(*other.digests[:-1], one.digests[-1]))  # fmt: skip
    with pytest.raises(DataSetError, match=f"{one.paths[-1].name} of .* are the same picture"):
        datasets.check_disjoint(replace(pets, **{pair[1]: leaky}))
    datasets.check_disjoint(replace(pets, train=pets.train.select([0, 0, 1])))


def test_a_data_set_found_in_the_data_folder_is_used_as_it_is(home):
    make_splits(home / "data" / "cats_vs_dogs")
    before = sorted(p for p in (home / "data").rglob("*"))
    assert len(datasets.load("cats_vs_dogs").train) == 6
    assert sorted(p for p in (home / "data").rglob("*")) == before


def test_unreadable_files_are_named_and_the_good_ones_used(home, pets_folder, capsys):
    (pets_folder / "cat" / "text.jpg").write_text("no picture")
    (pets_folder / "dog" / "größe 1.png").write_bytes(b"")
    data = datasets.load(pets_folder)
    assert sum(map(len, data.splits)) == 20
    assert len(data.left_out) == 2
    said = capsys.readouterr().out
    assert "2 files or folders are left out\n" in said
    assert "  not a picture: cat/text.jpg\n" in said
    assert "  not a picture, but an empty file: dog/größe 1.png\n" in said
    assert f"{pets_folder}/cat" not in said  # names are short


@pytest.mark.parametrize(("broken", "more"), [(5, False), (6, True)])
def test_five_of_many_unreadable_files_are_named(home, pets_folder, capsys, broken, more):
    for i in range(broken):
        (pets_folder / "cat" / f"broken {i}.jpg").write_text("no picture")
    assert len(datasets.load(pets_folder).left_out) == broken
    said = capsys.readouterr().out
    assert [f"broken {i}.jpg" in said for i in range(6)] == [True] * 5 + [False]
    assert ("…" in said) is more and ("(6 in all)" in said) is more


def test_what_is_missing_is_made_where_the_data_shall_lie(home, monkeypatch):
    """In a folder that is not there yet, and then beside the first."""
    monkeypatch.setenv("COURSE_DATA_DIR", str(home / "one" / "in another"))
    for name in ("drawn_pets", "drawn_signs"):
        monkeypatch.setitem(registry.SOURCES, name, write_classes)
        assert datasets.load(name).folder == home / "one" / "in another" / name


@pytest.mark.parametrize("name", ["drawn_pets", "drawn_signs"])
def test_a_set_drawn_by_an_earlier_version_is_refused_with_the_way_out(home, name):
    """Its test pictures are others, so its figures would be, too."""
    write_classes(folder := home / "data" / name)
    with pytest.raises(DataSetError, match=r"earlier version.*delete that folder"):
        datasets.load(name)
    assert folder.is_dir()


def test_a_changed_picture_is_looked_at_again(home, pets_folder):
    old = datasets.load(pets_folder)
    path = old.train.paths[0]
    path.write_bytes((pets_folder / "dog" / "dog 3.png").read_bytes())
    os.utime(path, ns=(1, 1))  # whatever the clock says
    new = datasets.load(pets_folder)
    assert path not in new.train.paths or new.train.digests != old.train.digests


def test_a_damaged_memory_is_made_anew(home, pets_folder):
    before = datasets.load(pets_folder)
    for path in (home / "cache").rglob("*.json"):
        path.write_text("{ damaged")
    after = datasets.load(pets_folder)
    assert [s.paths for s in after.splits] == [s.paths for s in before.splits]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: shutil.rmtree(f / "dog"), r"holds 1 class folders \(cat\)"),
        (lambda f: [shutil.rmtree(f / c) for c in ("cat", "dog")], r"0 class folders \(none\)"),
        (
            lambda f: [p.unlink() for p in (f / "dog").iterdir()],
            r"class 'dog' has 0 readable .*, but at least 5 are needed to divide them",
        ),
        (lambda f: shutil.rmtree(f), "no data set or folder"),
    ],
)
def test_a_useless_folder_gets_one_sentence(home, pets_folder, spoil, message):
    spoil(pets_folder)
    with pytest.raises(DataSetError, match=message) as caught:
        datasets.load(pets_folder)
    assert "\n" not in str(caught.value)


def test_reasons_are_printed_before_a_class_is_refused(home, pets_folder, capsys):
    (pets_folder / "cow").mkdir()
    for i in range(7):
        heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes([i]) * 99
        (pets_folder / "cow" / f"IMG_{i}.HEIC").write_bytes(heic)
    with pytest.raises(DataSetError, match="class 'cow' has 0 readable pictures, copies not co"):
        datasets.load(pets_folder)
    said = capsys.readouterr().out
    assert "7 files or folders are left out\n  a HEIC picture, as phones write them, is not" in said
    assert "cow/IMG_4.HEIC, … (7 in all)\n" in said and "IMG_5" not in said


def test_of_many_reasons_the_first_ten_are_printed(home, pets_folder, capsys):
    for i in range(12):
        (pets_folder / f"_old {i:02d}").mkdir()
        for number in range(i):
            (pets_folder / f"_old {i:02d}" / f"{number}.txt").write_text("old")
    datasets.load(pets_folder)
    said = capsys.readouterr().out
    assert "_old 09" in said and "_old 10" not in said and "  and for 2 more reasons\n" in said


def test_classes_too_small_to_divide_are_named_with_their_numbers(home, tmp_path):
    folder = write_classes(tmp_path / "pets", 5)
    assert [np.bincount(s.labels).tolist() for s in datasets.load(folder).splits] == [
        [3, 3],
        [1, 1],
        [1, 1],
    ]
    write_classes(folder, 4, ("c",), first=50)
    shutil.copy(folder / "c" / "c 50.png", folder / "c" / "a copy does not count.png")
    write_classes(folder, 1, ("b",), first=70)
    (folder / "empty").mkdir()
    with pytest.raises(DataSetError) as caught:
        datasets.load(folder)
    assert str(caught.value) == (
        f"{folder}: class 'b' has 1, class 'c' has 4, class 'empty' has 0 readable pictures, "
        "copies not counted, but at least 5 are needed to divide them into train, validation, "
        "test: add some, or take that folder away"
    )


@pytest.mark.parametrize(("per_class", "enough"), [(2, False), (3, True)])
def test_three_pictures_are_enough_to_take_validation_from(home, tmp_path, per_class, enough):
    folder = write_classes(tmp_path / "pets" / "train", per_class).parent
    write_classes(folder / "test", 1, first=50)
    if enough:
        assert [len(split) for split in datasets.load(folder).splits] == [4, 2, 2]
    else:
        with pytest.raises(DataSetError, match=r"class 'cat' has 2, .* at least 3 are needed to"):
            datasets.load(folder)


@pytest.mark.parametrize("to", ["train", "validation", "test"])
def test_two_labels_within_and_across_given_splits(home, tmp_path, to):
    folder = make_splits(tmp_path / "pets")
    shutil.copy(folder / "train" / "cat" / "cat 1.png", folder / to / "dog" / "another.png")
    data = datasets.load(folder)
    assert [len(split) for split in data.splits] == [5, 6, 6]
    reason = "the same picture is in cat and dog"
    assert data.left_out == (f"train/cat/cat 1.png: {reason}", f"{to}/dog/another.png: {reason}")


@pytest.mark.parametrize(
    ("gone", "message"),
    [
        ("validation/dog", "class folders"),
        ("test/dog", "class folders"),
    ],
)
def test_a_missing_split_or_class_is_named(home, tmp_path, gone, message):
    folder = make_splits(tmp_path / "pets")
    shutil.rmtree(folder / gone)
    with pytest.raises(DataSetError, match=message):
        datasets.load(folder)


@pytest.mark.parametrize("split", ["validation", "test"])
def test_different_classes_in_different_splits_are_named(home, tmp_path, split):
    folder = make_splits(tmp_path / "pets")
    (folder / split / "dog").rename(folder / split / "cow")
    with pytest.raises(DataSetError, match=rf"{split} and .*train do not hold .* \(cow, dog\)"):
        datasets.load(folder)


def test_an_unknown_name_lists_what_there_is(home):
    with pytest.raises(DataSetError, match="drawn_pets, cats_vs_dogs, cats_vs_dogs_full"):
        datasets.load("cats")


def test_a_split_that_is_too_small_for_a_lesson_says_so(home, tmp_path):
    data = datasets.load(make_splits(tmp_path / "pets"))
    data.train.must_have_pictures(6)
    with pytest.raises(DataSetError, match="has 6 pictures: add some, for at least 40 are needed"):
        data.train.must_have_pictures(40)


def test_who_has_no_test_split_learns_so_when_using_it(home, tmp_path):
    folder = make_splits(tmp_path / "pets")
    shutil.rmtree(folder / "test")
    data = datasets.load(folder)
    assert [len(split) for split in data.splits] == [6, 6, 0]
    assert data.test.labels.shape == (0,) and data.num_classes == 2
    assert [len(s) for s in datasets.load(folder, per_class=2).splits] == [4, 4, 0]
    for use in (lambda: data.test.pixels(8), lambda: data.test.batches(8)):
        with pytest.raises(DataSetError, match="no test split: add a folder test"):
            use()


def test_limit_of_classes_of_different_sizes(home, pets_folder):
    shutil.copytree(pets_folder / "cat", pets_folder / "a third")
    for path in (pets_folder / "cat").iterdir():
        path.unlink()
    write_classes(pets_folder, 40, classes=("cat",), first=100)
    few = datasets.load(pets_folder).train.limit(8)
    assert np.bincount(few.labels).tolist() == [7, 8, 7]
    assert [p.parent.name for p in few.paths] == ["a third"] * 7 + ["cat"] * 8 + ["dog"] * 7


def test_limit_keeps_some_of_each_class_evenly(pets):
    few = pets.train.limit(2)
    assert few.labels.tolist() == [0, 0, 1, 1]
    assert few.paths == tuple(pets.train.paths[i] for i in (0, 3, 7, 10))
    assert few.digests == tuple(pets.train.digests[i] for i in (0, 3, 7, 10))
    assert pets.train.limit(0) is pets.train
    assert pets.train.limit(99).paths == pets.train.paths
    assert len(datasets.load(pets.name, per_class=1).test) == 2


def test_a_track_is_the_part_of_the_name_before_the_frame(home):
    for split in ("train", "validation"):
        for class_name in ("a", "b"):
            folder = home / "signs" / split / class_name
            folder.mkdir(parents=True)
            for track in (1, 2):
                for frame in (0, 1):
                    number = frame + 2 * (split == "train") + 4 * (class_name == "a")
                    image = drawn_pets.draw(track, number, "cat", 16)
                    image.save(folder / f"{track:05d}_{frame:05d}.png")
    tracks = datasets.load(home / "signs").train.tracks()
    expected = ["a/00001", "a/00001", "a/00002", "a/00002"]
    assert tracks.tolist() == expected + [name.replace("a", "b") for name in expected]


def test_a_picture_that_is_no_frame_is_its_own_track(pets):
    tracks = [set(split.tracks()) for split in pets.splits]
    assert [len(t) for t in tracks] == [len(split) for split in pets.splits]
    assert len(set.union(*tracks)) == 20


def test_batches_are_those_of_keras_own_reader(home, tmp_path):
    """Keras's reader as an oracle, at the pictures' own size: it resizes in another way."""
    folder = make_splits(tmp_path / "pets", 7)
    ours = datasets.load(folder).train.batches(32, 4)
    theirs = keras.utils.image_dataset_from_directory(
        folder / "train", image_size=(32, 32), batch_size=4, shuffle=False, verbose=False
    )
    assert [len(labels) for _, labels in ours] == [4, 4, 4, 2]
    for mine, other in zip(ours, theirs, strict=True):
        assert mine[0].dtype == np.float32 and mine[0].numpy().max() > 1
        assert all(np.array_equal(a, b) for a, b in zip(mine, other, strict=True))


def test_of_selected_pictures_no_other_is_read(pets, monkeypatch):
    whole, read, asked = pets.train.pixels(16), pictures.read, []
    monkeypatch.setattr(pictures, "read", lambda path, size: asked.append(path) or read(path, size))
    few = pets.train.select([9, 2])
    assert np.array_equal(few.pixels(16), whole[[9, 2]])
    assert set(asked) == {pets.train.paths[9], pets.train.paths[2]} and len(asked) == 2
    assert few.labels.tolist() == pets.train.labels[[9, 2]].tolist()
    assert few.digests == (pets.train.digests[9], pets.train.digests[2])
    assert len(pets.train.select([])) == 0


def test_many_pictures_are_read_in_pieces_and_none_is_lost(home, tmp_path):
    data = datasets.load(write_classes(tmp_path / "pets", 100, size=16))
    images = data.train.pixels(8)
    assert len(images) == 140
    for i in (0, 63, 64, 65, 127, 128, 139):
        assert np.array_equal(images[i], pictures.read(data.train.paths[i], (8, 8)))
    sizes = [len(x) for x, _ in data.train.batches(8)]
    assert sizes == [32] * 4 + [12]


def test_shuffled_batches_change_with_the_epoch_and_repeat_with_the_seed(pets):
    def epochs(seed):
        batches = pets.train.batches(16, 4, shuffle_seed=seed)
        return [np.concatenate([x for x, _ in batches]) for _ in range(2)]

    first, second = epochs(3)
    assert not np.array_equal(first, second)
    assert np.array_equal(np.sort(first.ravel()), np.sort(second.ravel()))
    assert all(np.array_equal(a, b) for a, b in zip(epochs(3), (first, second), strict=True))
    assert not np.array_equal(epochs(4)[0], first)


def test_pictures_and_labels_stay_together_when_shuffled(pets):
    known = {
        image.tobytes(): label
        for image, label in zip(pets.train.pixels(16), pets.train.labels, strict=True)
    }
    for images, labels in pets.train.batches(16, 4, shuffle_seed=1):
        for image, label in zip(images.numpy().astype("uint8"), labels.numpy(), strict=True):
            assert known[image.tobytes()] == label


@pytest.mark.parametrize("name", ["validation", "test"])
def test_only_train_is_ever_shuffled(pets, name):
    with pytest.raises(ValueError, match="never shuffled"):
        getattr(pets, name).batches(16, shuffle_seed=1)


def test_the_baseline_is_the_share_of_the_most_frequent_class(home, tmp_path):
    folder = write_classes(tmp_path / "train", 3, ("cat",)).parent
    write_classes(tmp_path / "train", 9, ("dog",))
    for first, split in ((20, "validation"), (40, "test")):
        write_classes(tmp_path / split, 2, first=first)
    data = datasets.load(folder)
    assert (data.train.baseline, data.test.baseline) == (0.75, 0.5)
