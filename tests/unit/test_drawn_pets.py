import hashlib
import itertools
import re

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from utils import datasets
from utils.base import pictures
from utils.base.folders import ROOT
from utils.sources import drawn_pets
from utils.sources.drawn_pets import draw

pytestmark = pytest.mark.check

KNOWN_THUMBNAIL = [[155, 155, 149], [202, 185, 156], [207, 208, 161]]


def test_the_same_everywhere():
    """Rough shape of one picture, written down: another platform may round, but not redraw."""
    thumbnail = np.asarray(draw(5, 0, "cat").resize((3, 3)), "float32").mean(-1).round()
    np.testing.assert_allclose(thumbnail, KNOWN_THUMBNAIL, atol=4)


@pytest.mark.parametrize("size", [16, 64, 192])
def test_size_and_mode(size):
    image = draw(1, 0, "dog", size)
    assert (image.size, image.mode) == ((size, size), "RGB")


def test_a_class_that_is_not_drawn_is_named():
    with pytest.raises(ValueError, match=r"cow.*cat, dog"):
        draw(1, 0, "cow")


def test_a_set_goes_on_where_it_stopped_and_comes_out_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(drawn_pets, "SPLIT_COUNTS", {"train": 4, "test": 2})
    folder = tmp_path / "pets"
    drawn_pets.draw_all(folder, seed=9)
    names = [str(p.relative_to(folder)) for p in sorted(folder.rglob("*.jpg"))]
    assert names == [
        *(f"test/{c}/{c}_1000.jpg" for c in ("cat", "dog")),
        *(f"train/{c}/{c}_{i:04d}.jpg" for c in ("cat", "dog") for i in (0, 1)),
    ]
    folder.rename(partial := tmp_path / ".pets.seeds9-2026")  # as a killed run leaves it
    one, other = (partial / "train" / name for name in ("dog/dog_0001.jpg", "cat/cat_0000.jpg"))
    before, stamp = one.read_bytes(), other.stat().st_mtime_ns
    one.unlink()
    drawn_pets.draw_all(folder, seed=9)
    assert (folder / "train" / "dog" / "dog_0001.jpg").read_bytes() == before
    assert (folder / "train" / "cat" / "cat_0000.jpg").stat().st_mtime_ns == stamp
    assert not partial.exists()


def test_the_data_card_tells_the_truth_about_the_cues():
    card = (ROOT / "data" / "README.md").read_text("utf-8")
    cues = list(drawn_pets._CUES.values())
    rows = re.findall(r"^\| [^|]+ \| (0\.\d\d) \| (0\.\d\d) \|$", card, re.MULTILINE)
    assert [(float(cat), float(dog)) for cat, dog in rows] == cues
    # Of all combinations of cues the likelier class is right with this probability.
    cat, dog = np.array(cues).T
    best = 0.0
    for shown in itertools.product([True, False], repeat=len(cues)):
        best += max(np.where(shown, p, 1 - p).prod() for p in (cat, dog)) / 2
    said = re.search(r"right in about (0\.\d+) of the", card)
    assert f"{best:.3f}" == said[1]


@pytest.fixture(scope="module")
def course_set():
    return datasets.load("drawn_pets")


def test_counts_classes_and_no_picture_twice(course_set):
    assert [len(split) for split in course_set.splits] == [1000, 500, 500]
    for split in course_set.splits:
        assert np.bincount(split.labels).tolist() == [len(split) // 2] * 2
    digests = [
        hashlib.sha256(pictures.read(path).tobytes()).digest()
        for split in course_set.splits
        for path in split.paths
    ]
    assert len(set(digests)) == 2000


def simple(split):
    """What a model could cheat on: average colour, contrast and file size."""
    images = split.pixels(16).astype("float32")
    sizes = np.array([[path.stat().st_size] for path in split.paths])
    return np.hstack([images.mean((1, 2)), images.std((1, 2)), sizes])


def thumbnails(split):
    return split.pixels(8).reshape(len(split), -1).astype("float32")


@pytest.mark.parametrize("describe", [simple, thumbnails])
def test_it_cannot_be_solved_by_cheating(course_set, describe):
    line = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=2000))
    line.fit(describe(course_set.train), course_set.train.labels)
    # 0.60: chance is 0.50, its 95 % interval on 500 pictures ends at 0.544; real cues give 0.9.
    assert line.score(describe(course_set.test), course_set.test.labels) < 0.60


def test_the_cheating_test_can_fail(course_set):
    """With the label painted into one corner the same model finds it."""
    painted = thumbnails(course_set.train)
    painted[:, 0] = 255 * course_set.train.labels
    line = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=2000))
    line.fit(painted, course_set.train.labels)
    held_out = thumbnails(course_set.test)
    held_out[:, 0] = 255 * course_set.test.labels
    assert line.score(held_out, course_set.test.labels) > 0.60
