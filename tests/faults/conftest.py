"""Counts what was tried and what was survived; README's table of faults is made from it.

`COURSE_STORE_FAULTS=1 pytest tests/faults` keeps the counts in notebooks/results/faults.json.
"""

import os
from contextlib import contextmanager

import pytest

from utils import results

COUNTS = {}


class Tally:
    """One fault: how often it was tried, and how often nothing was lost."""

    def __init__(self):
        self.fault, self.tries, self.survived = "", 0, 0

    @contextmanager
    def attempt(self, fault):
        """Count a try, and its survival if the block ends without an error."""
        self.fault, self.tries = fault, self.tries + 1
        yield
        self.survived += 1


@pytest.fixture
def tally():
    one = Tally()
    yield one
    if one.fault:
        before = COUNTS.setdefault(one.fault, {"tries": 0, "survived": 0})
        before["tries"] += one.tries
        before["survived"] += one.survived


def pytest_sessionfinish():
    if os.environ.get("COURSE_STORE_FAULTS") and COUNTS:
        entries = {
            fault: {
                "lesson": "faults",
                "profile": "faults",
                "headline": "survived",
                "seed": 0,
                "numbers": counts | {"lost": counts["tries"] - counts["survived"]},
                **results.provenance(),
            }
            for fault, counts in COUNTS.items()
        }
        results.store(entries, "faults")
