"""The core as Colab runs it, beside older versions than the lock's, of the index; at night.

The newest versions are tried each week by a workflow of its own, for what others publish must not
make the nightly tests fail.
"""

import pytest

from tests.benchmarks import versions
from utils import results
from utils.running import lessons


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", ["older", "colab"])
def test_the_core_measures_the_same_beside_older_versions(name, tmp_path):
    assert versions.left(versions.tried(name, tmp_path)) == {}


@pytest.mark.check
def test_an_accuracy_outside_of_its_interval_is_named():
    entries = {lesson: results.load_stored("drawn")[lesson] for lesson in lessons.choose([])}
    assert versions.left(entries) == {}
    fine, headline = "04_fine_tuning", {"test_accuracy": 0.5}
    entries[fine] = {"numbers": entries[fine]["numbers"] | headline}
    ((lesson, accuracies),) = versions.left(entries).items()
    assert lesson == fine and list(accuracies) == ["test_accuracy"]


@pytest.mark.check
def test_the_record_holds_every_set_with_the_numbers_of_the_core():
    stored = results.load_stored("versions")
    assert set(stored) == {*versions.SETS, "record"}
    for entry in stored.values():
        assert set(entry["numbers"]) == set(stored["record"]["numbers"])
        assert set(entry["predictions"]) == set(stored["record"]["predictions"])
