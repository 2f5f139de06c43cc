"""The programs that run at night say so when something is wrong."""

import pytest

from tests.benchmarks import mutants, remedies, soak

pytestmark = pytest.mark.check

CODE = """LIMIT = 3

class Box:
    def open(self):
        return LIMIT

def open():
    return LIMIT + LIMIT
"""


def test_a_remedy_is_taken_out_of_one_function():
    assert remedies.without(CODE, "Box.open", "LIMIT", "0") == CODE.replace(
        "return LIMIT\n", "return 0\n"
    )
    assert remedies.without(CODE, "LIMIT", "3", "1") == CODE.replace("3", "1")
    with pytest.raises(AssertionError, match="open holds 'LIMIT' 2 times"):
        remedies.without(CODE, "open", "LIMIT", "0")
    with pytest.raises(ValueError):
        remedies.without(CODE, "shut", "LIMIT", "0")


def test_a_module_whose_changes_go_unnoticed_is_named():
    good, bad = {"killed": 9, "survived": 1}, {"killed": 2, "survived": 6}
    assert mutants.few_noticed({"a.py": good, "b.py": bad}) == ["b.py"]


def test_what_moves_in_a_soak_is_said():
    calm = [{"peak_mb": 1000, "files": 5}, {"peak_mb": 1040, "files": 5}]
    spread = {"04 test_accuracy": 0.004, "04 epochs": 0}
    assert soak.complaints(calm, spread, 500) == []
    assert len(soak.complaints(calm, {"04 test_accuracy": 0.006}, 500)) == 1
    grown = [*calm, {"peak_mb": 1060, "files": 6}]
    assert len(soak.complaints(grown, spread, 500)) == 2
