"""Mutation testing: change one operator or number of the code at a time; does a test fail?

    python -m tests.benchmarks.mutants [how many]

Which modules, which changes and which tests: mutants.toml. All changes take some hours; the counts
are then kept in notebooks/results/mutants.json. `make test-all` draws some and keeps no counts.
cosmic-ray, which makes the changes in a clone of the repository, is installed beside it.
"""

import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from utils import results, statistics
from utils.base.folders import ROOT

COSMIC_RAY = "cosmic-ray==8.7.0"
CONFIG = "tests/benchmarks/mutants.toml"
NOTICED = 0.85  # of all changes in each file, at least
LEFT = "select job_id from work_items where job_id not in (select job_id from work_results)"
COUNTS = """
select module_path, test_outcome, count(*) from mutation_specs natural join work_results
where worker_outcome != 'SKIPPED' group by 1, 2
"""


def keep(session, sample):
    """Leave a random sample of a session's changes."""
    with sqlite3.connect(session) as base:
        jobs = base.execute(LEFT).fetchall()
        for job in random.sample(jobs, len(jobs) - min(sample, len(jobs))):
            for table in ("mutation_specs", "work_items"):
                base.execute(f"delete from {table} where job_id = ?", job)


def count(session):
    """Of each module: how many changes a test noticed, and how many none did."""
    counts = {}
    for path, outcome, number in sqlite3.connect(session).execute(COUNTS):
        of_module = counts.setdefault(Path(path).name, {"survived": 0, "killed": 0})
        of_module["survived" if outcome == "SURVIVED" else "killed"] += number
    return counts


def few_noticed(counts):
    """Modules of which even the upper end of the interval is below what is asked for."""
    found = []
    for name, one in counts.items():
        changes = one["killed"] + one["survived"]
        if statistics.interval(one["killed"] / changes, changes)[1] < NOTICED:
            found.append(name)
    return found


def run(place, sample):
    """Make the changes and run the tests; returns the session, a file of SQLite's."""
    clone, tools, session = place / "course", place / "tools", place / "mutants.sqlite"
    subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
    venv.create(tools, with_pip=True)
    binaries = tools / ("Scripts" if os.name == "nt" else "bin")
    subprocess.run([binaries / "python", "-m", "pip", "install", "-q", COSMIC_RAY], check=True)
    environment = os.environ | {
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
        "PYTHONPATH": str(clone),
    }

    def tool(name, *arguments):
        subprocess.run([binaries / name, *arguments], cwd=clone, env=environment, check=True)

    tool("cosmic-ray", "init", CONFIG, session)
    tool("cr-filter-operators", session, CONFIG)
    if sample:
        keep(session, sample)
    tool("cosmic-ray", "baseline", CONFIG)  # the tests must pass as long as nothing is changed
    tool("cosmic-ray", "exec", CONFIG, session)
    tool("cr-report", "--surviving-only", "--show-diff", session)
    return session


def main(sample="0"):
    """Run all changes, or a sample; returns 1 if too few were noticed."""
    with tempfile.TemporaryDirectory() as place:
        counts = count(run(Path(place), int(sample)))
    for name, numbers in counts.items():
        share = numbers["killed"] / (numbers["killed"] + numbers["survived"])
        numbers["killed_share"] = round(share, 6)
        print(f"{name}: {numbers}")
    assert counts, "nothing was changed"
    if not int(sample):
        about = {"lesson": "mutants", "profile": "unit tests"}
        about |= {"headline": "killed_share", "seed": 0}
        entries = {
            name: about | {"numbers": numbers} | results.provenance()
            for name, numbers in counts.items()
        }
        results.store(entries, "mutants")
    return int(bool(few_noticed(counts)))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
