import pytest

from tests.benchmarks import rerecord
from utils import results
from utils.running import lessons

pytestmark = pytest.mark.check

KEPT = {"data_set": "pets", "of": "a", "labelled": "b", "pictures": 10, "wrong": "2:1 7:0"}


def test_numbers_that_moved_came_or_went_are_listed():
    assert rerecord.moved({"a": 1, "b": 0.5}, {"a": 1, "b": 0.5}) == []
    found = rerecord.moved({"a": 1, "b": 0.5, "c": 3}, {"a": 1, "b": 0.6, "d": 4})
    assert found == ["b: 0.5 → 0.6", "c: 3 → None", "d: None → 4"]


def test_predictions_are_compared_picture_by_picture():
    assert rerecord.right(KEPT).tolist() == [1, 1, 0, 1, 1, 1, 1, 0, 1, 1]
    (line,) = rerecord.compared({"test": KEPT}, {"test": KEPT | {"wrong": "2:1 3:0 4:0"}})
    assert line.startswith("test: -0.100") and "only one is right: 2 and 1" in line


@pytest.mark.parametrize("fresh", [{}, {"test": KEPT | {"of": "c"}}])
def test_predictions_of_other_pictures_are_not_compared(fresh):
    (line,) = rerecord.compared({"test": KEPT}, fresh)
    assert "cannot be compared" in line


@pytest.mark.parametrize("lesson", lessons.lessons())
def test_with_the_record_itself_no_sentence_has_to_change(lesson):
    numbers = results.load_stored("drawn")[lesson]["numbers"]
    assert rerecord.sentences(lesson, [*numbers.values()]) == []


def test_a_sentence_whose_number_changed_is_found():
    lesson = lessons.choose(["01"])[0]
    found = rerecord.sentences(lesson, [0.5])
    assert found and all("0." in sentence and len(sentence) < 1000 for sentence in found)
