"""The core as Colab runs it, beside older versions than the lock's, of the index; at night.

The newest versions are tried each week by a workflow of its own, for what others publish must not
make the nightly tests fail.
"""

import numpy as np
import pytest

from tests.benchmarks import rerecord, versions
from utils import results, statistics
from utils.running import lessons, readme


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


@pytest.mark.check
def test_the_page_says_what_the_record_of_versions_says():
    """No number and no answer differs between the sets; between two processors nine answers do."""
    stored = results.load_stored("versions")
    here, there = stored["lock"], stored["record"]
    for name in versions.SETS:
        for part in ("numbers", "predictions"):
            assert stored[name][part] == here[part]
    ones = np.ones(here["predictions"]["lesson04_test"]["pictures"], int)
    right = [rerecord.right(one["predictions"]["lesson04_test"]) for one in (there, here)]
    found = statistics.compare(ones, *right)
    assert found.p_value > 0.05
    page = " ".join(readme.PAGE.read_text("utf-8").split())
    said = f"Of its {found.n} test pictures {found.only_first + found.only_second} were answered "
    said += f"otherwise: {found.only_first} wrongly where the record was right, "
    assert said + f"and {found.only_second} rightly where it was wrong" in page
