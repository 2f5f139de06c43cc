import numpy as np
import pytest

from utils import datasets
from utils.sources import drawn_signs
from utils.sources.drawn_signs import draw

pytestmark = pytest.mark.check

KNOWN_THUMBNAIL = [[102, 111, 98], [116, 121, 116], [129, 124, 129]]


def pixels(*arguments):
    return np.asarray(draw(*arguments))


def test_a_picture_depends_on_its_arguments_and_on_nothing_else():
    alone = pixels(7, 3, 1, "stop")
    pixels(7, 4, 0, "left")
    np.random.seed(0)
    assert np.array_equal(pixels(7, 3, 1, "stop"), alone)
    others = [(8, 3, 1, "stop"), (7, 2, 1, "stop"), (7, 3, 2, "stop"), (7, 3, 1, "left")]
    assert all(not np.array_equal(pixels(*other), alone) for other in others)


def test_the_same_everywhere():
    """Rough shape of one picture, written down: another platform may round, but not redraw."""
    thumbnail = np.asarray(draw(7, 0, 3, "stop").resize((3, 3)), "float32").mean(-1).round()
    np.testing.assert_allclose(thumbnail, KNOWN_THUMBNAIL, atol=4)


def test_frames_of_a_track_are_alike_and_tracks_are_not():
    def far(a, b):
        return float(np.abs(a.astype("float32") - b).mean())

    frames = [np.asarray(draw(7, 0, i, "left").resize((16, 16))) for i in range(4)]
    others = [np.asarray(draw(7, t, 0, "left").resize((16, 16))) for t in range(1, 9)]
    assert max(far(frames[0], f) for f in frames) < np.mean([far(frames[0], o) for o in others])


@pytest.mark.parametrize("name", drawn_signs.CLASS_NAMES)
def test_every_class_is_drawn_in_every_size(name):
    image = draw(1, 0, 0, name, 32)
    assert (image.size, image.mode) == ((32, 32), "RGB")


def test_classes_that_are_easily_confused_are_drawn_differently():
    for one, other in (("left", "right"), ("bend_left", "bend_right"), ("limit_30", "limit_80")):
        assert not np.array_equal(pixels(1, 0, 0, one), pixels(1, 0, 0, other))


def test_a_class_that_is_not_drawn_is_named():
    with pytest.raises(ValueError, match=r"cow.*no_entry"):
        draw(1, 0, 0, "cow")


def test_counts_tracks_and_no_track_twice():
    data = datasets.load("drawn_signs")
    assert [len(split) for split in data.splits] == [960, 480, 480]
    assert data.class_names == tuple(drawn_signs.CLASS_NAMES)
    tracks = [set(split.tracks()) for split in data.splits]
    assert [len(t) for t in tracks] == [240, 120, 120]
    assert len(set.union(*tracks)) == 480
