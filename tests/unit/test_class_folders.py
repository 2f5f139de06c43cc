"""Folders of strangers: which are splits, which are classes, and what is left out and named."""

import shutil
import unicodedata

import numpy as np
import pytest

from tests.conftest import write_classes
from utils import datasets
from utils.datasets import DataSetError

pytestmark = pytest.mark.check


def write(folder, *places, per_class=6, classes=("cat", "dog")):
    """Write classes into folders in a folder, other pictures in each."""
    for number, place in enumerate(places or ("",)):
        write_classes(folder / place, per_class, classes, first=100 * number)
    return folder


def counts(data):
    return [np.bincount(s.labels, minlength=data.num_classes).tolist() for s in data.splits]


GIVEN = [[6, 6]] * 3
DIVIDED = [[4, 4], [1, 1], [1, 1]]


@pytest.mark.parametrize(
    ("places", "said"),
    [
        (("TRAIN", "Val", "Holdout"), "TRAIN is read as train, Val is read as validation, Holdout"),
        (("training", "valid", "testing"), "testing is read as test"),
        (("Train set", "dev", "test_images"), "Train set is read as train, dev is read as val"),
        (("a/b/train", "a/b/validation", "a/b/test"), "a/b/validation is read as validation"),
        (("train/train", "val/val", "test/test"), "test/test is read as test"),
        (("train", "validation", "test"), ""),
    ],
)
def test_splits_are_known_in_other_spellings_and_places(home, tmp_path, capsys, places, said):
    data = datasets.load(write(tmp_path / "my", *places))
    assert counts(data) == GIVEN and data.class_names == ("cat", "dog")
    printed = capsys.readouterr().out
    assert said in printed if said else "/my: " not in printed


@pytest.mark.parametrize("place", ["", "archive", "archive/pictures", "train", "Training/images"])
def test_one_folder_too_many_is_gone_into_and_said(home, tmp_path, capsys, place):
    folder = write(tmp_path / "my", place)
    if place:
        (folder / "README.txt").write_text("what an archive holds beside")
    data = datasets.load(folder)
    assert counts(data) == DIVIDED
    said = capsys.readouterr().out
    assert (f"the class folders are read from {place}\n" in said) == bool(place)
    assert data.left_out == (("README.txt: not in a class folder",) if place else ())


def test_without_validation_it_is_taken_from_train_by_content(home, tmp_path, capsys):
    folder = write(tmp_path / "my", "train", "test", per_class=20)
    data = datasets.load(folder)
    assert counts(data) == [[16, 16], [4, 4], [20, 20]]
    assert "my: validation is taken from train, by content" in capsys.readouterr().out
    assert {path.parts[-3] for path in data.test.paths} == {"test"}
    shutil.copytree(folder, tmp_path / "other")
    for i, path in enumerate(sorted((tmp_path / "other" / "train").rglob("*.png"), reverse=True)):
        path.rename(path.with_name(f"{i:02d}.png"))
    renamed = datasets.load(tmp_path / "other")
    assert set(renamed.validation.digests) == set(data.validation.digests)
    write(folder, "validation", per_class=1)  # what was divided before is forgotten then
    shutil.rmtree(folder / "test")
    with pytest.raises(DataSetError, match="are the same picture"):
        datasets.load(folder)


def test_splits_made_later_are_not_mixed_with_an_earlier_division(home, tmp_path):
    folder = write(tmp_path / "my", per_class=20)
    datasets.load(folder)
    (folder / "train").mkdir()
    for name in ("cat", "dog"):
        shutil.move(folder / name, folder / "train" / name)
    write_classes(folder / "test", 3, first=50)
    assert counts(datasets.load(folder)) == [[16, 16], [4, 4], [3, 3]]


@pytest.mark.parametrize(
    ("places", "message"),
    [
        (("val", "test"), "holds test, val, but no train: put the class folders to learn from"),
        (("test",), "holds test, but no train"),
        (("train", "val", "dev"), "dev and val both mean validation: join them, or rename one"),
        (
            ("2023", "2024"),
            r"2023, 2024 hold only folders, of the same names \(cat, dog\): if these",
        ),
        (("tr/tr", "te/te"), r"te, tr hold only folders, of the same names \(cat, dog\)"),
        (("", "cat"), "cat holds a folder dog, and another lies beside it: put all pictures of a"),
        (("", "test"), "holds test, but no train: put .* or, if test means a class, rename it"),
    ],
)
def test_folders_that_may_mean_one_thing_or_another_are_refused(home, tmp_path, places, message):
    folder = write(tmp_path / "my", *places)
    (folder / places[-1] / "album.txt").write_text("what programs leave")
    with pytest.raises(DataSetError, match=message) as caught:
        datasets.load(folder)
    assert "\n" not in str(caught.value) and str(tmp_path / "my") in str(caught.value)


def test_splits_without_class_folders_are_not_taken_for_classes(home, tmp_path):
    message = r"train holds 0 class folders .* or take train away \(if it is a class, rename it\); "
    with pytest.raises(DataSetError, match=message):
        datasets.load(write(tmp_path / "my", classes=("train", "test")))


def test_splits_inside_classes_are_refused(home, tmp_path):
    write(tmp_path / "my", "apple", "pear", classes=("train", "test"))
    with pytest.raises(DataSetError, match="make train/apple of apple/train"):
        datasets.load(tmp_path / "my")


@pytest.mark.parametrize(
    ("cat", "dog"),
    [
        (("siamese", "persian"), ("poodle", "beagle")),
        (("images",), ("images",)),
        (("cat",), ("a",)),
    ],
)
def test_folders_in_a_class_belong_to_it(home, tmp_path, capsys, cat, dog):
    write_classes(tmp_path / "my" / "cat", 12 // len(cat), cat)
    write_classes(tmp_path / "my" / "dog", 12 // len(dog), dog, first=50)
    data = datasets.load(tmp_path / "my")
    assert data.class_names == ("cat", "dog") and np.sum(counts(data), axis=0).tolist() == [12, 12]
    assert "/my: " not in capsys.readouterr().out


def test_years_in_a_class_that_has_pictures_of_its_own_belong_to_it(home, tmp_path):
    folder = write(tmp_path / "my")
    for name in ("cat", "dog"):
        write(folder / name, per_class=3, classes=(f"{name} 2023", f"{name} 2024"))
        for year in ("2023", "2024"):
            (folder / name / f"{name} {year}").rename(folder / name / year)
    assert np.sum(counts(datasets.load(folder)), axis=0).tolist() == [12, 12]


@pytest.mark.parametrize("name", ["test", "train", "Validation"])
def test_a_class_that_is_called_like_a_split_stays_one_and_it_is_said(home, tmp_path, capsys, name):
    data = datasets.load(write(tmp_path / "my", classes=("apple", "pear", name)))
    assert set(data.class_names) == {"apple", "pear", name}
    said = capsys.readouterr().out
    assert f"{name} is read as a class like the folders beside it, not as a split" in said


def test_what_is_hidden_is_not_there(home, tmp_path, capsys):
    folder = write(tmp_path / "my")
    for place in (".git", "__MACOSX", "cat/.ipynb_checkpoints", "cat/__MACOSX", "dog/old/@eaDir"):
        write(folder / place)
    (folder / "cat" / "._cat 0.png").write_text("resource fork")
    (folder / "dog" / "Thumbs.db").write_text("thumbs")
    data = datasets.load(folder)
    assert (counts(data), data.left_out) == (DIVIDED, ())
    assert "/my: " not in capsys.readouterr().out


def test_what_else_is_left_out_is_named_once(home, tmp_path, capsys):
    folder = write(tmp_path / "my", "train", "validation", "test")
    write(folder, "_old", "train/cat/_older", "unsorted")
    for place in ("a.png", "labels.csv", "train/b.png"):
        (folder / place).write_text("loose")
    (folder / "test" / "cat" / "gone.png").symlink_to(folder / "nowhere.png")
    (folder / "test" / "dog" / "back").symlink_to(folder)
    data = datasets.load(folder)
    assert counts(data) == GIVEN
    assert sorted(data.left_out) == [
        "_old: a folder that begins with _ (12 files)",
        "a.png: not in a class folder",
        "labels.csv: not in a class folder",
        "test/cat/gone.png: a link to nothing",
        "test/dog/back: a link to a folder inside a class folder is not followed",
        "train/b.png: not in a class folder",
        "train/cat/_older: a folder that begins with _ (12 files)",
        "unsorted: not a split (12 files)",
    ]
    said = capsys.readouterr().out
    assert "my: 8 files or folders are left out\n" in said
    assert "  not in a class folder: a.png, labels.csv, train/b.png\n" in said


def test_links_to_files_and_to_classes_are_followed(home, tmp_path):
    folder, other = write(tmp_path / "my"), write(tmp_path / "other", classes=("cow", "sheep"))
    (folder / "cow").symlink_to(other / "cow")
    (folder / "dog" / "a.png").symlink_to(other / "sheep" / "sheep 0.png")
    data = datasets.load(folder)
    assert data.class_names == ("cat", "cow", "dog")
    assert np.sum(counts(data), axis=0).tolist() == [6, 6, 7]


@pytest.mark.parametrize("place", ["", "train"])
def test_pictures_in_no_folder_are_sorted_by_the_line_that_is_shown(home, tmp_path, place):
    folder = write(tmp_path / "my", "train", "validation", "test") if place else tmp_path / "my"
    shutil.rmtree(folder / place, ignore_errors=True)
    write(tmp_path / "source", classes=("cat", "dog", "red_panda"))
    (folder / place).mkdir(exist_ok=True)
    for path in (tmp_path / "source").rglob("*.png"):
        number = path.stem.split()[1]
        path.rename(folder / place / f"{path.parent.name}.{number}.png")
    with pytest.raises(DataSetError, match="holds 0 class folders") as caught:
        datasets.load(folder)
    *_, imports, _, line, _ = str(caught.value).split("`")
    exec(imports + "\n" + line, {})
    found = {path.name: len(list(path.iterdir())) for path in (folder / place).iterdir()}
    kept = {name: found.get(name) for name in ("cat", "dog", "red_panda")}
    assert set(kept.values()) == {6} and not list((folder / place).glob("*.png"))


# -- names


def twins():
    return [unicodedata.normalize(form, "Käse") for form in ("NFC", "NFD")]


def test_names_that_look_equal_are_shown_as_they_differ(home, tmp_path):
    composed, apart = twins()
    with pytest.raises(DataSetError, match=r"these names look equal \('Ka\\u0308se', 'K\\xe4se'\)"):
        datasets.load(write(tmp_path / "one", classes=(composed, apart)))
    folder = write(tmp_path / "my", "train", "validation", classes=("Brot", composed))
    write(folder, "test", classes=("Brot", apart))
    with pytest.raises(DataSetError, match=r"same class folders \('Ka\\u0308se', 'K\\xe4se'\)"):
        datasets.load(folder)
    with pytest.raises(DataSetError, match=r"\('cat', 'cat '\)"):
        datasets.load(write(tmp_path / "space", classes=("cat", "cat ", "dog")))


def test_a_name_that_is_not_found_says_where_was_looked(home, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    composed, apart = twins()
    write(tmp_path / apart)
    where = f"looked for {tmp_path / composed} and for {home / 'data' / composed}"
    with pytest.raises(DataSetError, match=where) as caught:
        datasets.load(composed)
    assert r"('K\xe4se' is not 'Ka\u0308se')" in str(caught.value)
    with pytest.raises(DataSetError, match=f"looked for {tmp_path / 'no' / 'where'};"):
        datasets.load(tmp_path / "no" / "where")


def test_a_folder_of_yours_is_found_by_name_here_and_in_the_data_folder(
    home, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    write(home / "data" / "fruit")
    assert datasets.load("fruit").folder == home / "data" / "fruit"
    write(tmp_path / "fruit")
    assert datasets.load("fruit").folder == tmp_path / "fruit"


@pytest.mark.parametrize("name", ["", "  ", "\n"])
def test_an_empty_name_is_refused(home, tmp_path, monkeypatch, name):
    monkeypatch.chdir(write(tmp_path / "my"))  # which would be read
    with pytest.raises(
        DataSetError, match="DATASET is empty: write a data set's name, or the path"
    ):
        datasets.load(name)


def test_an_archive_that_is_still_packed_is_said_to_be_a_file(home, tmp_path):
    (tmp_path / "my.zip").write_bytes(b"PK")
    with pytest.raises(DataSetError, match=r"my\.zip is a file: name a folder, unpacked"):
        datasets.load(tmp_path / "my.zip")
