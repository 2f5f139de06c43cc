"""Keep what mutation testing found: python -m tests.benchmarks.mutants mutants.sqlite

How the session is made stands in mutants.toml. Writes notebooks/results/mutants.json.
"""

import sqlite3
import sys
from pathlib import Path

from utils import results

QUERY = """
select module_path, test_outcome, count(*) from mutation_specs natural join work_results
where worker_outcome != 'SKIPPED' group by 1, 2
"""


def main(sessions):
    """Count each module's mutants, those that a test noticed and those that none did."""
    counts = {}
    for session in sessions:
        for path, outcome, number in sqlite3.connect(session).execute(QUERY):
            of_module = counts.setdefault(Path(path).name, {"survived": 0, "killed": 0})
            of_module["survived" if outcome == "SURVIVED" else "killed"] += number
    for name, numbers in counts.items():
        share = numbers["killed"] / (numbers["killed"] + numbers["survived"])
        numbers["killed_share"] = round(share, 6)
        print(f"{name}: {numbers}")
    about = {"lesson": "mutants", "profile": "unit tests", "headline": "killed_share", "seed": 0}
    entries = {
        name: about | {"numbers": numbers} | results.provenance()
        for name, numbers in counts.items()
    }
    results.store(entries, "mutants")


if __name__ == "__main__":
    main(sys.argv[1:])
