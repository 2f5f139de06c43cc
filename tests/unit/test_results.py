import dataclasses
import json
import re

import jinja2
import numpy as np
import pytest

from utils import datasets, results
from utils.base.framework import keras
from utils.running import pages, readme

pytestmark = pytest.mark.check


@pytest.fixture
def stored(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "STORED", tmp_path / "stored")
    return tmp_path / "stored"


def record(**numbers):
    return results.record("02_x", "smoke", "test_accuracy", 3, **({"test_accuracy": 0.9} | numbers))


def test_recorded_shown_and_recalled(home, stored):
    shown = record(test_pictures=500)
    bundle = shown._repr_mimebundle_()
    assert bundle["text/plain"] == "test_accuracy  0.9000\ntest_pictures  500"
    entry = bundle[results.MIME]
    assert entry["numbers"] == {"test_accuracy": 0.9, "test_pictures": 500}
    assert {"date", "python", "processor", "cores", "versions", "seed"} <= set(entry)
    json.dumps(entry)
    assert results.last_run("02_x", "smoke")["numbers"] == entry["numbers"]
    assert results.last_run("02_x", "photos") == {}


def test_a_record_carries_the_policy_and_another_one_is_said(home, stored, capsys):
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        half = record().entry["policy"]
    finally:
        keras.mixed_precision.set_global_policy("float32")
    said = "Measured with Keras's dtype policy mixed_float16: the course's numbers are of float32"
    assert half == "mixed_float16" and capsys.readouterr().out == said + "\n"
    assert record().entry["policy"] == "float32" and capsys.readouterr().out == ""


def test_the_courses_record_is_no_run_of_yours(home, stored):
    results.store({"02_x": {"numbers": {"a": 1}}}, "drawn")
    assert results.load_stored("drawn")["02_x"]["numbers"] == {"a": 1}
    assert results.last_run("02_x", "drawn") == {}


def test_a_damaged_result_counts_as_none(home, stored):
    record()
    (path,) = (home / "cache" / "results").rglob("*.json")
    path.write_text(path.read_text()[:50])  # as a power failure leaves it
    assert results.last_run("02_x", "smoke") == {}


def test_storing_keeps_what_was_there_in_order(stored):
    results.store({"04": {"n": 1}}, "drawn")
    results.store({"02": {"n": 2}}, "drawn")
    assert list(results.load_stored("drawn")) == ["02", "04"]


@pytest.mark.parametrize("content", ["[]", "{}", '{"headline": "a", "numbers": {"b": 1}}'])
def test_a_file_that_is_no_result_counts_as_none(home, content):
    record()
    (path,) = (home / "cache" / "results").rglob("*.json")
    assert results.last_run("02_x", "smoke")["headline"] == "test_accuracy"
    path.write_text(content)
    assert results.last_run("02_x", "smoke") == {}


@pytest.mark.parametrize("value", [96.8, -0.01, float("nan")])
def test_accuracies_are_fractions(home, value):
    with pytest.raises(ValueError, match=r"test_accuracy must be a fraction in \[0, 1\]"):
        record(test_accuracy=value)


def test_the_headline_is_one_of_the_numbers(home):
    with pytest.raises(ValueError, match="headline 'loss' is not among accuracy"):
        results.record("x", "smoke", "loss", 1, accuracy=0.5)


def test_a_cache_that_cannot_be_written_is_said(home, monkeypatch, capsys):
    (home / "blocked").write_text("")
    monkeypatch.setenv("COURSE_CACHE_DIR", str(home / "blocked"))
    assert record().entry["numbers"] == {"test_accuracy": 0.9}
    assert "Not remembered" in capsys.readouterr().out


def test_readmes_markers_are_needed_and_only_what_is_between_them_changes(monkeypatch):
    names = {"lessons": "lessons_table", "result": "result_table", "minutes": "core_minutes"}
    names |= {"colab": "colab_badges"}
    for name, maker in names.items():
        monkeypatch.setattr(readme, maker, lambda name=name: f"{name} \\1")
    text = "".join(f"before <!-- {name} -->\nold<!-- /{name} --> after\n" for name in names)
    new = readme.fill(text)
    for name in names:
        assert f"before <!-- {name} -->{name} \\1<!-- /{name} --> after\n" in new
    assert "old" not in new and readme.fill(new) == new
    with pytest.raises(ValueError, match="<!-- result -->"):
        readme.fill(text.replace("<!-- result -->", ""))
    monkeypatch.setattr(readme, "plan_table", lambda: "plan")
    plan = readme.fill("a <!-- plan --><!-- /plan --> b", "INSTRUCTORS.md")
    assert plan == "a <!-- plan -->plan<!-- /plan --> b"


def test_what_a_template_asks_for_is_measured_or_a_dash():
    entry = '"drawn", "04", "test_accuracy"'
    made = readme.page(f"{{{{ value({entry}) }}}} {{{{ accuracy({entry}) }}}}")
    assert re.fullmatch(r"(0\.\d{3}) \1 \(0\.\d{3}–[01]\.\d{3}, n = 500\)", made)
    assert readme.page('{{ value("drawn", "04", "x") }} {{ accuracy("no", "04", "x") }}') == "– –"
    with pytest.raises(jinja2.UndefinedError):
        readme.page('{{ numbers("drawn", "04").no_such_number }}')


@pytest.mark.parametrize(
    ("seconds", "said"), [(119, "119 s"), (130, "2 min"), (7199, "120 min"), (7200, "2.0 h")]
)
def test_durations_are_said_as_a_person_would(seconds, said):
    assert readme.duration(seconds) == said


def test_minutes_are_rounded_up():
    assert [pages.minutes({"seconds": s}) for s in (59, 60, 61)] == [1, 1, 2]


def test_predictions_are_kept_compactly_and_come_back_for_the_same_pictures_only(home, stored):
    labels = np.array([0, 0, 1, 1, 2])
    pictures = datasets.Split("test", ("a", "b", "c"), ("p",) * 5, labels, tuple("vwxyz"))
    predicted = np.array([0, 2, 1, 1, 0])
    kept = {"test": (pictures, predicted)}
    shown = results.record("02_x", "smoke", "accuracy", 1, predictions=kept, accuracy=0.6)
    assert shown.entry["predictions"]["test"]["wrong"] == "1:2 4:0"
    found = results.recall_predictions("02_x", "smoke", "test", pictures)
    assert np.array_equal(found, predicted)
    others = pictures.select(np.array([1, 0, 2, 3, 4]))
    assert results.recall_predictions("02_x", "smoke", "test", others) is None
    assert results.recall_predictions("02_x", "smoke", "validation", pictures) is None
    assert results.recall_predictions("03_y", "smoke", "test", pictures) is None


@pytest.mark.parametrize(
    ("change", "recalled"),
    [
        ({}, True),
        ({"paths": ("q",) * 5}, True),  # the same files elsewhere
        ({"data_set": "my_pets"}, False),
        ({"digests": tuple("vwxya")}, False),
        ({"labels": np.array([0, 1, 1, 1, 2])}, False),  # one moved to another class, in its place
    ],
    ids=["same", "moved", "other name", "other picture", "other label"],
)
def test_a_prediction_is_recalled_for_the_same_data_only(home, stored, change, recalled):
    labels = np.array([0, 0, 1, 1, 2])
    names = "test", ("a", "b", "c"), ("p",) * 5
    pictures = datasets.Split(*names, labels, tuple("vwxyz"), "drawn_pets")
    kept = {"test": (pictures, labels)}
    entry = results.record("02_x", "drawn", "accuracy", 1, predictions=kept, accuracy=1.0).entry
    assert entry["predictions"]["test"]["data_set"] == "drawn_pets"
    for _ in ("your own run", "the course's record"):
        asked = dataclasses.replace(pictures, **change)
        found = results.recall_predictions("02_x", "drawn", "test", asked)
        assert (found is not None) == recalled
        results.store({"02_x": entry}, "drawn")
        (home / "cache" / "results" / "drawn" / "02_x.json").unlink(missing_ok=True)


def test_a_record_made_before_it_named_its_data_is_known_by_its_pictures(home, stored):
    pictures = datasets.Split("test", ("a", "b"), ("p",) * 2, np.array([0, 1]), tuple("vw"), "own")
    kept = {"pictures": 2, "of": pictures.key("predictions"), "wrong": "0:1"}
    results.store({"02_x": {"predictions": {"test": kept}}}, "drawn")
    assert results.recall_predictions("02_x", "drawn", "test", pictures).tolist() == [1, 1]
    others = pictures.select([1])
    assert results.recall_predictions("02_x", "drawn", "test", others) is None


def test_the_name_of_a_data_set_is_its_folders_and_no_path(pets):
    assert {split.data_set for split in pets.splits} == {"my pets"}
    assert pets.test.limit(1).data_set == "my pets"


def test_predictions_come_from_the_record_where_there_is_no_run(home, stored):
    pictures = datasets.Split("test", ("a", "b"), ("p",) * 2, np.array([0, 1]), tuple("vw"))
    kept = {"test": (pictures, np.array([1, 1]))}
    entry = results.record("02_x", "drawn", "accuracy", 1, predictions=kept, accuracy=0.5).entry
    results.store({"02_x": entry}, "drawn")
    (results.cache_dir() / "results" / "drawn" / "02_x.json").unlink()
    assert results.recall_predictions("02_x", "drawn", "test", pictures).tolist() == [1, 1]
