"""The core five times in a row in one environment: do the numbers stay, and do memory and disk?

    python -m tests.benchmarks.soak

Each round executes every lesson anew; what the first round drew and computed stays in the cache, as
on a learner's computer. About half an hour on two quiet cores. Writes notebooks/results/soak.json.
"""

import shutil
import subprocess
import sys
import threading
import time

import psutil

from utils import results, runner
from utils.folders import data_dir

ROUNDS = 5


def one_round():
    """Run the core; returns seconds, the most memory of its processes, and what lies on disk."""
    shutil.rmtree(runner.runs_dir("drawn"), ignore_errors=True)
    start = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", "utils.course", "run"])
    most, over = [0.0], threading.Event()

    def watch():
        while not over.wait(0.2):
            most.append(sum(map(held, family(process.pid))) / 1e6)

    watcher = threading.Thread(target=watch)
    watcher.start()
    code = process.wait()
    over.set()
    watcher.join()
    assert code == 0, "a lesson failed"
    sizes = [path.stat().st_size for path in data_dir().rglob("*") if path.is_file()]
    return {
        "seconds": round(time.monotonic() - start, 1),
        "peak_mb": round(max(most)),
        "disk_mb": round(sum(sizes) / 1e6, 1),
        "files": len(sizes),
    }


def family(pid):
    """A process and all that it started."""
    try:
        first = psutil.Process(pid)
        return [first, *first.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def held(process):
    """Bytes of memory that a process holds; none when it has just ended."""
    try:
        return process.memory_info().rss
    except psutil.NoSuchProcess:
        return 0


def main():
    """Five rounds; each number of each lesson is compared over them, and the spread is stored."""
    numbers, entries = {}, {}
    for number in range(1, ROUNDS + 1):
        measured = one_round()
        print(f"round {number}: {measured}", flush=True)
        entries[f"round {number}"] = entry("seconds", measured)
        for lesson in runner.choose([]):
            for name, value in runner.run(lesson, "drawn").entry["numbers"].items():
                numbers.setdefault(f"{lesson[:2]} {name}", []).append(value)
    spread = {name: round(max(values) - min(values), 6) for name, values in numbers.items()}
    moved = {name: value for name, value in spread.items() if value}
    summary = {"numbers": len(spread), "equal_in_all_rounds": len(spread) - len(moved)}
    entries["spread"] = entry("equal_in_all_rounds", summary | moved)
    print(summary, moved)
    results.store(entries, "soak")


def entry(headline, numbers):
    """One entry of the record, in the form that all records have."""
    about = {"lesson": "soak", "profile": "drawn", "headline": headline, "seed": 1}
    return about | {"numbers": numbers} | results.provenance()


if __name__ == "__main__":
    main()
