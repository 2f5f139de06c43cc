"""The core five times in a row in one environment: do the numbers stay, and do memory and disk?

    python -m tests.benchmarks.soak [--store]

Each round executes every lesson anew; what the first round drew and computed stays in the cache, as
on a learner's computer. About half an hour on two quiet cores. Writes notebooks/results/soak.json.
"""

import os
import shutil
import subprocess
import sys
import time

from utils import results
from utils.base.folders import data_dir
from utils.running import lessons

ROUNDS = 5


def one_round():
    """Run the core; returns seconds, the memory of its largest process, and what lies on disk."""
    shutil.rmtree(lessons.runs_dir("drawn"), ignore_errors=True)
    start = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", "utils.course", "run"])
    _, status, used = os.wait4(process.pid, 0)  # of the process and all that it waited for
    assert status == 0, "a lesson failed"
    sizes = [path.stat().st_size for path in data_dir().rglob("*") if path.is_file()]
    return {
        "seconds": round(time.monotonic() - start, 1),
        "peak_mb": round(used.ru_maxrss / 1e3),  # Linux counts kilobytes
        "disk_mb": round(sum(sizes) / 1e6, 1),
        "files": len(sizes),
    }


def complaints(rounds, spread, pictures):
    """What must not be after some rounds: a moving accuracy, growing memory or files."""
    found = [
        f"{name} moved by {value}, more than two pictures"
        for name, value in spread.items()
        if "accuracy" in name and value > 2 / pictures + 1e-5
    ]
    memory = [one["peak_mb"] for one in rounds]
    if max(memory) > 1.05 * min(memory):
        found.append(f"memory went from {min(memory)} to {max(memory)} MB")
    if len({one["files"] for one in rounds}) > 1:
        found.append(f"files in data: {[one['files'] for one in rounds]}")
    return found


def main(*arguments):
    """Five rounds, each number of each lesson compared over them; returns 1 if too much moved."""
    numbers, entries, rounds = {}, {}, []
    for number in range(1, ROUNDS + 1):
        measured = one_round()
        print(f"round {number}: {measured}", flush=True)
        entries[f"round {number}"] = entry("seconds", measured)
        rounds.append(measured)
        for name, value in lesson_numbers().items():
            numbers.setdefault(name, []).append(value)
    spread = {name: round(max(values) - min(values), 6) for name, values in numbers.items()}
    print({name: value for name, value in spread.items() if value})
    entries["lessons in the last round"] = entry("04 test_accuracy", lesson_numbers())
    entries["lessons in the record then"] = recorded_then()
    entries["spread over the rounds"] = entry("04 test_accuracy", spread)
    if "--store" in arguments:
        results.store(entries, "soak")
    found = complaints(rounds, spread, numbers["04 test_pictures"][0])
    print("\n".join(found))
    return int(bool(found))


def lesson_numbers():
    """What the lessons of the core recorded in this round: number of the lesson, name → value."""
    return {
        f"{lesson[:2]} {name}": value
        for lesson in lessons.choose([])
        for name, value in lessons.run(lesson, "drawn").entry["numbers"].items()
    }


def recorded_then():
    """The course's own record on the day of the soak, perhaps of another processor."""
    stored = results.load_stored("drawn")
    numbers = {
        f"{lesson[:2]} {name}": value
        for lesson in lessons.choose([])
        for name, value in stored[lesson]["numbers"].items()
    }
    return stored["04_fine_tuning"] | {"headline": "04 test_accuracy", "numbers": numbers}


def entry(headline, numbers):
    """One entry of the record, in the form that all records have."""
    about = {"lesson": "soak", "profile": "drawn", "headline": headline, "seed": 1}
    return about | {"numbers": numbers} | results.provenance()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
