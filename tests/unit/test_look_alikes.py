"""Copies that are no longer the same file: found where they would flatter a result, and named."""

import numpy as np
import pytest
from PIL import Image

from tests.conftest import write_classes
from utils import datasets
from utils.datasets import DataSetError
from utils.sources import drawn_pets, drawn_signs, look_alikes

pytestmark = pytest.mark.check


def write(folder, size=64):
    """Three splits of JPEG files."""
    for number, split in enumerate(datasets.SPLITS):
        write_classes(folder / split, 4, first=10 * number, size=size)
    for path in folder.rglob("*.png"):
        Image.open(path).save(path.with_suffix(".jpg"), quality=95)
        path.unlink()
    return folder


ORIGINAL = "train/cat/cat 0.jpg"


@pytest.mark.parametrize("to", ["validation/cat", "test/cat", "test/dog"])
def test_the_same_pixels_in_another_format_are_refused_across_splits(home, tmp_path, to):
    folder = write(tmp_path / "my", 300)  # so large that a JPEG is decoded at half its size first
    Image.open(folder / ORIGINAL).save(folder / to / "copy.png")
    split = to.split("/")[0]
    message = f"{ORIGINAL} of train and {to}/copy.png of {split} are the same picture, saved in two"
    with pytest.raises(DataSetError, match=message):
        datasets.load(folder)


CHANGES = {
    "another quality": lambda image, path: image.save(path.with_suffix(".jpg"), quality=60),
    "made smaller": lambda image, path: image.resize((40, 40)).save(path.with_suffix(".png")),
    "made larger": lambda image, path: image.resize((200, 200)).save(path.with_suffix(".webp")),
    "smaller and worse": lambda image, path: image.resize((48, 48)).save(
        path.with_suffix(".jpg"), quality=80
    ),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("to", ["validation/cat", "train/dog"])
def test_a_changed_copy_is_named_and_kept(home, tmp_path, capsys, change, to):
    folder = write(tmp_path / "my")
    CHANGES[change](Image.open(folder / ORIGINAL), folder / to / "a copy.x")
    data = datasets.load(folder)
    assert sum(map(len, data.splits)) == 25 and not data.left_out
    said = capsys.readouterr().out
    assert "1 pair of pictures in different splits or classes look the same; if they are" in said
    assert f"{ORIGINAL} of train and " in said and f"{to}/a copy." in said


def test_copies_on_one_side_and_other_pictures_are_not_worth_a_word(home, tmp_path, capsys):
    folder = write(tmp_path / "my")
    CHANGES["made smaller"](Image.open(folder / ORIGINAL), folder / "train/cat/a copy.x")
    datasets.load(folder)
    assert "look the same" not in capsys.readouterr().out


def test_a_folder_that_the_course_divides_is_never_refused_for_it(home, tmp_path, capsys):
    folder = write_classes(tmp_path / "my", 20)
    for path in sorted((folder / "cat").iterdir()):
        Image.open(path).save(path.with_suffix(".bmp"))
    assert sum(map(len, datasets.load(folder).splits)) == 60
    said = capsys.readouterr().out
    assert " pairs of pictures in different splits or classes look the same" in said
    assert "; …" in said and said.count(" and cat/") == 5


def looks(images):
    small = [np.asarray(image.convert("RGB").resize((64, 64))) for image in images]
    return [look_alikes.look(image) for image in small]


def test_drawings_and_frames_of_different_signs_do_not_look_the_same():
    pets = [drawn_pets.draw(5, i, name) for i in range(60) for name in drawn_pets.CLASS_NAMES]
    signs = [
        drawn_signs.draw(7, track, 3, name)
        for track in range(20)
        for name in drawn_signs.CLASS_NAMES
    ]
    assert look_alikes.pairs(looks(pets + signs)) == []
    assert look_alikes.pairs(looks(pets + pets[3:4])) == [(3, 120)]


def test_of_several_copies_every_pair_is_named():
    image = drawn_pets.draw(5, 0, "cat", 64)
    every = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    assert sorted(look_alikes.pairs(looks([image] * 4))) == every


def test_pictures_without_contrast_look_the_same_only_in_the_same_colour():
    plain = [Image.new("RGB", (64, 64), (level, 90, 20)) for level in (0, 5, 10, 10)]
    assert look_alikes.pairs(looks(plain)) == [(2, 3)]


def test_pictures_that_differ_in_fine_fields_only_do_not_look_the_same():
    image = drawn_pets.draw(5, 0, "cat", 64).point(lambda value: 64 + value // 2)
    rows, columns = np.indices((64, 64)) // 8
    board = np.where((rows + columns) % 2, 40, -40)[..., None]
    checked = Image.fromarray((np.asarray(image) + board).astype("uint8"))
    assert look_alikes.pairs(looks([image, checked])) == []


def test_the_nearest_pair_comes_first():
    image = drawn_pets.draw(5, 0, "cat", 64)
    noise = np.random.default_rng(0).integers(-40, 40, (64, 64, 3))
    noisy = Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype("uint8"))
    assert look_alikes.pairs(looks([noisy, image, image]))[0] == (1, 2)


def test_a_look_is_the_mean_colour_of_64_fields():
    image = np.arange(64 * 64 * 3, dtype="uint8").reshape(64, 64, 3)
    fields = np.frombuffer(bytes.fromhex(look_alikes.look(image)), "uint8").reshape(8, 8, 3)
    assert fields[2, 5].tolist() == image[16:24, 40:48].mean((0, 1)).round().tolist()
